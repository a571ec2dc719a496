/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The camera's picture and its checksum, which is computed without reading the picture. */
#include "camera-frame.h"

#include "camera-check.h"

static const uint32_t formats[] = {MMRIG_CAM_FORMAT_GREY, MMRIG_CAM_FORMAT_YUYV,
                                   MMRIG_CAM_FORMAT_RGB24, MMRIG_CAM_FORMAT_XBGR32};

static void test_crc(void)
{
    uint8_t bytes[1000];
    Crc32cShift shift;
    uint32_t state;

    g_assert_cmphex(~mmrig_crc32c_update(CRC32C_INIT, "123456789", 9), ==, 0xe3069283);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)g_test_rand_int();
    for (size_t size = 0; size < 100; size++)
        g_assert_cmphex(~mmrig_crc32c_update(CRC32C_INIT, bytes + size % 8, size), ==,
                        check_crc32c(bytes + size % 8, size));
    for (size_t split = 0; split <= sizeof(bytes); split += 37) {
        mmrig_crc32c_shift_init(&shift, sizeof(bytes) - split);
        state = crc32c_shift(&shift, mmrig_crc32c_update(CRC32C_INIT, bytes, split)) ^
                mmrig_crc32c_update(0, bytes + split, sizeof(bytes) - split);
        g_assert_cmphex(~state, ==, check_crc32c(bytes, sizeof(bytes)));
    }
}

static void frame_of(uint32_t size, uint32_t format, uint32_t sequence)
{
    CameraPattern *pattern = mmrig_camera_pattern_new(size, format);
    CameraShot shot = {sequence, 7, 0x123456789abcull, 0xfedc00001000ull, 0xc0ffee};
    struct mmrig_cam_frame header;
    CameraFrame frame;
    g_autofree uint8_t *whole = NULL;
    g_autofree uint8_t *parts = NULL;

    mmrig_camera_frame_init(&frame, pattern, &shot);
    whole = g_malloc(frame.bytes);
    parts = g_malloc(frame.bytes);
    mmrig_camera_frame_write(&frame, whole, 0, frame.bytes);
    check_frame(whole,
                &(CheckFrame){sequence, 7, shot.address, shot.cookie, size, format,
                              MMRIG_CAM_SIZE_WIDTH(size) * mmrig_camera_format_bytes(format),
                              frame.crc32c});
    memcpy(&header, whole, sizeof(header));
    g_assert_cmphex(le64toh(header.time), ==, shot.time);
    /* In pieces of any size, as memory happens to be laid out, it is the same. */
    for (uint32_t from = 0; from < frame.bytes;) {
        uint32_t wanted = (uint32_t)g_test_rand_int_range(1, 700);
        uint32_t part = MIN(frame.bytes - from, wanted);

        mmrig_camera_frame_write(&frame, parts + from, from, part);
        from += part;
    }
    g_assert_cmpmem(whole, frame.bytes, parts, frame.bytes);
    mmrig_camera_pattern_free(pattern);
}

static void test_frames(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        frame_of(MMRIG_CAM_SIZE_PACK(64, 16), formats[i], 0);
        frame_of(MMRIG_CAM_SIZE_PACK(66, 130), formats[i], 1);
        frame_of(MMRIG_CAM_SIZE_PACK(640, 480), formats[i], 0xffffffff);
    }
}

/* No two frames have a line in common. */
static void test_differs(void)
{
    CameraPattern *pattern =
        mmrig_camera_pattern_new(MMRIG_CAM_SIZE_PACK(64, 256), MMRIG_CAM_FORMAT_GREY);
    CameraFrame frame[2];
    uint8_t bytes[2][64 * 256];

    for (uint32_t i = 0; i < 2; i++) {
        mmrig_camera_frame_init(&frame[i], pattern, &(CameraShot){.sequence = 64 * i});
        mmrig_camera_frame_write(&frame[i], bytes[i], 0, sizeof(bytes[i]));
    }
    for (uint32_t line = 0; line < 256; line++)
        g_assert_cmpint(memcmp(bytes[0] + 64 * line, bytes[1] + 64 * line, 64), !=, 0);
    g_assert_cmphex(frame[0].crc32c, !=, frame[1].crc32c);
    mmrig_camera_pattern_free(pattern);
}

