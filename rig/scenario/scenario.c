/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a scenario goes in four steps: the text is checked as text (bounds, encoding, nothing
 * given twice), a twin's changes are laid over the base, every key is read by the table in
 * scenario-keys.c, and last the values are checked against each other (scenario-check.c). What
 * is wrong is always said of the file, section and key where the user finds it.
 */
#include "scenario.h"

#include <string.h>

#include "base/error.h"
#include "scenario-keys.h"
#include "scenario-private.h"

static const struct {
    const char *section;
    MmrigDeviceKind kind;
} device_kinds[] = {
    {"nvdimm", MMRIG_DEVICE_NVDIMM},   {"virtio-mem", MMRIG_DEVICE_VIRTIO_MEM},
    {"balloon", MMRIG_DEVICE_BALLOON}, {"disk", MMRIG_DEVICE_DISK},
    {"cxl", MMRIG_DEVICE_CXL},         {"pack", MMRIG_DEVICE_PACK},
};

const char *mmrig_device_section(MmrigDeviceKind kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(device_kinds); i++) {
        if (device_kinds[i].kind == kind)
            return device_kinds[i].section;
    }
    g_assert_not_reached();
}

static void scenario_device_free(gpointer data)
{
    MmrigDevice *device = data;

    g_free(device->id);
    g_free(device->type);
    g_strfreev(device->properties);
    g_free(device);
}

gboolean mmrig_device_wants_store(const MmrigDevice *device)
{
    if (device->kind != MMRIG_DEVICE_PACK || g_strcmp0(device->type, "mmrig-nvdimm") != 0)
        return FALSE;
    for (char **property = device->properties; property && *property; property++) {
        if (g_str_has_prefix(*property, "store="))
            return FALSE;
    }
    return TRUE;
}

void mmrig_scenario_free(MmrigScenario *scenario)
{
    if (!scenario)
        return;
    g_free(scenario->name);
    g_free(scenario->twin);
    g_free(scenario->path);
    g_free(scenario->summary);
    g_free(scenario->area);
    g_free(scenario->cold);
    g_free(scenario->forked);
    g_free(scenario->test);
    g_strfreev(scenario->args);
    g_strfreev(scenario->boots);
    g_strfreev(scenario->requests);
    g_free(scenario->panic);
    g_free(scenario->cpu);
    g_strfreev(scenario->node_memory);
    g_free(scenario->firmware_code);
    g_free(scenario->firmware_variables);
    g_strfreev(scenario->config);
    g_strfreev(scenario->modules);
    g_free(scenario->cmdline);
    g_strfreev(scenario->manifests);
    g_ptr_array_unref(scenario->devices);
    g_free(scenario->fault.drop);
    g_free(scenario->fault.shift);
    g_free(scenario->fault.truncate);
    g_strfreev(scenario->twins);
    g_free(scenario->twin_cause);
    g_free(scenario);
}

/* "FILE: [section] key: problem"; section and key may be NULL. Returns FALSE. */
G_GNUC_PRINTF(5, 6)
static gboolean scenario_wrong(GError **error, const char *path, const char *section,
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

/* ---- The text ------------------------------------------------------------------------- */

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
                return scenario_wrong(error, path, section, NULL,
                                      "this section stands twice; write it once");
        } else if (line[0] != '#' && equals) {
            *equals = '\0';
            g_strchomp(line);
            if (!g_hash_table_add(seen, g_strdup_printf("%s\n%s", section, line)))
                return scenario_wrong(error, path, section, line, "given twice; write it once");
        }
    }
    return TRUE;
}

static GKeyFile *scenario_read_text(const char *text, gsize size, const char *path,
                                    GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *copy = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GError) cause = NULL;

    if (size > MMRIG_SCENARIO_FILE_MAX) {
        scenario_wrong(error, path, NULL, NULL, "too large for a scenario; at most %d bytes",
                       MMRIG_SCENARIO_FILE_MAX);
        return NULL;
    }
    if (!g_utf8_validate_len(text, size, NULL)) {
        scenario_wrong(error, path, NULL, NULL, "not text in UTF-8");
        return NULL;
    }
    guint line = 1;
    for (gsize i = 0; i < size; i++) {
        if (text[i] == '\n') {
            line++;
        } else if (g_ascii_iscntrl(text[i]) && text[i] != '\t') {
            scenario_wrong(error, path, NULL, NULL,
                           "line %u holds a control character; remove it", line);
            return NULL;
        }
    }
    copy = g_strndup(text, size);
    lines = g_strsplit(copy, "\n", -1);
    if (!g_key_file_load_from_data(file, copy, size, G_KEY_FILE_NONE, &cause)) {
        scenario_wrong(error, path, NULL, NULL, "%s", cause->message);
        return NULL;
    }
    if (!check_doubles(lines, path, error))
        return NULL;
    return g_steal_pointer(&file);
}

