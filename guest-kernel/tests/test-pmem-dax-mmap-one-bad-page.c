/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A large file on a DAX file system has one bad page. Who reads through a mapping gets SIGBUS
 * at that page and nowhere else, in whatever order the pages are read, whether the kernel knew
 * of the error before or not; read(2) gives EIO there and the data everywhere else.
 *
 * The file has been mapped by huge pages where the file system could: then the kernel takes
 * away the whole of one at the first touch of the bad byte, and has to give back all other
 * pages of it when they are touched again. What it gave back is measured page by page.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "errors.h"
#include "memory.h"
#include "pmem.h"

#define FILE_NAME PMEM_MOUNT "/large"
#define SEED      UINT64_C(5000000)

/* Neither at the beginning of a page nor at that of a huge one. */
#define BAD_OFFSET 0x640

static size_t pages(void)
{
    return (size_t)test_arg_u64("size", 64 << 20) / PAGE_BYTES;
}

static size_t bad_page(void)
{
    return pages() / 2 + 123;
}

static char *map_file(int *fd)
{
    *fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);
    if (*fd < 0)
        return MAP_FAILED;
    return mmap(NULL, pages() * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
}

/* Of pages that were read: those with SIGBUS, such that are not the bad one, and wrong ones. */
struct tally {
    size_t bus, elsewhere, wrong;
};

struct look {
    const char *page;
    size_t number;
    bool right;
};

/* Pages that trade places are noticed. */
static uint64_t page_seed(size_t page)
{
    return SEED + page * PAGE_BYTES;
}

static void look_at(void *data)
{
    struct look *look = data;

    look->right = memory_differs(look->page, PAGE_BYTES, page_seed(look->number)) == PAGE_BYTES;
}

static struct tally read_all(const char *memory, bool backwards)
{
    struct tally tally = {0};

    for (size_t i = 0; i < pages(); i++) {
        size_t page = backwards ? pages() - 1 - i : i;
        struct look look = {memory + page * PAGE_BYTES, page, false};
        struct bus_error error = bus_error_in(look_at, &look);

        if (error.code) {
            tally.bus++;
            tally.elsewhere += page != bad_page();
        } else {
            tally.wrong += !look.right;
        }
    }
    return tally;
}

TEST(file_is_made)
{
    int fd;

    pmem_make("fsdax", NULL);
    pmem_wait_scrub();
    pmem_mount(true);
    fd = open(FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(posix_fallocate(fd, 0, (off_t)(pages() * PAGE_BYTES)), 0);
    close(fd);
    char *memory = map_file(&fd);
    ASSERT_NE(memory, MAP_FAILED);
    for (size_t i = 0; i < pages(); i++)
        memory_fill(memory + i * PAGE_BYTES, PAGE_BYTES, page_seed(i));
    ASSERT_EQ(msync(memory, pages() * PAGE_BYTES, MS_SYNC), 0);

    bus_errors_catch();
    struct tally tally = read_all(memory, false);
    EXPECT_EQ(tally.bus, 0);
    EXPECT_EQ(tally.wrong, 0);
}

TEST(one_page_goes_bad)
{
    int fd;
    char *memory = map_file(&fd), *bad = memory + bad_page() * PAGE_BYTES + BAD_OFFSET;

    ASSERT_NE(memory, MAP_FAILED);
    bus_errors_catch();
    /* Present, so that what happens is a machine check and not a fault. */
    ASSERT_EQ(bus_error_at(bad).code, 0);
    uint64_t address = physical_address(bad);
    ASSERT_NE(address, 0);
    ASSERT_GE(address, pmem_data());
    uint64_t consumed = pmem_count("consumed");
    pmem_lay(address, GRANULE);
    EXPECT_STREQ(pmem_badblocks(), "");

    /* The page's other lines are still good, as is the one before it. */
    EXPECT_EQ(bus_error_at(bad - BAD_OFFSET).code, 0);
    EXPECT_EQ(pmem_count("consumed"), consumed);
    struct bus_error error = bus_error_at(bad);
    EXPECT_EQ(error.code, BUS_MCEERR_AR);
    EXPECT_EQ((uintptr_t)error.address / PAGE_BYTES, (uintptr_t)bad / PAGE_BYTES);
    EXPECT_EQ(pmem_count("consumed"), consumed + 1);
    DIAG("SIGBUS at +0x%zx, lsb %d", (size_t)((char *)error.address - memory), error.lsb);
}

TEST(every_other_page_is_readable)
{
    struct tally tally;
    int fd;
    char *memory = map_file(&fd);

    ASSERT_NE(memory, MAP_FAILED);
    bus_errors_catch();
    for (int round = 0; round < 2; round++) {
        tally = read_all(memory, round == 1);
        EXPECT_EQ(tally.bus, 1);
        EXPECT_EQ(tally.elsewhere, 0);
        EXPECT_EQ(tally.wrong, 0);
    }
    rig_metric("readable", (double)(pages() - tally.bus), "pages");
    rig_metric("pages", (double)pages(), "pages");
}

/* The kernel knows, from the machine check: its list, and read(2). */
TEST(read_gives_eio_at_that_page)
{
    char bytes[PAGE_BYTES], list[8192];
    size_t failed = 0, elsewhere = 0;
    int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);

    ASSERT_GE(fd, 0);
    for (size_t i = 0; i < pages(); i++) {
        ssize_t got = pread(fd, bytes, sizeof(bytes), (off_t)(i * PAGE_BYTES));
        int error = errno;
        if (got == (ssize_t)sizeof(bytes))
            continue;
        failed++;
        elsewhere += i != bad_page() || got >= 0 || error != EIO;
    }
    EXPECT_EQ(failed, 1);
    EXPECT_EQ(elsewhere, 0);
    EXPECT_STREQ(strchr(pmem_badblocks(), ';') ? "several" : "one", "one");
    ASSERT_TRUE(pmem_list_media(list, sizeof(list)));
    EXPECT_NE(strstr(list, "\"badblock_count\":1,"), NULL);
}

/* Writing the page anew by write(2) makes the file whole again. */
TEST(rewriting_mends_it)
{
    char *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
    int fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);

    ASSERT_NE(page, NULL);
    ASSERT_GE(fd, 0);
    memory_fill(memset(page, 0, PAGE_BYTES), PAGE_BYTES, page_seed(bad_page()));
    ASSERT_EQ(pwrite(fd, page, PAGE_BYTES, (off_t)(bad_page() * PAGE_BYTES)), PAGE_BYTES);
    EXPECT_STREQ(pmem_badblocks(), "");
    memset(page, 0, PAGE_BYTES);
    ASSERT_EQ(pread(fd, page, PAGE_BYTES, (off_t)(bad_page() * PAGE_BYTES)), PAGE_BYTES);
    EXPECT_EQ(memory_differs(page, PAGE_BYTES, page_seed(bad_page())), PAGE_BYTES);
    free(page);
}

HARNESS_MAIN
