/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel is told of errors as they happen (Notify 0x81), without a scrub of anybody's;
 * ndctl clear-errors makes them good again, two parts of the namespace at once.
 */
#include <errno.h>
#include <string.h>

#include "pmem.h"

TEST(kernel_is_told)
{
    pmem_make("fsdax", NULL);
    pmem_wait_scrub();
    uint64_t scrubs = pmem_count("scrubs"), notified = pmem_count("notified");

    pmem_lay_and_notify(pmem_data() + 100 * PMEM_BLOCK, 2 * PMEM_BLOCK);
    ASSERT_TRUE(pmem_wait_badblocks("100 2"));
    pmem_lay_and_notify(pmem_data() + 500 * PMEM_BLOCK, PMEM_BLOCK);
    ASSERT_TRUE(pmem_wait_badblocks("100 2; 500 1"));
    EXPECT_EQ(pmem_count("notified"), notified + 2);
    /* What was told is asked for, and nothing looked for. */
    EXPECT_EQ(pmem_count("scrubs"), scrubs);
    EXPECT_TRUE(pmem_only_bad(90, 110, 100, 2));
}

TEST(clear_errors)
{
    char output[8192], list[8192];

    ASSERT_TRUE(pmem_list_media(list, sizeof(list)));
    EXPECT_NE(strstr(list, "\"badblock_count\":3"), NULL);
    ASSERT_EQ(COMMAND(output, sizeof(output), "ndctl", "clear-errors", "namespace0.0"), 0);
    EXPECT_STREQ(pmem_badblocks(), "");
    EXPECT_TRUE(pmem_only_bad(90, 110, 0, 0));
    EXPECT_TRUE(pmem_only_bad(490, 510, 0, 0));
    EXPECT_EQ(pmem_count("cleared"), 6); /* units of 256 bytes */
    ASSERT_TRUE(pmem_list_media(list, sizeof(list)));
    EXPECT_EQ(strstr(list, "badblock"), NULL);
    pmem_scrub();
    EXPECT_STREQ(pmem_badblocks(), "");
}

HARNESS_MAIN
