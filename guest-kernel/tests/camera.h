/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The camera as a program in the guest uses it: V4L2 streaming with mapped or imported buffers,
 * and frames that prove themselves (abi/mmrig-camera-regs.h: struct mmrig_cam_frame).
 */
#ifndef MMRIG_TEST_CAMERA_H
#define MMRIG_TEST_CAMERA_H

#include <linux/videodev2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmrig-camera-regs.h"
#include "mmrig-camera-uapi.h"

#define CAMERA_NODE        "/dev/video0"
#define CAMERA_BUFFERS_MAX 32

struct camera {
    int fd;
    unsigned memory; /* V4L2_MEMORY_MMAP or _DMABUF */
    struct v4l2_pix_format format;
    unsigned count;
    struct {
        void *mapped;
        size_t length;
        int dmabuf; /* -1: none */
    } buffers[CAMERA_BUFFERS_MAX];
};

/* What came with a frame. */
struct camera_frame {
    unsigned index;
    uint32_t sequence;
    uint32_t flags;
    const void *data;
    size_t size;
};

/* Waits for the device node, and opens it; aborts if there is none. */
void camera_open(struct camera *camera);
void camera_close(struct camera *camera);

/*
 * All of these return 0 or an errno. camera_format() wants the very size and format, and
 * EINVAL says that the camera has another.
 */
int camera_format(struct camera *camera, unsigned width, unsigned height, uint32_t format);
int camera_interval(struct camera *camera, unsigned ns);
/* Whether the camera is to be started before its buffers are allocated. */
int camera_early_start(struct camera *camera, bool early);
/* Allocates buffers and maps them; with 0 it gives them back. */
int camera_allocate(struct camera *camera, unsigned count);
/* Makes a buffer of each dma-buf, and maps that; the descriptors stay the caller's. */
int camera_import(struct camera *camera, const int *dmabufs, unsigned count);
int camera_queue(struct camera *camera, unsigned index);
int camera_queue_all(struct camera *camera);
int camera_stream(struct camera *camera, bool on);
/* ETIMEDOUT after so many seconds without a frame. */
int camera_take(struct camera *camera, struct camera_frame *frame, unsigned seconds);
/* Subscribes to the start timeout; later camera_event() says whether it came. */
int camera_subscribe(struct camera *camera);
bool camera_event(struct camera *camera, double seconds, uint32_t *code);

/*
 * NULL if the frame is what the camera made for this buffer: its header, its lines and its sums
 * say so, and that it was written to where the buffer lies. Else what is wrong with it.
 */
const char *camera_frame_wrong(const struct camera *camera, const struct camera_frame *frame);

/* Where the device sees a buffer (which is queued or mapped), or 0. */
uint64_t camera_buffer_address(unsigned index);

/*
 * The whole of a start, as a program that wants a picture sees it: buffers are allocated and
 * queued, the stream is started, the first frame awaited and checked. Returns 0, or the errno
 * of the step that failed, whose name is put into *step. What was made stays.
 */
int camera_start(struct camera *camera, unsigned buffers, const char **step);

/* A number that the driver or the device counts (debugfs); aborts if there is none. */
uint64_t camera_statistic(const char *name);
void camera_statistics_reset(void);
/*
 * Reports how long allocations took, as a histogram whose buckets each are twice the one
 * before, and how many of them succeeded.
 */
void camera_report_latency(const char *label);

/* CRC32C as the device's, of size bytes. */
uint32_t crc32c(const void *data, size_t size);

#endif
