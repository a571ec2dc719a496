/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Poison as QEMU's own devices meet it by DMA: edu, which copies, and nvme, which looks at how
 * its reads end.
 */
#include <inttypes.h>

#include "ras-check.h"

#define INTEL "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"
#define LINE  0x1234040ull
#define PAGE  0x1234000ull

/* QEMU's docs/specs/edu: a buffer of 4 KiB, and what moves to and from it, 100 ms later. */
#define EDU_SLOT    5
#define EDU         0xe0000000u
#define EDU_BUFFER  0x40000u
#define EDU_SOURCE  0x80
#define EDU_TARGET  0x88
#define EDU_COUNT   0x90
#define EDU_COMMAND 0x98
enum { EDU_READ = 1, EDU_WRITE = 3 };
#define EDU_TIME INT64_C(100000000)

static QTest *start(const char *properties)
{
    g_autofree char *device = g_strconcat("mmrig-ras,id=ras0", properties, NULL);
    QTest *q = qtest_start("-cpu", INTEL, "-m", "256M", "-device", device, "-device",
                           "edu,addr=5", "-device", "nvme,addr=6,serial=1", NULL);

    qtest_pci_map(q, EDU_SLOT, 0, EDU);
    qtest_pci_command(q, EDU_SLOT, TRUE);
    fill(q, PAGE, 4096);
    return q;
}

/* Memory to the buffer's beginning, or back. */
static void edu_move(QTest *q, unsigned command, uint64_t address, uint64_t size)
{
    qtest_writeq(q, EDU + EDU_SOURCE, command == EDU_READ ? address : EDU_BUFFER);
    qtest_writeq(q, EDU + EDU_TARGET, command == EDU_READ ? EDU_BUFFER : address);
    qtest_writeq(q, EDU + EDU_COUNT, size);
    qtest_writeq(q, EDU + EDU_COMMAND, command);
    qtest_clock_step(q, EDU_TIME);
    g_assert_cmpuint(qtest_readq(q, EDU + EDU_COMMAND) & 1, ==, 0);
}

static void inject_line(QTest *q)
{
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x1234040");
}

/* Whole lines are good when a device has written them; what was there is not read. */
static void test_write(void)
{
    QTest *q = start("");

    fill(q, 0x1300000, 256);
    edu_move(q, EDU_READ, 0x1300000, 256);
    inject_line(q);
    edu_move(q, EDU_WRITE, LINE, 64);
    assert_list(q, "");
    g_assert_cmpuint(qtest_get(q, "ras0", "cleared"), ==, 1);
    for (unsigned i = 0; i < 64; i += 8)
        g_assert_cmphex(qtest_readq(q, LINE + i), ==, word(0x1300000 + i));
    assert_filled(q, PAGE, 4096, LINE, 64);

    /* Of several lines, those that are whole. */
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x1234040,len=256");
    edu_move(q, EDU_WRITE, LINE + 32, 192);
    assert_list(q, "1234040+40 ras;1234100+40 ras");
    g_assert_cmpuint(qtest_get(q, "ras0", "cleared"), ==, 3);
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, 0);
    qtest_stop(q);
}

/* A part of a line merges into it: memory is written, and the line stays bad. */
static void test_merge(void)
{
    QTest *q = start("");

    inject_line(q);
    for (unsigned i = 0; i < 3; i++)
        edu_move(q, EDU_WRITE, LINE, 63);
    assert_list(q, "1234040+40 ras");
    g_assert_cmpuint(qtest_get(q, "ras0", "cleared"), ==, 0);
    edu_move(q, EDU_READ, LINE, 64);
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, 8);
    /* After a read the line has to be written from the beginning. */
    edu_move(q, EDU_WRITE, LINE + 63, 1);
    assert_list(q, "1234040+40 ras");
    qtest_set(q, "ras0", "clear", "all");
    /* The buffer has what it has read: all ones for what is bad. */
    g_assert_cmphex(qtest_readq(q, LINE), ==, 0);
    g_assert_cmphex(qtest_readb(q, LINE + 63), ==, 0xff);
    qtest_stop(q);
}

static void test_modes(void)
{
    static const struct {
        const char *properties;
        uint64_t size;
        const char *left;
    } rows[] = {
        {",store-clears=any", 1, ""},
        {",store-clears=never", 64, "1234040+40 ras"},
        {",store-clears=full-line", 64, ""},
        {",store-clears=full-line", 56, "1234040+40 ras"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        QTest *q = start(rows[i].properties);

        inject_line(q);
        edu_move(q, EDU_WRITE, LINE, rows[i].size);
        assert_list(q, rows[i].left);
        qtest_stop(q);
    }
}

/* A read of what is bad is all ones there, and right around it. */
static void test_read(void)
{
    QTest *q = start("");

    inject_line(q);
    edu_move(q, EDU_READ, PAGE, 256);
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, 8);
    edu_move(q, EDU_WRITE, 0x1400000, 256);
    for (unsigned i = 0; i < 256; i += 8)
        g_assert_cmphex(qtest_readq(q, 0x1400000 + i), ==,
                        i >= 64 && i < 128 ? UINT64_MAX : word(PAGE + i));
    assert_list(q, "1234040+40 ras");
    qtest_stop(q);
}

/* NVM Express 1.4, section 3.1: registers; CSTS.CFS is the controller's fatal error. */
#define NVME_SLOT     6
#define NVME          0xe8000000u
#define NVME_CC       0x14
#define NVME_CSTS     0x1c
#define NVME_AQA      0x24
#define NVME_ASQ      0x28
#define NVME_ACQ      0x30
#define NVME_DOORBELL 0x1000
enum { NVME_ENABLE = 4 << 20 | 6 << 16 | 1, NVME_READY = 1, NVME_FATAL = 2 };

/* A command that is in a bad line is the bus error that it should be to the device. */
static void test_error(void)
{
    for (unsigned bad = 0; bad < 2; bad++) {
        QTest *q = start("");
        uint32_t status = NVME_READY;

        qtest_pci_map(q, NVME_SLOT, 0, NVME);
        qtest_pci_command(q, NVME_SLOT, TRUE);
        qtest_writel(q, NVME + NVME_AQA, 7 << 16 | 7);
        qtest_writeq(q, NVME + NVME_ASQ, 0x1500000);
        qtest_writeq(q, NVME + NVME_ACQ, 0x1501000);
        qtest_writel(q, NVME + NVME_CC, NVME_ENABLE);
        g_assert_cmphex(qtest_readl(q, NVME + NVME_CSTS), ==, NVME_READY);
        qtest_set(q, "ras0", "inject",
                  bad ? "kind=poison,gpa=0x1500000" : "kind=poison,gpa=0x1500040");
        qtest_writel(q, NVME + NVME_DOORBELL, 1);
        for (unsigned i = 0; i < 200 && status == NVME_READY; i++) {
            g_usleep(1000);
            status = qtest_readl(q, NVME + NVME_CSTS);
        }
        g_assert_cmphex(status, ==, bad ? NVME_FATAL : NVME_READY);
        g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma") > 0, ==, bad);
        qtest_stop(q);
    }
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/ras/dma/write", test_write);
    g_test_add_func("/ras/dma/merge", test_merge);
    g_test_add_func("/ras/dma/modes", test_modes);
    g_test_add_func("/ras/dma/read", test_read);
    g_test_add_func("/ras/dma/error", test_error);
    return g_test_run();
}
