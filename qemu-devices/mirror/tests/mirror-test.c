/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-mirror on a bare machine, against docs/devices/mirror.md. */
#include <endian.h>
#include <string.h>

#include "mmrig-mirror-regs.h"
#include "qtest.h"
#include "registers.h"

#define SLOT 4
#define REGS 0xe0000000u
#define ROM  0xe0100000u
#define GIB  (1ull << 30)

/* Processors that report memory errors. */
#define INTEL "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"

/* The ROM's BAR in configuration space, and its enable bit (PCI Local Bus 3.0, 6.2.5.2). */
#define ROM_BAR    0x30
#define ROM_ENABLE 1u

static uint32_t get(QTest *q, uint32_t reg)
{
    return qtest_readl(q, REGS + reg);
}

static uint64_t get64(QTest *q, uint32_t reg)
{
    return get(q, reg) | (uint64_t)get(q, reg + 4) << 32;
}

static void set(QTest *q, uint32_t reg, uint32_t value)
{
    qtest_writel(q, REGS + reg, value);
}

static void map_mirror(QTest *q)
{
    g_assert_cmphex(qtest_pci_readl(q, SLOT, 0), ==,
                    MMRIG_MIRROR_PCI_DEVICE << 16 | MMRIG_MIRROR_PCI_VENDOR);
    g_assert_cmphex(qtest_pci_readl(q, SLOT, 8), ==,
                    MMRIG_MIRROR_PCI_CLASS << 16 | MMRIG_MIRROR_PCI_REVISION);
    g_assert_cmphex(qtest_pci_map(q, SLOT, MMRIG_MIRROR_BAR_REGS, REGS), ==,
                    MMRIG_MIRROR_REGS_SIZE);
    qtest_pci_command(q, SLOT, FALSE);
}

static QTest *start(const char *properties)
{
    g_autofree char *device = g_strconcat("mmrig-mirror,id=mirror,addr=4", properties, NULL);
    QTest *q = qtest_start("-device", device, NULL);

    map_mirror(q);
    return q;
}

/* Its table of registers. */
static Registers mirror_table(QTest *q)
{
    return (Registers){
        .q = q,
        .path = "mirror",
        .base = REGS,
        .size = MMRIG_MIRROR_REGS_SIZE,
        .error_access = MMRIG_MIRROR_ERR_ACCESS,
        .error_register = MMRIG_MIRROR_ERR_REGISTER,
        .error_read_only = MMRIG_MIRROR_ERR_READ_ONLY,
        .error_value = MMRIG_MIRROR_ERR_VALUE,
        .reg_error = MMRIG_MIRROR_ERROR,
        .reg_detail = MMRIG_MIRROR_ERROR_DETAIL,
    };
}

static void assert_entry(QTest *q, uint32_t at, uint64_t base, uint64_t size, uint32_t word)
{
    g_assert_cmphex(get64(q, at + MMRIG_MIRROR_ENTRY_BASE_LO), ==, base);
    g_assert_cmphex(get64(q, at + MMRIG_MIRROR_ENTRY_SIZE_LO), ==, size);
    g_assert_cmphex(get(q, at + MMRIG_MIRROR_ENTRY_ATTRIBUTES), ==, word);
}

/* The error of what was just done; cleared. */
static void assert_error(QTest *q, uint32_t error, uint32_t detail)
{
    g_assert_cmphex(get(q, MMRIG_MIRROR_ERROR), ==, error);
    g_assert_cmphex(get(q, MMRIG_MIRROR_ERROR_DETAIL), ==, detail);
    set(q, MMRIG_MIRROR_ERROR, 0);
    g_assert_cmphex(get(q, MMRIG_MIRROR_ERROR), ==, MMRIG_MIRROR_OK);
    g_assert_cmphex(get(q, MMRIG_MIRROR_ERROR_DETAIL), ==, 0);
}

