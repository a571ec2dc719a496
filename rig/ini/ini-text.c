/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text of all kinds, and words that stand for a value. */
#include <string.h>

#include "ini.h"

static void text_replace(gpointer field, const char *value)
{
    g_free(*(char **)field);
    *(char **)field = g_strdup(value);
}

static void text_clear(gpointer field)
{
    g_clear_pointer((char **)field, g_free);
}

static gboolean value_printable(const char *text)
{
    for (; *text; text = g_utf8_next_char(text)) {
        if (!g_unichar_isprint(g_utf8_get_char(text)))
            return FALSE;
    }
    return TRUE;
}

static gboolean text_set(const MmrigIniKey *key, gpointer field, const char *value,
                         char **problem)
{
    if (strlen(value) > key->max || !value_printable(value)) {
        *problem = g_strdup_printf("too long or not printable; write one line of at most "
                                   "%" G_GUINT64_FORMAT " bytes",
                                   key->max);
        return FALSE;
    }
    text_replace(field, value);
    return TRUE;
}

static char *text_describe(const MmrigIniKey *key)
{
    return g_strdup_printf("text of at most %" G_GUINT64_FORMAT " bytes", key->max);
}

const MmrigIniType mmrig_ini_text = {text_set, text_describe, text_clear};

static gboolean name_set(const MmrigIniKey *key G_GNUC_UNUSED, gpointer field,
                         const char *value, char **problem)
{
    if (!mmrig_name_valid(value)) {
        *problem = g_strdup_printf("'%s' is not a name; write lower-case letters, digits "
                                   "and hyphens",
                                   value);
        return FALSE;
    }
    text_replace(field, value);
    return TRUE;
}

static char *name_describe(const MmrigIniKey *key G_GNUC_UNUSED)
{
    return g_strdup("a name");
}

const MmrigIniType mmrig_ini_name = {name_set, name_describe, text_clear};

static gboolean path_set(const MmrigIniKey *key, gpointer field, const char *value,
                         char **problem)
{
    if (!g_path_is_absolute(value) || strlen(value) > key->max || !value_printable(value)) {
        *problem = g_strdup_printf(
            "not an absolute path of at most %" G_GUINT64_FORMAT " printable bytes", key->max);
        return FALSE;
    }
    text_replace(field, value);
    return TRUE;
}

static char *path_describe(const MmrigIniKey *key)
{
    return g_strdup_printf("an absolute path of at most %" G_GUINT64_FORMAT " bytes", key->max);
}

const MmrigIniType mmrig_ini_path = {path_set, path_describe, text_clear};

static gboolean regex_set(const MmrigIniKey *key, gpointer field, const char *value,
                          char **problem)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GRegex) regex = NULL;

    if (strlen(value) <= key->max)
        regex = g_regex_new(value, 0, 0, &error);
    if (!regex) {
        *problem = g_strdup_printf("not a regular expression: %s",
                                   error ? error->message : "too long");
        return FALSE;
    }
    text_replace(field, value);
    return TRUE;
}

static char *regex_describe(const MmrigIniKey *key G_GNUC_UNUSED)
{
    return g_strdup("a regular expression");
}

const MmrigIniType mmrig_ini_regex = {regex_set, regex_describe, text_clear};

static gboolean switch_set(const MmrigIniKey *key G_GNUC_UNUSED, gpointer field,
                           const char *value, char **problem)
{
    gboolean yes = strcmp(value, "yes") == 0;

    if (!yes && strcmp(value, "no") != 0) {
        *problem = g_strdup_printf("'%s' is neither yes nor no; write one of them", value);
        return FALSE;
    }
    *(gboolean *)field = yes;
    return TRUE;
}

static char *switch_describe(const MmrigIniKey *key G_GNUC_UNUSED)
{
    return g_strdup("yes or no");
}

const MmrigIniType mmrig_ini_switch = {switch_set, switch_describe, NULL};

static char *choice_describe(const MmrigIniKey *key)
{
    return g_strjoinv(" or ", (GStrv)key->words);
}

static gboolean choice_set(const MmrigIniKey *key, gpointer field, const char *value,
                           char **problem)
{
    for (guint word = 0; key->words[word]; word++) {
        if (strcmp(value, key->words[word]) == 0) {
            *(guint *)field = word;
            return TRUE;
        }
    }
    g_autofree char *right = choice_describe(key);
    *problem = g_strdup_printf("'%s' is no %s; write %s", value, key->what, right);
    return FALSE;
}

const MmrigIniType mmrig_ini_choice = {choice_set, choice_describe, NULL};
