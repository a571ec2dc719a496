/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files and folders that the user names. Only a regular file is taken for a file: a FIFO or a
 * device is refused and never waited for. Each error is one line of class INPUT that names the
 * file, what it was wanted for, and why it cannot be used; where a folder above it is closed to
 * this user, that folder is named.
 *
 * what says what the file is for, as in "the kernel".
 */
#pragma once

#include <glib.h>

/* The descriptor of the file, open for reading (the caller closes it), or -1. */
int mmrig_input_open(const char *path, const char *what, GError **error);

/* Whether the file could be opened: for files that another program reads. */
gboolean mmrig_input_check(const char *path, const char *what, GError **error);

/*
 * The bytes of the file and a NUL behind them; more than most bytes are an error. Free with
 * g_free(). size may be NULL.
 */
char *mmrig_input_read(const char *path, const char *what, gsize most, gsize *size,
                       GError **error);

/* Whether the path is a folder that this user can list and enter. */
gboolean mmrig_input_check_folder(const char *path, const char *what, GError **error);
