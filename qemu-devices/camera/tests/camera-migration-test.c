/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-camera from one QEMU to another. Whatever of its state is not what a reset makes it
 * must be noticed here if the stream does not carry it.
 *
 * qtest's clock does not migrate: it begins at 0 in the other QEMU and is brought to where it
 * was.
 */
#include <string.h>

#include "camera-machine.h"

static QTest *incoming(const char *uri, const char *properties)
{
    g_autofree char *device = g_strconcat(DEVICE, properties, NULL);
    QTest *q = qtest_start("-device", device, "-incoming", uri, NULL);

    qtest_migrated(q);
    return q;
}

/* In mid-stream, with frames delivered and due. */
static void test_stream(void)
{
    QTest *q = start("");

    small(q);
    qtest_fill(q, BUFFER, 0x10000, 0xee);
    for (uint32_t i = 0; i < 6; i++)
        queue(q, BUFFER + 0x1000 * i, 1024, i);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, 3 * MS + MS / 2);
    take_frame(q, 0, BUFFER, 0);
    g_autofree char *uri = qtest_save(q);

    q = incoming(uri, "");
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STREAMING);
    g_assert_cmpuint(get(q, MMRIG_CAM_QUEUE), ==, 3);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, 2);
    take_frame(q, 1, BUFFER + 0x1000, 1);
    take_frame(q, 2, BUFFER + 0x2000, 2);
    /* Half an interval is left. */
    qtest_clock_step(q, 3 * MS + MS / 2);
    qtest_clock_step(q, MS / 2 - 1);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, 0);
    qtest_clock_step(q, 1);
    take_frame(q, 3, BUFFER + 0x3000, 3);
    qtest_clock_step(q, 2 * MS);
    take_frame(q, 4, BUFFER + 0x4000, 4);
    take_frame(q, 5, BUFFER + 0x5000, 5);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_FRAMES), ==, 6);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_UNDERRUNS), ==, 0);
    qtest_stop(q);

    qtest_forget(uri);
}

/* A buffer that cannot be written once its frame is due. */
static void fail_frame(QTest *q, uint32_t bytes, uint32_t cookie, int64_t interval)
{
    qtest_pci_command(q, SLOT, TRUE);
    g_assert_cmphex(queue(q, BUFFER, bytes, cookie), ==, MMRIG_CAM_OK);
    qtest_pci_command(q, SLOT, FALSE);
    qtest_clock_step(q, interval);
}

/* The oldest completion is of a buffer that failed. */
static void take_failure(QTest *q, uint32_t sequence, uint32_t cookie, uint64_t time)
{
    g_assert_cmphex(get(q, MMRIG_CAM_DONE_STATUS), ==, MMRIG_CAM_ERR_DMA_BUS_MASTER);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_SEQUENCE), ==, sequence);
    g_assert_cmphex(get(q, MMRIG_CAM_DONE_COOKIE), ==, cookie);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_TIME_LO), ==, (uint32_t)time);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_TIME_HI), ==, time >> 32);
    g_assert_cmphex(done_address(q), ==, BUFFER);
    set(q, MMRIG_CAM_DONE_POP, 1);
}

/* The buffers of test_registers() lie so far apart. */
enum { REST_STEP = 0x50000 };

/* What test_registers() left in the camera that it saved at this time. */
static void take_rest(QTest *q, int64_t now)
{
    /* It was latched when the clock was read, and that was in the other QEMU. */
    g_assert_cmpuint(get(q, MMRIG_CAM_CLOCK_HI), ==, now >> 32);
    g_assert_cmpuint(get(q, MMRIG_CAM_CLOCK_HI), >, 0);
    /* A frame is lost at each of the numbers 2 and 67. */
    for (uint32_t i = 0; i < 4; i++)
        take_failure(q, 63 + i, 160 + i, (uint64_t)(now - (10 - 2 * i) * MS));
    take_frame(q, 68, BUFFER, 200);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, 0);
    qtest_clock_step(q, now);
    for (uint32_t i = 1; i < 5; i++) {
        qtest_clock_step(q, 2 * MS);
        take_frame(q, 68 + i, BUFFER + REST_STEP * i, 200 + i);
    }
}

