/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Under a load of all kinds, every page that is the kernel's own lies in mirrored memory, and
 * what programs have lies outside: by the view of the module mmrig-pages. What any kernel tells
 * of it is in test-mirror-kernel-flags.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "firmware.h"
#include "harness.h"
#include "mirror-load.h"
#include "pages.h"

static struct efi_map map;

#define ZONES (MMRIG_PAGES_ZONE_DEVICE + 1)

/* Of memory from 4 GiB on: how many frames there are of each kind, and of each zone. */
struct part {
    uint64_t kinds[MMRIG_PAGES_KINDS], zones[ZONES];
};

struct view {
    struct part mirrored, other;
};

static void add_entry(struct part *part, const struct pages_frames *frames,
                      const struct efi_entry *entry)
{
    for (uint64_t i = 0; i < entry->size / PAGE_BYTES; i++) {
        uint64_t pfn = entry->base / PAGE_BYTES + i;
        uint32_t kind = pages_frame_kind(frames, pfn);
        if (kind == MMRIG_PAGES_NONE)
            continue;
        uint32_t zone = MMRIG_PAGES_ZONE(frames->words[pfn]);
        ASSERT_LT(kind, MMRIG_PAGES_KINDS);
        ASSERT_LT(zone, ZONES);
        part->kinds[kind]++;
        part->zones[zone]++;
    }
}

static struct view view_of(const struct pages_frames *frames)
{
    struct view view = {0};

    for (size_t i = 0; i < map.count; i++) {
        const struct efi_entry *entry = &map.entries[i];
        if (entry->base >= FOUR_GIB && entry->usable)
            add_entry(entry->mirrored ? &view.mirrored : &view.other, frames, entry);
    }
    return view;
}

static void tell_part(const char *when, const char *where, const struct part *part)
{
    const uint64_t *kinds = part->kinds;

    DIAG("%s: %s: reserved %" PRIu64 " free %" PRIu64 " listed %" PRIu64 " slab %" PRIu64
         " tables %" PRIu64 " kernel %" PRIu64 " user %" PRIu64 "; normal %" PRIu64
         " movable %" PRIu64,
         when, where, kinds[MMRIG_PAGES_RESERVED], kinds[MMRIG_PAGES_FREE],
         kinds[MMRIG_PAGES_LISTED], kinds[MMRIG_PAGES_SLAB], kinds[MMRIG_PAGES_TABLE],
         kinds[MMRIG_PAGES_KERNEL], kinds[MMRIG_PAGES_USER],
         part->zones[MMRIG_PAGES_ZONE_NORMAL], part->zones[MMRIG_PAGES_ZONE_MOVABLE]);
}

static void take_frames(struct pages_frames *frames)
{
    /*
     * A page of a file that is gone, and that waits for its way to the LRU lists, belongs to
     * nobody: this sends them all on their way.
     */
    if (!file_write("/proc/sys/vm/drop_caches", "1"))
        ABORT("/proc/sys/vm/drop_caches: %s", strerror(errno));
    pages_frames_take(frames);
}

static struct view take_view(const char *when)
{
    struct pages_frames frames;

    take_frames(&frames);
    struct view view = view_of(&frames);
    pages_frames_free(&frames);
    tell_part(when, "mirrored", &view.mirrored);
    tell_part(when, "other", &view.other);
    return view;
}

static void expect_none_outside(const struct view *view)
{
    EXPECT_EQ(view->other.kinds[MMRIG_PAGES_SLAB], 0);
    EXPECT_EQ(view->other.kinds[MMRIG_PAGES_TABLE], 0);
    EXPECT_EQ(view->other.kinds[MMRIG_PAGES_KERNEL], 0);
    EXPECT_EQ(view->other.kinds[MMRIG_PAGES_RESERVED], 0);
    /* Nor can there be any. */
    EXPECT_EQ(view->other.zones[MMRIG_PAGES_ZONE_NORMAL], 0);
    EXPECT_EQ(view->mirrored.zones[MMRIG_PAGES_ZONE_MOVABLE], 0);
}

/* How many pages of a program's lie in mirrored memory, or below 4 GiB. */
static uint64_t misplaced(const struct ranges *mirrored, const char *at, uint64_t bytes)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < bytes; i += PAGE_BYTES) {
        uint64_t address = physical_address(at + i);
        ASSERT_NE(address, 0);
        count += address < FOUR_GIB || ranges_within(mirrored, address, PAGE_BYTES) > 0;
    }
    return count;
}

