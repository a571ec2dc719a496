#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# camera-migration.sh MMRIG KERNEL SCENARIOS
#
# A machine goes from one QEMU to another while its camera streams, by pre-copy and by post-copy.
# The guest counts frames and checks their sums all the while, and its verdict is the test's: no
# frame may be lost without the camera saying so. In the last round the guest loses one itself,
# which it must notice.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mmrig=$1
kernel=$2
scenarios=$3

work=$(mktemp -d)
trap 'kill_jobs; rm -rf "$work"' EXIT

# The machine of the scenario; what the rig would inherit to it is made up in start().
machine=$("$mmrig" run camera-forked --scenarios "$scenarios" --kernel "$kernel" --accel tcg \
    --dry-run | grep -v '^#')

give_up() {
    echo "Bail out! $*"
    tail -n 5 "$work"/*.{log,console,ktap} | sed 's/^/# /'
    exit 1
}

declare -A qmp control wire pids

# start SIDE ARGUMENT...: a QEMU, with pipes to its monitor and to the guest's agent.
start() {
    local side=$1 port argv word in out
    local -a changed=()
    shift
    for port in qmp control; do
        rm -f "$work/$side.$port".{in,out}
        mkfifo "$work/$side.$port".{in,out}
        # Both ways, so that no end waits for the other to open.
        exec {in}<>"$work/$side.$port.in" {out}<>"$work/$side.$port.out"
        wire[$side.$port.in]=$in
        wire[$side.$port.out]=$out
    done
    eval "argv=($machine)"
    for word in "${argv[@]}"; do
        case $word in
        socket,id=rig.qmp,* | socket,id=rig.control,*)
            port=${word#socket,id=rig.}
            port=${port%%,*}
            word=pipe,id=rig.$port,path=$work/$side.$port
            ;;
        socket,id=rig.*)
            port=${word#socket,id=rig.}
            port=${port%%,*}
            word=file,id=rig.$port,path=$work/$side.$port
            ;;
        esac
        changed+=("$word")
    done
    setpriv --pdeathsig KILL "${changed[@]}" "$@" >"$work/$side.log" 2>&1 &
    pids[$side]=$!
    ask "$side" '{"execute": "qmp_capabilities"}'
}

# ask SIDE COMMAND: a QMP command; its answer is put into $answer. False if it was refused.
ask() {
    echo "$2" >&"${wire[$1.qmp.in]}"
    while read -r -t 60 -u "${wire[$1.qmp.out]}" answer; do
        case $answer in
        '{"return"'*) return 0 ;;
        '{"error"'*) return 1 ;;
        esac
    done
    give_up "$1 does not answer $2"
}

must() {
    ask "$@" || give_up "$1 refuses $2: $answer"
}

# await SIDE PATTERN: what the guest's agent says, up to a line that matches; it is put into $line.
await() {
    while read -r -t 120 -u "${wire[$1.control.out]}" line; do
        case $line in
        metric\ *) echo "# ${line//%20/ }" ;;
        kernel\ * | fail\ * | abort\ *) give_up "the guest on the $1 side says: $line" ;;
        esac
        # shellcheck disable=SC2053 # a pattern is what it is
        [[ $line != $2 ]] || return 0
        [[ $line != done\ * ]] || give_up "the guest's test ended on the $1 side: $line"
    done
    give_up "the guest on the $1 side never says $2"
}

stop() {
    local side fd
    for side in source target; do
        ask "$side" '{"execute": "quit"}' || give_up "$side does not quit: $answer"
        wait "${pids[$side]}" || give_up "$side ends with an error"
    done
    for fd in "${wire[@]}"; do
        exec {fd}>&-
    done
    wire=()
}

# number NAME: of the answer.
number() {
    grep -o "\"$1\": [0-9]*" <<<"$answer" | head -n 1 | grep -o '[0-9]*$'
}

# Until the source says that all of the machine has left.
await_completion() {
    local deadline=$((SECONDS + 120))
    while :; do
        must source '{"execute": "query-migrate"}'
        case $answer in
        *'"status": "completed"'*) return 0 ;;
        *'"status": "failed"'*) give_up "the migration failed: $answer" ;;
        esac
        [ "$SECONDS" -lt "$deadline" ] || give_up "the migration does not end: $answer"
        sleep 0.1
    done
}

capability() {
    echo '{"execute": "migrate-set-capabilities", "arguments": {"capabilities":
        [{"capability": "postcopy-ram", "state": true}]}}' | tr '\n' ' '
}

# parameters BYTES: as many bytes a second, so that it takes seconds either way.
parameters() {
    echo '{"execute": "migrate-set-parameters", "arguments": {"max-bandwidth": '"$1"',' \
        '"max-postcopy-bandwidth": 8388608, "downtime-limit": 300}}'
}

# migrate NAME HOW WANTED [ARGUMENT...]: the guest's test, which must end with status WANTED.
migrate() {
    local name=$1 how=$2 wanted=$3 request
    shift 3
    start source
    start target -incoming defer
    if [ "$how" = postcopy ]; then
        if ! ask target "$(capability)"; then
            case $answer in
            *serfault*)
                number=$((number + 1))
                echo "ok $number $name # SKIP post-copy needs userfaultfd: run as root"
                stop
                return 0
                ;;
            esac
            give_up "the target refuses post-copy: $answer"
        fi
        must source "$(capability)"
    fi
    # What has arrived when the guest starts at the target is not asked for.
    must source "$(parameters "$([ "$how" = postcopy ] && echo 8388608 || echo 67108864)")"
    must target '{"execute": "migrate-incoming", "arguments": {"uri": "unix:'"$work"'/way"}}'
    await source 'ready *'
    echo "run 1 100000 camera-moved by=migration${*:+ $*}" >&"${wire[source.control.in]}"
    await source 'request * migrate'
    request=$(cut -d' ' -f2 <<<"$line")
    must source '{"execute": "migrate", "arguments": {"uri": "unix:'"$work"'/way"}}'
    if [ "$how" = postcopy ]; then
        until must source '{"execute": "query-migrate"}' && [[ $answer == *'"active"'* ]]; do
            [[ $answer == *'"setup"'* ]] || give_up "too late for post-copy: $answer"
            sleep 0.05
        done
        must source '{"execute": "migrate-start-postcopy"}'
    fi
    await_completion
    echo "# $name: $(number total-time) ms, the machine stood still for $(number downtime) ms;" \
        "memory was gone through $(number dirty-sync-count) times," \
        "$(number postcopy-requests) pages were asked for"
    if [ "$how" = postcopy ]; then
        check "$name-pages-were-asked-for" "$([ "$(number postcopy-requests)" -gt 0 ] && echo so)" so
    fi
    must target '{"execute": "query-status"}'
    check "$name-runs-at-the-target" "$(grep -o '"running": [a-z]*' <<<"$answer")" '"running": true'
    echo "reply $request ok" >&"${wire[target.control.in]}"
    await target 'done 1 *'
    sed 's/^/# /' "$work/target.ktap"
    check "$name-verdict" "$(cut -d' ' -f2-4 <<<"$line")" "1 exit $wanted"
    stop
}

migrate precopy precopy 0
migrate postcopy postcopy 0
migrate a-lost-frame-is-noticed precopy 1 skip=1
finish