/* Every register that can have a value of its own has one. */
static void test_registers(void)
{
    enum { STEP = REST_STEP, FAILURES = 64, LEFT = 4 };
    /*
     * The latest error is the result of the latest write; and the completion that waits is
     * of a buffer that failed.
     */
    static const char *const excused[] = {"ERROR", "DONE_BYTES", "DONE_CRC32C", NULL};
    const char *properties = ",start-timeout-ms=70,dma-bits=40";
    QTest *q = start(properties);
    Registers r = camera_table(q);
    g_autofree uint32_t *before = NULL;
    uint32_t bytes;
    int64_t now = 0;

    registers_begin(&r);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_DEPTH), ==, FAILURES);
    /* None of these is what it is after a reset. */
    set(q, MMRIG_CAM_SIZE, MMRIG_CAM_SIZE_PACK(640, 480));
    set(q, MMRIG_CAM_FORMAT, MMRIG_CAM_FORMAT_GREY);
    set(q, MMRIG_CAM_INTERVAL_NS, 2 * MS);
    bytes = get(q, MMRIG_CAM_FRAME_BYTES);
    qtest_fill(q, BUFFER, 5 * STEP, 0xee);

    /* One start in vain, and one with a wait. */
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, 70 * MS);
    command(q, MMRIG_CAM_COMMAND_STOP);
    for (int i = 0; i < 4; i++) {
        command(q, MMRIG_CAM_COMMAND_START);
        command(q, MMRIG_CAM_COMMAND_STOP);
    }
    qtest_clock_step(q, 5000 * MS);
    now = 5070 * MS;
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, 5 * MS);
    queue(q, BUFFER, bytes, 1);
    queue(q, BUFFER + STEP, bytes, 2);
    now += 5 * MS;
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STREAMING);

    /* Two frames, one that is due without a buffer, and failures until one is dropped. */
    qtest_clock_step(q, 6 * MS);
    for (uint32_t i = 0; i < 2; i++)
        set(q, MMRIG_CAM_DONE_POP, 1);
    for (uint32_t i = 0; i < FAILURES; i++)
        fail_frame(q, bytes, 100 + i, 2 * MS);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, FAILURES);
    fail_frame(q, bytes, 200, 2 * MS);
    now += 6 * MS + (FAILURES + 1) * 2 * MS;
    /* A dropped frame leaves its buffer; the next takes it, round the end of the ring. */
    for (uint32_t i = 0; i < FAILURES - LEFT; i++)
        set(q, MMRIG_CAM_DONE_POP, 1);
    qtest_pci_command(q, SLOT, TRUE);
    for (uint32_t i = 1; i < 5; i++)
        g_assert_cmphex(queue(q, BUFFER + STEP * i, bytes, 200 + i), ==, MMRIG_CAM_OK);
    qtest_clock_step(q, 2 * MS);
    now += 2 * MS;

    /* Some interrupts have been seen to; and an error to end with, whose detail is long. */
    set(q, MMRIG_CAM_IRQ_STATUS, MMRIG_CAM_IRQ_UNDERRUN | MMRIG_CAM_IRQ_ERROR);
    set(q, MMRIG_CAM_IRQ_ENABLE, MMRIG_CAM_IRQ_START_TIMEOUT | MMRIG_CAM_IRQ_DROPPED);
    g_assert_cmphex(queue(q, 0x12345678000, bytes + 1, 0xc00c1e), ==, MMRIG_CAM_ERR_BUF_WIDTH);
    set(q, MMRIG_CAM_BUF_ADDRESS_HI, 0x77);
    before = registers_take(&r, excused);
    g_autofree char *uri = qtest_save(q);

    q = incoming(uri, properties);
    r.q = q;
    registers_check_same(&r, before);
    registers_end(&r);
    take_rest(q, now);
    /* They are counted on from there. */
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_FRAMES), ==,
                     before[MMRIG_CAM_COUNT_FRAMES / 4] + 4);
    qtest_stop(q);
    qtest_forget(uri);
}

