// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /sys/kernel/debug/mmrig-camera/PCI-NAME/:
 *   statistics  what the driver and the device counted, a name and a number on each line
 *   latency     how long allocations took: upper bound in us, how many that succeeded, and
 *               how many that failed
 *   buffers     each buffer's number, where the device sees it, and its size
 *   reset       written to: the driver's counts begin anew
 */
#include <linux/debugfs.h>
#include <linux/dma-map-ops.h>
#include <linux/log2.h>
#include <linux/seq_file.h>
#include <media/videobuf2-dma-contig.h>

#include "camera.h"

static struct dentry *root;

void cam_count(struct cam_device *cam, u64 *counter)
{
	unsigned long flags;

	spin_lock_irqsave(&cam->statistics.lock, flags);
	(*counter)++;
	spin_unlock_irqrestore(&cam->statistics.lock, flags);
}

void cam_statistics_allocation(struct cam_device *cam, u64 ns, unsigned long size, bool failed)
{
	struct cam_statistics *statistics = &cam->statistics;
	u64 us = div_u64(ns, NSEC_PER_USEC);
	unsigned int bucket = us ? min(ilog2(us) + 1, CAM_BUCKETS - 1) : 0;
	unsigned long flags;

	spin_lock_irqsave(&statistics->lock, flags);
	statistics->total_ns += ns;
	statistics->max_ns = max(statistics->max_ns, ns);
	statistics->last_ns = ns;
	if (failed) {
		statistics->failures++;
		statistics->failed_buckets[bucket]++;
	} else {
		statistics->allocations++;
		statistics->bytes += size;
		statistics->buckets[bucket]++;
	}
	spin_unlock_irqrestore(&statistics->lock, flags);
}

static void show(struct seq_file *file, const char *name, u64 value)
{
	seq_printf(file, "%s %llu\n", name, value);
}

static void show_device(struct seq_file *file, const struct cam_device *cam)
{
	static const struct {
		const char *name;
		u32 offset;
	} counters[] = {
		{ "device_state", MMRIG_CAM_STATE },
		{ "device_generation", MMRIG_CAM_GENERATION },
		{ "device_frames", MMRIG_CAM_COUNT_FRAMES },
		{ "device_underruns", MMRIG_CAM_COUNT_UNDERRUNS },
		{ "device_dropped", MMRIG_CAM_COUNT_DROPPED },
		{ "device_dma_errors", MMRIG_CAM_COUNT_DMA_ERRORS },
		{ "device_queued", MMRIG_CAM_COUNT_QUEUED },
		{ "device_rejected", MMRIG_CAM_COUNT_REJECTED },
		{ "device_start_timeouts", MMRIG_CAM_COUNT_START_TIMEOUTS },
		{ "device_errors", MMRIG_CAM_COUNT_ERRORS },
		{ "start_timeout_ms", MMRIG_CAM_START_TIMEOUT_MS },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		show(file, counters[i].name, cam_read(cam, counters[i].offset));
	show(file, "start_latency_ns", cam_read64(cam, MMRIG_CAM_START_LATENCY_LO));
	show(file, "start_wait_ns", cam_read64(cam, MMRIG_CAM_START_WAIT_LO));
}

static struct cam_statistics snapshot(struct cam_device *cam)
{
	struct cam_statistics copy;
	unsigned long flags;

	spin_lock_irqsave(&cam->statistics.lock, flags);
	copy = cam->statistics;
	spin_unlock_irqrestore(&cam->statistics.lock, flags);
	return copy;
}

static bool has_own_area(const struct cam_device *cam)
{
#ifdef CONFIG_DMA_CMA
	return cam->pdev->dev.cma_area;
#else
	return false;
#endif
}

static int statistics_show(struct seq_file *file, void *data)
{
	struct cam_device *cam = file->private;
	struct cam_statistics copy = snapshot(cam);

	show(file, "allocations", copy.allocations);
	show(file, "failures", copy.failures);
	show(file, "bytes", copy.bytes);
	show(file, "total_ns", copy.total_ns);
	show(file, "max_ns", copy.max_ns);
	show(file, "last_ns", copy.last_ns);
	show(file, "frames", copy.frames);
	show(file, "bad_frames", copy.bad_frames);
	show(file, "stray", copy.stray);
	show(file, "refused", copy.refused);
	show(file, "misaligned", copy.misaligned);
	show(file, "timeouts", copy.timeouts);
	show(file, "last_error", copy.last_error);
	show(file, "own_area", has_own_area(cam));
	show_device(file, cam);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(statistics);

static int latency_show(struct seq_file *file, void *data)
{
	struct cam_statistics copy = snapshot(file->private);
	unsigned int i;

	for (i = 0; i < CAM_BUCKETS; i++) {
		if (copy.buckets[i] || copy.failed_buckets[i])
			seq_printf(file, "%llu %llu %llu\n", 1ULL << i, copy.buckets[i],
				   copy.failed_buckets[i]);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(latency);

static int buffers_show(struct seq_file *file, void *data)
{
	struct cam_device *cam = file->private;
	unsigned int i;

	mutex_lock(&cam->mutex);
	for (i = 0; i < cam_last_buffer(&cam->queue); i++) {
		struct vb2_buffer *vb = vb2_get_buffer(&cam->queue, i);
		dma_addr_t address;

		/* One of somebody else's is not there before it is queued. */
		if (!vb || !vb->planes[0].mem_priv)
			continue;
		address = vb2_dma_contig_plane_dma_addr(vb, 0);
		seq_printf(file, "%u %pad %lu\n", i, &address, vb2_plane_size(vb, 0));
	}
	mutex_unlock(&cam->mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(buffers);

static int reset_set(void *data, u64 value)
{
	struct cam_device *cam = data;
	unsigned long flags;

	spin_lock_irqsave(&cam->statistics.lock, flags);
	memset_after(&cam->statistics, 0, lock);
	spin_unlock_irqrestore(&cam->statistics.lock, flags);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(reset_fops, NULL, reset_set, "%llu\n");

void cam_statistics_init(struct cam_device *cam)
{
	cam->debugfs = debugfs_create_dir(pci_name(cam->pdev), root);
	debugfs_create_file("statistics", 0444, cam->debugfs, cam, &statistics_fops);
	debugfs_create_file("latency", 0444, cam->debugfs, cam, &latency_fops);
	debugfs_create_file("buffers", 0400, cam->debugfs, cam, &buffers_fops);
	debugfs_create_file_unsafe("reset", 0200, cam->debugfs, cam, &reset_fops);
}

void cam_statistics_remove(struct cam_device *cam)
{
	debugfs_remove_recursive(cam->debugfs);
}

void __init cam_statistics_module_init(void)
{
	root = debugfs_create_dir(CAM_NAME, NULL);
}

void cam_statistics_module_exit(void)
{
	debugfs_remove_recursive(root);
}
