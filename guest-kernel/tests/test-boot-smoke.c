/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine that has booted is the machine that the scenario describes, and is healthy. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <linux/magic.h>

#include "harness.h"

TEST(cpus)
{
    uint64_t cpus = test_arg_u64("cpus", 0);

    ASSERT_NE(cpus, 0);
    EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN), cpus);
    EXPECT_EQ(sysconf(_SC_NPROCESSORS_CONF), cpus);
}

/*
 * The kernel's own image, its page structures (1.6 %), and what the firmware keeps are not
 * in MemTotal; a debug kernel's share is the largest.
 */
TEST(memory)
{
    uint64_t memory_kb = test_arg_u64("memory", 0) / 1024;
    uint64_t total_kb = meminfo_kb("MemTotal");

    ASSERT_NE(memory_kb, 0);
    rig_metric("MemTotal", (double)total_kb, "kB");
    EXPECT_LE(total_kb, memory_kb);
    EXPECT_GE(total_kb, memory_kb / 100 * 80);
    EXPECT_GT(meminfo_kb("MemFree"), memory_kb / 4);
}

/* The machine's clock is the host's: a year before this was written means there is none. */
TEST(clock)
{
    struct timespec wall;
    double last = now_seconds();

    ASSERT_EQ(clock_gettime(CLOCK_REALTIME, &wall), 0);
    EXPECT_GT(wall.tv_sec, 1735689600); /* 2025-01-01 */
    EXPECT_LT(wall.tv_sec, 4102444800); /* 2100-01-01 */
    for (int i = 0; i < 1000; i++) {
        double now = now_seconds();

        ASSERT_GE(now, last);
        last = now;
    }
}

TEST(clock_advances)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    double start = now_seconds();

    ASSERT_EQ(nanosleep(&pause, NULL), 0);
    EXPECT_GE(now_seconds() - start, 0.02);
}

TEST(entropy)
{
    unsigned char bytes[32] = {0}, zero[32] = {0};

    ASSERT_EQ(getrandom(bytes, sizeof(bytes), GRND_NONBLOCK), (ssize_t)sizeof(bytes));
    EXPECT_NE(memcmp(bytes, zero, sizeof(bytes)), 0);
}

/* Made by the kernel for this boot, or this fork: the report tells two apart by its beginning.
 */
TEST(boot_id)
{
    char id[64], *end;

    ASSERT_TRUE(file_read("/proc/sys/kernel/random/boot_id", id, sizeof(id)));
    unsigned long beginning = strtoul(id, &end, 16);
    ASSERT_EQ(*end, '-');
    rig_metric("boot-id", (double)beginning, "1");
}

TEST(file_systems)
{
    struct statfs status;

    ASSERT_EQ(statfs("/proc", &status), 0);
    EXPECT_EQ(status.f_type, PROC_SUPER_MAGIC);
    ASSERT_EQ(statfs("/sys", &status), 0);
    EXPECT_EQ(status.f_type, SYSFS_MAGIC);
    ASSERT_EQ(statfs("/tmp", &status), 0);
    EXPECT_EQ(status.f_type, TMPFS_MAGIC);
}

TEST(release)
{
    struct utsname system;

    ASSERT_EQ(uname(&system), 0);
    EXPECT_STREQ(system.sysname, "Linux");
    EXPECT_NE(strlen(system.release), 0);
    DIAG("%s %s", system.release, system.version);
}

/* Linux Documentation/admin-guide/tainted-kernels.rst; any bit is a reason to ask why. */
TEST(untainted)
{
    EXPECT_EQ(file_u64("/proc/sys/kernel/tainted"), 0);
}

HARNESS_MAIN
