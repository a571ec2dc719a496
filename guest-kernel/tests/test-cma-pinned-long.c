/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process pins memory for long that lies in the contiguous area: the kernel must first move
 * it out (mm/gup.c: FOLL_LONGTERM), so that the camera can still start.
 *
 * Arguments: pin=0 pins nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "camera.h"
#include "cma.h"
#include "harness.h"
#include "memory.h"

#define BUFFERS 12
#define PINNED  (16 * MIB)
#define RANGES  1024

/* Picks ranges of the filling that lie in the area; returns how many, and all their bytes. */
static unsigned choose(const struct filling *filling, const struct cma_area *area,
                       struct iovec *ranges, size_t *bytes)
{
    unsigned count = 0;
    size_t first = 0, pages;

    for (*bytes = 0; count < RANGES && *bytes < PINNED; first += pages) {
        pages = filling_run(filling, area, true, 1024, &first);
        if (pages == 0)
            break;
        ranges[count++] =
            (struct iovec){filling->memory + first * PAGE_BYTES, pages * PAGE_BYTES};
        *bytes += pages * PAGE_BYTES;
    }
    return count;
}

/* How many pages of the ranges lie in the area now. */
static size_t count_inside(const struct cma_area *area, const struct iovec *ranges,
                           unsigned count)
{
    uint64_t addresses[1024];
    size_t inside = 0;

    for (unsigned i = 0; i < count; i++) {
        size_t pages = ranges[i].iov_len / PAGE_BYTES;

        pages_locate(ranges[i].iov_base, pages, addresses);
        inside += pages_inside(area, addresses, pages);
    }
    return inside;
}

TEST(pinned_memory_leaves_the_area_and_the_camera_starts)
{
    static struct iovec ranges[RANGES];
    struct cma_area area = cma_area();
    struct camera camera;
    struct filling filling;
    const char *step;
    size_t bytes;
    int ring = -1;

    camera_open(&camera);
    ASSERT_EQ(camera_format(&camera, 1920, 1080, MMRIG_CAM_FORMAT_YUYV), 0);
    ASSERT_EQ(camera_early_start(&camera, true), 0);
    filling_anonymous(&filling, &area, false,
                      BUFFERS * camera.format.sizeimage + PINNED + memory_left_over());
    unsigned count = choose(&filling, &area, ranges, &bytes);
    ASSERT_GE(bytes, PINNED);
    ASSERT_EQ(count_inside(&area, ranges, count), bytes / PAGE_BYTES);

    uint64_t migrated = vmstat("pgmigrate_success");
    double begin = now_seconds();
    if (test_arg_u64("pin", 1)) {
        ring = pin_long(ranges, count);
        ASSERT_GE(ring, 0);
    }
    rig_metric("pin", (now_seconds() - begin) * 1e3, "ms");
    rig_metric("migrated-by-pin",
               (double)(vmstat("pgmigrate_success") - migrated) * PAGE_BYTES / MIB, "MiB");
    ASSERT_EQ(count_inside(&area, ranges, count), 0);

    migrated = vmstat("pgmigrate_success");
    camera_statistics_reset();
    int error = camera_start(&camera, BUFFERS, &step);
    if (error)
        DIAG("%s: %s", step, strerror(error));
    ASSERT_EQ(error, 0);
    rig_metric("allocate", (double)camera_statistic("total_ns") / 1e6, "ms");
    rig_metric("migrated-by-camera",
               (double)(vmstat("pgmigrate_success") - migrated) * PAGE_BYTES / MIB, "MiB");
    camera_report_latency("pinned");
    EXPECT_EQ(camera_statistic("timeouts"), 0);
    EXPECT_TRUE(filling_intact(&filling));
    camera_close(&camera);
    close(ring);
    filling_free(&filling);
}

HARNESS_MAIN
