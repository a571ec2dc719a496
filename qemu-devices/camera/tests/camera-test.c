/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-camera on a bare machine, against docs/devices/camera.md. */
#include <string.h>

#include "camera-machine.h"

static void test_identity(void)
{
    QTest *q = start(",dma-bits=40,align=64K,queue-depth=5,min-buffers=3,start-timeout-ms=70");

    g_assert_cmphex(get(q, MMRIG_CAM_ID), ==, MMRIG_CAM_ID_VALUE);
    g_assert_cmphex(get(q, MMRIG_CAM_VERSION), ==, 0x10000);
    g_assert_cmphex(get(q, MMRIG_CAM_FEATURES), ==, 7);
    g_assert_cmpuint(get(q, MMRIG_CAM_DMA_BITS), ==, 40);
    g_assert_cmpuint(get(q, MMRIG_CAM_BUFFER_ALIGN), ==, 65536);
    g_assert_cmpuint(get(q, MMRIG_CAM_QUEUE_DEPTH), ==, 5);
    g_assert_cmpuint(get(q, MMRIG_CAM_MIN_BUFFERS), ==, 3);
    g_assert_cmpuint(get(q, MMRIG_CAM_START_TIMEOUT_MS), ==, 70);
    g_assert_cmpuint(get(q, MMRIG_CAM_INTERVAL_MIN_NS), ==, 1000000);
    g_assert_cmpuint(get(q, MMRIG_CAM_SIZE_COUNT), ==, 3);
    g_assert_cmphex(get(q, MMRIG_CAM_SIZE_TABLE(1)), ==, MMRIG_CAM_SIZE_PACK(640, 480));
    g_assert_cmphex(get(q, MMRIG_CAM_SIZE_TABLE(3)), ==, 0);
    g_assert_cmpuint(get(q, MMRIG_CAM_FORMAT_COUNT), ==, 4);
    g_assert_cmphex(get(q, MMRIG_CAM_FORMAT_TABLE(0)), ==, MMRIG_CAM_FORMAT_YUYV);
    g_assert_cmphex(get(q, 0xffc), ==, 0);
    g_assert_cmphex(qtest_pci_readl(q, SLOT, 8) >> 16, ==, 0x0400);
    qtest_stop(q);
}

static void test_stream(void)
{
    QTest *q = start("");
    uint32_t bytes;

    small(q);
    bytes = get(q, MMRIG_CAM_FRAME_BYTES);
    g_assert_cmpuint(bytes, ==, 1024);
    qtest_fill(q, BUFFER, 0x10000, 0xee);
    for (uint32_t i = 0; i < 3; i++)
        g_assert_cmphex(queue(q, BUFFER + 0x1000 * i, bytes, 100 + i), ==, MMRIG_CAM_OK);
    g_assert_cmpuint(get(q, MMRIG_CAM_QUEUE), ==, 3);
    g_assert_cmphex(command(q, MMRIG_CAM_COMMAND_START), ==, MMRIG_CAM_OK);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STREAMING);
    qtest_clock_step(q, MS - 1);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, 0);
    qtest_clock_step(q, 1);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, 1);
    qtest_clock_step(q, 2 * MS);
    for (uint32_t i = 0; i < 3; i++)
        take_frame(q, i, BUFFER + 0x1000 * i, 100 + i);
    /* Round and round; each of the 100 is right. */
    for (uint32_t i = 3; i < 103; i++) {
        g_assert_cmphex(queue(q, BUFFER + 0x1000 * (i % 7), bytes, i), ==, MMRIG_CAM_OK);
        qtest_clock_step(q, MS);
        take_frame(q, i, BUFFER + 0x1000 * (i % 7), i);
    }
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_FRAMES), ==, 103);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_UNDERRUNS), ==, 0);
    g_assert_cmpuint(get(q, MMRIG_CAM_START_LATENCY_LO), ==, MS);
    g_assert_cmpuint(get(q, MMRIG_CAM_START_WAIT_LO), ==, 0);

    /* No buffer: the sequence goes on. */
    qtest_clock_step(q, 4 * MS);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_UNDERRUNS), ==, 4);
    g_assert_cmphex(get(q, MMRIG_CAM_IRQ_STATUS) & MMRIG_CAM_IRQ_UNDERRUN, !=, 0);
    g_assert_cmphex(queue(q, BUFFER, bytes, 9), ==, MMRIG_CAM_OK);
    qtest_clock_step(q, MS);
    take_frame(q, 107, BUFFER, 9);

    /* After STOP nothing is written any more, and a second START begins anew. */
    g_assert_cmphex(queue(q, BUFFER, bytes, 10), ==, MMRIG_CAM_OK);
    g_assert_cmphex(command(q, MMRIG_CAM_COMMAND_STOP), ==, MMRIG_CAM_OK);
    g_assert_cmpuint(get(q, MMRIG_CAM_QUEUE), ==, 0);
    qtest_fill(q, BUFFER, 0x1000, 0xee);
    qtest_clock_step(q, 10 * MS);
    g_assert_cmphex(qtest_readl(q, BUFFER), ==, 0xeeeeeeee);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_FRAMES), ==, 104);
    for (uint32_t i = 0; i < 2; i++)
        g_assert_cmphex(queue(q, BUFFER + 0x1000 * i, bytes, i), ==, MMRIG_CAM_OK);
    g_assert_cmphex(command(q, MMRIG_CAM_COMMAND_START), ==, MMRIG_CAM_OK);
    g_assert_cmpuint(get(q, MMRIG_CAM_GENERATION), ==, 2);
    qtest_clock_step(q, MS);
    take_frame(q, 0, BUFFER, 0);
    qtest_stop(q);
}

