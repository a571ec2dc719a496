#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kernels.sh MMRIG FAKE_QEMU
#
# The kernel that a user gives: each mistake is told in one line before anything starts, with what,
# where, and how to mend it. Nothing here boots a guest; the kernels are made up.
set -euo pipefail

mmrig=$(realpath "$1")
fake_qemu=$(realpath "$2")
here=$(realpath "$(dirname "$0")")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# nobody must come through.
chmod 755 "$work"
export XDG_CACHE_HOME=$work/cache
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_NOSYSTEM=1
mkdir -p "$XDG_CACHE_HOME"
cd "$work"
# shellcheck source-path=SCRIPTDIR source=expect.sh
. "$here/expect.sh"

# timeout starts programs only.
cat >"$work/path" <<END
#!/bin/sh
exec '$mmrig' kernel path "\$@"
END
chmod 755 "$work/path"

# Images.
make_bzimage bzImage 6.1.0-test
head -c 2000 bzImage >./cut
put bzImage 500 '\300\000'
cp bzImage whole
put cut 500 '\300\000'
expect bzimage-cut 2 'cut: not a kernel.*cut off: it has 2000 bytes.*copy it anew' -- ./path ./cut
cp whole 32-bit
put 32-bit 566 '\000'
expect bzimage-32-bit 2 '32-bit bzImage.*CONFIG_64BIT' -- ./path ./32-bit
head -c 4096 /dev/zero >no-magic
expect no-magic 2 'neither a bzImage nor a vmlinux, of x86-64' -- ./path ./no-magic
cp no-magic arm64
put arm64 56 'ARM\144'
expect arm64 2 'arm64 Image' -- ./path ./arm64
gzip -c whole >packed
expect packed 2 'compressed; unpack it' -- ./path ./packed

# An ELF header with one segment to load, of 4096 bytes; no notes.
head -c 4096 /dev/zero >vmlinux
put vmlinux 0 '\177ELF\002\001\001'
put vmlinux 16 '\002\000\076\000'
put vmlinux 32 '\100'
put vmlinux 54 '\070\000\001\000'
put vmlinux 64 '\001'
put vmlinux 97 '\020'
expect vmlinux-without-pvh 2 'vmlinux: not a kernel.*CONFIG_PVH=y' -- ./path ./vmlinux
head -c 4000 vmlinux >vmlinux-cut
expect vmlinux-cut 2 'cut off: it has 4000 bytes' -- ./path ./vmlinux-cut
cp vmlinux vmlinux-arm
put vmlinux-arm 18 '\267'
expect vmlinux-arm 2 'another processor \(machine 183\)' -- ./path ./vmlinux-arm
cp vmlinux vmlinux-32
put vmlinux-32 4 '\001'
put vmlinux-32 18 '\003'
expect vmlinux-32 2 '32-bit ELF' -- ./path ./vmlinux-32
expect run-says-it-first 2 'CONFIG_PVH=y' -- \
    env MMRIG_QEMU="$fake_qemu" "$mmrig" run boot-smoke --accel tcg --kernel ./vmlinux

# A build tree: its configuration counts, and its modules where they are installed.
mkdir -p tree/arch/x86/boot tree/arch/x86_64/boot
cp whole tree/arch/x86/boot/bzImage
ln -s ../../x86/boot/bzImage tree/arch/x86_64/boot/bzImage
printf 'CONFIG_64BIT=y\n' >tree/.config
expect -o '"CONFIG_64BIT" : "y"' tree-config 0 'takes the configuration .*/tree/\.config' -- \
    ./path --json tree/arch/x86/boot/bzImage
expect -o '"CONFIG_64BIT" : "y"' tree-config-by-link 0 'takes the configuration' -- \
    ./path --json tree/arch/x86_64/boot/bzImage
expect -l 2 tree-config-counts 77 'no CONFIG_VIRTIO_PCI' -- \
    "$mmrig" image --kernel "$work/tree/arch/x86/boot/bzImage"
printf 'kernel/a.o\n' >tree/modules.order
expect -l 2 tree-modules-not-installed 0 'goes without modules.*modules_install' -- \
    ./path tree/arch/x86/boot/bzImage
