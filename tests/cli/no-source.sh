#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# no-source.sh SOURCE
#
# The source tree SOURCE on a host whose QEMU has no source to be had: cmake goes on without the
# device pack and says so in one line; a source that is given is looked at first.
set -euo pipefail

source=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/not-qemu" "$work/qemu" "$work/qemu/include" "$work/qemu/include/qemu"
printf '#!/bin/sh\necho "QEMU emulator version 99.0.0 (Debian 1:99.0.0+ds-1)"\n' >"$work/bin/qemu"
# No word of this test goes to the network.
for tool in apt-get apt-cache; do
    printf '#!/bin/sh\nexit 0\n' >"$work/bin/$tool"
done
chmod +x "$work"/bin/*
export PATH=$work/bin:$PATH MMRIG_QEMU=$work/bin/qemu XDG_CACHE_HOME=$work/cache

# shellcheck source-path=SCRIPTDIR source=expect.sh
. "$(dirname "$0")/expect.sh"

goes_on() {
    cmake -S "$source" -B "$work/build" -D MMRIG_TESTS=OFF >"$work/output" 2>&1 || {
        cat "$work/output"
        return 1
    }
    grep 'NO DEVICE PACK' "$work/output"
    [ "$(grep -c 'NO DEVICE PACK: .*; give a folder .*--qemu-source DIR' "$work/output")" -eq 1 ] &&
        grep -q -- '--qemu-source DIR' "$work/build/no-device-pack" &&
        cmake --build "$work/build" --target help >"$work/targets" &&
        grep -qw 'mmrig' "$work/targets" && ! grep -q 'mmrig-devices' "$work/targets"
}

# refuses COMMAND...: in one line that names the folder.
refuses() {
    local got=0
    "$@" >"$work/output" 2>&1 </dev/null || got=$?
    cat "$work/output"
    [ "$got" -eq 1 ] && grep -q "$work/not-qemu: no QEMU source" "$work/output"
}

check cmake-goes-on goes_on
check quickstart-bad-source refuses "$source/scripts/quickstart" --no-install --qemu-source "$work/not-qemu"
check test-bad-source refuses "$source/scripts/test" --no-install --qemu-source "$work/not-qemu"

echo "1..$number"
echo "# $failed failed"
[ "$failed" -eq 0 ]
