/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Least work for a guest, so that what is measured is the rig: `mmrig bench fork`. It is also
 * what tells two forks of one template apart: each reports random bytes and its clock.
 */
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "harness.h"

TEST(is_a_machine_of_its_own)
{
    uint32_t random = 0;
    struct timespec now;

    ASSERT_EQ(getrandom(&random, sizeof(random), GRND_NONBLOCK), (ssize_t)sizeof(random));
    ASSERT_EQ(clock_gettime(CLOCK_REALTIME, &now), 0);
    rig_metric("random", random, "1");
    rig_metric("clock", (double)now.tv_sec + (double)now.tv_nsec / 1e9, "s");
    /* The scenario may tell how many CPUs there must be; its twin has fewer. */
    uint64_t cpus = test_arg_u64("cpus", 0);
    if (cpus > 0) {
        char online[32], expected[32];
        snprintf(expected, sizeof(expected), "0-%llu", (unsigned long long)(cpus - 1));
        ASSERT_TRUE(file_read("/sys/devices/system/cpu/online", online, sizeof(online)));
        EXPECT_STREQ(online, expected);
    }
}

HARNESS_MAIN
