/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and writing of descriptors to the end, whatever signals and short counts come
 * between. */
#pragma once

#include <glib.h>

/*
 * Writes all bytes to the descriptor, in as many pieces as it takes. FALSE with errno if it
 * cannot: ENOSPC where the descriptor takes nothing and gives no reason.
 */
gboolean mmrig_io_write_all(int fd, const void *bytes, gsize size);

/*
 * The file has this text and nothing else; mode is that of one that was not there. It is
 * written in place, as a temporary file beside it would outlive a killed rig. (GLib's function
 * for that leaves the end of what was longer before: G_FILE_SET_CONTENTS_NONE.) RIG error.
 */
gboolean mmrig_io_set_text(const char *path, const char *text, guint mode, GError **error);
