/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard output, and that all of it arrives. Everything that the rig prints goes through
 * mmrig_print(), which remembers the first failure (a full disk, a closed descriptor, a reader
 * that went away); main() asks for it at the end, and a long command in between.
 */
#pragma once

#include "error.h"

/*
 * Opens those of the descriptors 0, 1 and 2 that the process was started without, so that no
 * other file gets their numbers: input is then at its end, what is written to output fails
 * (mmrig_print_check() tells), and what is written to standard error is dropped. For main(),
 * before anything else. The process ends with 99 if it cannot.
 */
void mmrig_print_open(void);

/*
 * Prints UTF-8 in the character set of the locale, at once. After a failure nothing more is
 * written.
 */
void mmrig_print(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* FALSE with a RIG error if something that was printed could not be written. */
gboolean mmrig_print_check(GError **error);

/*
 * Calls gone once, by the default main context, when whoever reads standard output has gone
 * away: a pipe without a reader, or a terminal that hung up. mmrig_print_check() fails from
 * then on.
 */
typedef struct MmrigPrintWatch MmrigPrintWatch;
MmrigPrintWatch *mmrig_print_watch_new(void (*gone)(gpointer data), gpointer data);
void mmrig_print_watch_free(MmrigPrintWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigPrintWatch, mmrig_print_watch_free)

/*
 * What the process is to exit with that would end with status: 99, told on standard error, if
 * output was lost; but a status that tells of an error already stays. Closes standard output,
 * as some file systems tell only then that there was no room.
 */
MmrigExit mmrig_print_end(MmrigExit status);
