/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A camera starts while its memory is in use: whatever fills the contiguous area must get out
 * of the way in time, and lose nothing.
 *
 * The camera is started before its buffers are allocated, so that it is its own patience that
 * decides whether allocation was fast enough.
 *
 * Arguments: load=idle|anonymous|file|huge fills the area (none: does not, though
 * it should); repeat=N, buffers=N, width=,
 * height=.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "camera.h"
#include "cma.h"
#include "harness.h"
#include "memory.h"

#define DISK   "/dev/vda"
#define FOLDER "/mnt"

FIXTURE(start)
{
    struct camera camera;
    struct cma_area area;
    unsigned buffers;
};

FIXTURE_SETUP(start)
{
    camera_open(&self->camera);
    self->area = cma_area();
    self->buffers = (unsigned)test_arg_u64("buffers", 12);
    ASSERT_EQ(camera_format(&self->camera, (unsigned)test_arg_u64("width", 1920),
                            (unsigned)test_arg_u64("height", 1080), MMRIG_CAM_FORMAT_YUYV),
              0);
    ASSERT_EQ(camera_early_start(&self->camera, true), 0);
}

FIXTURE_TEARDOWN(start)
{
    camera_close(&self->camera);
}

/* Whether all buffers, each of which is contiguous, lie in the area. */
static bool buffers_inside(const struct fixture_start *self)
{
    for (unsigned i = 0; i < self->camera.count; i++) {
        uint64_t address = camera_buffer_address(i);

        if (pages_inside(&self->area, &address, 1) == 0)
            return false;
    }
    return self->camera.count > 0;
}

/* Starts the camera so often; returns the mean time that the allocation of a start took, ms. */
static double start_often(struct fixture_start *self, unsigned times, const char *label)
{
    char name[64];
    double worst = 0, sum = 0;
    uint64_t migrated = vmstat("pgmigrate_success");

    camera_statistics_reset();
    for (unsigned i = 0; i < times; i++) {
        uint64_t before = camera_statistic("total_ns");
        const char *step;
        int error = camera_start(&self->camera, self->buffers, &step);
        double ms = (double)(camera_statistic("total_ns") - before) / 1e6;

        if (error)
            DIAG("%s: start %u failed: %s: %s", label, i, step, strerror(error));
        ASSERT_EQ(error, 0);
        ASSERT_TRUE(buffers_inside(self));
        worst = ms > worst ? ms : worst;
        sum += ms;
        if (i + 1 < times) {
            ASSERT_EQ(camera_stream(&self->camera, false), 0);
            ASSERT_EQ(camera_allocate(&self->camera, 0), 0);
        }
    }
    EXPECT_EQ(camera_statistic("failures"), 0);
    EXPECT_EQ(camera_statistic("allocations"), (uint64_t)times * self->buffers);
    EXPECT_EQ(camera_statistic("timeouts"), 0);
    snprintf(name, sizeof(name), "%s.allocate-mean", label);
    rig_metric(name, sum / times, "ms");
    snprintf(name, sizeof(name), "%s.allocate-worst", label);
    rig_metric(name, worst, "ms");
    snprintf(name, sizeof(name), "%s.allocate-buffer-worst", label);
    rig_metric(name, (double)camera_statistic("max_ns") / 1e6, "ms");
    snprintf(name, sizeof(name), "%s.camera-waited", label);
    rig_metric(name, (double)camera_statistic("start_wait_ns") / 1e6, "ms");
    snprintf(name, sizeof(name), "%s.migrated", label);
    rig_metric(name, (double)(vmstat("pgmigrate_success") - migrated) * PAGE_BYTES / MIB,
               "MiB");
    camera_report_latency(label);
    return sum / times;
}

static void stop(struct camera *camera)
{
    ASSERT_EQ(camera_stream(camera, false), 0);
    ASSERT_EQ(camera_allocate(camera, 0), 0);
}

