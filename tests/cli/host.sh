#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# host.sh MMRIG FAKE_QEMU
#
# Hosts that are not as they seem, made up in a mount namespace: devices that are none, a /dev/shm
# that cannot be written, firmware that does not fit together. No guest is booted.
set -euo pipefail

mmrig=$1
fake_qemu=$2

# Who is not root becomes it in a user namespace, which a chroot forbids.
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(--map-root-user)
if ! unshare "${as_root[@]}" --mount true 2>/dev/null; then
    echo "1..0 # SKIP no mount namespaces here"
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache XDG_CONFIG_HOME=$work/config
mkdir -p "$XDG_CACHE_HOME" "$work/config/qemu/firmware" "$work/scenarios"

# What a boot sector's flag and the "HdrS" mark at 0x202 make of a file of zeroes.
head -c 4096 /dev/zero >"$work/bzImage"
printf '\x55\xaa' | dd of="$work/bzImage" bs=1 seek=510 conv=notrunc status=none
printf 'HdrS' | dd of="$work/bzImage" bs=1 seek=514 conv=notrunc status=none

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

# in_host SET-UP COMMAND...: with a /dev of its own that has an empty file for a KVM device.
in_host() {
    local setup=$1
    shift
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare "${as_root[@]}" --mount sh -euc '
        dev=$0/dev
        mkdir -p "$dev"
        mount -t tmpfs -o mode=755 tmpfs "$dev"
        for name in null zero full random urandom; do
            touch "$dev/$name"
            mount --bind "/dev/$name" "$dev/$name"
        done
        mkdir "$dev/shm"
        touch "$dev/kvm" "$dev/userfaultfd"
        ln -s /proc/self/fd "$dev/fd"
        mount --rbind "$dev" /dev
        setup=$1
        shift
        eval "$setup"
        exec "$@"' "$work" "$setup" "$@" </dev/null >"$work/stdout" 2>"$work/stderr"
}

printf '[scenario]\nsummary = s\narea = a\n[test]\ntest = boot-smoke\n[pack ras0]\ntype = mmrig-ras\n' >"$work/scenarios/plain.ini"
runs=0
run() {
    runs=$((runs + 1))
    in_host : env MMRIG_QEMU="$fake_qemu" MMRIG_PACK="$work/none.so" "$@" "$mmrig" run --scenarios "$work/scenarios" \
        --kernel "path:$work/bzImage" --out "$work/out-$runs" plain
}

# --- KVM ---

# The scenario needs a device pack that is not there, and is skipped; only KVM matters here. QEMU
# is asked what it can do while it still answers.
in_host : env MMRIG_QEMU="$fake_qemu" "$mmrig" doctor --no-boot --json || [ $? -eq 1 ]
got=0
run MMRIG_FAKE_QEMU_DOES=dies || got=$?
problem=
[ "$got" -eq 77 ] || problem="status $got instead of 77"
[ "$(grep -c '^mmrig: guests run on TCG, not KVM: ' "$work/stderr")" -eq 1 ] ||
    problem="$problem; it is not said once why KVM is not used"
result kvm-broken-is-told "${problem#; }"

# Another device node is another question: no old answer is believed.
got=0
run MMRIG_FAKE_QEMU_DOES=ready || got=$?
problem=
[ "$got" -eq 77 ] || problem="status $got instead of 77"
! grep -q 'TCG' "$work/stderr" || problem="$problem; KVM was not tried again"
result kvm-new-device "${problem#; }"

# --- doctor says ok of what it has tried ---

# finding NAME: its state and text.
finding() {
    awk -v name="\"$1\"" '
        $1 == "\"name\"" { mine = $3 == name "," }
        mine && ($1 == "\"state\"" || $1 == "\"text\"")' "$work/stdout"
}

# doctor NAME SET-UP CHECK BAD: the check does not match the pattern.
doctor() {
    local problem=
    # Its status is of other checks than the one in question.
    in_host "$2" env MMRIG_QEMU="$fake_qemu" "$mmrig" doctor --no-boot --json ||
        [ $? -eq 1 ] || problem="doctor did not run to its end"
    if [ -z "$(finding "$3")" ]; then
        problem="$problem; there is no check $3"
    elif finding "$3" | grep -qE -- "$4"; then
        problem="$problem; it says $(finding "$3" | tr -s ' \n' ' ')"
    fi
    result "$1" "${problem#; }"
}

# shellcheck disable=SC2016  # expanded in the namespace
doctor shm-read-only 'mount -t tmpfs -o ro tmpfs /dev/shm' shm '"ok"'
doctor shm-full 'mount -t tmpfs -o size=64k tmpfs /dev/shm' shm '"ok"'

# shellcheck disable=SC2016  # expanded in the namespace
[ ${#as_root[@]} -gt 0 ] ||
    doctor shm-of-another 'mkdir "/dev/shm/mmrig-$(id -u)"; chown 65534 "/dev/shm/mmrig-$(id -u)"' shm '"ok"'
# shellcheck disable=SC2016  # expanded in the namespace
doctor shm-open-to-others 'mkdir -m 777 "/dev/shm/mmrig-$(id -u)"' shm '"ok"'
finding shm | grep -q '/dev/shm: .*open to others: templates go to the cache' && problem= ||
    problem="it does not say why"
result shm-why-not "$problem"
mkdir "$work/no-tmpfs"
# shellcheck disable=SC2016  # expanded in the namespace
[ "$(stat -f -c %T "$work")" = tmpfs ] ||
    doctor shm-no-tmpfs 'mount --bind "$0/no-tmpfs" /dev/shm' shm '"ok"'

# --- firmware ---

# image NAME TYPE KIB: the header of a firmware volume, and something at the reset vector.
image() {
    truncate -s "$3K" "$work/$1"
    printf '%b' "$2" | dd of="$work/$1" bs=1 seek=16 conv=notrunc status=none
    printf '_FVH' | dd of="$work/$1" bs=1 seek=40 conv=notrunc status=none
    printf '\x90\xe9' | dd of="$work/$1" bs=1 seek=$(($3 * 1024 - 16)) conv=notrunc status=none
}
image code '\x78\xe5\x8c\x8c\x3d\x8a\x1c\x4f\x99\x35\x89\x61\x85\xc3\x2d\xd3' 3568
image vars '\x8d\x2b\xf1\xff\x96\x76\x8b\x4c\xa9\x85\x27\x47\x07\x5b\x4f\x50' 128
for folder in /etc/qemu/firmware /usr/local/share/qemu/firmware /usr/share/qemu/firmware; do
    [ ! -d "$folder" ] || hide="${hide:-:}; mount -t tmpfs tmpfs $folder"
done
cat >"$work/config/qemu/firmware/50-mixed.json" <<EOF
{"interface-types": ["uefi"], "mapping": {"device": "flash",
 "executable": {"filename": "$work/code", "format": "raw"},
 "nvram-template": {"filename": "$work/vars", "format": "raw"}},
 "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}], "features": []}
EOF
doctor firmware-not-of-one-build "${hide:-:}" ovmf '"ok"'
finding ovmf | grep -q '50-mixed.json.*not of one build' && problem= || problem="it does not say why"
result firmware-why-not "$problem"

echo "1..$number"
echo "# $failed failed"
[ "$failed" -eq 0 ]