# make_modules FOLDER: with one module that is no ELF file, so the folder's name tells the release.
make_modules() {
    mkdir -p "$1/kernel"
    touch "$1/kernel/a.ko" "$1/modules.dep.bin"
    printf 'kernel/a.ko:\n' >"$1/modules.dep"
}
make_modules tree/lib/modules/6.1.0-test
expect -l 2 -o '"modules" : ".*/tree/lib/modules/6\.1\.0-test"' tree-modules 0 \
    'takes the modules in .*/tree/lib/modules/6\.1\.0-test' -- \
    ./path --json tree/arch/x86/boot/bzImage

# Modules.
make_modules other/lib/modules/6.2.0
expect modules-of-another 2 'these modules are of 6\.2\.0, and the kernel .* is 6\.1\.0-test' -- \
    ./path "path:whole,modules=other/lib/modules/6.2.0"
make_modules stale/lib/modules/6.1.0-test
rm stale/lib/modules/6.1.0-test/kernel/a.ko
expect modules-stale 2 "kernel/a\.ko.*run 'depmod -b $work/stale 6\.1\.0-test'" -- \
    ./path "path:whole,modules=stale/lib/modules/6.1.0-test"

# What is no file is refused, and not waited for.
mkfifo fifo
perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un("socket"))'
mkdir -p scenarios fragments/guest-kernel/config
mkfifo scenarios/piped.ini fragments/guest-kernel/config/a.config
expect kernel-is-fifo 2 'fifo as the kernel: it is a FIFO' -- ./path ./fifo
expect kernel-is-socket 2 'socket as the kernel: it is a socket' -- ./path ./socket
expect kernel-is-device 2 '/dev/null as the kernel: it is a device' -- ./path /dev/null
expect config-is-fifo 2 'fifo as the kernel configuration: it is a FIFO' -- \
    ./path path:whole,config=fifo
expect modules-is-fifo 2 'fifo as the modules folder: it is a FIFO' -- \
    ./path path:whole,modules=fifo
expect tree-is-fifo 2 'fifo as the source tree: it is a FIFO' -- ./path tree:fifo
expect build-is-fifo 2 'fifo as the source tree: it is a FIFO' -- "$mmrig" kernel build --tree fifo
expect manifest-is-fifo 2 'fifo.*(FIFO|not a file)' -- "$mmrig" image --manifest "$work/fifo"
expect scenario-is-fifo 2 'piped\.ini.*(FIFO|not a file)' -- \
    env MMRIG_QEMU="$fake_qemu" "$mmrig" run piped --scenarios scenarios --kernel ./whole \
    --accel tcg
expect scenarios-is-fifo 2 'fifo' -- "$mmrig" list --scenarios fifo
expect qemu-is-fifo 2 'fifo' -- env MMRIG_QEMU="$work/fifo" "$mmrig" run boot-smoke
mkdir -p linux/arch/x86
touch linux/Kconfig linux/arch/x86/Kconfig
expect fragment-is-fifo 2 'a\.config.*FIFO' -- \
    env MMRIG_DATA_DIR="$work/fragments" "$mmrig" kernel path "tree:$work/linux"

# A comma in a path.
mkdir 'a,b'
cp whole 'a,b/bzImage'
printf 'CONFIG_64BIT=y\n' >'c,d'
expect -l 0 -o '"kernel" : "path:.*/a,,b/bzImage"' comma 0 '' -- ./path --json path:a,,b/bzImage
expect -l 0 -o '"CONFIG_64BIT" : "y"' comma-config 0 '' -- \
    ./path --json path:whole,config=c,,d
expect comma-forgotten 2 'a comma in a path is written twice' -- ./path path:a,b/bzImage

# A cache where nothing can be compiled is refused before anything is unpacked or compiled.
for place in 'a blank' 'a:colon' "a'quote" 'a;semicolon'; do
    expect "cache-with-$place" 2 'nothing of a kernel can be compiled in a cache with' -- \
        env XDG_CACHE_HOME="$work/$place" "$mmrig" kernel build --tree "$work/linux"
    expect -l 0 -o 'mmrig/images/' "image-in-$place" 0 '' -- \
        env XDG_CACHE_HOME="$work/$place" "$mmrig" image --kernel ./whole
