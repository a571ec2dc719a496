// SPDX-License-Identifier: GPL-2.0-or-later
/* V4L2: formats, sizes, rates and controls. The device's tables say what there is. */
#include <linux/gcd.h>
#include <media/v4l2-event.h>
#include <media/v4l2-ioctl.h>

#include "camera.h"

static u32 bytes_per_pixel(u32 format)
{
	switch (format) {
	case V4L2_PIX_FMT_GREY:
		return 1;
	case V4L2_PIX_FMT_YUYV:
		return 2;
	case V4L2_PIX_FMT_RGB24:
		return 3;
	case V4L2_PIX_FMT_XBGR32:
		return 4;
	}
	return 0;
}

static bool has_format(const struct cam_device *cam, u32 format)
{
	u32 i;

	for (i = 0; i < cam->limits.format_count; i++) {
		if (cam->limits.formats[i] == format)
			return bytes_per_pixel(format);
	}
	return false;
}

/* The size in the table that is nearest to this one. */
static u32 nearest_size(const struct cam_device *cam, u32 width, u32 height)
{
	u64 least = U64_MAX;
	u32 best = 0, i;

	for (i = 0; i < cam->limits.size_count; i++) {
		s64 x = (s64)MMRIG_CAM_SIZE_WIDTH(cam->limits.sizes[i]) - width;
		s64 y = (s64)MMRIG_CAM_SIZE_HEIGHT(cam->limits.sizes[i]) - height;
		u64 far = abs(x) + abs(y);

		if (far < least) {
			least = far;
			best = cam->limits.sizes[i];
		}
	}
	return best;
}

/* Makes of what was asked for the nearest that there is; returns its size. */
static u32 fit(const struct cam_device *cam, struct v4l2_pix_format *pix)
{
	u32 size = nearest_size(cam, pix->width, pix->height);

	if (!has_format(cam, pix->pixelformat))
		pix->pixelformat = cam->limits.formats[0];
	pix->width = MMRIG_CAM_SIZE_WIDTH(size);
	pix->height = MMRIG_CAM_SIZE_HEIGHT(size);
	pix->field = V4L2_FIELD_NONE;
	pix->bytesperline = pix->width * bytes_per_pixel(pix->pixelformat);
	pix->sizeimage = pix->bytesperline * pix->height;
	pix->colorspace = V4L2_COLORSPACE_SRGB;
	pix->ycbcr_enc = V4L2_YCBCR_ENC_DEFAULT;
	pix->quantization = V4L2_QUANTIZATION_DEFAULT;
	pix->xfer_func = V4L2_XFER_FUNC_DEFAULT;
	pix->flags = 0;
	pix->priv = V4L2_PIX_FMT_PRIV_MAGIC;
	return size;
}

void cam_video_defaults(struct cam_device *cam)
{
	cam->format.pixelformat = cam->limits.formats[0];
	cam->format.width = MMRIG_CAM_SIZE_WIDTH(cam->limits.sizes[0]);
	cam->format.height = MMRIG_CAM_SIZE_HEIGHT(cam->limits.sizes[0]);
	cam->size = fit(cam, &cam->format);
	cam->interval = cam->limits.interval_start;
}

static int cam_querycap(struct file *file, void *priv, struct v4l2_capability *cap)
{
	strscpy(cap->driver, CAM_NAME, sizeof(cap->driver));
	strscpy(cap->card, "mmrig camera", sizeof(cap->card));
	return 0;
}

static int cam_enum_format(struct file *file, void *priv, struct v4l2_fmtdesc *desc)
{
	const struct cam_device *cam = video_drvdata(file);

	if (desc->index >= cam->limits.format_count)
		return -EINVAL;
	desc->pixelformat = cam->limits.formats[desc->index];
	return 0;
}

static int cam_get_format(struct file *file, void *priv, struct v4l2_format *format)
{
	const struct cam_device *cam = video_drvdata(file);

	format->fmt.pix = cam->format;
	return 0;
}

static int cam_try_format(struct file *file, void *priv, struct v4l2_format *format)
{
	const struct cam_device *cam = video_drvdata(file);

	fit(cam, &format->fmt.pix);
	return 0;
}

