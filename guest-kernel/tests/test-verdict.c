/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends in whatever way it is told to (end=...), so that the rig can be seen to tell the ways
 * apart. Used by the rig's own scenarios in tests/scenarios.
 */
#include <signal.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "harness.h"

static void write_to(const char *path, const char *text)
{
    if (!file_write(path, text))
        ABORT("cannot write %s to %s", text, path);
}

static void end_well(void)
{
    EXPECT_EQ(1 + 1, 2);
}

static void end_assertion(void)
{
    EXPECT_EQ(1 + 1, 3);
}

/* The case alone dies; the harness says so. */
static void end_case_signal(void)
{
    raise(SIGSEGV);
}

/* The whole program dies. */
static void end_signal(void)
{
    kill(getppid(), SIGKILL);
    pause();
}

static void end_abort(void)
{
    ABORT("told to give up");
}

static void end_warning(void)
{
    write_to("/sys/kernel/debug/provoke-crash/DIRECT", "WARNING");
}

/* The process that writes does not survive the oops. */
static void end_oops(void)
{
    write_to("/sys/kernel/debug/provoke-crash/DIRECT", "EXCEPTION");
}

static void end_panic(void)
{
    write_to("/proc/sys/kernel/sysrq", "1");
    write_to("/proc/sysrq-trigger", "c");
}

static void end_hang(void)
{
    for (;;)
        pause();
}

/* The one CPU spins with interrupts off: nothing runs any more, the agent included. */
static void end_lockup(void)
{
    write_to("/sys/kernel/debug/provoke-crash/DIRECT", "HARDLOCKUP");
}

static void end_poweroff(void)
{
    reboot(RB_POWER_OFF);
}

static void end_reset(void)
{
    reboot(RB_AUTOBOOT);
}

/* Breaks the protocol towards the agent, which hangs up on the test. */
static void end_garbage(void)
{
    char line[5000];
    struct rig_reply reply;

    memset(line, 'x', sizeof(line));
    ASSERT_EQ(write(MMRIG_TEST_FD, line, sizeof(line)), (ssize_t)sizeof(line));
    rig_request(&reply, "host-rss", " ");
}

static void end_forbidden(void)
{
    struct rig_reply reply;

    EXPECT_TRUE(rig_request(&reply, "balloon-set", "bytes=%d", 1 << 28));
}

static void end_skip(void)
{
    SKIP("told to skip");
}

static void end_silent(void)
{
    /* Closes what the harness would report on. */
    kill(getppid(), SIGSTOP);
}

static void end_flood(void)
{
    for (int i = 0; i < 200000; i++)
        DIAG("line %d of a flood", i);
}

/* Leaves a process behind that holds the test's descriptors open. */
static void end_stray(void)
{
    if (fork() == 0) {
        setsid();
        for (;;)
            pause();
    }
}

static const struct {
    const char *name;
    void (*end)(void);
} ends[] = {
    {"well", end_well},       {"assertion", end_assertion}, {"case-signal", end_case_signal},
    {"signal", end_signal},   {"abort", end_abort},         {"warning", end_warning},
    {"oops", end_oops},       {"panic", end_panic},         {"hang", end_hang},
    {"lockup", end_lockup},   {"poweroff", end_poweroff},   {"reset", end_reset},
    {"garbage", end_garbage}, {"forbidden", end_forbidden}, {"skip", end_skip},
    {"silent", end_silent},   {"flood", end_flood},         {"stray", end_stray},
};

TEST(ends_as_told)
{
    const char *how = test_arg("end");

    ASSERT_NE(how, NULL);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (strcmp(how, ends[i].name) == 0) {
            ends[i].end();
            return;
        }
    }
    ABORT("there is no end=%s", how);
}

HARNESS_MAIN
