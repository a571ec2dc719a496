/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells the memory map as the guest sees it, in lines for `mmrig memmap`
 * (rig/memmap/memmap.h), and that it holds together.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "firmware.h"
#include "harness.h"

static struct efi_map map;

/* What Linux makes of mirrored memory, in its own words. */
static const char *const sayings[] = {
    "mirrored memory",
    "The system has no mirror memory, ignore kernelcore=mirror",
    "This configuration results in unmirrored kernel memory",
};

static void tell_zones(void)
{
    static const char *const names[] = {"DMA", "DMA32", "Normal", "Movable", "Device"};

    for (unsigned node = 0; node < 8; node++) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            struct zone zone = zone_read(node, names[i]);
            if (zone.there && zone.present)
                DIAG("memmap zone %u 0x%llx 0x%llx 0x%llx 0x%llx %s", node,
                     zone.start * PAGE_BYTES, zone.spanned * PAGE_BYTES,
                     zone.present * PAGE_BYTES, zone.managed * PAGE_BYTES, names[i]);
        }
    }
}

static void tell_iomem(void)
{
    char line[256];
    uint64_t base, end;
    FILE *file = fopen("/proc/iomem", "re");

    if (!file)
        ABORT("/proc/iomem: %s", strerror(errno));
    while (fgets(line, sizeof(line), file)) {
        int at = 0;
        line[strcspn(line, "\n")] = '\0';
        /* What is inside of something else is indented. */
        if (line[0] != ' ' &&
            sscanf(line, "%" SCNx64 "-%" SCNx64 " : %n", &base, &end, &at) == 2 && at > 0 &&
            end >= base)
            DIAG("memmap iomem 0x%" PRIx64 " 0x%" PRIx64 " %s", base, end - base + 1,
                 line + at);
    }
    fclose(file);
}

TEST(tells)
{
    char line[256];

    efi_map_read(&map);
    for (size_t i = 0; i < map.count; i++) {
        const struct efi_entry *entry = &map.entries[i];
        DIAG("memmap efi 0x%" PRIx64 " 0x%" PRIx64 " %s%s%s %s", entry->base, entry->size,
             entry->mirrored ? "m" : "", entry->specific ? "s" : "", entry->usable ? "u" : "-",
             entry->type);
    }
    nodes_read();
    for (size_t i = 0; i < nodes_count; i++)
        DIAG("memmap node %u 0x%" PRIx64 " 0x%" PRIx64, nodes[i].node, nodes[i].base,
             nodes[i].size);
    tell_zones();
    tell_iomem();
    for (size_t i = 0; i < sizeof(sayings) / sizeof(sayings[0]); i++)
        if (kernel_said(sayings[i], line, sizeof(line)))
            DIAG("memmap says %s", line);
}

/* No two entries overlap, and whatever is System RAM is usable in the firmware's map. */
TEST(holds_together)
{
    struct ranges usable = {0};
    char line[256];
    uint64_t base, end, ram = 0;
    FILE *file = fopen("/proc/iomem", "re");

    ASSERT_TRUE(file != NULL);
    efi_map_read(&map);
    for (size_t i = 0; i < map.count; i++) {
        if (i > 0)
            EXPECT_GE(map.entries[i].base, map.entries[i - 1].base + map.entries[i - 1].size);
        if (map.entries[i].usable)
            ranges_add(&usable, map.entries[i].base, map.entries[i].size);
    }
    while (fgets(line, sizeof(line), file)) {
        if (line[0] == ' ' || !strstr(line, "System RAM") ||
            sscanf(line, "%" SCNx64 "-%" SCNx64, &base, &end) != 2)
            continue;
        EXPECT_EQ(ranges_within(&usable, base, end - base + 1), end - base + 1);
        ram += end - base + 1;
    }
    fclose(file);
    EXPECT_GT(ram, 0);
}

HARNESS_MAIN
