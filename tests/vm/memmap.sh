#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# memmap.sh MMRIG KERNEL
#
# `mmrig memmap`: the map of a machine with firmware, as a table and as a picture, which is written
# to what its path names.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"
ln -s "$work/picture" "$work/link"

status=0
TMPDIR=$work/tmp "$mmrig" memmap mirror-map --kernel "$kernel" --accel tcg --svg "$work/link" \
    >"$work/table" 2>"$work/stderr" || status=$?
if [ "$status" -eq 77 ]; then
    echo "1..0 # SKIP $(cat "$work/stderr")"
    exit 77
fi
check status "$status $(cat "$work/stderr")" "0 "
check table "$(grep -c '^usable .* MiB, mirrored .* MiB$' "$work/table")" 1
check link "$([ -L "$work/link" ] && echo kept)" kept
check picture "$(head -c 4 "$work/picture")" "<svg"
check no-temporary-file "$(ls -A "$work/tmp")" ""

finish