static void test_dropped(void)
{
    QTest *q = start("");
    uint32_t depth = get(q, MMRIG_CAM_DONE_DEPTH);

    small(q);
    queue(q, BUFFER, 1024, 0);
    queue(q, BUFFER + 0x1000, 1024, 0);
    command(q, MMRIG_CAM_COMMAND_START);
    for (uint32_t i = 2; i < depth + 3; i++) {
        qtest_clock_step(q, MS);
        g_assert_cmphex(queue(q, BUFFER + 0x1000 * i, 1024, i), ==, MMRIG_CAM_OK);
    }
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), ==, depth);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_DROPPED), ==, 1);
    g_assert_cmphex(get(q, MMRIG_CAM_IRQ_STATUS) & MMRIG_CAM_IRQ_DROPPED, !=, 0);
    /* The buffer that could not complete is still there, for the next frame. */
    g_assert_cmpuint(get(q, MMRIG_CAM_QUEUE), ==, 3);
    qtest_stop(q);
}

/* Every format in every size; the largest is 33 MB. */
static void test_formats(void)
{
    QTest *q = start("");

    for (uint32_t f = 0; f < get(q, MMRIG_CAM_FORMAT_COUNT); f++) {
        for (uint32_t s = 0; s < get(q, MMRIG_CAM_SIZE_COUNT); s++) {
            uint32_t format = get(q, MMRIG_CAM_FORMAT_TABLE(f));
            uint32_t bytes;

            /* One in the largest size says what all say, in less time. */
            if (s == 2 && format != MMRIG_CAM_FORMAT_GREY)
                continue;
            set(q, MMRIG_CAM_FORMAT, format);
            set(q, MMRIG_CAM_SIZE, get(q, MMRIG_CAM_SIZE_TABLE(s)));
            g_assert_cmphex(get(q, MMRIG_CAM_RESULT), ==, MMRIG_CAM_OK);
            bytes = get(q, MMRIG_CAM_FRAME_BYTES);
            qtest_fill(q, BUFFER + bytes, 1, 0xee);
            g_assert_cmphex(queue(q, BUFFER, bytes, 1), ==, MMRIG_CAM_OK);
            g_assert_cmphex(queue(q, 0x08000000, bytes, 2), ==, MMRIG_CAM_OK);
            g_assert_cmphex(command(q, MMRIG_CAM_COMMAND_START), ==, MMRIG_CAM_OK);
            qtest_clock_step(q, get(q, MMRIG_CAM_INTERVAL_NS));
            take_frame(q, 0, BUFFER, 1);
            command(q, MMRIG_CAM_COMMAND_STOP);
        }
    }
    qtest_stop(q);
}

