// SPDX-License-Identifier: GPL-2.0-or-later
/* Registers, interrupts, and the buffers that the device has. */
#include <linux/interrupt.h>
#include <linux/log2.h>
#include <media/v4l2-event.h>
#include <media/videobuf2-dma-contig.h>

#include "camera.h"

/* What the device says of itself is held to what its registers can say. */
static int check_limits(const struct cam_device *cam)
{
	const struct cam_limits *limits = &cam->limits;

	if (limits->dma_bits < 32 || limits->dma_bits > 64 || !is_power_of_2(limits->align) ||
	    !limits->depth || !limits->min_buffers || limits->min_buffers > limits->depth)
		return -EINVAL;
	if (!limits->interval_min || limits->interval_min > limits->interval_max ||
	    limits->interval_start < limits->interval_min ||
	    limits->interval_start > limits->interval_max)
		return -EINVAL;
	if (!limits->size_count || limits->size_count > MMRIG_CAM_SIZES_MAX ||
	    !limits->format_count || limits->format_count > MMRIG_CAM_FORMATS_MAX)
		return -EINVAL;
	return 0;
}

int cam_hw_identify(struct cam_device *cam)
{
	struct device *dev = &cam->pdev->dev;
	struct cam_limits *limits = &cam->limits;
	u32 id = cam_read(cam, MMRIG_CAM_ID);
	u32 version = cam_read(cam, MMRIG_CAM_VERSION);
	u32 i;

	if (id != MMRIG_CAM_ID_VALUE || version >> 16 != MMRIG_CAM_VERSION_MAJOR)
		return dev_err_probe(dev, -ENODEV, "not for this driver: id %#x, version %u.%u\n",
				     id, version >> 16, version & 0xffff);
	limits->dma_bits = cam_read(cam, MMRIG_CAM_DMA_BITS);
	limits->align = cam_read(cam, MMRIG_CAM_BUFFER_ALIGN);
	limits->depth = cam_read(cam, MMRIG_CAM_QUEUE_DEPTH);
	limits->min_buffers = cam_read(cam, MMRIG_CAM_MIN_BUFFERS);
	limits->interval_min = cam_read(cam, MMRIG_CAM_INTERVAL_MIN_NS);
	limits->interval_max = cam_read(cam, MMRIG_CAM_INTERVAL_MAX_NS);
	limits->interval_start = cam_read(cam, MMRIG_CAM_INTERVAL_NS);
	limits->size_count = cam_read(cam, MMRIG_CAM_SIZE_COUNT);
	limits->format_count = cam_read(cam, MMRIG_CAM_FORMAT_COUNT);
	if (check_limits(cam))
		return dev_err_probe(dev, -ENODEV, "what it says of itself makes no sense\n");
	for (i = 0; i < limits->size_count; i++)
		limits->sizes[i] = cam_read(cam, MMRIG_CAM_SIZE_TABLE(i));
	for (i = 0; i < limits->format_count; i++)
		limits->formats[i] = cam_read(cam, MMRIG_CAM_FORMAT_TABLE(i));
	return 0;
}

/* Writes a register that answers in RESULT. Call with the lock. */
static u32 cam_try(const struct cam_device *cam, u32 offset, u32 value)
{
	cam_write(cam, offset, value);
	return cam_read(cam, MMRIG_CAM_RESULT);
}

void cam_hw_stop(struct cam_device *cam)
{
	unsigned long flags;

	spin_lock_irqsave(&cam->lock, flags);
	cam_write(cam, MMRIG_CAM_COMMAND, MMRIG_CAM_COMMAND_STOP);
	/* The read pushes the write out: the device has stopped when it is back. */
	cam_read(cam, MMRIG_CAM_STATE);
	spin_unlock_irqrestore(&cam->lock, flags);
}

int cam_hw_configure(struct cam_device *cam)
{
	const struct {
		u32 offset;
		u32 value;
	} geometry[] = {
		{ MMRIG_CAM_SIZE, cam->size },
		{ MMRIG_CAM_FORMAT, cam->format.pixelformat },
		{ MMRIG_CAM_INTERVAL_NS, cam->interval },
	};
	unsigned long flags;
	u32 result = MMRIG_CAM_OK;
	unsigned int i;

	cam_hw_stop(cam);
	spin_lock_irqsave(&cam->lock, flags);
	cam_write(cam, MMRIG_CAM_ERROR, 0);
	for (i = 0; i < ARRAY_SIZE(geometry) && result == MMRIG_CAM_OK; i++)
		result = cam_try(cam, geometry[i].offset, geometry[i].value);
	spin_unlock_irqrestore(&cam->lock, flags);
	if (result == MMRIG_CAM_OK &&
	    cam_read(cam, MMRIG_CAM_FRAME_BYTES) == cam->format.sizeimage)
		return 0;
	dev_err(&cam->pdev->dev, "the camera refuses size %#x, format %#x: error %#x\n", cam->size,
		cam->format.pixelformat, result);
	return -EIO;
}

