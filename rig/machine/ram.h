/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a machine's memory lies in its guest's addresses. What is plugged in later is not in
 * it. */
#pragma once

#include "spec.h"

/* The address of the memory's byte at offset; FALSE if it has not so many. */
gboolean mmrig_ram_address(const MmrigMachineSpec *spec, guint64 offset, guint64 *gpa);

/* Whether there is memory at the address. */
gboolean mmrig_ram_has(const MmrigMachineSpec *spec, guint64 gpa);