/* While it waits for buffers: how long it has done so migrates. */
static void test_starting(void)
{
    const char *properties = ",start-timeout-ms=70";
    QTest *q = start(properties);

    small(q);
    qtest_clock_step(q, 10 * MS);
    queue(q, BUFFER, 1024, 1);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, 30 * MS);
    g_autofree char *uri = qtest_save(q);

    q = incoming(uri, properties);
    qtest_clock_step(q, 50 * MS);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STARTING);
    queue(q, BUFFER + 0x1000, 1024, 2);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STREAMING);
    g_assert_cmpuint(get(q, MMRIG_CAM_START_WAIT_LO), ==, 40 * MS);
    qtest_clock_step(q, MS);
    g_assert_cmpuint(get(q, MMRIG_CAM_START_LATENCY_LO), ==, 41 * MS);
    qtest_stop(q);

    /* The same, and its patience ends when it should. */
    q = incoming(uri, properties);
    qtest_clock_step(q, 80 * MS - 1);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STARTING);
    qtest_clock_step(q, 1);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_FAILED);
    qtest_stop(q);
    qtest_forget(uri);
}

/* A host that runs the timer late does not shift the frames behind. */
static void test_late(void)
{
    QTest *q = start("");

    small(q);
    for (uint32_t i = 0; i < 4; i++)
        queue(q, BUFFER + 0x1000 * i, 1024, i);
    command(q, MMRIG_CAM_COMMAND_START);
    g_autofree char *uri = qtest_save(q);

    q = incoming(uri, "");
    /* While the machine is stopped its timers do not run, and qtest's clock does. */
    json_node_unref(qtest_qmp(q, "{'execute':'stop'}"));
    qtest_clock_step(q, MS + MS / 2);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, 0);
    json_node_unref(qtest_qmp(q, "{'execute':'cont'}"));
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, 1);
    qtest_clock_step(q, MS / 2 - 1);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, 1);
    qtest_clock_step(q, 1);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, 2);
    qtest_stop(q);
    qtest_forget(uri);
}

/* Where messages are sent, and that they are. */
static void test_interrupts(void)
{
    QTest *q = start("");

    send_interrupts(q);
    small(q);
    queue(q, BUFFER, 1024, 1);
    queue(q, BUFFER + 0x1000, 1024, 2);
    set(q, MMRIG_CAM_IRQ_ENABLE, MMRIG_CAM_IRQ_FRAME | MMRIG_CAM_IRQ_UNDERRUN);
    command(q, MMRIG_CAM_COMMAND_START);
    g_autofree char *uri = qtest_save(q);

    q = incoming(uri, "");
    g_assert_cmphex(qtest_readl(q, MAILBOX), ==, 0);
    qtest_clock_step(q, MS);
    g_assert_cmphex(qtest_readl(q, MAILBOX), ==, 0x1000);
    g_assert_cmphex(qtest_readl(q, MAILBOX + 16), ==, 0);
    qtest_clock_step(q, 2 * MS);
    g_assert_cmphex(qtest_readl(q, MAILBOX + 16), ==, 0x1001);
    qtest_stop(q);
    qtest_forget(uri);
}

static void assert_refused(const char *uri, const char *device, const char *why)
{
    g_autoptr(GPtrArray) argv = qtest_argv(NULL);
    g_autofree char *errors = NULL;
    const char *const more[] = {"-device", device, "-incoming", uri};

    for (guint i = 0; i < G_N_ELEMENTS(more); i++)
        g_ptr_array_add(argv, g_strdup(more[i]));
    g_assert_cmpint(qtest_run(argv, &errors), ==, 1);
    if (!strstr(errors, why))
        g_error("'%s' does not say '%s'", errors, why);
}

