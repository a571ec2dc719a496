/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Poison in every piece of memory that a machine can have: nodes of their own memory, DIMMs, on
 * both sides of the hole below 4 GiB. QEMU makes each of regions within regions; what is good
 * in a page with a bad line must be that page's, wherever it lies.
 */
#include <string.h>

#include "ras-check.h"

#define INTEL "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"
#define MIB   (UINT64_C(1) << 20)
#define GIB   (UINT64_C(1) << 30)

#define NODE(id, size)                                                                         \
    "-object", "memory-backend-ram,id=m" #id ",size=" size, "-numa", "node,memdev=m" #id
#define DIMM(id, size, options)                                                                \
    "-object", "memory-backend-ram,id=d" #id ",size=" size, "-device",                         \
        "pc-dimm,id=dimm" #id ",memdev=d" #id options

/* Pages with poison, 0-terminated; all are filled, and each is made bad while all others hold.
 */
typedef struct {
    const char *name;
    const char *const *arguments;
    uint64_t pages[12];
    void (*prepare)(QTest *q); /* or NULL */
} Topology;

static const char *const one_node[] = {"-m", "256M", NULL};
static const char *const nodes[] = {
    "-m", "448M", NODE(0, "64M"), NODE(1, "128M"), NODE(2, "256M"), NULL};
static const char *const large_first[] = {"-m", "320M", NODE(0, "256M"), NODE(1, "64M"), NULL};
static const char *const above[] = {"-machine",      "max-ram-below-4g=128M", "-m", "512M",
                                    NODE(0, "256M"), NODE(1, "256M"),         NULL};
static const char *const dimms[] = {"-m",
                                    "size=128M,slots=3,maxmem=4G",
                                    DIMM(0, "128M", ""),
                                    DIMM(1, "256M", ",addr=0x140000000"),
                                    DIMM(2, "128M", ",addr=0x180000000"),
                                    NULL};

/* ---- CXL --------------------------------------------------------------------------------- */

/* Of QEMU's docs/system/devices/cxl: a device behind a host bridge with one root port, which
 * passes all on, so that only the device's own decoder is to be programmed. */
static const char *const window[] = {
    "-m",       "64M",
    "-object",  "memory-backend-ram,id=c0,size=256M",
    "-device",  "pxb-cxl,bus_nr=12,bus=pcie.0,id=hb",
    "-device",  "cxl-rp,port=0,bus=hb,id=rp,chassis=0,slot=2",
    "-device",  "cxl-type3,bus=rp,volatile-memdev=c0,id=cxl0",
    "-machine", "cxl=on,cxl-fmw.0.targets.0=hb,cxl-fmw.0.size=256M",
    NULL};
#define WINDOW (UINT64_C(0x110000000))

/* A slot of another bus, as qtest_pci_*() takes it; the device's registers. */
#define ON_BUS(bus, slot) ((bus) << 5 | (slot))
#define CXL_REGISTERS     0xe0000000u
/* CXL 3.0, section 8.2.4: capabilities' list, and the decoders', the first of them. */
#define CXL_CAPABILITIES   0x1000u
#define CXL_CAPABILITY_HDM 5
enum { HDM_CONTROL = 0x04, HDM_BASE = 0x10, HDM_SIZE = 0x18, HDM_DECODER = 0x20 };
enum { HDM_ENABLE = 2, HDM_COMMIT = 1 << 9, HDM_COMMITTED = 1 << 10 };