static int cam_set_format(struct file *file, void *priv, struct v4l2_format *format)
{
	struct cam_device *cam = video_drvdata(file);

	if (vb2_is_busy(&cam->queue))
		return -EBUSY;
	cam->size = fit(cam, &format->fmt.pix);
	cam->format = format->fmt.pix;
	return 0;
}

static int cam_enum_sizes(struct file *file, void *priv, struct v4l2_frmsizeenum *size)
{
	const struct cam_device *cam = video_drvdata(file);

	if (!has_format(cam, size->pixel_format) || size->index >= cam->limits.size_count)
		return -EINVAL;
	size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
	size->discrete.width = MMRIG_CAM_SIZE_WIDTH(cam->limits.sizes[size->index]);
	size->discrete.height = MMRIG_CAM_SIZE_HEIGHT(cam->limits.sizes[size->index]);
	return 0;
}

static struct v4l2_fract to_fraction(u32 ns)
{
	u32 common = gcd(ns, NSEC_PER_SEC);

	return (struct v4l2_fract){ ns / common, (u32)NSEC_PER_SEC / common };
}

static int cam_enum_intervals(struct file *file, void *priv, struct v4l2_frmivalenum *interval)
{
	const struct cam_device *cam = video_drvdata(file);
	u32 size = nearest_size(cam, interval->width, interval->height);

	if (interval->index || !has_format(cam, interval->pixel_format) ||
	    interval->width != MMRIG_CAM_SIZE_WIDTH(size) ||
	    interval->height != MMRIG_CAM_SIZE_HEIGHT(size))
		return -EINVAL;
	interval->type = V4L2_FRMIVAL_TYPE_CONTINUOUS;
	interval->stepwise.min = to_fraction(cam->limits.interval_min);
	interval->stepwise.max = to_fraction(cam->limits.interval_max);
	interval->stepwise.step = (struct v4l2_fract){ 1, 1 };
	return 0;
}