/* ---- Sections and keys ---------------------------------------------------------------- */

/* "nvdimm pmem0" is section "nvdimm" with the id "pmem0", which is NULL for "test". */
static char *split_section(const char *group, const char **id)
{
    const char *blank = strchr(group, ' ');

    *id = blank ? blank + 1 : NULL;
    return blank ? g_strndup(group, (gsize)(blank - group)) : g_strdup(group);
}

static gboolean is_device(const char *section, MmrigDeviceKind *kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(device_kinds); i++) {
        if (g_str_equal(device_kinds[i].section, section)) {
            *kind = device_kinds[i].kind;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean check_key(const char *path, const char *group, const char *section,
                          const char *key, const char *where, const char *said, GError **error)
{
    if (mmrig_scenario_key_find(section, key))
        return TRUE;
    const char *near = mmrig_scenario_key_nearest(section, key);
    return scenario_wrong(error, path, where, said, "there is no such key in [%s]%s%s%s", group,
                          near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* "SECTION.KEY" of a twin: the last dot parts them. */
static gboolean split_change(const char *change, char **group, char **key)
{
    const char *dot = strrchr(change, '.');

    if (!dot || dot == change || !dot[1])
        return FALSE;
    *group = g_strndup(change, (gsize)(dot - change));
    *key = g_strdup(dot + 1);
    return TRUE;
}

/* Every change of a twin must be of a key that there is, in a section that there is. */
static gboolean check_twin(MmrigParser *parser, const char *group, GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(parser->file, group, NULL, NULL);

    for (char **change = keys; *change; change++) {
        g_autofree char *target = NULL, *key = NULL, *section = NULL;
        const char *id;
        MmrigDeviceKind kind;

        if (mmrig_scenario_key_find("twin", *change))
            continue;
        if (!split_change(*change, &target, &key))
            return scenario_wrong(error, parser->path, group, *change,
                                  "a twin has 'cause' and changes; write SECTION.KEY = VALUE");
        section = split_section(target, &id);
        if (g_str_equal(section, "twin") || !mmrig_scenario_section_exists(section) ||
            is_device(section, &kind) != (id != NULL))
            return scenario_wrong(error, parser->path, group, *change,
                                  "there is no section [%s] to change", target);
        if (id && !g_key_file_has_group(parser->file, target))
            return scenario_wrong(error, parser->path, group, *change,
                                  "there is no device [%s] to change", target);
        if (!check_key(parser->path, target, section, key, group, *change, error))
            return FALSE;
    }
    return TRUE;
}

/* The names of sections and keys, and all that can be said without a value. */
static gboolean check_names(MmrigParser *parser, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(parser->file, NULL);
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) twins = g_ptr_array_new_with_free_func(g_free);
    MmrigDeviceKind kind;

    for (char **group = groups; *group; group++) {
        const char *id;
        g_autofree char *section = split_section(*group, &id);
        gboolean device = is_device(section, &kind), twin = g_str_equal(section, "twin");

        if (!mmrig_scenario_section_exists(section)) {
            const char *near = mmrig_scenario_section_nearest(section);
            return scenario_wrong(error, parser->path, *group, NULL, "unknown section%s%s%s",
                                  near ? "; did you mean [" : "", near ? near : "",
                                  near ? "]?" : "");
        }
        if (!device && !twin && id)
            return scenario_wrong(error, parser->path, *group, NULL,
                                  "this section takes no name; "
                                  "write [%s]",
                                  section);
        if (device && (!id || !mmrig_id_valid(id)))
            return scenario_wrong(error, parser->path, *group, NULL,
                                  "a device needs an id; write [%s ID], with ID a letter, then "
                                  "lower-case letters, digits and hyphens, at most 32 in all",
                                  section);
        if (twin && (!id || !mmrig_name_valid(id)))
            return scenario_wrong(
                error, parser->path, *group, NULL,
                "a twin needs a name; write [twin NAME], with NAME of lower-case "
                "letters, digits and hyphens");
        if (device && !g_hash_table_add(ids, (gpointer)id))
            return scenario_wrong(error, parser->path, *group, NULL,
                                  "another device has this id; each needs its own");
        if (device && g_hash_table_size(ids) > MMRIG_SCENARIO_DEVICES_MAX)
            return scenario_wrong(error, parser->path, *group, NULL,
                                  "too many devices; at most %d", MMRIG_SCENARIO_DEVICES_MAX);
        if (g_str_equal(section, "fault"))
            return scenario_wrong(
                error, parser->path, *group, NULL,
                "only a twin breaks things; write fault.KEY = VALUE in a [twin NAME]");
        if (twin) {
            if (twins->len == MMRIG_SCENARIO_TWINS_MAX)
                return scenario_wrong(error, parser->path, *group, NULL,
                                      "too many twins; at most %d", MMRIG_SCENARIO_TWINS_MAX);
            g_ptr_array_add(twins, g_strdup(id));
            continue;
        }
        g_auto(GStrv) keys = g_key_file_get_keys(parser->file, *group, NULL, NULL);
        for (char **key = keys; *key; key++) {
            if (!check_key(parser->path, *group, section, *key, *group, *key, error))
                return FALSE;
        }
    }
    for (char **group = groups; *group; group++) {
        if (g_str_has_prefix(*group, "twin ") && !check_twin(parser, *group, error))
            return FALSE;
    }
    g_ptr_array_add(twins, NULL);
    parser->scenario->twins = (GStrv)g_ptr_array_free(g_steal_pointer(&twins), FALSE);
    return TRUE;
}

/* Lays the changes of [twin NAME] over the base; an empty value takes the default back. */
static gboolean apply_twin(MmrigParser *parser, GError **error)
{
    MmrigScenario *scenario = parser->scenario;

    if (!g_strv_contains((const char *const *)scenario->twins, parser->twin)) {
        g_autofree char *all = g_strjoinv(", ", scenario->twins);
        return scenario_wrong(error, parser->path, NULL, NULL,
                              "there is no twin '%s'; it has %s", parser->twin,
                              *all ? all : "none");
    }
    g_autofree char *group = g_strdup_printf("twin %s", parser->twin);
    g_auto(GStrv) keys = g_key_file_get_keys(parser->file, group, NULL, NULL);
    gboolean changed = FALSE;
    for (char **change = keys; *change; change++) {
        g_autofree char *target = NULL, *key = NULL, *value = NULL;

        if (mmrig_scenario_key_find("twin", *change))
            continue;
        split_change(*change, &target, &key);
        value = g_key_file_get_value(parser->file, group, *change, NULL);
        g_key_file_set_value(parser->file, target, key, value);
        changed = TRUE;
    }
    if (!changed)
        return scenario_wrong(
            error, parser->path, group, NULL,
            "it changes nothing, so it cannot fail; write SECTION.KEY = VALUE");
    return TRUE;
}

/* ---- Values --------------------------------------------------------------------------- */

/* The place where the user wrote the value: the twin's section if that changed it. */
static void scenario_place(MmrigParser *parser, const char *group, const char *key,
                           char **where, char **said)
{
    if (parser->twin && key) {
        g_autofree char *twin = g_strdup_printf("twin %s", parser->twin);
        g_autofree char *change = g_strdup_printf("%s.%s", group, key);
        if (g_key_file_has_key(parser->file, twin, change, NULL)) {
            *where = g_steal_pointer(&twin);
            *said = g_steal_pointer(&change);
            return;
        }
    }
    *where = g_strdup(group);
    *said = g_strdup(key);
}

gboolean mmrig_parser_wrong(MmrigParser *parser, GError **error, const char *group,
                            const char *key, const char *format, ...)
{
    g_autofree char *where = NULL, *said = NULL, *problem = NULL;
    va_list values;

    va_start(values, format);
    problem = g_strdup_vprintf(format, values);
    va_end(values);
    scenario_place(parser, group, key, &where, &said);
    return scenario_wrong(error, parser->path, where, said, "%s", problem);
}

/* Reads all keys that the table has for the section into object. */
static gboolean read_section(MmrigParser *parser, const char *group, const char *section,
                             gpointer object, GError **error)
{
    for (gsize i = 0; i < mmrig_scenario_keys_count; i++) {
        const MmrigScenarioKey *key = &mmrig_scenario_keys[i];
        g_autofree char *value = NULL, *problem = NULL;

        if (!g_str_equal(key->section, section))
            continue;
        value = g_key_file_get_value(parser->file, group, key->key, NULL);
        if (value)
            g_strstrip(value);
        if (!value || !*value) {
            if (key->required)
                return mmrig_parser_wrong(parser, error, group, key->key, "missing; write %s",
                                          key->meaning);
            if (!key->fallback)
                continue;
            g_free(value);
            value = g_strdup(key->fallback);
        }
        if (!mmrig_scenario_key_set(key, object, value, &problem))
            return mmrig_parser_wrong(parser, error, group, key->key, "%s", problem);
    }
    return TRUE;
}

static gboolean read_devices(MmrigParser *parser, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(parser->file, NULL);

    for (char **group = groups; *group; group++) {
        const char *id;
        g_autofree char *section = split_section(*group, &id);
        MmrigDeviceKind kind;

        if (!is_device(section, &kind))
            continue;
        MmrigDevice *device = g_new0(MmrigDevice, 1);
        device->kind = kind;
        device->id = g_strdup(id);
        g_ptr_array_add(parser->scenario->devices, device);
        if (!read_section(parser, *group, section, device, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- The whole ------------------------------------------------------------------------ */

MmrigScenario *mmrig_scenario_parse(const char *text, gsize size, const char *name,
                                    const char *path, const char *twin, GError **error)
{
    static const char *const plain[] = {"scenario", "test",  "machine", "firmware",
                                        "kernel",   "image", "fault"};
    g_autoptr(MmrigScenario) scenario = g_new0(MmrigScenario, 1);
    g_autoptr(GKeyFile) file = NULL;

    scenario->devices = g_ptr_array_new_with_free_func(scenario_device_free);
    if (!mmrig_name_check(name, "scenario", error) ||
        (twin && !mmrig_name_check(twin, "twin", error)))
        return NULL;
    scenario->name = g_strdup(name);
    scenario->twin = g_strdup(twin);
    scenario->path = g_strdup(path);
    file = scenario_read_text(text, size, path, error);
    if (!file)
        return NULL;

    MmrigParser parser = {.file = file, .path = path, .twin = twin, .scenario = scenario};
    if (!check_names(&parser, error) || (twin && !apply_twin(&parser, error)))
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(plain); i++) {
        if (!read_section(&parser, plain[i], plain[i], scenario, error))
            return NULL;
    }
    if (twin) {
        g_autofree char *group = g_strdup_printf("twin %s", twin);
        if (!read_section(&parser, group, "twin", scenario, error))
            return NULL;
    }
    if (!read_devices(&parser, error) || !mmrig_parser_check(&parser, error))
        return NULL;
    return g_steal_pointer(&scenario);
}

void mmrig_scenario_test_words(const MmrigScenario *scenario, guint boot, GPtrArray *words)
{
    g_ptr_array_add(words, scenario->test);
    if (scenario->boots)
        g_ptr_array_add(words, scenario->boots[boot]);
    for (char **arg = scenario->args; arg && *arg; arg++)
        g_ptr_array_add(words, *arg);
    g_ptr_array_add(words, NULL);
}

/* Intel's, and of a model whose errors Linux recovers from. */
#define INTEL_CPU "max,vendor=GenuineIntel,family=6,model=143,stepping=4"

gboolean mmrig_scenario_add_device(MmrigScenario *scenario, const char *device, GError **error)
{
    g_auto(GStrv) words = g_strsplit(device, ",", -1);
    const MmrigScenarioKey *key = mmrig_scenario_key_find("pack", "properties");
    g_autofree char *properties = *words ? g_strjoinv(" ", words + 1) : NULL;
    g_autofree char *problem = NULL;
    g_autofree char *id = NULL;

    if (!*words || !mmrig_name_check(*words, "device", error)) {
        if (!*words)
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                        "a device is TYPE or TYPE,KEY=VALUE...; `mmrig devices` lists them");
        return FALSE;
    }
    if (scenario->devices->len == MMRIG_SCENARIO_DEVICES_MAX) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s has %d devices already, and no machine has more", scenario->name,
                    MMRIG_SCENARIO_DEVICES_MAX);
        return FALSE;
    }
    const char *stem = g_str_has_prefix(*words, "mmrig-") ? *words + strlen("mmrig-") : *words;
    for (guint i = 0; !id; i++) {
        g_autofree char *candidate = g_strdup_printf("%.20s%u", stem, i);
        if (!mmrig_scenario_find_device(scenario, candidate))
            id = g_steal_pointer(&candidate);
    }
    MmrigDevice *added = g_new0(MmrigDevice, 1);
    g_ptr_array_add(scenario->devices, added);
    added->kind = MMRIG_DEVICE_PACK;
    added->id = g_steal_pointer(&id);
    added->type = g_strdup(*words);
    if (words[1] && !mmrig_scenario_key_set(key, added, properties, &problem)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "device %s: %s", *words, problem);
        return FALSE;
    }
    if (!scenario->cpu &&
        (strcmp(*words, "mmrig-ras") == 0 || strcmp(*words, "mmrig-nvdimm") == 0))
        scenario->cpu = g_strdup(INTEL_CPU);
    return TRUE;
}