static void apply(QTest *q, uint64_t base, uint64_t size, uint32_t attributes)
{
    set(q, MMRIG_MIRROR_APPLY_BASE_LO, (uint32_t)base);
    set(q, MMRIG_MIRROR_APPLY_BASE_HI, (uint32_t)(base >> 32));
    set(q, MMRIG_MIRROR_APPLY_SIZE_LO, (uint32_t)size);
    set(q, MMRIG_MIRROR_APPLY_SIZE_HI, (uint32_t)(size >> 32));
    set(q, MMRIG_MIRROR_APPLY_ATTRIBUTES, attributes);
    set(q, MMRIG_MIRROR_APPLY, 1);
}

static void test_identity(void)
{
    QTest *q = start("");

    g_assert_cmphex(get(q, MMRIG_MIRROR_ID), ==, MMRIG_MIRROR_ID_VALUE);
    g_assert_cmphex(get(q, MMRIG_MIRROR_VERSION), ==, 0x10000);
    g_assert_cmphex(get(q, MMRIG_MIRROR_FEATURES), ==, MMRIG_MIRROR_FEATURE_VARIABLES);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_PERCENT), ==, 0);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_BELOW_4G), ==, 0);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_RANGE_COUNT), ==, 0);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_STATUS), ==, MMRIG_MIRROR_STATUS_NONE);
    /* Neither a register nor a table: reads as 0. */
    g_assert_cmphex(get(q, 0x1fc), ==, 0);
    qtest_stop(q);
}

static void test_request(void)
{
    QTest *q = start(",percent=12.5,below-4g=on,specific=0x140000000+64M:0x10000000+4096,"
                     "mirror=0+640K:4294967296+1G");

    g_assert_cmpuint(get(q, MMRIG_MIRROR_PERCENT), ==, 1250);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_BELOW_4G), ==, 1);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_RANGE_COUNT), ==, 4);
    assert_entry(q, MMRIG_MIRROR_RANGE_TABLE(0), 0, 640 << 10, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    assert_entry(q, MMRIG_MIRROR_RANGE_TABLE(1), 4 * GIB, GIB, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    assert_entry(q, MMRIG_MIRROR_RANGE_TABLE(2), 5 * GIB, 64 << 20,
                 MMRIG_MIRROR_ATTRIBUTE_SPECIFIC);
    assert_entry(q, MMRIG_MIRROR_RANGE_TABLE(3), 0x10000000, 4096,
                 MMRIG_MIRROR_ATTRIBUTE_SPECIFIC);
    assert_entry(q, MMRIG_MIRROR_RANGE_TABLE(4), 0, 0, 0);
    qtest_stop(q);
}

/* Where the machine has put each node's memory. */
static void test_nodes(void)
{
    QTest *q =
        qtest_start("-machine", "max-ram-below-4g=512M", "-m", "2G", "-object",
                    "memory-backend-ram,id=a,size=768M", "-object",
                    "memory-backend-ram,id=b,size=1280M", "-numa", "node,memdev=a", "-numa",
                    "node,memdev=b", "-numa", "node", "-device", "mmrig-mirror,addr=4", NULL);

    map_mirror(q);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_NODE_COUNT), ==, 3);
    assert_entry(q, MMRIG_MIRROR_NODE_TABLE(0), 0, GIB / 2, 0);
    assert_entry(q, MMRIG_MIRROR_NODE_TABLE(1), 4 * GIB, GIB / 4, 0);
    assert_entry(q, MMRIG_MIRROR_NODE_TABLE(2), 4 * GIB + GIB / 4, 5 * GIB / 4, 1);
    qtest_stop(q);

    /* Without NUMA there is one. */
    q = qtest_start("-machine", "max-ram-below-4g=512M", "-m", "1G", "-device",
                    "mmrig-mirror,addr=4", NULL);
    map_mirror(q);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_NODE_COUNT), ==, 2);
    assert_entry(q, MMRIG_MIRROR_NODE_TABLE(0), 0, GIB / 2, 0);
    assert_entry(q, MMRIG_MIRROR_NODE_TABLE(1), 4 * GIB, GIB / 2, 0);
    qtest_stop(q);
}

