#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# outputs.sh MMRIG FAKE_QEMU
#
# Standard descriptors that are missing, full, or left by their reader; signals; the folder of the
# results; what is left behind; options that are given twice. No guest is booted: a machine is a
# program that answers as QEMU does, and lives until it is killed, or dies at once.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../vm/lib.sh
. "$(dirname "$0")/../vm/lib.sh"

mmrig=$(realpath "$1")
fake_qemu=$(realpath "$2")
source=$(realpath "$(dirname "$0")/../..")

work=$(mktemp -d)
cleanup() {
    kill_jobs
    rm -rf "$work"
}
trap cleanup EXIT
export LC_ALL=C XDG_CACHE_HOME=$work/cache MMRIG_TEMPLATES=$work/templates TMPDIR=$work/tmp
export MMRIG_DATA_DIR=$work/data
# By this mark in their environment, processes that are left over are found.
export MMRIG_OUTPUTS_TEST=$$
mkdir "$work/cache" "$work/templates" "$work/tmp" "$work/data" "$work/data/scenarios"
ln -s "$source/images" "$source/guest-kernel" "$work/data/"
cd "$work"

# put FILE OFFSET TEXT
put() {
    printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# What a boot sector's flag and the "HdrS" mark at 0x202 make of a file of zeroes.
truncate -s 4K bzImage
put bzImage 510 '\x55\xaa'
put bzImage 514 HdrS
# Firmware, as far as it is looked at: two volumes, one of them of variables, that make up 1 MiB.
truncate -s 512K code variables
put code 40 _FVH
put code $((512 * 1024 - 16)) '\x90\xe9'
put variables 40 _FVH
put variables 16 '\x8d\x2b\xf1\xff\x96\x76\x8b\x4c\xa9\x85\x27\x47\x07\x5b\x4f\x50'

# Each machine adds a line to the file "machines"; who only asks what QEMU can do is none.
# The file "die" says which die: all, or the first.
cat >qemu <<END
#!/bin/sh
case " \$* " in
*" -kernel "*)
    echo "\$\$" >>'$work/machines'
    case "\$(cat '$work/die'):\$(wc -l <'$work/machines')" in
    all:*|first:1) exit 1 ;;
    esac ;;
esac
exec '$fake_qemu' "\$@"
END
chmod +x qemu
export MMRIG_QEMU=$work/qemu
: >die

scenario() {
    printf '[scenario]\nsummary = s\narea = %s\n[test]\ntest = boot-smoke\n' "$2" \
        >"data/scenarios/$1.ini"
}
scenario good a
scenario other b
scenario third c
scenario boot-identity d
scenario firmware e
printf '[firmware]\ntype = ovmf\ncode = %s\nvariables = %s\n' "$work/code" "$work/variables" \
    >>data/scenarios/firmware.ini

kernel=(--kernel "path:$work/bzImage" --accel tcg)
run=("$mmrig" run "${kernel[@]}" --cold --jobs 1)

# ended COMMAND...: what it prints, its status, and what it says on standard error.
ended() {
    local got=0
    "$@" 2>"$work/stderr" </dev/null || got=$?
    echo "$got $(cat "$work/stderr")"
}

# await COMMAND...: until it succeeds; it is 60 s later that a test gives up.
await() {
    local i
    for ((i = 0; i < 1200; i++)); do
        ! "$@" || return 0
        sleep 0.05
    done
    return 1
}

# machines_are NUMBER: that many were started since the file was removed.
machines_are() {
    [ -s machines ] && [ "$(wc -l <machines)" -ge "$1" ]
}

# start COMMAND...: in the background, as the process $pid; returns when a machine of it runs.
start() {
    rm -f machines
    "$@" &
    pid=$!
    await machines_are 1 || echo "# no machine: $*"
}

# end SIGNAL: sends it to $pid; its status is $status then.
end() {
    kill -s "$1" "$pid"
    status=0
    wait "$pid" || status=$?
}

