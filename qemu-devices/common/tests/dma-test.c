/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/dma.h, by a device that does what it is told. */
#include <inttypes.h>

#include "qtest.h"

#define START 0x02000000ull
#define RAM 0x10000000ull
#define INTEL "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"

enum { OK, NOT_RAM, POISON }; /* MmrigDmaResult */

static QTest *start(void)
{
    QTest *q = qtest_start("-cpu", INTEL, "-plugin", MMRIG_TEST_PROBE,
                           "-device", "mmrig-ras,id=ras0", "-device",
                           "mmrig-dma-probe,id=dma", NULL);

    qtest_fill(q, START - 4096, 0x40000, 1);
    return q;
}

static void spoil(QTest *q, uint64_t address, uint64_t length)
{
    g_autofree char *text = g_strdup_printf(
        "kind=poison,gpa=0x%" PRIx64 ",len=%" PRIu64, address, length);

    qtest_set(q, "ras0", "inject", text);
}

static void run(QTest *q, const char *way, uint64_t address, uint64_t length,
                uint64_t done)
{
    g_autofree char *text = g_strdup_printf(
        "%s %" PRIx64 " %" PRIx64 " %" PRIx64, way, address, length, done);

    qtest_set(q, "dma", "run", text);
}

static void expect(QTest *q, uint64_t result, uint64_t fault, uint64_t bytes,
                   uint64_t parts)
{
    g_assert_cmpuint(qtest_get(q, "dma", "result"), ==, result);
    g_assert_cmphex(qtest_get(q, "dma", "fault"), ==, fault);
    g_assert_cmphex(qtest_get(q, "dma", "bytes"), ==, bytes);
    g_assert_cmpuint(qtest_get(q, "dma", "parts"), ==, parts);
}

/* Good memory is one part; where it ends, so does the map. */
static void test_plain(void)
{
    QTest *q = start();

    run(q, "read", START + 3, 0x10000, 0);
    expect(q, OK, 0, 0x10000, 1);
    g_assert_cmpuint(qtest_get(q, "dma", "sum"), ==, 0x10000);
    run(q, "write", START + 3, 0x2000, 0x1000);
    expect(q, OK, 0, 0x2000, 1);
    g_assert_cmpuint(qtest_get(q, "dma", "gathered"), ==, 0);
    g_assert_cmphex(qtest_readb(q, START + 3), ==, 0x5a);
    run(q, "write", RAM - 0x1000, 0x3000, 0);
    expect(q, OK, 0, 0x1000, 1);
    run(q, "read", RAM, 1, 0);
    expect(q, NOT_RAM, RAM, 0, 0);
    run(q, "read", START, 0, 0);
    expect(q, OK, 0, 0, 0);
    qtest_stop(q);
}

/* A read ends before the first bad line, and the next one says where that is.
 */
static void test_read(void)
{
    QTest *q = start();

    spoil(q, START + 0x1080, 64);
    run(q, "read", START, 0x3000, 0);
    expect(q, OK, 0, 0x1080, 2);
    g_assert_cmphex(qtest_get(q, "dma", "gathered"), ==, 0x80);
    g_assert_cmphex(qtest_get(q, "dma", "sum"), ==, 0x1080);
    run(q, "read", START + 0x1080, 0x1f80, 0);
    expect(q, POISON, START + 0x1080, 0, 0);
    run(q, "read", START + 0x10bf, 1, 0);
    expect(q, POISON, START + 0x10bf, 0, 0);
    run(q, "read", START + 0x10c0, 0x1f40, 0);
    expect(q, OK, 0, 0x1f40, 2);
    qtest_stop(q);
}

/* Whole lines are good again, others stay bad and have the new bytes. */
static void test_write(void)
{
    QTest *q = start();

    spoil(q, START, 4096);
    run(q, "write", START + 0x20, 0x1000, 0x1000);
    expect(q, OK, 0, 0x1000, 2);
    g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 1);
    g_assert_cmphex(qtest_readq(q, START + 0x40), ==, 0x5a5a5a5a5a5a5a5a);
    g_assert_cmphex(qtest_readb(q, START + 0x101f), ==, 0x5a);
    g_assert_cmphex(qtest_readb(q, START + 0x1020), ==, 1);
    qtest_set(q, "ras0", "clear", "gpa=0x2000000,len=4096");
    g_assert_cmphex(qtest_readb(q, START + 0x1f), ==, 1);
    g_assert_cmphex(qtest_readb(q, START + 0x20), ==, 0x5a);

    /* What is not done is not touched. */
    spoil(q, START + 0x4000, 4096);
    run(q, "write", START + 0x4000, 0x1000, 0x80);
    expect(q, OK, 0, 0x1000, 1);
    g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 62);
    qtest_set(q, "ras0", "clear", "gpa=0x2004000,len=4096");
    g_assert_cmphex(qtest_readb(q, START + 0x407f), ==, 0x5a);
    g_assert_cmphex(qtest_readb(q, START + 0x4080), ==, 1);
    qtest_stop(q);
}

/* Nothing is taken for memory for being behind a bad page. */
static void test_end(void)
{
    QTest *q = start();

    spoil(q, RAM - 64, 64);
    run(q, "write", RAM - 64, 0x2000, 64);
    expect(q, OK, 0, 64, 1);
    g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 0);
    qtest_stop(q);
}

/* There are bounds for both; the rest is another map. */
static void test_bounds(void)
{
    QTest *q = start();

    spoil(q, START, 0x20000);
    run(q, "write", START, 0x20000, 0x10000);
    expect(q, OK, 0, 0x10000, 16);
    g_assert_cmphex(qtest_get(q, "dma", "gathered"), ==, 0x10000);
    g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 1024);
    for (uint64_t page = 0; page < 140; page += 2)
        spoil(q, 0x04000000 + page * 4096, 64);
    run(q, "write", 0x04000000, 140 * 4096, 140 * 4096);
    expect(q, OK, 0, 0x20000, 32);
    qtest_stop(q);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/dma/plain", test_plain);
    g_test_add_func("/dma/read", test_read);
    g_test_add_func("/dma/write", test_write);
    g_test_add_func("/dma/end", test_end);
    g_test_add_func("/dma/bounds", test_bounds);
    return g_test_run();
}
