// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * videobuf2: buffers come from the DMA API (videobuf2-dma-contig), which takes them from the
 * device's own contiguous area where it has one, else from the default area, else from the page
 * allocator. How long that took is noted.
 */
#include <linux/ktime.h>
#include <media/videobuf2-dma-contig.h>

#include "camera.h"

static struct cam_buffer *to_buffer(struct vb2_buffer *vb)
{
	return container_of(to_vb2_v4l2_buffer(vb), struct cam_buffer, vb);
}

/* videobuf2-dma-contig's operations, with the allocation timed. */
static struct vb2_mem_ops cam_mem_ops __ro_after_init;

static void *timed_alloc(struct vb2_buffer *vb, struct device *dev, unsigned long size)
{
	struct cam_device *cam = vb2_get_drv_priv(vb->vb2_queue);
	u64 start = ktime_get_ns();
	void *memory = vb2_dma_contig_memops.alloc(vb, dev, size);

	cam_statistics_allocation(cam, ktime_get_ns() - start, size, IS_ERR(memory));
	return memory;
}

void __init cam_queue_module_init(void)
{
	cam_mem_ops = vb2_dma_contig_memops;
	cam_mem_ops.alloc = timed_alloc;
}

static int cam_queue_setup(struct vb2_queue *queue, unsigned int *buffers, unsigned int *planes,
			   unsigned int sizes[], struct device *devices[])
{
	struct cam_device *cam = vb2_get_drv_priv(queue);
	int err;

	/* More buffers, by VIDIOC_CREATE_BUFS. */
	if (*planes)
		return *planes == 1 && sizes[0] >= cam->format.sizeimage ? 0 : -EINVAL;
	*planes = 1;
	sizes[0] = cam->format.sizeimage;
	/* Asked again, because not all could be had: the camera is waiting already. */
	if (vb2_get_num_buffers(queue) || !v4l2_ctrl_g_ctrl(cam->early_start))
		return 0;
	err = cam_hw_configure(cam);
	if (!err)
		err = cam_hw_start(cam);
	cam->started_early = !err;
	return err;
}

static int cam_buf_prepare(struct vb2_buffer *vb)
{
	struct cam_device *cam = vb2_get_drv_priv(vb->vb2_queue);

	if (vb2_plane_size(vb, 0) < cam->format.sizeimage)
		return -EINVAL;
	if (!IS_ALIGNED(vb2_dma_contig_plane_dma_addr(vb, 0), cam->limits.align)) {
		cam_count(cam, &cam->statistics.misaligned);
		return -EINVAL;
	}
	vb2_set_plane_payload(vb, 0, cam->format.sizeimage);
	return 0;
}

static void cam_buf_queue(struct vb2_buffer *vb)
{
	struct cam_device *cam = vb2_get_drv_priv(vb->vb2_queue);
	unsigned long flags;

	spin_lock_irqsave(&cam->lock, flags);
	list_add_tail(&to_buffer(vb)->list, &cam->waiting);
	if (cam->running)
		cam_hw_push(cam);
	spin_unlock_irqrestore(&cam->lock, flags);
}

void cam_queue_return(struct cam_device *cam, enum vb2_buffer_state state)
{
	struct cam_buffer *buffer, *next;
	unsigned long flags;

	spin_lock_irqsave(&cam->lock, flags);
	cam->running = false;
	/* Those that the device had come first, as they were queued first. */
	list_splice_init(&cam->queued, &cam->waiting);
	cam->queued_count = 0;
	list_for_each_entry_safe(buffer, next, &cam->waiting, list) {
		list_del(&buffer->list);
		vb2_buffer_done(&buffer->vb.vb2_buf, state);
	}
	spin_unlock_irqrestore(&cam->lock, flags);
}

static int cam_start_streaming(struct vb2_queue *queue, unsigned int count)
{
	struct cam_device *cam = vb2_get_drv_priv(queue);
	bool early = cam->started_early;
	unsigned long flags;
	int err = 0;

	cam->started_early = false;
	if (!early)
		err = cam_hw_configure(cam);
	if (!err) {
		spin_lock_irqsave(&cam->lock, flags);
		err = cam_hw_push(cam);
		if (!err && early && cam_read(cam, MMRIG_CAM_STATE) == MMRIG_CAM_STATE_FAILED)
			err = -ETIMEDOUT;
		cam->running = !err;
		spin_unlock_irqrestore(&cam->lock, flags);
	}
	if (!err && !early)
		err = cam_hw_start(cam);
	if (err) {
		cam_hw_stop(cam);
		cam_queue_return(cam, VB2_BUF_STATE_QUEUED);
	}
	return err;
}

static void cam_stop_streaming(struct vb2_queue *queue)
{
	struct cam_device *cam = vb2_get_drv_priv(queue);

	cam_hw_stop(cam);
	cam_queue_return(cam, VB2_BUF_STATE_ERROR);
}

static void cam_buf_cleanup(struct vb2_buffer *vb)
{
	struct cam_device *cam = vb2_get_drv_priv(vb->vb2_queue);

	/* A start that was for these buffers is over; whoever asks for new ones starts anew. */
	cam->started_early = false;
}

static const struct vb2_ops cam_queue_ops = {
	.queue_setup = cam_queue_setup,
	.buf_prepare = cam_buf_prepare,
	.buf_queue = cam_buf_queue,
	.buf_cleanup = cam_buf_cleanup,
	.start_streaming = cam_start_streaming,
	.stop_streaming = cam_stop_streaming,
#ifdef CAM_VB2_OPS_WAIT
	.wait_prepare = vb2_ops_wait_prepare,
	.wait_finish = vb2_ops_wait_finish,
#endif
};

int cam_queue_init(struct cam_device *cam)
{
	struct vb2_queue *queue = &cam->queue;

	queue->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	queue->io_modes = VB2_MMAP | VB2_DMABUF;
	queue->dev = &cam->pdev->dev;
	queue->drv_priv = cam;
	queue->ops = &cam_queue_ops;
	queue->mem_ops = &cam_mem_ops;
	/* What fails is counted, and told to whoever asked. */
	queue->gfp_flags = __GFP_NOWARN;
	queue->buf_struct_size = sizeof(struct cam_buffer);
	queue->timestamp_flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
	queue->min_queued_buffers = cam->limits.min_buffers;
	queue->lock = &cam->mutex;
	return vb2_queue_init(queue);
}