static void test_report(void)
{
    QTest *q = start("");

    apply(q, 4 * GIB, 64 << 20, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    apply(q, 8 * GIB, 4096, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC);
    g_assert_cmphex(get64(q, MMRIG_MIRROR_APPLY_BASE_LO), ==, 8 * GIB);
    g_assert_cmphex(get64(q, MMRIG_MIRROR_APPLY_SIZE_LO), ==, 4096);
    g_assert_cmphex(get(q, MMRIG_MIRROR_APPLY_ATTRIBUTES), ==, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC);
    g_assert_cmphex(get(q, MMRIG_MIRROR_APPLY), ==, 0);
    set(q, MMRIG_MIRROR_SOURCE, MMRIG_MIRROR_SOURCE_VARIABLE);
    set(q, MMRIG_MIRROR_STATUS_DETAIL_LO, 0x89abcdef);
    set(q, MMRIG_MIRROR_STATUS_DETAIL_HI, 0x81234567);
    set(q, MMRIG_MIRROR_STATUS, MMRIG_MIRROR_STATUS_DONE);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_ERROR), ==, MMRIG_MIRROR_OK);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_APPLIED_COUNT), ==, 2);
    assert_entry(q, MMRIG_MIRROR_APPLIED_TABLE(0), 4 * GIB, 64 << 20,
                 MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    assert_entry(q, MMRIG_MIRROR_APPLIED_TABLE(1), 8 * GIB, 4096,
                 MMRIG_MIRROR_ATTRIBUTE_SPECIFIC);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_STATUS), ==, MMRIG_MIRROR_STATUS_DONE);
    g_assert_cmphex(get64(q, MMRIG_MIRROR_STATUS_DETAIL_LO), ==, 0x8123456789abcdef);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_SOURCE), ==, MMRIG_MIRROR_SOURCE_VARIABLE);

    g_assert_cmphex(qtest_get(q, "mirror", "status-detail"), ==, 0x8123456789abcdef);

    /* A reset forgets all of it. */
    json_node_unref(qtest_qmp(q, "{\"execute\": \"system_reset\"}"));
    map_mirror(q);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_APPLIED_COUNT), ==, 0);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_STATUS), ==, MMRIG_MIRROR_STATUS_NONE);
    g_assert_cmphex(get64(q, MMRIG_MIRROR_STATUS_DETAIL_LO), ==, 0);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_SOURCE), ==, MMRIG_MIRROR_SOURCE_DEVICE);
    assert_entry(q, MMRIG_MIRROR_APPLIED_TABLE(0), 0, 0, 0);
    qtest_stop(q);
}

static void test_errors(void)
{
    QTest *q = start("");

    g_assert_cmphex(qtest_readb(q, REGS), ==, 0xff);
    assert_error(q, MMRIG_MIRROR_ERR_ACCESS, 0);
    g_assert_cmphex(qtest_readq(q, REGS + 8), ==, UINT64_MAX);
    assert_error(q, MMRIG_MIRROR_ERR_ACCESS, 8);
    qtest_writew(q, REGS + MMRIG_MIRROR_STATUS, 1);
    assert_error(q, MMRIG_MIRROR_ERR_ACCESS, MMRIG_MIRROR_STATUS);
    qtest_writel(q, REGS + MMRIG_MIRROR_STATUS + 2, 1);
    assert_error(q, MMRIG_MIRROR_ERR_ACCESS, MMRIG_MIRROR_STATUS + 2);
    set(q, 0x1fc, 1);
    assert_error(q, MMRIG_MIRROR_ERR_REGISTER, 0x1fc);
    set(q, MMRIG_MIRROR_PERCENT, 1);
    assert_error(q, MMRIG_MIRROR_ERR_READ_ONLY, MMRIG_MIRROR_PERCENT);
    set(q, MMRIG_MIRROR_NODE_TABLE(0), 1);
    assert_error(q, MMRIG_MIRROR_ERR_READ_ONLY, MMRIG_MIRROR_NODE_TABLE(0));
    set(q, MMRIG_MIRROR_STATUS, MMRIG_MIRROR_STATUS_DEVICE + 1);
    assert_error(q, MMRIG_MIRROR_ERR_VALUE, MMRIG_MIRROR_STATUS_DEVICE + 1);
    set(q, MMRIG_MIRROR_SOURCE, 2);
    assert_error(q, MMRIG_MIRROR_ERR_VALUE, 2);
    set(q, MMRIG_MIRROR_APPLY_ATTRIBUTES, 4);
    assert_error(q, MMRIG_MIRROR_ERR_VALUE, 4);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_STATUS), ==, MMRIG_MIRROR_STATUS_NONE);

    apply(q, 4096, 0, 1);
    assert_error(q, MMRIG_MIRROR_ERR_APPLY, 0);
    apply(q, 4095, 4096, 1);
    assert_error(q, MMRIG_MIRROR_ERR_APPLY, 0);
    apply(q, 4096, 4095, 1);
    assert_error(q, MMRIG_MIRROR_ERR_APPLY, 0);
    apply(q, 4096, 4096, 0);
    assert_error(q, MMRIG_MIRROR_ERR_APPLY, 0);
    apply(q, UINT64_MAX - 4095, 8192, 1);
    assert_error(q, MMRIG_MIRROR_ERR_APPLY, 0);
    for (unsigned i = 0; i < MMRIG_MIRROR_APPLIED_MAX; i++)
        apply(q, i * 8192, 4096, 1);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_ERROR), ==, MMRIG_MIRROR_OK);
    apply(q, GIB, 4096, 1);
    assert_error(q, MMRIG_MIRROR_ERR_APPLY_FULL, MMRIG_MIRROR_APPLIED_MAX);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_APPLIED_COUNT), ==, MMRIG_MIRROR_APPLIED_MAX);
    qtest_stop(q);
}

