/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Things made once and kept, named by a hash of every input.
 *
 * A finished entry appears under its name all at once or not at all. A single file is
 * written to an unnamed file (O_TMPFILE) and linked into place, so a killed maker leaves
 * nothing; where the file system cannot do that, and for folders, the maker works under
 * ".partial-PID-XXXXXX" and renames. A folder whose maker is killed is removed by a janitor
 * process, and should that be killed too, when the next maker starts. Two makers of one entry
 * wait for each other on a lock, which the kernel drops if its holder dies.
 */
#pragma once

#include <glib.h>

/* Accumulates what an entry is made from. */
typedef struct MmrigKey MmrigKey;

MmrigKey *mmrig_key_new(const char *purpose);
void mmrig_key_free(MmrigKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigKey, mmrig_key_free)

/* text may be NULL, which differs from "". */
void mmrig_key_add(MmrigKey *key, const char *text);
/* Adds the bytes of a file (by content). */
gboolean mmrig_key_add_content(MmrigKey *key, const char *path, GError **error);
/*
 * Adds what stat says of a file: path, size, inode, the times of its last modification and of
 * its last change. For large inputs on a path that must be fast. The last of them cannot be set
 * by anybody, so that only a second write within the same tick of the clock is not seen.
 */
gboolean mmrig_key_add_stat(MmrigKey *key, const char *path, GError **error);
/* 64 hex digits of SHA-256. Nothing can be added afterwards. Owned by key. */
const char *mmrig_key_digest(MmrigKey *key);

/*
 * Writes one entry to the descriptor. Returns FALSE with error to abandon it.
 */
typedef gboolean (*MmrigStoreWrite)(int fd, gpointer data, GError **error);

/*
 * Returns the path of folder/name, writing it first if it is not there. Free with
 * g_free(). On failure (NULL) nothing is left under that name.
 */
char *mmrig_store_file(const char *folder, const char *name, MmrigStoreWrite write,
                       gpointer data, GError **error);

/* Fills the empty folder at path. Returns FALSE with error to abandon it. */
typedef gboolean (*MmrigStoreFill)(const char *path, gpointer data, GError **error);

/* The same for an entry that is a folder. */
char *mmrig_store_folder(const char *folder, const char *name, MmrigStoreFill fill,
                         gpointer data, GError **error);

/*
 * Hands use an empty folder, made in folder, which goes when use returns, or when the process
 * dies, with the commands that it ran (child.h; mmrig_child_held() for others). FALSE with
 * error if use says so, or the folder cannot be made or removed.
 */
gboolean mmrig_store_scratch(const char *folder, MmrigStoreFill use, gpointer data,
                             GError **error);

/*
 * Removes the entry name of folder, a folder: it is gone from under its name all at once.
 * Waits for one who makes it. Nothing to remove is not an error.
 */
gboolean mmrig_store_drop(const char *folder, const char *name, GError **error);

/* Removes a file or folder with all in it; does not follow links or cross file systems. */
gboolean mmrig_remove_tree(const char *path, GError **error);
