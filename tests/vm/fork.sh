#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# fork.sh MMRIG KERNEL SCENARIOS
#
# Forks of one template are machines of their own: boot id, random numbers, clock. A template
# whose state was damaged is not used, and whatever a machine is made of makes another one. --cold boots.
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

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2
scenarios=$3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Those that are kept elsewhere, in the cache folder, do not count here.
export MMRIG_TEMPLATES=/dev/shm/mmrig-fork

run() {
    local out=$1
    shift
    "$mmrig" run boot-identity --kernel "$kernel" --accel tcg --out "$work/$out" --json "$@" \
        >"$work/$out.json"
}

metric() {
    grep -A1 "\"name\" : \"$1\"" "$2" | field value /dev/stdin
}

before=$(date +%s)
run forks --repeat 4 --jobs 2
after=$(date +%s)
ids=$(field boot_id "$work/forks.json")
randoms=$(metric random "$work/forks.json")
check four-forks "$(field forked "$work/forks.json" | grep -c true)" 4
check boot-ids-differ "$(sort -u <<<"$ids" | wc -l)" 4
check randoms-differ "$(sort -u <<<"$randoms" | wc -l)" 4
clocks=$(metric clock "$work/forks.json" |
    awk -v least="$before" -v most="$after" '$1 >= least && $1 <= most + 1' | wc -l)
check clocks-are-right "$clocks" 4

# A clock that stood still since the template was made would now be seconds behind.
sleep 3
before=$(date +%s)
run later
late=$(metric clock "$work/later.json" | awk -v least="$before" '$1 >= least' | wc -l)
check clock-is-right-later "$late" 1

run cold --cold
check cold-is-not-forked "$(field forked "$work/cold.json")" false

# A scenario can ask for either; what cannot be had is skipped.
mkdir "$work/ways"
for way in cold forked; do
    sed "s/^timeout = .*/&\n$way = it is about that/" "$scenarios/boot-identity.ini" \
        >"$work/ways/boot-identity.ini"
    run "$way-way" --scenarios "$work/ways" 2>"$work/$way-way.err"
done
check asked-to-be-cold "$(field forked "$work/cold-way.json")" false
check asked-to-be-cold-is-noted "$(cat "$work/cold-way.err")" \
    "mmrig: boot-identity is booted, not forked: it is about that"
check asked-to-be-forked "$(field forked "$work/forked-way.json")" true
status=0
run forked-cold --scenarios "$work/ways" --cold || status=$?
check forked-cannot-be-cold "$status" 77

# A guest that took its TSC for one of 1 GHz, as one may that boots on a busy host, has a clock that
# no fork is to have.
mkdir "$work/fast"
sed 's/^\[machine\]/[kernel]\ncmdline = tsc_early_khz=1000000\n\n&/' "$scenarios/boot-identity.ini" \
    >"$work/fast/boot-identity.ini"
run fast --scenarios "$work/fast" 2>"$work/fast.err"
check wrong-clock-is-not-forked "$(field forked "$work/fast.json")" false
check wrong-clock-is-noted "$(grep -c 'no template: the guest.s clock goes at [0-9.]* times the speed of the host' "$work/fast.err")" 1

# One bit of the state: the template is made again, and the fork is a good one.
state=$(echo /dev/shm/mmrig-*/*/rig.state)
[ -f "$state" ] || { echo "Bail out! not one template: $state" && exit 1; }
check whole-is-verified "$("$mmrig" cache verify)" "templates: 1, all of them whole"
byte=$(od -An -tu1 -j 100000 -N 1 "$state" | tr -d ' ')
printf '%b' "\\0$(printf '%o' $((byte ^ 1)))" |
    dd of="$state" bs=1 seek=100000 conv=notrunc status=none
status=0
"$mmrig" cache verify >"$work/verify" 2>&1 || status=$?
check damage-is-verified "$status $(grep -c "^damaged: $(dirname "$state")" "$work/verify")" "1 1"
made=$(stat -c %i "$state")
run damaged
check damaged-state-is-not-used "$([ "$(stat -c %i "$state")" = "$made" ] || echo so)" so
check fork-of-the-new-one "$(field forked "$work/damaged.json")" true
check the-new-one-is-whole "$("$mmrig" cache verify)" "templates: 1, all of them whole"

# A byte of the kernel, an argument of the machine: each makes a template of its own beside those
# that there are, and none is made twice.
templates() {
    find /dev/shm/mmrig-* -mindepth 1 -maxdepth 1 -type d | wc -l
}
image=$(field kernel-image "$work/later/environment.json")
cp "$image" "$work/kernel"
kernel=path:$work/kernel
run copied
check another-kernel "$(templates)" 2
run copied-again
check the-same-kernel "$(templates)" 2
printf x >>"$work/kernel"
run longer
check another-byte-of-it "$(templates)" 3
mkdir "$work/scenarios"
sed 's/^memory = .*/memory = 1026M/' "$scenarios/boot-identity.ini" >"$work/scenarios/boot-identity.ini"
run larger --scenarios "$work/scenarios"
check another-argument "$(templates)" 4
run longer-again
check all-of-them-are-kept "$(templates)" 4
check all-of-them-are-forked \
    "$(cat "$work"/{copied,copied-again,longer,larger,longer-again}.json | field forked /dev/stdin | sort | uniq -c | tr -s ' ')" \
    " 5 true"

# What the kernel itself takes for its boot id.
"$mmrig" run boot-smoke --kernel "$kernel" --accel tcg --out "$work/smoke" --json --repeat 2 \
    >"$work/smoke.json"
check kernel-boot-ids-differ "$(metric boot-id "$work/smoke.json" | sort -u | wc -l)" 2

finish
