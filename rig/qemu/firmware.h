/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's UEFI firmware for QEMU, found by its descriptor files (QEMU's
 * docs/interop/firmware.json), as distributions install them. Runs and doctor make the same
 * search, and both can tell why a descriptor was passed over.
 */
#pragma once

#include <glib.h>

#include "arch/arch.h"

typedef struct {
    char *code;       /* the flash image to run */
    char *variables;  /* what a machine's own variables begin as */
    char *descriptor; /* the file that names them */
} MmrigFirmware;

/* A descriptor that was looked at and not taken. */
typedef struct {
    char *descriptor; /* its path */
    char *reason;     /* why, as in "... : it needs SMM" */
    guint nearness;   /* how much of it fitted, to be compared only */
} MmrigFirmwareMiss;

typedef struct {
    MmrigFirmware *taken; /* the first that fits, or NULL */
    GPtrArray *passed;    /* of MmrigFirmwareMiss, in the order of the search */
} MmrigFirmwareSearch;

/*
 * Looks at the folders' descriptors (NULL-terminated; NULL: where they are usually), in the
 * order of the files' names: for the architecture's machine, without secure boot's demands on
 * the machine, with images that fit together. A file hides those of its name in later folders.
 * Never NULL.
 */
MmrigFirmwareSearch *mmrig_firmware_search(const char *const *folders, const MmrigArch *arch);
void mmrig_firmware_search_free(MmrigFirmwareSearch *search);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigFirmwareSearch, mmrig_firmware_search_free)

/* What is wrong if the search took none, in one line with the nearest miss. Free with g_free().
 */
char *mmrig_firmware_search_unmet(const MmrigFirmwareSearch *search, const MmrigArch *arch);

/* The search's firmware alone. UNMET error if there is none. */
MmrigFirmware *mmrig_firmware_find(const char *const *folders, const MmrigArch *arch,
                                   GError **error);
void mmrig_firmware_free(MmrigFirmware *firmware);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigFirmware, mmrig_firmware_free)

/*
 * Why these two files cannot start a machine from flash, or NULL: they are not there,
 * no flash images, or not made for each other. Free with g_free().
 */
char *mmrig_firmware_misfit(const MmrigArch *arch, const char *code, const char *variables);

/*
 * The same, of images that a user names. What the host's descriptors say of the code is heeded
 * too: a build with secure boot looks like any other, but never starts without SMM.
 */
char *mmrig_firmware_named_misfit(const char *const *folders, const MmrigArch *arch,
                                  const char *code, const char *variables);
