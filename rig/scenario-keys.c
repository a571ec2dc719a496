/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scenario-keys.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "result.h"
#include "scenario.h"

#define KIB (G_GUINT64_CONSTANT(1) << 10)
#define MIB (G_GUINT64_CONSTANT(1) << 20)
/* Linux adds and removes memory by blocks of this size (arch/x86/mm/init_64.c). */
#define BLOCK (128 * MIB)
#define TIB   (G_GUINT64_CONSTANT(1) << 40)

#define IN_SCENARIO(field) offsetof(MmrigScenario, field)
#define IN_DEVICE(field)   offsetof(MmrigDevice, field)

const MmrigScenarioKey mmrig_scenario_keys[] = {
    {"scenario", "summary", MMRIG_KEY_TEXT, IN_SCENARIO(summary), 0, 120, 0, NULL, TRUE,
     "what is tested, in one line"},
    {"scenario", "area", MMRIG_KEY_NAME, IN_SCENARIO(area), 0, 0, 0, NULL, TRUE,
     "the group it belongs to, for --area"},
    {"scenario", "timeout", MMRIG_KEY_NUMBER, IN_SCENARIO(timeout), 1, 3600, 0, "60", FALSE,
     "seconds that the test may take in one boot, not counting the boot itself"},
    {"scenario", "cold", MMRIG_KEY_TEXT, IN_SCENARIO(cold), 0, 120, 0, NULL, FALSE,
     "why the machine must be booted, not forked"},
    {"scenario", "forked", MMRIG_KEY_TEXT, IN_SCENARIO(forked), 0, 120, 0, NULL, FALSE,
     "why the machine must be forked, not booted, else the scenario is skipped"},

    {"test", "test", MMRIG_KEY_NAME, IN_SCENARIO(test), 0, 0, 0, NULL, TRUE,
     "the guest test program, without test- before it"},
    {"test", "args", MMRIG_KEY_WORDS, IN_SCENARIO(args), 0, 32, 0, NULL, FALSE,
     "its arguments"},
    {"test", "boots", MMRIG_KEY_NAMES, IN_SCENARIO(boots), 0, 8, 0, NULL, FALSE,
     "one word for each boot of the machine, given to the test as its first argument"},
    {"test", "requests", MMRIG_KEY_NAMES, IN_SCENARIO(requests), 0, 32, 0, NULL, FALSE,
     "what the test may ask of the rig"},
    {"test", "expect", MMRIG_KEY_EXPECT, IN_SCENARIO(expect), 0, 0, 0, "pass", FALSE,
     "how it should end"},
    {"test", "panic", MMRIG_KEY_REGEX, IN_SCENARIO(panic), 0, 500, 0, NULL, FALSE,
     "what the text of the expected panic must match"},

    {"machine", "cpus", MMRIG_KEY_NUMBER, IN_SCENARIO(cpus), 1, 64, 0, "1", FALSE,
     "virtual CPUs"},
    {"machine", "memory", MMRIG_KEY_SIZE, IN_SCENARIO(memory), 64 * MIB, TIB, 2 * MIB, "512M",
     FALSE, "memory of the machine, without that of its devices"},
    {"machine", "nodes", MMRIG_KEY_NUMBER, IN_SCENARIO(nodes), 0, 8, 0, "0", FALSE,
     "NUMA nodes; node 0 has all CPUs and memory; 0 is a machine without NUMA"},
    {"machine", "node-memory", MMRIG_KEY_SIZES, IN_SCENARIO(node_memory), 0, MMRIG_NODES_MAX, 0,
     NULL, FALSE, "a size for each node, together memory; without it node 0 has all"},
    {"machine", "memory-below-4g", MMRIG_KEY_SIZE, IN_SCENARIO(memory_below), 0, 3072 * MIB,
     2 * MIB, "0", FALSE, "how much of it lies below 4 GiB at most; 0 is as QEMU does it"},
    {"machine", "cpu", MMRIG_KEY_TEXT, IN_SCENARIO(cpu), 0, 250, 0, NULL, FALSE,
     "QEMU's CPU model with its properties; the default is max, with KVM host"},
    {"machine", "vmgenid", MMRIG_KEY_SWITCH, IN_SCENARIO(vmgenid), 0, 0, 0, "no", FALSE,
     "a device that tells the kernel when it was forked"},

    {"firmware", "type", MMRIG_KEY_FIRMWARE, IN_SCENARIO(firmware), 0, 0, 0, "none", FALSE,
     "what starts the kernel"},
    {"firmware", "boot", MMRIG_KEY_BOOT, IN_SCENARIO(boot_from), 0, 0, 0, "direct", FALSE,
     "where it has the kernel from: QEMU, or a boot loader on a disk"},
    {"firmware", "code", MMRIG_KEY_PATH, IN_SCENARIO(firmware_code), 0, 250, 0, NULL, FALSE,
     "its image; the default is what the host's descriptor files name"},
    {"firmware", "variables", MMRIG_KEY_PATH, IN_SCENARIO(firmware_variables), 0, 250, 0, NULL,
     FALSE, "what the machine's own variables begin as; given with code, and only then"},
    {"firmware", "keep-variables", MMRIG_KEY_SWITCH, IN_SCENARIO(keep_variables), 0, 0, 0, "no",
     FALSE, "the variables stay from one of the boots to the next"},

    {"kernel", "config", MMRIG_KEY_OPTIONS, IN_SCENARIO(config), 0, 64, 0, NULL, FALSE,
     "options that the kernel must have, else the scenario is skipped"},
    {"kernel", "modules", MMRIG_KEY_MODULES, IN_SCENARIO(modules), 0, 64, 0, NULL, FALSE,
     "modules to load before the test, where they are not built in"},
    {"kernel", "cmdline", MMRIG_KEY_TEXT, IN_SCENARIO(cmdline), 0, 1000, 0, NULL, FALSE,
     "added to the kernel's command line"},

    {"image", "manifests", MMRIG_KEY_NAMES, IN_SCENARIO(manifests), 0, 16, 0, NULL, FALSE,
     "what else goes into the image: images/NAME.manifest"},

    {"nvdimm", "size", MMRIG_KEY_SIZE, IN_DEVICE(size), 2 * MIB, TIB, 2 * MIB, NULL, TRUE,
     "persistent memory that the guest sees; the label area comes on top"},
    {"nvdimm", "label-size", MMRIG_KEY_SIZE, IN_DEVICE(label_size), 0, 16 * MIB, 128 * KIB,
     "128K", FALSE, "size of the label area; 0 is an NVDIMM without labels"},
    {"nvdimm", "node", MMRIG_KEY_NUMBER, IN_DEVICE(node), 0, 7, 0, "0", FALSE,
     "the NUMA node it belongs to"},

    {"virtio-mem", "size", MMRIG_KEY_SIZE, IN_DEVICE(size), BLOCK, TIB, BLOCK, NULL, TRUE,
     "the most it can give"},
    {"virtio-mem", "block-size", MMRIG_KEY_SIZE, IN_DEVICE(block_size), 2 * MIB, 1024 * MIB,
     2 * MIB, "2M", FALSE, "the unit it plugs and unplugs, a power of two"},
    {"virtio-mem", "requested", MMRIG_KEY_SIZE, IN_DEVICE(requested), 0, TIB, 2 * MIB, "0",
     FALSE, "what it gives at the start"},
    {"virtio-mem", "node", MMRIG_KEY_NUMBER, IN_DEVICE(node), 0, 7, 0, "0", FALSE,
     "the NUMA node it belongs to"},

    {"disk", "size", MMRIG_KEY_SIZE, IN_DEVICE(size), MIB, TIB, MIB, NULL, TRUE,
     "its size; it is empty at first"},
    {"disk", "rate", MMRIG_KEY_SIZE, IN_DEVICE(rate), 0, TIB, KIB, "0", FALSE,
     "bytes that it moves in a second; 0 is as many as it can"},

    {"cxl", "volatile", MMRIG_KEY_SIZE, IN_DEVICE(size), 0, TIB, 256 * MIB, "0", FALSE,
     "memory that is lost when the machine is switched off"},
    {"cxl", "persistent", MMRIG_KEY_SIZE, IN_DEVICE(persistent), 0, TIB, 256 * MIB, "0", FALSE,
     "memory that is kept from boot to boot"},
    {"cxl", "window", MMRIG_KEY_NUMBER, IN_DEVICE(window), 0, 15, 0, "0", FALSE,
     "the window of physical addresses it is reached by, from 0; devices of one are "
     "interleaved"},
    {"cxl", "switch", MMRIG_KEY_SWITCH, IN_DEVICE(behind), 0, 0, 0, "no", FALSE,
     "put a CXL switch before it"},

    {"pack", "type", MMRIG_KEY_NAME, IN_DEVICE(type), 0, 0, 0, NULL, TRUE,
     "a device of mmrig's device pack, by its name in QEMU"},
    {"pack", "properties", MMRIG_KEY_PROPERTIES, IN_DEVICE(properties), 0, 32, 0, NULL, FALSE,
     "its properties"},

    {"fault", "drop", MMRIG_KEY_NAME, IN_SCENARIO(fault.drop), 0, 0, 0, NULL, FALSE,
     "answer this request with ok and do nothing"},
    {"fault", "shift", MMRIG_KEY_SHIFT, IN_SCENARIO(fault.shift), 0, 0, 0, NULL, FALSE,
     "move every address in this request by so many bytes"},
    {"fault", "truncate", MMRIG_KEY_NAME, IN_SCENARIO(fault.truncate), 0, 0, 0, NULL, FALSE,
     "empty the backing file of this device between two boots"},

    {"twin", "cause", MMRIG_KEY_CAUSE, IN_SCENARIO(twin_cause), 0, 0, 0, "assertion", FALSE,
     "why the twin must fail"},
};
const gsize mmrig_scenario_keys_count = G_N_ELEMENTS(mmrig_scenario_keys);