static void refused(QTest *q, uint64_t address, uint32_t length, uint32_t error, uint64_t why)
{
    uint32_t queued = get(q, MMRIG_CAM_QUEUE);
    uint32_t rejected = get(q, MMRIG_CAM_COUNT_REJECTED);

    set(q, MMRIG_CAM_ERROR, 0);
    set(q, MMRIG_CAM_IRQ_STATUS, MMRIG_CAM_IRQ_ALL);
    g_assert_cmphex(queue(q, address, length, 0), ==, error);
    g_assert_cmphex(get(q, MMRIG_CAM_ERROR), ==, error);
    g_assert_cmphex(detail(q), ==, why);
    g_assert_cmphex(get(q, MMRIG_CAM_IRQ_STATUS), ==, MMRIG_CAM_IRQ_ERROR);
    g_assert_cmpuint(get(q, MMRIG_CAM_QUEUE), ==, queued);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_REJECTED), ==, rejected + 1);
}

static void test_bad_buffers(void)
{
    QTest *q = start(",dma-bits=40,queue-depth=2");

    small(q);
    refused(q, BUFFER, 0, MMRIG_CAM_ERR_BUF_ZERO, BUFFER);
    refused(q, BUFFER, 1023, MMRIG_CAM_ERR_BUF_SMALL, 1023);
    refused(q, BUFFER + 512, 1024, MMRIG_CAM_ERR_BUF_ALIGN, BUFFER + 512);
    refused(q, 0xfffffffffffff000, 0x2000, MMRIG_CAM_ERR_BUF_WRAP, 0xfffffffffffff000);
    /* It ends with the very last byte: too wide, but no wrap. */
    refused(q, 0xfffffffffffff000, 0x1000, MMRIG_CAM_ERR_BUF_WIDTH, 0xfffffffffffff000);
    refused(q, 1ull << 40, 1024, MMRIG_CAM_ERR_BUF_WIDTH, 1ull << 40);
    refused(q, (1ull << 40) - 4096, 4097, MMRIG_CAM_ERR_BUF_WIDTH, (1ull << 40) - 4096);
    /* Beyond memory, over its end, and the camera's own registers. */
    refused(q, 0x10000000, 1024, MMRIG_CAM_ERR_BUF_NOT_RAM, 0x10000000);
    refused(q, (1ull << 40) - 4096, 1024, MMRIG_CAM_ERR_BUF_NOT_RAM, (1ull << 40) - 4096);
    refused(q, REGS, 1024, MMRIG_CAM_ERR_BUF_NOT_RAM, REGS);
    qtest_pci_command(q, SLOT, FALSE);
    refused(q, BUFFER, 1024, MMRIG_CAM_ERR_BUS_MASTER, 0);
    g_assert_cmphex(command(q, MMRIG_CAM_COMMAND_START), ==, MMRIG_CAM_ERR_BUS_MASTER);
    qtest_pci_command(q, SLOT, TRUE);

    g_assert_cmphex(queue(q, BUFFER, 0x3000, 0), ==, MMRIG_CAM_OK);
    refused(q, BUFFER, 1024, MMRIG_CAM_ERR_BUF_OVERLAP, BUFFER);
    refused(q, BUFFER + 0x2000, 0x2000, MMRIG_CAM_ERR_BUF_OVERLAP, BUFFER);
    refused(q, BUFFER - 0x1000, 0x1001, MMRIG_CAM_ERR_BUF_OVERLAP, BUFFER);
    g_assert_cmphex(queue(q, BUFFER + 0x3000, 1024, 0), ==, MMRIG_CAM_OK);
    refused(q, BUFFER + 0x8000, 1024, MMRIG_CAM_ERR_BUF_QUEUE_FULL, BUFFER + 0x8000);

    /* 75 pages of frame, and 74 up to the end of memory. */
    command(q, MMRIG_CAM_COMMAND_STOP);
    set(q, MMRIG_CAM_SIZE, MMRIG_CAM_SIZE_PACK(640, 480));
    refused(q, 0x10000000 - 74 * 4096, 640 * 480, MMRIG_CAM_ERR_BUF_NOT_RAM, 0x10000000);
    g_assert_cmphex(queue(q, 0x10000000 - 75 * 4096, 640 * 480, 0), ==, MMRIG_CAM_OK);
    qtest_stop(q);
}

