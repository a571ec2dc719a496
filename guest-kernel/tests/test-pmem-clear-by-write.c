/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing to a bad block makes it good: the driver clears the error (Clear Uncorrectable Error)
 * before it writes, for blocks that it knows to be bad.
 *
 * Arguments: write=0, for a twin, writes beside it.
 */
#include <errno.h>
#include <string.h>

#include "pmem.h"

#define BAD 40

static uint64_t target(void)
{
    return test_arg_u64("write", 1) ? BAD : BAD + 8;
}

TEST(block_is_bad)
{
    char bytes[PMEM_BLOCK];

    pmem_make("fsdax", NULL);
    pmem_wait_scrub();
    for (uint64_t block = 0; block < 64; block++) {
        pmem_pattern(block, bytes);
        ASSERT_EQ(pmem_write(block, bytes), 0);
    }
    pmem_lay_blocks(BAD, 1);
    pmem_scrub();
    ASSERT_STREQ(pmem_badblocks(), "40 1");
    EXPECT_EQ(pmem_read(BAD, bytes), EIO);
}

TEST(write_clears_it)
{
    char written[PMEM_BLOCK], bytes[PMEM_BLOCK];
    uint64_t cleared = pmem_count("cleared"), consumed = pmem_count("consumed");

    pmem_pattern(BAD + 1000, written);
    ASSERT_EQ(pmem_write(target(), written), 0);
    EXPECT_EQ(pmem_count("cleared"), cleared + 2); /* units of 256 bytes */
    EXPECT_STREQ(pmem_badblocks(), "");
    ASSERT_EQ(pmem_read(BAD, bytes), 0);
    EXPECT_EQ(memcmp(bytes, written, sizeof(bytes)), 0);
    EXPECT_EQ(pmem_count("consumed"), consumed);
}

TEST(others_are_as_they_were)
{
    char bytes[PMEM_BLOCK], list[8192];
    size_t right = 0;

    for (uint64_t block = 0; block < 64; block++)
        right += pmem_read(block, bytes) == 0 && pmem_is_pattern(block, bytes);
    EXPECT_EQ(right, 63);
    pmem_scrub();
    EXPECT_STREQ(pmem_badblocks(), "");
    EXPECT_TRUE(pmem_region_agrees());
    ASSERT_TRUE(pmem_list_media(list, sizeof(list)));
    EXPECT_EQ(strstr(list, "badblock"), NULL);
}

HARNESS_MAIN
