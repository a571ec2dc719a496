/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Poison on the lists of CXL memory devices, in each way that an address can take to one: by
 * one root port or two, one host bridge or two, or a switch. The test programs the decoders as
 * a guest would, and works out by itself where an address of a device is in physical memory.
 */
#include <string.h>

#include "qtest.h"

#define INTEL "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"
#define MIB   (UINT64_C(1) << 20)
#define GIB   (UINT64_C(1) << 30)

/* Where QEMU's pc_memory_init() puts them if there is no memory above 4 GiB. */
#define BRIDGES (4 * GIB) /* registers of the host bridges, 64 KiB each */
#define WINDOW  (4 * GIB + 256 * MIB)

#define DEVICE_BYTES (256 * MIB)
#define GRANULE      256u

/* Component registers (CXL 3.1, 8.2.4): the capabilities' headers, and the decoders. */
#define CACHE_MEM       0x1000u
#define CAPABILITY_HDM  5u
#define DECODER0        0x10u
#define DECODER_COMMIT  (1u << 9)
#define DECODER_IS_DONE (1u << 10)

#define BARS 0xe0000000u

enum { BUS = 52, SECOND_BUS = 80 };

#define BRIDGE(n, bus) "-device", "pxb-cxl,bus=pcie.0,id=cxl." #n ",bus_nr=" #bus
#define PORT(n, bus)                                                                           \
    "-device", "cxl-rp,id=rp" #n ",bus=cxl." #bus ",port=" #n ",chassis=0,slot=" #n
#define DEVICE(n, bus)                                                                         \
    "-object", "memory-backend-ram,id=vm" #n ",size=256M", "-device",                          \
        "cxl-type3,id=ram" #n ",volatile-memdev=vm" #n ",bus=" bus

/* What is on the way to a device, and the bus that it is on. */
typedef struct {
    const char *name;
    const char *const *arguments;
    unsigned devices;
    unsigned bridges;
    gboolean ports;  /* the bridge divides among its root ports */
    gboolean behind; /* a switch does */
    unsigned buses[2];
} Way;

static const char *const one[] = {
    "-machine",       "cxl=on,cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=1G",
    BRIDGE(0, 52),    PORT(0, 0),
    DEVICE(0, "rp0"), NULL};
static const char *const ports[] = {
    "-machine",       "cxl=on,cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=1G",
    BRIDGE(0, 52),    PORT(0, 0),
    PORT(1, 0),       DEVICE(0, "rp0"),
    DEVICE(1, "rp1"), NULL};
static const char *const bridges[] = {
    "-machine",
    "cxl=on,cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.targets.1=cxl.1,cxl-fmw.0.size=1G",
    BRIDGE(0, 52),
    BRIDGE(1, 80),
    PORT(0, 0),
    PORT(1, 1),
    DEVICE(0, "rp0"),
    DEVICE(1, "rp1"),
    NULL};
static const char *const behind[] = {"-machine",
                                     "cxl=on,cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=1G",
                                     BRIDGE(0, 52),
                                     PORT(0, 0),
                                     "-device",
                                     "cxl-upstream,id=us0,bus=rp0",
                                     "-device",
                                     "cxl-downstream,id=ds0,bus=us0,port=0,chassis=0,slot=4",
                                     "-device",
                                     "cxl-downstream,id=ds1,bus=us0,port=1,chassis=0,slot=5",
                                     DEVICE(0, "ds0"),
                                     DEVICE(1, "ds1"),
                                     NULL};

static const Way ways[] = {
    {"one", one, 1, 1, FALSE, FALSE, {BUS + 1}},
    {"ports", ports, 2, 1, TRUE, FALSE, {BUS + 1, BUS + 2}},
    {"bridges", bridges, 2, 2, FALSE, FALSE, {BUS + 1, SECOND_BUS + 1}},
    {"switch", behind, 2, 1, FALSE, TRUE, {BUS + 3, BUS + 4}},
};

/* ---- Configuration space ---------------------------------------------------------------- */

static void config_write(QTest *q, unsigned bus, unsigned slot, unsigned offset, uint32_t value)
{
    qtest_outl(q, 0xcf8, 0x80000000u | bus << 16 | slot << 11 | offset);
    qtest_outl(q, 0xcfc, value);
}

static uint32_t config_read(QTest *q, unsigned bus, unsigned slot, unsigned offset)
{
    qtest_outl(q, 0xcf8, 0x80000000u | bus << 16 | slot << 11 | offset);
    return qtest_inl(q, 0xcfc);
}

/* A bridge from a bus to the buses from first to last, and what is behind it in BARS. */
static void bridge_open(QTest *q, unsigned bus, unsigned slot, unsigned first, unsigned last)
{
    config_write(q, bus, slot, 0x18, bus | first << 8 | last << 16);
    config_write(q, bus, slot, 0x20, BARS >> 16 | BARS);
    config_write(q, bus, slot, 0x04, 0x6);
}

