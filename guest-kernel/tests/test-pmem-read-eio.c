/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block is read that has gone bad, and nobody knew: the kernel's copy takes a machine check
 * and is recovered, the reader gets EIO, the block is on the list from then on, and all others
 * can be read. Once it is on the list nobody touches the bad memory any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "pmem.h"

#define BLOCKS 256
#define BAD    77

TEST(blocks_are_written)
{
    char bytes[PMEM_BLOCK];

    pmem_make("fsdax", NULL);
    pmem_wait_scrub();
    for (uint64_t block = 0; block < BLOCKS; block++) {
        pmem_pattern(block, bytes);
        ASSERT_EQ(pmem_write(block, bytes), 0);
    }
    EXPECT_TRUE(pmem_only_bad(0, BLOCKS, 0, 0));
}

TEST(unknown_error_is_eio)
{
    struct machine_check check;
    char bytes[PMEM_BLOCK];
    uint64_t address = pmem_data() + BAD * PMEM_BLOCK, consumed = pmem_count("consumed");

    machine_checks_trace();
    pmem_lay_blocks(BAD, 1);
    EXPECT_STREQ(pmem_badblocks(), "");
    /* Others first: they are not to suffer. */
    EXPECT_EQ(pmem_read(BAD - 1, bytes), 0);
    EXPECT_EQ(pmem_read(BAD + 1, bytes), 0);
    EXPECT_EQ(pmem_count("consumed"), consumed);

    EXPECT_EQ(pmem_read(BAD, bytes), EIO);
    EXPECT_GT(pmem_count("consumed"), consumed);
    ASSERT_TRUE(machine_check_next(&check, ERROR_SECONDS));
    EXPECT_EQ(STATUS_MCACOD(check.status), MCACOD_LOAD);
    EXPECT_NE(check.status & STATUS_UC, 0);
    EXPECT_EQ(check.address & ~(uint64_t)(GRANULE - 1), address);
    EXPECT_EQ(check.cs & 3, 0); /* in the kernel */
}

TEST(known_error_is_eio_without_a_touch)
{
    char bytes[PMEM_BLOCK];

    ASSERT_TRUE(pmem_wait_badblocks("77 1"));
    EXPECT_TRUE(pmem_region_agrees());
    uint64_t consumed = pmem_count("consumed");

    for (int i = 0; i < 10; i++)
        EXPECT_EQ(pmem_read(BAD, bytes), EIO);
    EXPECT_EQ(pmem_count("consumed"), consumed);
}

TEST(other_blocks_are_fine)
{
    char bytes[PMEM_BLOCK];
    size_t right = 0;

    EXPECT_TRUE(pmem_only_bad(0, BLOCKS, BAD, 1));
    for (uint64_t block = 0; block < BLOCKS; block++)
        right += pmem_read(block, bytes) == 0 && pmem_is_pattern(block, bytes);
    EXPECT_EQ(right, BLOCKS - 1);
}

/* One large read across it: as far as the bad block, or not at all; never a wrong byte. */
TEST(large_read_stops)
{
    enum { BYTES = BLOCKS * PMEM_BLOCK };
    char *bytes = aligned_alloc(4096, BYTES);
    int fd = open(PMEM_DEVICE, O_RDONLY | O_DIRECT | O_CLOEXEC);

    ASSERT_NE(bytes, NULL);
    ASSERT_GE(fd, 0);
    ssize_t got = pread(fd, bytes, BYTES, 0);
    DIAG("%zd bytes", got);
    EXPECT_LE(got, (ssize_t)(BAD * PMEM_BLOCK));
    if (got < 0)
        EXPECT_EQ(errno, EIO);
    for (ssize_t block = 0; block < got / (ssize_t)PMEM_BLOCK; block++)
        EXPECT_TRUE(pmem_is_pattern((uint64_t)block, bytes + block * (ssize_t)PMEM_BLOCK));
    close(fd);
    free(bytes);
}

HARNESS_MAIN
