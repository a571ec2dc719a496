/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Under a load of all kinds, every page that is the kernel's own lies in mirrored memory, and
 * what programs have lies outside: by the flags of every page frame (Linux
 * Documentation/admin-guide/mm/pagemap.rst).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware.h"
#include "harness.h"

/* Bits of /proc/kpageflags. */
#define KPF(bit)  (1ull << (bit))
#define LRU       KPF(5)
#define SLAB      KPF(7)
#define BUDDY     KPF(10)
#define MMAP      KPF(11)
#define ANON      KPF(12)
#define TAIL      KPF(16)
#define NOPAGE    KPF(20)
#define PAGETABLE KPF(26)

#define FILES       4000
#define PIPES       64
#define PIPE_PAGES  16
#define SOCKETS     32
#define TABLES      1024 /* of pages, 2 MiB apart */
#define CACHE_BYTES (64ull << 20)
#define USER_BYTES  (64ull << 20)
#define HUGE        (2ull << 20)

/* What stands on lists of single processors is free and has no flag that says so. */
#define LISTED_MAX 2048

struct census {
    uint64_t slab, tables, plain, user;
};

struct both {
    struct census mirrored, other;
};

static struct efi_map map;

static void count(struct census *census, uint64_t flags)
{
    if (flags & (NOPAGE | BUDDY))
        return;
    if (flags & SLAB)
        census->slab++;
    else if (flags & PAGETABLE)
        census->tables++;
    else if (flags & (LRU | MMAP | ANON | TAIL))
        census->user++;
    else if (!flags)
        census->plain++;
}

/* Of all memory from 4 GiB on, where there are both kinds. */
static void take_census(struct both *both)
{
    static uint64_t flags[16384];
    int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        ABORT("/proc/kpageflags: %s", strerror(errno));
    memset(both, 0, sizeof(*both));
    for (size_t i = 0; i < map.count; i++) {
        const struct efi_entry *entry = &map.entries[i];
        if (entry->base < FOUR_GIB || !entry->usable)
            continue;
        uint64_t page = entry->base / PAGE_BYTES, left = entry->size / PAGE_BYTES;
        while (left > 0) {
            size_t batch = left < 16384 ? left : 16384;
            ssize_t got =
                pread(fd, flags, batch * sizeof(flags[0]), (off_t)(page * sizeof(flags[0])));
            if (got <= 0)
                ABORT("/proc/kpageflags: %s", got ? strerror(errno) : "too short");
            size_t pages = (size_t)got / sizeof(flags[0]);
            for (size_t j = 0; j < pages; j++)
                count(entry->mirrored ? &both->mirrored : &both->other, flags[j]);
            page += pages;
            left -= pages;
        }
    }
    close(fd);
}

static void tell(const char *when, const struct both *both)
{
    DIAG("%s: mirrored: slab %" PRIu64 " tables %" PRIu64 " plain %" PRIu64 " user %" PRIu64
         "; other: slab %" PRIu64 " tables %" PRIu64 " plain %" PRIu64 " user %" PRIu64,
         when, both->mirrored.slab, both->mirrored.tables, both->mirrored.plain,
         both->mirrored.user, both->other.slab, both->other.tables, both->other.plain,
         both->other.user);
}

/* Inodes and directory entries. */
static void load_slab(void)
{
    char path[64];

    ASSERT_EQ(mount("load", "/mnt", "tmpfs", 0, NULL), 0);
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(path, sizeof(path), "/mnt/file-with-a-name-of-its-own-%u", i);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        ASSERT_GE(fd, 0);
        close(fd);
    }
}

static void load_cache(void)
{
    static char block[1 << 20];
    int fd = open("/mnt/cache", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    ASSERT_GE(fd, 0);
    memset(block, 1, sizeof(block));
    for (size_t i = 0; i < CACHE_BYTES / sizeof(block); i++)
        ASSERT_EQ(write(fd, block, sizeof(block)), (ssize_t)sizeof(block));
    close(fd);
}

/* A page in every 2 MiB takes a table of its own. */
static void load_tables(void)
{
    char *at = mmap(NULL, TABLES * HUGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    ASSERT_NE(at, MAP_FAILED);
    ASSERT_EQ(madvise(at, TABLES * HUGE, MADV_NOHUGEPAGE), 0);
    for (size_t i = 0; i < TABLES; i++)
        at[i * HUGE] = 1;
}

static void load_pipes(void)
{
    static char data[PIPE_PAGES * PAGE_BYTES];

    for (unsigned i = 0; i < PIPES; i++) {
        int ends[2];
        ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        ASSERT_EQ(write(ends[1], data, sizeof(data)), (ssize_t)sizeof(data));
    }
}

static void load_network(void)
{
    static char data[4096];

    for (unsigned i = 0; i < SOCKETS; i++) {
        int ends[2];
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        while (write(ends[0], data, sizeof(data)) > 0)
            ;
        ASSERT_EQ(errno, EAGAIN);
    }
}

static void load_user(void)
{
    char *at =
        mmap(NULL, USER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ASSERT_NE(at, MAP_FAILED);
    memset(at, 1, USER_BYTES);
}

TEST(every_kernel_page_is_mirrored)
{
    struct both before, after;

    efi_map_read(&map);
    take_census(&before);
    tell("before", &before);
    load_slab();
    load_cache();
    load_tables();
    load_pipes();
    load_network();
    load_user();
    take_census(&after);
    tell("after", &after);
    umount2("/mnt", MNT_DETACH);

    /* The load is there, and the kernel's part of it in the right place. */
    EXPECT_GE(after.mirrored.slab, before.mirrored.slab + FILES / 16);
    EXPECT_GE(after.mirrored.tables, before.mirrored.tables + TABLES);
    EXPECT_GE(after.mirrored.plain + LISTED_MAX, before.mirrored.plain + PIPES * PIPE_PAGES);
    EXPECT_EQ(after.other.slab, 0);
    EXPECT_EQ(after.other.tables, 0);
    EXPECT_LE(after.other.plain, LISTED_MAX);
    /* Programs and their files have gone to the rest. */
    EXPECT_GE(after.other.user, before.other.user + (CACHE_BYTES + USER_BYTES) / PAGE_BYTES);
}

HARNESS_MAIN
