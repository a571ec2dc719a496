/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether bytes are the frame they should be, judged without the device's own code. */
#ifndef MMRIG_CAMERA_CHECK_H
#define MMRIG_CAMERA_CHECK_H

#include <endian.h>
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "mmrig-camera-regs.h"

/* Bit by bit, straight from the polynomial: slow, and hard to get wrong. */
static inline uint32_t check_crc32c(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint32_t state = 0xffffffff;

    for (size_t i = 0; i < size; i++) {
        state ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            state = state >> 1 ^ (state & 1 ? 0x82f63b78 : 0);
    }
    return ~state;
}

typedef struct {
    uint32_t sequence;
    uint32_t generation;
    uint64_t address;
    uint32_t cookie;
    uint32_t size;
    uint32_t format;
    uint32_t stride;
    uint32_t crc32c;
} CheckFrame;

static inline void check_frame(const uint8_t *bytes, const CheckFrame *expected)
{
    uint32_t height = MMRIG_CAM_SIZE_HEIGHT(expected->size);
    uint32_t count = expected->stride * height;
    struct mmrig_cam_frame header;

    memcpy(&header, bytes, sizeof(header));
    g_assert_cmphex(le32toh(header.magic), ==, MMRIG_CAM_FRAME_MAGIC);
    g_assert_cmphex(le32toh(header.crc32c), ==, check_crc32c(bytes, sizeof(header) - 4));
    g_assert_cmphex(le32toh(header.body_crc32c), ==,
                    check_crc32c(bytes + sizeof(header), count - sizeof(header)));
    g_assert_cmpuint(le32toh(header.sequence), ==, expected->sequence);
    g_assert_cmpuint(le32toh(header.generation), ==, expected->generation);
    g_assert_cmphex(le64toh(header.address), ==, expected->address);
    g_assert_cmphex(le32toh(header.cookie), ==, expected->cookie);
    g_assert_cmphex(le32toh(header.size), ==, expected->size);
    g_assert_cmphex(le32toh(header.format), ==, expected->format);
    g_assert_cmpuint(le32toh(header.stride), ==, expected->stride);
    g_assert_cmpuint(le32toh(header.bytes), ==, count);
    g_assert_cmphex(check_crc32c(bytes, count), ==, expected->crc32c);
    for (uint32_t line = 1; line < height; line++) {
        struct mmrig_cam_line stamp;

        memcpy(&stamp, bytes + (size_t)line * expected->stride, sizeof(stamp));
        g_assert_cmpuint(le32toh(stamp.sequence), ==, expected->sequence);
        g_assert_cmpuint(le32toh(stamp.line), ==, line);
    }
}

#endif