/* The ROM of the build is in the device, and without rombar not. */
/* The same of each place there is, by the table; and a reset. */
static void test_table(void)
{
    Registers r = mirror_table(start(",percent=25"));
    unsigned writable = 0;

    registers_begin(&r);
    g_assert_cmpuint(r.row_count, ==, 23);
    for (unsigned i = 0; i < r.row_count; i++)
        writable += r.rows[i].writable != 0;
    g_assert_cmpuint(writable, ==, 8);
    registers_check_refused(&r);
    apply(r.q, 4 * GIB, 64 << 20, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC);
    set(r.q, MMRIG_MIRROR_STATUS_DETAIL_HI, 7);
    set(r.q, MMRIG_MIRROR_STATUS, MMRIG_MIRROR_STATUS_DONE);
    set(r.q, MMRIG_MIRROR_SOURCE, MMRIG_MIRROR_SOURCE_VARIABLE);
    json_node_unref(qtest_qmp(r.q, "{'execute': 'system_reset'}"));
    /* The main loop resets after it has replied. */
    for (int i = 0; i < 500 && qtest_pci_readl(r.q, SLOT, 0x10) != 0; i++)
        g_usleep(10000);
    g_assert_cmphex(qtest_pci_readl(r.q, SLOT, 0x10), ==, 0);
    map_mirror(r.q);
    registers_check_reset(&r);
    registers_end(&r);
    qtest_stop(r.q);
}

static void test_rom(void)
{
    QTest *q = start("");
    g_autofree char *file = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(MMRIG_TEST_ROM, &file, &size, NULL));
    qtest_pci_writel(q, SLOT, ROM_BAR, ROM | ROM_ENABLE);
    g_autofree char *rom = g_malloc(size);
    qtest_read(q, ROM, rom, size);
    g_assert_cmpmem(rom, size, file, size);
    qtest_stop(q);

    q = start(",rombar=0");
    qtest_pci_writel(q, SLOT, ROM_BAR, 0xffffffff);
    g_assert_cmphex(qtest_pci_readl(q, SLOT, ROM_BAR), ==, 0);
    qtest_stop(q);
}

static void spoil_fails(QTest *q, const char *range, const char *expected)
{
    g_autofree char *why = qtest_qmp_error(
        q,
        "{'execute':'qom-set','arguments':{'path':'mirror','property':'spoil','value':'%s'}}",
        range);

    g_assert_nonnull(why);
    if (!strstr(why, expected))
        g_error("spoil=%s: '%s' does not say '%s'", range, why, expected);
}