int cam_hw_start(struct cam_device *cam)
{
	unsigned long flags;
	u32 result;

	spin_lock_irqsave(&cam->lock, flags);
	result = cam_try(cam, MMRIG_CAM_COMMAND, MMRIG_CAM_COMMAND_START);
	spin_unlock_irqrestore(&cam->lock, flags);
	if (result == MMRIG_CAM_OK)
		return 0;
	dev_err(&cam->pdev->dev, "the camera refuses to start: error %#x\n", result);
	return -EIO;
}

/* Offers one buffer to the device, which says why it does not take it. */
static u32 offer(struct cam_device *cam, struct cam_buffer *buffer)
{
	dma_addr_t address = vb2_dma_contig_plane_dma_addr(&buffer->vb.vb2_buf, 0);

	buffer->cookie = ++cam->cookie;
	cam_write(cam, MMRIG_CAM_BUF_ADDRESS_LO, lower_32_bits(address));
	cam_write(cam, MMRIG_CAM_BUF_ADDRESS_HI, upper_32_bits(address));
	cam_write(cam, MMRIG_CAM_BUF_LENGTH, cam->format.sizeimage);
	cam_write(cam, MMRIG_CAM_BUF_COOKIE, buffer->cookie);
	return cam_try(cam, MMRIG_CAM_QUEUE, 1);
}

int cam_hw_push(struct cam_device *cam)
{
	struct cam_buffer *buffer, *next;

	list_for_each_entry_safe(buffer, next, &cam->waiting, list) {
		u32 result;

		if (cam->queued_count == cam->limits.depth)
			return 0;
		result = offer(cam, buffer);
		if (result == MMRIG_CAM_OK) {
			list_move_tail(&buffer->list, &cam->queued);
			cam->queued_count++;
			continue;
		}
		if (result == MMRIG_CAM_ERR_BUF_FAILED)
			return -ETIMEDOUT;
		cam_count(cam, &cam->statistics.refused);
		dev_dbg(&cam->pdev->dev, "buffer %u refused: error %#x\n",
			buffer->vb.vb2_buf.index, result);
		/* While a stream starts, this is the start's error. */
		if (!cam->running)
			return result == MMRIG_CAM_ERR_BUF_ALIGN ? -EINVAL : -EIO;
		list_del(&buffer->list);
		vb2_buffer_done(&buffer->vb.vb2_buf, VB2_BUF_STATE_ERROR);
	}
	return 0;
}

/* The buffer of the oldest completion, taken off the queue; NULL if there is no such buffer. */
static struct cam_buffer *take_done(struct cam_device *cam)
{
	u32 cookie = cam_read(cam, MMRIG_CAM_DONE_COOKIE);
	u64 address = cam_read64(cam, MMRIG_CAM_DONE_ADDRESS_LO);
	struct cam_buffer *buffer;

	list_for_each_entry(buffer, &cam->queued, list) {
		if (buffer->cookie != cookie)
			continue;
		if (vb2_dma_contig_plane_dma_addr(&buffer->vb.vb2_buf, 0) != address)
			break;
		list_del(&buffer->list);
		cam->queued_count--;
		return buffer;
	}
	return NULL;
}

static void finish(struct cam_device *cam, struct cam_buffer *buffer, u64 now)
{
	u32 status = cam_read(cam, MMRIG_CAM_DONE_STATUS);
	u32 bytes = cam_read(cam, MMRIG_CAM_DONE_BYTES);
	bool good = status == MMRIG_CAM_OK && bytes == cam->format.sizeimage;

	buffer->vb.sequence = cam_read(cam, MMRIG_CAM_DONE_SEQUENCE);
	buffer->vb.field = V4L2_FIELD_NONE;
	buffer->vb.vb2_buf.timestamp = now;
	vb2_set_plane_payload(&buffer->vb.vb2_buf, 0, good ? bytes : 0);
	if (good) {
		cam_count(cam, &cam->statistics.frames);
	} else {
		cam_count(cam, &cam->statistics.bad_frames);
		dev_err_ratelimited(&cam->pdev->dev, "frame %u: error %#x, %u bytes\n",
				    buffer->vb.sequence, status, bytes);
	}
	vb2_buffer_done(&buffer->vb.vb2_buf, good ? VB2_BUF_STATE_DONE : VB2_BUF_STATE_ERROR);
}

