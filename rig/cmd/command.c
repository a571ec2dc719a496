/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command-private.h"

gboolean mmrig_command_options(const char *command, GOptionContext *context,
                               const GOptionEntry *entries, int argc, char **argv,
                               GError **error)
{
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return FALSE;
    if (argc == 1)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "%s takes no argument \"%s\"; see mmrig %s --help", command, argv[1], command);
    return FALSE;
}