/* All of it is there in another QEMU: a range half written, an error, and what memory did. */
static void test_migration(void)
{
    static const char *const arguments[] = {
        "-device", "mmrig-ras,id=ras0", "-device",
        "mmrig-mirror,id=mirror,addr=4,percent=25,mirror=0x2000000+4M"};
    QTest *q = qtest_start("-cpu", INTEL, arguments[0], arguments[1], arguments[2],
                           arguments[3], NULL);
    Registers r = mirror_table(q);
    g_autofree uint32_t *before = NULL;

    map_mirror(q);
    registers_begin(&r);
    apply(q, 4 * GIB, 64 << 20, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC);
    apply(q, 0x2000000, 0x2000, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    set(q, MMRIG_MIRROR_STATUS_DETAIL_LO, 6);
    set(q, MMRIG_MIRROR_STATUS_DETAIL_HI, 7);
    set(q, MMRIG_MIRROR_STATUS, MMRIG_MIRROR_STATUS_DONE);
    set(q, MMRIG_MIRROR_SOURCE, MMRIG_MIRROR_SOURCE_VARIABLE);
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x2000040,len=128");
    qtest_set(q, "mirror", "spoil", "0x2000080+64");
    for (uint64_t at = 0x2000040; at < 0x20000c0; at += 64)
        qtest_readq(q, at);
    set(q, MMRIG_MIRROR_APPLY_BASE_HI, 9);
    set(q, MMRIG_MIRROR_PERCENT, 1);
    before = registers_take(&r, NULL);
    g_assert_cmpuint(before[MMRIG_MIRROR_CORRECTED / 4], ==, 1);
    g_assert_cmpuint(before[MMRIG_MIRROR_FAILOVERS / 4], ==, 1);
    g_assert_cmphex(before[MMRIG_MIRROR_LAST_LO / 4], ==, 0x2000080);
    g_autofree char *uri = qtest_save(q);

    q = qtest_start("-cpu", INTEL, arguments[0], arguments[1], arguments[2], arguments[3],
                    "-incoming", uri, NULL);
    qtest_migrated(q);
    r.q = q;
    registers_check_same(&r, before);
    registers_end(&r);
    assert_error(q, MMRIG_MIRROR_ERR_READ_ONLY, MMRIG_MIRROR_PERCENT);
    /* Both copies are as they were. */
    g_assert_cmphex(qtest_readq(q, 0x2000040), ==, 0);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_CORRECTED), ==, 2);
    g_assert_cmphex(qtest_readq(q, 0x2000080), ==, UINT64_MAX);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_FAILOVERS), ==, 2);
    qtest_stop(q);
    qtest_forget(uri);
}

