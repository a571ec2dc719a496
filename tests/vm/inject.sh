#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# inject.sh MMRIG KERNEL PACK
#
# `mmrig inject` from beginning to end: into a shell's machine and a kept run's. A program of the
# guest waits in a system call; the page of its stack goes bad; it dies of that when it goes on. And
# it does not where nothing, or something else, was injected.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2
pack=$3

[ -e "$pack" ] || {
    echo "1..0 # SKIP there is no device pack"
    exit 77
}
work=$(mktemp -d)
shell=
# Other machines may be kept meanwhile.
run=inject-test-$$
trap '[ -z "$shell" ] || kill "$shell" || :; rm -rf "$work"' EXIT
mkfifo "$work/in" "$work/out"

# What runs in the guest. A victim waits in read(2) or poll(2) (0 and 7) after it has become a
# program of its own; its stack pointer is what /proc/PID/syscall says last but one.
cat >"$work/guest" <<'END'
corrupted() { awk '/^HardwareCorrupted:/ { print $2 }' /proc/meminfo; }
mkfifo /tmp/go
while read -r order; do
    case $order in
    victim)
        sh -c 'read -r x </tmp/go; echo alive' >/tmp/said &
        exec 9>/tmp/go
        victim=$!
        until grep -qE '^(0|7) ' /proc/$victim/syscall; do usleep 1000; done
        echo "victim $victim $(awk '{ print $(NF - 1) }' /proc/$victim/syscall)"
        ;;
    go)
        echo >&9
        status=0
        wait $victim || status=$?
        exec 9>&-
        echo "status $status said $(cat /tmp/said)"
        ;;
    taken) # a page of the victim's: the kernel does that on its own time
        for _ in $(seq 1 5000); do
            [ "$(corrupted)" -lt 8 ] || break
            usleep 2000
        done
        echo "corrupted $(corrupted)"
        ;;
    scrub)
        { ndctl start-scrub && ndctl wait-scrub; } >/tmp/scrub 2>&1 || cat /tmp/scrub
        echo "bad $(cat /sys/bus/nd/devices/region0/badblocks)"
        ;;
    corrupted) echo "corrupted $(corrupted)" ;;
    end) exit 0 ;;
    esac
done
END

# start_shell SCENARIO DEVICE
start_shell() {
    "$mmrig" shell "$1" --kernel "$kernel" --accel tcg --device "$2" --name "$run" \
        -- sh -c "$(cat "$work/guest")" <"$work/in" >"$work/out" 2>"$work/err" &
    shell=$!
    exec 4>"$work/in" 5<"$work/out"
}

end_shell() {
    echo end >&4
    status=0
    wait "$shell" || status=$?
    shell=
    exec 4>&- 5<&-
}

# order WORD: sets answer to the guest's line.
order() {
    echo "$1" >&4
    IFS= read -r answer <&5 || answer="nothing: $(cat "$work/err")"
}

# inject ARG...: sets status and said.
inject() {
    status=0
    said=$("$mmrig" inject "$@" 2>&1) || status=$?
}

start_shell boot-smoke mmrig-ras

# Nothing is injected: nothing happens.
order victim
read -r _ pid sp <<<"$answer"
order go
check nothing-injected "$answer" "status 0 said alive"

# It is listed where another is not known.
inject no-such list
check unknown-run "$status ${said%%;*}" '2 mmrig: no machine is kept as "no-such"'
check known-run "$(grep -cw -e "$run" <<<"$said")" 1
inject "$run" list
check empty-list "$status $said" "0 "

# A process that is not there, and an address that it has nothing at.
inject "$run" dram --pid 99999 --vaddr 0x1000
check no-process "$status $said" \
    "2 mmrig: process 99999, address 0x1000: there is no such process"
order victim
read -r _ pid sp <<<"$answer"
inject "$run" dram --pid "$pid" --vaddr 0
check no-memory "$status $said" "2 mmrig: process $pid, address 0x0: the process has no memory \
there yet: it has to touch the page first"

