#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# errors.sh MMRIG FAKE_QEMU
#
# Bad input, bad hosts: each gives one clear line on standard error and the right exit status.
# Nothing here boots a guest; the kernel is a file that only looks like one.
set -euo pipefail

mmrig=$1
fake_qemu=$2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache
mkdir -p "$XDG_CACHE_HOME" "$work/scenarios" "$work/empty"
cd "$work"

# What a boot sector's flag and the "HdrS" mark at 0x202 make of a file of zeroes.
head -c 4096 /dev/zero >bzImage
printf '\x55\xaa' | dd of=bzImage bs=1 seek=510 conv=notrunc status=none
printf 'HdrS' | dd of=bzImage bs=1 seek=514 conv=notrunc status=none

number=0
failed=0
result() {
    number=$((number + 1))
    if [ -z "$2" ]; then
        echo "ok $number $1"
    else
        failed=$((failed + 1))
        echo "not ok $number $1: $2"
        sed 's/^/# /' "$work/stderr"
    fi
}

# expect NAME STATUS PATTERN -- COMMAND...: PATTERN is an extended regular expression.
expect() {
    local name=$1 status=$2 pattern=$3 got=0 problem=
    shift 4
    "$@" </dev/null >"$work/stdout" 2>"$work/stderr" || got=$?
    [ "$got" -eq "$status" ] || problem="status $got instead of $status"
    [ "$(wc -l <"$work/stderr")" -eq 1 ] || problem="$problem; not one line"
    grep -qE -- "$pattern" "$work/stderr" || problem="$problem; no /$pattern/"
    grep -q '^mmrig: ' "$work/stderr" || problem="$problem; does not begin with mmrig:"
    result "$name" "${problem#; }"
}

scenario() {
    cat >"$work/scenarios/$1.ini"
}

run() {
    "$mmrig" run --scenarios "$work/scenarios" --kernel "path:$work/bzImage" --accel tcg \
        --out "$work/out-$number" "$@"
}

good() {
    printf '[scenario]\nsummary = s\narea = a\n[test]\ntest = boot-smoke\n'
}

# The command line.
expect no-command 2 'which command' -- "$mmrig"
expect unknown-command 2 'no command "fly"' -- "$mmrig" fly
expect unknown-option 2 '--fly' -- "$mmrig" run --fly
expect nothing-to-run 2 'which scenario' -- "$mmrig" run
expect bad-repeat 2 '--repeat' -- "$mmrig" run --all --repeat 0
for jobs in 0 -1 1001 two 1.5 18446744073709551617; do
    expect "bad-jobs-$jobs" 2 '--jobs.*1 to 1000' -- "$mmrig" run --all "--jobs=$jobs"
done
expect empty-jobs 2 '--jobs .*empty' -- "$mmrig" run --all --jobs=
expect bad-accel 2 'auto, kvm and tcg' -- "$mmrig" run boot-smoke --accel warp
expect unknown-area 2 'no scenario in the area "x"' -- "$mmrig" run --area x
expect unknown-bench 2 'boot' -- "$mmrig" bench fly

# mmrig inject, without any machine to inject into.
expect inject-nothing 2 'into which machine\?' -- "$mmrig" inject
expect inject-what 2 'inject what\?' -- "$mmrig" inject boot-smoke
expect inject-unknown-run 2 'no machine is kept as "no-such"' -- "$mmrig" inject no-such list
expect inject-bad-run 2 'no machine is kept as' -- "$mmrig" inject ../no list
expect inject-unknown-target 2 'dram, pmem, cxl or mce' -- "$mmrig" inject x ram --gpa 1
expect inject-nowhere 2 'say where' -- "$mmrig" inject x dram
expect inject-twice 2 'say where once' -- "$mmrig" inject x dram --gpa 1 --offset 1
expect inject-half 2 'go together' -- "$mmrig" inject x dram --pid 1
expect inject-bad-number 2 '--gpa 12g' -- "$mmrig" inject x dram --gpa 12g
expect inject-bad-kind 2 'srar, srao, ucna, ce, fatal' -- "$mmrig" inject x dram --gpa 1 --kind bad
expect inject-mce-kind 2 'use dram' -- "$mmrig" inject x mce --gpa 1 --kind ucna
expect inject-cxl-where 2 '--offset' -- "$mmrig" inject x cxl --gpa 1
expect inject-clear-cxl 2 'the guest clears it' -- "$mmrig" inject x clear cxl
expect keep-many 2 'one scenario' -- "$mmrig" run --all --keep
expect keep-repeat 2 'do not repeat' -- "$mmrig" run boot-smoke --keep --repeat 2
expect name-alone 2 'goes with --keep' -- "$mmrig" run boot-smoke --name x
expect bad-name 2 'lower-case letters' -- "$mmrig" shell boot-smoke --name A/B
expect bad-device 2 'device' -- "$mmrig" run boot-smoke --device Bad
expect bad-device-property 2 'KEY=VALUE' -- "$mmrig" shell boot-smoke --device mmrig-ras,x

