#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# devices.sh MMRIG PACK LYING_PACK [PRELOAD]
#
# `mmrig devices` and the doctor's row, with the QEMU of this host: what the pack adds, and one
# clear line where there is no pack, or one that does not fit. An instrumented pack needs the
# sanitizers' library PRELOADed into QEMU.
set -euo pipefail

mmrig=$1
pack=$2
lying=$3
preload=${4-}

qemu=$(command -v "${MMRIG_QEMU:-qemu-system-x86_64}") || {
    echo "1..0 # SKIP there is no QEMU"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache
mkdir -p "$XDG_CACHE_HOME"
if [ -n "$preload" ]; then
    cat >"$work/qemu" <<END
#!/bin/sh
export LD_PRELOAD='$preload' ASAN_OPTIONS=detect_leaks=0
exec '$qemu' "\$@"
END
    chmod +x "$work/qemu"
    qemu=$work/qemu
fi
export MMRIG_QEMU=$qemu MMRIG_PACK=$pack

# shellcheck source-path=SCRIPTDIR source=expect.sh
. "$(dirname "$0")/expect.sh"

lists_camera() {
    "$mmrig" devices >"$work/list"
    cat "$work/list"
    grep -qx "$pack, built for QEMU [0-9.]*, in QEMU .*: [1-9][0-9]* devices\{0,1\}" "$work/list" &&
        grep -q '^mmrig-camera (bus PCI): ' "$work/list" &&
        grep -q '^  dma-bits  *uint32  .*(default 32)$' "$work/list" &&
        ! grep -qE '^  (addr|multifunction|romfile) ' "$work/list" &&
        ! grep -q '^mmrig-guard' "$work/list"
}

# Every property says what it is for.
all_described() {
    "$mmrig" devices --json >"$work/json"
    python3 - "$work/json" "$pack" <<'END'
import json, sys
answer = json.load(open(sys.argv[1]))
assert answer["schema"] == 1 and answer["pack"] == sys.argv[2], answer
devices = {device["name"]: device for device in answer["devices"]}
assert devices["mmrig-camera"]["bus"] == "PCI", devices
for device in devices.values():
    assert device["description"], device
    for p in device["properties"]:
        assert p["description"] and (p["description"] != "on/off"), (device["name"], p)
defaults = {p["name"]: p["default"] for p in devices["mmrig-camera"]["properties"]}
assert defaults["dma-bits"] == "32" and defaults["debug"] == "off", defaults
END
}

# refused STATUS PATTERN: by one line on standard error.
refused() {
    local got=0
    "$mmrig" devices >"$work/stdout" 2>"$work/stderr" || got=$?
    cat "$work/stderr"
    [ "$got" -eq "$1" ] && [ ! -s "$work/stdout" ] &&
        [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -qE "$2" "$work/stderr"
}

doctor() {
    local got=0
    "$mmrig" doctor --no-boot >"$work/doctor" || got=$?
    cat "$work/doctor"
    [ "$got" -le 1 ] && grep -qE "$1" "$work/doctor"
}

# The figures are the machine's, but there must be some. The kernel only looks like one, as none is
# booted.
bench() {
    local got=0
    head -c 4096 /dev/zero >"$work/bzImage"
    printf '\x55\xaa' | dd of="$work/bzImage" bs=1 seek=510 conv=notrunc status=none
    printf 'HdrS' | dd of="$work/bzImage" bs=1 seek=514 conv=notrunc status=none
    "$mmrig" bench camera --runs 1 --kernel "path:$work/bzImage" --accel tcg --json \
        >"$work/bench" 2>"$work/stderr" || got=$?
    cat "$work/bench" "$work/stderr"
    if [ "$1" -ne 0 ]; then
        [ "$got" -eq "$1" ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] &&
            grep -qE "$2" "$work/stderr"
        return
    fi
    [ "$got" -eq 0 ] || return 1
    python3 - "$work/bench" <<'END'
import json, sys
answer = json.load(open(sys.argv[1]))
assert answer["bench"] == "camera" and answer["pairs"] == 1, answer
subject = answer["subject-gigabytes-per-second"]["median"]
baseline = answer["baseline-gigabytes-per-second"]["median"]
assert 0.001 < subject < 1000 and 0.001 < baseline < 1000, answer
assert abs(answer["ratio"]["median"] - subject / baseline) < 1e-3, answer
END
}

# run_skips PATTERN: a scenario that needs the pack is skipped, in words that match.
run_skips() {
    local got=0
    mkdir -p "$work/scenarios"
    printf '[scenario]\nsummary = s\narea = a\n[pack a]\ntype = mmrig-camera\n[test]\ntest = true\n' \
        >"$work/scenarios/pack.ini"
    "$mmrig" run pack --scenarios "$work/scenarios" --kernel "path:$work/bzImage" --accel tcg \
        --out "$work/out-$number" </dev/null >"$work/run" 2>&1 || got=$?
    cat "$work/run"
    [ "$got" -eq 77 ] && [ "$(grep -cE "$1" "$work/run")" -eq 1 ]
}

check devices lists_camera
check devices-described all_described
check doctor-ok doctor '^ok +pack +QEMU loads .*built for QEMU [0-9.]+: .*mmrig-camera'

check bench-camera bench 0

export MMRIG_PACK=$work/none.so
check bench-camera-no-pack bench 2 'none\.so: .* not there; build it'
check devices-no-pack refused 2 'none\.so: .* not there; build it'
check doctor-no-pack doctor '^warn +pack +.*none\.so: .*not there'

echo "no pack at all" >"$work/rubbish.so"
export MMRIG_PACK=$work/rubbish.so
check devices-broken-pack refused 2 'rubbish\.so: QEMU cannot use it.*rubbish\.so.*; rebuild the pack'

export MMRIG_PACK=$lying
check devices-guard refused 2 '^mmrig: .*lies\.so: PCIDevice has [0-9]+ bytes .*; rebuild the pack'
check doctor-guard doctor '^warn +pack +.*lies\.so: PCIDevice has'
check run-guard run_skips '^ok 1 pack # SKIP .*lies\.so: PCIDevice has [0-9]+ bytes .*; rebuild the pack'
check doctor-mend doctor 'mend: rebuild the pack for it: cmake'

echo "1..$number"
echo "# $failed failed"
[ "$failed" -eq 0 ]
