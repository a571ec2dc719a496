#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# set-up.sh SOURCE
#
# What the set-up scripts of the source tree SOURCE install, from where, and what they ask. apt
# reads sources that the test has written; all else that would reach the network or change the
# system is a stand-in, first in PATH, which writes down what it was told.
set -euo pipefail

source=$(realpath "${1:-$(dirname "$0")/../..}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in apt-get dpkg script; do
    command -v $tool >/dev/null || {
        echo "1..0 # SKIP there is no $tool here"
        exit 77
    }
done
real_apt=$(command -v apt-get)

# A system of its own for apt: without lists, as before the first update.
mkdir -p "$work"/apt/{lists/partial,cache/archives/partial,sources.list.d} "$work"/{fake,etc,logs,home}
cat >"$work/apt/apt.conf" <<END
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "$work/apt/sources.list.d";
Dir::State::Lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
END

# fake NAME: a stand-in with standard input as its text.
fake() {
    { printf '#!/bin/bash\nwork=%q real_apt=%q\n' "$work" "$real_apt" && cat; } >"$work/fake/$1"
    chmod +x "$work/fake/$1"
}

fake apt-get <<'END'
case "$*" in
indextargets* | *--print-uris*) APT_CONFIG=$work/apt/apt.conf exec "$real_apt" "$@" ;;
*" update --error-on=any"*)
    echo "update-one" >>"$work/did"
    ! grep -q '^URIs: .*without-backports' "$work"/etc/*
    ;;
*" update") echo update >>"$work/did" ;;
-s*)
    [[ ! -e $work/installed-qemu ]] ||
        echo 'Inst qemu-system-x86 [1:7.2+dfsg-7] (1:10.0.2-1~bpo12+1 Debian Backports:stable-backports [amd64])'
    [[ ! -e $work/removes ]] || echo 'Remv frobnicator [1.2]'
    ;;
*" install "*)
    what=$*
    echo "install ${what##*recommends }" >>"$work/did"
    cp "$work/new-qemu" "$work/fake/qemu-system-x86_64"
    ;;
*) echo "apt-get $*" >>"$work/did" ;;
esac
END
fake apt-cache <<'END'
case $1 in
policy) [[ $2 == linux-source* && -e $work/no-source ]] || echo "  Candidate: 1:7.2+dfsg-7" ;;
esac
END
fake dpkg-query <<'END'
case $1 in
-S) [[ -e $work/installed-qemu ]] && echo "qemu-system-x86: $2" ;;
*) [[ ${!#} != missing-* && ${!#} != linux-source* ]] && printf installed ;;
esac
END
# Nothing is written outside of the test's folder, whoever runs it.
fake tee <<'END'
cat >"$work/etc/${1##*/}"
END
fake rm <<'END'
for file; do
    [[ $file == -* ]] || /bin/rm -f "$work/etc/${file##*/}"
done
END
fake sudo <<'END'
exec "$@"
END
printf '#!/bin/sh\necho "QEMU emulator version 10.0.2 (a stand-in)"\n' >"$work/new-qemu"
chmod +x "$work/new-qemu"