static void program_window(QTest *q)
{
    const unsigned port = ON_BUS(12, 0), device = ON_BUS(13, 0);
    uint32_t decoders = 0;
    uint32_t count;

    /* Buses below the port, and the memory that it passes on. */
    qtest_pci_writel(q, port, 0x18, 13 << 16 | 13 << 8 | 12);
    qtest_pci_writel(q, port, 0x20, (CXL_REGISTERS >> 16 | 0x10) << 16 | CXL_REGISTERS >> 16);
    qtest_pci_command(q, port, TRUE);
    qtest_pci_map(q, device, 0, CXL_REGISTERS);
    qtest_pci_command(q, device, TRUE);
    count = qtest_readl(q, CXL_REGISTERS + CXL_CAPABILITIES) >> 24;
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t head = qtest_readl(q, CXL_REGISTERS + CXL_CAPABILITIES + 4 * i);

        if ((head & 0xffff) == CXL_CAPABILITY_HDM)
            decoders = CXL_REGISTERS + CXL_CAPABILITIES + (head >> 20);
    }
    g_assert_cmphex(decoders, !=, 0);
    qtest_writel(q, decoders + HDM_BASE, (uint32_t)WINDOW);
    qtest_writel(q, decoders + HDM_BASE + 4, WINDOW >> 32);
    qtest_writel(q, decoders + HDM_SIZE, 256 * MIB);
    qtest_writel(q, decoders + HDM_DECODER, HDM_COMMIT);
    qtest_writel(q, decoders + HDM_CONTROL, HDM_ENABLE);
    g_assert_cmphex(qtest_readl(q, decoders + HDM_DECODER) & HDM_COMMITTED, ==, HDM_COMMITTED);
    qtest_writeq(q, WINDOW, 77);
    g_assert_cmphex(qtest_readq(q, WINDOW), ==, 77);
}

static const Topology topologies[] = {
    {"one-node", one_node, {MIB, 64 * MIB, 256 * MIB - 4096}, NULL},
    {"nodes",
     nodes,
     {MIB, 64 * MIB - 4096, 64 * MIB, 65 * MIB, 128 * MIB, 192 * MIB - 4096, 192 * MIB,
      256 * MIB, 257 * MIB, 448 * MIB - 4096},
     NULL},
    {"large-first",
     large_first,
     {MIB, 256 * MIB - 4096, 256 * MIB, 257 * MIB, 320 * MIB - 4096},
     NULL},
    {"above-4g",
     above,
     {MIB, 128 * MIB - 4096, 4 * GIB, 4 * GIB + MIB, 4 * GIB + 128 * MIB - 4096,
      4 * GIB + 128 * MIB, 4 * GIB + 129 * MIB, 4 * GIB + 384 * MIB - 4096},
     NULL},
    {"dimms",
     dimms,
     {MIB, 4 * GIB, 4 * GIB + MIB, 5 * GIB, 5 * GIB + MIB, 5 * GIB + 256 * MIB - 4096, 6 * GIB,
      6 * GIB + MIB, 6 * GIB + 128 * MIB - 4096},
     NULL},
    {"cxl",
     window,
     {MIB, WINDOW, WINDOW + MIB, WINDOW + 128 * MIB, WINDOW + 256 * MIB - 4096},
     program_window},
};

static QTest *start(const char *const *arguments)
{
    const char *a[32] = {NULL};
    gsize count = 0;

    for (; arguments[count]; count++)
        a[count] = arguments[count];
    g_assert_cmpuint(count, <, G_N_ELEMENTS(a));
    return qtest_start("-cpu", INTEL, "-smp", "2", "-device", "mmrig-ras,id=ras0", a[0], a[1],
                       a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12],
                       a[13], a[14], a[15], NULL);
}

static void inject(QTest *q, uint64_t address)
{
    g_autofree char *text =
        g_strdup_printf("kind=poison,gpa=0x%" G_GINT64_MODIFIER "x", address);

    qtest_set(q, "ras0", "inject", text);
}

static void assert_others(QTest *q, const Topology *topology, uint64_t but)
{
    for (const uint64_t *page = topology->pages; *page; page++)
        if (*page != but)
            assert_filled(q, *page, 4096, 0, 0);
}

