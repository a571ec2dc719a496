#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# inject-user.sh MMRIG FAKE_QEMU
#
# `mmrig inject --user`: root reaches the machine that another user keeps, and takes no other
# user's socket for it; nobody else reaches it. The machine is a QEMU that only says it is ready.
set -euo pipefail

mmrig=$(realpath "$1")
fake_qemu=$(realpath "$2")
here=$(realpath "$(dirname "$0")")

work=$(mktemp -d)
pids=()
cleanup() {
    local pid
    for pid in "${pids[@]}"; do
        if kill -0 "$pid" 2>/dev/null; then kill "$pid"; fi
    done
    wait
    rm -rf "$work"
}
trap cleanup EXIT
# nobody must come through.
chmod 755 "$work"
cd "$work"
# shellcheck source-path=SCRIPTDIR source=expect.sh
. "$here/expect.sh"

expect no-such-user 2 '--user no-such-user: there is no such user' -- \
    "$mmrig" inject --user no-such-user x list
if [ ${#nobody[@]} -eq 0 ]; then
    expect other-user 2 'to root' -- "$mmrig" inject --user root x list
    skip as-root 'only root can become another'
    finish
    exit
fi
expect other-user 2 '--user root: a machine answers only to the user who keeps it, and to root' -- \
    "${nobody[@]}" "$mmrig" inject --user root x list
expect none-kept 2 'no machine is kept as "no-such-run"' -- \
    "$mmrig" inject --user 65534 no-such-run list

# listens NAME: waits until a socket of that name is there, or who makes it is gone.
listens() {
    until grep -q "@mmrig/65534/$1\$" /proc/net/unix; do
        kill -0 "${pids[-1]}" || return 1
        sleep 0.1
    done
}

run=unit-cli-$$
mkdir -m 777 cache
make_bzimage whole 6.1.0-test
mkfifo keys
# The shell's input never ends, so that the machine is kept.
exec 9<>keys
"${nobody[@]}" "XDG_CACHE_HOME=$work/cache" MMRIG_QEMU="$fake_qemu" FAKE_QEMU_DOES=ready \
    "$mmrig" shell boot-smoke --name "$run" --kernel "$work/whole" --accel tcg \
    <&9 >shell.log 2>&1 &
pids+=($!)
if listens "$run"; then
    # That the machine has nothing to list is the machine's own answer.
    expect answered 2 'list: the machine has no mmrig-ras' -- "$mmrig" inject --user nobody "$run" list
    expect named 2 "These are kept: .*$run" -- "$mmrig" inject --user nobody
    expect not-roots 2 "no machine is kept as \"$run\"" -- "$mmrig" inject "$run" list
else
    cp shell.log stderr
    result kept 'the machine is not kept'
fi

# A name of nobody's, which another user has taken.
# shellcheck disable=SC2016  # expanded by perl
setpriv --reuid 65533 --regid 65533 --clear-groups perl -MSocket -e '
    socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un("\0mmrig/65534/$ARGV[0]")) &&
        listen(S, 5) or die $!;
    accept(C, S) while 1;' "$run-false" &
pids+=($!)
if listens "$run-false"; then
    expect impostor 2 'kept by another user' -- "$mmrig" inject --user nobody "$run-false" list
else
    : >stderr
    result impostor 'there is no socket to be refused'
fi
finish
