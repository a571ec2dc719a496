/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a scenario goes in four steps: the text is checked as text (scenario-text.c), then
 * the names in it, and a twin's changes are laid over the base (scenario-names.c); every key is
 * read by the tables of scenario-keys.c, and last the values are checked against each other
 * (scenario-check.c). What is wrong is always said of the file, section and key where the user
 * finds it.
 */
#include "scenario.h"

#include <string.h>

#include "base/error.h"
#include "scenario-private.h"

MmrigMachineSpec *mmrig_scenario_machine(const MmrigScenario *scenario, guint number)
{
    return g_ptr_array_index(scenario->machines, number);
}

MmrigTest *mmrig_scenario_test(const MmrigScenario *scenario, guint number)
{
    return g_ptr_array_index(scenario->tests, number);
}

/* Removes all but the one of this number. */
static void scenario_keep_machine(MmrigScenario *scenario, guint number)
{
    for (guint i = scenario->machines->len; i-- > 0;) {
        if (i == number)
            continue;
        g_ptr_array_remove_index(scenario->machines, i);
        g_ptr_array_remove_index(scenario->tests, i);
    }
    g_clear_pointer(&mmrig_scenario_machine(scenario, 0)->name, g_free);
}

gboolean mmrig_scenario_choose_machine(MmrigScenario *scenario, const char *name,
                                       GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);

    if (scenario->machines->len == 1 && !name)
        return TRUE;
    for (guint i = 0; i < scenario->machines->len; i++) {
        const char *one = mmrig_scenario_machine(scenario, i)->name;
        if (name && g_strcmp0(one, name) == 0) {
            scenario_keep_machine(scenario, i);
            return TRUE;
        }
        g_string_append_printf(names, "%s%s", i ? ", " : "", one ? one : "");
    }
    if (scenario->machines->len == 1)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "--machine %s: %s has one machine, which needs no name", name,
                    scenario->name);
    else if (name)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "--machine %s: %s has no such machine; it has %s", name, scenario->name,
                    names->str);
    else
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s has several machines; say which one with --machine: %s", scenario->name,
                    names->str);
    return FALSE;
}

guint mmrig_scenario_boots(const MmrigScenario *scenario)
{
    const MmrigTest *test = mmrig_scenario_test(scenario, 0);

    return test->boots ? g_strv_length(test->boots) : 1;
}

const char *mmrig_scenario_unforkable(const MmrigScenario *scenario)
{
    if (scenario->cold)
        return scenario->cold;
    if (scenario->machines->len > 1)
        return "several machines are booted together";
    return mmrig_spec_unforkable(mmrig_scenario_machine(scenario, 0));
}

gboolean mmrig_scenario_add_pack_device(MmrigScenario *scenario, const char *device,
                                        GError **error)
{
    for (guint i = 0; i < scenario->machines->len; i++)
        if (!mmrig_spec_add_pack_device(mmrig_scenario_machine(scenario, i), device, error))
            return FALSE;
    return TRUE;
}

void mmrig_test_replace(MmrigTest *test, const char *name)
{
    mmrig_ini_clear(mmrig_scenario_section("test")->section, test);
    test->test = g_strdup(name);
    test->expect = MMRIG_EXPECT_PASS;
}

gboolean mmrig_test_may(const MmrigTest *test, const char *verb)
{
    return test->requests && g_strv_contains((const char *const *)test->requests, verb);
}

void mmrig_test_words(const MmrigTest *test, guint boot, GPtrArray *words)
{
    g_ptr_array_add(words, test->test);
    if (test->boots)
        g_ptr_array_add(words, test->boots[boot]);
    for (char **arg = test->args; arg && *arg; arg++)
        g_ptr_array_add(words, *arg);
    g_ptr_array_add(words, NULL);
}

static void scenario_spec_free(gpointer data)
{
    mmrig_spec_free(data);
}

static void scenario_test_free(gpointer data)
{
    mmrig_ini_clear(mmrig_scenario_section("test")->section, data);
    g_free(data);
}

