/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ram.h"

#define GIB (G_GUINT64_CONSTANT(1) << 30)

/*
 * How much of the memory q35 puts below 4 GiB (QEMU hw/i386/pc_q35.c, pc_q35_init): all of it
 * if it is smaller than 2.75 GiB, else 2 GiB, and in no case more than max-ram-below-4g. The
 * rest begins at 4 GiB.
 */
static guint64 below_4g(const MmrigScenario *scenario)
{
    guint64 most = scenario->memory < 11 * GIB / 4 ? 11 * GIB / 4 : 2 * GIB;

    if (scenario->memory_below)
        most = MIN(most, scenario->memory_below);
    return MIN(most, scenario->memory);
}

gboolean mmrig_ram_address(const MmrigScenario *scenario, guint64 offset, guint64 *gpa)
{
    guint64 below = below_4g(scenario);

    if (offset >= scenario->memory)
        return FALSE;
    *gpa = offset < below ? offset : 4 * GIB + (offset - below);
    return TRUE;
}

gboolean mmrig_ram_has(const MmrigScenario *scenario, guint64 gpa)
{
    guint64 below = below_4g(scenario);

    return gpa < below || (gpa >= 4 * GIB && gpa - 4 * GIB < scenario->memory - below);
}
