/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No contiguous area, and memory in which no two neighbours are free: the driver fails cleanly,
 * and the camera reports that it waited in vain.
 *
 * Fragmented by pinning one page of each block of the size that a buffer needs, so that not
 * even compaction can free one. Arguments: fragment=0 leaves memory whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "camera.h"
#include "cma.h"
#include "harness.h"
#include "memory.h"

#define BUFFERS 4
/* What the page allocator gives for a frame of 1920x1080 with 2 bytes a pixel. */
#define BLOCK  (4 * MIB)
#define BLOCKS 1024 /* 4 GiB */
/*
 * Not more than a block or two, and enough that the OOM killer stays away: it comes when some 3
 * MiB are free (the watermark of 512 MiB), and a CPU's own lists take up to 2 MiB at any time.
 */
#define LEFT_OVER (8 * MIB)
/* Many times what short lists hold (1 MiB), and a part of memory only. */
#define PASSED_THROUGH (32 * MIB)

/* How many of the largest blocks that the page allocator has are free (/proc/buddyinfo). */
static unsigned long whole_blocks(void)
{
    FILE *file = fopen("/proc/buddyinfo", "re");
    unsigned long whole = 0;
    char line[512];

    if (!file)
        ABORT("cannot read /proc/buddyinfo: %s", strerror(errno));
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        for (size_t end = strlen(line); end > 0 && line[end - 1] == ' ';)
            line[--end] = '\0';
        const char *last = strrchr(line, ' ');
        whole += last ? strtoul(last + 1, NULL, 10) : 0;
    }
    fclose(file);
    return whole;
}

/*
 * What a CPU's lists hold is given out first, and what is freed last stays in them: so what
 * they held goes back to the allocator.
 */
static bool is_whole_again(void *data)
{
    char *memory = memory_map(PASSED_THROUGH);

    (void)data;
    memory_fill(memory, PASSED_THROUGH, 1);
    munmap(memory, PASSED_THROUGH);
    return whole_blocks() >= 2 * BUFFERS;
}

/* Fills nearly all memory, pins a page in each block, and gives the others back. */
static int fragment(void)
{
    static struct iovec pinned[BLOCKS];
    static bool taken[BLOCKS];
    size_t size = meminfo_kb("MemFree") * 1024 / MIB * MIB;
    size_t pages = size / PAGE_BYTES;
    char *memory = memory_map(size);
    uint64_t *addresses = malloc(pages * sizeof(*addresses));
    unsigned count = 0;

    if (!addresses)
        ABORT("no memory for a list of %zu pages", pages);
    /* A mebibyte that has to be there before memory is full, and not come after. */
    memset(addresses, 0xff, pages * sizeof(*addresses));
    for (size_t at = 0; at < size && meminfo_kb("MemFree") * 1024 > LEFT_OVER; at += MIB)
        memory_fill(memory + at, MIB, 1);
    pages_locate(memory, pages, addresses);
    for (size_t i = 0; i < pages; i++) {
        size_t block = addresses[i] / BLOCK;

        if (!addresses[i] || block >= BLOCKS || taken[block])
            continue;
        taken[block] = true;
        pinned[count++] = (struct iovec){memory + i * PAGE_BYTES, PAGE_BYTES};
    }
    DIAG("a page is pinned in each of %u blocks of %zu kB", count, BLOCK / 1024);
    int ring = pin_long(pinned, count);
    if (ring < 0)
        ABORT("cannot pin %u pages: %s", count, strerror(errno));
    /* Pinned pages stay where they are when the mapping goes. */
    munmap(memory, size);
    free(addresses);
    return ring;
}

TEST(the_driver_fails_cleanly_and_the_camera_reports_it)
{
    struct camera camera;
    uint32_t code = 0;
    int ring = -1;

    if (cma_exists())
        ABORT("this kernel has a contiguous area; start it without cma=");
    camera_open(&camera);
    ASSERT_EQ(camera_format(&camera, 1920, 1080, MMRIG_CAM_FORMAT_YUYV), 0);
    ASSERT_EQ(camera_early_start(&camera, true), 0);
    ASSERT_EQ(camera_subscribe(&camera), 0);
    if (test_arg_u64("fragment", 1)) {
        ring = fragment();
        /* There is enough, and even so there is none: what was free all the while may be whole.
         */
        ASSERT_LT(whole_blocks(), BUFFERS);
        ASSERT_GT(meminfo_kb("MemFree") * 1024, 4 * BUFFERS * BLOCK);
    }
    camera_statistics_reset();
    uint64_t timeouts = camera_statistic("device_start_timeouts");
    double begin = now_seconds();
    ASSERT_EQ(camera_allocate(&camera, BUFFERS), ENOMEM);
    rig_metric("refused-after", (now_seconds() - begin) * 1e3, "ms");
    camera_report_latency("fragmented");
    EXPECT_GE(camera_statistic("failures"), 1);
    EXPECT_LT(camera_statistic("allocations"), BUFFERS);

    /* It was started before, and nobody has brought it what it needs. */
    ASSERT_TRUE(camera_event(&camera, 10, &code));
    EXPECT_EQ(code, MMRIG_CAM_ERR_START_TIMEOUT);
    EXPECT_EQ(camera_statistic("device_start_timeouts"), timeouts + 1);
    EXPECT_EQ(camera_statistic("device_state"), MMRIG_CAM_STATE_FAILED);

    /* Once there is memory again, it starts; nothing has to be reset by hand. */
    const char *step;
    close(ring);
    ASSERT_EQ(camera_allocate(&camera, 0), 0);
    /* The ring gives its pages back when the kernel comes to it. */
    cpu_lists_keep_short();
    ASSERT_TRUE(wait_until(is_whole_again, NULL, 60));
    int error = camera_start(&camera, BUFFERS, &step);
    if (error)
        DIAG("after that: %s: %s", step, strerror(error));
    EXPECT_EQ(error, 0);
    camera_close(&camera);
}

HARNESS_MAIN