void mmrig_scenario_free(MmrigScenario *scenario)
{
    if (!scenario)
        return;
    for (const MmrigScenarioSection *one = mmrig_scenario_sections(); one->section; one++)
        if (one->owner == MMRIG_OWNER_SCENARIO || one->owner == MMRIG_OWNER_TWIN)
            mmrig_ini_clear(one->section, scenario);
    g_free(scenario->name);
    g_free(scenario->twin);
    g_free(scenario->path);
    g_ptr_array_unref(scenario->machines);
    g_ptr_array_unref(scenario->tests);
    g_strfreev(scenario->twins);
    g_free(scenario);
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
    return mmrig_parser_complain(error, parser->path, where, said, "%s", problem);
}

/*
 * Reads all keys of the section into object: what is said for the machine (NULL: the only one,
 * or a section that is of none), else what is said for all.
 */
static gboolean scenario_read_section(MmrigParser *parser, const MmrigIniSection *section,
                                      const char *machine, gpointer object, GError **error)
{
    for (gsize i = 0; i < section->count; i++) {
        const MmrigIniKey *key = &section->keys[i];
        g_autofree char *group = mmrig_parser_group(parser, section->name, machine, key->name);
        g_autofree char *value = g_key_file_get_value(parser->file, group, key->name, NULL);
        g_autofree char *problem = NULL;

        if (value)
            g_strstrip(value);
        if (!value || !*value) {
            if (key->required)
                return mmrig_parser_wrong(parser, error, group, key->name,
                                          "missing%s%s; write %s", machine ? " for " : "",
                                          machine ? machine : "", key->meaning);
            if (!key->fallback)
                continue;
            g_free(value);
            value = g_strdup(key->fallback);
        }
        if (!mmrig_ini_set(key, object, value, &problem))
            return mmrig_parser_wrong(parser, error, group, key->name, "%s", problem);
    }
    return TRUE;
}

/* One machine with its test; name is NULL for the only one. */
static gboolean scenario_read_machine(MmrigParser *parser, const char *name, GError **error)
{
    MmrigScenario *scenario = parser->scenario;
    g_autofree char *title =
        name ? g_strdup_printf("%s.%s", scenario->name, name) : g_strdup(scenario->name);
    MmrigMachineSpec *spec = mmrig_spec_new(name, title);
    MmrigTest *test = g_new0(MmrigTest, 1);

    g_ptr_array_add(scenario->machines, spec);
    g_ptr_array_add(scenario->tests, test);
    for (const MmrigScenarioSection *one = mmrig_scenario_sections(); one->section; one++)
        if ((one->owner == MMRIG_OWNER_TEST &&
             !scenario_read_section(parser, one->section, name, test, error)) ||
            (one->owner == MMRIG_OWNER_MACHINE &&
             !scenario_read_section(parser, one->section, name, spec, error)))
            return FALSE;
    return TRUE;
}

static MmrigMachineSpec *scenario_find_machine(const MmrigParser *parser, const char *name)
{
    for (guint i = 0; i < parser->scenario->machines->len; i++) {
        MmrigMachineSpec *spec = mmrig_scenario_machine(parser->scenario, i);
        if (g_strcmp0(spec->name, name) == 0)
            return spec;
    }
    return NULL;
}

/* "no such machine", or what else is wrong with the names of a device's machines. */
static gboolean scenario_blame_owner(MmrigParser *parser, const char *group, const char *key,
                                     const char *problem, GError **error)
{
    g_autofree char *all = g_strjoinv(", ", parser->machines);

    return mmrig_parser_wrong(parser, error, group, key, "%s; write %s of %s%s", problem,
                              strcmp(key, "machine") == 0 ? "one" : "two", all,
                              strcmp(key, "machine") == 0 ? "" : ", with a blank between");
}

/* Adds the machines that the device's section names; the only one needs no name. */
static gboolean scenario_find_owners(MmrigParser *parser, const MmrigScenarioSection *section,
                                     const char *group, GPtrArray *specs, GError **error)
{
    const char *key = mmrig_scenario_owner_key(section)->name;
    gboolean joins = section->class->joins_machines;
    g_autofree char *value = g_key_file_get_value(parser->file, group, key, NULL);
    g_auto(GStrv) names = g_strsplit_set(value ? g_strstrip(value) : "", " \t", -1);

    if (!*parser->machines && joins)
        return mmrig_parser_wrong(parser, error, group, NULL,
                                  "it joins two machines, and there is one; add [machine NAME] "
                                  "sections");
    if (!*parser->machines && value && *value)
        return mmrig_parser_wrong(parser, error, group, key,
                                  "there is one machine only; remove this");
    if (!*parser->machines) {
        g_ptr_array_add(specs, mmrig_scenario_machine(parser->scenario, 0));
        return TRUE;
    }
    if (!value || !*value)
        return scenario_blame_owner(parser, group, key, "missing", error);
    for (char **name = names; *name; name++) {
        MmrigMachineSpec *spec = scenario_find_machine(parser, *name);
        if (**name && !spec)
            return scenario_blame_owner(parser, group, key, "there is no such machine", error);
        if (**name && !g_ptr_array_find(specs, spec, NULL))
            g_ptr_array_add(specs, spec);
    }
    if (specs->len != (joins ? 2 : 1))
        return scenario_blame_owner(
            parser, group, key,
            joins ? "these are not two machines" : "a device has one machine", error);
    return TRUE;
}

