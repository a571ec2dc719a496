/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan-private.h"

static void balloon_types(const MmrigDevice *device G_GNUC_UNUSED, GPtrArray *names)
{
    g_ptr_array_add(names, (gpointer) "virtio-balloon-pci");
}

static void balloon_qemu(const MmrigDevice *device, const MmrigPlan *plan G_GNUC_UNUSED,
                         GPtrArray *argv)
{
    mmrig_argv_format(argv, "-device", "virtio-balloon-pci,id=%s", device->id);
}

static const char *const balloon_commands[] = {"balloon", "query-balloon", NULL};

const MmrigDeviceClass mmrig_device_balloon = {
    .section = {"balloon", NULL, 0},
    .size = sizeof(MmrigDevice),
    .most = 1,
    .types = balloon_types,
    .commands = balloon_commands,
    /* A fork's balloon would have to give back memory that belongs to the template. */
    .unforkable = "its balloon cannot give back a fork's memory",
    .qemu = balloon_qemu,
};
