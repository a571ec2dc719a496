/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-camera: a driver for mmrig's frame grabber, which takes each frame to one physically
 * contiguous buffer.
 *
 *   driver.c      PCI: probe and remove
 *   hardware.c    registers, interrupts, the device's queue
 *   queue.c       videobuf2: buffers, starting and stopping
 *   video.c       V4L2: formats, sizes, rates, controls
 *   statistics.c  debugfs: how long allocations took, and what failed
 */
#ifndef MMRIG_CAMERA_H
#define MMRIG_CAMERA_H

#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/videodev2.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-dev.h>
#include <media/v4l2-device.h>
#include <media/videobuf2-v4l2.h>

#include "mmrig-camera-regs.h"
#include "mmrig-camera-uapi.h"

#define CAM_NAME "mmrig-camera"

/* Bucket N counts allocations that took less than 2^N microseconds. */
#define CAM_BUCKETS 32

/* Since Linux 6.8 a queue tells how many buffers it has, and at most. */
#ifdef CAM_VB2_NUM_BUFFERS
#define vb2_get_num_buffers(queue) ((queue)->num_buffers)
#define cam_last_buffer(queue) ((queue)->num_buffers)
#else
#define cam_last_buffer(queue) ((queue)->max_num_buffers)
#endif

/**
 * struct cam_buffer - a buffer of videobuf2's with what the driver adds
 * @vb: must come first
 * @list: in &cam_device.waiting or &cam_device.queued
 * @cookie: by which the device gives it back
 */
struct cam_buffer {
	struct vb2_v4l2_buffer vb;
	struct list_head list;
	u32 cookie;
};

/**
 * struct cam_limits - what the device said of itself when it was probed
 * @dma_bits: buffers must lie below 2^dma_bits
 * @align: what a buffer's address must be a multiple of
 * @depth: how many buffers the device can hold
 * @min_buffers: how many it must hold to stream
 * @interval_min: the shortest time between frames, ns
 * @interval_max: the longest
 * @interval_start: the one it has after a reset
 * @sizes: as MMRIG_CAM_SIZE_PACK
 * @size_count: how many of them
 * @formats: as V4L2's codes
 * @format_count: how many of them
 */
struct cam_limits {
	u32 dma_bits;
	u32 align;
	u32 depth;
	u32 min_buffers;
	u32 interval_min;
	u32 interval_max;
	u32 interval_start;
	u32 sizes[MMRIG_CAM_SIZES_MAX];
	u32 size_count;
	u32 formats[MMRIG_CAM_FORMATS_MAX];
	u32 format_count;
};

/**
 * struct cam_statistics - what debugfs shows
 * @lock: protects all of it
 * @allocations: buffers that were allocated
 * @failures: and those that could not be
 * @bytes: how much was allocated
 * @total_ns: how long all allocations took, failed ones too
 * @max_ns: the longest
 * @last_ns: the latest
 * @buckets: histogram of those that succeeded
 * @failed_buckets: histogram of those that failed
 * @frames: completions with a good frame
 * @bad_frames: completions that said of an error
 * @stray: completions that fit no buffer
 * @refused: buffers that the device would not take
 * @misaligned: buffers that were not offered to it, being misaligned
 * @timeouts: starts that the device gave up
 * @last_error: the latest code in the device's ERROR register
 */
struct cam_statistics {
	spinlock_t lock; /* All of it. */
	u64 allocations;
	u64 failures;
	u64 bytes;
	u64 total_ns;
	u64 max_ns;
	u64 last_ns;
	u64 buckets[CAM_BUCKETS];
	u64 failed_buckets[CAM_BUCKETS];
	u64 frames;
	u64 bad_frames;
	u64 stray;
	u64 refused;
	u64 misaligned;
	u64 timeouts;
	u32 last_error;
};

/**
 * struct cam_device - one camera
 * @pdev: on PCI
 * @regs: the registers
 * @limits: what it can do
 * @v4l2_dev: holds the structure; it goes when the last user has gone
 * @vdev: /dev/videoN
 * @ctrls: controls
 * @early_start: the control of that name
 * @mutex: serialises ioctls and @queue
 * @queue: of videobuf2
 * @format: what is set, as are the next two
 * @interval: ns
 * @size: as MMRIG_CAM_SIZE_PACK
 * @started_early: START was given before buffers were allocated
 * @lock: protects the registers that are written in groups, and what follows
 * @running: the queue has handed over its buffers and wants frames
 * @waiting: buffers that the device has no room for yet
 * @queued: buffers that the device has, in its order
 * @queued_count: how many
 * @cookie: the latest
 * @statistics: for debugfs
 * @debugfs: its folder
 */
struct cam_device {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct cam_limits limits;

	struct v4l2_device v4l2_dev;
	struct video_device vdev;
	struct v4l2_ctrl_handler ctrls;
	struct v4l2_ctrl *early_start;

	/* Serialises ioctls and the queue. */
	struct mutex mutex;
	struct vb2_queue queue;
	struct v4l2_pix_format format;
	u32 interval;
	u32 size;
	bool started_early;

	/* Groups of registers, and all below. */
	spinlock_t lock;
	bool running;
	struct list_head waiting;
	struct list_head queued;
	u32 queued_count;
	u32 cookie;

	struct cam_statistics statistics;
	struct dentry *debugfs;
};

static inline u32 cam_read(const struct cam_device *cam, u32 offset)
{
	return readl(cam->regs + offset);
}

static inline void cam_write(const struct cam_device *cam, u32 offset, u32 value)
{
	writel(value, cam->regs + offset);
}

/* The device's 64-bit registers, but for the clock, do not change while both halves are read. */
static inline u64 cam_read64(const struct cam_device *cam, u32 offset)
{
	u32 low = cam_read(cam, offset);

	return (u64)cam_read(cam, offset + 4) << 32 | low;
}

/* hardware.c */
int cam_hw_identify(struct cam_device *cam);
int cam_hw_irqs(struct cam_device *cam);
/* No interrupt handler runs after this. */
void cam_hw_free_irqs(struct cam_device *cam);
/* Sets the geometry, from whatever state the device is in; -EIO if it refuses. */
int cam_hw_configure(struct cam_device *cam);
int cam_hw_start(struct cam_device *cam);
/* No DMA and no completion after this. */
void cam_hw_stop(struct cam_device *cam);
/* Gives the device as many of the waiting buffers as it has room for. Call with the lock. */
int cam_hw_push(struct cam_device *cam);

/* queue.c */
int cam_queue_init(struct cam_device *cam);
/* Gives all buffers back to videobuf2 in this state. */
void cam_queue_return(struct cam_device *cam, enum vb2_buffer_state state);
void cam_queue_module_init(void);

/* video.c */
void cam_video_defaults(struct cam_device *cam);
int cam_video_controls(struct cam_device *cam);
int cam_video_register(struct cam_device *cam);

/* statistics.c */
void cam_statistics_init(struct cam_device *cam);
void cam_statistics_remove(struct cam_device *cam);
/* Adds one to a counter of cam->statistics. */
void cam_count(struct cam_device *cam, u64 *counter);
void cam_statistics_allocation(struct cam_device *cam, u64 ns, unsigned long size, bool failed);
void cam_statistics_module_init(void);
void cam_statistics_module_exit(void);

#endif