/* The slot on a bus that a bridge, made after so many others, is in: the first that has one. */
static unsigned bridge_slot(QTest *q, unsigned bus, unsigned skip)
{
    for (unsigned slot = 0; slot < 32; slot++)
        if (config_read(q, bus, slot, 0) != UINT32_MAX && skip-- == 0)
            return slot;
    g_error("there is no port %u on bus %u", skip, bus);
}

/* ---- Decoders --------------------------------------------------------------------------- */

/* The HDM decoder capability among the component registers at an address. */
static uint64_t decoders(QTest *q, uint64_t component)
{
    uint64_t base = component + CACHE_MEM;
    unsigned count = qtest_readl(q, base) >> 24;

    for (unsigned i = 1; i <= count; i++) {
        uint32_t header = qtest_readl(q, base + 4 * i);
        if ((header & 0xffff) == CAPABILITY_HDM)
            return base + (header >> 20);
    }
    g_error("there are no decoders at 0x%" G_GINT64_MODIFIER "x", component);
}

/* The first decoder has all of the region; where it goes from there is in targets, or a skip.
 */
static void decoder_commit(QTest *q, uint64_t component, uint64_t size, unsigned turns,
                           uint32_t targets)
{
    uint64_t decoder = decoders(q, component) + DECODER0;

    qtest_writel(q, decoder + 0x00, (uint32_t)WINDOW);
    qtest_writel(q, decoder + 0x04, WINDOW >> 32);
    qtest_writel(q, decoder + 0x08, (uint32_t)size);
    qtest_writel(q, decoder + 0x0c, size >> 32);
    qtest_writel(q, decoder + 0x14, targets);
    /* Granularity 256 is 0, and two ways are 1. */
    qtest_writel(q, decoder + 0x10, (turns - 1) << 4 | DECODER_COMMIT);
    g_assert_cmphex(qtest_readl(q, decoder + 0x10) & DECODER_IS_DONE, !=, 0);
}

static uint64_t device_registers(const Way *way, unsigned device)
{
    return BARS + (1 + way->behind + device) * 0x10000u;
}

/* Whatever is between the bridges and the devices, by the order in which QEMU made it. */
static void open_way(QTest *q, const Way *way)
{
    static const unsigned bridge_buses[] = {BUS, SECOND_BUS};

    for (unsigned i = 0; i < way->bridges; i++) {
        unsigned count = way->ports ? way->devices : 1;

        for (unsigned port = 0; port < count; port++) {
            unsigned first = bridge_buses[i] + 1 + port;

            bridge_open(q, bridge_buses[i], bridge_slot(q, bridge_buses[i], port), first,
                        way->behind ? first + 3 : first);
        }
    }
    if (way->behind) {
        /* The switch's own registers come first. */
        bridge_open(q, BUS + 1, 0, BUS + 2, BUS + 4);
        config_write(q, BUS + 1, 0, 0x10, BARS + 0x10000);
        for (unsigned i = 0; i < 2; i++)
            bridge_open(q, BUS + 2, bridge_slot(q, BUS + 2, i), BUS + 3 + i, BUS + 3 + i);
    }
    for (unsigned i = 0; i < way->devices; i++) {
        config_write(q, way->buses[i], 0, 0x10, (uint32_t)device_registers(way, i));
        config_write(q, way->buses[i], 0, 0x14, 0);
        config_write(q, way->buses[i], 0, 0x04, 0x6);
    }
}

static void program(QTest *q, const Way *way)
{
    uint64_t size = way->devices * DEVICE_BYTES;

    open_way(q, way);
    if (way->ports)
        decoder_commit(q, BRIDGES, size, way->devices, 0x0100);
    if (way->behind)
        decoder_commit(q, BARS + 0x10000, size, way->devices, 0x0100);
    for (unsigned i = 0; i < way->devices; i++)
        decoder_commit(q, device_registers(way, i), size, way->devices, 0);
}

/* ---- The test --------------------------------------------------------------------------- */

static uint64_t physical(const Way *way, unsigned device, uint64_t address)
{
    return WINDOW + (address / GRANULE * way->devices + device) * GRANULE + address % GRANULE;
}

static uint64_t word(uint64_t address)
{
    return address * 0x9e3779b97f4a7c15ull + 1;
}

static QTest *start(const Way *way, const char *ras)
{
    const char *a[20] = {NULL};

    for (gsize i = 0; way->arguments[i]; i++) {
        g_assert_cmpuint(i, <, G_N_ELEMENTS(a));
        a[i] = way->arguments[i];
    }
    return qtest_start("-m", "256M", "-cpu", INTEL, "-device", ras, a[0], a[1], a[2], a[3],
                       a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13], a[14],
                       a[15], a[16], a[17], a[18], a[19], NULL);
}

static void inject(QTest *q, unsigned device, uint64_t address, unsigned length)
{
    json_node_unref(qtest_qmp(q,
                              "{'execute':'cxl-inject-poison','arguments':{'path':"
                              "'/machine/peripheral/ram%u','start':%" G_GUINT64_FORMAT
                              ",'length':%u}}",
                              device, address, length));
}

