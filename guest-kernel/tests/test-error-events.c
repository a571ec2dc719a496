/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors that are reported, not met: corrected ones, and those that were found in memory which
 * nobody has used yet (what=KIND).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "errors.h"
#include "memory.h"

#define SEED         UINT64_C(6000000)
#define INTERVAL     "/sys/devices/system/machinecheck/machinecheck0/check_interval"
#define PAGES        ((size_t)64)
#define MEMORY_BANK  7
#define CACHE_BANK   9
#define CE_STATUS    UINT64_C(0x9c00000000000090)
#define CE_COUNT(n)  ((uint64_t)(n) << 38)
#define POLL_SECONDS 10.0

/* Errors that the kernel has counted before it speaks of a storm: mce/threshold.c. */
#define STORM_BEGINS 5
/* Polls without one before it speaks of its end, once per second. */
#define STORM_ENDS 30

static char *pool;

static uint64_t page_address(size_t page)
{
    uint64_t physical = physical_address(pool + page * PAGE_BYTES);

    if (physical == 0)
        ABORT("a page of the test is not there");
    return physical;
}

/* Pages that are not as they were filled, but for the first. */
static size_t pages_harmed(void)
{
    size_t harmed = 0;

    for (size_t i = 1; i < PAGES; i++)
        harmed += memory_differs(pool + i * PAGE_BYTES, PAGE_BYTES, SEED + i * PAGE_BYTES) !=
                  PAGE_BYTES;
    return harmed;
}

static void report(const char *kind, uint64_t address, const char *more)
{
    struct rig_reply reply;

    if (!rig_request(&reply, "ras-inject", "kind=%s gpa=0x%llx%s", kind,
                     (unsigned long long)address, more))
        ABORT("no error of kind %s: %s", kind, reply.error);
}

/* No CMCI under emulation: the kernel looks at its banks once per second. */
static void poll_often(void)
{
    ASSERT_TRUE(file_write(INTERVAL, "1"));
}

/* ---- Corrected errors ------------------------------------------------------------------- */

static void expect_corrected(uint64_t address, uint64_t status)
{
    struct machine_check check = {0};

    ASSERT_TRUE(machine_check_next(&check, POLL_SECONDS));
    EXPECT_EQ(check.cpu, 0);
    EXPECT_EQ(check.bank, MEMORY_BANK);
    EXPECT_EQ(check.status, status);
    EXPECT_EQ(check.address, address & ~(GRANULE - 1));
    EXPECT_EQ(check.misc, (2 << 6) | 6);
}

static void storm(void)
{
    int log = log_open();
    unsigned count = 0;
    uint64_t taken = pages_taken();
    double start;

    /* Linux 6.8 took storms from CMCI to polling: mce_track_storm(). */
    if (!kernel_is_from(6, 8))
        SKIP("this kernel looks for storms where there is CMCI only (polls came with 6.8)");
    poll_often();
    /* One by one; each in another page, so that the kernel does not give any of them up. */
    for (; count < STORM_BEGINS - 1; count++) {
        report("ce", page_address(count) + 0x123, "");
        expect_corrected(page_address(count) + 0x123, CE_STATUS | CE_COUNT(1));
    }
    EXPECT_FALSE(log_wait(log, "CPU0 BANK7 CMCI storm", "detected", 0.1));
    report("ce", page_address(count), "");
    expect_corrected(page_address(count), CE_STATUS | CE_COUNT(1));
    ASSERT_TRUE(log_wait(log, "CPU0 BANK7 CMCI storm", "detected", POLL_SECONDS));
    start = now_seconds();

    /* More of them: still seen, each second. Many at once are one record that says so. */
    report("ce", page_address(++count), " count=1000");
    expect_corrected(page_address(count), CE_STATUS | CE_COUNT(1000));

    ASSERT_TRUE(
        log_wait(log, "CPU0 BANK7 CMCI storm", "subsided", STORM_ENDS + 3 * POLL_SECONDS));
    rig_metric("storm", now_seconds() - start, "s");
    EXPECT_GE(now_seconds() - start, STORM_ENDS - 2);
    /* Nothing was lost, and nobody was hurt. */
    EXPECT_EQ(memory_differs(pool, PAGE_BYTES, SEED), PAGE_BYTES);
    EXPECT_EQ(pages_taken(), taken);
    EXPECT_EQ(pages_harmed(), 0);
}

static int daemon_terminal = -1;
static char daemon_text[65536]; /* what it has said so far */

/* rasdaemon in the foreground, on a terminal, as it keeps back what it writes to a file. */
static void daemon_start(void)
{
    daemon_terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (daemon_terminal < 0 || unlockpt(daemon_terminal) != 0)
        ABORT("no terminal for rasdaemon: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        int terminal = open(ptsname(daemon_terminal), O_RDWR | O_NOCTTY);
        if (dup2(terminal, STDOUT_FILENO) < 0 || dup2(terminal, STDERR_FILENO) < 0)
            _exit(126);
        execlp("rasdaemon", "rasdaemon", "-f", "-r", (char *)NULL);
        _exit(127);
    }
    if (pid < 0)
        ABORT("cannot start rasdaemon");
}

