/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which CXL memory device an address of a window leads to. */
#ifndef MMRIG_CXL_ROUTE_H
#define MMRIG_CXL_ROUTE_H

#include "compat.h"

#include "hw/pci/pci_bridge.h"
#include "hw/cxl/cxl.h"
#include "hw/cxl/cxl_device.h"

/*
 * The device that has a guest physical address, and where in the device; NULL
 * if the guest has programmed no way to one. Of a device's volatile and
 * persistent memory the latter comes behind the former, as in its list of
 * poison.
 */
CXLType3Dev *mmrig_cxl_route(const CXLFixedWindow *window, hwaddr gpa,
                             uint64_t *dpa);

#endif