done
cp -r linux 'quo"te'
expect tree-with-quote 2 'a kernel cannot be built in a folder with the character "' -- \
    "$mmrig" kernel build --tree 'quo"te'

# The cache: an entry that cannot be read spoils no other, and what is not taken is told.
# make_entry NAME SOURCE ORIGIN RELEASE
make_entry() {
    mkdir -p "$XDG_CACHE_HOME/mmrig/kernels/$1"
    cp whole "$XDG_CACHE_HOME/mmrig/kernels/$1/bzImage"
    printf 'CONFIG_64BIT=y\n' >"$XDG_CACHE_HOME/mmrig/kernels/$1/config"
    printf '[kernel]\nsource=%s\norigin=%s\nversion=%s\nrelease=%s\nimage=bzImage\nmodules=m\n' \
        "$2" "$3" "$4" "$4" >"$XDG_CACHE_HOME/mmrig/kernels/$1/kernel.ini"
    printf 'config=config\nid=%s\nsize=1\n' "$1" >>"$XDG_CACHE_HOME/mmrig/kernels/$1/kernel.ini"
}
make_entry one distro 'a package' 6.1.0-test
expect -l 0 -o '/one/bzImage' distro 0 '' -- ./path distro
mkdir "$XDG_CACHE_HOME/mmrig/kernels/damaged"
printf '[kernel]\nsource=distro\n' >"$XDG_CACHE_HOME/mmrig/kernels/damaged/kernel.ini"
expect -o '/one/bzImage' distro-beside-a-damaged-one 0 'passed over: .*/damaged/kernel\.ini' -- \
    ./path distro
expect -o '/one/bzImage' list-beside-a-damaged-one 0 'passed over: .*/damaged/kernel\.ini' -- \
    "$mmrig" kernel list
expect -l 1 -o '/one' cache-list-beside-a-damaged-one 0 'passed over: .*/damaged/kernel\.ini' -- \
    "$mmrig" cache list
rm "$XDG_CACHE_HOME/mmrig/kernels/damaged/kernel.ini"
mkfifo "$XDG_CACHE_HOME/mmrig/kernels/damaged/kernel.ini"
expect -o '/one/bzImage' entry-is-fifo 0 'passed over: .*/damaged/kernel\.ini.*FIFO' -- ./path distro
rm -r "$XDG_CACHE_HOME/mmrig/kernels/damaged"
make_entry two tree /usr/src/linux-source-6.12.tar.xz 6.12.0-mmrig
expect default-is-another 77 'takes the distro kernel, since the tree kernel .* cannot be used' \
    -- env MMRIG_QEMU="$fake_qemu" "$mmrig" run boot-smoke --accel tcg

# Other users: reasons are the true ones.
if [ ${#nobody[@]} -gt 0 ]; then
    mkdir -m 700 closed
    cp whole closed/bzImage
    cp -r other closed/other
    cp -r linux closed/linux
    chmod 600 'c,d'
    mkdir -m 777 theirs
    as_nobody=("${nobody[@]}" "XDG_CACHE_HOME=$work/theirs")
    expect kernel-in-closed 2 'Permission denied.*may not enter .*/closed\)' -- \
        "${as_nobody[@]}" "$mmrig" kernel path ./closed/bzImage
    expect modules-in-closed 2 'modules folder .*Permission denied' -- \
        "${as_nobody[@]}" "$mmrig" kernel path path:whole,modules=closed/other/lib/modules/6.2.0
    expect tree-in-closed 2 'source tree .*Permission denied' -- \
        "${as_nobody[@]}" "$mmrig" kernel path tree:closed/linux
    expect config-closed 2 'kernel configuration .*Permission denied' -- \
        "${as_nobody[@]}" "$mmrig" kernel path path:whole,config=c,,d
    cp -r linux owned
    git -C owned init -q
    git -C owned -c user.name=n -c user.email=e commit -q --allow-empty -m one
    chown -R 65534:65534 owned
    expect tree-of-another 2 'belongs to another user.*safe\.directory' -- \
        "$mmrig" kernel path "tree:$work/owned"
else
    skip other-users 'only root can become another'
fi
finish
