/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel configurations: reading them, and comparing them with what was asked for. */
#include <string.h>

#include "base/error.h"
#include "base/input.h"
#include "base/text.h"
#include "kernel-private.h"

/* A configuration is some 300 KiB; a bigger file is something else. */
#define CONFIG_SIZE_MAX (16 * 1024 * 1024)

static gboolean starts_with(const char *at, const char *end, const char *prefix)
{
    gsize length = strlen(prefix);

    return (gsize)(end - at) >= length && memcmp(at, prefix, length) == 0;
}

/*
 * One line of a .config or fragment: TRUE if it says something of an option. value is "n"
 * for "# CONFIG_X is not set". Both are to be freed.
 */
static gboolean config_parse_line(const char *line, const char *end, char **option,
                                  char **value)
{
    static const char off[] = " is not set";

    while (line < end && g_ascii_isspace(*line))
        line++;
    while (line < end && g_ascii_isspace(end[-1]))
        end--;
    gboolean comment = starts_with(line, end, "# CONFIG_");
    const char *name = comment ? line + 2 : line, *rest = name;
    if (!starts_with(name, end, "CONFIG_"))
        return FALSE;
    while (rest < end && (g_ascii_isalnum(*rest) || *rest == '_'))
        rest++;
    if (comment) {
        if ((gsize)(end - rest) != strlen(off) || !starts_with(rest, end, off))
            return FALSE;
        *value = g_strdup("n");
    } else {
        if (rest == end || *rest != '=')
            return FALSE;
        *value = g_strndup(rest + 1, (gsize)(end - rest - 1));
    }
    *option = g_strndup(name, (gsize)(rest - name));
    return TRUE;
}

/* The last line on an option counts, as for kconfig. keep_off: with those that are off. */
static GHashTable *config_parse(const char *text, gboolean keep_off)
{
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    while (*text != '\0') {
        const char *end = strchrnul(text, '\n');
        char *option, *value;

        if (config_parse_line(text, end, &option, &value)) {
            if (keep_off || strcmp(value, "n") != 0) {
                g_hash_table_insert(table, option, value);
            } else {
                g_hash_table_remove(table, option);
                g_free(option);
                g_free(value);
            }
        }
        text = *end == '\0' ? end : end + 1;
    }
    return table;
}

GHashTable *mmrig_kernel_config_parse(const char *text)
{
    return config_parse(text, FALSE);
}

GHashTable *mmrig_kernel_config_load(const char *path, GError **error)
{
    g_autoptr(GHashTable) config = NULL;
    g_autofree char *text = NULL;
    gsize size;

    text = mmrig_input_read(path, "the kernel configuration", CONFIG_SIZE_MAX, &size, error);
    if (!text)
        return NULL;
    if (!memchr(text, '\0', size))
        config = mmrig_kernel_config_parse(text);
    if (!config || g_hash_table_size(config) == 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: not a kernel configuration (no line CONFIG_X=...)", path);
        return NULL;
    }
    return g_steal_pointer(&config);
}

/* Between two options on a line of a fragment, of which one is enough. */
#define OR " or CONFIG_"

char *mmrig_kernel_config_expand(const char *fragments)
{
    g_auto(GStrv) lines = g_strsplit(fragments, "\n", -1);

    for (char **line = lines; *line; line++) {
        if (!g_str_has_prefix(*line, "CONFIG_") || !strstr(*line, OR))
            continue;
        g_auto(GStrv) options = g_strsplit(*line, OR, -1);
        g_free(*line);
        *line = g_strjoinv("\nCONFIG_", options);
    }
    return g_strjoinv("\n", lines);
}

/* Whether the configuration has one of the options on the line. */
static gboolean config_has_one(const char *line, GHashTable *config)
{
    g_autofree char *text = mmrig_kernel_config_expand(line);
    g_autoptr(GHashTable) options = config_parse(text, TRUE);
    GHashTableIter iter;
    gpointer name, value;

    g_hash_table_iter_init(&iter, options);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const char *got = g_hash_table_lookup(config, name);

        if (strcmp(value, got ? got : "n") == 0)
            return TRUE;
    }
    return FALSE;
}

/*
 * The fragments without the lines that give a choice; those of which the configuration has none
 * are added to wrong.
 */
static char *config_check_choices(const char *wanted, GHashTable *config, GString *wrong)
{
    g_auto(GStrv) lines = g_strsplit(wanted, "\n", -1);

    for (char **line = lines; *line; line++) {
        if (!g_str_has_prefix(*line, "CONFIG_") || !strstr(*line, OR))
            continue;
        if (!config_has_one(*line, config))
            g_string_append_printf(wrong, "%s%s (is neither)", wrong->len ? ", " : "", *line);
        **line = '\0';
    }
    return g_strjoinv("\n", lines);
}

gboolean mmrig_kernel_config_verify(const char *wanted, GHashTable *config, GError **error)
{
    g_autoptr(GString) wrong = g_string_new(NULL);
    g_autofree char *rest = config_check_choices(wanted, config, wrong);
    g_autoptr(GHashTable) options = config_parse(rest, TRUE);
    g_autoptr(GList) names =
        g_list_sort(g_hash_table_get_keys(options), (GCompareFunc)(void (*)(void))strcmp);

    for (GList *link = names; link; link = link->next) {
        const char *name = link->data;
        const char *asked = g_hash_table_lookup(options, name);
        const char *got = g_hash_table_lookup(config, name);

        if (strcmp(asked, got ? got : "n") != 0)
            g_string_append_printf(wrong, "%s%s=%s (is %s)", wrong->len ? ", " : "", name,
                                   asked, got ? got : "not set");
    }
    if (wrong->len == 0)
        return TRUE;
    g_set_error(
        error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
        "the kernel's configuration does not have what guest-kernel/config asks for: %s; "
        "this tree may lack the option, or something that it depends on",
        wrong->str);
    return FALSE;
}

char *mmrig_kernel_fragments(const char *folder, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &cause);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) all = g_string_new(NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, ".config"))
            g_ptr_array_add(names, g_strdup(name));
    }
    if (names->len == 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: no kernel configuration fragments (*.config) there%s%s", folder,
                    cause ? ": " : "", cause ? cause->message : "");
        return NULL;
    }
    g_ptr_array_sort(names, mmrig_text_compare);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(folder, g_ptr_array_index(names, i), NULL);
        g_autofree char *text = mmrig_input_read(path, "the kernel configuration fragment",
                                                 CONFIG_SIZE_MAX, NULL, error);

        if (!text)
            return NULL;
        g_string_append_printf(all, "%s\n", text);
    }
    return g_string_free(g_steal_pointer(&all), FALSE);
}

const char *mmrig_kernel_lacks(const MmrigKernel *kernel, const char *const *options)
{
    if (!kernel->config)
        return NULL;
    for (guint i = 0; options && options[i]; i++) {
        const char *equals = strchr(options[i], '=');
        gsize length = equals ? (gsize)(equals - options[i]) : strlen(options[i]);
        g_autofree char *name = g_strndup(options[i], length);
        const char *value = g_hash_table_lookup(kernel->config, name);
        gboolean has;

        if (equals)
            has = strcmp(value ? value : "n", equals + 1) == 0;
        else
            has = value && (strcmp(value, "y") == 0 || strcmp(value, "m") == 0);
        if (!has)
            return options[i];
    }
    return NULL;
}
