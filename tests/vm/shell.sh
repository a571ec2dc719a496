#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# shell.sh MMRIG KERNEL
#
# `mmrig shell`: a command's input, output, errors and status come through as they are; a shell
# without a command reads a script, and on a terminal it has one of its own.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

in_guest() {
    status=0
    "$mmrig" shell boot-smoke --kernel "$kernel" --accel tcg "$@" \
        >"$work/out" 2>"$work/err" || status=$?
}

# Every byte, so that nothing in between takes one for its own; more than one line can hold.
for _ in $(seq 1 40); do
    for byte in $(seq 0 255); do
        printf '%b' "\\0$(printf '%o' "$byte")"
    done
done >"$work/in"
# shellcheck disable=SC2016  # expanded in the guest
in_guest -- sh -c 'cat; echo "to standard error" >&2; exit 7' <"$work/in"
check status "$status" 7
check output "$(cksum <"$work/out")" "$(cksum <"$work/in")"
check errors "$(cat "$work/err")" "to standard error"

# shellcheck disable=SC2016  # expanded in the guest
in_guest -- sh -c 'kill -9 $$' </dev/null
check signal "$status" 137

in_guest -- no-such-program </dev/null
check no-such-program "$status" 127

in_guest <<<'echo from a script; exit 3'
check script-status "$status" 3
check script-output "$(cat "$work/out")" "from a script"

in_guest -- sh -c 'echo c >/proc/sysrq-trigger' </dev/null
check panic-status "$status" 99
check panic-said "$(grep -c 'mmrig: the guest panicked: sysrq triggered crash' "$work/err")" 1

# On a terminal: the size arrives, and what is typed is echoed by the guest's terminal alone.
mkfifo "$work/typed"
script --quiet --return --command "stty rows 33 columns 77 -echo;
    '$mmrig' shell boot-smoke --kernel '$kernel' --accel tcg" /dev/null \
    <"$work/typed" >"$work/out" &
terminal=$!
exec 4>"$work/typed"
for _ in $(seq 1 1200); do
    grep -q '# ' "$work/out" && break # the prompt
    sleep 0.1
done
printf 'stty size; tty; exit 5\r' >&4
status=0
wait "$terminal" || status=$?
exec 4>&-
check terminal-status "$status" 5
check terminal-size "$(tr -d '\r' <"$work/out" | grep -c '^33 77$')" 1
check terminal-name "$(tr -d '\r' <"$work/out" | grep -c '^/dev/pts/')" 1

finish