/* Reads what is around an address of each device, and finds it bad where it is. */
static void assert_bad(QTest *q, const Way *way, unsigned device, uint64_t address,
                       unsigned length)
{
    for (unsigned other = 0; other < way->devices; other++) {
        for (uint64_t at = address - GRANULE; at < address + length + GRANULE; at += 8) {
            uint64_t gpa = physical(way, other, at);
            uint64_t before = qtest_get(q, "ras0", "consumed-dma");
            gboolean bad = other == device && at >= address && at < address + length;
            uint64_t value = qtest_readq(q, gpa);

            g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, before + bad);
            if (bad)
                g_assert_cmphex(value, !=, word(gpa));
            else
                g_assert_cmphex(value, ==, word(gpa));
        }
    }
}

static void test_way(gconstpointer data)
{
    static const uint64_t addresses[] = {0x1240, 0x4567fc0, DEVICE_BYTES - 0x1000};
    const Way *way = data;
    QTest *q = start(way, "mmrig-ras,id=ras0");

    program(q, way);
    for (unsigned device = 0; device < way->devices; device++)
        for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++)
            for (uint64_t at = addresses[i] - GRANULE; at < addresses[i] + 3 * GRANULE; at += 8)
                if (at < DEVICE_BYTES)
                    qtest_writeq(q, physical(way, device, at), word(physical(way, device, at)));
    for (unsigned device = 0; device < way->devices; device++)
        for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++)
            inject(q, device, addresses[i] + device * 0x40, 64);
    for (unsigned device = 0; device < way->devices; device++) {
        uint64_t before = qtest_get(q, "ras0", "consumed-dma");

        qtest_readq(q, physical(way, device, addresses[1] + device * 0x40));
        g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, before + 1);
    }
    qtest_stop(q);
}

/* On one device only, all that is around the listed line is as it was on each. */
static void test_around(gconstpointer data)
{
    const Way *way = data;
    QTest *q = start(way, "mmrig-ras,id=ras0");
    const unsigned device = way->devices - 1;
    const uint64_t address = 0x45680c0;

    program(q, way);
    for (unsigned other = 0; other < way->devices; other++)
        for (uint64_t at = address - GRANULE; at < address + 2 * GRANULE; at += 8)
            qtest_writeq(q, physical(way, other, at), word(physical(way, other, at)));
    inject(q, device, address, 128);
    assert_bad(q, way, device, address, 128);
    /* An access that begins before it and ends in it. */
    uint64_t before = qtest_get(q, "ras0", "consumed-dma");
    uint64_t gpa = physical(way, device, address);
    uint8_t bytes[8];
    qtest_read(q, gpa - 4, bytes, sizeof(bytes));
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), >, before);
    /* A store is no Clear Poison. */
    before = qtest_get(q, "ras0", "consumed-dma");
    for (unsigned i = 0; i < 64; i += 8)
        qtest_writeq(q, gpa + i, word(gpa + i));
    qtest_readq(q, gpa);
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, before + 1);
    qtest_stop(q);
}

/* The list alone, as QEMU has it: the data is there. */
static void test_off(void)
{
    const Way *way = &ways[0];
    QTest *q = start(way, "mmrig-ras,id=ras0,cxl-poison=off");
    uint64_t gpa = physical(way, 0, 0x1240);

    program(q, way);
    qtest_writeq(q, gpa, word(gpa));
    inject(q, 0, 0x1240, 64);
    g_assert_cmphex(qtest_readq(q, gpa), ==, word(gpa));
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, 0);
    qtest_stop(q);
}

/* Where no decoder leads there is nothing, and no poison either. */
static void test_nowhere(void)
{
    const Way *way = &ways[1];
    QTest *q = start(way, "mmrig-ras,id=ras0");

    inject(q, 0, 0, 64);
    qtest_readq(q, WINDOW);
    open_way(q, way);
    qtest_readq(q, WINDOW);
    decoder_commit(q, BRIDGES, 2 * DEVICE_BYTES, 2, 0x0100);
    qtest_readq(q, WINDOW);
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, 0);
    decoder_commit(q, device_registers(way, 0), 2 * DEVICE_BYTES, 2, 0);
    qtest_readq(q, WINDOW);
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, 1);
    qtest_readq(q, WINDOW + 2 * DEVICE_BYTES);
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, 1);
    qtest_stop(q);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    for (gsize i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *path = g_strconcat("/cxl/listed/", ways[i].name, NULL);
        g_autofree char *around = g_strconcat("/cxl/around/", ways[i].name, NULL);

        g_test_add_data_func(path, &ways[i], test_way);
        g_test_add_data_func(around, &ways[i], test_around);
    }
    g_test_add_func("/cxl/off", test_off);
    g_test_add_func("/cxl/nowhere", test_nowhere);
    return g_test_run();
}
