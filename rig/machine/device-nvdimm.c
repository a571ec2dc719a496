/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "plan-private.h"

typedef struct {
    MmrigDevice device;
    guint64 size;
    guint64 label_size; /* 0: no labels */
    guint node;
} Nvdimm;

static const MmrigIniKey nvdimm_keys[] = {
    {"size", &mmrig_ini_size, offsetof(Nvdimm, size), 2 * MMRIG_MIB, MMRIG_TIB, 2 * MMRIG_MIB,
     NULL, TRUE, "persistent memory that the guest sees; the label area comes on top", NULL,
     NULL},
    {"label-size", &mmrig_ini_size, offsetof(Nvdimm, label_size), 0, 16 * MMRIG_MIB,
     128 * MMRIG_KIB, "128K", FALSE, "size of the label area; 0 is an NVDIMM without labels",
     NULL, NULL},
    {"node", &mmrig_ini_number, offsetof(Nvdimm, node), 0, MMRIG_NODES_MAX - 1, 0, "0", FALSE,
     "the NUMA node it belongs to", NULL, NULL},
};

static gboolean nvdimm_check(const MmrigMachineSpec *spec, const MmrigDevice *device,
                             MmrigSpecProblem *problem)
{
    return mmrig_device_check_node(spec, device, ((const Nvdimm *)device)->node, problem);
}

static void nvdimm_types(const MmrigDevice *device G_GNUC_UNUSED, GPtrArray *names)
{
    g_ptr_array_add(names, (gpointer) "memory-backend-file");
    g_ptr_array_add(names, (gpointer) "nvdimm");
}

static guint64 nvdimm_memory(const MmrigDevice *device)
{
    return ((const Nvdimm *)device)->size;
}

/* QEMU cuts the label area off the end of the backend; the guest is to see all of size. */
static guint64 nvdimm_plugged(const MmrigDevice *device)
{
    const Nvdimm *nvdimm = (const Nvdimm *)device;

    return nvdimm->size + nvdimm->label_size;
}

static gboolean nvdimm_keeps(const MmrigDevice *device G_GNUC_UNUSED)
{
    return TRUE;
}

static void nvdimm_backings(const MmrigDevice *device, MmrigPlan *plan)
{
    mmrig_plan_add_backing(plan, device->id, nvdimm_plugged(device));
}

static char *nvdimm_qemu_machine(const MmrigMachineSpec *spec G_GNUC_UNUSED)
{
    return g_strdup(",nvdimm=on");
}

static void nvdimm_qemu(const MmrigDevice *device, const MmrigPlan *plan, GPtrArray *argv)
{
    const Nvdimm *nvdimm = (const Nvdimm *)device;
    const char *id = device->id;

    mmrig_argv_format(argv, "-object",
                      "memory-backend-file,id=mem.%s,share=on,mem-path=/proc/self/fd/%d,"
                      "size=%" G_GUINT64_FORMAT,
                      id, mmrig_plan_fd(plan, id), nvdimm_plugged(device));
    if (nvdimm->label_size)
        mmrig_argv_format(argv, "-device",
                          "nvdimm,id=%s,memdev=mem.%s,node=%u,label-size=%" G_GUINT64_FORMAT,
                          id, id, nvdimm->node, nvdimm->label_size);
    else
        mmrig_argv_format(argv, "-device", "nvdimm,id=%s,memdev=mem.%s,node=%u", id, id,
                          nvdimm->node);
}

const MmrigDeviceClass mmrig_device_nvdimm = {
    .section = MMRIG_INI_SECTION("nvdimm", nvdimm_keys),
    .size = sizeof(Nvdimm),
    .check = nvdimm_check,
    .types = nvdimm_types,
    .memory = nvdimm_memory,
    .plugged = nvdimm_plugged,
    .keeps = nvdimm_keeps,
    .backings = nvdimm_backings,
    .qemu_machine = nvdimm_qemu_machine,
    .qemu = nvdimm_qemu,
};
