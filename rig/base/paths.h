/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the rig finds its own parts and keeps what it makes.
 *
 * Parts: an uninstalled mmrig (run from its build folder) uses the source and build folders
 * it was made from; an installed one uses the installation prefix, found relative to the
 * executable (bin/../share/mmrig, bin/../libexec/mmrig), so the tree can be moved.
 * MMRIG_DATA_DIR and MMRIG_GUEST_DIR override both.
 */
#pragma once

#include <glib.h>

/* The folder with scenarios/, images/ and guest-kernel/config/. Owned by the callee. */
const char *mmrig_path_data(void);

/* The folder with the built guest programs: agent, tests/NAME. Owned by the callee. */
const char *mmrig_path_guest(void);

/*
 * The device pack: MMRIG_PACK if that is set, else qemu-devices/ in the build folder or
 * LIBDIR/mmrig/ in the installation. It need not be there. Owned by the callee.
 */
const char *mmrig_path_pack(void);

/*
 * ${XDG_CACHE_HOME:-~/.cache}/mmrig[/part], made if it is not there. NULL with error (INPUT
 * where the user can mend it). Free with g_free().
 */
char *mmrig_path_cache(const char *part, GError **error);

/* The same path, which need not be there. Free with g_free(). */
char *mmrig_path_cache_peek(const char *part);

/* Whether a folder of the cache can be read; an INPUT error says whose it is. */
gboolean mmrig_path_cache_check(const char *path, GError **error);

/*
 * What to do where the path was denied to this user, to stand behind the reason: " (FOLDER
 * belongs to NAME; set XDG_CACHE_HOME to a folder of your own)", or what mode to give back. ""
 * if there is nothing to say. Free with g_free().
 */
char *mmrig_path_denied_hint(const char *path);
