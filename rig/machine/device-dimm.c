/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A memory module that is there from the start (QEMU's pc-dimm): Linux adds it after its boot
 * memory, as ACPI tells of it (ACPI 6.5, 9.11), and puts it on line if it is asked to. */
#include <stddef.h>

#include "plan-private.h"

/* [dimm ID]; size in bytes. */
typedef struct {
    MmrigDevice device;
    guint64 size;
    guint node;
} Dimm;

static const MmrigIniKey dimm_keys[] = {
    {"size", &mmrig_ini_size, offsetof(Dimm, size), 2 * MMRIG_MIB, MMRIG_TIB, 2 * MMRIG_MIB,
     NULL, TRUE, "its memory, in whole memory blocks of Linux", NULL, NULL},
    {"node", &mmrig_ini_number, offsetof(Dimm, node), 0, MMRIG_NODES_MAX - 1, 0, "0", FALSE,
     "the NUMA node it belongs to", NULL, NULL},
};

static gboolean dimm_check(const MmrigMachineSpec *spec, const MmrigDevice *device,
                           MmrigSpecProblem *problem)
{
    const Dimm *dimm = (const Dimm *)device;
    guint64 block = spec->arch->memory_block;

    if (dimm->size % block)
        return mmrig_device_problem(problem, device, "size",
                                    "not a multiple of %" G_GUINT64_FORMAT
                                    "M, by which Linux adds and removes memory",
                                    block / MMRIG_MIB);
    return mmrig_device_check_node(spec, device, dimm->node, problem);
}

static void dimm_types(const MmrigDevice *device G_GNUC_UNUSED, GPtrArray *names)
{
    g_ptr_array_add(names, (gpointer) "memory-backend-ram");
    g_ptr_array_add(names, (gpointer) "pc-dimm");
}

static guint64 dimm_memory(const MmrigDevice *device)
{
    return ((const Dimm *)device)->size;
}

static void dimm_qemu(const MmrigDevice *device, const MmrigPlan *plan G_GNUC_UNUSED,
                      GPtrArray *argv)
{
    const Dimm *dimm = (const Dimm *)device;

    mmrig_argv_format(argv, "-object", "memory-backend-ram,id=mem.%s,size=%" G_GUINT64_FORMAT,
                      device->id, dimm->size);
    mmrig_argv_format(argv, "-device", "pc-dimm,id=%s,memdev=mem.%s,node=%u", device->id,
                      device->id, dimm->node);
}

const MmrigDeviceClass mmrig_device_dimm = {
    .section = MMRIG_INI_SECTION("dimm", dimm_keys),
    .size = sizeof(Dimm),
    .check = dimm_check,
    .types = dimm_types,
    .memory = dimm_memory,
    .plugged = dimm_memory,
    .placed_first = TRUE,
    .qemu = dimm_qemu,
};
