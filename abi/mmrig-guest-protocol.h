/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The protocol between the rig (host) and the agent (guest PID 1).
 *
 * Transport: two virtio-serial ports. The KTAP port carries, guest to host only, the
 * raw standard output of whatever the agent runs. The control port carries lines both
 * ways. A line is words separated by one space and ended by LF; words are encoded as in
 * mmrig-line.h, so a word may hold any bytes.
 *
 * Neither side trusts the other: a line longer than MMRIG_LINE_MAX, one with more than
 * MMRIG_WORDS_MAX words, or an unknown first word ends the conversation as a protocol
 * error.
 *
 * guest to host
 *   ready VERSION BOOT_ID RELEASE       the agent waits for work; BOOT_ID is 32 hex digits
 *   request SEQ VERB [ARG...]           a test wants something from outside and waits;
 *                                       ARGs are KEY=VALUE
 *   metric NAME VALUE UNIT              a figure for the report
 *   point SERIES X X_UNIT Y Y_UNIT      a point of a series, which the report draws
 *   kernel KIND TEXT                    a line of the kernel log that means trouble;
 *                                       KIND is one of MMRIG_KERNEL_*
 *   stderr ID BYTES                     standard error of run ID
 *   abort ID FILE LINE TEXT             run ID gave up at FILE:LINE
 *   done ID HOW NUMBER OUTPUT_BYTES     run ID ended; HOW is one of MMRIG_DONE_*;
 *                                       OUTPUT_BYTES were written to the KTAP port for
 *                                       this run, wait for all of them before judging
 *   kept                                the nonce of "template" is in memory: the machine can
 *                                       be stopped and become a template
 *   forked BOOT_ID NONCE                this is a fork of that template, and waits for work
 *                                       under an identity of its own
 *   translated SEQ ok ADDRESS           the guest physical address, decimal
 *   translated SEQ error TEXT           there is none just now
 *   clock SEQ NANOSECONDS               CLOCK_MONOTONIC_RAW, decimal
 *   fail TEXT                           the agent itself cannot go on (a module did not
 *                                       load, a mount failed)
 *
 * host to guest
 *   run ID TIMEOUT_MS TEST [ARG...]     run test program TEST
 *   exec ID TIMEOUT_MS MODE PROG [ARG...]
 *                                       run any program; MODE is "pipe" or "tty";
 *                                       TIMEOUT_MS 0 means no limit
 *   stdin ID BYTES                      input for an exec
 *   stdin-end ID                        end of input (pipe mode)
 *   resize ID ROWS COLUMNS              window size (tty mode)
 *   reply SEQ ok [KEY=VALUE...]         answer to a request
 *   reply SEQ error TEXT                ... which could not be granted
 *   template NONCE [TEST [ARG...]]      keep NONCE (32 hex digits) for all forks to show, and
 *                                       have TEST started and held in front of its first
 *                                       case if it can be; a "run" with the same words then
 *                                       lets it go
 *   fork SEED MICROSECONDS              in a fork, before anything else: mix SEED (64 hex
 *                                       digits) into the entropy, set the clock to so long
 *                                       after the epoch, and take a new boot id
 *   translate SEQ PID VADDR             at any time: what memory that process has at that
 *                                       address, both decimal
 *   clock SEQ                           at any time: what is the guest's clock at
 *   poweroff                            sync and power off
 *
 * One run or exec at a time. ID and SEQ are decimal and never repeat within a boot.
 */
#ifndef MMRIG_GUEST_PROTOCOL_H
#define MMRIG_GUEST_PROTOCOL_H

#define MMRIG_PROTOCOL_VERSION 1

#define MMRIG_PORT_CONTROL "org.mmrig.control"
#define MMRIG_PORT_KTAP    "org.mmrig.ktap"
/* A link to another machine is a port of its own: this, and the link's name in the scenario. */
#define MMRIG_PORT_LINK "org.mmrig.link."

/* Bytes in a line, LF included; words in a line; data bytes in one stdin/stderr message. */
#define MMRIG_LINE_MAX  4096
#define MMRIG_WORDS_MAX 64
#define MMRIG_CHUNK_MAX 1024

#define MMRIG_BOOT_ID_DIGITS 32
#define MMRIG_NONCE_DIGITS   32
#define MMRIG_SEED_DIGITS    64

/* HOW in "done": NUMBER is the exit status, the signal, or the limit in milliseconds. */
#define MMRIG_DONE_EXIT    "exit"
#define MMRIG_DONE_SIGNAL  "signal"
#define MMRIG_DONE_TIMEOUT "timeout"

/* KIND in "kernel". */
#define MMRIG_KERNEL_OOPS    "oops"
#define MMRIG_KERNEL_WARNING "warning"
#define MMRIG_KERNEL_PANIC   "panic"

/*
 * Exit status of a test program, by which the agent's "done exit N" is read: kselftest's
 * (tools/testing/selftests/kselftest.h: KSFT_PASS 0, KSFT_FAIL 1, KSFT_SKIP 4).
 */
#define MMRIG_TEST_PASS 0
#define MMRIG_TEST_FAIL 1
#define MMRIG_TEST_SKIP 4

/* Kernel command line: comma-separated modules the agent loads before it is ready. */
#define MMRIG_PARAM_MODULES "mmrig.modules"

/*
 * Where things are in the image.
 *
 * The module list has one line a module: NAME PATH..., with every path to load, in load
 * order; a built-in module has a name and no path. A path behind MMRIG_GUEST_MODULE_SOFT is
 * of a soft dependency: one that fails to load (no such CPU feature, say) does no harm. The
 * boot list has one module name a line: those are loaded before anything else (the ports
 * need them). Names are as they were asked for.
 */
#define MMRIG_GUEST_TESTS       "/mmrig/tests"
#define MMRIG_GUEST_MODULES     "/mmrig/modules.list"
#define MMRIG_GUEST_BOOT        "/mmrig/modules.boot"
#define MMRIG_GUEST_MODULE_SOFT "?"

/*
 * How a test program reaches the agent: this descriptor is one end of a stream socket that
 * speaks the control port's request, metric, point and abort lines (with ID 0 in abort) and
 * gets reply lines back.
 *
 * A test that finds MMRIG_TEST_HOLD in its environment says "held" there before it does
 * anything that a fork of the machine must do itself, and goes on after MMRIG_TEST_GO.
 */
#define MMRIG_TEST_FD   3
#define MMRIG_TEST_HOLD "MMRIG_TEST_HOLD"
#define MMRIG_TEST_GO   "go\n"

#endif
