/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <glib.h>
#include <string.h>

#include "camera-frame.h"

/* A power of two; few enough for 4K lines to stay in a second-level cache. */
#define ROWS 64

struct CameraPattern {
    uint32_t size;
    uint32_t format;
    uint32_t stride;
    uint32_t height;
    uint8_t *rows;
    uint32_t row_crc[ROWS]; /* from 0, of a row behind the line header */
    Crc32cShift over_row;   /* over as many bytes */
    Crc32cShift over_body;  /* over a frame without its header */
};

unsigned mmrig_camera_format_bytes(uint32_t format)
{
    switch (format) {
    case MMRIG_CAM_FORMAT_GREY:
        return 1;
    case MMRIG_CAM_FORMAT_YUYV:
        return 2;
    case MMRIG_CAM_FORMAT_RGB24:
        return 3;
    case MMRIG_CAM_FORMAT_XBGR32:
        return 4;
    default:
        return 0;
    }
}

/* Eight upright bars of colour, under a brightness that runs aslant. */
static void draw_pixel(uint8_t *pixel, uint32_t format, uint32_t x,
                       uint32_t width, uint32_t row)
{
    uint8_t light = (uint8_t)(x + row * (256 / ROWS));
    uint32_t bar = x * 8 / width;
    uint8_t red = bar & 1 ? light : 0;
    uint8_t green = bar & 2 ? light : 0;
    uint8_t blue = bar & 4 ? light : 255;

    switch (format) {
    case MMRIG_CAM_FORMAT_GREY:
        pixel[0] = light;
        break;
    case MMRIG_CAM_FORMAT_YUYV:
        pixel[0] = light;
        /* U in even pixels, V in odd ones. */
        pixel[1] = (uint8_t)(x & 1 ? 32 * bar : 255 - 32 * bar);
        break;
    case MMRIG_CAM_FORMAT_RGB24:
        pixel[0] = red;
        pixel[1] = green;
        pixel[2] = blue;
        break;
    default:
        pixel[0] = blue;
        pixel[1] = green;
        pixel[2] = red;
        pixel[3] = 255;
        break;
    }
}

CameraPattern *mmrig_camera_pattern_new(uint32_t size, uint32_t format)
{
    CameraPattern *pattern = g_new0(CameraPattern, 1);
    uint32_t width = MMRIG_CAM_SIZE_WIDTH(size);
    unsigned bytes = mmrig_camera_format_bytes(format);
    uint32_t tail;

    pattern->size = size;
    pattern->format = format;
    pattern->stride = width * bytes;
    pattern->height = MMRIG_CAM_SIZE_HEIGHT(size);
    pattern->rows = g_malloc((size_t)pattern->stride * ROWS);
    tail = pattern->stride - MMRIG_CAM_LINE_HEADER;
    for (uint32_t row = 0; row < ROWS; row++) {
        uint8_t *line = pattern->rows + (size_t)row * pattern->stride;

        for (uint32_t x = 0; x < width; x++) {
            draw_pixel(line + (size_t)x * bytes, format, x, width, row);
        }
        pattern->row_crc[row] =
            mmrig_crc32c_update(0, line + MMRIG_CAM_LINE_HEADER, tail);
    }
    mmrig_crc32c_shift_init(&pattern->over_row, tail);
    mmrig_crc32c_shift_init(&pattern->over_body,
                            (uint64_t)pattern->stride * pattern->height -
                                MMRIG_CAM_FRAME_HEADER);
    return pattern;
}

void mmrig_camera_pattern_free(CameraPattern *pattern)
{
    if (pattern) {
        g_free(pattern->rows);
        g_free(pattern);
    }
}

static uint32_t row_of(const CameraFrame *frame, uint32_t line)
{
    return (frame->sequence + line) % ROWS;
}

static const uint8_t *row_bytes(const CameraFrame *frame, uint32_t line)
{
    return frame->pattern->rows +
           (size_t)row_of(frame, line) * frame->pattern->stride;
}

static struct mmrig_cam_line line_header(const CameraFrame *frame,
                                         uint32_t line)
{
    return (struct mmrig_cam_line){.sequence = htole32(frame->sequence),
                                   .line = htole32(line)};
}

void mmrig_camera_frame_init(CameraFrame *frame, const CameraPattern *pattern,
                             const CameraShot *shot)
{
    struct mmrig_cam_frame *header = &frame->header;
    uint32_t state;

    frame->pattern = pattern;
    frame->sequence = shot->sequence;
    frame->bytes = pattern->stride * pattern->height;

    state = mmrig_crc32c_update(CRC32C_INIT,
                                row_bytes(frame, 0) + MMRIG_CAM_FRAME_HEADER,
                                pattern->stride - MMRIG_CAM_FRAME_HEADER);
    for (uint32_t line = 1; line < pattern->height; line++) {
        struct mmrig_cam_line stamp = line_header(frame, line);

        state = mmrig_crc32c_update(state, &stamp, sizeof(stamp));
        state = crc32c_shift(&pattern->over_row, state) ^
                pattern->row_crc[row_of(frame, line)];
    }

    *header = (struct mmrig_cam_frame){
        .magic = htole32(MMRIG_CAM_FRAME_MAGIC),
        .sequence = htole32(shot->sequence),
        .time = htole64(shot->time),
        .address = htole64(shot->address),
        .cookie = htole32(shot->cookie),
        .generation = htole32(shot->generation),
        .size = htole32(pattern->size),
        .format = htole32(pattern->format),
        .stride = htole32(pattern->stride),
        .bytes = htole32(frame->bytes),
        .body_crc32c = htole32(~state),
    };
    header->crc32c = htole32(~mmrig_crc32c_update(
        CRC32C_INIT, header, offsetof(struct mmrig_cam_frame, crc32c)));
    /* The body was summed from CRC32C_INIT; take that start for the real one.
     */
    frame->crc32c =
        ~(state ^
          crc32c_shift(&pattern->over_body,
                       CRC32C_INIT ^ mmrig_crc32c_update(CRC32C_INIT, header,
                                                         sizeof(*header))));
}

/* The part of [from, from + size) that is in [start, start + count) of it. */
static void copy_part(uint8_t *to, uint32_t from, uint32_t size,
                      const void *bytes, uint32_t start, uint32_t count)
{
    uint32_t first = MAX(from, start);
    uint32_t end = MIN(from + size, start + count);

    if (first < end) {
        memcpy(to + (first - from), (const uint8_t *)bytes + (first - start),
               end - first);
    }
}

void mmrig_camera_frame_write(const CameraFrame *frame, void *to, uint32_t from,
                              uint32_t size)
{
    uint32_t stride = frame->pattern->stride;
    uint8_t *out = to;

    while (size > 0) {
        uint32_t line = from / stride;
        uint32_t offset = from % stride;
        uint32_t part = MIN(size, stride - offset);
        const uint8_t *row = row_bytes(frame, line);
        struct mmrig_cam_line stamp = line_header(frame, line);
        const void *header = line == 0 ? (const void *)&frame->header : &stamp;
        uint32_t head =
            line == 0 ? MMRIG_CAM_FRAME_HEADER : MMRIG_CAM_LINE_HEADER;

        copy_part(out, offset, part, header, 0, head);
        copy_part(out, offset, part, row + head, head, stride - head);
        out += part;
        from += part;
        size -= part;
    }
}
