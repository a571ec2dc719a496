/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the keys of a scenario take, read and checked. */
#include <errno.h>
#include <string.h>

#include "scenario-keys.h"
#include "scenario.h"
#include "verdict/result.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define TIB (G_GUINT64_CONSTANT(1) << 40)

static gboolean made_of(const char *text, gsize max, const char *first, const char *others)
{
    gsize size = strlen(text);

    return size > 0 && size <= max && strchr(first, text[0]) && strspn(text, others) == size;
}

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

gboolean mmrig_name_valid(const char *name)
{
    return made_of(name, 64, LOWER DIGITS, LOWER DIGITS "-");
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
    return made_of(id, 32, LOWER, LOWER DIGITS "-");
}

static gboolean module_valid(const char *name)
{
    return made_of(name, 64, LOWER UPPER DIGITS, LOWER UPPER DIGITS "-_");
}

/* CONFIG_X, or CONFIG_X=value. */
static gboolean option_valid(const char *option)
{
    const char *value = strchr(option, '=');
    gsize size = value ? (gsize)(value - option) : strlen(option);

    return g_str_has_prefix(option, "CONFIG_") && size > strlen("CONFIG_") && size <= 100 &&
           strspn(option, UPPER DIGITS "_") == size && (!value || value[1]);
}

/* KEY=VALUE, as QEMU's -device takes it. */
static gboolean property_valid(const char *word)
{
    const char *value = strchr(word, '=');
    gsize size = value ? (gsize)(value - word) : 0;

    return strlen(word) <= 256 && size > 0 && strspn(word, LOWER DIGITS "-_") == size &&
           value[1];
}

static gboolean word_valid(const char *word)
{
    return strlen(word) <= 256;
}

static gboolean value_printable(const char *text)
{
    for (; *text; text = g_utf8_next_char(text)) {
        if (!g_unichar_isprint(g_utf8_get_char(text)))
            return FALSE;
    }
    return TRUE;
}

static gboolean value_ascii(const char *text)
{
    for (; *text; text++) {
        if (!g_ascii_isprint(*text))
            return FALSE;
    }
    return TRUE;
}

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

static gboolean size_valid(const char *word)
{
    guint64 bytes;

    return mmrig_size_parse(word, &bytes, NULL) && bytes > 0 && bytes <= TIB &&
           bytes % (2 * MIB) == 0;
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

/* The causes by which a twin can fail; the others are no failure of a test. */
static const MmrigCause twin_causes[] = {
    MMRIG_CAUSE_ASSERTION,    MMRIG_CAUSE_ABORT,      MMRIG_CAUSE_SIGNAL,
    MMRIG_CAUSE_PANIC,        MMRIG_CAUSE_OOPS,       MMRIG_CAUSE_NO_PANIC,
    MMRIG_CAUSE_CHANNEL_LOST, MMRIG_CAUSE_TIME_LIMIT, MMRIG_CAUSE_QEMU_DIED,
};

static gboolean twin_cause_valid(const char *name)
{
    MmrigCause cause;

    if (!mmrig_cause_from_name(name, &cause))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(twin_causes); i++) {
        if (twin_causes[i] == cause)
            return TRUE;
    }
    return FALSE;
}

static char *twin_causes_text(void)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(twin_causes); i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "", mmrig_cause_name(twin_causes[i]));
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* One of two words, and what the two are; their order is that of their enumeration. */
static const struct {
    MmrigKeyType type;
    const char *words[2];
    const char *what;
} choices[] = {
    {MMRIG_KEY_EXPECT, {"pass", "panic"}, "way to end"},
    {MMRIG_KEY_FIRMWARE, {"none", "ovmf"}, "firmware"},
    {MMRIG_KEY_BOOT, {"direct", "esp"}, "way to boot"},
};
G_STATIC_ASSERT(MMRIG_EXPECT_PANIC == 1 && sizeof(MmrigExpect) == sizeof(guint));
G_STATIC_ASSERT(MMRIG_FIRMWARE_OVMF == 1 && sizeof(MmrigFirmwareKind) == sizeof(guint));
G_STATIC_ASSERT(MMRIG_BOOT_ESP == 1 && sizeof(MmrigBootFrom) == sizeof(guint));

static gsize choice_find(MmrigKeyType type)
{
    for (gsize i = 0; i < G_N_ELEMENTS(choices); i++) {
        if (choices[i].type == type)
            return i;
    }
    g_assert_not_reached();
}

static char *choice_text(MmrigKeyType type)
{
    const char *const *words = choices[choice_find(type)].words;

    return g_strdup_printf("%s or %s", words[0], words[1]);
}

