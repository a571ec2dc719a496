/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a machine's specification to a plan, and from the plan to QEMU's argument vector. Pure:
 * nothing is started, opened or looked at, so that the result can be compared byte for byte in
 * a test and printed by --dry-run.
 *
 * QEMU gets its channels and backing files as inherited descriptors, so nothing has a name
 * that another run could collide with or that a killed rig could leave behind.
 */
#pragma once

#include "spec.h"

/*
 * What every QEMU denies itself (seccomp): to start programs, to get other rights, to change
 * its priority or affinity. A guest that breaks into it is left with little.
 */
#define MMRIG_SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/* Descriptors that QEMU inherits. */
enum {
    MMRIG_FD_QMP = 3,
    MMRIG_FD_CONTROL = 4,
    MMRIG_FD_KTAP = 5,
    MMRIG_FD_CONSOLE = 6,
    MMRIG_FD_BACKING = 7, /* the first backing file; one each from here on */
};

typedef enum {
    MMRIG_ACCEL_TCG,
    MMRIG_ACCEL_KVM,
} MmrigAccel;

const char *mmrig_accel_name(MmrigAccel accel);

/*
 * How the machine comes to life. A template and its forks have their memory in a file, the
 * first to write to, the others as copy on write (readonly=on, rom=off: a private mapping of
 * a file that QEMU cannot harm), and a fork waits for the device state (QEMU's
 * docs/devel/migration: x-ignore-shared).
 */
typedef enum {
    MMRIG_START_COLD,
    MMRIG_START_TEMPLATE,
    MMRIG_START_FORK,
} MmrigStart;

/* What the machine is made of besides its specification. Borrowed. */
/* QEMU's type of a QMP monitor that -object makes, which replaces -mon where there is one. */
#define MMRIG_QMP_TYPE "monitor-qmp"

typedef struct {
    const char *qemu;
    const char *qemu_id; /* names what it is made of (qemu.h); for templates' names only */
    gboolean qmp_object; /* it has MMRIG_QMP_TYPE */
    MmrigAccel accel;
    const char *kernel;
    const char *initrd;
    MmrigStart kind;
    const char *pack; /* the device pack; needed only if the machine has devices of it */
    /* Only with firmware: a kernel that it can start, and the host's firmware. */
    const char *efi_kernel;
    const char *firmware;  /* the image to run */
    const char *variables; /* what its variables begin as */
    const char *loader;    /* a boot loader; needed only if the machine boots from a disk */
} MmrigBootInputs;

/* Backings of a template and a fork that belong to no device. */
#define MMRIG_BACKING_RAM   "rig.ram"
#define MMRIG_BACKING_STATE "rig.state" /* of size 0; not mapped, but read or written once */
/* A machine's own copy of its firmware's variables. */
#define MMRIG_BACKING_VARIABLES "rig.variables"
/* The disk that firmware boots from. */
#define MMRIG_BACKING_ESP "rig.esp"

/*
 * What is on such a disk: an EFI system partition (UEFI 2.10, 13.3) with a boot loader, and
 * with what that starts.
 */
typedef struct {
    const MmrigArch *arch; /* says where firmware looks for the loader */
    char *loader;          /* paths */
    char *kernel;
    char *initrd;
    char *options; /* the kernel's command line */
} MmrigEsp;

void mmrig_esp_free(MmrigEsp *esp);

/* A file that QEMU maps as a device's memory, or another descriptor that it inherits. */
typedef struct {
    char *device; /* the device's id, or one of MMRIG_BACKING_* */
    guint64 size;
    int fd; /* its number in QEMU */
    char
        *source; /* the file that it begins as a copy of, whose size counts; NULL: all zeroes */
    MmrigEsp *esp; /* or what it is made to hold; its size is what that takes. NULL: as above */
    gboolean link; /* no file: the end of a link to another machine (vm/link.h) */
} MmrigBacking;

/* What starts the kernel, and what it is given. */
typedef struct {
    char *kernel;    /* NULL if firmware finds it on a disk (MMRIG_BACKING_ESP) */
    char *initrd;    /* likewise */
    char *line;      /* its command line */
    char *firmware;  /* its image; NULL: QEMU starts the kernel */
    char *variables; /* what the firmware's variables begin as */
} MmrigPlanBoot;

/* Borrows its specification. */
struct MmrigPlan {
    const MmrigMachineSpec *spec;
    MmrigStart start;
    MmrigAccel accel;
    char *qemu, *pack; /* pack: NULL if no device needs it */
    gboolean qmp_object;
    const char *cpu;    /* the CPU's model */
    GArray *nodes;      /* NUMA: of MmrigNumaNode, */
    GArray *paths;      /* and of MmrigNumaPath */
    GPtrArray *devices; /* of const MmrigDevice, in the order in which they are placed */
    MmrigPlanBoot boot;
    GPtrArray *backings; /* of MmrigBacking */
    GStrv argv;          /* QEMU's arguments for all this (emit-qemu.c) */
};

/*
 * INPUT error if the inputs cannot be put together (a path with a comma is quoted, not
 * refused). spec must outlive the plan.
 */
MmrigPlan *mmrig_plan_make(const MmrigMachineSpec *spec, const MmrigBootInputs *inputs,
                           GError **error);
void mmrig_plan_free(MmrigPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigPlan, mmrig_plan_free)

/* value as it stands between commas in one of QEMU's options. Free with g_free(). */
char *mmrig_argv_escape(const char *value);

/* The command as a user would type it, one option a line (for --dry-run). Free with g_free().
 */
char *mmrig_plan_quote(const MmrigPlan *plan);
