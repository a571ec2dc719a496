/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random accesses to mmrig-camera, random DMA addresses and clock steps, for some seconds.
 * QEMU must live, the device must keep its own rules, and memory that was never offered to it
 * must stay as it is.
 */
#include <inttypes.h>

#include "fuzz.h"
#include "mmrig-camera-regs.h"

#define SLOT 4
#define REGS 0xe0000000u
/* Memory the device may write to, and memory that it is never given. */
#define FREE_START  0x04000000ull
#define FREE_SIZE   0x08000000ull
#define GUARD_START 0x01000000ull
#define GUARD_SIZE  0x00100000ull

static const uint64_t odd_addresses[] = {
    0,
    0xfffff000,
    0x100000000,
    0xfffffffffffff000,
    0x7ffffffffffff000,
    0x10000000,
    0x0ffff000,
    REGS,
    0xfee00000,
    0xa0000,
    1ull << 40,
    (1ull << 40) - 4096,
    0x8000000000000000,
};
static const uint32_t odd_lengths[] = {0, 1, 63, 64, 1023, 1024, 4096, 0x7fffffff, 0xffffffff};
static const uint32_t writable[] = {
    MMRIG_CAM_SIZE,       MMRIG_CAM_FORMAT,     MMRIG_CAM_INTERVAL_NS, MMRIG_CAM_COMMAND,
    MMRIG_CAM_ERROR,      MMRIG_CAM_IRQ_STATUS, MMRIG_CAM_IRQ_ENABLE,  MMRIG_CAM_BUF_LENGTH,
    MMRIG_CAM_BUF_COOKIE, MMRIG_CAM_DONE_POP,
};

/* Never one from which a frame could reach the guarded memory. */
static uint64_t any_address(void)
{
    uint64_t address;

    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        address = PICK(odd_addresses);
        break;
    case 1:
        address = any_64();
        break;
    case 2:
        address = any_64() >> g_test_rand_int_range(0, 64);
        break;
    default:
        address = FREE_START + any_64() % FREE_SIZE / 4096 * 4096;
        break;
    }
    return address < FREE_START ? address | FREE_START : address;
}

static void set_address(QTest *q, uint64_t address)
{
    qtest_writel(q, REGS + MMRIG_CAM_BUF_ADDRESS_LO, (uint32_t)address);
    qtest_writel(q, REGS + MMRIG_CAM_BUF_ADDRESS_HI, (uint32_t)(address >> 32));
}

static void any_write(QTest *q)
{
    uint32_t reg = (uint32_t)g_test_rand_int_range(0, MMRIG_CAM_REGS_SIZE);
    uint64_t value = any_64() >> g_test_rand_int_range(0, 64);

    /* Half an address would escape any_address(), and so would a queue by chance. */
    if (reg / 8 == MMRIG_CAM_BUF_ADDRESS_LO / 8 || reg + 8 > MMRIG_CAM_REGS_SIZE ||
        (reg < MMRIG_CAM_BUF_ADDRESS_LO && reg + 8 > MMRIG_CAM_BUF_ADDRESS_LO))
        return;
    switch (g_test_rand_int_range(0, 5)) {
    case 0:
        qtest_writeb(q, REGS + reg, (uint8_t)value);
        break;
    case 1:
        qtest_writew(q, REGS + reg, (uint16_t)value);
        break;
    case 2:
        qtest_writeq(q, REGS + reg, value);
        break;
    default:
        qtest_writel(q, REGS + reg / 4 * 4, (uint32_t)value);
        break;
    }
}

static void any_read(QTest *q)
{
    uint32_t reg = (uint32_t)g_test_rand_int_range(0, MMRIG_CAM_REGS_SIZE - 8);

    switch (g_test_rand_int_range(0, 5)) {
    case 0:
        qtest_readb(q, REGS + reg);
        break;
    case 1:
        qtest_readw(q, REGS + reg);
        break;
    case 2:
        qtest_readq(q, REGS + reg);
        break;
    default:
        qtest_readl(q, REGS + reg / 4 * 4);
        break;
    }
}

static void sensible_write(QTest *q)
{
    uint32_t reg = PICK(writable);
    uint32_t value = (uint32_t)g_test_rand_int_range(0, 70);

    switch (reg) {
    case MMRIG_CAM_SIZE:
        value = qtest_readl(q, REGS + MMRIG_CAM_SIZE_TABLE(g_test_rand_int_range(0, 4)));
        break;
    case MMRIG_CAM_FORMAT:
        value = qtest_readl(q, REGS + MMRIG_CAM_FORMAT_TABLE(g_test_rand_int_range(0, 4)));
        break;
    case MMRIG_CAM_INTERVAL_NS:
        value = (uint32_t)g_test_rand_int_range(100000, 5000000);
        break;
    case MMRIG_CAM_COMMAND:
        value = (uint32_t)g_test_rand_int_range(0, 4);
        break;
    case MMRIG_CAM_BUF_LENGTH:
        value = PICK(odd_lengths);
        break;
    }
    qtest_writel(q, REGS + reg, value);
}

