/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nothing below 4 GiB is mirrored, and Linux was told to keep to mirrored memory: it complains,
 * and what it keeps below 4 GiB is not mirrored.
 */
#include <inttypes.h>
#include <stdio.h>

#include "firmware.h"
#include "harness.h"

TEST(linux_complains)
{
    char line[256] = "";

    /* mm/mm_init.c, find_zone_movable_pfns_for_nodes(). */
    EXPECT_TRUE(kernel_said("This configuration results in unmirrored kernel memory", line,
                            sizeof(line)));
    DIAG("%s", line);
}

TEST(kernel_memory_is_unmirrored)
{
    static struct efi_map map;
    struct ranges mirrored = {0};
    struct zone low = zone_read(0, "DMA32"), movable = zone_read(0, "Movable");
    uint64_t in_low;

    efi_map_read(&map);
    efi_map_mirrored(&map, &mirrored);
    in_low = ranges_within(&mirrored, 0, FOUR_GIB);
    DIAG("below 4 GiB %" PRIu64 " pages are the kernel's, of which 0x%" PRIx64
         " bytes are mirrored; it allocates there for devices, in initialisation, and when "
         "nothing else is left",
         low.present, in_low);
    EXPECT_EQ(in_low, 0);
    EXPECT_GT(low.present, 0);
    EXPECT_GT(movable.present, 0);
    EXPECT_GT(ranges_bytes(&mirrored), 0);
    rig_metric("unmirrored-kernel-memory", (double)(low.present * PAGE_BYTES), "B");
}

HARNESS_MAIN
