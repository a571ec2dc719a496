/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The second step of reading a scenario: the names of sections and keys, and its twins. */
#include <string.h>

#include "base/error.h"
#include "scenario-private.h"

char *mmrig_parser_split(const char *group, const char **id)
{
    const char *blank = strchr(group, ' ');

    *id = blank ? blank + 1 : NULL;
    return blank ? g_strndup(group, (gsize)(blank - group)) : g_strdup(group);
}

/* Whether a section may have the name of a machine behind it: it is said for each of them. */
static gboolean is_per_machine(const MmrigScenarioSection *section)
{
    return section->owner == MMRIG_OWNER_MACHINE || section->owner == MMRIG_OWNER_TEST;
}

static gboolean is_machine(const MmrigParser *parser, const char *name)
{
    return g_strv_contains((const char *const *)parser->machines, name);
}

/* What could be meant by the name of a machine that there is not. */
static gboolean names_blame_machine(const MmrigParser *parser, const char *group,
                                    const char *key, const char *name, const char *section,
                                    GError **error)
{
    g_autofree char *all = g_strjoinv(", ", parser->machines);

    if (*all)
        return mmrig_parser_complain(error, parser->path, group, key,
                                     "there is no machine '%s'; write one of %s", name, all);
    return mmrig_parser_complain(
        error, parser->path, group, key,
        "there is no machine '%s', and the only one has no name; the section is [%s]", name,
        section);
}

static gboolean names_check_key(const char *path, const char *group,
                                const MmrigScenarioSection *section, const char *key,
                                const char *where, const char *said, GError **error)
{
    if (mmrig_scenario_key(section, key))
        return TRUE;
    const char *near = mmrig_ini_nearest(section->section, key);
    return mmrig_parser_complain(error, path, where, said, "there is no such key in [%s]%s%s%s",
                                 group, near ? "; did you mean " : "", near ? near : "",
                                 near ? "?" : "");
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

/* Whether there is a section that a twin can change. */
static gboolean names_check_target(MmrigParser *parser, const char *group, const char *change,
                                   const char *target, const MmrigScenarioSection *section,
                                   const char *id, GError **error)
{
    gboolean device = section && section->owner == MMRIG_OWNER_DEVICE;

    if (!section || section->owner == MMRIG_OWNER_TWIN || (device && !id) ||
        (!device && id && !is_per_machine(section)))
        return mmrig_parser_complain(error, parser->path, group, change,
                                     "there is no section [%s] to change", target);
    if (device && !g_key_file_has_group(parser->file, target))
        return mmrig_parser_complain(error, parser->path, group, change,
                                     "there is no device [%s] to change", target);
    if (!device && id && !is_machine(parser, id))
        return names_blame_machine(parser, group, change, id, section->section->name, error);
    return TRUE;
}

/* What is said for all machines counts only for those that do not say it themselves. */
static gboolean names_check_effect(MmrigParser *parser, const char *group, const char *change,
                                   const char *target, const char *key, GError **error)
{
    if (!*parser->machines || !is_per_machine(mmrig_scenario_section(target)))
        return TRUE;
    for (char **machine = parser->machines; *machine; machine++) {
        g_autofree char *own = g_strdup_printf("%s %s", target, *machine);
        if (!g_key_file_has_key(parser->file, own, key, NULL))
            return TRUE;
    }
    return mmrig_parser_complain(error, parser->path, group, change,
                                 "each machine says it itself, so this changes nothing; write "
                                 "%s %s.%s, or that of another one",
                                 target, parser->machines[0], key);
}

/* Every change of a twin must be of a key that there is, in a section that there is. */
static gboolean names_check_twin(MmrigParser *parser, const char *group, GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(parser->file, group, NULL, NULL);
    const MmrigScenarioSection *twin = mmrig_scenario_section("twin");

    for (char **change = keys; *change; change++) {
        g_autofree char *target = NULL, *key = NULL, *name = NULL;
        const char *id;

        if (mmrig_scenario_key(twin, *change))
            continue;
        if (!split_change(*change, &target, &key))
            return mmrig_parser_complain(
                error, parser->path, group, *change,
                "a twin has 'cause' and changes; write SECTION.KEY = VALUE");
        name = mmrig_parser_split(target, &id);
        const MmrigScenarioSection *section = mmrig_scenario_section(name);
        if (!names_check_target(parser, group, *change, target, section, id, error) ||
            !names_check_key(parser->path, target, section, key, group, *change, error) ||
            (!id && !names_check_effect(parser, group, *change, target, key, error)))
            return FALSE;
    }
    return TRUE;
}

/* The names behind [machine], in their order. */
static gboolean names_find_machines(MmrigParser *parser, char *const *groups, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (; *groups; groups++) {
        const char *id;
        g_autofree char *section = mmrig_parser_split(*groups, &id);
        if (strcmp(section, "machine") != 0 || !id)
            continue;
        if (!mmrig_id_valid(id))
            return mmrig_parser_complain(
                error, parser->path, *groups, NULL,
                "that is no name for a machine; write a letter, then lower-case letters, "
                "digits and hyphens, at most 32 in all");
        if (names->len == MMRIG_SCENARIO_MACHINES_MAX)
            return mmrig_parser_complain(error, parser->path, *groups, NULL,
                                         "too many machines; at most %d",
                                         MMRIG_SCENARIO_MACHINES_MAX);
        g_ptr_array_add(names, g_strdup(id));
    }
    if (names->len == 1)
        return mmrig_parser_complain(error, parser->path, NULL, NULL,
                                     "[machine %s] is the only machine; write [machine]",
                                     (const char *)g_ptr_array_index(names, 0));
    g_ptr_array_add(names, NULL);
    parser->machines = (GStrv)g_ptr_array_free(g_steal_pointer(&names), FALSE);
    return TRUE;
}

/* What is behind a section's name: an id, a twin's name, a machine's, or nothing. */
static gboolean names_check_id(MmrigParser *parser, const char *group,
                               const MmrigScenarioSection *section, const char *id,
                               GError **error)
{
    const char *name = section->section->name;

    switch (section->owner) {
    case MMRIG_OWNER_DEVICE:
        return (id && mmrig_id_valid(id)) ||
               mmrig_parser_complain(
                   error, parser->path, group, NULL,
                   "a device needs an id; write [%s ID], with ID a letter, then lower-case "
                   "letters, digits and hyphens, at most 32 in all",
                   name);
    case MMRIG_OWNER_TWIN:
        return (id && mmrig_name_valid(id)) ||
               mmrig_parser_complain(
                   error, parser->path, group, NULL,
                   "a twin needs a name; write [twin NAME], with NAME of lower-case letters, "
                   "digits and hyphens");
    case MMRIG_OWNER_MACHINE:
    case MMRIG_OWNER_TEST:
        return !id || is_machine(parser, id) ||
               names_blame_machine(parser, group, NULL, id, name, error);
    case MMRIG_OWNER_SCENARIO:
        break;
    }
    return !id || mmrig_parser_complain(error, parser->path, group, NULL,
                                        "this section takes no name; write [%s]", name);
}

/* One group that is no twin's change. */
static gboolean names_check_group(MmrigParser *parser, const char *group, GHashTable *ids,
                                  GPtrArray *twins, GError **error)
{
    const char *id;
    g_autofree char *name = mmrig_parser_split(group, &id);
    const MmrigScenarioSection *section = mmrig_scenario_section(name);

    if (!section) {
        const char *near = mmrig_scenario_section_nearest(name);
        return mmrig_parser_complain(error, parser->path, group, NULL, "unknown section%s%s%s",
                                     near ? "; did you mean [" : "", near ? near : "",
                                     near ? "]?" : "");
    }
    if (!names_check_id(parser, group, section, id, error))
        return FALSE;
    if (strcmp(name, "fault") == 0)
        return mmrig_parser_complain(
            error, parser->path, group, NULL,
            "only a twin breaks things; write fault.KEY = VALUE in a [twin NAME]");
    if (section->owner == MMRIG_OWNER_TWIN) {
        g_ptr_array_add(twins, g_strdup(id));
        return twins->len <= MMRIG_SCENARIO_TWINS_MAX ||
               mmrig_parser_complain(error, parser->path, group, NULL,
                                     "too many twins; at most %d", MMRIG_SCENARIO_TWINS_MAX);
    }
    if (section->owner == MMRIG_OWNER_DEVICE && !g_hash_table_add(ids, (gpointer)id))
        return mmrig_parser_complain(error, parser->path, group, NULL,
                                     "another device has this id; each needs its own");
    g_auto(GStrv) keys = g_key_file_get_keys(parser->file, group, NULL, NULL);
    for (char **key = keys; *key; key++)
        if (!names_check_key(parser->path, group, section, *key, group, *key, error))
            return FALSE;
    return TRUE;
}

gboolean mmrig_parser_check_names(MmrigParser *parser, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(parser->file, NULL);
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) twins = g_ptr_array_new_with_free_func(g_free);

    if (!names_find_machines(parser, groups, error))
        return FALSE;
    for (char **group = groups; *group; group++)
        if (!names_check_group(parser, *group, ids, twins, error))
            return FALSE;
    for (char **group = groups; *group; group++)
        if (g_str_has_prefix(*group, "twin ") && !names_check_twin(parser, *group, error))
            return FALSE;
    g_ptr_array_add(twins, NULL);
    parser->scenario->twins = (GStrv)g_ptr_array_free(g_steal_pointer(&twins), FALSE);
    return TRUE;
}

