/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Under a load of all kinds, the slabs and page tables lie in mirrored memory, and what
 * programs have lies outside: by the flags of every page frame (Linux
 * Documentation/admin-guide/mm/pagemap.rst). A page that the kernel took for itself has none,
 * and neither has a free one on a list of one processor's: for these there is
 * test-mirror-kernel-pages.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "firmware.h"
#include "harness.h"
#include "mirror-load.h"

/* Bits of /proc/kpageflags. */
#define KPF(bit)  (1ull << (bit))
#define LRU       KPF(5)
#define SLAB      KPF(7)
#define BUDDY     KPF(10)
#define MMAP      KPF(11)
#define ANON      KPF(12)
#define NOPAGE    KPF(20)
#define PAGETABLE KPF(26)

struct census {
    uint64_t slab, tables, user;
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
    else if (flags & (LRU | MMAP | ANON))
        census->user++;
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
    DIAG("%s: mirrored: slab %" PRIu64 " tables %" PRIu64 " user %" PRIu64
         "; other: slab %" PRIu64 " tables %" PRIu64 " user %" PRIu64,
         when, both->mirrored.slab, both->mirrored.tables, both->mirrored.user,
         both->other.slab, both->other.tables, both->other.user);
}

TEST(flags_of_every_page)
{
    struct both before, after;
    struct load load;

    efi_map_read(&map);
    take_census(&before);
    tell("before", &before);
    load_begin(&load);
    take_census(&after);
    tell("after", &after);
    load_end();

    /* The load is there, and the kernel's part of it in the right place. */
    EXPECT_GE(after.mirrored.slab, before.mirrored.slab + LOAD_FILES / 16);
    EXPECT_GE(after.mirrored.tables, before.mirrored.tables + LOAD_TABLES);
    EXPECT_EQ(after.other.slab, 0);
    EXPECT_EQ(after.other.tables, 0);
    /* Programs and their files have gone to the rest. */
    EXPECT_GE(after.other.user,
              before.other.user + (LOAD_CACHE_BYTES + LOAD_USER_BYTES) / PAGE_BYTES);
}

HARNESS_MAIN
