/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/json-text.h"
#include "base/paths.h"
#include "command-private.h"
#include "scenario/scenario.h"
#include "template/template.h"

typedef struct {
    char **areas; /* or NULL */
    char *scenarios;
    gboolean twins, json;
} ListArguments;

static void clear_arguments(ListArguments *arguments)
{
    g_strfreev(arguments->areas);
    g_free(arguments->scenarios);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ListArguments, clear_arguments)

static gboolean parse_arguments(int argc, char **argv, ListArguments *arguments, GError **error)
{
    const GOptionEntry entries[] = {
        {"area", 'a', 0, G_OPTION_ARG_STRING_ARRAY, &arguments->areas,
         "List the scenarios of AREA (may be given several times)", "AREA"},
        {"twins", 0, 0, G_OPTION_ARG_NONE, &arguments->twins,
         "Also list the twins, which are broken on purpose and must fail", NULL},
        MMRIG_OPTION_SCENARIOS(&arguments->scenarios),
        {"json", 0, 0, G_OPTION_ARG_NONE, &arguments->json, "Print the list as JSON", NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(context, "Lists the scenarios and what they need.");
    return mmrig_command_options("list", context, entries, argc, argv, error);
}

/* The scenario and, if asked for, its twins after it. */
static gboolean list_load(GPtrArray *into, const char *folder, const char *name,
                          const ListArguments *arguments, GError **error)
{
    MmrigScenario *scenario = mmrig_scenario_load(folder, name, NULL, error);

    if (!scenario)
        return FALSE;
    if (arguments->areas &&
        !g_strv_contains((const char *const *)arguments->areas, scenario->area)) {
        mmrig_scenario_free(scenario);
        return TRUE;
    }
    g_ptr_array_add(into, scenario);
    for (char **twin = scenario->twins; arguments->twins && *twin; twin++) {
        MmrigScenario *broken = mmrig_scenario_load(folder, name, *twin, error);
        if (!broken)
            return FALSE;
        g_ptr_array_add(into, broken);
    }
    return TRUE;
}

static void scenario_free(gpointer data)
{
    mmrig_scenario_free(data);
}

static gboolean list_has_area(const GPtrArray *scenarios, const char *area)
{
    for (guint i = 0; i < scenarios->len; i++)
        if (g_str_equal(((const MmrigScenario *)g_ptr_array_index(scenarios, i))->area, area))
            return TRUE;
    return FALSE;
}

static GPtrArray *load_all(const ListArguments *arguments, GError **error)
{
    g_autofree char *folder = arguments->scenarios
                                  ? g_strdup(arguments->scenarios)
                                  : g_build_filename(mmrig_path_data(), "scenarios", NULL);
    g_auto(GStrv) names = mmrig_scenario_names(folder, error);
    g_autoptr(GPtrArray) scenarios = g_ptr_array_new_with_free_func(scenario_free);

    if (!names)
        return NULL;
    for (char **name = names; *name; name++) {
        if (!list_load(scenarios, folder, *name, arguments, error))
            return NULL;
    }
    for (char **area = arguments->areas; area && *area; area++) {
        if (list_has_area(scenarios, *area))
            continue;
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s has no scenario of area '%s'; 'mmrig list' shows the areas", folder,
                    *area);
        return NULL;
    }
    if (scenarios->len > 0)
        return g_steal_pointer(&scenarios);
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "%s has no scenario (a file NAME.ini)",
                folder);
    return NULL;
}

static char *list_title(const MmrigScenario *scenario)
{
    return g_strconcat(scenario->name, scenario->twin ? ":" : NULL, scenario->twin, NULL);
}

static void print_words(const char *label, GStrv words)
{
    if (!words || !*words)
        return;
    g_autofree char *text = g_strjoinv(" ", words);
    mmrig_print("    %s %s\n", label, text);
}

static void print_reason(const char *label, const char *reason)
{
    if (reason)
        mmrig_print("    %s %s\n", label, reason);
}

/* What a machine and its test need; that of several begins with its name. */
static void print_machine(const MmrigScenario *scenario, guint number)
{
    const MmrigMachineSpec *spec = mmrig_scenario_machine(scenario, number);
    const MmrigTest *test = mmrig_scenario_test(scenario, number);

    print_reason("has the machine:", spec->name);
    print_words("asks the rig for:", test->requests);
    print_words("needs in the kernel:", spec->config);
    print_words("needs in the image:", spec->manifests);
}

