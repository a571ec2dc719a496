/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The camera streams: every frame is whole, none is lost, V4L2's own tools find nothing to
 * complain of, and memory that a camera without scatter-gather cannot use is refused.
 *
 * The camera is no faster than this machine can check frames: of one that its host keeps
 * waiting, it would be the machine that loses them.
 *
 * Arguments: frames=N, interval=NS between frames at least, width= and height=, skip=N takes a
 * frame out of the count after the Nth (to see that a lost one is noticed).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "camera.h"
#include "cma.h"
#include "harness.h"
#include "memory.h"

/* A second's worth: a guest that its host keeps waiting for so long has lost frames by itself.
 */
#define BUFFERS 30

static unsigned width(void)
{
    return (unsigned)test_arg_u64("width", 640);
}

static unsigned height(void)
{
    return (unsigned)test_arg_u64("height", 480);
}

/* The check of a frame is for the most part its sum; this much is left for all else. */
#define ROOM  4
#define TRIES 5
/* 5 frames a second are slow enough for any machine that is worth a verdict. */
#define SLOWEST_NS 200000000

/* What there is to do for a frame, in nanoseconds. */
static uint64_t time_for_a_frame(void)
{
    size_t size = (size_t)width() * height() * 2;
    char *bytes = memory_map(size);

    memory_fill(bytes, size, 1);
    crc32c(bytes, size); /* makes its tables */
    double begin = now_seconds();
    for (unsigned i = 0; i < TRIES; i++)
        crc32c(bytes, size);
    double took = (now_seconds() - begin) / TRIES;
    munmap(bytes, size);
    return (uint64_t)(took * 1e9);
}

static unsigned interval(void)
{
    uint64_t fastest = test_arg_u64("interval", 33333333), needed = ROOM * time_for_a_frame();

    DIAG("a frame every %llu ns could be checked", (unsigned long long)needed);
    needed = needed < SLOWEST_NS ? needed : SLOWEST_NS;
    return (unsigned)(needed > fastest ? needed : fastest);
}

FIXTURE(camera)
{
    struct camera camera;
};

FIXTURE_SETUP(camera)
{
    camera_open(&self->camera);
    ASSERT_EQ(camera_format(&self->camera, width(), height(), MMRIG_CAM_FORMAT_YUYV), 0);
    ASSERT_EQ(camera_interval(&self->camera, interval()), 0);
}

FIXTURE_TEARDOWN(camera)
{
    camera_close(&self->camera);
}

/* Takes so many frames, in order, and checks each. */
static void take_frames(struct camera *camera, unsigned frames)
{
    const uint64_t skip = test_arg_u64("skip", UINT64_MAX);
    uint32_t next = 0;

    for (unsigned i = 0; i < frames; i++) {
        struct camera_frame frame;

        ASSERT_EQ(camera_take(camera, &frame, 5), 0);
        const char *wrong = camera_frame_wrong(camera, &frame);
        if (wrong)
            DIAG("frame %u in buffer %u: %s", frame.sequence, frame.index, wrong);
        ASSERT_EQ(wrong, NULL);
        ASSERT_EQ(frame.sequence, next);
        next += i == skip ? 2 : 1;
        ASSERT_EQ(camera_queue(camera, frame.index), 0);
    }
}

TEST_F(camera, frames_are_whole_and_none_is_lost)
{
    const unsigned frames = (unsigned)test_arg_u64("frames", 300);

    camera_statistics_reset();
    ASSERT_EQ(camera_allocate(&self->camera, BUFFERS), 0);
    ASSERT_EQ(camera_queue_all(&self->camera), 0);
    double start = now_seconds();
    ASSERT_EQ(camera_stream(&self->camera, true), 0);
    take_frames(&self->camera, frames);
    rig_metric("camera.frames-per-second", frames / (now_seconds() - start), "1/s");
    rig_metric("camera.start-latency", (double)camera_statistic("start_latency_ns") / 1e6,
               "ms");
    ASSERT_EQ(camera_stream(&self->camera, false), 0);
    EXPECT_EQ(camera_statistic("bad_frames"), 0);
    EXPECT_EQ(camera_statistic("stray"), 0);
    EXPECT_EQ(camera_statistic("refused"), 0);
    EXPECT_GE(camera_statistic("frames"), frames);
    EXPECT_EQ(camera_statistic("allocations"), BUFFERS);
}