# One process looks at all, which is asked often. A process may end meanwhile.
nothing_runs() {
    [ -z "$(env -u MMRIG_OUTPUTS_TEST grep -lzx "MMRIG_OUTPUTS_TEST=$MMRIG_OUTPUTS_TEST" \
        /proc/[0-9]*/environ 2>/dev/null)" ]
}

# ---- Output that is lost -------------------------------------------------------------------

to_full() {
    "$@" >/dev/full
}
to_nothing() {
    "$@" >&-
}
full='99 mmrig: cannot write to standard output: No space left on device'
closed='99 mmrig: standard output is closed; send it to a file or to /dev/null'
# lost NAME COMMAND...: what it prints has no place to go, and that is told.
lost() {
    local name=$1
    shift
    check "full-$name" "$(ended to_full "$@")" "$full"
    check "closed-$name" "$(ended to_nothing "$@")" "$closed"
}
lost version "$mmrig" --version
lost help "$mmrig" --help
lost list "$mmrig" list
lost list-json "$mmrig" list --json
lost doctor "$mmrig" doctor --no-boot
lost doctor-json "$mmrig" doctor --no-boot --json
lost kernel-help "$mmrig" kernel --help
lost kernel-list "$mmrig" kernel list
lost kernel-list-json "$mmrig" kernel list --json
lost kernel-path "$mmrig" kernel path "path:$work/bzImage"
lost kernel-path-json "$mmrig" kernel path --json "path:$work/bzImage"
lost image "$mmrig" image --test boot-smoke
lost image-list "$mmrig" image --test boot-smoke --list
lost cache-help "$mmrig" cache --help
lost cache-list "$mmrig" cache list
lost cache-list-json "$mmrig" cache list --json
lost cache-verify "$mmrig" cache verify
lost cache-prune "$mmrig" cache prune
lost dry-run "${run[@]}" good --dry-run
for command in run list shell inject memmap doctor devices image bench "kernel list" \
    "kernel fetch" "kernel build" "kernel path" "cache list" "cache prune" "cache verify"; do
    read -ra words <<<"$command"
    lost "${command/ /-}-help" "$mmrig" "${words[@]}" --help
done

# A run that cannot print its first line starts nothing, and does not take its folder.
echo all >die
lost run "${run[@]}" good --out lost
check lost-starts-nothing "$([ -e machines ] || echo so)" so
# As JSON all of it comes at the end; the results are written nevertheless.
check full-json "$(ended to_full "${run[@]}" good --out lost --json)" "$full"
check full-json-ran "$(wc -l <machines)" 1
check full-json-results "$(field verdict lost/results.json)" fail
# Who failed for another reason says that reason, and nothing more.
check full-usage "$(ended to_full "$mmrig" run no-such)" "$(ended "$mmrig" run no-such)"

# gone COMMAND...: like start, but nobody reads its standard output any more when it returns.
mkfifo pipe
gone() {
    # A pipe without a reader cannot be opened for writing.
    exec 8<>pipe
    exec 9>pipe
    start "$@" >&9 2>gone.err 8<&- 9>&-
    exec 8<&- 9>&-
    status=0
    wait "$pid" || status=$?
}
# Between two machines, and while one runs on.
gone "${run[@]}" good --repeat 300 --out gone
check gone-status "$status $(cat gone.err)" \
    "99 mmrig: cannot write to standard output: Broken pipe"
check gone-ends "$([ "$(wc -l <machines)" -lt 300 ] && echo so)" so
check gone-results "$([ -s gone/results.json ] && [ -s gone/junit.xml ] && echo so)" so
: >die
gone "${run[@]}" good --out gone-long
check gone-long-status "$status $(cat gone.err)" \
    "99 mmrig: cannot write to standard output: Broken pipe"
check gone-long-results "$([ -s gone-long/results.json ] && echo so)" so
check gone-leaves-no-process "$(await nothing_runs && echo so)" so

# ---- Descriptors that are missing at the start ----------------------------------------------

