/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A link joins two machines of a scenario: each has a virtio-serial port of its name, and what
 * one writes into it the other reads. Every guest that can run a test has the driver.
 */
#include <string.h>

#include "mmrig-guest-protocol.h"
#include "plan-private.h"

static void link_types(const MmrigDevice *device G_GNUC_UNUSED, GPtrArray *names)
{
    g_ptr_array_add(names, (gpointer) "virtserialport");
}

static void link_backings(const MmrigDevice *device, MmrigPlan *plan)
{
    mmrig_plan_add_backing(plan, device->id, 0)->link = TRUE;
}

/* Ports of the rig's own virtio-serial device: after those of the agent, in their order. */
static guint link_port(const MmrigDevice *device, const MmrigPlan *plan)
{
    guint port = MMRIG_PORTS;

    for (guint i = 0; i < plan->devices->len; i++) {
        const MmrigDevice *other = g_ptr_array_index(plan->devices, i);
        if (other->class == &mmrig_device_link)
            port++;
        if (other == device)
            break;
    }
    return port;
}

static void link_qemu(const MmrigDevice *device, const MmrigPlan *plan, GPtrArray *argv)
{
    mmrig_argv_format(argv, "-chardev", "socket,id=link.%s,fd=%d", device->id,
                      mmrig_plan_fd(plan, device->id));
    mmrig_argv_format(argv, "-device",
                      "virtserialport,id=%s,bus=rig.serial.0,nr=%u,chardev=link.%s,"
                      "name=" MMRIG_PORT_LINK "%s",
                      device->id, link_port(device, plan), device->id, device->id);
}

const MmrigDeviceClass mmrig_device_link = {
    .section = {"link", NULL, 0},
    .size = sizeof(MmrigDevice),
    .joins_machines = TRUE,
    .types = link_types,
    .unforkable = "it is linked to another machine",
    .backings = link_backings,
    .qemu = link_qemu,
};
