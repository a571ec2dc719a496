/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One mmrig command: a row in the table of main.c, a cmd-NAME.c, a man page. */
#pragma once

#include "base/error.h"

typedef struct {
    const char *name;
    const char *summary; /* one line for `mmrig --help` */
    /* argv[0] is the command's name. Prints its own errors; returns the exit status. */
    MmrigExit (*run)(int argc, char **argv);
} MmrigCommand;

/*
 * Parses the options of a command that takes nothing else, adding entries to the context. FALSE
 * with an INPUT error, which names the command, if there is more, or a GOption one.
 */
gboolean mmrig_command_options(const char *command, GOptionContext *context,
                               const GOptionEntry *entries, int argc, char **argv,
                               GError **error);

MmrigExit mmrig_cmd_bench(int argc, char **argv);
MmrigExit mmrig_cmd_cache(int argc, char **argv);
MmrigExit mmrig_cmd_devices(int argc, char **argv);
MmrigExit mmrig_cmd_doctor(int argc, char **argv);
MmrigExit mmrig_cmd_image(int argc, char **argv);
MmrigExit mmrig_cmd_inject(int argc, char **argv);
MmrigExit mmrig_cmd_kernel(int argc, char **argv);
MmrigExit mmrig_cmd_list(int argc, char **argv);
MmrigExit mmrig_cmd_memmap(int argc, char **argv);
MmrigExit mmrig_cmd_run(int argc, char **argv);
MmrigExit mmrig_cmd_shell(int argc, char **argv);