# without FD COMMAND...
without() {
    case $1 in
    0) shift && exec "$@" 0<&- ;;
    1) shift && exec "$@" 1>&- ;;
    2) shift && exec "$@" 2>&- ;;
    esac
}
# A file of the rig's own would be read as the user's input, or written to.
for fd in 0 1 2; do
    for command in "shell good" "memmap firmware"; do
        read -ra words <<<"$command"
        start without "$fd" "$mmrig" "${words[@]}" "${kernel[@]}" >/dev/null 2>&1 </dev/zero
        check "without-$fd-${words[0]}" "$(readlink "/proc/$pid/fd/$fd")" /dev/null
        end TERM
    done
    start without "$fd" "${run[@]}" good --json --out "without-$fd" >/dev/null 2>&1 </dev/zero
    check "without-$fd-run" "$(readlink "/proc/$pid/fd/$fd")" /dev/null
    end TERM
done
# Without input or standard error there is nothing to complain of.
check without-0 "$("$mmrig" list --area a <&-)" "$("$mmrig" list --area a)"
check without-2 "$("$mmrig" list --area a 2>&-)" "$("$mmrig" list --area a)"
status=0
"$mmrig" run no-such 2>&- || status=$?
check without-2-usage "$status" 2
status=0
"$mmrig" run no-such <&- >&- 2>&- || status=$?
check without-any "$status" 2

# ---- Signals ---------------------------------------------------------------------------------

# What had ended before is shown and written.
for signal in HUP INT TERM; do
    echo first >die
    start "${run[@]}" good other --out "end-$signal" >ktap 2>err
    await machines_are 2 || echo "# no second machine"
    end "$signal"
    check "$signal-status" "$status $(cat err)" "99 mmrig: interrupted; the guests were stopped"
    check "$signal-shows" "$(grep -E '^(not )?ok ' ktap)" "not ok 1 good"
    check "$signal-results" "$(field title "end-$signal/results.json" | head -n 1)" good
    check "$signal-junit" "$(grep -c '<testsuite ' "end-$signal/junit.xml")" 1
    check "$signal-leaves-no-process" "$(await nothing_runs && echo so)" so
done
# From here on machines live until they are killed.
: >die
start "$mmrig" shell good "${kernel[@]}" >/dev/null 2>err </dev/null
end HUP
check HUP-shell "$status $(tail -n 1 err)" "99 mmrig: interrupted; the guest was stopped"

# nohup_start COMMAND...: as nohup(1) starts it.
nohup_start() {
    trap '' HUP
    exec "$@"
}
# The last digit of the mask of ignored signals is odd if SIGHUP is among them.
for command in "run --cold --jobs 1 --out nohup" shell memmap; do
    read -ra words <<<"$command"
    name=good
    [ "${words[0]}" != memmap ] || name=firmware
    start nohup_start "$mmrig" "${words[@]}" "$name" "${kernel[@]}" >/dev/null 2>&1 </dev/null
    check "nohup-${words[0]}" \
        "$(sed -n 's/^SigIgn:.*[13579bdf]$/ignored/p' "/proc/$pid/status")" ignored
    end TERM
done

# ---- What is left behind ---------------------------------------------------------------------

scratch_is_empty() {
    [ -z "$(find "$XDG_CACHE_HOME/mmrig" -path '*/scratch/*' ! -name .lock)" ]
}
for signal in KILL TERM HUP; do
    for command in "memmap firmware" "bench fork-cold --runs 1"; do
        read -ra words <<<"$command"
        start "$mmrig" "${words[@]}" "${kernel[@]}" >/dev/null 2>&1 </dev/null
        end "$signal"
        check "$signal-${words[0]}-status" "$status" "$((128 + $(kill -l "$signal")))"
        check "$signal-${words[0]}-leaves-no-process" "$(await nothing_runs && echo so)" so
        check "$signal-${words[0]}-leaves-no-file" "$(ls -A tmp)" ""
        check "$signal-${words[0]}-leaves-no-scratch" "$(await scratch_is_empty && echo so)" so
    done
done

