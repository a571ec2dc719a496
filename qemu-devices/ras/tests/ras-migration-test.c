/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-ras and the map of what is bad from one QEMU to another. Whatever of their state is not
 * what a new machine has must be noticed here if the stream does not carry it; and a stream
 * that is wrong must be refused.
 */
#include <endian.h>
#include <string.h>

#include "mmrig-mirror-regs.h"
#include "mmrig-ras-regs.h"
#include "ras-check.h"

#define INTEL  "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"
#define MIRROR "mmrig-mirror,id=mirror,addr=4"
#define ANY    "mmrig-ras,id=ras0,store-clears=any"
#define SLOT   4
#define REGS   0xe0000000u
#define PAGE   0x1234000ull

/* The counters, in the order in which they are in a stream. */
static const char *const counters[] = {
    "consumed-loads", "consumed-fetches", "consumed-dma", "filtered", "stores", "cleared",
};

/* With these two devices, in this order. */
static QTest *start(const char *first, const char *second, const char *uri)
{
    QTest *q = qtest_start("-cpu", INTEL, "-device", first, "-device", second,
                           uri ? "-incoming" : NULL, uri, NULL);

    if (uri) {
        qtest_migrated(q);
        return q;
    }
    qtest_pci_map(q, SLOT, MMRIG_MIRROR_BAR_REGS, REGS);
    qtest_pci_command(q, SLOT, FALSE);
    return q;
}

static void mirror_page(QTest *q, uint32_t address)
{
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_BASE_LO, address);
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_SIZE_LO, 4096);
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_ATTRIBUTES, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY, 1);
    g_assert_cmpuint(qtest_readl(q, REGS + MMRIG_MIRROR_ERROR), ==, MMRIG_MIRROR_OK);
}

/* What is bad, and lines that are stored in part. */
static void test_lines(void)
{
    QTest *q = start("mmrig-ras,id=ras0", MIRROR, NULL);

    fill(q, PAGE, 8192);
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x1234040,len=128");
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x2000000,len=4096");
    qtest_set(q, "ras0", "inject", "kind=ce,gpa=0x3000000");
    qtest_readb(q, PAGE + 0x40);
    /* Half of a line is stored. */
    for (unsigned i = 0; i < 32; i += 8)
        qtest_writeq(q, PAGE + 0x80 + i, 1);
    g_autofree char *uri = qtest_save(q);

    q = start("mmrig-ras,id=ras0", MIRROR, uri);
    assert_list(q, "1234040+80 ras;2000000+1000 ras");
    g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 66);
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, 1);
    g_assert_cmpuint(qtest_get(q, "ras0", "injected"), ==, 1);
    assert_filled(q, PAGE, 8192, PAGE + 0x40, 0x80);
    for (unsigned i = 32; i < 64; i += 8)
        qtest_writeq(q, PAGE + 0x80 + i, 1);
    assert_list(q, "1234040+40 ras;2000000+1000 ras");
    qtest_readb(q, 0x2000fff);
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, 2);
    qtest_set(q, "ras0", "clear", "all");
    assert_list(q, "");
    assert_filled(q, PAGE, 8192, PAGE + 0x80, 0x40);
    qtest_stop(q);
    qtest_forget(uri);
}

/*
 * A stream with the counters as they are in it: 2 reads, 1 made good, and 2 stores, which
 * cleared 3 lines. What processors do is in none of qtest's machines.
 */
static char *save_counters(const char *ras, uint64_t cleared,
                           uint64_t stream[G_N_ELEMENTS(counters)])
{
    const uint64_t values[] = {0, 0, 2, 1, 2, cleared};
    QTest *q = start(ras, MIRROR, NULL);

    mirror_page(q, PAGE);
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x1234000,len=64");
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x2000000,len=256");
    qtest_readq(q, PAGE);
    qtest_readq(q, 0x2000000);
    qtest_readq(q, 0x2000000);
    qtest_writeq(q, 0x2000000, 1);
    qtest_writeq(q, 0x200007c, 1);
    for (guint i = 0; i < G_N_ELEMENTS(counters); i++) {
        g_assert_cmpuint(qtest_get(q, "ras0", counters[i]), ==, values[i]);
        stream[i] = htobe64(values[i]);
    }
    return qtest_save(q);
}

static void test_counters(void)
{
    uint64_t stream[G_N_ELEMENTS(counters)];
    g_autofree char *uri = save_counters(ANY, 3, stream);
    uint64_t loads[] = {htobe64(0x1234567890), htobe64(77)};
    uint64_t values[] = {0x1234567890, 77, 2, 1, 2, 3};
    QTest *q;

    qtest_patch(uri, stream, sizeof(stream), 0, loads, sizeof(loads));
    q = start("mmrig-ras,id=ras0", MIRROR, uri);
    for (guint i = 0; i < G_N_ELEMENTS(counters); i++)
        g_assert_cmpuint(qtest_get(q, "ras0", counters[i]), ==, values[i]);
    qtest_stop(q);
    qtest_forget(uri);
}

