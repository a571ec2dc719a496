/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A media error is one after a power cut as well: the kernel finds it by the scrub that it does
 * at its start. Data beside it are there, and the module counts the unclean shutdown.
 */
#include <errno.h>
#include <string.h>

#include "pmem.h"

#define BLOCKS 64
#define BAD    20
#define COUNT  3

TEST(error_is_laid_or_found)
{
    char bytes[PMEM_BLOCK];

    pmem_make("fsdax", NULL);
    pmem_wait_scrub();
    if (test_boot_is("write")) {
        EXPECT_STREQ(pmem_badblocks(), "");
        for (uint64_t block = 0; block < BLOCKS; block++) {
            pmem_pattern(block, bytes);
            ASSERT_EQ(pmem_write(block, bytes), 0);
        }
        pmem_lay_blocks(BAD, COUNT);
        pmem_scrub();
    }
    EXPECT_STREQ(pmem_badblocks(), "20 3");
    EXPECT_TRUE(pmem_region_agrees());
    EXPECT_TRUE(pmem_only_bad(0, BLOCKS, BAD, COUNT));
}

TEST(other_data_are_there)
{
    char bytes[PMEM_BLOCK];
    size_t right = 0;

    for (uint64_t block = 0; block < BLOCKS; block++)
        right += pmem_read(block, bytes) == 0 && pmem_is_pattern(block, bytes);
    EXPECT_EQ(right, BLOCKS - COUNT);
}

/* The power cut is on record: in sysfs, and by ndctl. */
TEST(shutdown_is_counted)
{
    bool again = !test_boot_is("write");
    char output[8192];

    EXPECT_EQ(file_u64("/sys/bus/nd/devices/nmem0/nfit/dirty_shutdown"), again);
    ASSERT_EQ(COMMAND(output, sizeof(output), "ndctl", "list", "-D", "-H"), 0);
    EXPECT_NE(strstr(output, again ? "\"shutdown_count\":1" : "\"shutdown_count\":0"), NULL);
    EXPECT_NE(
        strstr(output, again ? "\"shutdown_state\":\"dirty\"" : "\"shutdown_state\":\"clean\""),
        NULL);
}

HARNESS_MAIN