/* The picture moves up by a line each frame. */
static void test_moves(void)
{
    CameraPattern *pattern =
        mmrig_camera_pattern_new(MMRIG_CAM_SIZE_PACK(64, 16), MMRIG_CAM_FORMAT_YUYV);
    CameraFrame frame;
    uint8_t first[128 * 16];
    uint8_t second[128 * 16];

    mmrig_camera_frame_init(&frame, pattern, &(CameraShot){.sequence = 5});
    mmrig_camera_frame_write(&frame, first, 0, sizeof(first));
    mmrig_camera_frame_init(&frame, pattern, &(CameraShot){.sequence = 6});
    mmrig_camera_frame_write(&frame, second, 0, sizeof(second));
    for (uint32_t line = 1; line < 15; line++) {
        const uint8_t *now = second + 128 * line + MMRIG_CAM_LINE_HEADER;

        g_assert_cmpmem(now, 120, first + 128 * (line + 1) + MMRIG_CAM_LINE_HEADER, 120);
        g_assert_cmpint(memcmp(now, first + 128 * line + MMRIG_CAM_LINE_HEADER, 120), !=, 0);
    }
    mmrig_camera_pattern_free(pattern);
}

/* What the camera shows: eight bars, red in the odd ones, and the light that runs over them. */
static void picture_of(uint32_t format, const char *order)
{
    enum { WIDTH = 64, SEQUENCE = 60 };
    static const uint8_t chroma[8] = {0, 32, 64, 96, 128, 160, 192, 224};
    uint32_t count = (uint32_t)strlen(order);
    CameraPattern *pattern = mmrig_camera_pattern_new(MMRIG_CAM_SIZE_PACK(WIDTH, 16), format);
    CameraFrame frame;
    uint8_t bytes[WIDTH * 4 * 16];

    mmrig_camera_frame_init(&frame, pattern, &(CameraShot){.sequence = SEQUENCE});
    g_assert_cmpuint(frame.bytes, ==, WIDTH * count * 16);
    mmrig_camera_frame_write(&frame, bytes, 0, frame.bytes);
    for (uint32_t line = 1; line < 16; line++) {
        for (uint32_t x = 8; x < WIDTH; x++) {
            uint8_t light = (uint8_t)(x + 4 * (SEQUENCE + line));
            uint32_t bar = x / 8;

            for (uint32_t i = 0; i < count; i++) {
                uint8_t is = bytes[(line * WIDTH + x) * count + i];
                uint8_t should = 255;

                switch (order[i]) {
                case 'Y':
                    should = light;
                    break;
                case 'C':
                    should = x % 2 ? chroma[bar] : 255 - chroma[bar];
                    break;
                case 'R':
                    should = bar % 2 == 1 ? light : 0;
                    break;
                case 'G':
                    should = bar == 2 || bar == 3 || bar >= 6 ? light : 0;
                    break;
                case 'B':
                    should = bar >= 4 ? light : 255;
                    break;
                default:
                    break;
                }
                g_assert_cmphex(is, ==, should);
            }
        }
    }
    mmrig_camera_pattern_free(pattern);
}

static void test_picture(void)
{
    g_assert_cmpuint(mmrig_camera_format_bytes(0), ==, 0);
    picture_of(MMRIG_CAM_FORMAT_GREY, "Y");
    picture_of(MMRIG_CAM_FORMAT_YUYV, "YC");
    picture_of(MMRIG_CAM_FORMAT_RGB24, "RGB");
    picture_of(MMRIG_CAM_FORMAT_XBGR32, "BGRX");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/camera-frame/crc", test_crc);
    g_test_add_func("/camera-frame/frames", test_frames);
    g_test_add_func("/camera-frame/differs", test_differs);
    g_test_add_func("/camera-frame/moves", test_moves);
    g_test_add_func("/camera-frame/picture", test_picture);
    return g_test_run();
}
