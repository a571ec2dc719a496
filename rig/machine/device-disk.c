/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "plan-private.h"

typedef struct {
    MmrigDevice device;
    guint64 size;
    guint64 rate; /* bytes a second; 0: as fast as it goes */
} Disk;

static const MmrigIniKey disk_keys[] = {
    {"size", &mmrig_ini_size, offsetof(Disk, size), MMRIG_MIB, MMRIG_TIB, MMRIG_MIB, NULL, TRUE,
     "its size; it is empty at first", NULL, NULL},
    {"rate", &mmrig_ini_size, offsetof(Disk, rate), 0, MMRIG_TIB, MMRIG_KIB, "0", FALSE,
     "bytes that it moves in a second; 0 is as many as it can", NULL, NULL},
};

static void disk_types(const MmrigDevice *device G_GNUC_UNUSED, GPtrArray *names)
{
    g_ptr_array_add(names, (gpointer) "virtio-blk-pci");
}

static guint64 disk_memory(const MmrigDevice *device)
{
    return ((const Disk *)device)->size;
}

static void disk_backings(const MmrigDevice *device, MmrigPlan *plan)
{
    mmrig_plan_add_backing(plan, device->id, ((const Disk *)device)->size);
}

static void disk_qemu(const MmrigDevice *device, const MmrigPlan *plan, GPtrArray *argv)
{
    guint64 rate = ((const Disk *)device)->rate;
    const char *id = device->id;

    if (rate)
        mmrig_argv_format(argv, "-object",
                          "throttle-group,id=rate.%s,x-bps-total=%" G_GUINT64_FORMAT, id, rate);
    /* Nobody else can have the file, so it needs no lock. */
    mmrig_argv_format(argv, "-blockdev",
                      "driver=file,node-name=file.%s,filename=/proc/self/fd/%d,locking=off", id,
                      mmrig_plan_fd(plan, id));
    if (rate)
        mmrig_argv_format(
            argv, "-blockdev",
            "driver=throttle,node-name=disk.%s,throttle-group=rate.%s,file=file.%s", id, id,
            id);
    mmrig_argv_format(argv, "-device", "virtio-blk-pci,id=%s,drive=%s.%s,serial=%s", id,
                      rate ? "disk" : "file", id, id);
}

const MmrigDeviceClass mmrig_device_disk = {
    .section = MMRIG_INI_SECTION("disk", disk_keys),
    .size = sizeof(Disk),
    .types = disk_types,
    .memory = disk_memory,
    .backings = disk_backings,
    .qemu = disk_qemu,
};
