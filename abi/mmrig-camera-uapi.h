/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the camera's driver offers on its video device besides V4L2's own: for the driver and
 * for programs in the guest. Include <linux/videodev2.h> first.
 */
#ifndef MMRIG_CAMERA_UAPI_H
#define MMRIG_CAMERA_UAPI_H

/*
 * A control, boolean: the camera is started when buffers are asked for and before any is
 * allocated, not when the stream starts. What allocation takes then counts against the
 * camera's patience, as it does where a person waits for a picture.
 */
#define MMRIG_CAM_CID_EARLY_START (V4L2_CID_USER_BASE + 0x1f00)

/*
 * Events to subscribe to. The first word of the event's data is the device's error code
 * (MMRIG_CAM_ERR_*), the second how many buffers it had.
 */
#define MMRIG_CAM_EVENT_START_TIMEOUT (V4L2_EVENT_PRIVATE_START + 0x6d00)

#endif