/* A 32-bit device in a machine with memory above 4 GiB. */
static void test_narrow(void)
{
    QTest *q = qtest_start("-m", "5G", "-device", DEVICE, NULL);

    map_camera(q);
    small(q);
    refused(q, 0x100000000, 1024, MMRIG_CAM_ERR_BUF_WIDTH, 0x100000000);
    qtest_stop(q);
    q = qtest_start("-m", "5G", "-device", DEVICE ",dma-bits=64", NULL);
    map_camera(q);
    small(q);
    qtest_fill(q, 0x100000000, 4096, 0xee);
    g_assert_cmphex(queue(q, 0x100000000, 1024, 5), ==, MMRIG_CAM_OK);
    g_assert_cmphex(queue(q, 0x100001000, 1024, 6), ==, MMRIG_CAM_OK);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, MS);
    take_frame(q, 0, 0x100000000, 5);
    qtest_stop(q);
}

static void fails(QTest *q, uint32_t reg, uint32_t value, uint32_t error, uint64_t why)
{
    set(q, MMRIG_CAM_ERROR, 0);
    set(q, reg, value);
    g_assert_cmphex(get(q, MMRIG_CAM_ERROR), ==, error);
    g_assert_cmphex(detail(q), ==, why);
}

static void test_bad_registers(void)
{
    QTest *q = start("");

    small(q);
    fails(q, MMRIG_CAM_ID, 1, MMRIG_CAM_ERR_READ_ONLY, MMRIG_CAM_ID);
    fails(q, MMRIG_CAM_DONE_COUNT, 1, MMRIG_CAM_ERR_READ_ONLY, MMRIG_CAM_DONE_COUNT);
    fails(q, MMRIG_CAM_FORMAT_TABLE(3), 1, MMRIG_CAM_ERR_READ_ONLY, MMRIG_CAM_FORMAT_TABLE(3));
    fails(q, 0x00c, 1, MMRIG_CAM_ERR_REGISTER, 0x00c);
    fails(q, 0xffc, 1, MMRIG_CAM_ERR_REGISTER, 0xffc);
    fails(q, MMRIG_CAM_COMMAND, 0, MMRIG_CAM_ERR_COMMAND, 0);
    fails(q, MMRIG_CAM_COMMAND, 0x10001, MMRIG_CAM_ERR_COMMAND, 0x10001);
    fails(q, MMRIG_CAM_IRQ_ENABLE, 0x40, MMRIG_CAM_ERR_RESERVED, 0x40);
    fails(q, MMRIG_CAM_SIZE, MMRIG_CAM_SIZE_PACK(65, 16), MMRIG_CAM_ERR_SIZE, 65 << 16 | 16);
    fails(q, MMRIG_CAM_SIZE, 0, MMRIG_CAM_ERR_SIZE, 0);
    fails(q, MMRIG_CAM_FORMAT, 0, MMRIG_CAM_ERR_FORMAT, 0);
    fails(q, MMRIG_CAM_INTERVAL_NS, 999999, MMRIG_CAM_ERR_INTERVAL, 999999);
    fails(q, MMRIG_CAM_INTERVAL_NS, 1000000001, MMRIG_CAM_ERR_INTERVAL, 1000000001);
    fails(q, MMRIG_CAM_DONE_POP, 1, MMRIG_CAM_ERR_DONE_EMPTY, 0);
    g_assert_cmphex(get(q, MMRIG_CAM_SIZE), ==, MMRIG_CAM_SIZE_PACK(64, 16));

    /* Accesses of another width, or not in line: all ones, and an error. */
    g_assert_cmphex(qtest_readb(q, REGS), ==, 0xff);
    g_assert_cmphex(get(q, MMRIG_CAM_ERROR), ==, MMRIG_CAM_ERR_ACCESS);
    set(q, MMRIG_CAM_ERROR, 0);
    g_assert_cmphex(qtest_readq(q, REGS + 8), ==, UINT64_MAX);
    g_assert_cmphex(get(q, MMRIG_CAM_ERROR), ==, MMRIG_CAM_ERR_ACCESS);
    g_assert_cmphex(detail(q), ==, 8);
    set(q, MMRIG_CAM_ERROR, 0);
    qtest_writew(q, REGS + MMRIG_CAM_COMMAND, 1);
    g_assert_cmphex(get(q, MMRIG_CAM_ERROR), ==, MMRIG_CAM_ERR_ACCESS);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_IDLE);
    set(q, MMRIG_CAM_ERROR, 0);
    g_assert_cmphex(qtest_readl(q, REGS + 2), ==, 0xffffffff);
    g_assert_cmphex(get(q, MMRIG_CAM_ERROR), ==, MMRIG_CAM_ERR_ACCESS);

    /* Geometry is fixed while buffers are queued, and while streaming. */
    queue(q, BUFFER, 1024, 0);
    fails(q, MMRIG_CAM_FORMAT, MMRIG_CAM_FORMAT_GREY, MMRIG_CAM_ERR_QUEUED, 1);
    queue(q, BUFFER + 0x1000, 1024, 0);
    command(q, MMRIG_CAM_COMMAND_START);
    fails(q, MMRIG_CAM_FORMAT, MMRIG_CAM_FORMAT_GREY, MMRIG_CAM_ERR_STATE,
          MMRIG_CAM_STATE_STREAMING);
    fails(q, MMRIG_CAM_COMMAND, MMRIG_CAM_COMMAND_START, MMRIG_CAM_ERR_STATE,
          MMRIG_CAM_STATE_STREAMING);
    qtest_stop(q);
}

