#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# module-source.sh MMRIG KERNEL SOURCE
#
# Our kernel modules, judged by the kernel's own tools: checkpatch, all warnings that the kernel's
# build offers, and sparse. What was kept of the build of KERNEL (one of mmrig's) has the first
# two. Each tool must also find something in a copy that is broken, or it was not really asked.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2
source=$3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build=$(dirname "$("$mmrig" kernel path "$kernel")")/extmod
[ -d "$build" ] || {
    echo "Bail out! $build is not there: mmrig kernel build"
    exit 1
}
command -v sparse >/dev/null || {
    echo "Bail out! there is no sparse: install the package of that name"
    exit 1
}

mkdir "$work/guest-kernel"
cp -r "$source/abi" "$work/"
cp -r "$source/guest-kernel/modules" "$work/guest-kernel/"

# What checkpatch has to say, which is nothing.
checkpatch() {
    find "$work/guest-kernel/modules" -name '*.[ch]' ! -name '*.mod.c' -print0 | sort -z |
        xargs -0 perl "$build/scripts/checkpatch.pl" --no-tree --strict --terse --no-summary \
            --show-types --file 2>&1 | sed "s|^$work/||" || [ "${PIPESTATUS[2]}" -ne 0 ]
}

# compile: the lines of warnings, of the compiler and of sparse.
compile() {
    local status=0
    make -C "$build" M="$work/guest-kernel/modules" C=2 W=1 modules >"$work/log" 2>&1 || status=$?
    grep -E 'warning:|error:' "$work/log" | sed "s|^$work/||" || [ $? -eq 1 ]
    [ "$status" -eq 0 ] || tail -n 5 "$work/log"
}

check checkpatch "$(checkpatch)" ""
check compiler-and-sparse "$(compile)" ""
sources=$(find "$work/guest-kernel/modules" -name '*.c' ! -name '*.mod.c' | wc -l)
check sparse-saw-all "$(grep -c '^  CHECK ' "$work/log")" "$sources"

cat >>"$work/guest-kernel/modules/mmrig-camera/driver.c" <<'EOF'

u32 mmrig_cam_broken(void __iomem *registers);

u32 mmrig_cam_broken(void __iomem *registers)
{
    return *(u32 *)registers;
}
EOF
check checkpatch-finds "$(checkpatch | grep -c LEADING_SPACE)" 1
check sparse-finds "$(compile | grep -c 'address space')" 1

finish
