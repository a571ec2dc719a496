/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ram.h"

#define GIB (G_GUINT64_CONSTANT(1) << 30)

/*
 * How much of the memory q35 puts below 4 GiB (QEMU hw/i386/pc_q35.c, pc_q35_init): all of it
 * if it is smaller than 2.75 GiB, else 2 GiB, and in no case more than max-ram-below-4g. The
 * rest begins at 4 GiB.
 */
static guint64 below_4g(const MmrigMachineSpec *spec)
{
    guint64 most = spec->memory < 11 * GIB / 4 ? 11 * GIB / 4 : 2 * GIB;

    if (spec->memory_below)
        most = MIN(most, spec->memory_below);
    return MIN(most, spec->memory);
}

gboolean mmrig_ram_address(const MmrigMachineSpec *spec, guint64 offset, guint64 *gpa)
{
    guint64 below = below_4g(spec);

    if (offset >= spec->memory)
        return FALSE;
    *gpa = offset < below ? offset : 4 * GIB + (offset - below);
    return TRUE;
}

gboolean mmrig_ram_has(const MmrigMachineSpec *spec, guint64 gpa)
{
    guint64 below = below_4g(spec);

    return gpa < below || (gpa >= 4 * GIB && gpa - 4 * GIB < spec->memory - below);
}