/* The same of each place there is, by the table. */
static void test_table(void)
{
    Registers r = camera_table(start(""));
    unsigned writable = 0;

    registers_begin(&r);
    g_assert_cmpuint(r.row_count, ==, 53);
    for (unsigned i = 0; i < r.row_count; i++)
        writable += r.rows[i].writable != 0;
    g_assert_cmpuint(writable, ==, 12);
    g_assert_null(registers_find(&r, MMRIG_CAM_IRQ_ENABLE + 4));
    g_assert_cmpstr(registers_find(&r, MMRIG_CAM_START_WAIT_HI)->name, ==, "START_WAIT");
    registers_check_refused(&r);
    g_assert_cmphex(command(r.q, MMRIG_CAM_COMMAND_RESET), ==, MMRIG_CAM_OK);
    registers_check_reset(&r);
    registers_end(&r);
    qtest_stop(r.q);
}

static void test_start_timeout(void)
{
    QTest *q = start(",start-timeout-ms=70");

    small(q);
    queue(q, BUFFER, 1024, 0);
    g_assert_cmphex(command(q, MMRIG_CAM_COMMAND_START), ==, MMRIG_CAM_OK);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STARTING);
    qtest_clock_step(q, 70 * MS - 1);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STARTING);
    qtest_clock_step(q, 1);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_FAILED);
    g_assert_cmphex(get(q, MMRIG_CAM_ERROR), ==, MMRIG_CAM_ERR_START_TIMEOUT);
    g_assert_cmphex(detail(q), ==, 1);
    g_assert_cmphex(get(q, MMRIG_CAM_IRQ_STATUS), ==,
                    MMRIG_CAM_IRQ_ERROR | MMRIG_CAM_IRQ_START_TIMEOUT);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_START_TIMEOUTS), ==, 1);
    refused(q, BUFFER + 0x1000, 1024, MMRIG_CAM_ERR_BUF_FAILED, BUFFER + 0x1000);
    g_assert_cmphex(command(q, MMRIG_CAM_COMMAND_START), ==, MMRIG_CAM_ERR_STATE);
    command(q, MMRIG_CAM_COMMAND_STOP);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_IDLE);

    /* In time this time: the wait and the latency are what they were. */
    command(q, MMRIG_CAM_COMMAND_START);
    queue(q, BUFFER, 1024, 0);
    qtest_clock_step(q, 69 * MS);
    queue(q, BUFFER + 0x1000, 1024, 0);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STREAMING);
    qtest_clock_step(q, 5 * MS);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STREAMING);
    g_assert_cmpuint(get(q, MMRIG_CAM_START_WAIT_LO), ==, 69 * MS);
    g_assert_cmpuint(get(q, MMRIG_CAM_START_LATENCY_LO), ==, 70 * MS);
    qtest_stop(q);

    /* 0 is forever. */
    q = start(",start-timeout-ms=0");
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, 3600000 * MS);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STARTING);
    /* Also behind a stream that was stopped with a frame about to be due. */
    command(q, MMRIG_CAM_COMMAND_STOP);
    small(q);
    queue(q, BUFFER, 1024, 0);
    queue(q, BUFFER + 0x1000, 1024, 0);
    command(q, MMRIG_CAM_COMMAND_START);
    command(q, MMRIG_CAM_COMMAND_STOP);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, 10 * MS);
    g_assert_cmpuint(get(q, MMRIG_CAM_STATE), ==, MMRIG_CAM_STATE_STARTING);
    qtest_stop(q);
}