static void fill(struct filling *filling, const struct fixture_start *self, const char *load)
{
    /* Room for what leaves the area, and for the kernel to work with meanwhile. */
    size_t spare = (size_t)self->buffers * self->camera.format.sizeimage + memory_left_over();

    if (strcmp(load, "anonymous") == 0) {
        filling_anonymous(filling, &self->area, false, spare);
    } else if (strcmp(load, "huge") == 0) {
        filling_anonymous(filling, &self->area, true, spare);
    } else if (strcmp(load, "none") == 0) {
        return;
    } else if (strcmp(load, "file") == 0) {
        ASSERT_EQ(COMMAND(NULL, 0, "mkfs.ext4", "-q", "-F", DISK), 0);
        ASSERT_EQ(mount(DISK, FOLDER, "ext4", 0, NULL), 0);
        filling_file(filling, &self->area, FOLDER, spare);
    } else {
        ABORT("load=%s: there are idle, anonymous, file, huge and none", load);
    }
}

/* Documentation/admin-guide/mm/pagemap.rst */
#define KPF_THP 22

/* How many huge pages of the filling lie in the area. */
static size_t huge_inside(const struct filling *filling, const struct cma_area *area)
{
    int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
    size_t huge = 0;

    for (size_t i = 0; i < filling->pages; i += 2 * MIB / PAGE_BYTES) {
        uint64_t address = filling->addresses[i], flags = 0;

        if (!address || pages_inside(area, &address, 1) == 0)
            continue;
        if (pread(fd, &flags, sizeof(flags), (off_t)(address / PAGE_BYTES * sizeof(flags))) !=
            sizeof(flags))
            ABORT("cannot read /proc/kpageflags: %s", strerror(errno));
        huge += flags >> KPF_THP & 1;
    }
    close(fd);
    return huge;
}

TEST_F(start, camera_starts_in_time)
{
    const char *load = test_arg("load") ? test_arg("load") : "idle";
    double idle = start_often(self, (unsigned)test_arg_u64("repeat", 10), "idle");

    stop(&self->camera);
    if (strcmp(load, "idle") == 0)
        return;

    struct filling filling = {.fd = -1};
    fill(&filling, self, load);
    uint64_t split = vmstat("thp_split_page");
    size_t needed = (size_t)self->buffers * self->camera.format.sizeimage;

    if (strcmp(load, "huge") == 0) {
        size_t huge = huge_inside(&filling, &self->area);

        ASSERT_GT(huge, 0);
        rig_metric("huge-pages-inside", (double)huge, "pages");
    }
    /* Else the camera would not be in anybody's way. */
    ASSERT_LT(cma_free_bytes(), needed);
    double loaded = start_often(self, 1, load);
    size_t dropped, moved = filling_moved(&filling, &dropped);
    rig_metric("slower-than-idle", loaded / idle, "x");
    rig_metric("dropped", (double)dropped * PAGE_BYTES / MIB, "MiB");
    if (strcmp(load, "huge") == 0)
        rig_metric("huge-pages-split", (double)(vmstat("thp_split_page") - split), "pages");
    /* The buffers lie in the area; what of that was not the filling's cannot have been enough.
     */
    EXPECT_GT(moved + dropped, 0);
    EXPECT_GE((moved + dropped) * PAGE_BYTES + self->area.size - filling.inside * PAGE_BYTES,
              needed);
    /* Only what can be read again may be dropped: clean pages of a file are (mm/page_alloc.c:
     * reclaim_clean_pages_from_list()), where others are moved. */
    if (strcmp(load, "file") != 0)
        EXPECT_EQ(dropped, 0);
    EXPECT_TRUE(filling_intact(&filling));
    stop(&self->camera);
    filling_free(&filling);
    if (strcmp(load, "file") == 0)
        EXPECT_EQ(umount(FOLDER), 0);
}

HARNESS_MAIN
