/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "device-virtio-mem.h"

#include <stddef.h>

#include "plan-private.h"

#define IN_DEVICE(field) offsetof(MmrigVirtioMem, field)

static const MmrigIniKey virtio_mem_keys[] = {
    {"size", &mmrig_ini_size, IN_DEVICE(size), 2 * MMRIG_MIB, MMRIG_TIB, 2 * MMRIG_MIB, NULL,
     TRUE, "the most it can give, in whole memory blocks of Linux", NULL, NULL},
    {"block-size", &mmrig_ini_size, IN_DEVICE(block_size), 2 * MMRIG_MIB, 1024 * MMRIG_MIB,
     2 * MMRIG_MIB, "2M", FALSE, "the unit it plugs and unplugs, a power of two", NULL, NULL},
    {"requested", &mmrig_ini_size, IN_DEVICE(requested), 0, MMRIG_TIB, 2 * MMRIG_MIB, "0",
     FALSE, "what it gives at the start", NULL, NULL},
    {"node", &mmrig_ini_number, IN_DEVICE(node), 0, MMRIG_NODES_MAX - 1, 0, "0", FALSE,
     "the NUMA node it belongs to", NULL, NULL},
};

static gboolean virtio_mem_check(const MmrigMachineSpec *spec, const MmrigDevice *device,
                                 MmrigSpecProblem *problem)
{
    const MmrigVirtioMem *memory = (const MmrigVirtioMem *)device;
    guint64 block = spec->arch->memory_block;

    if (memory->size % block)
        return mmrig_device_problem(problem, device, "size",
                                    "not a multiple of %" G_GUINT64_FORMAT
                                    "M, by which Linux adds and removes memory",
                                    block / MMRIG_MIB);
    if (!mmrig_device_check_node(spec, device, memory->node, problem))
        return FALSE;
    if (memory->block_size & (memory->block_size - 1))
        return mmrig_device_problem(problem, device, "block-size",
                                    "not a power of two; write for example 2M or 4M");
    if (memory->size % memory->block_size)
        return mmrig_device_problem(problem, device, "size", "not a multiple of block-size");
    if (memory->requested % memory->block_size)
        return mmrig_device_problem(problem, device, "requested",
                                    "not a multiple of block-size");
    if (memory->requested > memory->size)
        return mmrig_device_problem(problem, device, "requested", "more than size");
    return TRUE;
}

static void virtio_mem_types(const MmrigDevice *device G_GNUC_UNUSED, GPtrArray *names)
{
    g_ptr_array_add(names, (gpointer) "memory-backend-ram");
    g_ptr_array_add(names, (gpointer) "virtio-mem-pci");
}

static guint64 virtio_mem_memory(const MmrigDevice *device)
{
    return ((const MmrigVirtioMem *)device)->size;
}

static void virtio_mem_qemu(const MmrigDevice *device, const MmrigPlan *plan G_GNUC_UNUSED,
                            GPtrArray *argv)
{
    const MmrigVirtioMem *memory = (const MmrigVirtioMem *)device;

    /* Nothing is set aside on the host for what is not plugged. */
    mmrig_argv_format(argv, "-object",
                      "memory-backend-ram,id=mem.%s,size=%" G_GUINT64_FORMAT ",reserve=off",
                      device->id, memory->size);
    mmrig_argv_format(argv, "-device",
                      "virtio-mem-pci,id=%s,memdev=mem.%s,node=%u,block-size=%" G_GUINT64_FORMAT
                      ",requested-size=%" G_GUINT64_FORMAT,
                      device->id, device->id, memory->node, memory->block_size,
                      memory->requested);
}

static const char *const virtio_mem_commands[] = {"qom-set", "query-memory-devices", NULL};

const MmrigDeviceClass mmrig_device_virtio_mem = {
    .section = MMRIG_INI_SECTION("virtio-mem", virtio_mem_keys),
    .size = sizeof(MmrigVirtioMem),
    .check = virtio_mem_check,
    .types = virtio_mem_types,
    .commands = virtio_mem_commands,
    .memory = virtio_mem_memory,
    .plugged = virtio_mem_memory,
    /* An NVDIMM may end anywhere, and this must begin on a block. */
    .placed_first = TRUE,
    .qemu = virtio_mem_qemu,
};