/* A balloon has no keys of its own. */
static const char *const sections[] = {"scenario", "test",   "machine", "firmware",   "kernel",
                                       "image",    "nvdimm", "cxl",     "virtio-mem", "balloon",
                                       "disk",     "pack",   "fault",   "twin",       NULL};

const MmrigScenarioKey *mmrig_scenario_key_find(const char *section, const char *key)
{
    for (gsize i = 0; i < mmrig_scenario_keys_count; i++) {
        if (g_str_equal(mmrig_scenario_keys[i].section, section) &&
            g_str_equal(mmrig_scenario_keys[i].key, key))
            return &mmrig_scenario_keys[i];
    }
    return NULL;
}

gboolean mmrig_scenario_section_exists(const char *section)
{
    return g_strv_contains(sections, section);
}

/* Levenshtein's distance, the case of letters aside, or G_MAXUINT for words too long to be a
 * slip of the pen. */
static guint distance(const char *a, const char *b)
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
        guint far = distance(*names, name);
        /* More than a third of the letters wrong is another word, not a slip. */
        if (far < least && far <= MAX(strlen(*names), 3) / 3) {
            least = far;
            best = *names;
        }
    }
    return best;
}

const char *mmrig_scenario_key_nearest(const char *section, const char *key)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (gsize i = 0; i < mmrig_scenario_keys_count; i++) {
        if (g_str_equal(mmrig_scenario_keys[i].section, section))
            g_ptr_array_add(names, (gpointer)mmrig_scenario_keys[i].key);
    }
    g_ptr_array_add(names, NULL);
    return mmrig_nearest((const char *const *)names->pdata, key);
}

const char *mmrig_scenario_section_nearest(const char *section)
{
    return mmrig_nearest(sections, section);
}

/* ---- Values --------------------------------------------------------------------------- */

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

static gboolean printable(const char *text)
{
    for (; *text; text = g_utf8_next_char(text)) {
        if (!g_unichar_isprint(g_utf8_get_char(text)))
            return FALSE;
    }
    return TRUE;
}

static gboolean ascii(const char *text)
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
static char *size_text(guint64 bytes)
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
        g_autofree char *min = size_text(key->min), *max = size_text(key->max);
        g_autofree char *multiple = size_text(key->multiple);
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

    if (!ascii(value)) {
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
        if (strlen(value) > key->max || !printable(value)) {
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
        if (!g_path_is_absolute(value) || strlen(value) > key->max || !printable(value)) {
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
