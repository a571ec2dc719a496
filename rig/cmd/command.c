/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command-private.h"

#include <stdlib.h>

/*
 * GOption takes the last value of an option that is given twice, without a word. So every
 * option with one value is an array for it, and what came is looked at when all is parsed.
 */
typedef struct {
    const GOptionEntry *wanted; /* the command's */
    GOptionEntry *parsed;       /* what GOption gets instead, and --help */
    GStrv *values;              /* of each entry that is an array only for GOption */
    guint count;
    gboolean help;
} CommandOptions;

static gboolean command_takes_one(const GOptionEntry *entry)
{
    return entry->arg == G_OPTION_ARG_STRING || entry->arg == G_OPTION_ARG_FILENAME ||
           entry->arg == G_OPTION_ARG_INT;
}

static void command_options_free(gpointer data)
{
    CommandOptions *options = data;

    for (guint i = 0; i < options->count; i++)
        g_strfreev(options->values[i]);
    g_free(options->values);
    g_free(options->parsed);
    g_free(options);
}

static CommandOptions *command_options_new(const GOptionEntry *entries)
{
    CommandOptions *options = g_new0(CommandOptions, 1);

    options->wanted = entries;
    while (entries[options->count].long_name)
        options->count++;
    options->values = g_new0(GStrv, options->count);
    options->parsed = g_new0(GOptionEntry, options->count + 2);
    for (guint i = 0; i < options->count; i++) {
        GOptionEntry *entry = &options->parsed[i];
        *entry = entries[i];
        if (!command_takes_one(entry))
            continue;
        entry->arg = entry->arg == G_OPTION_ARG_FILENAME ? G_OPTION_ARG_FILENAME_ARRAY
                                                         : G_OPTION_ARG_STRING_ARRAY;
        entry->arg_data = &options->values[i];
    }
    options->parsed[options->count] = (GOptionEntry){
        "help", 'h', 0, G_OPTION_ARG_NONE, &options->help, "Show this text", NULL};
    return options;
}

static gboolean command_refuse_empty(const GOptionEntry *entry, char **values, GError **error)
{
    for (char **value = values; value && *value; value++) {
        if (**value)
            continue;
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "--%s '': it takes %s, which cannot be empty", entry->long_name,
                    entry->arg_description);
        return FALSE;
    }
    return TRUE;
}

/* Gives the command's variable its one value, which is taken. */
static gboolean command_store(const GOptionEntry *entry, char **value, GError **error)
{
    gint64 number;

    if (entry->arg != G_OPTION_ARG_INT) {
        g_free(*(char **)entry->arg_data);
        *(char **)entry->arg_data = g_steal_pointer(value);
        return TRUE;
    }
    if (!g_ascii_string_to_signed(*value, 10, G_MININT, G_MAXINT, &number, NULL)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "--%s %s: this is no whole number, or too large a one", entry->long_name,
                    *value);
        return FALSE;
    }
    *(gint *)entry->arg_data = (gint)number;
    return TRUE;
}

static gboolean command_on_parsed(GOptionContext *context G_GNUC_UNUSED,
                                  GOptionGroup *group G_GNUC_UNUSED, gpointer data,
                                  GError **error)
{
    CommandOptions *options = data;

    for (guint i = 0; i < options->count && !options->help; i++) {
        const GOptionEntry *entry = &options->wanted[i];
        GStrv values = options->values[i];

        if (!command_takes_one(entry)) {
            gboolean array = entry->arg == G_OPTION_ARG_STRING_ARRAY ||
                             entry->arg == G_OPTION_ARG_FILENAME_ARRAY;
            /* Words that belong to no option are the command's own affair. */
            if (array && *entry->long_name &&
                !command_refuse_empty(entry, *(GStrv *)entry->arg_data, error))
                return FALSE;
            continue;
        }
        if (!values)
            continue;
        if (values[1]) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                        "--%s is given twice, as %s and %s; it takes one %s", entry->long_name,
                        values[0], values[1], entry->arg_description);
            return FALSE;
        }
        if (!command_refuse_empty(entry, values, error) || !command_store(entry, values, error))
            return FALSE;
    }
    return TRUE;
}

gboolean mmrig_command_parse(GOptionContext *context, const GOptionEntry *entries, int *argc,
                             char ***argv, GError **error)
{
    CommandOptions *options = command_options_new(entries);
    GOptionGroup *group = g_option_group_new("", "", "", options, command_options_free);

    g_option_group_add_entries(group, options->parsed);
    g_option_group_set_parse_hooks(group, NULL, command_on_parsed);
    g_option_context_set_main_group(context, group);
    g_option_context_set_help_enabled(context, FALSE);
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    if (!options->help)
        return TRUE;
    g_autofree char *text = g_option_context_get_help(context, TRUE, NULL);
    mmrig_print("%s", text);
    exit((int)mmrig_print_end(MMRIG_EXIT_PASS));
}

gboolean mmrig_command_options(const char *command, GOptionContext *context,
                               const GOptionEntry *entries, int argc, char **argv,
                               GError **error)
{
    if (!mmrig_command_parse(context, entries, &argc, &argv, error))
        return FALSE;
    if (argc == 1)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "%s takes no argument \"%s\"; see mmrig %s --help", command, argv[1], command);
    return FALSE;
}

void mmrig_command_passed_over(const GPtrArray *reasons)
{
    for (guint i = 0; i < reasons->len; i++)
        g_printerr("mmrig: passed over: %s\n", (const char *)g_ptr_array_index(reasons, i));
}

void mmrig_command_print_json(JsonNode *node)
{
    g_autofree char *text = json_to_string(node, TRUE);

    mmrig_print("%s\n", text);
}