static irqreturn_t cam_frame_irq(int irq, void *data)
{
	struct cam_device *cam = data;
	u64 now = ktime_get_ns();

	/* Cleared first, so that a completion from now on sends a new message. */
	cam_write(cam, MMRIG_CAM_IRQ_STATUS, MMRIG_CAM_IRQ_FRAME);
	spin_lock(&cam->lock);
	while (cam->running && cam_read(cam, MMRIG_CAM_DONE_COUNT)) {
		struct cam_buffer *buffer = take_done(cam);

		if (buffer)
			finish(cam, buffer, now);
		else
			cam_count(cam, &cam->statistics.stray);
		if (cam_try(cam, MMRIG_CAM_DONE_POP, 1) != MMRIG_CAM_OK)
			break;
	}
	if (cam->running)
		cam_hw_push(cam);
	spin_unlock(&cam->lock);
	return IRQ_HANDLED;
}

static void start_timed_out(struct cam_device *cam)
{
	struct v4l2_event event = { .type = MMRIG_CAM_EVENT_START_TIMEOUT };
	u32 words[] = { MMRIG_CAM_ERR_START_TIMEOUT,
			cam_read(cam, MMRIG_CAM_ERROR_DETAIL_LO) };

	memcpy(event.u.data, words, sizeof(words));
	v4l2_event_queue(&cam->vdev, &event);
	cam_count(cam, &cam->statistics.timeouts);
	/* Whoever waits for a frame waits no longer. Before that, it is stream-on that fails. */
	if (vb2_start_streaming_called(&cam->queue))
		vb2_queue_error(&cam->queue);
}

static irqreturn_t cam_event_irq(int irq, void *data)
{
	struct cam_device *cam = data;
	u32 status = cam_read(cam, MMRIG_CAM_IRQ_STATUS) & ~MMRIG_CAM_IRQ_FRAME;

	cam_write(cam, MMRIG_CAM_IRQ_STATUS, status);
	if (status & MMRIG_CAM_IRQ_ERROR) {
		unsigned long flags;

		spin_lock_irqsave(&cam->statistics.lock, flags);
		cam->statistics.last_error = cam_read(cam, MMRIG_CAM_ERROR);
		spin_unlock_irqrestore(&cam->statistics.lock, flags);
	}
	if (status & MMRIG_CAM_IRQ_START_TIMEOUT)
		start_timed_out(cam);
	return status ? IRQ_HANDLED : IRQ_NONE;
}

void cam_hw_free_irqs(struct cam_device *cam)
{
	int i;

	cam_write(cam, MMRIG_CAM_IRQ_ENABLE, 0);
	for (i = 0; i < MMRIG_CAM_VECTORS; i++)
		free_irq(pci_irq_vector(cam->pdev, i), cam);
	pci_free_irq_vectors(cam->pdev);
}

int cam_hw_irqs(struct cam_device *cam)
{
	static const irq_handler_t handlers[MMRIG_CAM_VECTORS] = {
		[MMRIG_CAM_VECTOR_FRAME] = cam_frame_irq,
		[MMRIG_CAM_VECTOR_EVENT] = cam_event_irq,
	};
	struct device *dev = &cam->pdev->dev;
	int err, i;

	err = pci_alloc_irq_vectors(cam->pdev, MMRIG_CAM_VECTORS, MMRIG_CAM_VECTORS,
				    PCI_IRQ_MSIX);
	if (err < 0)
		return dev_err_probe(dev, err, "no MSI-X interrupts\n");
	for (i = 0; i < MMRIG_CAM_VECTORS; i++) {
		err = request_irq(pci_irq_vector(cam->pdev, i), handlers[i], 0, CAM_NAME, cam);
		if (err) {
			while (i--)
				free_irq(pci_irq_vector(cam->pdev, i), cam);
			pci_free_irq_vectors(cam->pdev);
			return dev_err_probe(dev, err, "no interrupts\n");
		}
	}
	cam_write(cam, MMRIG_CAM_IRQ_STATUS, MMRIG_CAM_IRQ_ALL);
	cam_write(cam, MMRIG_CAM_IRQ_ENABLE, MMRIG_CAM_IRQ_ALL);
	return 0;
}