TEST_F(camera, buffers_are_in_the_area)
{
    struct cma_area area = cma_area();

    ASSERT_EQ(camera_allocate(&self->camera, 4), 0);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t ends[2] = {camera_buffer_address(i), camera_buffer_address(i)};

        ends[1] += self->camera.format.sizeimage - 1;
        EXPECT_EQ(pages_inside(&area, ends, 2), 2u);
    }
    ASSERT_EQ(camera_allocate(&self->camera, 0), 0);
}

static int heap_buffer(const char *heap, size_t size)
{
    struct dma_heap_allocation_data wanted = {.len = size, .fd_flags = O_RDWR | O_CLOEXEC};
    char path[128];

    snprintf(path, sizeof(path), "/dev/dma_heap/%s", heap);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        SKIP("there is no %s", path);
    int result = ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &wanted);
    close(fd);
    return result < 0 ? -1 : (int)wanted.fd;
}

TEST_F(camera, foreign_contiguous_buffers_are_filled)
{
    int buffers[BUFFERS];

    for (unsigned i = 0; i < BUFFERS; i++) {
        buffers[i] = heap_buffer("reserved", self->camera.format.sizeimage);
        ASSERT_GE(buffers[i], 0);
    }
    ASSERT_EQ(camera_import(&self->camera, buffers, BUFFERS), 0);
    ASSERT_EQ(camera_queue_all(&self->camera), 0);
    ASSERT_EQ(camera_stream(&self->camera, true), 0);
    take_frames(&self->camera, 2 * BUFFERS);
    ASSERT_EQ(camera_stream(&self->camera, false), 0);
    for (unsigned i = 0; i < BUFFERS; i++)
        close(buffers[i]);
}

/* Memory in pieces: what a freed piece leaves lies between two that are held. */
static int scattered_buffer(void)
{
    int pieces[32], buffer;

    for (unsigned i = 0; i < 32; i++)
        pieces[i] = heap_buffer("system", MIB);
    for (unsigned i = 0; i < 32; i += 2)
        close(pieces[i]);
    buffer = heap_buffer("system", 8 * MIB);
    for (unsigned i = 1; i < 32; i += 2)
        close(pieces[i]);
    return buffer;
}

TEST_F(camera, foreign_scattered_buffers_are_refused)
{
    int buffer = scattered_buffer();

    ASSERT_GE(buffer, 0);
    ASSERT_EQ(camera_format(&self->camera, 1920, 1080, MMRIG_CAM_FORMAT_YUYV), 0);
    ASSERT_EQ(camera_import(&self->camera, &buffer, 1), 0);
    EXPECT_EQ(camera_queue(&self->camera, 0), EFAULT);
    close(buffer);
}

static char output[256 * 1024];

/* The number after the label in the last line that has it, or -1. */
static int number_after(const char *text, const char *label)
{
    const char *last = NULL;
    int number = -1;

    for (const char *at = text; (at = strstr(at, label)); at += strlen(label))
        last = at;
    if (last)
        sscanf(last + strlen(label), "%d", &number);
    return number;
}

TEST(v4l2_compliance_has_no_failures)
{
    /* 60 frames, and what it always does. */
    int status =
        COMMAND(output, sizeof(output), "v4l2-compliance", "-d", CAMERA_NODE, "-s", "60");
    char *rest = NULL;

    for (char *line = strtok_r(strdup(output), "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest))
        if (strstr(line, "fail:") || strstr(line, ": FAIL") || strstr(line, "warn:") ||
            strstr(line, "Total for"))
            DIAG("%s", line);
    EXPECT_EQ(status, 0);
    EXPECT_GT(number_after(output, "Succeeded: "), 40);
    EXPECT_EQ(number_after(output, "Failed: "), 0);
}

TEST(v4l2_ctl_streams)
{
    int status = COMMAND(output, sizeof(output), "v4l2-ctl", "-d", CAMERA_NODE,
                         "--stream-mmap=30", "--stream-count=60", "--stream-poll");

    if (status != 0)
        DIAG("v4l2-ctl: %s", output);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(strstr(output, "<<<<") != NULL);
    /* It says so of frames that it has missed. */
    EXPECT_EQ(strstr(output, "dropped"), NULL);
}

HARNESS_MAIN
