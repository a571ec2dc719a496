/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One mmrig command: a row in commands-private.h, a cmd-NAME.c, a man page. */
#pragma once

#include <json-glib/json-glib.h>

#include "base/error.h"
#include "base/print.h"

typedef struct {
    const char *name;
    const char *summary; /* one line for `mmrig --help` */
    /* argv[0] is the command's name. Prints its own errors; returns the exit status. */
    MmrigExit (*run)(int argc, char **argv);
} MmrigCommand;

/* Options that several commands have: rows of their tables; place is where the value goes. */
#define MMRIG_OPTION_KERNEL(place)                                                             \
    {                                                                                          \
        "kernel", 'k', 0, G_OPTION_ARG_STRING, (place),                                        \
            "Guest kernel: distro, tree, tree:DIR or path:FILE", "KERNEL"                      \
    }
#define MMRIG_OPTION_ACCEL(place)                                                              \
    {                                                                                          \
        "accel", 0, 0, G_OPTION_ARG_STRING, (place),                                           \
            "auto (KVM if it is proved to work), kvm or tcg", "ACCEL"                          \
    }
#define MMRIG_OPTION_SCENARIOS(place)                                                          \
    {                                                                                          \
        "scenarios", 0, 0, G_OPTION_ARG_FILENAME, (place),                                     \
            "Folder with the scenarios (default: those that came with mmrig)", "DIR"           \
    }
#define MMRIG_OPTION_DEVICES(place)                                                            \
    {                                                                                          \
        "device", 0, 0, G_OPTION_ARG_STRING_ARRAY, (place),                                    \
            "Add a device of mmrig's pack, such as mmrig-ras (may be given several times)",    \
            "TYPE[,KEY=VALUE...]"                                                              \
    }

/*
 * Parses a command's options by GOption, and adds --help: that is printed, and ends the
 * process. FALSE with an INPUT or a GOption error; beyond what GOption refuses, an option that
 * takes one value is given once (those that may be repeated are arrays), and no option's value
 * is empty.
 */
gboolean mmrig_command_parse(GOptionContext *context, const GOptionEntry *entries, int *argc,
                             char ***argv, GError **error);

/* The same for a command that takes nothing else; the INPUT error if there is more names it. */
gboolean mmrig_command_options(const char *command, GOptionContext *context,
                               const GOptionEntry *entries, int argc, char **argv,
                               GError **error);

/* Prints "mmrig: passed over: REASON" for each (char *) on standard error. */
void mmrig_command_passed_over(const GPtrArray *reasons);

/* Prints the value over several lines. */
void mmrig_command_print_json(JsonNode *node);

#define MMRIG_COMMAND(name, summary) MmrigExit mmrig_cmd_##name(int argc, char **argv);
#include "commands-private.h"
#undef MMRIG_COMMAND
