/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI device's interrupts: a register of status bits, which stay until the
 * guest clears them, and one of those that are enabled. A message is sent when
 * an enabled bit becomes set, or a set bit becomes enabled: so what happens
 * again before the guest has cleared its bit makes no second one. Without
 * MSI-X the pin, if the device has one, is up as long as an enabled bit is set.
 */
#ifndef MMRIG_COMMON_IRQ_H
#define MMRIG_COMMON_IRQ_H

#include "compat.h"

#include "hw/pci/msix.h"
#include "hw/pci/pci_device.h"
#include "migration/vmstate.h"

#define MMRIG_IRQ_VECTORS_MAX 32

typedef struct MmrigIrq {
    PCIDevice *pci;
    const uint32_t *vectors; /* the bits that each vector is for */
    unsigned vector_count;
    bool pin; /* INTA, where the guest does not use MSI-X */

    /* What the guest sees, and migrates (MMRIG_IRQ_VMSTATE). */
    uint32_t status;
    uint32_t enable;
} MmrigIrq;

/* For realize() and exit(). The table of vectors must stay. */
bool mmrig_irq_init(MmrigIrq *irq, PCIDevice *pci, const uint32_t *vectors,
                    unsigned vector_count, unsigned msix_bar, bool pin,
                    Error **errp);
void mmrig_irq_exit(MmrigIrq *irq);

/* Sets, clears and enables bits, with what follows from it. */
void mmrig_irq_raise(MmrigIrq *irq, uint32_t bits);
void mmrig_irq_clear(MmrigIrq *irq, uint32_t bits);
void mmrig_irq_enable(MmrigIrq *irq, uint32_t bits);
void mmrig_irq_reset(MmrigIrq *irq);

/* After a write to configuration space, which may turn MSI-X on or off. */
void mmrig_irq_update(MmrigIrq *irq);

/* For post_load(): whether there are no bits but those of a vector. */
bool mmrig_irq_valid(const MmrigIrq *irq);

/* The member of the device's structure, in its VMStateDescription. */
#define MMRIG_IRQ_VMSTATE(member, type)                                        \
    VMSTATE_UINT32(member.status, type), VMSTATE_UINT32(member.enable, type)

#endif
