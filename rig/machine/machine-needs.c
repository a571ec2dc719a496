/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU must be able to do for a scenario's machine. */
#include <string.h>

#include "machine-private.h"

gboolean mmrig_machine_has(const MmrigScenario *scenario, MmrigDeviceKind kind)
{
    for (guint i = 0; i < scenario->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(scenario->devices, i);
        if (device->kind == kind)
            return TRUE;
    }
    return FALSE;
}

static int needs_compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names sorted and without doubles. */
static GStrv needs_sorted(GPtrArray *names)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    g_ptr_array_sort(names, needs_compare_names);
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (i == 0 || !g_str_equal(name, g_ptr_array_index(names, i - 1)))
            g_strv_builder_add(builder, name);
    }
    return g_strv_builder_end(builder);
}

gboolean mmrig_machine_needs_pack(const MmrigScenario *scenario)
{
    return mmrig_machine_has(scenario, MMRIG_DEVICE_PACK);
}

GStrv mmrig_machine_types(const MmrigScenario *scenario)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    g_ptr_array_add(names, (gpointer) "virtio-serial-pci");
    g_ptr_array_add(names, (gpointer) "virtserialport");
    g_ptr_array_add(names, (gpointer) "pvpanic-pci");
    if (scenario->vmgenid)
        g_ptr_array_add(names, (gpointer) "vmgenid");
    if (scenario->boot_from == MMRIG_BOOT_ESP)
        g_ptr_array_add(names, (gpointer) "ide-hd");
    if (scenario->nodes)
        g_ptr_array_add(names, (gpointer) "memory-backend-ram");
    for (guint i = 0; i < scenario->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(scenario->devices, i);
        switch (device->kind) {
        case MMRIG_DEVICE_NVDIMM:
            g_ptr_array_add(names, (gpointer) "memory-backend-file");
            g_ptr_array_add(names, (gpointer) "nvdimm");
            break;
        case MMRIG_DEVICE_VIRTIO_MEM:
            g_ptr_array_add(names, (gpointer) "memory-backend-ram");
            g_ptr_array_add(names, (gpointer) "virtio-mem-pci");
            break;
        case MMRIG_DEVICE_BALLOON:
            g_ptr_array_add(names, (gpointer) "virtio-balloon-pci");
            break;
        case MMRIG_DEVICE_DISK:
            g_ptr_array_add(names, (gpointer) "virtio-blk-pci");
            break;
        case MMRIG_DEVICE_CXL:
            g_ptr_array_add(names, (gpointer) "pxb-cxl");
            g_ptr_array_add(names, (gpointer) "cxl-rp");
            g_ptr_array_add(names, (gpointer) "cxl-type3");
            if (device->behind) {
                g_ptr_array_add(names, (gpointer) "cxl-upstream");
                g_ptr_array_add(names, (gpointer) "cxl-downstream");
            }
            if (device->persistent)
                g_ptr_array_add(names, (gpointer) "memory-backend-file");
            if (device->size)
                g_ptr_array_add(names, (gpointer) "memory-backend-ram");
            break;
        case MMRIG_DEVICE_PACK:
            break;
        }
    }
    return needs_sorted(names);
}

GStrv mmrig_machine_commands(const MmrigScenario *scenario)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    /* What every machine is driven by; what the test's requests need is said in actions.h. */
    g_ptr_array_add(names, (gpointer) "query-status");
    g_ptr_array_add(names, (gpointer) "quit");
    if (mmrig_machine_has(scenario, MMRIG_DEVICE_BALLOON)) {
        g_ptr_array_add(names, (gpointer) "balloon");
        g_ptr_array_add(names, (gpointer) "query-balloon");
    }
    if (mmrig_machine_has(scenario, MMRIG_DEVICE_VIRTIO_MEM)) {
        g_ptr_array_add(names, (gpointer) "qom-set");
        g_ptr_array_add(names, (gpointer) "query-memory-devices");
    }
    return needs_sorted(names);
}