/* What a store does is the stream's to say, as it was in force there. */
static void test_store(void)
{
    uint64_t stream[G_N_ELEMENTS(counters)];
    g_autofree char *uri = save_counters(ANY, 3, stream);
    QTest *q = start("mmrig-ras,id=ras0", MIRROR, uri);

    qtest_writeq(q, PAGE, 1);
    assert_list(q, "20000c0+40 ras");
    qtest_stop(q);
    qtest_forget(uri);
}

/* Devices that are made in another order: bad memory is whose it was. */
static void test_order(void)
{
    QTest *q = start("mmrig-ras,id=ras0", MIRROR, NULL);

    fill(q, PAGE, 4096);
    mirror_page(q, PAGE);
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x1234000,len=128");
    qtest_set(q, "mirror", "spoil", "0x1234040+128");
    assert_list(q, "1234000+40 ras;1234040+40 ras mirror;1234080+40 mirror");
    g_autofree char *uri = qtest_save(q);

    q = start(MIRROR, "mmrig-ras,id=ras0", uri);
    assert_list(q, "1234000+40 ras;1234040+40 mirror ras;1234080+40 mirror");
    g_assert_cmphex(qtest_readq(q, PAGE), ==, word(PAGE));
    g_assert_cmphex(qtest_readq(q, PAGE + 0x40), ==, UINT64_MAX);
    g_assert_cmphex(qtest_readq(q, PAGE + 0x80), ==, word(PAGE + 0x80));
    g_assert_cmpuint(qtest_get(q, "mirror", "corrected"), ==, 1);
    g_assert_cmpuint(qtest_get(q, "mirror", "failovers"), ==, 1);
    qtest_set(q, "ras0", "clear", "gpa=0x1234000,len=4096");
    assert_list(q, "1234040+80 mirror");
    g_autofree char *back = qtest_save(q);
    qtest_forget(uri);

    q = start("mmrig-ras,id=ras0", MIRROR, back);
    assert_list(q, "1234040+80 mirror");
    qtest_stop(q);
    qtest_forget(back);
}

/* QEMU ends with status 1 and says so, whatever the stream holds. */
static void assert_refused_by(const char *ras, const char *uri, const char *why)
{
    g_autoptr(GPtrArray) argv = qtest_argv(NULL);
    g_autofree char *errors = NULL;
    const char *const more[] = {"-cpu",    INTEL,  "-device",   ras,
                                "-device", MIRROR, "-incoming", uri};

    for (guint i = 0; i < G_N_ELEMENTS(more); i++)
        g_ptr_array_add(argv, g_strdup(more[i]));
    g_assert_cmpint(qtest_run(argv, &errors), ==, 1);
    if (!strstr(errors, why))
        g_error("'%s' does not say '%s'", errors, why);
}

static void assert_refused(const char *uri, const char *why)
{
    assert_refused_by("mmrig-ras,id=ras0", uri, why);
}

/* Both sides are started with the same. */
static void test_disagree(void)
{
    QTest *q = start("mmrig-ras,id=ras0,reset=clear", MIRROR, NULL);
    g_autofree char *uri = qtest_save(q);

    assert_refused_by("mmrig-ras,id=ras0", uri, "0 != 1");
    qtest_forget(uri);
}

static void assert_last(QTest *q, const char *text)
{
    g_autoptr(JsonNode) node = qtest_qmp(q, "{'execute':'qom-get','arguments':{'path':'ras0',"
                                            "'property':'last'}}");

    g_assert_cmpstr(json_node_get_string(node), ==, text);
}

/* The last use of what is bad; and one that cannot have been is refused. */
static void test_last(void)
{
    static const char last[] = "access=dma,gpa=0x234567c,size=4,cpu=-1";
    /* Of the stream: whether, what, where, how much, by whom; each behind the address. */
    static const struct {
        int offset;
        uint8_t bytes[4];
    } rows[] = {{-4, {0, 0, 0, 3}}, {8, {0, 0, 0, 9}}, {12, {0xff, 0xff, 0xff, 0xfe}}};
    const uint64_t address = htobe64(0x234567c);
    const uint32_t processor = htobe32(77);
    QTest *q;

    for (guint i = 0; i < 1 + G_N_ELEMENTS(rows); i++) {
        q = start("mmrig-ras,id=ras0", MIRROR, NULL);
        assert_last(q, "");
        qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x2345640");
        qtest_readl(q, 0x234567c);
        assert_last(q, last);
        g_autofree char *uri = qtest_save(q);

        if (i > 0) {
            qtest_patch(uri, &address, sizeof(address), rows[i - 1].offset, rows[i - 1].bytes,
                        sizeof(rows->bytes));
            assert_refused(uri, "mmrig-ras");
        } else {
            q = start("mmrig-ras,id=ras0", MIRROR, uri);
            assert_last(q, last);
            qtest_stop(q);
            qtest_patch(uri, &address, sizeof(address), 12, &processor, sizeof(processor));
            q = start("mmrig-ras,id=ras0", MIRROR, uri);
            assert_last(q, "access=dma,gpa=0x234567c,size=4,cpu=77");
            qtest_stop(q);
        }
        qtest_forget(uri);
    }
}