/* Bus mastering goes away while frames are due. */
static void test_master_off(void)
{
    QTest *q = start("");

    small(q);
    qtest_fill(q, BUFFER, 0x2000, 0xee);
    queue(q, BUFFER, 1024, 1);
    queue(q, BUFFER + 0x1000, 1024, 2);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_pci_command(q, SLOT, FALSE);
    qtest_clock_step(q, MS);
    g_assert_cmphex(get(q, MMRIG_CAM_DONE_STATUS), ==, MMRIG_CAM_ERR_DMA_BUS_MASTER);
    g_assert_cmphex(get(q, MMRIG_CAM_ERROR), ==, MMRIG_CAM_ERR_DMA_BUS_MASTER);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_BYTES), ==, 0);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_DMA_ERRORS), ==, 1);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_FRAMES), ==, 0);
    g_assert_cmphex(qtest_readl(q, BUFFER), ==, 0xeeeeeeee);
    set(q, MMRIG_CAM_DONE_POP, 1);
    qtest_pci_command(q, SLOT, TRUE);
    qtest_clock_step(q, MS);
    take_frame(q, 1, BUFFER + 0x1000, 2);
    qtest_stop(q);
}

/* Memory that a buffer lies in goes away while it is queued: PAM shows ROM instead. */
static void test_memory_gone(void)
{
    QTest *q = start("");

    small(q);
    /* Q35's PAM1 (bus 0, slot 0, offset 0x91): 0xc0000 to 0xc7fff; 3: RAM, 0: ROM. */
    qtest_pci_writel(q, 0, 0x90, 0x33333333);
    g_assert_cmphex(queue(q, 0xc0000, 1024, 1), ==, MMRIG_CAM_OK);
    g_assert_cmphex(queue(q, BUFFER, 1024, 2), ==, MMRIG_CAM_OK);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_pci_writel(q, 0, 0x90, 0);
    qtest_clock_step(q, MS);
    g_assert_cmphex(get(q, MMRIG_CAM_DONE_STATUS), ==, MMRIG_CAM_ERR_DMA_NOT_RAM);
    g_assert_cmphex(detail(q), ==, 0xc0000);
    g_assert_cmphex(queue(q, 0xc4000, 1024, 1), ==, MMRIG_CAM_ERR_BUF_NOT_RAM);
    qtest_stop(q);
}

/* A buffer with bad lines: the frame is in it, and makes them good. */
static void test_poison(void)
{
    QTest *q = qtest_start("-cpu", "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4",
                           "-device", "mmrig-ras,id=ras0", "-device", DEVICE ",align=1", NULL);

    map_camera(q);
    small(q);
    qtest_fill(q, BUFFER, 0x4000, 0xee);
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x4000040,len=64");
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x4002000,len=4096");
    g_assert_cmphex(queue(q, BUFFER, 1024, 1), ==, MMRIG_CAM_OK);
    /* Over the border of a bad page, and ending within a line. */
    g_assert_cmphex(queue(q, BUFFER + 0x1e20, 1024, 2), ==, MMRIG_CAM_OK);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, MS);
    take_frame(q, 0, BUFFER, 1);
    g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 64);
    qtest_clock_step(q, MS);
    /* 0x220 bytes: eight whole lines, and half of the ninth, which stays bad. */
    g_assert_cmphex(get(q, MMRIG_CAM_DONE_STATUS), ==, MMRIG_CAM_OK);
    g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 56);
    qtest_set(q, "ras0", "clear", "gpa=0x4002000,len=4096");
    take_frame(q, 1, BUFFER + 0x1e20, 2);
    g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_DMA_ERRORS), ==, 0);
    qtest_stop(q);
}

