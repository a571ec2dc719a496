#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# jobs.sh MMRIG KERNEL SCENARIOS
#
# `mmrig run --jobs`: what runs side by side ends as if it ran alone, and is told in the order in
# which it was asked for; repetitions are counted; an interruption ends all of it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2
scenarios=$3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# By this mark in their environment, processes that are left over are found.
mark=$$
run=(env MMRIG_JOBS_TEST="$mark" "$mmrig" run --kernel "$kernel" --accel tcg)

results() {
    grep -E '^(not )?ok ' "$1" | sed 's/ # SKIP .*/ skipped/; s/\\#/#/'
}

# The first hangs till its limit while others begin and end beside it; of one QEMU itself dies.
status=0
"${run[@]}" --jobs 2 --scenarios "$scenarios" --out "$work/six" \
    verdict:hang verdict:no-such-cpu verdict verdict:signal stray verdict:panic \
    >"$work/six.ktap" || status=$?
check six-status "$status" 0
check six-plan "$(sed -n 2p "$work/six.ktap")" 1..6
check six-in-order "$(results "$work/six.ktap")" "ok 1 verdict:hang
ok 2 verdict:no-such-cpu
ok 3 verdict
ok 4 verdict:signal
ok 5 stray
ok 6 verdict:panic"
# Each for its own reason.
for row in "hang:did not end within" "no-such-cpu:QEMU ended" "signal:signal" "panic:panicked"; do
    check "six-${row%%:*}-reason" "$(grep -c "\"message\" : \"failed as it must.*${row#*:}" \
        "$work/six/verdict.${row%%:*}/result.json")" 1
done
check six-folders "$(find "$work/six" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | tr '\n' ' ')" \
    "stray verdict verdict.hang verdict.no-such-cpu verdict.panic verdict.signal "
# They did run side by side: what was told second had ended first.
check six-at-once "$([ "$work/six/verdict.no-such-cpu/result.json" -ot \
    "$work/six/verdict.hang/result.json" ] && echo yes)" yes

# A scenario of our own, of which QEMU dies, and one that nothing here can run.
mkdir "$work/scenarios"
cp "$scenarios/verdict.ini" "$work/scenarios/"
sed 's/^memory = .*/&\ncpu = no-such-cpu/' "$scenarios/stray.ini" >"$work/scenarios/dies.ini"
sed 's/^memory = .*/&\n[kernel]\nconfig = CONFIG_NO_SUCH/' "$scenarios/stray.ini" \
    >"$work/scenarios/unmet.ini"
status=0
"${run[@]}" --jobs 3 --repeat 3 --scenarios "$work/scenarios" --out "$work/three" verdict dies unmet \
    >"$work/three.ktap" || status=$?
check repeat-status "$status" 1
check repeat-in-order "$(results "$work/three.ktap")" "ok 1 verdict
ok 2 verdict#2
ok 3 verdict#3
not ok 4 dies
not ok 5 dies#2
not ok 6 dies#3
ok 7 unmet skipped
ok 8 unmet#2 skipped
ok 9 unmet#3 skipped"
check repeat-summary "$(tail -n 3 "$work/three.ktap")" "# verdict: none of 3 failed
# dies: 3 of 3 failed (100 %); the first: $work/three/dies
# unmet: all 3 were skipped"
check repeat-json "$(tr -d ' \n' <"$work/three/results.json" | grep -o '"repeats":.*,"results"')" \
    '"repeats":[{"title":"verdict","runs":3,"failed":0,"skipped":0,"failure_rate":0.0,"first_failure_folder":null},{"title":"dies","runs":3,"failed":3,"skipped":0,"failure_rate":1.0,"first_failure_folder":"'"$work/three/dies"'"},{"title":"unmet","runs":3,"failed":0,"skipped":3,"failure_rate":null,"first_failure_folder":null}],"results"'
check repeat-folders \
    "$(find "$work/three" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | tr '\n' ' ')" \
    "dies dies.2 dies.3 unmet unmet.2 unmet.3 verdict "

# SIGTERM while the first hangs, and after the second has ended.
"${run[@]}" --jobs 2 --timeout 100 --scenarios "$scenarios" --out "$work/term" \
    verdict:hang verdict:no-such-cpu verdict:silent verdict \
    >"$work/term.ktap" 2>"$work/term.err" &
pid=$!
for _ in $(seq 1 600); do
    grep -qs verdict:no-such-cpu "$work/term/verdict.no-such-cpu/result.json" &&
        [ "$(marked_processes "MMRIG_JOBS_TEST=$mark" | wc -l)" -ge 3 ] && break
    sleep 0.1
done
# The rig, the hanging machine, and whatever is tested or made beside it at this moment.
running=$(marked_processes "MMRIG_JOBS_TEST=$mark" | wc -l)
check term-running "$([ "$running" -ge 3 ] && echo so)" so
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
check term-status "$status" 99
check term-leaves-no-process "$(marked_processes "MMRIG_JOBS_TEST=$mark")" ""
# Before it: that a machine without a CPU cannot be a template.
check term-said "$(tail -n 1 "$work/term.err")" "mmrig: interrupted; the guests were stopped"
check term-keeps-what-ended "$(results "$work/term.ktap")" "ok 1 verdict:no-such-cpu"
check term-junit "$(grep -c '<testsuite ' "$work/term/junit.xml")" 1
check term-begins-nothing-more "$([ -e "$work/term/verdict" ] || echo so)" so

finish
