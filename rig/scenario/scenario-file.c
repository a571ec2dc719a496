/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scenarios as files in a folder, which is their registry. */
#include <string.h>

#include "base/error.h"
#include "base/input.h"
#include "base/text.h"
#include "scenario.h"

MmrigScenario *mmrig_scenario_load(const char *folder, const char *name, const char *twin,
                                   GError **error)
{
    g_autofree char *file = NULL, *path = NULL, *text = NULL;
    gsize size = 0;

    if (!mmrig_name_check(name, "scenario", error))
        return NULL;
    file = g_strconcat(name, ".ini", NULL);
    path = g_build_filename(folder, file, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_auto(GStrv) names = mmrig_scenario_names(folder, error);
        if (!names)
            return NULL;
        const char *near = mmrig_nearest((const char *const *)names, name);
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "there is no scenario '%s' in %s; %s%s%s", name, folder,
                    near ? "did you mean " : "see 'mmrig list'", near ? near : "",
                    near ? "?" : "");
        return NULL;
    }
    text = mmrig_input_read(path, "the scenario", MMRIG_SCENARIO_FILE_MAX, &size, error);
    return text ? mmrig_scenario_parse(text, size, name, path, twin, error) : NULL;
}

GStrv mmrig_scenario_names(const char *folder, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &cause);
    const char *entry;

    if (!dir) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "%s: no folder of scenarios: %s",
                    folder, cause->message);
        return NULL;
    }
    while ((entry = g_dir_read_name(dir))) {
        if (entry[0] == '.' || !g_str_has_suffix(entry, ".ini"))
            continue;
        g_autofree char *name = g_strndup(entry, strlen(entry) - strlen(".ini"));
        if (!mmrig_name_check(name, "scenario", error)) {
            g_prefix_error(error, "%s: ", folder);
            return NULL;
        }
        g_ptr_array_add(names, g_steal_pointer(&name));
    }
    g_ptr_array_sort(names, mmrig_text_compare);
    g_ptr_array_add(names, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}
