/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ranges that were asked for are those that the firmware applied and Linux reports, to the
 * page. Arguments: mirror= and specific=, the ranges that are to come out; with share=yes each
 * node's share is worked out from percent (hundredths) and below=1 instead.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "firmware.h"
#include "harness.h"

#define GRANULE (2ull << 20)

FIXTURE(map)
{
    struct efi_map efi;
};

FIXTURE_SETUP(map)
{
    efi_map_read(&self->efi);
    if (!mirror_open())
        ABORT("there is no mmrig-mirror");
}

FIXTURE_TEARDOWN(map)
{
}

/* Below 1 MiB a PC has its legacy video memory and ROMs in the place of memory. */
#define HOLE     0xa0000ull
#define HOLE_END 0x100000ull

static void add_low(struct ranges *ranges)
{
    uint64_t end = 0;

    for (uint32_t i = 0; i < mirror_get(MMRIG_MIRROR_NODE_COUNT); i++) {
        uint32_t at = MMRIG_MIRROR_NODE_TABLE(i);
        uint64_t base = mirror_get64(at + MMRIG_MIRROR_ENTRY_BASE_LO);
        if (base < FOUR_GIB)
            end = base + mirror_get64(at + MMRIG_MIRROR_ENTRY_SIZE_LO);
    }
    ranges_add(ranges, 0, HOLE);
    ranges_add(ranges, HOLE_END, end - HOLE_END);
}

static void add_shares(uint64_t percent, struct ranges *ranges)
{
    for (uint32_t i = 0; i < mirror_get(MMRIG_MIRROR_NODE_COUNT); i++) {
        uint32_t at = MMRIG_MIRROR_NODE_TABLE(i);
        uint64_t base = mirror_get64(at + MMRIG_MIRROR_ENTRY_BASE_LO);
        uint64_t size = mirror_get64(at + MMRIG_MIRROR_ENTRY_SIZE_LO);
        DIAG("node %u: 0x%" PRIx64 "+0x%" PRIx64, mirror_get(at + MMRIG_MIRROR_ENTRY_NODE),
             base, size);
        if (base >= FOUR_GIB)
            ranges_add(ranges, base, size * percent / 10000 / GRANULE * GRANULE);
    }
}

static void expected(struct ranges *mirror, struct ranges *specific)
{
    ranges_parse(specific, test_arg("specific"));
    if (!test_arg("share")) {
        ranges_parse(mirror, test_arg("mirror"));
        return;
    }
    if (test_arg_u64("below", 0))
        add_low(mirror);
    add_shares(test_arg_u64("percent", 0), mirror);
}

TEST_F(map, applied_as_asked)
{
    struct ranges mirror = {0}, specific = {0}, applied_mirror = {0}, applied_specific = {0};
    uint32_t count = mirror_get(MMRIG_MIRROR_APPLIED_COUNT);

    ASSERT_EQ(mirror_get(MMRIG_MIRROR_STATUS),
              test_arg_u64("status", MMRIG_MIRROR_STATUS_DONE));
    EXPECT_EQ(mirror_get(MMRIG_MIRROR_ERROR), MMRIG_MIRROR_OK);
    if (test_arg("status")) {
        EXPECT_EQ(mirror_get64(MMRIG_MIRROR_STATUS_DETAIL_LO), test_arg_u64("detail", 0));
        EXPECT_EQ(count, 0);
        return;
    }
    expected(&mirror, &specific);
    mirror_table(mirror_applied, count, MMRIG_MIRROR_ATTRIBUTE_MIRROR, &applied_mirror);
    mirror_table(mirror_applied, count, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC, &applied_specific);
    ranges_expect_equal("mirrored: asked and applied", &mirror, &applied_mirror);
    ranges_expect_equal("specific: asked and applied", &specific, &applied_specific);
}

TEST_F(map, reported_to_the_page)
{
    struct ranges mirror = {0}, specific = {0}, map_mirror = {0}, map_specific = {0};

    expected(&mirror, &specific);
    efi_map_mirrored(&self->efi, &map_mirror);
    efi_map_specific(&self->efi, &map_specific);
    ranges_expect_equal("mirrored: asked and in Linux's map", &mirror, &map_mirror);
    ranges_expect_equal("specific: asked and in Linux's map", &specific, &map_specific);
    rig_metric("mirrored", (double)ranges_bytes(&map_mirror), "B");
}

/* "efi: Memory: 1279M/2307M mirrored memory" */
TEST_F(map, total)
{
    struct ranges mirror = {0}, specific = {0};
    uint64_t megabytes = 0;
    char line[256];

    expected(&mirror, &specific);
    if (ranges_bytes(&mirror) == 0) {
        EXPECT_FALSE(kernel_said("mirrored memory", NULL, 0));
        return;
    }
    ASSERT_TRUE(kernel_said("mirrored memory", line, sizeof(line)));
    ASSERT_EQ(sscanf(line, "efi: Memory: %" SCNu64 "M/", &megabytes), 1);
    EXPECT_EQ(megabytes, ranges_bytes(&mirror) >> 20);
}

HARNESS_MAIN