static void list_print_text(const GPtrArray *scenarios)
{
    gsize names = 0, areas = 0;

    for (guint i = 0; i < scenarios->len; i++) {
        const MmrigScenario *scenario = g_ptr_array_index(scenarios, i);
        g_autofree char *name = list_title(scenario);
        names = MAX(names, strlen(name));
        areas = MAX(areas, strlen(scenario->area));
    }
    for (guint i = 0; i < scenarios->len; i++) {
        const MmrigScenario *scenario = g_ptr_array_index(scenarios, i);
        g_autofree char *name = list_title(scenario);
        if (scenario->twin) {
            mmrig_print("%-*s  %-*s  must fail by %s\n", (int)names, name, (int)areas,
                        scenario->area, scenario->twin_cause);
            continue;
        }
        mmrig_print("%-*s  %-*s  %s\n", (int)names, name, (int)areas, scenario->area,
                    scenario->summary);
        for (guint number = 0; number < scenario->machines->len; number++)
            print_machine(scenario, number);
        print_reason("is booted, not forked:", mmrig_scenario_unforkable(scenario));
        print_reason("must be forked:", scenario->forked);
    }
}

static void set_words(JsonObject *object, const char *member, GStrv words)
{
    JsonArray *array = json_array_new();

    for (; words && *words; words++)
        json_array_add_string_element(array, *words);
    json_object_set_array_member(object, member, array);
}

/* What is said of a machine and its test. */
static void set_machine(JsonObject *object, const MmrigScenario *scenario, guint number)
{
    const MmrigMachineSpec *spec = mmrig_scenario_machine(scenario, number);
    const MmrigTest *test = mmrig_scenario_test(scenario, number);

    json_object_set_string_member(object, "test", test->test);
    set_words(object, "requests", test->requests);
    set_words(object, "config", spec->config);
    set_words(object, "modules", spec->modules);
    set_words(object, "manifests", spec->manifests);
}

/* All of several machines, each with its name. */
static void set_machines(JsonObject *object, const MmrigScenario *scenario)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; i < scenario->machines->len; i++) {
        JsonObject *machine = json_object_new();
        json_object_set_string_member(machine, "name",
                                      mmrig_scenario_machine(scenario, i)->name);
        set_machine(machine, scenario, i);
        json_array_add_object_element(array, machine);
    }
    json_object_set_array_member(object, "machines", array);
}

static JsonObject *list_describe(const MmrigScenario *scenario)
{
    JsonObject *object = json_object_new();
    g_autofree char *name = list_title(scenario);

    json_object_set_string_member(object, "title", name);
    json_object_set_string_member(object, "scenario", scenario->name);
    if (scenario->twin) {
        json_object_set_string_member(object, "twin", scenario->twin);
        json_object_set_string_member(object, "cause", scenario->twin_cause);
    }
    json_object_set_string_member(object, "area", scenario->area);
    json_object_set_string_member(object, "summary", scenario->summary);
    json_object_set_string_member(object, "file", scenario->path);
    set_machine(object, scenario, 0);
    if (scenario->machines->len > 1)
        set_machines(object, scenario);
    json_object_set_int_member(object, "timeout", scenario->timeout);
    mmrig_json_set_text(object, "cold", mmrig_scenario_unforkable(scenario));
    mmrig_json_set_text(object, "forked", scenario->forked);
    set_words(object, "twins", scenario->twins);
    return object;
}

static void list_print_json(const GPtrArray *scenarios)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();
    JsonArray *array = json_array_new();

    for (guint i = 0; i < scenarios->len; i++)
        json_array_add_object_element(array, list_describe(g_ptr_array_index(scenarios, i)));
    json_object_set_int_member(object, "schema", 1);
    json_object_set_array_member(object, "scenarios", array);
    json_node_take_object(node, object);
    mmrig_command_print_json(node);
}

MmrigExit mmrig_cmd_list(int argc, char **argv)
{
    g_auto(ListArguments) arguments = {0};
    g_autoptr(GError) error = NULL;

    if (!parse_arguments(argc, argv, &arguments, &error))
        return mmrig_error_report(error);
    g_autoptr(GPtrArray) scenarios = load_all(&arguments, &error);
    if (!scenarios)
        return mmrig_error_report(error);
    if (arguments.json)
        list_print_json(scenarios);
    else
        list_print_text(scenarios);
    return MMRIG_EXIT_PASS;
}