static gboolean choice_set(MmrigKeyType type, gpointer field, const char *value, char **problem)
{
    gsize i = choice_find(type);

    for (guint word = 0; word < G_N_ELEMENTS(choices[i].words); word++) {
        if (g_str_equal(value, choices[i].words[word])) {
            *(guint *)field = word;
            return TRUE;
        }
    }
    *problem = g_strdup_printf("'%s' is no %s; write %s or %s", value, choices[i].what,
                               choices[i].words[0], choices[i].words[1]);
    return FALSE;
}

char *mmrig_scenario_key_values(const MmrigScenarioKey *key)
{
    switch (key->type) {
    case MMRIG_KEY_TEXT:
        return g_strdup_printf("text of at most %" G_GUINT64_FORMAT " bytes", key->max);
    case MMRIG_KEY_NAME:
        return g_strdup("a name");
    case MMRIG_KEY_WORDS:
        return g_strdup_printf("at most %" G_GUINT64_FORMAT " words", key->max);
    case MMRIG_KEY_NAMES:
        return g_strdup_printf("at most %" G_GUINT64_FORMAT " names", key->max);
    case MMRIG_KEY_MODULES:
        return g_strdup_printf("at most %" G_GUINT64_FORMAT " module names", key->max);
    case MMRIG_KEY_PROPERTIES:
        return g_strdup_printf("at most %" G_GUINT64_FORMAT " of KEY=VALUE", key->max);
    case MMRIG_KEY_OPTIONS:
        return g_strdup_printf("at most %" G_GUINT64_FORMAT " of CONFIG_X or CONFIG_X=value",
                               key->max);
    case MMRIG_KEY_NUMBER:
        return g_strdup_printf("%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, key->min,
                               key->max);
    case MMRIG_KEY_SIZE: {
        g_autofree char *min = value_size_text(key->min), *max = value_size_text(key->max);
        g_autofree char *multiple = value_size_text(key->multiple);
        return g_strdup_printf("%s to %s, a multiple of %s", min, max, multiple);
    }
    case MMRIG_KEY_SWITCH:
        return g_strdup("yes or no");
    case MMRIG_KEY_EXPECT:
    case MMRIG_KEY_FIRMWARE:
    case MMRIG_KEY_BOOT:
        return choice_text(key->type);
    case MMRIG_KEY_PATH:
        return g_strdup_printf("an absolute path of at most %" G_GUINT64_FORMAT " bytes",
                               key->max);
    case MMRIG_KEY_SIZES:
        return g_strdup_printf("at most %" G_GUINT64_FORMAT " sizes, multiples of 2M",
                               key->max);
    case MMRIG_KEY_REGEX:
        return g_strdup("a regular expression");
    case MMRIG_KEY_SHIFT:
        return g_strdup("a request and a number of bytes");
    case MMRIG_KEY_CAUSE:
        return twin_causes_text();
    }
    g_assert_not_reached();
}

