/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a frame of mmrig-camera looks like (docs/devices/camera.md), apart from
 * QEMU: so it is tested on its own.
 *
 * A frame must cost little more than a plain copy of its bytes. The picture is
 * made of ROWS rows that are drawn once; line L of frame N shows row
 * (L + N) mod ROWS, so the picture moves by a line each frame. Only the few
 * bytes at the beginning of a line differ, and the CRC32C moves over the rest
 * by a table.
 */
#ifndef MMRIG_CAMERA_FRAME_H
#define MMRIG_CAMERA_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/crc32c.h"
#include "mmrig-camera-regs.h"

typedef struct CameraPattern CameraPattern;

/* Bytes in a pixel, 0 if there is no such format. */
unsigned mmrig_camera_format_bytes(uint32_t format);

/* Size and format must be valid. */
CameraPattern *mmrig_camera_pattern_new(uint32_t size, uint32_t format);
void mmrig_camera_pattern_free(CameraPattern *pattern);

typedef struct CameraFrame {
    const CameraPattern *pattern;
    struct mmrig_cam_frame header;
    uint32_t sequence;
    uint32_t bytes;
    uint32_t crc32c; /* of the whole frame */
} CameraFrame;

/* What makes one frame different from others. */
typedef struct CameraShot {
    uint32_t sequence;
    uint32_t generation;
    uint64_t time;
    uint64_t address;
    uint32_t cookie;
} CameraShot;

void mmrig_camera_frame_init(CameraFrame *frame, const CameraPattern *pattern,
                             const CameraShot *shot);

/* Writes the frame's bytes [from, from + size), which must lie within it. */
void mmrig_camera_frame_write(const CameraFrame *frame, void *to, uint32_t from,
                              uint32_t size);

#endif
