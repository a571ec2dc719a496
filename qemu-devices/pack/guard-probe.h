/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MMRIG_GUARD_PROBE_H
#define MMRIG_GUARD_PROBE_H

#include "compat.h"

/* A structure that QEMU has neither a type nor a variable of. */
typedef struct MmrigGuardProbe {
    const char *structure;
    size_t size; /* by our headers */
    /* Whether it has that size, and our layout, in the QEMU that runs. */
    bool (*fits)(size_t size);
} MmrigGuardProbe;

/* Ends with one that has no structure. */
extern const MmrigGuardProbe mmrig_guard_probes[];

#endif
