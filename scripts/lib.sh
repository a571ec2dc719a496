# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What quickstart, test and test-fresh share: telling the user what happens and how long it
# takes, and installing packages on Debian. Sourced, after `set -euo pipefail`.

source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
logs=${logs:-$source_root/build/logs}

# ---- Telling ---------------------------------------------------------------------------------

program=$(basename "$0")

# A line with the seconds since the script began.
say()
{
    printf '[%4d s] %s\n' "$SECONDS" "$*"
}

# A line that belongs to the one before.
note()
{
    printf '         %s\n' "$*"
}

die()
{
    printf '%s: %s\n' "$program" "$*" >&2
    exit 1
}

# ---- Running ---------------------------------------------------------------------------------

group= # the process group that in_group waits for

# in_group COMMAND...: runs it in a process group of its own, so that this script can be ended at any
# moment (the shell obeys no signal while a command in the foreground runs) and end_group ends
# everything that the command has started. What may have to ask for a password stays in the
# foreground, as only that can read from the terminal.
in_group()
{
    local status=0
    if [[ $1 == as_root ]]; then
        "$@"
        return
    fi
    set -m
    "$@" &
    group=$!
    set +m
    wait "$group" || status=$?
    group=
    return $status
}

# Ends the group, by force if it has not ended after ten seconds. For a trap on EXIT.
end_group()
{
    local waited
    if [[ -z $group ]]; then
        return
    fi
    for ((waited = 0; waited < 100; waited++)); do
        kill -TERM -- "-$group" 2>/dev/null || return 0 # none of it is left
        sleep 0.1
    done
    kill -KILL -- "-$group" 2>/dev/null || return 0
}

