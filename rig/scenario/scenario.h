/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scenario: what machine to build, which guest test to run on it, what the test may ask
 * of the rig, and how it should end. One .ini file each; docs/adding-a-scenario.md lists
 * every key. An unknown section or key, or a value out of bounds, is an INPUT error of the
 * form "FILE: [section] key: what is wrong; what would be right".
 *
 * A twin is the same scenario with something broken on purpose ([twin NAME]); it must fail,
 * and so proves that the scenario can.
 */
#pragma once

#include <glib.h>

typedef enum {
    MMRIG_DEVICE_NVDIMM,
    MMRIG_DEVICE_VIRTIO_MEM,
    MMRIG_DEVICE_BALLOON,
    MMRIG_DEVICE_DISK,
    MMRIG_DEVICE_CXL,  /* a CXL memory device (type 3) */
    MMRIG_DEVICE_PACK, /* one that the device pack adds to QEMU */
} MmrigDeviceKind;

/* A section [KIND ID]. Sizes in bytes. */
typedef struct {
    MmrigDeviceKind kind;
    char *id;
    guint64 size;       /* nvdimm, virtio-mem, disk; cxl: the volatile part */
    guint64 persistent; /* cxl */
    guint window;       /* cxl: which fixed memory window it is in; several are interleaved */
    gboolean behind;    /* cxl: a switch stands before it */
    guint64 label_size; /* nvdimm; 0: no labels */
    guint64 block_size; /* virtio-mem */
    guint64 requested;  /* virtio-mem: plugged at start */
    guint node;         /* nvdimm, virtio-mem: NUMA node */
    guint64 rate;       /* disk: bytes a second; 0: as fast as it goes */
    char *type;         /* pack: its name in QEMU */
    GStrv properties;   /* pack: KEY=VALUE */
} MmrigDevice;

/* Whether the rig gives a device of the pack a file for what outlives a machine (store=). */
gboolean mmrig_device_wants_store(const MmrigDevice *device);

typedef enum {
    MMRIG_FIRMWARE_NONE, /* QEMU starts the kernel itself */
    MMRIG_FIRMWARE_OVMF,
} MmrigFirmwareKind;

/* Where firmware has the kernel from. */
typedef enum {
    MMRIG_BOOT_DIRECT, /* from QEMU */
    MMRIG_BOOT_ESP,    /* from a boot loader, which it finds on a disk */
} MmrigBootFrom;

#define MMRIG_NODES_MAX 8

typedef enum {
    MMRIG_EXPECT_PASS,
    MMRIG_EXPECT_PANIC,
} MmrigExpect;

/* What the rig does wrong on purpose ([fault]); set by twins. */
typedef struct {
    char *drop;         /* this request is answered "ok" and not carried out, or NULL */
    char *shift;        /* in this request every address is moved, or NULL */
    gint64 shift_bytes; /* by this much */
    char *truncate;     /* the backing file of this device is emptied between boots */
} MmrigFault;

typedef struct {
    /* [scenario] */
    char *name; /* from the file's name */
    char *twin; /* NULL for the scenario itself */
    char *path; /* the file it came from */
    char *summary;
    char *area;
    guint timeout; /* seconds for one boot's test, not counting the boot itself */
    char *cold;    /* why it must be booted, not forked, or NULL */
    char *forked;  /* why it must be forked, not booted, or NULL */

    /* [test] */
    char *test;     /* name of the guest test program */
    GStrv args;     /* its arguments */
    GStrv boots;    /* NULL, or one word for each boot, given as the first argument */
    GStrv requests; /* what the test may ask of the rig */
    MmrigExpect expect;
    char *panic; /* PANIC: regular expression that the panic's text must match */

    /* [machine] */
    guint cpus;
    guint64 memory;       /* bytes */
    guint nodes;          /* NUMA nodes; node 0 has all CPUs, and all memory unless: */
    GStrv node_memory;    /* sizes that add up to memory, one for each node, or NULL */
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
    MmrigFault fault;

    GStrv twins; /* names of the twins that the file defines; NULL-terminated */
    /* twin only: cause (see result.h) by which it must fail; "assertion" unless said */
    char *twin_cause;
} MmrigScenario;

/*
 * Reads a scenario from text; name is its name, path is used in messages only. twin is NULL
 * or one of its twins. Free with mmrig_scenario_free().
 */
MmrigScenario *mmrig_scenario_parse(const char *text, gsize size, const char *name,
                                    const char *path, const char *twin, GError **error);

/* Reads FOLDER/NAME.ini. */
MmrigScenario *mmrig_scenario_load(const char *folder, const char *name, const char *twin,
                                   GError **error);

/* Names of all scenarios in the folder, sorted. Free with g_strfreev(). */
GStrv mmrig_scenario_names(const char *folder, GError **error);

/*
 * Adds to words what the agent's "run" names: the test, the word of the given boot (from 0) if
 * there are several, and the arguments; and a NULL. They stay the scenario's.
 */
void mmrig_scenario_test_words(const MmrigScenario *scenario, guint boot, GPtrArray *words);

/*
 * Adds a device of the pack, given as TYPE or TYPE,KEY=VALUE..., with an id of its own (TYPE
 * without "mmrig-", and a number). With mmrig-ras and mmrig-nvdimm, a machine without a CPU
 * model of its own gets one that reports errors as Intel's do, the only ones that they know.
 * INPUT error.
 */
gboolean mmrig_scenario_add_device(MmrigScenario *scenario, const char *device, GError **error);

void mmrig_scenario_free(MmrigScenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigScenario, mmrig_scenario_free)

/*
 * "512M", "1G", "4096" (bytes); suffixes K, M, G, T are powers of 1024. FALSE with an INPUT
 * error if it is not a size or exceeds G_MAXINT64.
 */
gboolean mmrig_size_parse(const char *text, guint64 *bytes, GError **error);
