#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-race.sh MMRIG KERNEL
#
# One boot in some thousands with several CPUs under TCG ends as QEMU aborts in a race of its own
# (its issue 1921). Before the guest is up that is no verdict: the machine is booted, or its
# template made, once more, and the user told. A second time, or another abort, is what it is.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A QEMU that aborts, with the words in qemu-words, for as many machines as qemu-dies says, and then
# is the real one.
MMRIG_REAL_QEMU=${MMRIG_QEMU:-$(command -v qemu-system-x86_64)}
export MMRIG_REAL_QEMU
cat >"$work/qemu" <<'END'
#!/bin/sh
dies=$(cat "$0-dies")
case "$*" in
*mmrig-boot-identity*)
    if [ "$dies" -gt 0 ]; then
        echo $((dies - 1)) >"$0-dies"
        cat "$0-words" >&2
        kill -ABRT $$
    fi
    ;;
esac
exec "$MMRIG_REAL_QEMU" "$@"
END
chmod +x "$work/qemu"
race="qemu-system-x86_64: system/physmem.c:2678: iotlb_to_section: Assertion \`section_index < d->map.sections_nb' failed."
other="qemu-system-x86_64: hw/core/cpu.c:1: cpu_reset: Assertion \`cpu' failed."

# run NAME DIES WORDS [ARGUMENT...]: its status and what is noted; its result as JSON.
run() {
    local name=$1 status=0
    echo "$2" >"$work/qemu-dies"
    echo "$3" >"$work/qemu-words"
    shift 3
    env MMRIG_QEMU="$work/qemu" MMRIG_TEMPLATES="$work/templates" "$mmrig" run boot-identity \
        --kernel "$kernel" --accel tcg --json --out "$work/$name" "$@" \
        >"$work/$name.json" 2>"$work/$name.err" || status=$?
    echo "$status $(cat "$work/$name.err")"
}

note="QEMU died of a race of its own (its issue 1921)"
check booted-again "$(run once 1 "$race" --cold)" "0 mmrig: boot-identity is booted again: $note"
check passes "$(field verdict "$work/once.json")" pass

check only-once "$(run twice 2 "$race" --cold)" "1 mmrig: boot-identity is booted again: $note"
check is-qemus-end "$(field cause "$work/twice.json")" qemu-died

check another-abort "$(run another 1 "$other" --cold)" "1 "
check is-its-end "$(field cause "$work/another.json")" qemu-died

check template-made-again "$(run template 1 "$race")" \
    "0 mmrig: the template of boot-identity is made again: $note"
check forked "$(field forked "$work/template.json")" true

rm -rf "$work/templates"
noted=$(run template-twice 2 "$race")
check template-only-once "$(grep -c 'is booted, not forked: no template: QEMU crashed' <<<"$noted")" 1
check booted-instead "$(field forked "$work/template-twice.json") $(field verdict "$work/template-twice.json")" \
    "false pass"
finish
