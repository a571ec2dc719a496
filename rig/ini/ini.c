/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ini.h"

#include <string.h>

#include "base/error.h"
#include "ini-private.h"

const MmrigIniKey *mmrig_ini_find(const MmrigIniSection *section, const char *name)
{
    for (gsize i = 0; i < section->count; i++)
        if (strcmp(section->keys[i].name, name) == 0)
            return &section->keys[i];
    return NULL;
}

gboolean mmrig_ini_set(const MmrigIniKey *key, gpointer object, const char *value,
                       char **problem)
{
    return key->type->set(key, (char *)object + key->offset, value, problem);
}

void mmrig_ini_clear(const MmrigIniSection *section, gpointer object)
{
    for (gsize i = 0; i < section->count; i++) {
        const MmrigIniKey *key = &section->keys[i];
        if (key->type->clear)
            key->type->clear((char *)object + key->offset);
    }
}

/* Levenshtein's distance, the case of letters aside, or G_MAXUINT for words too long to be a
 * slip of the pen. */
static guint ini_distance(const char *a, const char *b)
{
    enum { LENGTH_MAX = 64 };
    guint row[LENGTH_MAX + 1];
    gsize rows = strlen(a), columns = strlen(b);

    if (rows > LENGTH_MAX || columns > LENGTH_MAX)
        return G_MAXUINT;
    for (guint j = 0; j <= columns; j++)
        row[j] = j;
    for (guint i = 1; i <= rows; i++) {
        guint diagonal = row[0];
        row[0] = i;
        for (guint j = 1; j <= columns; j++) {
            guint above = row[j];
            guint change = diagonal + (g_ascii_tolower(a[i - 1]) != g_ascii_tolower(b[j - 1]));
            row[j] = MIN(change, MIN(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[columns];
}

const char *mmrig_nearest(const char *const *names, const char *name)
{
    const char *best = NULL;
    guint least = G_MAXUINT;

    for (; *names; names++) {
        guint far = ini_distance(*names, name);
        /* If more than a third of the letters differ it is another word, not a misspelt one. */
        if (far < least && far <= MAX(strlen(*names), 3) / 3) {
            least = far;
            best = *names;
        }
    }
    return best;
}

const char *mmrig_ini_nearest(const MmrigIniSection *section, const char *name)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (gsize i = 0; i < section->count; i++)
        g_ptr_array_add(names, (gpointer)section->keys[i].name);
    g_ptr_array_add(names, NULL);
    return mmrig_nearest((const char *const *)names->pdata, name);
}

gboolean mmrig_ini_made_of(const char *text, gsize max, const char *first, const char *others)
{
    gsize size = strlen(text);

    return size > 0 && size <= max && strchr(first, text[0]) && strspn(text, others) == size;
}

gboolean mmrig_name_valid(const char *name)
{
    return mmrig_ini_made_of(name, 64, MMRIG_LOWER MMRIG_DIGITS, MMRIG_LOWER MMRIG_DIGITS "-");
}

gboolean mmrig_name_check(const char *name, const char *what, GError **error)
{
    g_autofree char *shown = NULL;

    if (mmrig_name_valid(name))
        return TRUE;
    shown = g_strescape(name, NULL);
    g_set_error(
        error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
        "'%s' cannot be the name of a %s; write lower-case letters, digits and hyphens, "
        "at most 64",
        shown, what);
    return FALSE;
}

gboolean mmrig_id_valid(const char *id)
{
    return mmrig_ini_made_of(id, 32, MMRIG_LOWER, MMRIG_LOWER MMRIG_DIGITS "-");
}
