/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MMRIG_NVDIMM_ACPI_H
#define MMRIG_NVDIMM_ACPI_H

#include "qapi/error.h"

/*
 * Adds the table by which the guest is told of errors: QEMU's own AML knows of
 * hot plugging alone. Before the machine is ready.
 */
bool mmrig_nvdimm_acpi_add_table(unsigned slots, Error **errp);

/* Raises the general-purpose event that the table handles. */
bool mmrig_nvdimm_acpi_raise(Error **errp);

#endif
