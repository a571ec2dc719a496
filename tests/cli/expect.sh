# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the tests in this folder, which read it with `.`: a command, and what it says and returns, as
# a line of TAP. $work is the test's own folder.
#
# shellcheck disable=SC2034,SC2154  # what the tests set, and what they read

number=0
failed=0

# result NAME PROBLEM: no PROBLEM is a pass.
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

# check NAME COMMAND...: a command that succeeds is a pass.
check() {
    local name=$1
    shift
    number=$((number + 1))
    if "$@" >"$work/why" 2>&1; then
        echo "ok $number $name"
    else
        failed=$((failed + 1))
        echo "not ok $number $name"
        sed 's/^/# /' "$work/why"
    fi
}

skip() {
    number=$((number + 1))
    echo "ok $number $1 # SKIP $2"
}

# expect [-l LINES] [-o PATTERN] NAME STATUS PATTERN -- COMMAND...: the exit status, and an extended
# regular expression that a line of standard error fits; with -o also one of standard output. Every
# line of standard error begins with "mmrig: "; there are LINES of them (1). What does not end
# within a minute hangs.
expect() {
    local lines=1 output='' status pattern name got=0 problem=
    while [ "${1#-}" != "$1" ]; do
        case $1 in
        -l) lines=$2 ;;
        -o) output=$2 ;;
        esac
        shift 2
    done
    name=$1 status=$2 pattern=$3
    shift 4
    timeout 60 "$@" </dev/null >"$work/stdout" 2>"$work/stderr" || got=$?
    [ "$got" -eq "$status" ] || problem="status $got instead of $status"
    [ "$(wc -l <"$work/stderr")" -eq "$lines" ] || problem="$problem; not $lines lines"
    [ -z "$pattern" ] || grep -qE -- "$pattern" "$work/stderr" ||
        problem="$problem; no /$pattern/"
    if grep -v '^mmrig: ' "$work/stderr" >"$work/strange"; then
        problem="$problem; does not begin with mmrig:"
    fi
    [ -z "$output" ] || grep -qE -- "$output" "$work/stdout" ||
        problem="$problem; no /$output/ in its output"
    result "$name" "${problem#; }"
}

# put FILE OFFSET BYTES: BYTES as printf reads them.
put() {
    # shellcheck disable=SC2059  # they are the format
    printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# make_bzimage FILE RELEASE: as much of one as the rig looks at, in 4096 bytes.
make_bzimage() {
    head -c 4096 /dev/zero >"$1"
    put "$1" 497 '\001'
    put "$1" 510 '\125\252HdrS'
    # The version's text is at 0x200 + 0x300.
    put "$1" 514 'HdrS\017\002'
    put "$1" 526 '\000\003'
    put "$1" 566 '\001'
    put "$1" 1280 "$2 (someone@somewhere) #1 SMP"
}

# The last line; its status is the test's.
finish() {
    echo "1..$number"
    echo "# $failed failed"
    [ "$failed" -eq 0 ]
}

# Where root runs the tests, another user can be had: nobody, with a cache of its own.
nobody=()
if [ "$(id -u)" -eq 0 ] &&
    setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null; then
    nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups env)
fi
