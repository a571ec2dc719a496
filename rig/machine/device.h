/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices of a machine. Each kind is a class: one file with one table of all that the rig knows
 * of it, and a line in the registry (device-kinds.h).
 */
#pragma once

#include "ini/ini.h"

typedef struct MmrigMachineSpec MmrigMachineSpec;
typedef struct MmrigPlan MmrigPlan;
typedef struct MmrigDeviceClass MmrigDeviceClass;

/* A section [KIND ID]; the structure of its class begins with it. */
typedef struct {
    const MmrigDeviceClass *class;
    char *id;
} MmrigDevice;

/* What is wrong with a machine, and where: key may be NULL. */
typedef struct {
    char *section; /* "machine", or "nvdimm pmem0" */
    const char *key;
    char *text;
} MmrigSpecProblem;

void mmrig_spec_problem_clear(MmrigSpecProblem *problem);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MmrigSpecProblem, mmrig_spec_problem_clear)

/* Sets the problem, which is a device's; returns FALSE. */
gboolean mmrig_device_problem(MmrigSpecProblem *problem, const MmrigDevice *device,
                              const char *key, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* Members may be NULL where there is nothing to say. */
struct MmrigDeviceClass {
    /* Its section, whose keys are read into a structure of size bytes. */
    MmrigIniSection section;
    gsize size;

    /* How many a machine can have; 0: any number. */
    guint most;
    /* Whether values that are each possible go together; for each device of the class. */
    gboolean (*check)(const MmrigMachineSpec *spec, const MmrigDevice *device,
                      MmrigSpecProblem *problem);
    /* The same for all devices of the class together. */
    gboolean (*check_all)(const MmrigMachineSpec *spec, MmrigSpecProblem *problem);

    /* What machines of its architecture lack that it needs, in words, or NULL. */
    const char *(*lacks)(const MmrigMachineSpec *spec, const MmrigDevice *device);
    /* The QEMU types that the device needs, added to names (which are not copied). */
    void (*types)(const MmrigDevice *device, GPtrArray *names);
    /* The QMP commands, NULL-terminated. */
    const char *const *commands;
    /* Whether it is one that the device pack adds to QEMU. */
    gboolean of_pack;
    /* Whether two machines have one each of the same id, which are joined. */
    gboolean joins_machines;

    /* Bytes of memory that it has: what the guest can address in it, and the host sets aside.
     */
    guint64 (*memory)(const MmrigDevice *device);
    /* Bytes that it takes of the addresses for memory that is plugged in. */
    guint64 (*plugged)(const MmrigDevice *device);
    /* Whether it is placed there before others: Linux uses it by whole memory blocks. */
    gboolean placed_first;
    /* Whether it has a backing of its name that outlives a boot. */
    gboolean (*keeps)(const MmrigDevice *device);
    /* Why a machine with it cannot be forked. */
    const char *unforkable;

    /* Adds what it maps to the plan (mmrig_plan_add_backing()). */
    void (*backings)(const MmrigDevice *device, MmrigPlan *plan);
    /* What QEMU's -machine takes for all devices of the class, with a comma before it.
     * g_free(). */
    char *(*qemu_machine)(const MmrigMachineSpec *spec);
    /* Adds QEMU's arguments for one. */
    void (*qemu)(const MmrigDevice *device, const MmrigPlan *plan, GPtrArray *argv);
};

/* All that there are, NULL-terminated. */
extern const MmrigDeviceClass *const mmrig_device_classes[];

/* With all fields empty; id is copied. */
MmrigDevice *mmrig_device_new(const MmrigDeviceClass *class, const char *id);
void mmrig_device_free(MmrigDevice *device);

/* 0 and FALSE for a class that does not say. */
guint64 mmrig_device_memory(const MmrigDevice *device);
gboolean mmrig_device_keeps(const MmrigDevice *device);

#define MMRIG_DEVICE_KIND(kind) extern const MmrigDeviceClass mmrig_device_##kind;
#include "device-kinds.h"
#undef MMRIG_DEVICE_KIND
