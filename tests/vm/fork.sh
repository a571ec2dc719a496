#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# fork.sh MMRIG KERNEL
#
# Forks of one template are machines of their own: boot id, random numbers, clock. A template
# whose state was damaged is not used. --cold boots.
set -euo pipefail

# With templates of its own, on a /dev/shm that nobody else sees: some are damaged here.
if [ -z "${MMRIG_FORK_TEST-}" ]; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(--map-root-user)
    # shellcheck disable=SC2016  # expanded by the inner shell
    exec env MMRIG_FORK_TEST=1 unshare "${as_root[@]}" --mount sh -euc '
        mount -t tmpfs tmpfs /dev/shm
        exec "$@"' sh "$0" "$@"
fi

mmrig=$1
kernel=$2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

number=0
failed=0
# check NAME COMMAND...
check() {
    local name=$1
    shift
    number=$((number + 1))
    if "$@"; then
        echo "ok $number $name"
    else
        failed=$((failed + 1))
        echo "not ok $number $name"
    fi
}

run() {
    local out=$1
    shift
    "$mmrig" run boot-identity --kernel "$kernel" --accel tcg --out "$work/$out" --json "$@" \
        >"$work/$out.json"
}

# field NAME JSON: every value of a member or metric of that name, a line each.
field() {
    sed -n "s/^ *\"$1\" : \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$2"
}
metric() {
    grep -A1 "\"name\" : \"$1\"" "$2" | field value /dev/stdin
}

before=$(date +%s)
run forks --repeat 4 --jobs 2
after=$(date +%s)
ids=$(field boot_id "$work/forks.json")
randoms=$(metric random "$work/forks.json")
check four-forks test "$(field forked "$work/forks.json" | grep -c true)" -eq 4
check boot-ids-differ test "$(sort -u <<<"$ids" | wc -l)" -eq 4
check randoms-differ test "$(sort -u <<<"$randoms" | wc -l)" -eq 4
clocks=$(metric clock "$work/forks.json" |
    awk -v least="$before" -v most="$after" '$1 >= least && $1 <= most + 1' | wc -l)
check clocks-are-right test "$clocks" -eq 4

# A clock that stood still since the template was made would now be seconds behind.
sleep 3
before=$(date +%s)
run later
late=$(metric clock "$work/later.json" | awk -v least="$before" '$1 >= least' | wc -l)
check clock-is-right-later test "$late" -eq 1

run cold --cold
check cold-is-not-forked test "$(field forked "$work/cold.json")" = false

# One bit of the state: the template is made again, and the fork is a good one.
state=$(echo /dev/shm/mmrig-*/*/rig.state)
[ -f "$state" ] || { echo "Bail out! not one template: $state" && exit 1; }
sum=$(cksum <"$state")
byte=$(od -An -tu1 -j 100000 -N 1 "$state" | tr -d ' ')
printf '%b' "\\0$(printf '%o' $((byte ^ 1)))" |
    dd of="$state" bs=1 seek=100000 conv=notrunc status=none
check state-is-damaged test "$(cksum <"$state")" != "$sum"
made=$(stat -c %i "$state")
run damaged
check damaged-state-is-not-used test "$(stat -c %i "$state")" != "$made"
check fork-of-the-new-one test "$(field forked "$work/damaged.json")" = true

echo "1..$number"
[ "$failed" -eq 0 ]
