/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams of mmrig-mirror that are refused: of another request, and such as cannot be. */
#include <endian.h>
#include <string.h>

#include "mmrig-mirror-regs.h"
#include "qtest.h"

#define SLOT   4
#define REGS   0xe0000000u
#define DEVICE "mmrig-mirror,id=mirror,addr=4,percent=12.5,mirror=0+640K"
#define BASE   0x123456000ull

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

/* With two ranges that the firmware has applied; the latter is in the registers as well. */
static char *save(void)
{
    QTest *q = qtest_start("-device", DEVICE, NULL);

    qtest_pci_map(q, SLOT, MMRIG_MIRROR_BAR_REGS, REGS);
    qtest_pci_command(q, SLOT, FALSE);
    for (uint32_t i = 0; i < 2; i++) {
        qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_BASE_LO, (uint32_t)BASE + 0x10000 * i);
        qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_BASE_HI, BASE >> 32);
        qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_SIZE_LO, 0x3000);
        qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_ATTRIBUTES, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
        qtest_writel(q, REGS + MMRIG_MIRROR_APPLY, 1);
    }
    g_assert_cmpuint(qtest_readl(q, REGS + MMRIG_MIRROR_APPLIED_COUNT), ==, 2);
    return qtest_save(q);
}

/* Both sides are started with the same. */
static void test_disagree(void)
{
    static const char *const devices[] = {
        "mmrig-mirror,id=mirror,addr=4",
        "mmrig-mirror,id=mirror,addr=4,percent=12.51,mirror=0+640K",
        "mmrig-mirror,id=mirror,addr=4,percent=12.5,mirror=0+644K",
        "mmrig-mirror,id=mirror,addr=4,percent=12.5,specific=0+640K",
        DEVICE ":0x1000000+4K",
        DEVICE ",below-4g=on",
    };
    g_autofree char *uri = save();

    for (gsize i = 0; i < G_N_ELEMENTS(devices); i++)
        assert_refused(uri, devices[i], " != ");
    qtest_forget(uri);
}

static void test_refused(void)
{
    /* From the first range that was applied: base, size, word; what is before is APPLY's. */
    enum {
        ENTRY = 20,
        COUNT = MMRIG_MIRROR_APPLIED_MAX * ENTRY,
        STATUS = COUNT + 4,
        SOURCE = STATUS + 12
    };
    static const struct {
        int offset;
        char bytes[8];
        unsigned size;
    } rows[] = {
        {-1, {0x10}, 1},
        {7, {1}, 1},
        {8, {0, 0, 0, 0, 0, 0, 0, 0}, 8},
        {0, "\xff\xff\xff\xff\xff\xff\xf0", 7},
        {16, {0, 0, 0, 0}, 4},
        {16, {0x10}, 1},
        {COUNT, {0, 0, 0, 3}, 4}, /* the third is none */
        {COUNT, {0x7f}, 1},
        {STATUS, {0x7f}, 1},
        {SOURCE, {0x7f}, 1},
    };
    const uint64_t first[] = {htobe64(BASE), htobe64(0x3000)};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *uri = save();

        qtest_patch(uri, first, sizeof(first), rows[i].offset, rows[i].bytes, rows[i].size);
        assert_refused(uri, DEVICE, "mmrig-mirror");
        qtest_forget(uri);
    }
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/mirror/migration/disagree", test_disagree);
    g_test_add_func("/mirror/migration/refused", test_refused);
    return g_test_run();
}
