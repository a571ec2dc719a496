#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill-template-maker.sh MMRIG KERNEL [TIMES [SEED]]
#
# Kills the process that makes a template with SIGKILL, at random moments spread over the whole
# of the making, one in each TIMES-th part of it. Every other time the process that cleans up
# after it is killed at the same moment, so that a half-made template stays: the next maker has
# to clear it away. Each time a run must then pass, in a fork of a template that is whole, and
# nothing may be left. With the SEED that it prints it picks the same moments again.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2
times=${3:-20}
seed=${4:-$RANDOM}
RANDOM=$seed
echo "# seed $seed"

work=$(mktemp -d)
# A store of our own, in memory like the usual one.
store=$(mktemp -d /dev/shm/mmrig-kill-XXXXXX)
trap 'kill_jobs; rm -rf "$work" "$store"' EXIT
export MMRIG_TEMPLATES=$store
mkdir "$work/tmp"

# run OUT: a run in a fork, whose processes are found by a mark that is named like OUT.
run() {
    env MMRIG_KILL_TEST="$$-$1" TMPDIR="$work/tmp" "$mmrig" run boot-identity \
        --kernel "$kernel" --accel tcg --json --out "$work/$1" >"$work/$1.json" 2>"$work/$1.err"
}

now_ms() {
    echo $(($(date +%s%N) / 1000000))
}

# parent PID: its parent, or 0 if it is gone.
parent() {
    local ppid
    ppid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) || ppid=
    echo "${ppid:-0}"
}

# await PID COMMAND...: until COMMAND prints something, while PID goes on.
await() {
    local pid=$1
    shift
    while [ -z "$("$@")" ]; do
        kill -0 "$pid" 2>/dev/null || [ -n "$("$@")" ] || {
            echo "Bail out! mmrig ended before this said anything: $*"
            exit 1
        }
        sleep 0.005
    done
}

templates() {
    find "$store" -mindepth 1 -maxdepth 1 -type d ! -name '.*'
}

# How long the making takes, from the first sign of it to the finished template: the shortest of
# three, so that few moments come too late on a host that is busy only now.
length=
for round in first second third; do
    rm -rf "${store:?}"/*
    run "$round" &
    pid=$!
    await "$pid" half_made "$store"
    began=$(now_ms)
    await "$pid" templates
    took=$(($(now_ms) - began))
    [ -n "$length" ] && [ "$length" -le "$took" ] || length=$took
    status=0
    wait "$pid" || status=$?
    check "$round-passes" "$status" 0
done
echo "# a template is made in $length ms"

left=
# What is left of a killed run, once its death has reached all that it started.
settle() {
    for _ in $(seq 1 100); do
        left=$(marked_processes "MMRIG_KILL_TEST=$$-$1")
        [ -n "$left" ] || return 0
        sleep 0.05
    done
}

half=0 early=0
for round in $(seq 1 "$times"); do
    rm -rf "${store:?}"/*
    # A moment in this part of the making.
    moment=$((length * (round - 1) / times + RANDOM % (length / times + 1)))
    # With more to do afterwards than there is time for: it does not end before it is killed.
    env MMRIG_KILL_TEST="$$-killed-$round" TMPDIR="$work/tmp" "$mmrig" run boot-identity \
        --repeat 1000 --kernel "$kernel" --accel tcg --out "$work/killed-$round" >/dev/null 2>&1 &
    pid=$!
    await "$pid" half_made "$store"
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    during=$(half_made "$store")
    janitor=
    if [ $((round % 2)) -eq 0 ]; then
        # A child of the maker's, which is a child of the killed one.
        for folder in /proc/[0-9]*; do
            if { read -r name <"$folder/comm"; } 2>/dev/null && [ "$name" = mmrig-janitor ] &&
                [ "$(parent "$(parent "${folder#/proc/}")")" = "$pid" ]; then
                janitor=${folder#/proc/}
            fi
        done
    fi
    # It may just have done its work, when the template is finished.
    [ -z "$janitor" ] || kill -KILL "$janitor" 2>/dev/null || janitor=
    kill -KILL "$pid"
    status=0
    wait "$pid" 2>/dev/null || status=$?
    settle "killed-$round"
    [ -z "$during" ] || early=$((early + 1))
    remains=$(half_made "$store")
    [ -z "$remains" ] || half=$((half + 1))

    problem=
    [ "$status" -eq 137 ] || problem+="it ended by itself with status $status; "
    [ -z "$left" ] || problem+="processes: $left; "
    # The janitor cleans up, unless it was killed as well.
    [ -z "$remains" ] || [ -n "$janitor" ] || problem+="half-made: $remains; "
    # What there is under a name is whole.
    "$mmrig" cache verify >"$work/verify" 2>&1 || problem+="$(cat "$work/verify"); "
    status=0
    run "after-$round" || status=$?
    [ "$status" -eq 0 ] || problem+="the next run: status $status, $(cat "$work/after-$round.err"); "
    grep -q '"forked" : true' "$work/after-$round.json" || problem+="the next run did not fork; "
    "$mmrig" cache verify >"$work/verify" 2>&1 || problem+="later: $(cat "$work/verify"); "
    settle "after-$round"
    [ -z "$left" ] || problem+="processes of the next run: $left; "
    problem+=$(half_made "$store")
    problem+=$(find "$store" -mindepth 1 -maxdepth 1 ! -name .lock ! -type d)
    problem+=$(find "$work" "$store" -type s)
    problem+=$(ls -A "$work/tmp")
    [ "$(templates | wc -l)" -eq 1 ] || problem+="not one template: $(templates)"
    check "killed-at-$moment-ms" "$problem" ""
done

echo "# $early of $times were killed while the template was half-made; $half left it so"
# Else it was another thing that was tested: the moments are of the making, not before or after.
check most-moments-are-in-the-making "$([ "$early" -ge $((times / 2)) ] && echo so)" so
check some-are-left-half-made "$([ "$half" -gt 0 ] && echo so)" so
finish
