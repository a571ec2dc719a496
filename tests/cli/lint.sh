#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lint.sh SOURCE
#
# scripts/lint of the source tree SOURCE: ended by a signal it leaves no checker behind, and the
# check of lengths finds what is too long, and nothing else.
set -euo pipefail

source=$(realpath "${1:-$(dirname "$0")/../..}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

number=0
failed=0
# result NAME PROBLEM
result() {
    number=$((number + 1))
    if [[ -z $2 ]]; then
        echo "ok $number $1"
    else
        failed=$((failed + 1))
        echo "not ok $number $1: $2"
    fi
}

# A tree of one file with the scripts, its build, and checkers that find nothing; the slowest of
# them writes down that it runs.
mkdir -p "$work/bin" "$work/build" "$work"/tree/{abi,rig/base,images,guest-kernel,qemu-devices,firmware,tests,.ci,docs/man}
cp -R "$source/scripts" "$work/tree/"
echo '/* SPDX-License-Identifier: GPL-2.0-or-later */' >"$work/tree/abi/one.h"
printf '[\n  "file": "%s"\n]\n' "$work/tree/abi/one.h" >"$work/build/compile_commands.json"
for tool in clang-format shellcheck mandoc cppcheck; do
    printf '#!/bin/sh\nexit 0\n' >"$work/bin/$tool"
done
cat >"$work/bin/clang-tidy" <<END
#!/bin/sh
echo \$\$ >$work/pid.new
mv $work/pid.new $work/pid
exec sleep 1000
END
chmod +x "$work"/bin/*

# is_running PID: whether the process is there and no zombie.
is_running() {
    [[ $(ps -o stat= -p "$1") == [!Z]* ]]
}

# soon COMMAND...: waits, for a busy host's minute, until COMMAND succeeds.
soon() {
    local i
    for ((i = 0; i < 600; i++)); do
        "$@" && return
        sleep 0.1
    done
    return 1
}
is_over() {
    ! is_running "$1"
}

for signal in TERM INT HUP; do
    rm -f "$work/pid"
    # A job has SIGINT ignored, which no shell can undo; env can.
    env --default-signal=INT PATH="$work/bin:$PATH" "$work/tree/scripts/lint" "$work/build" \
        >"$work/lint-$signal" 2>&1 &
    lint=$!
    problem=
    if soon test -e "$work/pid"; then
        checker=$(<"$work/pid")
        kill "-$signal" "$lint"
        soon is_over "$lint" || problem="lint goes on"
        soon is_over "$checker" || problem="$problem; clang-tidy still runs"
        is_over "$checker" || kill -KILL "$checker"
    else
        problem="clang-tidy was not started"
        kill -KILL "$lint"
    fi
    result "signal-$signal" "${problem#; }"
done

# made LINES BEFORE AFTER: a file of so many lines between the two.
made() {
    printf '%s\n' "$2"
    seq -f '    x(%g);' "$1"
    printf '%s\n' "$3"
}
lengths() {
    awk -f "$source/scripts/lint-lengths" "$@"
}
made 77 $'static int\nlong_enough(int a)\n{' '}' >"$work/good.c"
made 78 $'/* (why) */\nstatic int too_long(int a)\n{' $'}\nint x;' >"$work/long.c"
made 598 'int a;' 'int b;' >"$work/whole.c"
made 599 'int a;' 'int b;' >"$work/file.c"
made 79 'too_long() {' '}' >"$work/long.sh"
result lengths-good "$(lengths "$work/good.c" "$work/whole.c" 2>&1 || :)"
for bad in long.c:2 file.c long.sh:1; do
    problem=
    ! said=$(lengths "$work/good.c" "$work/${bad%:*}" "$work/whole.c" 2>&1) || problem="it passed"
    [[ $said == "$work/$bad: "*lines,* && $said != *$'\n'* ]] || problem="it said: $said"
    result "lengths-$bad" "$problem"
done

echo "1..$number"
echo "# $failed failed"
[[ $failed -eq 0 ]]
