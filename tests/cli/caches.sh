#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# caches.sh MMRIG
#
# Caches of others, and caches made under a strange mask: what can be read is used, and what cannot
# is told with whose it is and what to do.
set -euo pipefail

mmrig=$(realpath "$1")
here=$(realpath "$(dirname "$0")")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# nobody must come through.
chmod 755 "$work"
cd "$work"
# shellcheck source-path=SCRIPTDIR source=expect.sh
. "$here/expect.sh"

# The mask does not count for the rig's own user. Who is not root shows it best.
mkdir -m 777 masked
masked=("XDG_CACHE_HOME=$work/masked")
# shellcheck disable=SC2016  # expanded by the inner shell
under_mask=(sh -c 'umask 0777; exec "$@"' sh)
as_user=(env)
[ ${#nobody[@]} -eq 0 ] || as_user=("${nobody[@]}")
expect -l 0 -o 'mmrig/images/' mask-first 0 '' -- \
    "${as_user[@]}" "${masked[@]}" "${under_mask[@]}" "$mmrig" image
expect -l 0 -o 'mmrig/images/' mask-again 0 '' -- \
    "${as_user[@]}" "${masked[@]}" "$mmrig" image --test boot-smoke
result mask-modes "$(find masked/mmrig \( -type d ! -perm -700 -o -type f ! -perm -600 \) -print)"

if [ ${#nobody[@]} -eq 0 ]; then
    skip other-users 'only root can become another'
    finish
    exit
fi

# A cache that root made, with a kernel in it.
cache=$work/root/mmrig
mkdir -p root "$cache/kernels/one" "$cache/images" "$cache/templates"
printf 'CONFIG_64BIT=y\n' >"$cache/kernels/one/config"
printf '[kernel]\nsource=distro\norigin=o\nversion=6.1\nrelease=6.1.0-test\nimage=i\nmodules=m\n' \
    >"$cache/kernels/one/kernel.ini"
printf 'config=config\nid=one\nsize=1\n' >>"$cache/kernels/one/kernel.ini"
theirs=("${nobody[@]}" "XDG_CACHE_HOME=$work/root")
owner='belongs to root; set XDG_CACHE_HOME to a folder of your own'

expect image-into-a-cache-of-root 2 "$cache.*Permission denied.*$owner" -- \
    "${theirs[@]}" "$mmrig" image
expect -l 0 -o '6\.1\.0-test' kernels-of-root 0 '' -- "${theirs[@]}" "$mmrig" kernel list
expect -l 0 -o '6\.1\.0-test' cache-of-root 0 '' -- "${theirs[@]}" "$mmrig" cache list
# Nothing has to be made in order to look.
rmdir "$cache/images"
expect -l 0 -o '6\.1\.0-test' cache-of-root-without-images 0 '' -- \
    "${theirs[@]}" "$mmrig" cache list
mkdir "$work/empty"
expect -l 0 -o 'No kernels yet' kernels-of-an-empty-cache 0 '' -- \
    "${nobody[@]}" "XDG_CACHE_HOME=$work/empty" "$mmrig" kernel list
expect image-into-a-folder-of-root 2 "cannot make the cache folder.*$owner" -- \
    "${nobody[@]}" "XDG_CACHE_HOME=$work/empty" "$mmrig" image

# What cannot be read is named, and the rest is shown.
mkdir -m 700 "$cache/images"
expect -o '6\.1\.0-test' cache-of-root-with-closed-images 2 "$cache/images.*$owner" -- \
    "${theirs[@]}" "$mmrig" cache list
expect -o '"release" : "6\.1\.0-test"' cache-as-json-with-closed-images 2 "images.*$owner" -- \
    "${theirs[@]}" "$mmrig" cache list --json
chmod 700 "$cache/kernels"
expect kernels-of-root-closed 2 "$cache/kernels.*Permission denied.*$owner" -- \
    "${theirs[@]}" "$mmrig" kernel list
expect -l 2 cache-of-root-all-closed 2 "$cache/kernels.*$owner" -- \
    "${theirs[@]}" "$mmrig" cache list
expect distro-of-root-closed 2 "$cache/kernels.*$owner" -- \
    "${theirs[@]}" "$mmrig" kernel path distro
chmod 755 "$cache/kernels"
chmod 600 "$cache/kernels/one/kernel.ini"
expect -o 'No kernels yet' kernel-of-root-closed 0 'passed over: .*one/kernel\.ini: Permission denied' \
    -- "${theirs[@]}" "$mmrig" kernel list

# One's own folder, left by a mask.
mkdir -m 777 own
mkdir own/mmrig
mkdir -m 000 own/mmrig/images
chown -R 65534:65534 own
expect own-folder-without-a-mode 2 "'chmod u\+rwx $work/own/mmrig/images' mends it" -- \
    "${nobody[@]}" "XDG_CACHE_HOME=$work/own" "$mmrig" image
finish
