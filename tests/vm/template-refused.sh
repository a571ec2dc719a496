#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# template-refused.sh MMRIG KERNEL SCENARIOS
#
# A template that is whole, but that QEMU does not load, is made again once; if that does not help
# the machine is booted. Scenarios with one template have it made once. A template in the making is
# of the scenario as it was read, not of what the file says by then.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2
scenarios=$3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export MMRIG_TEMPLATES=$work/store
mkdir "$work/scenarios"
sed '/^\[twin/,$d' "$scenarios/boot-smoke.ini" >"$work/scenarios/one.ini"
# A twin with the same machine and the same test, and so the same template. That it passes is wrong
# for a twin, which shows that it ran.
printf '[twin same]\nscenario.timeout = 31\ncause = assertion\n' >>"$work/scenarios/one.ini"

# A QEMU that notes how it was started, and then is the one that the host has.
qemu=$(command -v "${MMRIG_QEMU:-qemu-system-x86_64}")
cat >"$work/qemu" <<END
#!/bin/sh
printf '%s\n' "\$*" >>"$work/starts"
if [ -e "$work/fails" ]; then
    case "\$*" in *-incoming*) echo "cannot load this" >&2; exit 1 ;; esac
fi
if [ -e "$work/changes" ]; then
    case "\$*" in *rig.state* | *-kernel*) : ;; *) cp "$work/changes" "$work/scenarios/one.ini" ;; esac
fi
exec "$qemu" "\$@"
END
chmod +x "$work/qemu"
export MMRIG_QEMU=$work/qemu

run() {
    local out=$1 status=0
    shift
    : >"$work/starts"
    "$mmrig" run "$@" --scenarios "$work/scenarios" --kernel "$kernel" --accel tcg \
        --out "$work/$out" --json >"$work/$out.json" 2>"$work/$out.err" || status=$?
    echo "$status"
}

# Each process of mmrig asks a script once what it starts.
asked() {
    grep -c -- '-machine none' "$work/starts" || :
}

check shared-status "$(run shared one one:same --jobs 2)" 1
check shared-forked "$(field forked "$work/shared.json" | tr '\n' ' ')" "true true "
check shared-is-one "$(find "$work/store" -mindepth 1 -maxdepth 1 -type d -name '[0-9a-f]*' | wc -l)" 1
check shared-has-one-maker "$(asked)" 2

# Garbage with the checksum of garbage: whole, as far as the rig can tell.
folder=$(find "$work/store" -mindepth 1 -maxdepth 1 -type d -name '[0-9a-f]*')
head -c 65536 /dev/zero >"$folder/rig.state"
sum=$(sha256sum "$folder/rig.state" | cut -d' ' -f1)
sed -i "s/\"state-sha256\" : \"[0-9a-f]*\"/\"state-sha256\" : \"$sum\"/" "$folder/meta.json"
check refused-status "$(run refused one one:same --jobs 2)" 1
check refused-forked "$(field forked "$work/refused.json" | tr '\n' ' ')" "true true "
check refused-made-once "$(grep -c 'is made again: QEMU did not load its state: ' "$work/refused.err")" 1
check refused-is-good-now "$(run again one)" 0
check refused-is-forgotten "$(wc -c <"$work/again.err")" 0

# A QEMU that loads none at all, in its own words.
: >"$work/fails"
check never-status "$(run never one)" 0
check never-forked "$(field forked "$work/never.json")" false
check never-said "$(grep -c 'one is booted, not forked: .*cannot load this' "$work/never.err")" 1
rm "$work/fails"

# The maker of the template reads the scenario later than who asked for it.
rm -rf "$work/store"
sed 's/^summary *=.*/&\nforked = it is about that/; s/^memory *=.*/memory = 384M/' \
    "$work/scenarios/one.ini" >"$work/changed"
cp "$work/scenarios/one.ini" "$work/before"
mv "$work/changed" "$work/changes"
check changed-status "$(run changed one)" 0
check changed-forked "$(field forked "$work/changed.json")" false
check changed-said "$(grep -c 'was changed meanwhile' "$work/changed.err")" 1
check changed-made-none "$(find "$work/store" -mindepth 1 -maxdepth 1 -type d -name '[0-9a-f]*' | wc -l)" 0

finish
