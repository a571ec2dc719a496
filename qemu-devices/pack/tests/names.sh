#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# names.sh NM OBJECT...: whether every name that these objects have for others has our prefix, so that
# the pack can be linked with anything. The loader's two names are QEMU's, and the sanitizers put in
# some of their own.

set -eu
nm=$1
shift
[ $# -gt 0 ]
"$nm" --extern-only --defined-only --print-file-name "$@" | awk '
    { count++ }
    $NF !~ /^(mmrig_|qemu_plugin_(version|install)$|__odr_asan)/ {
        sub(/:[0-9a-f]*$/, "", $1)
        print $1 ": " $NF " is visible and has no mmrig_"
        bad = 1
    }
    END { exit bad || count == 0 }'