TEST(module_sees_every_page)
{
    struct ranges mirrored = {0};
    struct load load;

    pages_need();
    efi_map_read(&map);
    efi_map_mirrored(&map, &mirrored);
    struct view before = take_view("before");
    expect_none_outside(&before);
    load_begin(&load);
    struct view after = take_view("after");

    expect_none_outside(&after);
    EXPECT_GE(after.mirrored.kinds[MMRIG_PAGES_SLAB],
              before.mirrored.kinds[MMRIG_PAGES_SLAB] + LOAD_FILES / 16);
    EXPECT_GE(after.mirrored.kinds[MMRIG_PAGES_TABLE],
              before.mirrored.kinds[MMRIG_PAGES_TABLE] + LOAD_TABLES);
    EXPECT_GE(after.mirrored.kinds[MMRIG_PAGES_KERNEL],
              before.mirrored.kinds[MMRIG_PAGES_KERNEL] + LOAD_PIPES * LOAD_PIPE_PAGES);
    EXPECT_EQ(misplaced(&mirrored, load.cache, LOAD_CACHE_BYTES), 0);
    EXPECT_EQ(misplaced(&mirrored, load.user, LOAD_USER_BYTES), 0);
    load_end();
}

/* The view has an eye for a single page: it counts what is put where it does not belong. */
TEST(module_sees_one_page)
{
    pages_need();
    efi_map_read(&map);
    int fd = pages_hold_open();
    ASSERT_TRUE(pages_hold(fd, "movable", 1));
    EXPECT_EQ(take_view("one page").other.kinds[MMRIG_PAGES_KERNEL], 1);
    ASSERT_TRUE(pages_hold(fd, "movable", 200));
    EXPECT_EQ(take_view("201 pages").other.kinds[MMRIG_PAGES_KERNEL], 201);
    close(fd);
    EXPECT_EQ(take_view("none").other.kinds[MMRIG_PAGES_KERNEL], 0);
}

/* Each way in which the kernel allocates, for programs on each node in turn. */
FIXTURE(allocation)
{
    struct ranges mirrored;
};

FIXTURE_VARIANT(allocation)
{
    const char *kind;
    unsigned count;
    unsigned pages;    /* how many pages so many have at least */
    unsigned owners;   /* bits by enum mmrig_pages_kind: who may have them */
    bool heeds_policy; /* a program's memory policy decides on the node */
    bool outside;      /* not in mirrored memory, but in all other */
};

#define SLAB_PAGES     (1u << MMRIG_PAGES_SLAB)
#define KERNEL_PAGES   (1u << MMRIG_PAGES_KERNEL)
#define RESERVED_PAGES (1u << MMRIG_PAGES_RESERVED)

/* clang-format off */
FIXTURE_VARIANT_ADD(allocation, kmalloc) {"kmalloc", 512, 128, SLAB_PAGES, false, false};
FIXTURE_VARIANT_ADD(allocation, cache) {"cache", 512, 64, SLAB_PAGES, false, false};
FIXTURE_VARIANT_ADD(allocation, page) {"page", 1024, 1024, KERNEL_PAGES, true, false};
FIXTURE_VARIANT_ADD(allocation, block) {"block", 128, 1024, KERNEL_PAGES, true, false};
FIXTURE_VARIANT_ADD(allocation, compound) {"compound", 128, 1024, KERNEL_PAGES, true, false};
FIXTURE_VARIANT_ADD(allocation, vmalloc) {"vmalloc", 256, 1024, KERNEL_PAGES, true, false};
/* The first of it was set aside before there was a page allocator. */
FIXTURE_VARIANT_ADD(allocation, percpu) {"percpu", 512, 128, KERNEL_PAGES | RESERVED_PAGES, false, false};
FIXTURE_VARIANT_ADD(allocation, thread) {"thread", 64, 256, KERNEL_PAGES, false, false};
FIXTURE_VARIANT_ADD(allocation, dma) {"dma", 256, 512, KERNEL_PAGES, false, false};
FIXTURE_VARIANT_ADD(allocation, skb) {"skb", 256, 512, SLAB_PAGES | KERNEL_PAGES, false, false};
/* The same allocator, asked for what could be moved. */
FIXTURE_VARIANT_ADD(allocation, movable) {"movable", 1024, 1024, KERNEL_PAGES, true, true};
/* clang-format on */

