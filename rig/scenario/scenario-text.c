/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first step of reading a scenario: the text as text. */
#include <string.h>

#include "base/error.h"
#include "scenario-private.h"

gboolean mmrig_parser_complain(GError **error, const char *path, const char *section,
                               const char *key, const char *format, ...)
{
    g_autoptr(GString) text = g_string_new(path);
    va_list values;

    g_string_append(text, ": ");
    if (section)
        g_string_append_printf(text, "[%s]%s", section, key ? " " : ": ");
    if (key)
        g_string_append_printf(text, "%s: ", key);
    va_start(values, format);
    g_string_append_vprintf(text, format, values);
    va_end(values);
    g_set_error_literal(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, text->str);
    return FALSE;
}

/* GKeyFile would silently join sections and let the last of two equal keys win. */
static gboolean check_doubles(char *const *lines, const char *path, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *section = g_strdup("");

    for (; *lines; lines++) {
        g_autofree char *line = g_strstrip(g_strdup(*lines));
        char *equals = strchr(line, '=');
        if (line[0] == '[') {
            line[strcspn(line, "]")] = '\0';
            g_free(section);
            section = g_strdup(line + 1);
            if (!g_hash_table_add(seen, g_strdup(section)))
                return mmrig_parser_complain(error, path, section, NULL,
                                             "this section stands twice; write it once");
        } else if (line[0] != '#' && equals) {
            *equals = '\0';
            g_strchomp(line);
            if (!g_hash_table_add(seen, g_strdup_printf("%s\n%s", section, line)))
                return mmrig_parser_complain(error, path, section, line,
                                             "given twice; write it once");
        }
    }
    return TRUE;
}

GKeyFile *mmrig_parser_read_text(const char *text, gsize size, const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *copy = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GError) cause = NULL;

    if (size > MMRIG_SCENARIO_FILE_MAX) {
        mmrig_parser_complain(error, path, NULL, NULL,
                              "too large for a scenario; at most %d bytes",
                              MMRIG_SCENARIO_FILE_MAX);
        return NULL;
    }
    if (!g_utf8_validate_len(text, size, NULL)) {
        mmrig_parser_complain(error, path, NULL, NULL, "not text in UTF-8");
        return NULL;
    }
    guint line = 1;
    for (gsize i = 0; i < size; i++) {
        if (text[i] == '\n') {
            line++;
        } else if (g_ascii_iscntrl(text[i]) && text[i] != '\t') {
            mmrig_parser_complain(error, path, NULL, NULL,
                                  "line %u holds a control character; remove it", line);
            return NULL;
        }
    }
    copy = g_strndup(text, size);
    lines = g_strsplit(copy, "\n", -1);
    if (!g_key_file_load_from_data(file, copy, size, G_KEY_FILE_NONE, &cause)) {
        mmrig_parser_complain(error, path, NULL, NULL, "%s", cause->message);
        return NULL;
    }
    if (!check_doubles(lines, path, error))
        return NULL;
    return g_steal_pointer(&file);
}
