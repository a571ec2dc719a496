#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-ends.sh MMRIG FAKE_QEMU
#
# Ends of a machine that no test in it has earned: a kernel that never says a word, a QEMU that is
# killed from outside, one that cannot deny itself anything. No guest is booted: QEMU plays a
# script, and the kernel is a file that only looks like one.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source-path=SCRIPTDIR source=../vm/lib.sh
. "$here/../vm/lib.sh"

mmrig=$(realpath "$1")
fake_qemu=$(realpath "$2")

work=$(mktemp -d)
trap 'kill_jobs; rm -rf "$work"' EXIT
export LC_ALL=C XDG_CACHE_HOME=$work/cache MMRIG_TEMPLATES=$work/templates
mkdir "$work/cache" "$work/templates" "$work/scenarios"
cd "$work"

# What a boot sector's flag and the "HdrS" mark at 0x202 make of a file of zeroes.
head -c 4096 /dev/zero >bzImage
printf '\x55\xaa' | dd of=bzImage bs=1 seek=510 conv=notrunc status=none
printf 'HdrS' | dd of=bzImage bs=1 seek=514 conv=notrunc status=none

cat >scenarios/one.ini <<'END'
[scenario]
summary = s
area = a
[test]
test = boot-smoke
[twin same]
scenario.timeout = 31
cause = time-limit
END
sed '/^\[twin/,$d; s/^area.*/&\nforked = it is about that/' scenarios/one.ini >scenarios/forked.ini
# Another machine, and so another template.
sed '/^\[twin/,$d' scenarios/one.ini >scenarios/larger.ini
printf '[machine]\nmemory = 384M\n' >>scenarios/larger.ini

# A QEMU that notes its process for each machine, which then plays the script of that number, or
# the last that there is; who only asks what QEMU can do starts none.
cat >qemu <<END
#!/bin/sh
case " \$* " in
*" -kernel "*)
    echo "\$\$" >>'$work/machines'
    number=\$(wc -l <'$work/machines')
    while [ ! -e '$work/script-'\$number ]; do number=\$((number - 1)); done
    export MMRIG_FAKE_QEMU_SCRIPT='$work/script-'\$number ;;
esac
exec '$fake_qemu' "\$@"
END
chmod +x qemu
export MMRIG_QEMU=$work/qemu

ready='command qmp_capabilities
say control ready 1 0123456789abcdef0123456789abcdef 6.12.0\n'
# machines SCRIPT...: what the machines do from now on.
machines() {
    local number=0 script
    rm -f script-* machines
    for script; do
        number=$((number + 1))
        printf '%s\n' "$script" >"script-$number"
    done
    : >machines
}

run=("$mmrig" run --scenarios scenarios --kernel "path:$work/bzImage" --accel tcg --json)
# ran OUT ARGUMENT...: the status of a run, the machines that were started, the verdicts.
ran() {
    local out=$1 status=0
    shift
    "${run[@]}" --out "$out" "$@" >"$out.json" 2>"$out.err" </dev/null || status=$?
    echo "$status $(wc -l <machines) $(field verdict "$out.json" | tr '\n' ' ')"
}

# ---- A kernel that says nothing is waited for once ------------------------------------------

words='the guest was not ready within 1 s, and the kernel said nothing on its console'
machines serve
check silent "$(ran silent one --boot-timeout 1)" "1 1 fail "
check silent-cause "$(field cause silent.json)" time-limit
check silent-words "$(grep -cF "\"message\" : \"$words\"" silent.json)" 1
check silent-says-no-more "$(cat silent.err)" ""
# As a boot's: nothing tells them apart but how long it took, and that a boot has a console's file.
machines serve
check silent-cold "$(ran silent-cold one --boot-timeout 1 --cold)" "1 1 fail "
verdict() {
    sed -nE '/^ *"(verdict|cause|message|console_tail|forked)" : /p' "$1"
}
check silent-as-a-boot "$(verdict silent.json)" "$(verdict silent-cold.json)"
# All of one template, each time; a twin that is to fail so passes.
machines serve
check silent-shared "$(ran silent-shared one one:same --repeat 2 --boot-timeout 1)" \
    "1 1 fail fail pass pass "
machines serve
check silent-two "$(ran silent-two one larger --jobs 1 --boot-timeout 1)" "1 2 fail fail "
machines serve
check silent-forked "$(ran silent-forked forked --boot-timeout 1)" "1 1 fail "
# One that says something may do otherwise the next time; and there is a console to look at.
machines 'say console Linux version 6\n
serve'
check not-silent "$(ran not-silent one --boot-timeout 1)" "1 2 fail "
check not-silent-tail "$(grep -c 'Linux version 6' not-silent.json)" 1
check not-silent-booted "$(grep -c 'is booted, not forked: no template: the guest was not ready within 1 s$' \
    not-silent.err)" 1