static void test_interrupts(void)
{
    QTest *q = start("");

    send_interrupts(q);
    small(q);
    queue(q, BUFFER, 1024, 1);
    queue(q, BUFFER + 0x1000, 1024, 2);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, MS);
    /* Nothing is enabled. */
    g_assert_cmphex(qtest_readl(q, MAILBOX), ==, 0);
    g_assert_cmphex(qtest_readl(q, MAILBOX + 16), ==, 0);
    /* Enabling what is pending sends. */
    set(q, MMRIG_CAM_IRQ_ENABLE, MMRIG_CAM_IRQ_FRAME);
    g_assert_cmphex(qtest_readl(q, MAILBOX), ==, 0x1000);
    g_assert_cmphex(qtest_readl(q, MAILBOX + 16), ==, 0);
    /* Not cleared: no second message. Cleared: one. */
    qtest_fill(q, MAILBOX, 32, 0);
    qtest_clock_step(q, MS);
    g_assert_cmphex(qtest_readl(q, MAILBOX), ==, 0);
    set(q, MMRIG_CAM_IRQ_STATUS, MMRIG_CAM_IRQ_FRAME);
    queue(q, BUFFER, 1024, 1);
    qtest_clock_step(q, MS);
    g_assert_cmphex(qtest_readl(q, MAILBOX), ==, 0x1000);
    /* Other events have the second vector. */
    g_assert_cmphex(qtest_readl(q, MAILBOX + 16), ==, 0);
    set(q, MMRIG_CAM_IRQ_ENABLE, MMRIG_CAM_IRQ_UNDERRUN);
    qtest_clock_step(q, MS);
    g_assert_cmphex(qtest_readl(q, MAILBOX + 16), ==, 0x1001);
    qtest_stop(q);
}

static gboolean pin_is_up(QTest *q)
{
    return (qtest_pci_readl(q, SLOT, 0x04) >> 16 & 0x8) != 0; /* Interrupt Status */
}

/* The pin follows the bits, and is not used beside MSI-X. */
static void test_pin(void)
{
    QTest *q = start("");

    g_assert_cmphex(qtest_pci_readl(q, SLOT, 0x3c) & 0xff00, ==, 0);
    qtest_stop(q);
    q = start(",intx=on");
    g_assert_cmphex(qtest_pci_readl(q, SLOT, 0x3c) & 0xff00, ==, 0x100);
    set(q, MMRIG_CAM_DONE_POP, 1);
    g_assert_false(pin_is_up(q));
    set(q, MMRIG_CAM_IRQ_ENABLE, MMRIG_CAM_IRQ_ERROR);
    g_assert_true(pin_is_up(q));
    set(q, MMRIG_CAM_IRQ_STATUS, MMRIG_CAM_IRQ_ERROR);
    g_assert_false(pin_is_up(q));
    set(q, MMRIG_CAM_DONE_POP, 1);
    g_assert_true(pin_is_up(q));
    send_interrupts(q);
    g_assert_false(pin_is_up(q));
    qtest_pci_writel(q, SLOT, qtest_pci_capability(q, SLOT, 0x11), 0);
    g_assert_true(pin_is_up(q));
    command(q, MMRIG_CAM_COMMAND_RESET);
    g_assert_false(pin_is_up(q));
    qtest_stop(q);
}

static void test_reset(void)
{
    QTest *q = start("");
    Registers r = camera_table(q);

    registers_begin(&r);
    for (int way = 0; way < 2; way++) {
        small(q);
        queue(q, BUFFER, 1024, 1);
        queue(q, BUFFER + 0x1000, 1024, 2);
        set(q, MMRIG_CAM_IRQ_ENABLE, MMRIG_CAM_IRQ_ALL);
        command(q, MMRIG_CAM_COMMAND_START);
        qtest_clock_step(q, 5 * MS);
        if (way == 0) {
            g_assert_cmphex(command(q, MMRIG_CAM_COMMAND_RESET), ==, MMRIG_CAM_OK);
        } else {
            json_node_unref(qtest_qmp(q, "{\"execute\": \"system_reset\"}"));
            /* The main loop resets after it has replied. */
            for (int i = 0; i < 500 && qtest_pci_readl(q, SLOT, 0x10) != 0; i++)
                g_usleep(10000);
            g_assert_cmphex(qtest_pci_readl(q, SLOT, 0x10), ==, 0);
            map_camera(q);
        }
        registers_check_reset(&r);
        g_assert_cmphex(get(q, MMRIG_CAM_FORMAT), ==, MMRIG_CAM_FORMAT_YUYV);
        qtest_clock_step(q, 100 * MS);
        g_assert_cmpuint(get(q, MMRIG_CAM_COUNT_UNDERRUNS), ==, 0);
    }
    registers_end(&r);
    qtest_stop(q);
}