# Scenarios.
expect unknown-scenario 2 'no-such' -- run no-such
good | scenario good
expect unknown-twin 2 'no-such' -- run good:no-such
{ good && printf 'timeot = 1\n'; } | scenario key
expect unknown-key 2 'key\.ini.*timeot' -- run key
{ good && printf '[machin]\ncpus = 1\n'; } | scenario section
expect unknown-section 2 'section\.ini.*machin.*machine' -- run section
{ good && printf '[machine]\ncpus = 1000\n'; } | scenario cpus
expect value-out-of-bounds 2 'cpus\.ini.*\[machine\] cpus' -- run cpus
{ good && printf '[machine]\nmemory = 12 parsecs\n'; } | scenario memory
expect not-a-size 2 'memory\.ini.*\[machine\] memory' -- run memory
{ good && printf 'requests = time-travel\n'; } | scenario request
expect unknown-request 2 'request\.ini.*time-travel' -- run request
{ good | sed 's/boot-smoke/no-such-test/'; } | scenario test
expect unknown-test 2 'no-such-test' -- run test
{ good && printf '[image]\nmanifests = no-such\n'; } | scenario manifest
expect unknown-manifest 2 'no-such' -- run manifest
# A twin that moves an address that its request does not have would be broken by nothing.
for verb in balloon-set host-rss ras-count; do
    { good && printf 'requests = %s\n[twin moved]\nfault.shift = %s 4096\n' $verb $verb; } |
        scenario shift
    expect "shift-without-address-$verb" 2 \
        "shift\.ini.*\[twin moved\] fault\.shift: '$verb' takes no address that could be moved" -- \
        run shift:moved
done
# As many ranges as the mirror's device has, at their longest; and a word that nothing takes. What the
# QEMU of these says is kept in a cache of its own.
ranges=
for i in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do
    ranges=$ranges${ranges:+:}0x10000${i}0000000+0x40000000
done
{ good && printf '[pack mirror0]\ntype = mmrig-mirror\nproperties = mirror=%s\n' "$ranges"; } |
    scenario ranges
got=0
MMRIG_QEMU=$fake_qemu XDG_CACHE_HOME=$work/ranges run --dry-run ranges >"$work/stdout" 2>"$work/stderr" || got=$?
grep -qF -- "mmrig-mirror,id=mirror0,mirror=$ranges" "$work/stdout" && problem= ||
    problem="status $got, and not among QEMU's arguments"
result sixteen-ranges "$problem"
got=0
MMRIG_QEMU=$fake_qemu XDG_CACHE_HOME=$work/ranges run --dry-run good --device "mmrig-mirror,mirror=$ranges" \
    >"$work/stdout" 2>"$work/stderr" || got=$?
grep -qF -- ",mirror=$ranges" "$work/stdout" && problem= ||
    problem="status $got, and not among QEMU's arguments"
result sixteen-ranges-of-an-option "$problem"
{ good && printf '[pack mirror0]\ntype = mmrig-mirror\nproperties = mirror=%01024d\n' 0; } |
    scenario long
expect long-property 2 "long\.ini.*'mirror=0+\.\.\.' has 1031 bytes, and a word has at most 1024" -- \
    run long
{ good && printf 'args = %0257d\n' 0; } | scenario long
expect long-argument 2 "long\.ini.*has 257 bytes, and a word has at most 256" -- run long
scenario empty </dev/null
expect empty-scenario 2 'empty\.ini' -- run empty

# Kernels.
expect no-kernel 2 'mmrig kernel fetch' -- "$mmrig" run boot-smoke --accel tcg
expect no-tree-kernel 2 'mmrig kernel build' -- "$mmrig" run boot-smoke --kernel tree
expect kernel-not-there 2 '/no/such/kernel' -- \
    "$mmrig" run boot-smoke --kernel path:/no/such/kernel
expect kernel-is-none 2 'stdout' -- "$mmrig" run boot-smoke --kernel "path:$work/stdout"
expect bad-kernel-name 2 'nonsense' -- "$mmrig" run boot-smoke --kernel nonsense

