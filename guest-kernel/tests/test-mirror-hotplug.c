/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is added while the machine runs is not mirrored, so it must not be the kernel's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "firmware.h"
#include "harness.h"

#define BYTES   (256ull << 20)
#define SECONDS 60.0

static const char *device_id(void)
{
    const char *id = test_arg("id");

    return id ? id : "vm0";
}

/* The lines of /proc/iomem with the text, as ranges. */
static void iomem(const char *text, struct ranges *ranges)
{
    char line[256];
    uint64_t base, end;
    FILE *file = fopen("/proc/iomem", "re");

    if (!file)
        ABORT("/proc/iomem: %s", strerror(errno));
    while (fgets(line, sizeof(line), file))
        if (strstr(line, text) && sscanf(line, " %" SCNx64 "-%" SCNx64, &base, &end) == 2)
            ranges_add(ranges, base, end - base + 1);
    fclose(file);
}

static bool plugged(void *data)
{
    struct rig_reply reply;

    if (!rig_request(&reply, "virtio-mem-query", "id=%s", device_id()))
        ABORT("cannot go on without virtio-mem-query");
    return rig_reply_u64(&reply, "plugged") == BYTES &&
           meminfo_kb("MemTotal") >= *(const uint64_t *)data + BYTES / 1024;
}

TEST(added_memory_is_movable)
{
    unsigned node = (unsigned)test_arg_u64("node", 0);
    struct zone normal = zone_read(node, "Normal"), movable = zone_read(node, "Movable");
    struct ranges added = {0}, mirrored = {0};
    static struct efi_map map;
    uint64_t before = meminfo_kb("MemTotal");
    struct rig_reply reply;

    ASSERT_TRUE(rig_request(&reply, "virtio-mem-set", "id=%s requested=%llu", device_id(),
                            (unsigned long long)BYTES));
    ASSERT_TRUE(rig_request(&reply, "virtio-mem-query", "id=%s", device_id()));
    ASSERT_EQ(rig_reply_u64(&reply, "requested"), BYTES);
    ASSERT_TRUE(wait_until(plugged, &before, SECONDS));

    iomem("System RAM (virtio_mem)", &added);
    efi_map_read(&map);
    efi_map_mirrored(&map, &mirrored);
    EXPECT_GE(ranges_bytes(&added), BYTES);
    for (size_t i = 0; i < added.count; i++) {
        DIAG("added: 0x%" PRIx64 "+0x%" PRIx64, added.at[i].base, added.at[i].size);
        EXPECT_EQ(ranges_within(&mirrored, added.at[i].base, added.at[i].size), 0);
    }
    struct zone normal_now = zone_read(node, "Normal"),
                movable_now = zone_read(node, "Movable");
    DIAG("Normal had %" PRIu64 " pages and has %" PRIu64 ", Movable %" PRIu64 " and %" PRIu64,
         normal.managed, normal_now.managed, movable.managed, movable_now.managed);
    EXPECT_EQ(normal_now.present, normal.present);
    EXPECT_EQ(movable_now.managed, movable.managed + BYTES / PAGE_BYTES);
}

HARNESS_MAIN