static void test_clock(void)
{
    QTest *q = start("");
    uint32_t low = get(q, MMRIG_CAM_CLOCK_LO);
    uint32_t high = get(q, MMRIG_CAM_CLOCK_HI);

    qtest_clock_step(q, 5000 * MS);
    g_assert_cmpuint(get(q, MMRIG_CAM_CLOCK_HI), ==, high);
    g_assert_cmpuint((uint32_t)(get(q, MMRIG_CAM_CLOCK_LO) - low), ==, (uint32_t)(5000 * MS));
    g_assert_cmpuint(get(q, MMRIG_CAM_CLOCK_HI), ==, (low + 5000 * MS) >> 32);
    g_assert_cmpuint(get(q, MMRIG_CAM_CLOCK_HI), >, 0);
    /* What was latched is forgotten. */
    command(q, MMRIG_CAM_COMMAND_RESET);
    g_assert_cmpuint(get(q, MMRIG_CAM_CLOCK_HI), ==, 0);
    qtest_stop(q);
}

static void test_statistics(void)
{
    QTest *q = start(",calibrate=on");
    static const char *const names[] = {"stat-frames", "stat-bytes", "stat-ns", "stat-copy-ns"};

    set(q, MMRIG_CAM_SIZE, MMRIG_CAM_SIZE_PACK(640, 480));
    set(q, MMRIG_CAM_FORMAT, MMRIG_CAM_FORMAT_GREY);
    qtest_fill(q, BUFFER + 640 * 480, 1, 0xee);
    queue(q, BUFFER, 640 * 480, 1);
    queue(q, BUFFER + 0x100000, 640 * 480, 1);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, get(q, MMRIG_CAM_INTERVAL_NS));
    /* What is compared with is not left in the buffer. */
    take_frame(q, 0, BUFFER, 1);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(JsonNode) value =
            qtest_qmp(q,
                      "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"cam\","
                      " \"property\": \"%s\"}}",
                      names[i]);

        g_assert_cmpint(json_node_get_int(value), >, 0);
    }
    qtest_stop(q);
}

static void bad_property(const char *property, const char *expected)
{
    g_autoptr(GPtrArray) argv = qtest_argv(NULL);
    g_autofree char *errors = NULL;

    g_ptr_array_add(argv, g_strdup("-device"));
    g_ptr_array_add(argv, g_strconcat("mmrig-camera,", property, NULL));
    g_assert_cmpint(qtest_run(argv, &errors), ==, 1);
    g_assert_nonnull(strstr(errors, expected));
}

static void test_properties(void)
{
    bad_property("sizes=63x16", "sizes: '63x16'");
    bad_property("sizes=640x480:", "sizes: ''");
    bad_property("sizes=640x480x3", "sizes: '640x480x3'");
    bad_property("formats=YUYV:NV12", "formats: 'NV12'");
    bad_property("formats=GREY:GREY", "formats: 'GREY' is there twice");
    bad_property("align=3000", "align: 3000 is no power of two");
    bad_property("dma-bits=31", "dma-bits: 31");
    bad_property("dma-bits=65", "dma-bits: 65");
    bad_property("max-fps=0", "max-fps: 0");
    bad_property("queue-depth=65", "queue-depth: 65");
    bad_property("queue-depth=4,min-buffers=5", "min-buffers: 5");
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/camera/identity", test_identity);
    g_test_add_func("/camera/stream", test_stream);
    g_test_add_func("/camera/dropped", test_dropped);
    g_test_add_func("/camera/formats", test_formats);
    g_test_add_func("/camera/bad-buffers", test_bad_buffers);
    g_test_add_func("/camera/narrow", test_narrow);
    g_test_add_func("/camera/bad-registers", test_bad_registers);
    g_test_add_func("/camera/table", test_table);
    g_test_add_func("/camera/start-timeout", test_start_timeout);
    g_test_add_func("/camera/master-off", test_master_off);
    g_test_add_func("/camera/memory-gone", test_memory_gone);
    g_test_add_func("/camera/poison", test_poison);
    g_test_add_func("/camera/interrupts", test_interrupts);
    g_test_add_func("/camera/pin", test_pin);
    g_test_add_func("/camera/reset", test_reset);
    g_test_add_func("/camera/clock", test_clock);
    g_test_add_func("/camera/statistics", test_statistics);
    g_test_add_func("/camera/properties", test_properties);
    return g_test_run();
}
