/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Poison that is on the list of a CXL memory device (CXL 3.1, 8.2.9.9.4). QEMU
 * keeps the list, for its own command and for the guest's mailbox (Inject and
 * Clear Poison), and does no more with it. Here a read of an address that is on
 * it is one of poison: a machine check, or a device's bus error. Whatever
 * poison is read in a device's memory, there is a General Media Event in its
 * log.
 */
#ifndef MMRIG_CXL_POISON_H
#define MMRIG_CXL_POISON_H

#include "poison/poison.h"

/*
 * Has all CXL windows of the machine looked through, once it is made. Once in a
 * machine; false with error if the map has no place for one more source. A
 * machine without windows is fine.
 */
bool mmrig_cxl_poison_start(MmrigPoison *poison, Error **errp);

#endif
