/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A copy of a template's file that one fork may write to. It has no name and lasts as long as
 * it is held open, so that a killed rig leaves nothing.
 */
#pragma once

#include <glib.h>

/* Makes the file to share all its data with the file from; -1 with errno, as ioctl(2). */
typedef int (*MmrigReflink)(int to, int from);

/* By ioctl_ficlone(2). */
int mmrig_reflink(int to, int from);

/*
 * Makes the file to, whatever it was, to a copy of the file from. FALSE with errno; holes stay
 * holes, and where both can share their data nothing is copied.
 */
gboolean mmrig_copy_file(int from, int to, MmrigReflink reflink);

/*
 * A descriptor for a copy of size bytes of the file from, or -1 with errno. Where the file
 * system of folder can share data between files and from is in it as well, nothing is copied
 * until one of the two is written to; elsewhere the copy is in memory, and holes stay holes.
 * name is what it is called in /proc.
 */
int mmrig_private_copy(int from, const char *folder, const char *name, guint64 size,
                       MmrigReflink reflink);
