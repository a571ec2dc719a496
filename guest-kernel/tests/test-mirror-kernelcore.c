/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernelcore=mirror: on each node ZONE_MOVABLE is the memory that is not mirrored, and the
 * other zones are that which is. Argument expect: mirror, or why nothing is to change: plain
 * (Linux was not told), none (there is no mirrored memory, which Linux is to say).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "firmware.h"
#include "harness.h"

/* Where the node's memory from 4 GiB on lies; false if it has none. */
static bool node_high(unsigned node, struct range *high)
{
    for (uint32_t i = 0; i < mirror_get(MMRIG_MIRROR_NODE_COUNT); i++) {
        uint32_t at = MMRIG_MIRROR_NODE_TABLE(i);
        high->base = mirror_get64(at + MMRIG_MIRROR_ENTRY_BASE_LO);
        high->size = mirror_get64(at + MMRIG_MIRROR_ENTRY_SIZE_LO);
        if (mirror_get(at + MMRIG_MIRROR_ENTRY_NODE) == node && high->base >= FOUR_GIB)
            return true;
    }
    return false;
}

static unsigned node_number(void)
{
    unsigned most = 0;

    for (uint32_t i = 0; i < mirror_get(MMRIG_MIRROR_NODE_COUNT); i++) {
        uint32_t node = mirror_get(MMRIG_MIRROR_NODE_TABLE(i) + MMRIG_MIRROR_ENTRY_NODE);
        most = node > most ? node : most;
    }
    return most + 1;
}

/* Pages of usable memory in the range, with that mark. */
static uint64_t usable_pages(const struct efi_map *map, const struct range *range,
                             bool mirrored)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < map->count; i++) {
        const struct efi_entry *entry = &map->entries[i];
        struct ranges one = {.count = 1, .at = {{entry->base, entry->size}}};
        if (entry->usable && entry->mirrored == mirrored)
            bytes += ranges_within(&one, range->base, range->size);
    }
    return bytes / PAGE_BYTES;
}

FIXTURE(zones)
{
    struct efi_map efi;
    bool split; /* whether there is to be a ZONE_MOVABLE */
};

FIXTURE_SETUP(zones)
{
    const char *expect = test_arg("expect");

    if (expect && strcmp(expect, "none") == 0 && !kernel_is_from(6, 6))
        SKIP("Linux ignores kernelcore=mirror without mirrored memory from 6.6 on");
    self->split = !expect || strcmp(expect, "mirror") == 0;
    efi_map_read(&self->efi);
    if (!mirror_open())
        ABORT("there is no mmrig-mirror");
}

FIXTURE_TEARDOWN(zones)
{
}

TEST_F(zones, lie_as_marked)
{
    for (unsigned node = 0; node < node_number(); node++) {
        struct zone normal = zone_read(node, "Normal"), movable = zone_read(node, "Movable");
        struct range high;

        if (!node_high(node, &high))
            continue;
        uint64_t mirrored = usable_pages(&self->efi, &high, true);
        uint64_t other = usable_pages(&self->efi, &high, false);
        DIAG("node %u from 4 GiB on: %" PRIu64 " pages mirrored, %" PRIu64
             " not; Normal has %" PRIu64 ", Movable %" PRIu64,
             node, mirrored, other, normal.present, movable.present);
        ASSERT_GT(other, 0);
        if (self->split) {
            ASSERT_GT(mirrored, 0);
            EXPECT_EQ(movable.present, other);
            EXPECT_EQ(normal.present, mirrored);
            /* The share is at the start of the node's memory. */
            EXPECT_EQ(normal.start, high.base / PAGE_BYTES);
            EXPECT_EQ(movable.start, high.base / PAGE_BYTES + mirrored);
        } else {
            EXPECT_EQ(movable.present, 0);
            EXPECT_EQ(normal.present, mirrored + other);
        }
    }
}

TEST_F(zones, kernel_says)
{
    const char *expect = test_arg("expect");
    bool none = expect && strcmp(expect, "none") == 0;

    EXPECT_EQ(kernel_said("The system has no mirror memory, ignore kernelcore=mirror", NULL, 0),
              none);
    EXPECT_FALSE(
        kernel_said("This configuration results in unmirrored kernel memory", NULL, 0));
}

/* What a process touches is movable, so it goes where errors hit it alone. */
TEST_F(zones, user_memory)
{
    const size_t size = 32 << 20;
    struct ranges mirrored = {0};
    size_t inside = 0;

    efi_map_mirrored(&self->efi, &mirrored);
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(at, MAP_FAILED);
    for (size_t i = 0; i < size; i += PAGE_BYTES) {
        at[i] = 1;
        uint64_t address = physical_address(at + i);
        ASSERT_NE(address, 0);
        inside += ranges_within(&mirrored, address, PAGE_BYTES) != 0;
    }
    DIAG("%zu of %zu pages of user memory are mirrored", inside, (size_t)(size / PAGE_BYTES));
    if (self->split)
        EXPECT_EQ(inside, 0);
    munmap(at, size);
}

HARNESS_MAIN