/* One bad copy is made up for by the other; two are an error. */
static void test_copies(void)
{
    QTest *q = qtest_start("-cpu", INTEL, "-m", "256M", "-device", "mmrig-ras,id=ras0",
                           "-device", "mmrig-mirror,id=mirror,addr=4", NULL);

    map_mirror(q);
    g_assert_cmphex(get(q, MMRIG_MIRROR_FEATURES), ==,
                    MMRIG_MIRROR_FEATURE_VARIABLES | MMRIG_MIRROR_FEATURE_COPIES);
    apply(q, 0x2000000, 0x2000, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    apply(q, 0x2002000, 0x1000, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC);
    for (uint64_t at = 0x2001000; at < 0x2003000; at += 8)
        qtest_writeq(q, at, at);

    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x2001040,len=64");
    g_assert_cmphex(qtest_readq(q, 0x2001000), ==, 0x2001000);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_CORRECTED), ==, 0);
    g_assert_cmphex(qtest_readq(q, 0x2001048), ==, 0x2001048);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_CORRECTED), ==, 1);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_FAILOVERS), ==, 0);
    g_assert_cmphex(get64(q, MMRIG_MIRROR_LAST_LO), ==, 0x2001048);

    /* The second copy alone is not even read. */
    qtest_set(q, "mirror", "spoil", "0x2001080+64");
    g_assert_cmphex(qtest_readq(q, 0x2001080), ==, 0x2001080);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_CORRECTED), ==, 1);

    qtest_set(q, "mirror", "spoil", "0x2001040+64");
    g_assert_cmphex(qtest_readq(q, 0x2001040), !=, 0x2001040);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_CORRECTED), ==, 1);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_FAILOVERS), ==, 1);
    g_assert_cmphex(get64(q, MMRIG_MIRROR_LAST_LO), ==, 0x2001040);

    /* A read across two lines is of both: the second of these is bad in both copies. */
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x2001100,len=128");
    qtest_set(q, "mirror", "spoil", "0x2001140+1");
    g_assert_cmphex(qtest_readl(q, 0x200113e), ==, UINT32_MAX);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_CORRECTED), ==, 2);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_FAILOVERS), ==, 2);
    g_assert_cmphex(get64(q, MMRIG_MIRROR_LAST_LO), ==, 0x2001140);

    /* What is not mirrored has one copy: set aside for a purpose, or nothing at all. */
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x2002000,len=64");
    g_assert_cmphex(qtest_readq(q, 0x2002000), !=, 0x2002000);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_CORRECTED), ==, 2);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_FAILOVERS), ==, 2);

    /* Not even the last page of many may be without a mirror. */
    apply(q, 0x3000000, 0x3000, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    spoil_fails(q, "0x3000000+0x3001", "0x3003000 is not mirrored");
    spoil_fails(q, "0x3000fff+0x2002", "0x3003000 is not mirrored");

    /* A reset forgets what was counted, and mirrors nothing; what is bad stays so. */
    json_node_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    for (unsigned i = 0; i < 1000 && qtest_pci_readl(q, SLOT, 4) & 2; i++)
        g_usleep(5000);
    map_mirror(q);
    for (uint32_t reg = MMRIG_MIRROR_CORRECTED; reg <= MMRIG_MIRROR_LAST_HI; reg += 4)
        g_assert_cmphex(get(q, reg), ==, 0);
    g_assert_cmphex(qtest_readq(q, 0x2001080), ==, UINT64_MAX);
    g_assert_cmpuint(get(q, MMRIG_MIRROR_FAILOVERS), ==, 0);
    qtest_stop(q);
}

