/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk's DMA meets bad memory: more than one page of a request is bad. The disk must not
 * break of it; and what it stores into bad lines makes them good. The kernel takes no part:
 * with O_DIRECT no processor touches the data.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "errors.h"
#include "memory.h"

#define DISK  "/dev/vda"
#define PAGES 4

static size_t page_bytes;
static unsigned char *buffer;

static unsigned char pattern(size_t at)
{
    return (unsigned char)(at * 7 + at / page_bytes);
}

/* Pages of this process, in memory and to stay there. */
static void buffer_make(void)
{
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    buffer = mmap(NULL, PAGES * page_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
    ASSERT_NE((void *)buffer, MAP_FAILED);
    for (size_t i = 0; i < PAGES * page_bytes; i++)
        buffer[i] = pattern(i);
}

static int disk_open(void)
{
    int fd = open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC);

    ASSERT_GE(fd, 0);
    return fd;
}

/* One line each in the first and the third page. */
static void buffer_spoil(void)
{
    poison_lay(physical_address(buffer) + GRANULE, GRANULE);
    poison_lay(physical_address(buffer + 2 * page_bytes) + 2 * GRANULE, GRANULE);
}

/* The disk does what it did before: a page of its own to and fro. */
static void expect_disk_works(int fd)
{
    unsigned char *page = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    ASSERT_NE((void *)page, MAP_FAILED);
    memset(page, 0x5a, page_bytes);
    ASSERT_EQ(pwrite(fd, page, page_bytes, 1 << 20), (ssize_t)page_bytes);
    memset(page, 0, page_bytes);
    ASSERT_EQ(pread(fd, page, page_bytes, 1 << 20), (ssize_t)page_bytes);
    for (size_t i = 0; i < page_bytes; i++)
        ASSERT_EQ(page[i], 0x5a);
}

TEST(disk_reads_bad_memory)
{
    int fd = disk_open();

    buffer_make();
    uint64_t before = poison_count("consumed-dma");
    buffer_spoil();
    ssize_t written = pwrite(fd, buffer, PAGES * page_bytes, 0);
    /* Whether the disk says so is its own affair (docs/devices/ras.md). */
    DIAG("the write: %s", written < 0 ? strerror(errno) : "done");
    EXPECT_TRUE(written == (ssize_t)(PAGES * page_bytes) || (written < 0 && errno == EIO));
    EXPECT_GE(poison_count("consumed-dma"), before + 2);
    EXPECT_EQ(poison_count("consumed-loads"), 0);
    expect_disk_works(fd);
    poison_clear(physical_address(buffer), page_bytes);
    poison_clear(physical_address(buffer + 2 * page_bytes), page_bytes);
}

TEST(disk_stores_into_bad_memory)
{
    int fd = disk_open();

    buffer_make();
    ASSERT_EQ(pwrite(fd, buffer, PAGES * page_bytes, 0), (ssize_t)(PAGES * page_bytes));
    memset(buffer, 0, PAGES * page_bytes);
    buffer_spoil();
    ASSERT_EQ(poison_count("poisoned"), 2);
    ASSERT_EQ(pread(fd, buffer, PAGES * page_bytes, 0), (ssize_t)(PAGES * page_bytes));
    ASSERT_EQ(poison_count("poisoned"), 0);
    for (size_t i = 0; i < PAGES * page_bytes; i++)
        ASSERT_EQ(buffer[i], pattern(i));
    EXPECT_EQ(poison_count("consumed-loads"), 0);
    expect_disk_works(fd);
}

HARNESS_MAIN
