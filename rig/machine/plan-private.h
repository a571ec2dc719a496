/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files that make a plan, those of device classes among them. */
#pragma once

#include "plan.h"

#define MMRIG_KIB (G_GUINT64_CONSTANT(1) << 10)
#define MMRIG_MIB (G_GUINT64_CONSTANT(1) << 20)
#define MMRIG_GIB (G_GUINT64_CONSTANT(1) << 30)
#define MMRIG_TIB (G_GUINT64_CONSTANT(1) << 40)

/* Sets the problem; returns FALSE. */
gboolean mmrig_spec_problem(MmrigSpecProblem *problem, const char *section, const char *key,
                            const char *format, ...) G_GNUC_PRINTF(4, 5);
/* Whether the machine has the node that the device is to belong to. */
gboolean mmrig_device_check_node(const MmrigMachineSpec *spec, const MmrigDevice *device,
                                 guint node, MmrigSpecProblem *problem);

/* What a device's requests may have in bad pages at a time: more than any has in memory. */
#define MMRIG_BOUNCE_BYTES 67108864

/* The ports of virtio-serial that are the rig's own: the console's, which is left out, and two.
 */
#define MMRIG_PORTS 2

/* Whether a device of the machine can make pages of its memory bad. */
gboolean mmrig_spec_makes_poison(const MmrigMachineSpec *spec);

/* Adds a backing, whose size may be 0. It is the plan's. */
MmrigBacking *mmrig_plan_add_backing(MmrigPlan *plan, const char *device, guint64 size);
/* The number that the backing of this name has in QEMU; there must be one. */
int mmrig_plan_fd(const MmrigPlan *plan, const char *device);

/* Whether all is there that the machine is made of, else an INPUT error. */
gboolean mmrig_plan_check(const MmrigMachineSpec *spec, const MmrigBootInputs *inputs,
                          GError **error);
/* Fills boot, and adds the backings that it needs. */
void mmrig_plan_boot(MmrigPlan *plan, const MmrigBootInputs *inputs);
void mmrig_plan_boot_clear(MmrigPlanBoot *boot);

/* The arguments of QEMU for a plan that is whole but for argv. g_strfreev(). */
GStrv mmrig_plan_emit_qemu(const MmrigPlan *plan);

/* Arguments are copied. */
void mmrig_argv_pair(GPtrArray *argv, const char *option, const char *value);
void mmrig_argv_format(GPtrArray *argv, const char *option, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