static void test_topology(gconstpointer data)
{
    const Topology *topology = data;
    QTest *q = start(topology->arguments);
    uint64_t consumed = 0;

    if (topology->prepare)
        topology->prepare(q);
    for (const uint64_t *page = topology->pages; *page; page++)
        fill(q, *page, 4096);
    for (const uint64_t *page = topology->pages; *page; page++) {
        const uint64_t line = *page + 0x440;

        inject(q, line);
        /* What is beside the line is good, */
        assert_filled(q, *page, 4096, line, 64);
        g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, consumed);
        g_assert_cmphex(qtest_readq(q, line), !=, word(line));
        consumed++;
        g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, consumed);
        /* a store into it goes there, and nowhere else, */
        qtest_writeq(q, *page, 1);
        g_assert_cmphex(qtest_readq(q, *page), ==, 1);
        qtest_writeq(q, *page + 4088, 2);
        g_assert_cmphex(qtest_readq(q, *page + 4088), ==, 2);
        assert_others(q, topology, *page);
        /* and so does one that makes the line good. */
        for (unsigned i = 0; i < 64; i += 8)
            qtest_writeq(q, line + i, word(line + i));
        g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 0);
        qtest_writeq(q, *page, word(*page));
        qtest_writeq(q, *page + 4088, word(*page + 4088));
        assert_filled(q, *page, 4096, 0, 0);
        assert_others(q, topology, *page);
    }
    qtest_stop(q);
}

/* QEMU's docs/specs/acpi_mem_hotplug: the slot, and in its controls bit 3, which ejects. */
#define HOTPLUG_SLOT    0xa00
#define HOTPLUG_CONTROL 0xa14
#define HOTPLUG_EJECT   8

static void G_GNUC_PRINTF(2, 3) do_qmp(QTest *q, const char *format, ...)
{
    g_autofree char *command = NULL;
    va_list values;

    va_start(values, format);
    command = g_strdup_vprintf(format, values);
    va_end(values);
    json_node_unref(qtest_qmp(q, "%s", command));
}

/* Poison goes with the DIMM that it is in, and what comes in its place is whole. */
static void test_unplug(void)
{
    QTest *q = start(dimms);
    const uint64_t page = 5 * GIB + 2 * MIB;

    fill(q, page, 8192);
    inject(q, page + 64);
    inject(q, MIB);
    g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 2);
    do_qmp(q, "{'execute':'device_del','arguments':{'id':'dimm1'}}");
    qtest_outl(q, HOTPLUG_SLOT, 1);
    qtest_outl(q, HOTPLUG_CONTROL, HOTPLUG_EJECT);
    /* The rest is done by the main loop. */
    for (unsigned i = 0; i < 1000 && qtest_get(q, "ras0", "poisoned") > 1; i++)
        g_usleep(1000);
    assert_list(q, "100000+40 ras");
    g_assert_cmpuint(qtest_get(q, "ras0", "pages"), ==, 1);
    g_autofree char *kept =
        qtest_qmp_error(q, "{'execute':'object-del','arguments':{'id':'d1'}}");
    for (unsigned i = 0; kept && i < 1000; i++) {
        g_usleep(1000);
        g_free(kept);
        kept = qtest_qmp_error(q, "{'execute':'object-del','arguments':{'id':'d1'}}");
    }
    g_assert_cmpstr(kept, ==, NULL);

    do_qmp(q, "{'execute':'object-add','arguments':{'qom-type':'memory-backend-ram','id':'d3',"
              "'size':268435456}}");
    do_qmp(q,
           "{'execute':'device_add','arguments':{'driver':'pc-dimm','id':'dimm3',"
           "'memdev':'d3','addr':%" G_GUINT64_FORMAT "}}",
           5 * GIB);
    for (uint64_t at = page; at < page + 8192; at += 8)
        g_assert_cmphex(qtest_readq(q, at), ==, 0);
    fill(q, page, 8192);
    assert_filled(q, page, 8192, 0, 0);
    inject(q, page + 64);
    assert_filled(q, page, 8192, page + 64, 64);
    g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 2);
    qtest_stop(q);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    for (gsize i = 0; i < G_N_ELEMENTS(topologies); i++) {
        g_autofree char *path = g_strconcat("/ras/topology/", topologies[i].name, NULL);
        g_test_add_data_func(path, &topologies[i], test_topology);
    }
    g_test_add_func("/ras/topology/unplug", test_unplug);
    return g_test_run();
}