static gboolean scenario_read_device(MmrigParser *parser, const MmrigScenarioSection *section,
                                     const char *group, const char *id, MmrigMachineSpec *spec,
                                     GError **error)
{
    const MmrigIniSection own = {group, section->section->keys, section->section->count};

    if (spec->devices->len == MMRIG_DEVICES_MAX)
        return mmrig_parser_complain(error, parser->path, group, NULL,
                                     "too many devices; at most %d", MMRIG_DEVICES_MAX);
    MmrigDevice *device = mmrig_device_new(section->class, id);
    g_ptr_array_add(spec->devices, device);
    return scenario_read_section(parser, &own, NULL, device, error);
}

static gboolean scenario_read_devices(MmrigParser *parser, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(parser->file, NULL);

    for (char **group = groups; *group; group++) {
        const char *id;
        g_autofree char *name = mmrig_parser_split(*group, &id);
        const MmrigScenarioSection *section = mmrig_scenario_section(name);
        g_autoptr(GPtrArray) specs = g_ptr_array_new();

        if (section->owner != MMRIG_OWNER_DEVICE)
            continue;
        if (!scenario_find_owners(parser, section, *group, specs, error))
            return FALSE;
        for (guint i = 0; i < specs->len; i++)
            if (!scenario_read_device(parser, section, *group, id, g_ptr_array_index(specs, i),
                                      error))
                return FALSE;
    }
    return TRUE;
}

/* ---- The whole ------------------------------------------------------------------------ */

static gboolean scenario_read(MmrigParser *parser, GError **error)
{
    if (!mmrig_parser_check_names(parser, error) ||
        (parser->twin && !mmrig_parser_apply_twin(parser, error)))
        return FALSE;
    for (const MmrigScenarioSection *one = mmrig_scenario_sections(); one->section; one++)
        if (one->owner == MMRIG_OWNER_SCENARIO &&
            !scenario_read_section(parser, one->section, NULL, parser->scenario, error))
            return FALSE;
    if (parser->twin) {
        const MmrigIniSection *twin = mmrig_scenario_section("twin")->section;
        if (!scenario_read_section(parser, twin, parser->twin, parser->scenario, error))
            return FALSE;
    }
    if (!*parser->machines && !scenario_read_machine(parser, NULL, error))
        return FALSE;
    for (char **name = parser->machines; *name; name++)
        if (!scenario_read_machine(parser, *name, error))
            return FALSE;
    return scenario_read_devices(parser, error) && mmrig_parser_check(parser, error);
}

MmrigScenario *mmrig_scenario_parse(const char *text, gsize size, const char *name,
                                    const char *path, const char *twin, GError **error)
{
    g_autoptr(MmrigScenario) scenario = g_new0(MmrigScenario, 1);
    g_autoptr(GKeyFile) file = NULL;

    scenario->machines = g_ptr_array_new_with_free_func(scenario_spec_free);
    scenario->tests = g_ptr_array_new_with_free_func(scenario_test_free);
    if (!mmrig_name_check(name, "scenario", error) ||
        (twin && !mmrig_name_check(twin, "twin", error)))
        return NULL;
    scenario->name = g_strdup(name);
    scenario->twin = g_strdup(twin);
    scenario->path = g_strdup(path);
    file = mmrig_parser_read_text(text, size, path, error);
    if (!file)
        return NULL;

    MmrigParser parser = {.file = file, .path = path, .twin = twin, .scenario = scenario};
    gboolean whole = scenario_read(&parser, error);
    g_strfreev(parser.machines);
    return whole ? g_steal_pointer(&scenario) : NULL;
}
