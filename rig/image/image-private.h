/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the image library share: the entries, sorted by guest path. */
#pragma once

#include <gio/gio.h>

#include "initramfs.h"

typedef enum {
    MMRIG_ENTRY_FOLDER,
    MMRIG_ENTRY_FILE,  /* the content of a host file */
    MMRIG_ENTRY_BYTES, /* content given by hand */
    MMRIG_ENTRY_LINK,
    MMRIG_ENTRY_DEVICE,
} MmrigEntryKind;

typedef struct {
    MmrigEntryKind kind;
    char *path;         /* in the guest */
    guint mode;         /* permissions, and the type for devices */
    char *host;         /* FILE: resolved host path */
    GBytes *bytes;      /* BYTES */
    char *target;       /* LINK */
    guint major, minor; /* DEVICE */
    gboolean packed;    /* FILE: to be decompressed (.xz, .zst, .gz) */
    gboolean implied;   /* FOLDER: only because something is in it */
    gboolean weak;      /* LINK: gives way to anything else under that path */
} MmrigEntry;

struct MmrigImage {
    GTree *entries; /* path -> MmrigEntry */
};

/* As the public functions, for what they do not offer. */
gboolean mmrig_image_add_packed_file(MmrigImage *image, const char *guest_path,
                                     const char *host_path, guint mode, GError **error);
gboolean mmrig_image_add_weak_link(MmrigImage *image, const char *guest_path,
                                   const char *target, GError **error);

/*
 * The files of kernel modules (path in the guest, on the host, whether it is to be
 * decompressed), MMRIG_GUEST_MODULES, MMRIG_GUEST_BOOT.
 */
#define MMRIG_MODULES_TYPE "(a(ssb)ss)"

/* How kept ones are named in the images' folder. */
#define MMRIG_MODULES_SUFFIX ".modules"

/* Finds them with libkmod, as mmrig_image_add_modules() tells. Returns a floating reference. */
GVariant *mmrig_image_resolve(const char *folder, const char *const *boot,
                              const char *const *wanted, GError **error);
