/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a machine is, as a scenario asks for it. A plan (plan.h) says how it is made. */
#pragma once

#include "arch/arch.h"
#include "device.h"

#define MMRIG_NODES_MAX 8
#define MMRIG_CPUS_MAX  64
/* Devices that a machine can have. */
#define MMRIG_DEVICES_MAX 16

typedef enum {
    MMRIG_FIRMWARE_NONE, /* QEMU starts the kernel itself */
    MMRIG_FIRMWARE_OVMF,
} MmrigFirmwareKind;

/* Where firmware has the kernel from. */
typedef enum {
    MMRIG_BOOT_DIRECT, /* from QEMU */
    MMRIG_BOOT_ESP,    /* from a boot loader, which it finds on a disk */
} MmrigBootFrom;

struct MmrigMachineSpec {
    char *name;  /* in its scenario; NULL for the only one */
    char *title; /* what QEMU calls it, for people who look at processes */
    const MmrigArch *arch;

    /* [machine] */
    guint cpus;
    guint64 memory;       /* bytes */
    guint nodes;          /* NUMA nodes; node 0 has all CPUs, and all memory unless: */
    GStrv node_memory;    /* sizes that add up to memory, one for each node, or NULL */
    GStrv node_cpus;      /* CPU lists, "-" for none, one for each node, or NULL */
    GStrv node_distances; /* "10,20,..." to each node, one for each node, or NULL */
    GStrv node_latency;   /* FROM-TO=NANOSECONDS, or NULL */
    GStrv node_bandwidth; /* FROM-TO=SIZE (bytes a second), or NULL */
    guint64 memory_below; /* how much of it lies below 4 GiB; 0: as QEMU does it */
    char *cpu;            /* QEMU CPU model, or NULL for the default of the accelerator */
    gboolean vmgenid;

    /* [firmware] */
    MmrigFirmwareKind firmware;
    MmrigBootFrom boot_from;
    char *firmware_code;      /* the image to run, and what its variables begin as; NULL: */
    char *firmware_variables; /* the host's */
    gboolean keep_variables;  /* from one boot to the next */

    /* [kernel] */
    GStrv config;  /* options that the kernel must have, else skip */
    GStrv modules; /* loaded before the test, where they are modules */
    char *cmdline; /* added to the kernel command line, or NULL */

    /* [image] */
    GStrv manifests; /* images/NAME.manifest */

    GPtrArray *devices; /* of MmrigDevice */
};

/* The sections that make up a machine besides its devices. */
extern const MmrigIniSection mmrig_spec_sections[];
extern const gsize mmrig_spec_sections_count;

/* name may be NULL. Of the default architecture, without devices; all else is empty. */
MmrigMachineSpec *mmrig_spec_new(const char *name, const char *title);
void mmrig_spec_free(MmrigMachineSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigMachineSpec, mmrig_spec_free)

/* Checks the values, each of which is possible by itself, against each other. */
gboolean mmrig_spec_check(const MmrigMachineSpec *spec, MmrigSpecProblem *problem);

/* The machine's device of that id, or NULL. */
const MmrigDevice *mmrig_spec_device(const MmrigMachineSpec *spec, const char *id);
/* Its first device of the class, or NULL. */
const MmrigDevice *mmrig_spec_has(const MmrigMachineSpec *spec, const MmrigDeviceClass *class);
/* Its first device of this type of the device pack, or NULL. */
const MmrigDevice *mmrig_spec_pack_device(const MmrigMachineSpec *spec, const char *type);

/* Bytes of memory of the machine with its devices; stays at G_MAXUINT64 if it is more. */
guint64 mmrig_spec_memory(const MmrigMachineSpec *spec);
/* What it needs and machines of its architecture have not, in words; NULL if nothing. */
const char *mmrig_spec_lacks(const MmrigMachineSpec *spec);
/* Why it cannot be forked, or NULL. */
const char *mmrig_spec_unforkable(const MmrigMachineSpec *spec);

/*
 * The QEMU types and QMP commands (sorted, NULL-terminated) that the machine needs, to be
 * checked against what the running binary has. Free with g_strfreev().
 */
GStrv mmrig_spec_types(const MmrigMachineSpec *spec);
GStrv mmrig_spec_commands(const MmrigMachineSpec *spec);
/* The types of a machine with a device of every kind, and of its forks; sorted. */
GStrv mmrig_spec_all_types(void);
/* Whether it has devices that the device pack adds to QEMU; they are no types above. */
gboolean mmrig_spec_needs_pack(const MmrigMachineSpec *spec);

/*
 * Adds a device of the pack, given as TYPE or TYPE,KEY=VALUE..., with an id of its own (TYPE
 * without "mmrig-", and a number). A machine without a CPU model of its own gets one that the
 * device asks for (device-pack.c). INPUT error.
 */
gboolean mmrig_spec_add_pack_device(MmrigMachineSpec *spec, const char *device, GError **error);
