/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the device pack adds to a QEMU, as that QEMU says itself once it has loaded the pack:
 * the device types that it has only then, and of each the properties that its parent lacks.
 */
#pragma once

#include "qemu.h"

typedef struct {
    char *name, *type;
    char *value;       /* the default, as it would be typed, or NULL if it has none */
    char *description; /* or NULL */
} MmrigPackProperty;

typedef struct {
    char *name;
    char *bus;             /* what it is plugged into, or NULL */
    char *description;     /* or NULL */
    GPtrArray *properties; /* of MmrigPackProperty, by name */
} MmrigPackDevice;

typedef struct {
    char *path;
    char *version;      /* of the QEMU that it was built for */
    GPtrArray *devices; /* of MmrigPackDevice, by name */
} MmrigPack;

/*
 * Loads the pack at path into qemu and asks. INPUT error, one line that says how to mend it, if
 * there is no such file or QEMU or the pack's guard refuses it.
 */
MmrigPack *mmrig_pack_load(const MmrigQemu *qemu, const char *path, GError **error);

/*
 * Why this QEMU cannot have the pack at path, one line that says how to mend it, or NULL. The
 * answer is kept in the cache while neither changes. Free with g_free().
 */
char *mmrig_pack_refused(const MmrigQemu *qemu, const char *path);
void mmrig_pack_free(MmrigPack *pack);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigPack, mmrig_pack_free)