# ---- A QEMU that is killed from outside fails no test ----------------------------------------

# killed OUT SIGNAL FILE ARGUMENT...: a run whose last machine gets that signal once the file has
# something in it.
killed() {
    local out=$1 signal=$2 file=$3 status=0 pid machine parent i
    shift 3
    "${run[@]}" --out "$out" "$@" >"$out.json" 2>"$out.err" </dev/null &
    pid=$!
    for ((i = 0; i < 1200; i++)); do
        [ ! -s "$file" ] || break
        sleep 0.05
    done
    machine=$(tail -n 1 machines)
    # The run's own child, or its template maker's.
    parent=$(sed -n 's/^PPid:\t//p' "/proc/$machine/status")
    [ "$parent" = "$pid" ] || parent=$(sed -n 's/^PPid:\t//p' "/proc/$parent/status")
    [ "$parent" = "$pid" ] || echo "machine $machine is not of $pid"
    kill -s "$signal" "$machine"
    wait "$pid" || status=$?
    echo "$status $(field verdict "$out.json") $(field cause "$out.json")"
}
how='QEMU was killed from outside (by'
testing="${ready}
hear run
say ktap KTAP version 1\\n1..2\\nok 1 a\\n
say console testing\\n
wait"
for signal in KILL TERM; do
    case $signal in
    KILL) by='SIGKILL, and not by the OOM killer' ;;
    TERM) by=Terminated ;;
    esac
    # In the middle of its test.
    machines "$testing"
    out=killed-$signal
    check "$out" "$(killed $out $signal $out/one/console.log one --cold)" "99 broken rig"
    check "$out-words" "$(grep -cF "$how $by)" $out.json)" 1
    check "$out-junit" "$(grep -o '<\(error\|failure\) ' $out/junit.xml | sort -u)" "<error "
    # Before there is a guest, and twins.
    machines wait
    out=killed-early-$signal
    check "$out" "$(killed $out $signal machines one:same --cold)" "99 broken rig"
    check "$out-words" "$(grep -cF "$how $by)" $out.json)" 1
done
# Where a template is in the making the machine is booted instead, and that boot is what counts.
machines wait serve
check killed-making "$(killed killed-making KILL machines one --boot-timeout 1)" "1 fail time-limit"
check killed-making-words "$(grep -cF "is booted, not forked: no template: $how SIGKILL" killed-making.err)" 1
check killed-making-boots "$(wc -l <machines)" 2
# A crash is QEMU's own, and a failure.
machines "$ready
hear run
kill 11"
check crashed "$(ran crashed one --cold)" "1 1 fail "
check crashed-cause "$(field cause crashed.json)" qemu-died

# ---- A QEMU without seccomp -----------------------------------------------------------------

# In its words: the first line is of no help to anybody.
cat >no-seccomp <<END
#!/bin/sh
case " \$* " in
*" -sandbox "*)
    echo "\$0: -sandbox on: There is no option group 'sandbox'" >&2
    echo "\$0: -sandbox on: -sandbox support is not enabled in this QEMU binary" >&2
    exit 1 ;;
esac
exec '$fake_qemu' "\$@"
END
# And on a kernel that has none.
sed 's/There is no option.*"/x"/; s/-sandbox support.*"/failed to install seccomp syscall filter in the kernel"/' \
    no-seccomp >no-seccomp-kernel
chmod +x no-seccomp no-seccomp-kernel
for qemu in no-seccomp no-seccomp-kernel; do
    case $qemu in
    no-seccomp) why='is built without seccomp.*--enable-seccomp' ;;
    *) why='seccomp.*CONFIG_SECCOMP_FILTER' ;;
    esac
    status=0
    MMRIG_QEMU=$work/$qemu "${run[@]}" --out $qemu one >stdout 2>stderr </dev/null || status=$?
    check "$qemu" "$status $(wc -l <stderr) $(grep -cE "^mmrig: $work/$qemu: .*$why" stderr)" "2 1 1"
    MMRIG_QEMU=$work/$qemu "$mmrig" doctor --no-boot >stdout 2>stderr </dev/null || status=$?
    check "$qemu-doctor" "$status $(grep -cE "^fail +qemu +.*$why" stdout)" "1 1"
done
finish
