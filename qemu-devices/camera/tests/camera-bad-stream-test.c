/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams that no such camera can have made are refused, and QEMU ends; the extremes are taken.
 */
#include <string.h>

#include "camera-machine.h"

/* Offsets in the stream from BUF_ADDRESS on; numbers are big-endian there. */
enum {
    TIMER = -52,
    SIZE = -44,
    FORMAT = -40,
    INTERVAL = -36,
    STATE = -32,
    IRQ_STATUS = -8,
    IRQ_ENABLE = -4,
    QUEUE = 20, /* 64 of address, length, cookie */
    QUEUE_FIRST = QUEUE + 64 * 16,
    QUEUE_COUNT = QUEUE_FIRST + 4,
    DONE = QUEUE_COUNT + 4, /* 64 of 36 bytes */
    DONE_FIRST = DONE + 64 * 36,
    DONE_COUNT = DONE_FIRST + 4,
    DUE = DONE_COUNT + 16,
};

typedef struct {
    const char *what;
    gboolean taken;
    int offset;
    gsize size;
    uint8_t bytes[8];
} Row;

static const Row rows[] = {
    {"as it is", TRUE, 0, 0, {0}},
    {"a size that is not offered", FALSE, SIZE + 3, 1, {0x11}},
    {"a format that is not offered", FALSE, FORMAT, 4, {'A', 'B', 'C', 'D'}},
    {"999,999 ns", FALSE, INTERVAL, 4, {0x00, 0x0f, 0x42, 0x3f}},
    {"1,000,000 ns", TRUE, INTERVAL, 4, {0x00, 0x0f, 0x42, 0x40}},
    {"1,000,000,000 ns", TRUE, INTERVAL, 4, {0x3b, 0x9a, 0xca, 0x00}},
    {"1,000,000,001 ns", FALSE, INTERVAL, 4, {0x3b, 0x9a, 0xca, 0x01}},
    {"no such state", FALSE, STATE + 3, 1, {MMRIG_CAM_STATE_FAILED + 1}},
    {"idle, with a frame due", FALSE, STATE + 3, 1, {MMRIG_CAM_STATE_IDLE}},
    {"streaming, and none due", FALSE, TIMER, 8, {255, 255, 255, 255, 255, 255, 255, 255}},
    {"all interrupts are enabled", TRUE, IRQ_ENABLE + 3, 1, {MMRIG_CAM_IRQ_ALL}},
    {"another is enabled", FALSE, IRQ_ENABLE, 1, {0x80}},
    {"all interrupts are there", TRUE, IRQ_STATUS + 3, 1, {MMRIG_CAM_IRQ_ALL}},
    {"another is there", FALSE, IRQ_STATUS, 1, {0x80}},
    {"the queue begins behind its end", FALSE, QUEUE_FIRST + 3, 1, {64}},
    {"more buffers than the queue takes", FALSE, QUEUE_COUNT + 3, 1, {5}},
    {"as many", TRUE, QUEUE_COUNT + 3, 1, {4}},
    {"a buffer that is too small", FALSE, QUEUE + 8 + 2, 2, {0x03, 0xff}},
    {"the last buffer is", FALSE, QUEUE + 16 + 8 + 2, 2, {0x03, 0xff}},
    {"a buffer that wraps", FALSE, QUEUE, 8, {255, 255, 255, 255, 255, 255, 252, 0x01}},
    {"one that does not quite", TRUE, QUEUE, 8, {255, 255, 255, 255, 255, 255, 252, 0x00}},
    {"completions begin behind their end", FALSE, DONE_FIRST + 3, 1, {64}},
    {"they begin at the last place", TRUE, DONE_FIRST + 3, 1, {63}},
    {"as many as can be", TRUE, DONE_COUNT + 3, 1, {64}},
    {"more completions than can be", FALSE, DONE_COUNT + 3, 1, {65}},
    {"due before time began", FALSE, DUE, 1, {0x80}},
    {"due too late", FALSE, DUE, 8, {0x40, 0, 0, 0, 0, 0, 0, 0}},
};

/* Streaming, with two buffers; the places behind them have what once were some. */
static char *saved(const char *properties)
{
    QTest *q = start(properties);

    small(q);
    for (uint32_t i = 0; i < 4; i++)
        g_assert_cmphex(queue(q, BUFFER + 0x1000 * i, 1024, i), ==, MMRIG_CAM_OK);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, MS);
    g_assert_cmphex(queue(q, BUFFER, 1024, 4), ==, MMRIG_CAM_OK);
    command(q, MMRIG_CAM_COMMAND_STOP);
    for (uint32_t i = 0; i < 2; i++)
        g_assert_cmphex(queue(q, BUFFER + 0x1000 * i, 1024, i), ==, MMRIG_CAM_OK);
    command(q, MMRIG_CAM_COMMAND_START);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STREAMING);
    set(q, MMRIG_CAM_BUF_ADDRESS_LO, 0x9abcd000);
    set(q, MMRIG_CAM_BUF_ADDRESS_HI, 0x12345678);
    return qtest_save(q);
}

static void load(const char *uri, const char *device, const Row *row)
{
    g_autoptr(GPtrArray) argv = NULL;
    g_autofree char *errors = NULL;

    g_test_message("%s", row->what);
    if (row->taken) {
        QTest *q = qtest_start("-device", device, "-incoming", uri, NULL);

        qtest_migrated(q);
        qtest_stop(q);
        return;
    }
    argv = qtest_argv(NULL);
    g_ptr_array_add(argv, g_strdup("-device"));
    g_ptr_array_add(argv, g_strdup(device));
    g_ptr_array_add(argv, g_strdup("-incoming"));
    g_ptr_array_add(argv, g_strdup(uri));
    if (qtest_run(argv, &errors) != 1 || !strstr(errors, "mmrig-camera"))
        g_error("%s: '%s'", row->what, errors);
}

static void test_rows(void)
{
    static const char *const properties = ",queue-depth=4";
    const uint64_t found = htobe64(0x123456789abcd000);
    g_autofree char *device = g_strconcat(DEVICE, properties, NULL);
    g_autofree char *uri = saved(properties);
    const char *path = uri + strlen("file:");
    g_autofree char *stream = NULL;
    gsize length;

    g_assert_true(g_file_get_contents(path, &stream, &length, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_true(g_file_set_contents(path, stream, (gssize)length, NULL));
        qtest_patch(uri, &found, sizeof(found), rows[i].offset, rows[i].bytes, rows[i].size);
        load(uri, device, &rows[i]);
    }
    qtest_forget(uri);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/camera/bad-stream", test_rows);
    return g_test_run();
}