/*
 * A machine that has had a processor plugged in before it ran, and whose map is full of its
 * own: an incoming one takes its place.
 */
static void test_full(void)
{
    static const char plug[] =
        "{'execute':'device_add','arguments':{'driver':'qemu64-x86_64-cpu','socket-id':0,"
        "'core-id':1,'thread-id':0}}";
    QTest *q = qtest_start("-cpu", INTEL, "-smp", "1,maxcpus=2", "-m", "256M", "-device",
                           "mmrig-ras,id=ras0", NULL);

    json_node_unref(qtest_qmp(q, plug));
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x2000000,len=128");
    g_autofree char *uri = qtest_save(q);

    q = qtest_start("-cpu", INTEL, "-smp", "1,maxcpus=2", "-m", "256M", "-device",
                    "mmrig-ras,id=ras0", "-incoming", "defer", NULL);
    json_node_unref(qtest_qmp(q, plug));
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x4000000,len=6291456");
    g_assert_cmpuint(qtest_get(q, "ras0", "pages"), ==, MMRIG_RAS_PAGES_MAX);
    json_node_unref(
        qtest_qmp(q, "{'execute':'migrate-incoming','arguments':{'uri':'%s'}}", uri));
    qtest_migrated(q);
    assert_list(q, "2000000+80 ras");
    qtest_stop(q);
    qtest_forget(uri);
}

static void test_refused(void)
{
    enum { COUNTERS = 8 * G_N_ELEMENTS(counters), NAME = 32, NAMES = 8 * NAME };
    /* Two pages, of 72 bytes each. */
    enum { PARTIALS = COUNTERS + 8 + 2 * 72 };
    static const struct {
        int offset; /* from the counters */
        char bytes[NAME + 4];
        unsigned size;
        const char *why;
    } rows[] = {
        {COUNTERS, "\xff\xff\xff\xff", 4, "mmrig-poison/counts"},
        {COUNTERS, {0, 0, 6, 1}, 4, "mmrig-poison/counts"},
        {COUNTERS + 4, "\xff\xff\xff\xff", 4, "mmrig-poison/counts"},
        /* The first page: no page; no memory; of a source without a name. */
        {COUNTERS + 8, {0, 0, 0, 0, 1, 0x23, 0x40, 1}, 8, "mmrig-poison"},
        {COUNTERS + 8, {0, 0, 0, 1, 1, 0x23, 0x40, 0}, 8, "no RAM at 0x101234000"},
        {COUNTERS + 8 + 8 * 8, {1}, 1, "mmrig-poison"},
        /* A line stored in part: no line; one that is good. */
        {PARTIALS + 7, {1}, 1, "mmrig-poison"},
        {PARTIALS + 6, {1, 0}, 2, "mmrig-poison"},
        /* What a store does, and a name without an end. */
        {-4, {0, 0, 0, 3}, 4, "mmrig-poison"},
        {-4 - NAMES, "a source whose name goes on and on", NAME, "mmrig-poison"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t stream[G_N_ELEMENTS(counters)];
        g_autofree char *uri = save_counters("mmrig-ras,id=ras0", 0, stream);

        qtest_patch(uri, stream, sizeof(stream), rows[i].offset, rows[i].bytes, rows[i].size);
        assert_refused(uri, rows[i].why);
        qtest_forget(uri);
    }

    /* A name that is there twice. */
    uint64_t stream[G_N_ELEMENTS(counters)];
    g_autofree char *uri = save_counters(ANY, 3, stream);

    qtest_patch(uri, stream, sizeof(stream), -4 - NAMES + NAME, "ras", 4);
    assert_refused(uri, "mmrig-poison");
    qtest_forget(uri);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/ras/migration/lines", test_lines);
    g_test_add_func("/ras/migration/counters", test_counters);
    g_test_add_func("/ras/migration/store", test_store);
    g_test_add_func("/ras/migration/order", test_order);
    g_test_add_func("/ras/migration/last", test_last);
    g_test_add_func("/ras/migration/full", test_full);
    g_test_add_func("/ras/migration/disagree", test_disagree);
    g_test_add_func("/ras/migration/refused", test_refused);
    return g_test_run();
}