# QEMU.
expect qemu-not-there 2 '/no/such/qemu' -- env MMRIG_QEMU=/no/such/qemu "$mmrig" run boot-smoke
expect qemu-too-old 2 '7\.2.*10\.0' -- \
    env MMRIG_QEMU="$fake_qemu" MMRIG_FAKE_QEMU_VERSION="7 2 0" "$mmrig" run boot-smoke
expect qemu-is-none 2 '/bin/true' -- env MMRIG_QEMU=/bin/true "$mmrig" run boot-smoke

# Folders and disks.
touch "$work/file"
expect out-is-a-file 2 'cannot make the folder.*file' -- \
    "$mmrig" run --scenarios "$work/scenarios" good --kernel "path:$work/bzImage" \
    --accel tcg --out "$work/file/out"
mkdir "$work/taken" && touch "$work/taken/environment.json"
expect out-is-taken 2 'earlier run' -- \
    "$mmrig" run --scenarios "$work/scenarios" good --kernel "path:$work/bzImage" \
    --accel tcg --out "$work/taken"
expect no-scenarios-folder 2 '/no/such/folder' -- "$mmrig" run --scenarios /no/such/folder --all
expect cache-is-a-file 2 'file' -- \
    env XDG_CACHE_HOME="$work/file" "$mmrig" run boot-smoke --kernel "path:$work/bzImage"

# A file system of 64 KiB, in a mount namespace that ends with the command.
on_full_disk() {
    local what=$1
    shift
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare "${as_root[@]}" --mount sh -euc '
        mount -t tmpfs -o size=64k tmpfs "$0"
        head -c 65536 /dev/zero >"$0/fill" 2>/dev/null || test -s "$0/fill"
        status=0
        "$@" || status=$?
        rm "$0/fill"
        left=$(find "$0" -mindepth 1 -type f ! -name .lock -size +0)
        test -z "$left" || echo "left behind: $left" >&2
        exit $status' "$work/$what" "$@"
}
# Who is not root becomes it in a user namespace, which a chroot forbids.
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(--map-root-user)
if unshare "${as_root[@]}" --mount true 2>/dev/null; then
    mkdir "$work/full"
    expect full-cache 99 'No space left on device' -- on_full_disk full \
        env XDG_CACHE_HOME="$work/full" "$mmrig" image --kernel "path:$work/bzImage" --test boot-smoke
    expect full-out 99 'No space left on device' -- on_full_disk full \
        "$mmrig" run --scenarios "$work/scenarios" good --kernel "path:$work/bzImage" \
        --accel tcg --out "$work/full/out"
    # No room for one more folder.
    # shellcheck disable=SC2016  # expanded by the inner shell
    without_room=(unshare "${as_root[@]}" --mount sh -euc
        'mount -t tmpfs -o nr_inodes=1 tmpfs "$0"; exec "$@"' "$work/full")
    expect full-of-files-out 99 'No space left on device' -- "${without_room[@]}" \
        "$mmrig" run --scenarios "$work/scenarios" good --kernel "path:$work/bzImage" \
        --accel tcg --out "$work/full/out"
    expect full-of-files-templates 99 'No space left on device' -- "${without_room[@]}" \
        env MMRIG_TEMPLATES="$work/full/templates" "$mmrig" cache prune
else
    echo "ok $((number += 1)) full-cache # SKIP no mount namespaces here"
    echo "ok $((number += 1)) full-out # SKIP no mount namespaces here"
    echo "ok $((number += 1)) full-of-files-out # SKIP no mount namespaces here"
    echo "ok $((number += 1)) full-of-files-templates # SKIP no mount namespaces here"
fi

# Permission counts only for those who are not root.
mkdir -m 000 "$work/closed"
if [ "$(id -u)" -ne 0 ]; then
    expect unreadable-kernel 2 'closed' -- \
        "$mmrig" run boot-smoke --kernel "path:$work/closed/bzImage"
elif setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null &&
    chmod 755 "$work" && mkdir -m 777 "$work/cache-nobody"; then
    expect unreadable-kernel 2 'closed.*Permission denied' -- \
        setpriv --reuid 65534 --regid 65534 --clear-groups \
        env XDG_CACHE_HOME="$work/cache-nobody" \
        "$mmrig" run boot-smoke --kernel "path:$work/closed/bzImage"
fi

echo "1..$number"
echo "# $failed failed"
[ "$failed" -eq 0 ]