FIXTURE_SETUP(allocation)
{
    pages_need();
    efi_map_read(&map);
    efi_map_mirrored(&map, &self->mirrored);
    nodes_read();
}

static int by_pfn(const void *a, const void *b)
{
    const struct pages_held *one = a, *other = b;

    return (one->pfn > other->pfn) - (one->pfn < other->pfn);
}

static void check_allocations(const struct ranges *mirrored,
                              const struct variant_allocation *variant, unsigned node)
{
    unsigned long mask = 1ul << node;
    size_t count, pages = 0, misplaced = 0, strange = 0, elsewhere = 0, disagree = 0;
    uint64_t wrong = 0;
    struct pages_frames frames;

    ASSERT_EQ(syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof(mask)), 0);
    int fd = pages_hold_open();
    ASSERT_TRUE(pages_hold(fd, variant->kind, variant->count));
    ASSERT_EQ(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0), 0);
    take_frames(&frames);
    struct view view = view_of(&frames);
    const struct part *avoided = variant->outside ? &view.mirrored : &view.other;
    struct pages_held *held = pages_held(fd, &count);
    qsort(held, count, sizeof(held[0]), by_pfn);
    for (size_t i = 0; i < count; i++) {
        uint64_t pfn = held[i].pfn;
        ASSERT_LT(pfn, frames.count);
        uint32_t word = frames.words[pfn];

        /* Small ones share a page. */
        if (i > 0 && pfn == held[i - 1].pfn)
            continue;
        pages++;
        misplaced +=
            (ranges_within(mirrored, pfn * PAGE_BYTES, PAGE_BYTES) > 0) == variant->outside;
        ASSERT_LT(MMRIG_PAGES_ZONE(word), ZONES);
        wrong |= avoided->zones[MMRIG_PAGES_ZONE(word)];
        strange += !(variant->owners & 1u << MMRIG_PAGES_KIND(word));
        elsewhere += held[i].node != node;
        disagree += MMRIG_PAGES_NODE(word) != held[i].node;
    }
    DIAG("%s: node %u: %zu pages, %zu of them on another node, %zu misplaced", variant->kind,
         node, pages, elsewhere, misplaced);
    EXPECT_GE(pages, variant->pages);
    EXPECT_EQ(misplaced, 0);
    /* That is no accident: the zones that it comes from have no other memory. */
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(strange, 0);
    EXPECT_EQ(disagree, 0);
    if (variant->heeds_policy)
        EXPECT_EQ(elsewhere, 0);
    free(held);
    pages_frames_free(&frames);
    close(fd);
}

TEST_F(allocation, is_where_it_belongs)
{
    unsigned done = 0;

    for (size_t i = 0; i < nodes_count; i++)
        if (nodes[i].base >= FOUR_GIB) {
            check_allocations(&self->mirrored, variant, nodes[i].node);
            done++;
        }
    /* A machine without nodes. */
    if (done == 0)
        check_allocations(&self->mirrored, variant, 0);
}

TEST(module_refuses_nonsense)
{
    static const char *const nonsense[] = {
        "\n",
        " ",
        "page",
        "page ",
        "page -1",
        "page 1x",
        "page 1 1",
        "page 1025",
        "page 99999999999999999999",
        "pages 1",
        "1 page",
        "page 1                                                                    ",
    };

    pages_need();
    int fd = pages_hold_open();
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        errno = 0;
        bool taken = write(fd, nonsense[i], strlen(nonsense[i])) >= 0;
        if (taken || (errno != EINVAL && errno != ERANGE))
            DIAG("'%s': %s", nonsense[i], taken ? "was taken" : strerror(errno));
        EXPECT_FALSE(taken);
        EXPECT_TRUE(errno == EINVAL || errno == ERANGE);
    }
    size_t count;
    free(pages_held(fd, &count));
    EXPECT_EQ(count, 0);
    /* No more than so many, however many files are open. */
    int other = pages_hold_open();
    unsigned held = 0;
    while (pages_hold(held < MMRIG_PAGES_HELD_MAX / 2 ? fd : other, "kmalloc", 1024))
        ASSERT_LE(held += 1024, MMRIG_PAGES_HELD_MAX);
    EXPECT_EQ(errno, ENOSPC);
    EXPECT_EQ(held, MMRIG_PAGES_HELD_MAX);
    close(fd);
    close(other);
    fd = pages_hold_open();
    EXPECT_TRUE(pages_hold(fd, "kmalloc", 1024));
    close(fd);
}

HARNESS_MAIN