static void one_step(QTest *q)
{
    switch (g_test_rand_int_range(0, 16)) {
    case 0:
        any_write(q);
        break;
    case 1:
        any_read(q);
        break;
    case 2:
    case 3:
        qtest_clock_step(q, g_test_rand_int_range(0, 3000000));
        break;
    case 4:
        if (g_test_rand_int_range(0, 20) == 0)
            qtest_pci_command(q, SLOT, g_test_rand_int_range(0, 3) != 0);
        break;
    case 5:
        /* Off in the device's past, or far ahead of it. */
        if (g_test_rand_int_range(0, 50) == 0)
            qtest_clock_step(q, 40000000);
        break;
    case 6:
    case 7:
    case 8:
        sensible_write(q);
        break;
    case 9:
        qtest_writel(q, REGS + MMRIG_CAM_COMMAND, MMRIG_CAM_COMMAND_START);
        break;
    case 10:
        qtest_writel(q, REGS + MMRIG_CAM_DONE_POP, 1);
        break;
    case 11:
        set_address(q, any_address());
        qtest_writel(q, REGS + MMRIG_CAM_QUEUE, 0);
        break;
    default:
        set_address(q, any_address());
        qtest_writel(q, REGS + MMRIG_CAM_BUF_LENGTH,
                     qtest_readl(q, REGS + MMRIG_CAM_FRAME_BYTES));
        qtest_writel(q, REGS + MMRIG_CAM_QUEUE, 0);
        break;
    }
}

static void check_rules(QTest *q)
{
    uint32_t depth = qtest_readl(q, REGS + MMRIG_CAM_QUEUE_DEPTH);
    uint32_t result = qtest_readl(q, REGS + MMRIG_CAM_RESULT);

    g_assert_cmpuint(qtest_readl(q, REGS + MMRIG_CAM_ID), ==, MMRIG_CAM_ID_VALUE);
    g_assert_cmpuint(qtest_readl(q, REGS + MMRIG_CAM_QUEUE), <=, depth);
    g_assert_cmpuint(qtest_readl(q, REGS + MMRIG_CAM_DONE_COUNT), <=,
                     qtest_readl(q, REGS + MMRIG_CAM_DONE_DEPTH));
    g_assert_cmpuint(qtest_readl(q, REGS + MMRIG_CAM_STATE), <=, MMRIG_CAM_STATE_FAILED);
    g_assert_cmpuint(result, <=, MMRIG_CAM_ERR_DONE_EMPTY);
    g_assert_cmphex(qtest_readl(q, REGS + MMRIG_CAM_IRQ_ENABLE) & ~MMRIG_CAM_IRQ_ALL, ==, 0);
}

static void check_guarded(QTest *q)
{
    g_autofree uint8_t *bytes = g_malloc(GUARD_SIZE);

    qtest_read(q, GUARD_START, bytes, GUARD_SIZE);
    for (size_t i = 0; i < GUARD_SIZE; i++)
        g_assert_cmphex(bytes[i], ==, 0x5c);
}

static void test_fuzz(void)
{
    gint64 end = fuzz_end();
    uint64_t steps = 0;
    uint32_t frames = 0;

    /* Each machine for some steps, so that more than one is tried. */
    while (g_get_monotonic_time() < end) {
        QTest *q = qtest_start("-device",
                               "mmrig-camera,addr=4,sizes=64x16:66x128:320x240:1920x1080,"
                               "max-fps=10000,dma-bits=48,align=1,start-timeout-ms=20,"
                               "queue-depth=7",
                               NULL);

        qtest_pci_map(q, SLOT, MMRIG_CAM_BAR_REGS, REGS);
        qtest_pci_map(q, SLOT, MMRIG_CAM_BAR_MSIX, 0xe0010000);
        qtest_pci_command(q, SLOT, TRUE);
        qtest_fill(q, GUARD_START, GUARD_SIZE, 0x5c);
        for (guint i = 0; i < 20000 && g_get_monotonic_time() < end; i++) {
            one_step(q);
            steps++;
            if (i % 64 == 0)
                check_rules(q);
        }
        check_rules(q);
        check_guarded(q);
        frames += qtest_readl(q, REGS + MMRIG_CAM_COUNT_FRAMES);
        qtest_stop(q);
    }
    g_test_message("%" PRIu64 " steps, %u frames since the last resets", steps, frames);
}

int main(int argc, char **argv)
{
    (void)argc;
    return fuzz_main(argv[0], "/camera/fuzz", test_fuzz);
}
