/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and sizes. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "ini-private.h"

gboolean mmrig_size_parse(const char *text, guint64 *bytes, GError **error)
{
    static const char suffixes[] = "KMGT";
    guint shift = 0;
    char *end = NULL;

    errno = 0;
    guint64 number = g_ascii_strtoull(text, &end, 10);
    gboolean good = g_ascii_isdigit(text[0]) && errno == 0;
    if (good && *end) {
        const char *suffix = strchr(suffixes, *end);
        good = suffix && end[1] == '\0';
        if (good)
            shift = 10 * (guint)(suffix - suffixes + 1);
    }
    if (!good || number > ((guint64)G_MAXINT64 >> shift)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "'%s' is not a size; write bytes, or a number with K, M, G or T", text);
        return FALSE;
    }
    *bytes = number << shift;
    return TRUE;
}

/* 134217728 as "128M". */
static char *value_size_text(guint64 bytes)
{
    const char *suffix = "TGMK";

    for (guint shift = 40; shift > 0; shift -= 10, suffix++) {
        if (bytes && bytes % (G_GUINT64_CONSTANT(1) << shift) == 0)
            return g_strdup_printf("%" G_GUINT64_FORMAT "%c", bytes >> shift, *suffix);
    }
    return g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
}

char *mmrig_ini_size_bounds(const MmrigIniKey *key)
{
    g_autofree char *min = value_size_text(key->min), *max = value_size_text(key->max);
    g_autofree char *multiple = value_size_text(MAX(key->multiple, 1));

    return g_strdup_printf("%s to %s, a multiple of %s", min, max, multiple);
}

gboolean mmrig_ini_size_fits(const MmrigIniKey *key, guint64 bytes)
{
    return bytes >= key->min && bytes <= key->max &&
           (!key->multiple || bytes % key->multiple == 0);
}

static gboolean size_set(const MmrigIniKey *key, gpointer field, const char *value,
                         char **problem)
{
    g_autoptr(GError) error = NULL;
    guint64 bytes;

    if (!mmrig_size_parse(value, &bytes, &error)) {
        *problem = g_strdup(error->message);
        return FALSE;
    }
    if (!mmrig_ini_size_fits(key, bytes)) {
        g_autofree char *right = mmrig_ini_size_bounds(key);
        *problem = g_strdup_printf("'%s' is out of bounds; write a size, %s", value, right);
        return FALSE;
    }
    *(guint64 *)field = bytes;
    return TRUE;
}

const MmrigIniType mmrig_ini_size = {size_set, mmrig_ini_size_bounds, NULL};

static gboolean number_set(const MmrigIniKey *key, gpointer field, const char *value,
                           char **problem)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(value, 10, key->min, key->max, &number, NULL)) {
        *problem = g_strdup_printf("'%s' is not a number from %" G_GUINT64_FORMAT
                                   " to %" G_GUINT64_FORMAT,
                                   value, key->min, key->max);
        return FALSE;
    }
    *(guint *)field = (guint)number;
    return TRUE;
}

static char *number_describe(const MmrigIniKey *key)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, key->min, key->max);
}

const MmrigIniType mmrig_ini_number = {number_set, number_describe, NULL};