/* Both sides are started with the same. */
static void test_disagree(void)
{
    static const struct {
        const char *properties, *why;
    } rows[] = {
        {",sizes=64x16:640x480", " != "},    {",sizes=640x480:64x16:3840x2160", " != "},
        {",formats=GREY", " != "},           {",max-fps=999", "3e7 != 3e8"},
        {",dma-bits=40", "28 != 20"},        {",align=64", "40 != 1000"},
        {",start-timeout-ms=0", "0 != 1f4"}, {",queue-depth=64", "40 != 20"},
        {",min-buffers=1", "1 != 2"},
    };
    QTest *q = start("");
    g_autofree char *uri = qtest_save(q);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *device = g_strconcat(DEVICE, rows[i].properties, NULL);
        assert_refused(uri, device, rows[i].why);
    }
    qtest_forget(uri);
}

/* A camera that streams; what a stream can say of it that cannot be. */
static void test_refused(void)
{
    enum {
        TIMER = -8,
        SIZE = 0,
        FORMAT = 4,
        INTERVAL = 8,
        STATE = 12,
        IRQ_STATUS = 36,
        IRQ_ENABLE = 40,
        QUEUE = 64,
        QUEUE_FIRST = QUEUE + 64 * 16,
        QUEUE_COUNT = QUEUE_FIRST + 4,
        DONE_FIRST = QUEUE_COUNT + 4 + 64 * 36,
        DONE_COUNT = DONE_FIRST + 4,
        DUE = DONE_COUNT + 16
    };
    static const struct {
        int offset; /* from the size of a frame */
        char bytes[9];
        unsigned size;
    } rows[] = {
        {TIMER, "\xff\xff\xff\xff\xff\xff\xff\xff", 8}, /* it does not run */
        {SIZE, {0, 65, 0, 16}, 4},
        {FORMAT, {9, 9, 9, 9}, 4},
        {INTERVAL, {0, 0, 0, 1}, 4},
        {INTERVAL, {0x7f}, 1},
        {STATE, {0, 0, 0, 0}, 4},
        {STATE, {0, 0, 0, 100}, 4},
        {IRQ_STATUS, {0x40}, 1},
        {IRQ_ENABLE, {0x40}, 1},
        {QUEUE_FIRST, {0, 0, 0, 64}, 4},
        {QUEUE_COUNT, {0, 0, 0, 33}, 4},
        {QUEUE_COUNT, {0, 0, 0, 32}, 4}, /* buffers that are too small */
        {DONE_FIRST, {0, 0, 0, 64}, 4},
        {DONE_COUNT, {0, 0, 0, 65}, 4},
        {DUE, "\x80", 1},
        {DUE, "\x40", 1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        QTest *q = start("");
        const uint32_t mode[] = {GUINT32_TO_BE(MMRIG_CAM_SIZE_PACK(64, 16)),
                                 GUINT32_TO_BE(MMRIG_CAM_FORMAT_GREY), GUINT32_TO_BE(MS)};

        small(q);
        for (uint32_t j = 0; j < 3; j++)
            queue(q, BUFFER + 0x1000 * j, 1024, j);
        command(q, MMRIG_CAM_COMMAND_START);
        g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STREAMING);
        g_autofree char *uri = qtest_save(q);
        qtest_patch(uri, mode, sizeof(mode), rows[i].offset, rows[i].bytes, rows[i].size);
        assert_refused(uri, DEVICE, "mmrig-camera");
        qtest_forget(uri);
    }
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/camera/migration/stream", test_stream);
    g_test_add_func("/camera/migration/registers", test_registers);
    g_test_add_func("/camera/migration/starting", test_starting);
    g_test_add_func("/camera/migration/late", test_late);
    g_test_add_func("/camera/migration/interrupts", test_interrupts);
    g_test_add_func("/camera/migration/disagree", test_disagree);
    g_test_add_func("/camera/migration/refused", test_refused);
    return g_test_run();
}