# Poison that is cleared in time harms nobody.
inject "$run" dram --pid "$pid" --vaddr "$sp" --length 64
check injected "$status ${said%% 0x*}" "0 injected srar dram"
inject "$run" list --json
check listed "$(grep -c '"source" : "ras"' <<<"$said")" 1
inject "$run" clear
check cleared "$status $said" "0 cleared all"
inject "$run" list
check empty-again "$status $said" "0 "
order go
check cleared-in-time "$answer" "status 0 said alive"
order corrupted
check nothing-corrupted "$answer" "corrupted 0"

# And poison that is not: SIGBUS.
order victim
read -r _ pid sp <<<"$answer"
inject "$run" dram --pid "$pid" --vaddr "$sp" --length 256
check injected-again "$status ${said%% 0x*}" "0 injected srar dram"
order go
check sigbus "$answer" "status 135 said "
order corrupted
check corrupted "$answer" "corrupted 4"

# By QEMU's own machine check, before anybody has read it.
order victim
read -r _ pid sp <<<"$answer"
inject "$run" mce --pid "$pid" --vaddr "$sp" --kind srao
check mce-injected "$status ${said%% 0x*}" "0 injected srao mce"
order taken
check mce-corrupted "$answer" "corrupted 8"
order go
check mce-sigbus "$answer" "status 135 said "

# What the machine has not, it refuses, and says how it would have it.
inject "$run" pmem --offset 0
check no-nvdimm "$status $(grep -c nvdimm <<<"$said")" "2 1"
inject "$run" cxl --offset 0
check no-cxl "$status $(grep -c cxl <<<"$said")" "2 1"
inject "$run" dram --gpa 0xfee00000
check not-memory "$status $(grep -c 'the machine refuses: ' <<<"$said")" "2 1"
end_shell
check shell-status "$status" 0
inject "$run" list
check gone "$status" 2

# An NVDIMM: the guest finds it when it looks, and not before; by sectors of 512 bytes.
start_shell nvdimm-fsdax-persist mmrig-nvdimm
order scrub
check pmem-good "$answer" "bad "
inject "$run" pmem --offset 0x100000 --length 512
check pmem-injected "$status $said" "0 injected pmem pmem0 0x100000 512"
inject "$run" list
check pmem-unknown "$status $said" "0 pmem pmem0 0x100000 512 unknown"
order scrub
check pmem-found "$answer" "bad 2048 1"
inject "$run" list
check pmem-known "$status $said" "0 pmem pmem0 0x100000 512 known"
inject "$run" clear pmem
check pmem-cleared "$status $said" "0 cleared pmem"
inject "$run" list
check pmem-empty "$status $said" "0 "
end_shell

# A run is judged, and then kept until it is interrupted; without the device it says so.
"$mmrig" run boot-smoke --keep --name "$run" --kernel "$kernel" --accel tcg --out "$work/kept" \
    >"$work/run.out" 2>"$work/run.err" &
runner=$!
for _ in $(seq 1 1200); do
    grep -q 'is kept as' "$work/run.err" && break
    sleep 0.1
done
check kept "$(grep -c "^mmrig: pass; the machine is kept as \"$run\"" "$work/run.err")" 1
inject "$run" dram --gpa 0x1000000
check no-ras "$status $(grep -c -e '--device mmrig-ras' <<<"$said")" "2 1"
kill -INT "$runner"
status=0
wait "$runner" || status=$?
check kept-status "$status" 0
check kept-verdict "$(grep -c '^ok 1 boot-smoke' "$work/run.out")" 1

# A keeper that is killed takes everything with it.
marker=MMRIG_INJECT_TEST=$$-$(date +%s%N)
env "$marker" "$mmrig" run boot-smoke --keep --name "$run" --kernel "$kernel" --accel tcg --out "$work/killed" \
    >"$work/run.out" 2>"$work/run.err" &
runner=$!
for _ in $(seq 1 1200); do
    grep -q 'is kept as' "$work/run.err" && break
    sleep 0.1
done
check runs "$(marked_processes "$marker" | grep -c qemu)" 1
kill -9 "$runner"
{ wait "$runner" || :; } 2>/dev/null
for _ in $(seq 1 100); do
    [ -n "$(marked_processes "$marker")" ] || break
    sleep 0.1
done
check nothing-left "$(marked_processes "$marker")" ""
inject "$run" list
check no-socket-left "$status" 2

finish
