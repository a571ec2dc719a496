/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration space by the ports of PCI Local Bus 3.0, section 3.2.2.3.2. */
#include "qtest.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc

static void choose(QTest *q, unsigned slot, unsigned offset)
{
    qtest_outl(q, CONFIG_ADDRESS, 0x80000000u | slot << 11 | (offset & 0xfc));
}

uint32_t qtest_pci_readl(QTest *q, unsigned slot, unsigned offset)
{
    choose(q, slot, offset);
    return qtest_inl(q, CONFIG_DATA);
}

void qtest_pci_writel(QTest *q, unsigned slot, unsigned offset, uint32_t value)
{
    choose(q, slot, offset);
    qtest_outl(q, CONFIG_DATA, value);
}

uint32_t qtest_pci_map(QTest *q, unsigned slot, unsigned bar, uint32_t address)
{
    unsigned offset = 0x10 + 4 * bar;
    uint32_t mask;

    qtest_pci_writel(q, slot, offset, 0xffffffff);
    mask = qtest_pci_readl(q, slot, offset) & ~0xfu;
    qtest_pci_writel(q, slot, offset, address);
    return ~mask + 1;
}

void qtest_pci_command(QTest *q, unsigned slot, gboolean master)
{
    /* Command in the lower half; the upper, status, is cleared by ones only. */
    qtest_pci_writel(q, slot, 0x04, master ? 0x6 : 0x2);
}

unsigned qtest_pci_capability(QTest *q, unsigned slot, uint8_t id)
{
    unsigned offset = qtest_pci_readl(q, slot, 0x34) & 0xfc;

    for (unsigned i = 0; offset != 0 && i < 48; i++) {
        uint32_t head = qtest_pci_readl(q, slot, offset);

        if ((head & 0xff) == id)
            return offset;
        offset = head >> 8 & 0xfc;
    }
    return 0;
}