/* Ranges that cannot be made bad, each with its reason; nothing of them is. */
static void test_spoil_refused(void)
{
    static const struct {
        const char *range, *why;
    } rows[] = {
        {"", "'' is not BASE+SIZE"},
        {"0x2000000", "'0x2000000' is not BASE+SIZE"},
        {"0x2000000+0", "empty or wraps"},
        {"0xfffffffffffff000+8192", "empty or wraps"},
        /* All of these are mirrored. */
        {"0x2000000+8388608K", "more than 1536 pages"},
        {"0x1000+0xfffffffffffff000", "more than 1536 pages"},
        {"0xffff000+8192", "no RAM at 0x10000000"},
    };
    QTest *q = qtest_start("-cpu", INTEL, "-m", "256M", "-device", "mmrig-ras,id=ras0",
                           "-device", "mmrig-mirror,id=mirror,addr=4", NULL);

    map_mirror(q);
    spoil_fails(q, "0x2000000+64", "0x2000000 is not mirrored");
    apply(q, 0, UINT64_MAX - 4095, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    apply(q, UINT64_MAX - 4095, 4096, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        spoil_fails(q, rows[i].range, rows[i].why);
    g_assert_cmpuint(qtest_get(q, "ras0", "poisoned"), ==, 0);
    qtest_stop(q);

    /* These processors report no memory errors. */
    q = start("");
    spoil_fails(q, "0x2000000+64", "report no memory errors");
    qtest_stop(q);
}

/* A stream that no such device can have made is refused, and QEMU ends. */
static void test_bad_stream(void)
{
    /* Where things are from APPLY_BASE on: 20 bytes are an entry, of which there are 65. */
    enum { ENTRY = 20, COUNT = 65 * ENTRY };
    static const struct {
        int offset;
        uint8_t value; /* of this byte, which is the last of a number's */
    } rows[] = {
        {ENTRY - 1, 4},     {ENTRY + 7, 1},  {ENTRY + 14, 0x00}, {2 * ENTRY - 1, 0},
        {2 * ENTRY - 1, 4}, {COUNT + 3, 65}, {COUNT + 7, 15},    {COUNT + 19, 2},
    };
    const uint64_t base = 0x123456789abcd000, found = htobe64(base);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        QTest *q = start("");
        g_autoptr(GPtrArray) argv = qtest_argv(NULL);
        g_autofree char *errors = NULL;

        for (unsigned j = 0; j < MMRIG_MIRROR_APPLIED_MAX; j++)
            apply(q, 4 * GIB + j * 8192, 4096, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
        set(q, MMRIG_MIRROR_APPLY_BASE_LO, (uint32_t)base);
        set(q, MMRIG_MIRROR_APPLY_BASE_HI, (uint32_t)(base >> 32));
        g_autofree char *uri = qtest_save(q);
        qtest_patch(uri, &found, sizeof(found), rows[i].offset, &rows[i].value, 1);
        g_ptr_array_add(argv, g_strdup("-device"));
        g_ptr_array_add(argv, g_strdup("mmrig-mirror,id=mirror,addr=4"));
        g_ptr_array_add(argv, g_strdup("-incoming"));
        g_ptr_array_add(argv, g_strdup(uri));
        g_assert_cmpint(qtest_run(argv, &errors), ==, 1);
        if (!strstr(errors, "mmrig-mirror"))
            g_error("row %zu: '%s'", i, errors);
        qtest_forget(uri);
    }
}

static void bad_property(const char *property, const char *expected)
{
    g_autoptr(GPtrArray) argv = qtest_argv(NULL);
    g_autofree char *errors = NULL;

    g_ptr_array_add(argv, g_strdup("-device"));
    g_ptr_array_add(argv, g_strconcat("mmrig-mirror,", property, NULL));
    g_assert_cmpint(qtest_run(argv, &errors), ==, 1);
    g_test_message("%s", errors);
    g_assert_nonnull(strstr(errors, expected));
}

static void test_properties(void)
{
    bad_property("percent=100.01", "percent: '100.01' is not from 0 to 100");
    bad_property("percent=1.234", "percent: '1.234'");
    bad_property("percent=.5", "percent: '.5'");
    bad_property("percent=5.", "percent: '5.'");
    bad_property("percent=-1", "percent: '-1'");
    bad_property("percent=0050", "percent: '0050'");
    bad_property("mirror=0*4096", "mirror: '0*4096'");
    bad_property("mirror=4096", "mirror: '4096' is not BASE+SIZE");
    bad_property("mirror=0+1X", "mirror: '0+1X'");
    bad_property("mirror=0+1M:", "mirror: ''");
    bad_property("mirror=0+99999999999999G", "mirror: '0+99999999999999G'");
    bad_property("mirror=-1+4096", "mirror: '-1+4096'");
    bad_property("specific=0+-4096", "specific: '0+-4096'");
    bad_property("mirror=0+1:0+1:0+1:0+1:0+1:0+1:0+1:0+1:0+1,"
                 "specific=0+1:0+1:0+1:0+1:0+1:0+1:0+1:0+1",
                 "specific: more than 16 ranges in all");
    bad_property("romfile=/nonexistent.rom", "/nonexistent.rom");
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/mirror/identity", test_identity);
    g_test_add_func("/mirror/request", test_request);
    g_test_add_func("/mirror/nodes", test_nodes);
    g_test_add_func("/mirror/report", test_report);
    g_test_add_func("/mirror/errors", test_errors);
    g_test_add_func("/mirror/table", test_table);
    g_test_add_func("/mirror/rom", test_rom);
    g_test_add_func("/mirror/migration", test_migration);
    g_test_add_func("/mirror/bad-stream", test_bad_stream);
    g_test_add_func("/mirror/copies", test_copies);
    g_test_add_func("/mirror/spoil/refused", test_spoil_refused);
    g_test_add_func("/mirror/properties", test_properties);
    return g_test_run();
}
