/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Migration streams of mmrig-mirror that are not what it has saved. */
#include <string.h>

#include "fuzz-stream.h"
#include "mmrig-mirror-regs.h"

#define SLOT 4
#define REGS 0xe0000000u

static QTest *start(const char *incoming)
{
    return qtest_start("-cpu", "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4",
                       "-device", "mmrig-mirror,id=mirror,addr=4,percent=12.5",
                       incoming ? "-incoming" : NULL, incoming, NULL);
}

static void apply(QTest *q, uint32_t base, uint32_t size, uint32_t attributes)
{
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_BASE_LO, base);
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_SIZE_LO, size);
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_ATTRIBUTES, attributes);
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY, 1);
}

static void map_mirror(QTest *q)
{
    qtest_pci_map(q, SLOT, MMRIG_MIRROR_BAR_REGS, REGS);
    qtest_pci_command(q, SLOT, FALSE);
}

static void prepare(QTest *q)
{
    map_mirror(q);
    apply(q, 0x1000000, 0x100000, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    apply(q, 0x2000000, 0x1000, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC);
    qtest_set(q, "mirror", "spoil", "0x1000040+128");
    qtest_writel(q, REGS + MMRIG_MIRROR_STATUS, MMRIG_MIRROR_STATUS_DONE);
    qtest_readq(q, 0x1000040);
}

static void use(QTest *q)
{
    map_mirror(q);
    for (uint32_t at = 0; at < MMRIG_MIRROR_REGS_SIZE; at += 4)
        qtest_readl(q, REGS + at);
    g_assert_cmpuint(qtest_readl(q, REGS + MMRIG_MIRROR_APPLIED_COUNT), <=,
                     MMRIG_MIRROR_APPLIED_MAX);
    qtest_readq(q, 0x1000040);
    qtest_readq(q, 0x1000080);
    for (uint32_t i = 0; i < 3; i++)
        apply(q, 0x3000000 + 0x1000 * i, 0x1000, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    /* With a full table it is not mirrored, and refused. */
    g_autofree char *refused =
        qtest_qmp_error(q, "{'execute':'qom-set','arguments':{'path':'mirror',"
                           "'property':'spoil','value':'0x3000000+64'}}");
    (void)refused;
    qtest_readq(q, 0x3000000);
}

static void test_stream(void)
{
    static const char *const sections[] = {"0000:00:04.0/mmrig-mirror", NULL};
    const FuzzStream stream = {sections, start, prepare, use, NULL};

    fuzz_stream(&stream);
}

int main(int argc, char **argv)
{
    (void)argc;
    return fuzz_main(argv[0], "/mirror/stream-fuzz", test_stream);
}
