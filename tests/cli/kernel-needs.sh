#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kernel-needs.sh MMRIG
#
# `mmrig kernel build` on a host that lacks what it takes: one line names all of it at once, and
# the one command that installs it.
set -euo pipefail

mmrig=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache
mkdir -p "$work/tree/arch/x86" "$work/bin" "$work/some"
touch "$work/tree/Kconfig" "$work/tree/arch/x86/Kconfig" "$work/tree/Makefile"

number=0
failed=0
# expect NAME PATH PATTERN WORD...: the command's one line has the pattern and every word.
expect() {
    local name=$1 path=$2 pattern=$3 got=0 word problem=
    shift 3
    env PATH="$path" "$mmrig" kernel build --tree "$work/tree" </dev/null >"$work/stdout" 2>"$work/stderr" ||
        got=$?
    ((got == 2)) || problem="status $got instead of 2"
    (($(wc -l <"$work/stderr") == 1)) || problem="$problem; not one line"
    grep -qE "$pattern" "$work/stderr" || problem="$problem; no /$pattern/"
    for word; do
        grep -qw -- "$word" "$work/stderr" || problem="$problem; no $word"
    done
    number=$((number + 1))
    if [[ -z $problem ]]; then
        echo "ok $number $name"
    else
        failed=$((failed + 1))
        echo "not ok $number $name: ${problem#; }"
        sed 's/^/# /' "$work/stderr"
    fi
}

# Programs that may be in /usr/sbin, where the rig looks too, are not asked about.
expect nothing-there "$work/bin" \
    '^mmrig: no kernel can be built without gcc, .*; mend it with: apt-get install .*gcc' \
    gcc ld binutils make flex bison bc tar xz xz-utils

# With a compiler, which is what is looked for first, the others are still told together.
for tool in gcc ld make tar xz strip; do
    printf '#!/bin/sh\necho "%s (a stand-in) 1.0"\n' "$tool" >"$work/some/$tool"
    chmod +x "$work/some/$tool"
done
expect some-there "$work/some" \
    '^mmrig: no kernel can be built without flex, bison, bc.*; mend it with: apt-get install flex bison bc'

# A folder that is no source tree is told first: installing packages would not help.
rm "$work/tree/Kconfig"
expect no-tree "$work/some" 'not a Linux source tree'

echo "1..$number"
echo "# $failed failed"
[[ $failed -eq 0 ]]