# on_exit FUNCTION: has the function called at the end of the script, signals included.
on_exit()
{
    # shellcheck disable=SC2064 # the name is known now
    trap "$1" EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# logged NAME COMMAND...: runs it with its output in $logs/NAME.log; the status is COMMAND's. The
# end of the log is shown if it fails.
logged()
{
    local name=$1 status=0
    shift
    mkdir -p "$logs"
    in_group "$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
    if ((status != 0)); then
        tail -n 25 "$logs/$name.log" | sed 's/^/         | /' >&2
        note "whole output: $logs/$name.log" >&2
    fi
    return $status
}

# ---- QEMU's source ---------------------------------------------------------------------------

# What --qemu-source gives to cmake, for the scripts that take it.
# shellcheck disable=SC2034 # theirs
source_options=()

# use_qemu_source DIR: the headers of the device pack are those of this folder.
use_qemu_source()
{
    [[ -e $1/VERSION && -e $1/include/qemu/osdep.h ]] ||
        die "--qemu-source $1: no QEMU source; it needs the folder that has QEMU's VERSION file"
    # shellcheck disable=SC2034 # theirs
    source_options=(-D "MMRIG_QEMU_SOURCE=$(realpath "$1")")
}

# pack_missing BUILD: why that build has no device pack, in one line; fails if it has one.
pack_missing()
{
    [[ -e $1/no-device-pack ]] && cat "$1/no-device-pack"
}

# ---- Debian ----------------------------------------------------------------------------------

qemu_oldest=10.0
# The package of the QEMU that is wanted, which has the program of the same name.
qemu_package='qemu-system-x86'
qemu_program='qemu-system-x86_64'
# What the option --yes sets; --mirror sets MMRIG_MIRROR.
yes=
# The files that this run has put into apt's sources.
sources_added=()

# Sets system_name, and on Debian debian_release (12, 13, empty for testing and unstable) and
# debian_codename (empty elsewhere).
find_distribution()
{
    local ID=unknown VERSION_ID='' VERSION_CODENAME='' PRETTY_NAME='an unknown system'
    if [[ -r /etc/os-release ]]; then
        # shellcheck source=/dev/null
        . /etc/os-release
    fi
    system_name=$PRETTY_NAME
    debian_release=
    debian_codename=
    if [[ $ID == debian ]]; then
        debian_release=$VERSION_ID
        debian_codename=${VERSION_CODENAME:-sid}
    fi
}

as_root()
{
    if ((EUID == 0)); then
        "$@"
    else
        sudo "$@"
    fi
}

# apt_get NAME ARGUMENTS...: apt-get, as root, without questions, logged.
apt_get()
{
    local name=$1
    shift
    logged "$name" as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@"
}

apt_updated=

apt_update()
{
    if [[ -z $apt_updated ]]; then
        apt_get apt-update update || die "apt-get update failed; see above"
        apt_updated=yes
    fi
}

# packages_listed LIST...: the packages of scripts/packages/LIST.txt for this release.
packages_listed()
{
    local list
    for list in "$@"; do
        awk -v release="[$debian_release]" '
            { sub(/#.*/, "") }
            NF == 1 || (NF == 2 && $2 == release) { print $1 }
        ' "$source_root/scripts/packages/$list.txt"
    done
}

# packages_missing PACKAGE...: those that are not installed.
packages_missing()
{
    local package
    for package in "$@"; do
        if [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
            echo "$package"
        fi
    done
}

# The version that apt would install, empty if none.
package_candidate()
{
    LC_ALL=C apt-cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# release_mirrors: the addresses that have this Debian release, a line each: the one that the user
# named, or else those that apt has lists of, and then those that its sources name.
release_mirrors()
{
    if [[ -n ${MMRIG_MIRROR-} ]]; then
        echo "${MMRIG_MIRROR%/}"
        return
    fi
    # apt reads its sources itself, in both of their forms. A suite such as "stable" has its code
    # name in the lists only; before the first update there are none.
    {
        # shellcheck disable=SC2016 # the $(...) are apt's
        apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages'
        apt-get update --print-uris |
            sed -n "s,^'\(.*\)/dists/\([^/]*\)/InRelease'.*,\2 \1,p"
    } | awk -v release="$debian_codename" '
        $1 == release && $2 !~ /^cdrom:/ { sub("/$", "", $2); if (!seen[$2]++) print $2 }
    '
}

# find_mirrors WHY: sets mirrors to those of the release, or asks for one.
find_mirrors()
{
    [[ -z ${MMRIG_MIRROR-} || $MMRIG_MIRROR =~ ^[a-z][a-z0-9+]*:[^[:space:]]+$ ]] ||
        die "the mirror named in MMRIG_MIRROR (or with --mirror) is no address: ${MMRIG_MIRROR@Q}"
    mapfile -t mirrors < <(release_mirrors)
    ((${#mirrors[@]} > 0)) ||
        die "$1, and apt's sources name no mirror that has Debian $debian_codename;" \
            "name one in MMRIG_MIRROR (or with --mirror URL)"
}

# source_add NAME SUITE ADDRESS...: adds the suite from the first address that has it.
source_add()
{
    local name=$1 suite=$2 file=/etc/apt/sources.list.d/mmrig-$1.sources address
    shift 2
    for address in "$@"; do
        as_root tee "$file" >/dev/null <<EOF
# Added by mmrig's set-up.
Types: deb
URIs: $address
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
EOF
        if apt_get "apt-update-$name" update --error-on=any -o APT::Get::List-Cleanup=0 \
            -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::SourceList="$file" 2>/dev/null; then
            note "added package source $suite from $address ($file)"
            sources_added+=("$file")
            return
        fi
    done
    as_root rm -f "$file"
    die "no package source has the suite $suite; tried: $*; name a mirror that has it in" \
        "MMRIG_MIRROR (or with --mirror URL)"
}

# Takes back what source_add has done, then ends.
die_without_sources()
{
    if ((${#sources_added[@]} > 0)); then
        as_root rm -f "${sources_added[@]}"
    fi
    die "$@"
}

# Sets qemu_found to the QEMU that mmrig would use and qemu_version to its version, both empty if
# there is none; a QEMU that cannot be run has the version "unknown".
find_qemu()
{
    qemu_version=
    qemu_found=$(type -P "${MMRIG_QEMU:-$qemu_program}") || return 0
    qemu_version=$("$qemu_found" --version 2>/dev/null |
        sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p') || qemu_version=
    qemu_version=${qemu_version:-unknown}
}

# Whether that QEMU is new enough.
qemu_is_new()
{
    find_qemu
    [[ $qemu_version == [0-9]* ]] && dpkg --compare-versions "$qemu_version" ge "$qemu_oldest"
}

# qemu_replaceable: a QEMU that is too old can be replaced if it is the package's. One of the user's
# own stays, and would be used still.
qemu_replaceable()
{
    if [[ -n ${MMRIG_QEMU-} && $MMRIG_QEMU != "$qemu_program" && ! $MMRIG_QEMU -ef /usr/bin/$qemu_program ]]; then
        die "MMRIG_QEMU is $MMRIG_QEMU, which is ${qemu_version:+QEMU }${qemu_version:-no program};" \
            "mmrig needs QEMU $qemu_oldest or newer: name another, or unset MMRIG_QEMU"
    fi
    if [[ -z $qemu_found ]]; then
        return
    fi
    dpkg-query -S "$(realpath "$qemu_found")" >/dev/null 2>&1 ||
        die "$qemu_found is QEMU $qemu_version and no package's; mmrig needs $qemu_oldest or" \
            "newer: put a newer one first in PATH, or name it with MMRIG_QEMU=FILE"
    if [[ -z $yes && ! -t 0 ]]; then
        die "$qemu_found is QEMU $qemu_version; mmrig needs $qemu_oldest or newer, by which it" \
            "would be replaced, and there is no terminal to ask at: say --yes, name another" \
            "QEMU with MMRIG_QEMU=FILE, or leave packages alone with --no-install"
    fi
}

# packages_changed PACKAGE...: asks before the installation of the packages replaces a QEMU or
# removes anything. What is only added is not asked about.
packages_changed()
{
    local changes answer
    logged apt-simulate env LC_ALL=C apt-get -s --no-install-recommends install "$@" ||
        die_without_sources "apt-get cannot install the packages; see above"
    changes=$(awk '
        $1 == "Inst" && $2 ~ /^qemu/ && $3 ~ /^\[/ {
            print $2 " " substr($3, 2, length($3) - 2) " is replaced by " substr($4, 2)
        }
        $1 == "Remv" { print $2 " " substr($3, 2, length($3) - 2) " is removed" }
    ' "$logs/apt-simulate.log")
    if [[ -z $changes ]]; then
        return
    fi
    note "this changes what is installed${qemu_found:+ ($qemu_found is QEMU $qemu_version)}:"
    while read -r answer; do
        note "  $answer"
    done <<<"$changes"
    if [[ -n $yes ]]; then
        note "which --yes agrees to"
        return
    fi
    answer=
    if [[ -t 0 ]]; then
        read -r -p '         go on? [y/N] ' answer || answer=
    fi
    [[ $answer == [yY]* ]] ||
        die_without_sources "nothing was installed; agree at a terminal or with --yes, name another" \
            "QEMU with MMRIG_QEMU=FILE, or leave packages alone with --no-install"
}

# qemu_from_backports: adds the suite to apt's sources if they do not have it.
qemu_from_backports()
{
    if ! apt-cache madison "$qemu_package" | grep -qw bookworm-backports; then
        find_mirrors "bookworm-backports has the QEMU that mmrig needs"
        source_add backports bookworm-backports "${mirrors[@]}"
    fi
}

# packages_install LIST...: sees to it that the lists' packages and a QEMU that is new enough are
# installed. Asks neither apt nor the network if they are.
packages_install()
{
    local -a wanted missing=() qemu=()
    local candidate package
    find_distribution
    if [[ -z $debian_codename ]] || { [[ -n $debian_release ]] && ((debian_release < 12)); }; then
        die "packages can be installed on Debian 12 or newer only, and this is $system_name;" \
            "install by hand what scripts/packages/*.txt lists, then use --no-install"
    fi
    mapfile -t wanted < <(packages_listed "$@")
    mapfile -t missing < <(packages_missing "${wanted[@]}")
    if ! qemu_is_new; then
        qemu_replaceable
        mapfile -t qemu < <(packages_listed qemu)
    fi
    if ((${#missing[@]} + ${#qemu[@]} == 0)); then
        note "everything needed is installed"
        return
    fi
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        die "packages have to be installed (${missing[*]} ${qemu[*]}): run this as root," \
            "install sudo, or install them yourself and use --no-install"
    fi
    apt_update

    if ((${#qemu[@]} > 0)); then
        candidate=$(package_candidate "$qemu_package")
        if [[ -z $candidate ]] || dpkg --compare-versions "${candidate#*:}" lt "$qemu_oldest"; then
            if [[ $debian_release != 12 ]]; then
                die "QEMU $qemu_oldest or newer is needed and apt offers ${candidate:-none};" \
                    "set MMRIG_QEMU to one of your own"
            fi
            note "Debian 12 has QEMU ${candidate:-not at all}; mmrig needs $qemu_oldest or" \
                "newer, which comes from bookworm-backports"
            qemu_from_backports
            qemu=("${qemu[@]/%//bookworm-backports}")
        fi
    fi

    # The kernel source reaches Debian 12 by its security suite, which a bare system may lack.
    for package in "${missing[@]}"; do
        if [[ $package == linux-source-* && -z $(package_candidate "$package") ]]; then
            note "apt offers no $package; Debian has it in $debian_codename-security"
            find_mirrors "$debian_codename-security has $package"
            source_add security "$debian_codename-security" "${mirrors[@]/%/-security}"
        fi
    done

    packages_changed "${missing[@]}" "${qemu[@]}"
    note "installing $((${#missing[@]} + ${#qemu[@]})) packages and what they need"
    apt_get apt-install install --no-install-recommends "${missing[@]}" "${qemu[@]}" ||
        die "the packages could not be installed; see above"
    qemu_is_new || die "QEMU is still older than $qemu_oldest; is another one first in PATH," \
        "or named by MMRIG_QEMU?"
}

# ---- mmrig itself ----------------------------------------------------------------------------

# command_link MMRIG: makes `mmrig` a command by a link in a folder of the user's that PATH has, or
# says what to type. Another mmrig in PATH is left as it is, and named.
command_link()
{
    local built folder there
    built=$(realpath "$1")
    there=$(type -P mmrig) || there=
    if [[ -z $there ]]; then
        for folder in "$HOME/.local/bin" "$HOME/bin"; do
            if [[ :$PATH: == *":$folder:"* && ! -e $folder/mmrig ]] &&
                mkdir -p "$folder" && ln -sfn "$built" "$folder/mmrig"; then
                note "$folder/mmrig is a link to it now"
                return
            fi
        done
    elif [[ $there -ef $built ]]; then
        return
    else
        note "another mmrig is in PATH: $there"
    fi
    note "to have it as a command in this shell, type:"
    note "  export PATH=$(printf %q "${built%/*}"):\$PATH"
}

# kernel_fetch MMRIG INSTALL: sees to it that the distribution's kernel is in mmrig's cache.
# Where packages may be installed (INSTALL is not empty), apt's lists are brought up to date
# first, since a download by old ones fails.
kernel_fetch()
{
    local mmrig=$1 install=$2
    if "$mmrig" kernel path distro >/dev/null 2>&1; then
        return
    fi
    if [[ -n $install ]] && { ((EUID == 0)) || command -v sudo >/dev/null; }; then
        apt_update
    fi
    logged kernel-fetch "$mmrig" kernel fetch
}
