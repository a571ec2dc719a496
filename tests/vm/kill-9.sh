#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill-9.sh MMRIG KERNEL [TIMES]
#
# Kills a running mmrig with SIGKILL at random moments, and looks for what it left: processes,
# sockets, temporary files. Every process that mmrig starts inherits a mark in its environment,
# by which leftovers are found. The first rounds start with an empty image cache, so that some
# of the kills come while an image is being made; the next without templates, and kill while
# one is being made. No killed run may leave a template that is not whole.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2
times=${3:-20}

work=$(mktemp -d)
# Where templates would be kept, but a folder of our own.
store=$(mktemp -d /dev/shm/mmrig-kill-XXXXXX)
trap 'rm -rf "$work" "$store"' EXIT
export MMRIG_TEMPLATES=$store
mkdir "$work/tmp" "$work/cache"

# The kernels of the real cache, but images of our own.
real_cache=${XDG_CACHE_HOME:-$HOME/.cache}/mmrig
mkdir "$work/cache/mmrig"
for entry in "$real_cache"/*; do
    [ "$(basename "$entry")" = images ] || ln -s "$entry" "$work/cache/mmrig/"
done

failures=0
fail() {
    echo "not ok round $round: $*"
    failures=$((failures + 1))
}

# Names that a run's folder may hold; everything else is a leftover.
known='qemu\.argv|qemu\.log|qmp\.log|console\.log|test\.ktap|stderr\.log|result\.json|results\.json|environment\.json|junit\.xml'

# Until a template is being made.
await_template() {
    for _ in $(seq 1 3000); do
        [ -z "$(half_made "$store")" ] || return 0
        sleep 0.01
    done
    fail "no template was made"
}

killed=0
makers=0
for round in $(seq 1 "$times"); do
    mark=$$-$round
    out=$work/out-$round
    [ "$round" -gt 5 ] || rm -rf "$work/cache/mmrig/images"
    [ "$round" -gt 13 ] || rm -rf "${store:?}"/*
    env MMRIG_KILL_TEST="$mark" TMPDIR="$work/tmp" XDG_CACHE_HOME="$work/cache" \
        "$mmrig" run boot-smoke nvdimm-fsdax-persist --kernel "$kernel" --accel tcg --out "$out" \
        >/dev/null 2>&1 &
    pid=$!
    # From 0 to 3 s; the first rounds early, while the image or the template is made.
    if [ "$round" -le 5 ]; then
        sleep "0.0$((RANDOM % 100))"
    elif [ "$round" -le 13 ]; then
        await_template
        sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
        [ -z "$(half_made "$store")" ] || makers=$((makers + 1))
    else
        sleep "$((RANDOM % 3)).$((RANDOM % 1000))"
    fi
    if kill -KILL "$pid" 2>/dev/null; then
        killed=$((killed + 1))
    fi
    wait "$pid" 2>/dev/null && status=0 || status=$?
    # The kernel delivers the death signals at once, but a large QEMU takes a moment to go.
    left=
    for _ in $(seq 1 50); do
        left=$(marked_processes "MMRIG_KILL_TEST=$mark")
        [ -n "$left" ] || break
        sleep 0.1
    done
    [ -z "$left" ] || fail "processes left: $left"
    [ "$status" -eq 137 ] || fail "mmrig ended by itself with status $status before it was killed"
    [ -z "$(ls -A "$work/tmp")" ] || fail "temporary files left: $(ls -A "$work/tmp")"
    left=$(find "$work" -type s)
    [ -z "$left" ] || fail "sockets left: $left"
    if [ -d "$out" ]; then
        left=$(find "$out" -type f | grep -vE "/($known)\$" || [ $? -eq 1 ])
        [ -z "$left" ] || fail "unknown files left: $left"
    fi
    left=$(find "$work/cache/mmrig" -name '.*' ! -name '*.lock')
    [ -z "$left" ] || fail "half-made cache entries left: $left"
    left=$(half_made "$store")
    [ -z "$left" ] || fail "half-made templates left: $left"
    "$mmrig" cache verify >"$work/verify" || fail "$(cat "$work/verify")"
done

# What the killed runs have left is of use.
round=last
"$mmrig" run boot-smoke --kernel "$kernel" --accel tcg --out "$work/out-last" >/dev/null ||
    fail "a run after them does not pass"
[ "$times" -lt 13 ] || [ "$makers" -gt 0 ] || fail "no template was being made at any kill"

echo "killed $killed of $times runs, $makers of them while they made a template; $failures left something behind"
[ "$failures" -eq 0 ] && [ "$killed" -eq "$times" ]
