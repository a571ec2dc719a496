#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lint.sh SOURCE
#
# scripts/lint of the source tree SOURCE: ended by a signal it leaves no checker behind, and the
# checks of lengths, of rooms and of words find what is wrong, and nothing else.
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

# A house of two rooms; bad EDIT... breaks a copy of it.
house=$work/house
mkdir -p "$house"/{rig/low,rig/high,docs}
printf 'add_subdirectory(%s)\n' low high >"$house/rig/CMakeLists.txt"
printf 'mmrig_room(low\n  SOURCES low.c)\n' >"$house/rig/low/CMakeLists.txt"
printf 'mmrig_room(high\n  USES low\n  SOURCES high.c)\n' >"$house/rig/high/CMakeLists.txt"
printf '# low\n\n- May use: GLib.\n- Used by: high.\n' >"$house/rig/low/README.md"
printf '# high\n\n- May use: low.\n- Used by: the user.\n' >"$house/rig/high/README.md"
printf '%s\n' '```rooms' '  high' '   low' '```' '| low | a |' '| high | b |' \
    >"$house/docs/architecture.md"
touch "$house"/rig/low/{low.h,low-private.h}
echo >"$house/rig/low/low.c"
printf '#include "low/low.h"\n' >"$house/rig/high/high.c"
rooms() {
    (cd "$1" && awk -f "$source/scripts/lint-rooms" rig/CMakeLists.txt rig/*/CMakeLists.txt \
        rig/*/README.md docs/architecture.md rig/*/*.[ch])
}
result rooms-good "$(rooms "$house" 2>&1 || :)"
# rooms_bad NAME SAID EDIT FILE: the check says SAID (a pattern) once sed has done EDIT to FILE.
rooms_bad() {
    local problem="" said
    rm -rf "$work/bad"
    cp -R "$house" "$work/bad"
    sed -i "$3" "$work/bad/$4"
    ! said=$(rooms "$work/bad" 2>&1) || problem="it passed"
    # shellcheck disable=SC2053 # a pattern is what it is
    [[ $said == $2 ]] || problem="it said: $said"
    result "rooms-$1" "$problem"
}
rooms_bad upwards 'rig/low/low.c:1: low does not name high in its USES' '1i #include "high/high.h"' rig/low/low.c
rooms_bad private '*this header does not leave its room' 's/low\.h/low-private.h/' rig/high/high.c
rooms_bad unused '*nothing includes a header of low' d rig/high/high.c
rooms_bad readme-uses 'rig/high/README.md:3: not so; CMake says: low' 's/low/high/' rig/high/README.md
rooms_bad readme-used 'rig/low/README.md:4: not so; CMake says: high' 's/: high/: low/' \
    rig/low/README.md
rooms_bad table-order '*it is low that stands here*' '5{h;d};6G' docs/architecture.md
rooms_bad table-short '*the table has 1 rooms of 2' '6d' docs/architecture.md
rooms_bad picture-lacks '*the picture lacks low' '3d' docs/architecture.md
rooms_bad picture-upside-down '*does not have high above low' '2{h;d};3G' docs/architecture.md
rooms_bad picture-unknown '*has attic twice*' '2s/$/ attic/' docs/architecture.md

# words NAME SAID LINE FILE: what the check of architectures' words says of a file of that line.
words() {
    local problem="" said
    mkdir -p "$work/words/${4%/*}"
    printf '%s\n' "$3" >"$work/words/$4"
    said=$(cd "$work/words" && awk -f "$source/scripts/lint-arch" "$4" 2>&1) || said="bad: $said"
    # shellcheck disable=SC2053 # a pattern is what it is
    [[ $said == $2 ]] || problem="it said: $said"
    result "words-$1" "$problem"
}
words none '' 'int a = 1; /* of the table */' rig/machine/a.c
words machine "bad: rig/machine/a.c:1: 'q35'*" 'const char *a = "q35";' rig/machine/a.c
words console "bad: rig/vm/a.c:1: 'ttyS\\[0-9\\]'*" '/* on ttyS0 */' rig/vm/a.c
words other "bad: rig/vm/a.c:1: 'arm64'*" 'a(arm64);' rig/vm/a.c
words excepted '' '/* Intel x86 */' rig/actions/action-mce.c
words unneeded "bad: *the exception for 'Intel' in scripts/lint-arch is not needed" '/* x86 */' \
    rig/actions/action-mce.c

echo "1..$number"
echo "# $failed failed"
[[ $failed -eq 0 ]]
