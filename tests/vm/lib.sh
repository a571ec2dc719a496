# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the tests in this folder, which read it with `.`: lines of TAP, and what is left of a
# process that was killed.

number=0
failed=0

# check NAME GOT WANTED: one line of TAP.
check() {
    number=$((number + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $number $1"
    else
        failed=$((failed + 1))
        echo "not ok $number $1: \"$2\" instead of \"$3\""
    fi
}

# The last line; its status is the test's.
finish() {
    echo "1..$number"
    [ "$failed" -eq 0 ]
}

# marked_processes NAME=VALUE: the processes with that in their environment, which all that
# mmrig starts inherit, a line each of PID and command.
marked_processes() {
    local folder
    for folder in /proc/[0-9]*; do
        # A process may end while we look; a zombie has no environment any more.
        if { tr '\0' '\n' <"$folder/environ"; } 2>/dev/null | grep -qx "$1"; then
            echo "${folder#/proc/} $({ tr '\0' ' ' <"$folder/cmdline"; } 2>/dev/null | cut -c1-60)"
        fi
    done
}

# half_made STORE: the templates in the making, a line each.
half_made() {
    find "$1" -mindepth 1 -maxdepth 1 -name '.partial*'
}

# field NAME JSON: every value of a member or metric of that name, a line each.
field() {
    sed -n "s/^ *\"$1\" : \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$2"
}

# For an EXIT trap: a job that is listed may be gone, which must not end the trap there.
kill_jobs() {
    local job
    for job in $(jobs -p); do
        kill -KILL "$job" 2>/dev/null || :
    done
}
