#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mutate.sh SOURCE
#
# scripts/mutate of the source tree SOURCE, on a tree of two files: what it says of mutants that are
# killed, survive, hang, write without end, do not compile or make no difference; that it goes on where
# it was ended, leaves the tree as it is, and no process behind.
set -euo pipefail

source=$(realpath "${1:-$(dirname "$0")/../..}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/stderr"
# shellcheck source-path=SCRIPTDIR source=expect.sh
. "$source/tests/cli/expect.sh"

tree=$work/tree
mkdir -p "$tree/tests/mutate" "$tree/src"
cat >"$tree/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(tiny LANGUAGES C)
enable_testing()
add_executable(tiny-test src/tiny-test.c src/tiny.c)
add_test(NAME tiny-test COMMAND tiny-test "$work/left")
END
printf 'src/tiny-test.c -\nsrc/* tiny-test\n' >"$tree/tests/mutate/tests.txt"
cat >"$tree/src/tiny.c" <<'END'
/* if (a && b) is no code here */
#include <stdio.h>
int notes;
_Static_assert(sizeof(notes) == 4, "of four bytes");
int clamp(int value, int most)
{
    value = 1 * value;
    if (value > most) {
        return most;
    }
    return value;
}
int count(int to)
{
    int n = 0;
    for (;;) {
        if (n == to) {
            break;
        }
        n++;
    }
    return n;
}
void tell(int to)
{
    for (int i = 0; i != to;) {
        puts("if (a) b();");
        i++;
    }
    notes = to;
}
END
# A child that would stay, as QEMU can: in a session of its own, and deaf.
cat >"$tree/src/tiny-test.c" <<'END'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int clamp(int value, int most);
int count(int to);
void tell(int to);
int main(int argc, char **argv)
{
    FILE *left = fopen(argv[1], "a");
    pid_t child = fork();
    if (child == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        for (;;)
            pause();
    }
    fprintf(left, "%d\n", child);
    fclose(left);
    tell(3);
    if (clamp(7, 5) != 5 || clamp(3, 5) != 3 || count(4) != 4)
        abort();
    kill(child, SIGKILL);
    return 0;
}
END
sums() {
    (cd "$tree" && find . -type f -exec sha256sum {} + | LC_ALL=C sort)
}
before=$(sums)

mkdir "$work/tmp"
mutate() {
    TMPDIR=$work/tmp "$source/scripts/mutate" --source "$tree" --out "$work/out" "$@"
}

# has NAME PATTERN: a line of the results fits.
has() {
    local problem=
    grep -qE "$2" "$work/out/results.jsonl" || problem="no result fits $2"
    result "$1" "$problem"
}

status=0
mutate --count 0 >"$work/said" 2>"$work/stderr" || status=$?
problem=
[[ $status -eq 1 ]] || problem="status $status"
result survivor-is-told "$problem"
has killed '"line": 8, "kind": "negate",.*"status": "killed", "by": "tiny-test", "how": "failed"'
has hang '"line": 20, "kind": "drop",.*"how": "time"'
has endless-output '"line": 28, "kind": "drop",.*"how": "output"'
has survived '"line": 30, "kind": "drop", "old": "notes = to;", .*"status": "survived"'
has same '"line": 7, "kind": "drop",.*"status": "same"'
has uncompiled '"line": 4, "kind": "negate",.*"status": "uncompiled"'
problem=
grep -qE '"line": (1|27), "kind": "(negate|and-or)' "$work/out/results.jsonl" &&
    problem="comments and texts are taken for code"
result code-only "$problem"
problem=
[[ $(sums) == "$before" ]] || problem="the tree has changed"
result tree-untouched "$problem"
problem=
while read -r pid; do
    [[ ! -e /proc/$pid || $(ps -o stat= -p "$pid") == Z* ]] || problem="process $pid is left"
done <"$work/left"
[[ $(wc -l <"$work/left") -gt 10 ]] || problem="the test was not run"
[[ -z $(ls -A "$work/tmp") ]] || problem="$problem; its folder is left"
result nothing-left "${problem#; }"

# The survivors that are known are no failure; what is done is not done again.
mkdir -p "$tree/tests/mutate"
sed -n 's/^{"id": "\([0-9a-f]*\)".*"status": "survived".*/\1 of no matter/p' \
    "$work/out/results.jsonl" >"$tree/tests/mutate/survivors.txt"
status=0
mutate --count 0 >"$work/said" 2>"$work/stderr" || status=$?
problem=
[[ $status -eq 0 ]] || problem="status $status"
grep -q ' 0 of them to try' "$work/said" || problem="$problem; it has tried some again"
result known-and-done "${problem#; }"

# While another has the lock it waits, and can be ended.
exec 8>"$work/lock"
flock 8
mutate --count 1 --again killed --again survived --again same --again uncompiled \
    --lock "$work/lock" >"$work/said" 2>"$work/stderr" 8>&- &
waits=$!
problem="it does not say what it does"
for ((i = 0; i < 300; i++)); do
    if grep -q ' 1 of them to try' "$work/said"; then
        problem=
        break
    fi
    sleep 0.1
done
# The shell of the function hands the signal on to nobody.
pkill -TERM -P "$waits" || kill -TERM "$waits"
for ((i = 0; i < 300; i++)); do
    [[ -n $(ls -A "$work/tmp") ]] || break
    sleep 0.1
done
[[ -z $(ls -A "$work/tmp") ]] || problem="$problem; it goes on"
exec 8>&-
wait "$waits" || :
result lock "${problem#; }"

# The lot is the seed's, and does not change with a file's other lines.
lot() {
    mutate --list --count 5 --seed "$1" | sed 's/:[0-9]* / /'
}
first=$(lot 1)
problem=
[[ $(wc -l <<<"$first") -eq 5 ]] || problem="not 5 mutants"
[[ $(lot 2) != "$first" ]] || problem="$problem; another seed draws the same"
sed -i '2i /* another line */' "$tree/src/tiny.c"
[[ $(lot 1) == "$first" ]] || problem="$problem; it is another lot"
result lot "${problem#; }"
finish
