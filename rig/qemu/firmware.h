/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's UEFI firmware for QEMU, found by its descriptor files (QEMU's
 * docs/interop/firmware.json), as distributions install them.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *code;      /* the flash image to run */
    char *variables; /* what a machine's own variables begin as */
} MmrigFirmware;

/*
 * The first suitable one of the folders (NULL-terminated; NULL: where they are usually), in the
 * order of the files' names: for this machine type, without secure boot's demands on the
 * machine. A file hides those of its name in later folders. UNMET error if there is none.
 */
MmrigFirmware *mmrig_firmware_find(const char *const *folders, const char *machine,
                                   GError **error);
void mmrig_firmware_free(MmrigFirmware *firmware);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigFirmware, mmrig_firmware_free)
