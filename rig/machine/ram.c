/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ram.h"

/* Bytes of the memory that lie in the lower of its two parts. */
static guint64 ram_below(const MmrigMachineSpec *spec)
{
    return spec->arch->ram_below(spec->memory, spec->memory_below);
}

gboolean mmrig_ram_address(const MmrigMachineSpec *spec, guint64 offset, guint64 *gpa)
{
    guint64 below = ram_below(spec);

    if (offset >= spec->memory)
        return FALSE;
    *gpa = offset < below ? spec->arch->ram_start + offset
                          : spec->arch->ram_above + (offset - below);
    return TRUE;
}

gboolean mmrig_ram_has(const MmrigMachineSpec *spec, guint64 gpa)
{
    const MmrigArch *arch = spec->arch;
    guint64 below = ram_below(spec);

    return (gpa >= arch->ram_start && gpa - arch->ram_start < below) ||
           (gpa >= arch->ram_above && gpa - arch->ram_above < spec->memory - below);
}