# Who started the rig may ignore how children end, and that is inherited.
deaf() {
    trap '' CHLD
    exec "$@"
}
echo all >die
status=0
(deaf "${run[@]}" good --out deaf) >/dev/null 2>err || status=$?
check deaf "$status $(field cause deaf/results.json)" "1 qemu-died"
check deaf-status "$(grep -c 'QEMU ended with status 1' deaf/results.json)" 1
: >die

# ---- The folder of the results ---------------------------------------------------------------

# A start that failed has no results, and so does not take the folder.
echo all >die
printf '[image]\nmanifests = no-such\n' | cat data/scenarios/good.ini - >data/scenarios/unmade.ini
status=0
"${run[@]}" unmade --out burnt >/dev/null 2>err || status=$?
check burnt-first "$status $(grep -c no-such err)" "2 1"
scenario unmade a
status=0
"${run[@]}" unmade --out burnt >/dev/null 2>err || status=$?
check burnt-second "$status $(cat err)" "1 "
check burnt-third "$(ended "${run[@]}" unmade --out burnt)" \
    "2 mmrig: burnt holds the results of an earlier run; give a new --out"

# ---- Options that are given twice, or make no sense --------------------------------------------

check two-areas "$("$mmrig" list --area a --area b | cut -d' ' -f1 | tr '\n' ' ')" "good other unmade "
check two-areas-run "$("${run[@]}" --area a --area b --dry-run | sed -n 's/^# \([a-z]*\)$/\1/p' |
    tr '\n' ' ')" "good other unmade "
# refused NAME PATTERN ARGUMENT...: by one line and status 2.
refused() {
    local name=$1 pattern=$2 got=0
    shift 2
    "$mmrig" "$@" >stdout 2>stderr </dev/null || got=$?
    check "refused-$name" \
        "$got $(wc -l <stderr) $(grep -cE "^mmrig: .*$pattern" stderr) $(wc -c <stdout)" "2 1 1 0"
}
refused area-unknown 'area .x' run --area a --area x --dry-run
refused list-area-unknown "area 'x'" list --area a --area x
refused area-empty '--area .*empty' list --area ''
refused kernel-twice '--kernel is given twice' run good --kernel tree --kernel distro
refused short-and-long '--kernel is given twice' run good -k tree --kernel=distro
refused jobs-twice '--jobs is given twice' run good --jobs 1 -j 2
refused out-twice '--out is given twice' run good --out a --out b
refused svg-twice '--svg is given twice' memmap firmware --svg a --svg b
refused gpa-twice '--gpa is given twice' inject x dram --gpa 1 --gpa 2
refused runs-twice '--runs is given twice' bench boot -r 1 -r 2
refused out-empty '--out .*empty' run good --out ''
refused kernel-empty '--kernel .*empty' shell good --kernel ''
refused test-empty '--test .*empty' image --test ''
refused timeout-0 '--timeout 0: .* 1 to 86400' run good --timeout 0
refused timeout-negative '--timeout -1: .* 1 to 86400' run good --timeout -1
refused timeout-huge '--timeout 99999999999: ' run good --timeout 99999999999
refused boot-timeout-0 '--boot-timeout 0: .* 1 to 86400' run good --boot-timeout 0
refused repeat-0 '--repeat 0: .* 1 to 1000000' run good --repeat 0
refused repeat-huge '--repeat 3000000000: ' run good --repeat 3000000000
refused repeat-text '--repeat 5x: ' run good --repeat 5x
refused jobs-0 '--jobs is from 1' kernel build --jobs 0 --tree "$work"
refused runs-0 '--runs takes 1' bench boot --runs 0
refused bench-two 'fork' bench boot fork "${kernel[@]}"
refused shell-nothing 'give one name' shell
refused inject-empty 'into which machine' inject ''
refused version-more 'takes no argument "x"' --version x
refused help-more 'takes no argument "x"' --help x
refused cache-help-more "no action '--help'" cache --help x
refused kernel-help-more "no action '--help'" kernel --help x
names=()
for ((i = 0; i < 2200; i++)); do names+=(good); done
refused runs-too-many 'more than' run "${names[@]}" --repeat 1000000 "${kernel[@]}"

finish
