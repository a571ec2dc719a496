/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of words that are separated by blanks. */
#include <string.h>

#include "ini-private.h"

/* All the words of a list together; they must fit a line of the guest protocol. */
#define LIST_BYTES_MAX 1000
/* Bytes in a word that goes to the guest, and in one that goes to QEMU or is only compared. */
#define GUEST_WORD_MAX 256
#define HOST_WORD_MAX  1024

static gboolean module_valid(const char *name)
{
    return mmrig_ini_made_of(name, 64, MMRIG_LOWER MMRIG_UPPER MMRIG_DIGITS,
                             MMRIG_LOWER MMRIG_UPPER MMRIG_DIGITS "-_");
}

/* CONFIG_X, or CONFIG_X=value. */
static gboolean option_valid(const char *option)
{
    const char *value = strchr(option, '=');
    gsize size = value ? (gsize)(value - option) : strlen(option);

    return g_str_has_prefix(option, "CONFIG_") && size > strlen("CONFIG_") && size <= 100 &&
           strspn(option, MMRIG_UPPER MMRIG_DIGITS "_") == size && (!value || value[1]);
}

/* KEY=VALUE, as QEMU's -device takes it. */
static gboolean property_valid(const char *word)
{
    const char *value = strchr(word, '=');
    gsize size = value ? (gsize)(value - word) : 0;

    return size > 0 && strspn(word, MMRIG_LOWER MMRIG_DIGITS "-_") == size && value[1];
}

static gboolean word_valid(const char *word)
{
    return *word != '\0';
}

static gboolean value_ascii(const char *text)
{
    for (; *text; text++) {
        if (!g_ascii_isprint(*text))
            return FALSE;
    }
    return TRUE;
}

/* What may stand in a list. */
typedef struct {
    gboolean (*valid)(const char *word);
    const char *right; /* what a word must be */
    gsize word_max;    /* bytes in a word */
    gsize bytes;       /* in all; 0: no bound but the file's */
} ListKind;

static gboolean list_set(const MmrigIniKey *key, gpointer field, const char *value,
                         const ListKind *kind, char **problem)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) pieces = NULL;

    if (!value_ascii(value)) {
        *problem = g_strdup("only printable ASCII can stand here");
        return FALSE;
    }
    if (kind->bytes && strlen(value) > kind->bytes) {
        *problem = g_strdup_printf("too long; at most %" G_GSIZE_FORMAT " bytes", kind->bytes);
        return FALSE;
    }
    pieces = g_strsplit(value, " ", -1);
    for (char **piece = pieces; *piece; piece++) {
        if (!**piece)
            continue;
        if (strlen(*piece) > kind->word_max) {
            *problem = g_strdup_printf("'%.20s...' has %" G_GSIZE_FORMAT
                                       " bytes, and a word has at most %" G_GSIZE_FORMAT,
                                       *piece, strlen(*piece), kind->word_max);
            return FALSE;
        }
        if (!kind->valid(*piece)) {
            *problem = g_strdup_printf("'%s' is not %s (they are separated by blanks)", *piece,
                                       kind->right);
            return FALSE;
        }
        g_ptr_array_add(words, g_strdup(*piece));
    }
    if (words->len > key->max) {
        *problem = g_strdup_printf("%u are too many; at most %" G_GUINT64_FORMAT, words->len,
                                   key->max);
        return FALSE;
    }
    g_ptr_array_add(words, NULL);
    g_strfreev(*(GStrv *)field);
    *(GStrv *)field = (GStrv)g_ptr_array_free(g_steal_pointer(&words), FALSE);
    return TRUE;
}

static void list_clear(gpointer field)
{
    g_clear_pointer((GStrv *)field, g_strfreev);
}

#define LIST_TYPE(name, valid_word, right_word, word_max, bytes_max, noun)                     \
    static gboolean name##_set(const MmrigIniKey *key, gpointer field, const char *value,      \
                               char **problem)                                                 \
    {                                                                                          \
        static const ListKind kind = {valid_word, right_word, word_max, bytes_max};            \
        return list_set(key, field, value, &kind, problem);                                    \
    }                                                                                          \
    static char *name##_describe(const MmrigIniKey *key)                                       \
    {                                                                                          \
        return g_strdup_printf("at most %" G_GUINT64_FORMAT " " noun, key->max);               \
    }                                                                                          \
    const MmrigIniType mmrig_ini_##name = {name##_set, name##_describe, list_clear}

LIST_TYPE(words, word_valid, "a word", GUEST_WORD_MAX, LIST_BYTES_MAX, "words");
LIST_TYPE(names, mmrig_name_valid, "a name of lower-case letters, digits and hyphens",
          GUEST_WORD_MAX, LIST_BYTES_MAX, "names");
LIST_TYPE(modules, module_valid, "the name of a module", GUEST_WORD_MAX, LIST_BYTES_MAX,
          "module names");
/* These two never go to the guest, and are long by nature. */
LIST_TYPE(properties, property_valid, "KEY=VALUE", HOST_WORD_MAX, 0, "of KEY=VALUE");
LIST_TYPE(options, option_valid, "CONFIG_X or CONFIG_X=value", HOST_WORD_MAX, 0,
          "of CONFIG_X or CONFIG_X=value");

/* Each a size within the key's bounds; max counts the bytes of one, and words are few. */
static gboolean sizes_set(const MmrigIniKey *key, gpointer field, const char *value,
                          char **problem)
{
    static const ListKind kind = {word_valid, "a size", GUEST_WORD_MAX, LIST_BYTES_MAX};
    MmrigIniKey words = *key;
    g_auto(GStrv) sizes = NULL;

    words.max = G_MAXUINT;
    if (!list_set(&words, &sizes, value, &kind, problem))
        return FALSE;
    for (char **size = sizes; *size; size++) {
        guint64 bytes;
        if (!mmrig_size_parse(*size, &bytes, NULL) || !mmrig_ini_size_fits(key, bytes)) {
            g_autofree char *right = mmrig_ini_size_bounds(key);
            *problem = g_strdup_printf("'%s' is not a size that can stand here; write %s",
                                       *size, right);
            return FALSE;
        }
    }
    g_strfreev(*(GStrv *)field);
    *(GStrv *)field = g_steal_pointer(&sizes);
    return TRUE;
}

static char *sizes_describe(const MmrigIniKey *key)
{
    g_autofree char *bounds = mmrig_ini_size_bounds(key);

    return g_strdup_printf("sizes, each %s", bounds);
}

const MmrigIniType mmrig_ini_sizes = {sizes_set, sizes_describe, list_clear};
