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

# logged NAME COMMAND...: runs it with its output in $logs/NAME.log; the status is COMMAND's. The
# end of the log is shown if it fails.
logged()
{
    local name=$1 status=0
    shift
    mkdir -p "$logs"
    "$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
    if ((status != 0)); then
        tail -n 25 "$logs/$name.log" | sed 's/^/         | /' >&2
        note "whole output: $logs/$name.log" >&2
    fi
    return $status
}

# ---- Debian ----------------------------------------------------------------------------------

fallback_mirror=http://deb.debian.org/debian
qemu_oldest=10.0

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

# The address that the system itself has its release from.
main_mirror()
{
    local mirror
    # shellcheck disable=SC2016 # the $(...) are apt's
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
        awk -v release="$debian_codename" '$2 == release { print $1; exit }')
    mirror=${mirror:-$fallback_mirror}
    echo "${mirror%/}"
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
            return
        fi
    done
    as_root rm -f "$file"
    die "no package source has the suite $suite; tried: $*"
}

# Whether the QEMU that mmrig would use is new enough.
qemu_is_new()
{
    local qemu=${MMRIG_QEMU:-qemu-system-x86_64} version
    version=$("$qemu" --version 2>/dev/null |
        sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p') || return 1
    [[ -n $version ]] && dpkg --compare-versions "$version" ge "$qemu_oldest"
}

# packages_install LIST...: sees to it that the lists' packages and a QEMU that is new enough are
# installed. Asks neither apt nor the network if they are.
packages_install()
{
    local -a wanted missing=() qemu=()
    local candidate package mirror
    find_distribution
    if [[ -z $debian_codename ]] || { [[ -n $debian_release ]] && ((debian_release < 12)); }; then
        die "packages can be installed on Debian 12 or newer only, and this is $system_name;" \
            "install by hand what scripts/packages/*.txt lists, then use --no-install"
    fi
    mapfile -t wanted < <(packages_listed "$@")
    mapfile -t missing < <(packages_missing "${wanted[@]}")
    if ! qemu_is_new; then
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
        candidate=$(package_candidate qemu-system-x86)
        if [[ -z $candidate ]] || dpkg --compare-versions "${candidate#*:}" lt "$qemu_oldest"; then
            if [[ $debian_release != 12 ]]; then
                die "QEMU $qemu_oldest or newer is needed and apt offers ${candidate:-none};" \
                    "set MMRIG_QEMU to one of your own"
            fi
            mirror=$(main_mirror)
            note "Debian 12 has QEMU ${candidate:-not at all}; mmrig needs $qemu_oldest or" \
                "newer, which comes from bookworm-backports"
            if ! apt-cache madison qemu-system-x86 | grep -qw bookworm-backports; then
                source_add backports bookworm-backports "$mirror" "$fallback_mirror"
            fi
            qemu=("${qemu[@]/%//bookworm-backports}")
        fi
    fi

    # The kernel source reaches Debian 12 by its security suite, which a bare system may lack.
    for package in "${missing[@]}"; do
        if [[ $package == linux-source-* && -z $(package_candidate "$package") ]]; then
            mirror=$(main_mirror)
            note "apt offers no $package; Debian has it in $debian_codename-security"
            source_add security "$debian_codename-security" "$mirror-security" \
                "$fallback_mirror-security"
        fi
    done

    note "installing $((${#missing[@]} + ${#qemu[@]})) packages and what they need"
    apt_get apt-install install --no-install-recommends "${missing[@]}" "${qemu[@]}" ||
        die "the packages could not be installed; see above"
    qemu_is_new || die "QEMU is still older than $qemu_oldest; is another one first in PATH," \
        "or named by MMRIG_QEMU?"
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
