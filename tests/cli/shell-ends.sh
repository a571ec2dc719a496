#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# shell-ends.sh MMRIG FAKE_QEMU
#
# `mmrig shell NAME -- COMMAND` ends with its machine, whatever the guest had announced. No guest
# is booted: QEMU plays a script, and the kernel is a file that only looks like one.
set -euo pipefail

mmrig=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache MMRIG_QEMU=$2 MMRIG_FAKE_QEMU_SCRIPT=$work/script
mkdir "$work/cache"
cd "$work"

# What a boot sector's flag and the "HdrS" mark at 0x202 make of a file of zeroes.
head -c 4096 /dev/zero >bzImage
printf '\x55\xaa' | dd of=bzImage bs=1 seek=510 conv=notrunc status=none
printf 'HdrS' | dd of=bzImage bs=1 seek=514 conv=notrunc status=none

number=0
failed=0
# expect NAME STATUS PATTERN LINE...: what the machine does once the command is to run.
expect() {
    local name=$1 status=$2 pattern=$3 got=0
    shift 3
    printf '%s\n' 'say control ready 1 0123456789abcdef0123456789abcdef 6.12.0\n' \
        'command qmp_capabilities' 'hear exec' "$@" >"$work/script"
    timeout 60 "$mmrig" shell boot-smoke --kernel "path:$work/bzImage" --accel tcg -- true \
        </dev/null >"$work/stdout" 2>"$work/stderr" || got=$?
    number=$((number + 1))
    if [ "$got" -eq "$status" ] && grep -qE -- "$pattern" "$work/stderr" "$work/stdout"; then
        echo "ok $number $name"
    else
        failed=$((failed + 1))
        echo "not ok $number $name: status $got instead of $status, or no /$pattern/"
        sed 's/^/# /' "$work/stderr"
    fi
}

expect whole 7 'hello' 'say ktap hello' 'say control done 1 exit 7 5\n' 'wait'
expect announced-and-gone 99 'announced 100 bytes of output, but only 5 came' \
    'say ktap hello' 'say control done 1 exit 0 100\n' 'exit 0'
# A number that is no status of anything, for a time limit that was not set.
expect done-by-no-limit 99 'done which it was not asked to run' \
    'say control done 1 timeout 4294967295 0\n' 'wait'
expect done-twice 99 'done which it was not asked to run' \
    'say control done 1 exit 0 100\n' 'say control done 1 exit 0 0\n' 'wait'
expect done-other 99 'done which it was not asked to run' 'say control done 2 exit 0 0\n' 'wait'

# An interruption ends it although nobody reads what it prints.
printf '%s\n' 'say control ready 1 0123456789abcdef0123456789abcdef 6.12.0\n' \
    'command qmp_capabilities' 'hear exec' 'flood ktap 2000000 0123456789' wait >"$work/script"
mkfifo "$work/pipe"
exec 9<>"$work/pipe"
timeout --signal TERM --kill-after 10 3 "$mmrig" shell boot-smoke \
    --kernel "path:$work/bzImage" --accel tcg -- true </dev/null >"$work/pipe" \
    2>"$work/stderr" 9<&- && got=0 || got=$?
exec 9<&-
number=$((number + 1))
# timeout(1) ends with 137 if it had to kill it.
if [ "$got" -eq 124 ] && grep -q 'interrupted; the guest was stopped' "$work/stderr"; then
    echo "ok $number interrupted-with-no-reader"
else
    failed=$((failed + 1))
    echo "not ok $number interrupted-with-no-reader: status $got"
    sed 's/^/# /' "$work/stderr"
fi

# The machine lives on, and what was announced never comes.
expect announced-and-mute 99 'announced 100 bytes of output, but only 5 came: nothing came for 10 s' \
    'say ktap hello' 'say control done 1 exit 0 100\n' 'wait'
# Who reads slowly gets it all: it is we that the guest waits for.
printf '%s\n' 'say control ready 1 0123456789abcdef0123456789abcdef 6.12.0\n' \
    'command qmp_capabilities' 'hear exec' 'say control done 1 exit 0 2000000\n' \
    'flood ktap 2000000 0123456789' wait >"$work/script"
slow=$("$mmrig" shell boot-smoke --kernel "path:$work/bzImage" --accel tcg -- true \
    </dev/null 2>"$work/stderr" | { sleep 12 && wc -c; }) || slow="status $?"
number=$((number + 1))
if [ "$slow" = 2000000 ]; then
    echo "ok $number slow-reader"
else
    failed=$((failed + 1))
    echo "not ok $number slow-reader: $slow instead of 2000000 bytes"
    sed 's/^/# /' "$work/stderr"
fi
expect powered-off 99 'the guest powered off' \
    'event {"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}' 'exit 0'
echo "1..$number"
[ "$failed" -eq 0 ]