static int cam_get_parm(struct file *file, void *priv, struct v4l2_streamparm *parm)
{
	const struct cam_device *cam = video_drvdata(file);

	if (parm->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
		return -EINVAL;
	memset(&parm->parm.capture, 0, sizeof(parm->parm.capture));
	parm->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
	parm->parm.capture.timeperframe = to_fraction(cam->interval);
	return 0;
}

static int cam_set_parm(struct file *file, void *priv, struct v4l2_streamparm *parm)
{
	struct cam_device *cam = video_drvdata(file);
	struct v4l2_fract *asked = &parm->parm.capture.timeperframe;
	u64 ns = cam->limits.interval_start;

	if (parm->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
		return -EINVAL;
	if (vb2_is_streaming(&cam->queue))
		return -EBUSY;
	/* A zero in either place asks for the default. */
	if (asked->numerator && asked->denominator)
		ns = div_u64((u64)asked->numerator * NSEC_PER_SEC, asked->denominator);
	cam->interval = clamp_t(u64, ns, cam->limits.interval_min, cam->limits.interval_max);
	return cam_get_parm(file, priv, parm);
}

static int cam_enum_input(struct file *file, void *priv, struct v4l2_input *input)
{
	if (input->index)
		return -EINVAL;
	input->type = V4L2_INPUT_TYPE_CAMERA;
	strscpy(input->name, "Test pattern", sizeof(input->name));
	return 0;
}

static int cam_get_input(struct file *file, void *priv, unsigned int *input)
{
	*input = 0;
	return 0;
}

static int cam_set_input(struct file *file, void *priv, unsigned int input)
{
	return input ? -EINVAL : 0;
}

/*
 * Says nothing of how many buffers there can be at most, which since Linux 6.8 is told in a
 * field that was reserved before: v4l2-compliance of that time takes it for a mistake.
 */
static int cam_create_bufs(struct file *file, void *priv, struct v4l2_create_buffers *buffers)
{
	int err = vb2_ioctl_create_bufs(file, priv, buffers);

#ifndef CAM_VB2_NUM_BUFFERS
	buffers->max_num_buffers = 0;
	buffers->capabilities &= ~V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS;
#endif
	return err;
}

static int cam_subscribe(struct v4l2_fh *fh, const struct v4l2_event_subscription *sub)
{
	if (sub->type == MMRIG_CAM_EVENT_START_TIMEOUT)
		return v4l2_event_subscribe(fh, sub, 8, NULL);
	return v4l2_ctrl_subscribe_event(fh, sub);
}

static const struct v4l2_ioctl_ops cam_ioctl_ops = {
	.vidioc_querycap = cam_querycap,
	.vidioc_enum_fmt_vid_cap = cam_enum_format,
	.vidioc_g_fmt_vid_cap = cam_get_format,
	.vidioc_try_fmt_vid_cap = cam_try_format,
	.vidioc_s_fmt_vid_cap = cam_set_format,
	.vidioc_enum_framesizes = cam_enum_sizes,
	.vidioc_enum_frameintervals = cam_enum_intervals,
	.vidioc_g_parm = cam_get_parm,
	.vidioc_s_parm = cam_set_parm,
	.vidioc_enum_input = cam_enum_input,
	.vidioc_g_input = cam_get_input,
	.vidioc_s_input = cam_set_input,
	.vidioc_reqbufs = vb2_ioctl_reqbufs,
	.vidioc_create_bufs = cam_create_bufs,
	.vidioc_prepare_buf = vb2_ioctl_prepare_buf,
	.vidioc_querybuf = vb2_ioctl_querybuf,
	.vidioc_qbuf = vb2_ioctl_qbuf,
	.vidioc_dqbuf = vb2_ioctl_dqbuf,
	.vidioc_expbuf = vb2_ioctl_expbuf,
	.vidioc_streamon = vb2_ioctl_streamon,
	.vidioc_streamoff = vb2_ioctl_streamoff,
	.vidioc_log_status = v4l2_ctrl_log_status,
	.vidioc_subscribe_event = cam_subscribe,
	.vidioc_unsubscribe_event = v4l2_event_unsubscribe,
};

static const struct v4l2_file_operations cam_file_ops = {
	.owner = THIS_MODULE,
	.open = v4l2_fh_open,
	.release = vb2_fop_release,
	.poll = vb2_fop_poll,
	.mmap = vb2_fop_mmap,
	.unlocked_ioctl = video_ioctl2,
};

static int cam_set_control(struct v4l2_ctrl *ctrl)
{
	/* Its value is looked at when buffers are asked for. */
	return 0;
}

static const struct v4l2_ctrl_ops cam_control_ops = {
	.s_ctrl = cam_set_control,
};

static const struct v4l2_ctrl_config early_start = {
	.ops = &cam_control_ops,
	.id = MMRIG_CAM_CID_EARLY_START,
	.name = "Start Before Allocation",
	.type = V4L2_CTRL_TYPE_BOOLEAN,
	.max = 1,
	.step = 1,
};

int cam_video_controls(struct cam_device *cam)
{
	struct v4l2_ctrl *least;

	v4l2_ctrl_handler_init(&cam->ctrls, 2);
	cam->early_start = v4l2_ctrl_new_custom(&cam->ctrls, &early_start, NULL);
	least = v4l2_ctrl_new_std(&cam->ctrls, NULL, V4L2_CID_MIN_BUFFERS_FOR_CAPTURE,
				  cam->limits.min_buffers, cam->limits.min_buffers, 1,
				  cam->limits.min_buffers);
	if (least)
		least->flags |= V4L2_CTRL_FLAG_READ_ONLY;
	cam->v4l2_dev.ctrl_handler = &cam->ctrls;
	return cam->ctrls.error;
}

static void cam_video_release(struct video_device *vdev)
{
	/* It is part of cam_device, which the v4l2_device releases. */
}

int cam_video_register(struct cam_device *cam)
{
	struct video_device *vdev = &cam->vdev;

	strscpy(vdev->name, CAM_NAME, sizeof(vdev->name));
	vdev->release = cam_video_release;
	vdev->fops = &cam_file_ops;
	vdev->ioctl_ops = &cam_ioctl_ops;
	vdev->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
	vdev->v4l2_dev = &cam->v4l2_dev;
	vdev->queue = &cam->queue;
	vdev->lock = &cam->mutex;
	video_set_drvdata(vdev, cam);
	return video_register_device(vdev, VFL_TYPE_VIDEO, -1);
}
