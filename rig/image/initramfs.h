/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Initramfs images. The same inputs give the same bytes: entries are sorted, and carry no
 * time, owner or inode of the machine they were made on. The output is a plain newc archive:
 * unpacking costs the guest less than decompressing would (under TCG above all).
 */
#pragma once

#include <glib.h>

/*
 * What goes into an image. Built from manifests (images/NAME.manifest) and by hand.
 *
 * Every guest path is absolute, normalised, and its parent folders are made for it. The
 * guest's /usr is merged, as Debian's is: what is added under /bin, /sbin, /lib or /lib64
 * goes under /usr, and the image has the link.
 */
typedef struct MmrigImage MmrigImage;

MmrigImage *mmrig_image_new(void);
void mmrig_image_free(MmrigImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigImage, mmrig_image_free)

/*
 * Each adds one entry; FALSE with error (INPUT) if the path is taken by something else. The
 * same entry may be added again. Data is copied, host files are read when the image is written.
 */
gboolean mmrig_image_add_folder(MmrigImage *image, const char *guest_path, guint mode,
                                GError **error);
gboolean mmrig_image_add_file(MmrigImage *image, const char *guest_path, const char *host_path,
                              guint mode, GError **error);
gboolean mmrig_image_add_bytes(MmrigImage *image, const char *guest_path, const char *data,
                               gsize size, guint mode, GError **error);
gboolean mmrig_image_add_link(MmrigImage *image, const char *guest_path, const char *target,
                              GError **error);
gboolean mmrig_image_add_device(MmrigImage *image, const char *guest_path, guint mode,
                                guint major, guint minor, GError **error);

/*
 * Adds a host program with its dynamic loader and every library it needs, each under the
 * path by which the loader asks for it. name is a program's name (looked for in the usual
 * folders, sbin too) or an absolute path. package, if not NULL, is the Debian package that
 * the INPUT error for a missing program names.
 */
gboolean mmrig_image_add_program(MmrigImage *image, const char *name, const char *package,
                                 GError **error);

/*
 * Adds kernel modules by name with all they depend on (libkmod, modules_folder is
 * lib/modules/RELEASE), decompressed, and writes MMRIG_GUEST_MODULES. Those in boot are
 * listed in MMRIG_GUEST_BOOT. A built-in module is listed without a path. A name that the
 * kernel does not know: UNMET error, or nothing if the name is written with a '?' behind it.
 * With modules_folder NULL, all are taken for built in. Once for each image. What was found is
 * kept in the cache until an index of the folder changes.
 */
gboolean mmrig_image_add_modules(MmrigImage *image, const char *modules_folder,
                                 const char *const *boot, const char *const *wanted,
                                 GError **error);

/* Reads a manifest (see docs/images.md) and adds what it names. */
gboolean mmrig_image_add_manifest(MmrigImage *image, const char *path, GError **error);
/* The same from text; path is used in messages only. */
gboolean mmrig_image_add_manifest_text(MmrigImage *image, const char *text, gsize size,
                                       const char *path, GError **error);

/* Hash of all that determines the image's bytes, by what stat says of each host file. */
char *mmrig_image_key(MmrigImage *image, GError **error);

/* Writes the archive to a descriptor. */
gboolean mmrig_image_write(MmrigImage *image, int fd, GError **error);

/*
 * The image in the cache, made if it is not there; images that were not used for a week are
 * dropped when a new one is made. Returns its path; free with g_free().
 */
char *mmrig_image_ensure(MmrigImage *image, GError **error);

/* Shows an archive, line by line: mode, size, path. */
typedef void (*MmrigImageLine)(const char *line, gpointer data);
gboolean mmrig_image_list(const char *path, MmrigImageLine line, gpointer data, GError **error);
