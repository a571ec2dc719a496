/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "irq.h"

#include "hw/pci/pci.h"

bool mmrig_irq_init(MmrigIrq *irq, PCIDevice *pci, const uint32_t *vectors,
                    unsigned vector_count, unsigned msix_bar, bool pin,
                    Error **errp)
{
    g_assert(vector_count <= MMRIG_IRQ_VECTORS_MAX);
    if (msix_init_exclusive_bar(pci, vector_count, msix_bar, errp) < 0) {
        return false;
    }
    for (unsigned i = 0; i < vector_count; i++) {
        msix_vector_use(pci, i);
    }
    irq->pci = pci;
    irq->vectors = vectors;
    irq->vector_count = vector_count;
    irq->pin = pin;
    pci_config_set_interrupt_pin(pci->config, pin ? 1 : 0);
    return true;
}

void mmrig_irq_exit(MmrigIrq *irq)
{
    mmrig_irq_reset(irq);
    msix_unuse_all_vectors(irq->pci);
    msix_uninit_exclusive_bar(irq->pci);
}

void mmrig_irq_update(MmrigIrq *irq)
{
    if (irq->pin && !msix_enabled(irq->pci)) {
        pci_set_irq(irq->pci, (irq->status & irq->enable) != 0);
    }
}

/* These have become set and enabled. */
static void irq_tell(MmrigIrq *irq, uint32_t bits)
{
    for (unsigned i = 0; msix_enabled(irq->pci) && i < irq->vector_count; i++) {
        if (bits & irq->vectors[i]) {
            msix_notify(irq->pci, i);
        }
    }
    mmrig_irq_update(irq);
}

void mmrig_irq_raise(MmrigIrq *irq, uint32_t bits)
{
    uint32_t risen = bits & ~irq->status;

    irq->status |= bits;
    irq_tell(irq, risen & irq->enable);
}

void mmrig_irq_clear(MmrigIrq *irq, uint32_t bits)
{
    irq->status &= ~bits;
    mmrig_irq_update(irq);
}

void mmrig_irq_enable(MmrigIrq *irq, uint32_t bits)
{
    uint32_t pending = bits & ~irq->enable & irq->status;

    irq->enable = bits;
    irq_tell(irq, pending);
}

void mmrig_irq_reset(MmrigIrq *irq)
{
    irq->status = 0;
    irq->enable = 0;
    mmrig_irq_update(irq);
}

bool mmrig_irq_valid(const MmrigIrq *irq)
{
    uint32_t all = 0;

    for (unsigned i = 0; i < irq->vector_count; i++) {
        all |= irq->vectors[i];
    }
    return ((irq->status | irq->enable) & ~all) == 0;
}