static bool daemon_has_said(void *data)
{
    size_t size = strlen(daemon_text);
    ssize_t got = read(daemon_terminal, daemon_text + size, sizeof(daemon_text) - 1 - size);

    if (got > 0)
        daemon_text[size + (size_t)got] = '\0';
    return strstr(daemon_text, data) != NULL;
}

static bool has_moved(void *data)
{
    uint64_t now = physical_address(pool);

    return now != 0 && now != *(const uint64_t *)data;
}

static void soft_offline(void)
{
    uint64_t bad = page_address(0), taken = pages_taken();
    char text[64];
    int log = log_open();

    daemon_start();
    ASSERT_TRUE(wait_until(daemon_has_said, (void *)(uintptr_t) "Listening to events",
                           2 * POLL_SECONDS));
    /* Otherwise the kernel wakes it when its buffer is half full. */
    ASSERT_TRUE(file_write("/sys/kernel/tracing/instances/rasdaemon/buffer_percent", "0"));
    poll_often();
    /* drivers/ras/cec.c takes a page away at the second corrected error on Intel's processors.
     */
    ASSERT_EQ(file_u64("/sys/kernel/debug/ras/cec/action_threshold"), 2);
    report("ce", bad + 0x40, "");
    expect_corrected(bad + 0x40, CE_STATUS | CE_COUNT(1));
    EXPECT_FALSE(page_is_taken(bad));
    EXPECT_EQ(physical_address(pool), bad);
    report("ce", bad + 0x80, "");
    expect_corrected(bad + 0x80, CE_STATUS | CE_COUNT(1));

    ASSERT_TRUE(wait_until(has_moved, &bad, POLL_SECONDS));
    EXPECT_TRUE(log_wait(log, "Soft-offlining pfn", "", ERROR_SECONDS));
    EXPECT_TRUE(wait_pages_taken(taken + 1));
    EXPECT_TRUE(page_is_taken(bad));
    /* The daemon has it from the kernel, with the address. */
    snprintf(text, sizeof(text), "addr= %llx", (unsigned long long)bad + 0x80);
    EXPECT_TRUE(wait_until(daemon_has_said, text, POLL_SECONDS));
    /* Its contents have moved, and its owner has not noticed. */
    EXPECT_EQ(memory_differs(pool, PAGE_BYTES, SEED), PAGE_BYTES);
    EXPECT_EQ(pages_harmed(), 0);
}

/* ---- Uncorrected, not used -------------------------------------------------------------- */

static void expect_lost(uint64_t bad, uint64_t taken, unsigned bank, uint64_t status)
{
    struct machine_check check = {0};
    struct bus_error error;

    ASSERT_TRUE(wait_pages_taken(taken + 1));
    EXPECT_TRUE(page_is_taken(bad));
    ASSERT_TRUE(machine_check_next(&check, POLL_SECONDS));
    EXPECT_EQ(check.bank, bank);
    EXPECT_EQ(check.status, status);
    EXPECT_EQ(check.address / PAGE_BYTES, bad / PAGE_BYTES);
    /* Its owner hears of it when it is touched. */
    error = bus_error_at(pool);
    EXPECT_EQ(error.code, BUS_MCEERR_AR);
    EXPECT_EQ(error.address, (void *)pool);
    EXPECT_EQ(poison_count("consumed-loads"), 0);
    EXPECT_EQ(pages_harmed(), 0);
}

static void broadcast(void)
{
    uint64_t taken = pages_taken(), bad = page_address(0);

    report("srao", bad, " broadcast=on");
    expect_lost(bad, taken, MEMORY_BANK, UINT64_C(0xbd000000000000c0));
}

static void scrub(void)
{
    uint64_t taken = pages_taken(), bad = page_address(0);

    report("srao", bad, " cpu=1");
    expect_lost(bad, taken, MEMORY_BANK, UINT64_C(0xbd000000000000c0));
}

static void write_back(void)
{
    uint64_t taken = pages_taken(), bad = page_address(0);

    report("srao-cache", bad, "");
    expect_lost(bad, taken, CACHE_BANK, UINT64_C(0xbd0000000000017a));
}

/* Logged when the banks are polled; the kernel then takes the page as if it were SRAO. */
static void no_action(void)
{
    uint64_t taken = pages_taken(), bad = page_address(0);

    poll_often();
    report("ucna", bad, "");
    expect_lost(bad, taken, MEMORY_BANK, UINT64_C(0xbc00000000000090));
}

static const struct test_kind kinds[] = {
    {"ce-storm", storm}, {"soft-offline", soft_offline}, {"broadcast", broadcast},
    {"scrub", scrub},    {"write-back", write_back},     {"ucna", no_action},
    {NULL, NULL},
};

TEST(error_is_reported)
{
    const struct test_kind *kind = test_kind(kinds);

    bus_errors_catch();
    machine_checks_trace();
    pool = memory_map(PAGES * PAGE_BYTES);
    for (size_t page = 0; page < PAGES; page++)
        memory_fill(pool + page * PAGE_BYTES, PAGE_BYTES, SEED + page * PAGE_BYTES);
    kind->run();
}

HARNESS_MAIN