static gboolean number_set(const MmrigScenarioKey *key, gpointer field, const char *value,
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

static gboolean size_set(const MmrigScenarioKey *key, gpointer field, const char *value,
                         char **problem)
{
    g_autoptr(GError) error = NULL;
    guint64 bytes;

    if (!mmrig_size_parse(value, &bytes, &error)) {
        *problem = g_strdup(error->message);
        return FALSE;
    }
    if (bytes < key->min || bytes > key->max || (key->multiple && bytes % key->multiple)) {
        g_autofree char *right = mmrig_scenario_key_values(key);
        *problem = g_strdup_printf("'%s' is out of bounds; write a size, %s", value, right);
        return FALSE;
    }
    *(guint64 *)field = bytes;
    return TRUE;
}

static void text_set(gpointer field, const char *value)
{
    g_free(*(char **)field);
    *(char **)field = g_strdup(value);
}

/* All the words of a list together; they must fit a line of the guest protocol. */
#define LIST_BYTES_MAX 1000

static gboolean list_set(const MmrigScenarioKey *key, gpointer field, const char *value,
                         gboolean (*valid)(const char *), const char *right, char **problem)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) pieces = NULL;

    if (!value_ascii(value)) {
        *problem = g_strdup("only printable ASCII can stand here");
        return FALSE;
    }
    /* A list of options is long by nature and never goes to the guest. */
    if (key->type != MMRIG_KEY_OPTIONS && strlen(value) > LIST_BYTES_MAX) {
        *problem = g_strdup_printf("too long; at most %d bytes", LIST_BYTES_MAX);
        return FALSE;
    }
    pieces = g_strsplit(value, " ", -1);
    for (char **piece = pieces; *piece; piece++) {
        if (!**piece)
            continue;
        if (!valid(*piece)) {
            *problem =
                g_strdup_printf("'%s' is not %s (they are separated by blanks)", *piece, right);
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

static gboolean shift_set(MmrigFault *fault, const char *value, char **problem)
{
    g_auto(GStrv) words = g_strsplit(value, " ", 2);
    gint64 bytes = 0;

    if (g_strv_length(words) != 2 || !mmrig_name_valid(words[0]) ||
        !g_ascii_string_to_signed(g_strstrip(words[1]), 10, -G_MAXINT64, G_MAXINT64, &bytes,
                                  NULL) ||
        bytes == 0) {
        *problem = g_strdup_printf("'%s' is not a request and a number of bytes; write for "
                                   "example 'mce-inject 4096'",
                                   value);
        return FALSE;
    }
    text_set(&fault->shift, words[0]);
    fault->shift_bytes = bytes;
    return TRUE;
}

gboolean mmrig_scenario_key_set(const MmrigScenarioKey *key, gpointer object, const char *value,
                                char **problem)
{
    gpointer field = (char *)object + key->offset;

    switch (key->type) {
    case MMRIG_KEY_TEXT:
        if (strlen(value) > key->max || !value_printable(value)) {
            *problem = g_strdup_printf("too long or not printable; write one line of at most "
                                       "%" G_GUINT64_FORMAT " bytes",
                                       key->max);
            return FALSE;
        }
        text_set(field, value);
        return TRUE;
    case MMRIG_KEY_NAME:
        if (!mmrig_name_valid(value)) {
            *problem = g_strdup_printf("'%s' is not a name; write lower-case letters, digits "
                                       "and hyphens",
                                       value);
            return FALSE;
        }
        text_set(field, value);
        return TRUE;
    case MMRIG_KEY_WORDS:
        return list_set(key, field, value, word_valid, "a word of at most 256 bytes", problem);
    case MMRIG_KEY_NAMES:
        return list_set(key, field, value, mmrig_name_valid,
                        "a name of lower-case letters, digits and hyphens", problem);
    case MMRIG_KEY_MODULES:
        return list_set(key, field, value, module_valid, "the name of a module", problem);
    case MMRIG_KEY_PROPERTIES:
        return list_set(key, field, value, property_valid, "KEY=VALUE", problem);
    case MMRIG_KEY_OPTIONS:
        return list_set(key, field, value, option_valid, "CONFIG_X or CONFIG_X=value", problem);
    case MMRIG_KEY_NUMBER:
        return number_set(key, field, value, problem);
    case MMRIG_KEY_SIZE:
        return size_set(key, field, value, problem);
    case MMRIG_KEY_SWITCH:
        if (!g_str_equal(value, "yes") && !g_str_equal(value, "no")) {
            *problem = g_strdup_printf("'%s' is neither yes nor no; write one of them", value);
            return FALSE;
        }
        *(gboolean *)field = g_str_equal(value, "yes");
        return TRUE;
    case MMRIG_KEY_EXPECT:
    case MMRIG_KEY_FIRMWARE:
    case MMRIG_KEY_BOOT:
        return choice_set(key->type, field, value, problem);
    case MMRIG_KEY_PATH:
        if (!g_path_is_absolute(value) || strlen(value) > key->max || !value_printable(value)) {
            *problem = g_strdup_printf("not an absolute path of at most %" G_GUINT64_FORMAT
                                       " printable bytes",
                                       key->max);
            return FALSE;
        }
        text_set(field, value);
        return TRUE;
    case MMRIG_KEY_SIZES:
        return list_set(key, field, value, size_valid, "a size that is a multiple of 2M",
                        problem);
    case MMRIG_KEY_REGEX: {
        g_autoptr(GError) error = NULL;
        g_autoptr(GRegex) regex = NULL;
        if (strlen(value) <= key->max)
            regex = g_regex_new(value, 0, 0, &error);
        if (!regex) {
            *problem = g_strdup_printf("not a regular expression: %s",
                                       error ? error->message : "too long");
            return FALSE;
        }
        text_set(field, value);
        return TRUE;
    }
    case MMRIG_KEY_SHIFT:
        return shift_set(&((MmrigScenario *)object)->fault, value, problem);
    case MMRIG_KEY_CAUSE:
        if (!twin_cause_valid(value)) {
            g_autofree char *right = twin_causes_text();
            *problem =
                g_strdup_printf("'%s' is not a way to fail; write one of %s", value, right);
            return FALSE;
        }
        text_set(field, value);
        return TRUE;
    }
    g_assert_not_reached();
}