gboolean mmrig_parser_apply_twin(MmrigParser *parser, GError **error)
{
    MmrigScenario *scenario = parser->scenario;

    if (!g_strv_contains((const char *const *)scenario->twins, parser->twin)) {
        g_autofree char *all = g_strjoinv(", ", scenario->twins);
        return mmrig_parser_complain(error, parser->path, NULL, NULL,
                                     "there is no twin '%s'; it has %s", parser->twin,
                                     *all ? all : "none");
    }
    g_autofree char *group = g_strdup_printf("twin %s", parser->twin);
    g_auto(GStrv) keys = g_key_file_get_keys(parser->file, group, NULL, NULL);
    gboolean changed = FALSE;
    for (char **change = keys; *change; change++) {
        g_autofree char *target = NULL, *key = NULL, *value = NULL;

        if (mmrig_scenario_key(mmrig_scenario_section("twin"), *change))
            continue;
        split_change(*change, &target, &key);
        value = g_key_file_get_value(parser->file, group, *change, NULL);
        g_key_file_set_value(parser->file, target, key, value);
        changed = TRUE;
    }
    if (!changed)
        return mmrig_parser_complain(
            error, parser->path, group, NULL,
            "it changes nothing, so it cannot fail; write SECTION.KEY = VALUE");
    return TRUE;
}

char *mmrig_parser_group(const MmrigParser *parser, const char *section, const char *machine,
                         const char *key)
{
    g_autofree char *own = machine ? g_strdup_printf("%s %s", section, machine) : NULL;

    if (own && g_key_file_has_group(parser->file, own) &&
        (!key || g_key_file_has_key(parser->file, own, key, NULL)))
        return g_steal_pointer(&own);
    return g_strdup(section);
}