# fresh: as it is before each case. Where no QEMU is wanted, a stand-in that cannot be run hides
# that of the host.
fresh() {
    rm -f "$work"/etc/* "$work"/apt/sources.list.d/* "$work"/{installed-qemu,removes,no-source}
    : >"$work/did"
    : >"$work/apt/sources.list"
    rm -f "$work/fake/qemu-system-x86_64"
}

# old_qemu [installed]: version 7.2, which is a package's or not.
old_qemu() {
    fake qemu-system-x86_64 <<'END'
echo "QEMU emulator version 7.2.0 (a stand-in)"
END
    [[ -z ${1-} ]] || : >"$work/installed-qemu"
}

# The commands that the scripts take from the host, without its QEMU.
mkdir "$work/host"
for tool in awk basename bash cat chmod cp cut date dirname dpkg env grep head id ln mkdir printf \
    realpath sed sort tail tr type uname; do
    path=$(type -P $tool) || continue
    ln -s "$path" "$work/host/$tool"
done

# install_packages [yes]: what quickstart does for its packages, on a system that is Debian 12.
cat >"$work/install" <<END
set -euo pipefail
. "$source/scripts/lib.sh"
program=quickstart
logs=$work/logs
find_distribution() {
    system_name=Debian debian_release=12 debian_codename=bookworm
}
packages_listed() {
    case \$1 in
    qemu) printf '%s\n' qemu-system-x86 qemu-system-data ;;
    source) echo linux-source-6.12 ;;
    *) echo always-there ;;
    esac
}
yes=\${YES-}
packages_install \${LISTS-build}
END
on_this_host=(env -i "HOME=$work/home" "PATH=$work/fake:$work/host" "LC_ALL=C")

number=0
failed=0
# result NAME PROBLEM
result() {
    number=$((number + 1))
    if [[ -z $2 ]]; then
        echo "ok $number $1"
    else
        failed=$((failed + 1))
        echo "not ok $number $1: $2"
        sed 's/^/# /' "$work/said" "$work/did"
    fi
}

# expect NAME STATUS SAID DID -- COMMAND...: SAID is a pattern in what the command says, DID one in
# what was done to the system; '-' stands for nothing at all.
expect() {
    local name=$1 status=$2 said=$3 did=$4 got=0 problem=
    shift 5
    "$@" >"$work/said" 2>&1 </dev/null || got=$?
    cat "$work"/etc/* >>"$work/did" 2>/dev/null || : # there may be none
    ((got == status)) || problem="status $got instead of $status"
    grep -qE -- "$said" "$work/said" || problem="$problem; says no /$said/"
    if [[ $did == - ]]; then
        [[ ! -s $work/did ]] || problem="$problem; something was done"
    else
        grep -qE -- "$did" "$work/did" || problem="$problem; did no /$did/"
    fi
    result "$name" "${problem#; }"
}

# at_terminal ANSWER VARIABLE...: the installation at a terminal at which somebody types ANSWER.
at_terminal() {
    local answer=$1
    shift
    printf '%s\n' "$answer" >"$work/answer"
    script -qec "${on_this_host[*]} $* bash $work/install" /dev/null <"$work/answer"
}

install() {
    "${on_this_host[@]}" "$@" bash "$work/install"
}

# Mirrors: the host's own, in both forms of apt's sources, and none that anybody made up.
fresh
echo 'deb [arch=amd64] http://one.example/debian bookworm main' >"$work/apt/sources.list"
expect mirror-one-line 0 'from http://one\.example/debian ' '^URIs: http://one\.example/debian$' -- install

fresh
printf 'Types: deb deb-src\nURIs: https://two.example/linux/debian/\nSuites: bookworm bookworm-updates\nComponents: main\n' \
    >"$work/apt/sources.list.d/debian.sources"
expect mirror-deb822 0 'from https://two\.example/linux/debian ' '^URIs: https://two\.example/linux/debian$' -- install

fresh
printf 'deb http://%s.example/debian bookworm main\n' without-backports second >"$work/apt/sources.list"
expect mirror-second 0 'from http://second\.example/debian ' '^URIs: http://second\.example/debian$' -- install

fresh
echo 'deb http://other.example/debian trixie main' >"$work/apt/sources.list"
expect mirror-none 1 '^quickstart: .*no mirror that has Debian bookworm; name one in MMRIG_MIRROR.*--mirror URL' \
    '^update$' -- install
result mirror-none-nothing-installed "$(grep -E 'install|URIs' "$work/did" || :)"

fresh
echo 'deb http://without-backports.example/debian bookworm main' >"$work/apt/sources.list"
expect mirror-without-suite 1 '^quickstart: no package source has the suite bookworm-backports; tried: http://without-backports\.example/debian; name a mirror' \
    'update-one' -- install
result mirror-without-suite-takes-its-source-back "$(grep -E 'install|URIs' "$work/did" || :)"

fresh
echo 'deb http://one.example/debian bookworm main' >"$work/apt/sources.list"
expect mirror-named 0 'from http://mine\.example/debian ' '^URIs: http://mine\.example/debian$' -- \
    install MMRIG_MIRROR=http://mine.example/debian/
fresh
expect mirror-bad 1 "^quickstart: the mirror .* is no address: 'no address'" '^update$' -- \
    install "MMRIG_MIRROR=no address"

fresh
cp "$work/new-qemu" "$work/fake/qemu-system-x86_64"
: >"$work/no-source"
echo 'deb http://one.example/debian bookworm main' >"$work/apt/sources.list"
expect mirror-security 0 'bookworm-security from http://one\.example/debian-security ' \
    '^URIs: http://one\.example/debian-security$' -- install LISTS=source

# QEMU. Where there is none, nothing is asked.
sources='deb http://one.example/debian bookworm main'
fresh
echo "$sources" >"$work/apt/sources.list"
expect qemu-none 0 'installing 2 packages' \
    '^install qemu-system-x86/bookworm-backports qemu-system-data/bookworm-backports$' -- install
fresh
cp "$work/new-qemu" "$work/fake/qemu-system-x86_64"
expect qemu-new 0 'everything needed is installed' - -- install

fresh
old_qemu installed
expect qemu-old-no-terminal 1 '^quickstart: .*qemu-system-x86_64 is QEMU 7\.2\.0; .*there is no terminal to ask at: say --yes' \
    - -- install

old_to_new='qemu-system-x86 1:7\.2\+dfsg-7 is replaced by 1:10\.0\.2-1~bpo12\+1'
fresh
old_qemu installed
echo "$sources" >"$work/apt/sources.list"
expect qemu-old-yes 0 "$old_to_new" '^install qemu-system-x86/bookworm-backports' -- install YES=yes

fresh
old_qemu installed
echo "$sources" >"$work/apt/sources.list"
expect qemu-old-answer-no 1 "$old_to_new" 'update-one' -- at_terminal n
result qemu-old-answer-no-leaves-all "$(grep -E 'install|URIs' "$work/did" || :)"
fresh
old_qemu installed
echo "$sources" >"$work/apt/sources.list"
expect qemu-old-answer-yes 0 'go on\? \[y/N\]' '^install qemu-system-x86/bookworm-backports' -- at_terminal y

fresh
old_qemu
expect qemu-of-nobody 1 '^quickstart: .*qemu-system-x86_64 is QEMU 7\.2\.0 and no package.s; .*MMRIG_QEMU=FILE' \
    - -- install YES=yes
fresh
old_qemu
cp "$work/fake/qemu-system-x86_64" "$work/home/my-qemu"
expect qemu-named 1 '^quickstart: MMRIG_QEMU is .*/my-qemu, which is QEMU 7\.2\.0; ' \
    - -- install YES=yes MMRIG_QEMU="$work/home/my-qemu"

fresh
: >"$work/removes"
echo "$sources" >"$work/apt/sources.list"
expect removal-no-terminal 1 'frobnicator 1\.2 is removed' 'update-one' -- install
result removal-no-terminal-leaves-all "$(grep -E 'install|URIs' "$work/did" || :)"

# CI has no terminal, so it has to say so.
mkdir -p "$work/ci/.ci" "$work/ci/scripts"
cp "$source/.ci/run" "$work/ci/.ci/run"
printf '#!/bin/sh\necho "test was told: $*"\n' >"$work/ci/scripts/test"
chmod +x "$work/ci/scripts/test"
fresh
expect ci-says-yes 0 '^test was told: .*--yes .*--fast' - -- "$work/ci/.ci/run" --fast
for script in quickstart test; do
    expect "$script-options" 0 '--yes' - -- "$source/scripts/$script" --help
done

# `mmrig` as a command.
cat >"$work/link" <<END
set -euo pipefail
. "$source/scripts/lib.sh"
command_link "$work/built/mmrig"
END
mkdir -p "$work/built"
cp "$work/new-qemu" "$work/built/mmrig"
link() {
    env -i HOME="$work/home" PATH="$1:$work/host" bash "$work/link"
}
# said_nothing COMMAND...: a line that is empty if COMMAND says nothing.
said_nothing() {
    printf '%s\n' "$("$@" 2>&1)"
}
fresh
expect command-export 0 "^ +export PATH=$work/built:\\\$PATH\$" - -- link "$work/fake"
result command-export-can-be-typed "$(eval "$(sed -n 's/^ *export/export/p' "$work/said")" &&
    [[ $(type -P mmrig) == "$work/built/mmrig" ]] || echo "mmrig is not found")"
expect command-link 0 'mmrig is a link to it now' - -- link "$work/home/.local/bin"
result command-link-leads-there "$([[ $work/home/.local/bin/mmrig -ef $work/built/mmrig ]] || echo "no")"
expect command-twice 0 '^$' - -- said_nothing link "$work/home/.local/bin"
mkdir -p "$work/home/bin"
cp "$work/new-qemu" "$work/home/bin/mmrig"
expect command-another 0 "another mmrig is in PATH: $work/home/bin/mmrig" - -- link "$work/home/bin"
result command-another-stays "$([[ ! -L $work/home/bin/mmrig ]] || echo "it was replaced")"

# No package host is named anywhere in the tree.
cd "$source"
hosts=$(grep -rnIE '[a-z]+://[^/ ]*(debian|ubuntu|kernel|qemu|gnu)\.(org|com|net)' scripts .ci rig docs \
    cmake tests images guest-kernel qemu-devices firmware README.md CMakeLists.txt || :)
result no-package-host "$hosts"

echo "1..$number"
echo "# $failed failed"
[[ $failed -eq 0 ]]
