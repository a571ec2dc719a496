/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tap on a stream of bytes from QEMU or the guest (console, standard error, KTAP): what
 * comes is written to a file up to a limit, its last lines are kept, and a callback sees it.
 */
#pragma once

#include <glib.h>

typedef struct MmrigTap MmrigTap;

/* size is never 0. The tap must not be freed from within. */
typedef void (*MmrigTapData)(const char *bytes, gsize size, gpointer data);

/*
 * Takes fd (made non-blocking, closed with the tap). path is the file to write, or NULL; at
 * most limit bytes go there, then a line that says it was cut. callback may be NULL.
 */
MmrigTap *mmrig_tap_new(int fd, const char *path, gsize limit, MmrigTapData callback,
                        gpointer data, GError **error);
void mmrig_tap_free(MmrigTap *tap);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigTap, mmrig_tap_free)

/* Reads all there is now, without waiting: for when the writer is dead. */
void mmrig_tap_drain(MmrigTap *tap);

/* Bytes seen so far. */
guint64 mmrig_tap_total(const MmrigTap *tap);

/*
 * The last lines, safe to print (base/text.h); "" if nothing came. Free with g_free().
 */
char *mmrig_tap_tail(const MmrigTap *tap, guint lines);

/* An error while writing the file (disk full), or NULL. Owned by the tap. */
const GError *mmrig_tap_error(const MmrigTap *tap);
