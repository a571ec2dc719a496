#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cgroup.sh MMRIG FAKE_QEMU
#
# A real cgroup with a limit on memory: it is seen, and who is killed for it fails no test. No guest
# is booted: QEMU is a program that takes more than there is.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source-path=SCRIPTDIR source=../vm/lib.sh
. "$here/../vm/lib.sh"

mmrig=$(realpath "$1")
fake_qemu=$(realpath "$2")

# cgroup_folder: a cgroup where memory can be limited.
cgroup_folder() {
    local path folder
    # Version 1, where the controller has a hierarchy of its own: below the one of this process.
    path=$(sed -n 's/^[0-9]*:\([^:]*,\)*memory\(,[^:]*\)*:\(.*\)/\3/p' /proc/self/cgroup)
    folder=$(awk '/ - cgroup [^ ]+ (.*,)?memory(,|$)/ { print $5; exit }' /proc/self/mountinfo)
    if [ -z "$path" ] || [ -z "$folder" ]; then
        # Version 2: one with processes gives no controllers to others, but for the highest.
        path=
        folder=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
    fi
    # In a container the mount may begin at its own cgroup.
    [ -d "$folder$path" ] || path=
    [ -n "$folder" ] && echo "$folder${path%/}/mmrig-test-$$"
}
skip_all() {
    echo "1..0 # SKIP $*"
    exit 77
}
group=$(cgroup_folder) || skip_all "no cgroups here"
mkdir "$group" 2>/dev/null || skip_all "no cgroup can be made here"
work=$(mktemp -d)
trap 'kill_jobs; rmdir "$group"; rm -rf "$work"' EXIT
limit=$group/memory.max
[ -e "$limit" ] || limit=$group/memory.limit_in_bytes
[ -e "$limit" ] || skip_all "the cgroup has no controller of memory"
echo $((256 << 20)) >"$limit" 2>/dev/null || skip_all "no limit can be set"
# Or it would be moved out to swap instead.
no_swap() {
    [ ! -e "$1" ] || echo "$2" >"$1" || skip_all "swap cannot be forbidden"
}
no_swap "$group/memory.swap.max" 0
no_swap "$group/memory.memsw.limit_in_bytes" $((256 << 20))

export LC_ALL=C XDG_CACHE_HOME=$work/cache MMRIG_TEMPLATES=$work/templates
mkdir "$work/cache" "$work/templates" "$work/scenarios"
cd "$work"
# What a boot sector's flag and the "HdrS" mark at 0x202 make of a file of zeroes.
head -c 4096 /dev/zero >bzImage
printf '\x55\xaa' | dd of=bzImage bs=1 seek=510 conv=notrunc status=none
printf 'HdrS' | dd of=bzImage bs=1 seek=514 conv=notrunc status=none
printf '[scenario]\nsummary = s\narea = a\n[test]\ntest = boot-smoke\n' >scenarios/one.ini
cat >qemu <<END
#!/bin/sh
case " \$* " in
*" -kernel "*) exec perl -e '\$all = "x" x (512 << 20); sleep 60' ;;
esac
exec '$fake_qemu' "\$@"
END
chmod +x qemu
export MMRIG_QEMU=$work/qemu

# inside COMMAND...: in the cgroup.
inside() {
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@"
}
name=/${group##*/}

status=0
inside "$mmrig" doctor --no-boot >stdout 2>stderr </dev/null || status=$?
check doctor-sees-it "$status $(grep -cE "^fail +memory +.*available within the limit of cgroup .*$name: too little" stdout)" "1 1"
check doctor-sees-none-outside "$("$mmrig" doctor --no-boot 2>&1 | grep -c "$name" || :)" 0

# Once by itself, and once as a template's maker, whose end is none of the run's.
for way in --cold --timeout=9; do
    out=out$way
    status=0
    inside "$mmrig" run --scenarios scenarios --kernel "path:$work/bzImage" --accel tcg --json \
        --out "$out" $way one >stdout 2>stderr </dev/null || status=$?
    check "killed$way" "$status $(field verdict stdout) $(field cause stdout)" "99 broken rig"
    check "killed$way-words" "$(grep -cE "QEMU was killed from outside \(out of memory: the limit of cgroup .*$name is 256 MiB\)" \
        stdout)" 1
done
finish
