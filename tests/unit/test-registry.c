/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nothing is made and then forgotten: every guest test has a scenario, every scenario can be
 * read and names things that exist, every command has its man page, every test file runs.
 * The build tells what it registered; the folders tell what there is.
 */
#include <glib.h>
#include <string.h>

#include "actions/actions.h"
#include "scenario/scenario.h"

static const char *const source_dir = MMRIG_REGISTRY_SOURCE;

/* The words of a registry, as the build wrote them. */
static GHashTable *words(const char *text)
{
    GHashTable *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) split = g_strsplit(text, " ", -1);

    for (char **word = split; *word; word++)
        if (**word)
            g_hash_table_add(set, g_strdup(*word));
    return set;
}

/* The X of every file FOLDER/prefixXsuffix. */
static GHashTable *files(const char *folder, const char *prefix, const char *suffix)
{
    GHashTable *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *path = g_build_filename(source_dir, folder, NULL);
    g_autoptr(GError) error = NULL;
    GDir *dir = g_dir_open(path, 0, &error);
    const char *name;

    g_assert_no_error(error);
    while ((name = g_dir_read_name(dir))) {
        gsize length = strlen(name), fixed = strlen(prefix) + strlen(suffix);

        if (length > fixed && g_str_has_prefix(name, prefix) && g_str_has_suffix(name, suffix))
            g_hash_table_add(set, g_strndup(name + strlen(prefix), length - fixed));
    }
    g_dir_close(dir);
    return set;
}

/* Fails with a line for each member of the first that is not in the second. */
static void assert_within(GHashTable *inner, GHashTable *outer, const char *what)
{
    GHashTableIter iter;
    gpointer name;

    g_assert_cmpuint(g_hash_table_size(inner), >, 0);
    g_hash_table_iter_init(&iter, inner);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!g_hash_table_contains(outer, name)) {
            g_test_message("%s: %s", (const char *)name, what);
            g_test_fail();
        }
}

/* All scenarios of a folder and their twins. */
static void load_folder(GPtrArray *scenarios, const char *name_of_folder)
{
    g_autofree char *folder = g_build_filename(source_dir, name_of_folder, NULL);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) names = mmrig_scenario_names(folder, &error);

    g_assert_no_error(error);
    g_assert_nonnull(names[0]);
    for (char **name = names; *name; name++) {
        MmrigScenario *scenario = mmrig_scenario_load(folder, *name, NULL, &error);

        g_assert_no_error(error);
        g_ptr_array_add(scenarios, scenario);
        for (char **twin = scenario->twins; twin && *twin; twin++) {
            g_ptr_array_add(scenarios, mmrig_scenario_load(folder, *name, *twin, &error));
            g_assert_no_error(error);
        }
    }
}

/* Those for users, and those by which the rig itself is tested. */
static GPtrArray *load_scenarios(void)
{
    GPtrArray *scenarios = g_ptr_array_new_with_free_func((GDestroyNotify)mmrig_scenario_free);

    load_folder(scenarios, "scenarios");
    load_folder(scenarios, "tests/scenarios");
    return scenarios;
}

static void test_guest_tests(void)
{
    g_autoptr(GHashTable) built = words(MMRIG_REGISTRY_GUEST_TESTS);
    g_autoptr(GHashTable) present = files("guest-kernel/tests", "test-", ".c");
    g_autoptr(GHashTable) named = words("");
    g_autoptr(GPtrArray) scenarios = load_scenarios();

    for (guint i = 0; i < scenarios->len; i++) {
        MmrigScenario *scenario = g_ptr_array_index(scenarios, i);
        for (guint number = 0; number < scenario->tests->len; number++)
            g_hash_table_add(named, g_strdup(mmrig_scenario_test(scenario, number)->test));
    }
    assert_within(present, built, "guest test that guest-kernel/tests/CMakeLists.txt lacks");
    assert_within(built, named, "guest test that no scenario names");
    assert_within(named, built, "guest test that a scenario names and that is not built");
}

static void test_scenarios(void)
{
    g_autoptr(GHashTable) manifests = files("images", "", ".manifest");
    g_autoptr(GPtrArray) scenarios = load_scenarios();

    for (guint i = 0; i < scenarios->len; i++) {
        MmrigScenario *scenario = g_ptr_array_index(scenarios, i);

        for (guint number = 0; number < scenario->machines->len; number++) {
            GStrv named = mmrig_scenario_machine(scenario, number)->manifests;
            for (char **name = named; name && *name; name++)
                if (!g_hash_table_contains(manifests, *name)) {
                    g_test_message("%s: no images/%s.manifest", scenario->path, *name);
                    g_test_fail();
                }
        }
    }
}

/* What a test may ask of the rig is told to users and to those who write scenarios. */
static void test_requests(void)
{
    static const char verb_is[] = ".verb = \"";
    g_autoptr(GHashTable) actions = files("rig/actions", "action-", ".c");
    g_autoptr(GHashTable) verbs = words("");
    g_autoptr(GError) error = NULL;
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, actions);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_autofree char *file =
            g_strdup_printf("%s/rig/actions/action-%s.c", source_dir, (char *)name);
        g_autofree char *text = NULL;

        g_file_get_contents(file, &text, NULL, &error);
        g_assert_no_error(error);
        for (char *at = text; (at = strstr(at, verb_is)); at++) {
            char *verb = at + strlen(verb_is);
            g_hash_table_add(verbs, g_strndup(verb, strcspn(verb, "\"")));
        }
    }
    g_hash_table_iter_init(&iter, verbs);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        static const struct {
            const char *file, *before;
        } places[] = {{"docs/man/mmrig-scenario.5", "\n.It Cm "},
                      {"docs/adding-a-scenario.md", "\n| `"}};

        g_assert_true(mmrig_action_exists(name));
        for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
            g_autofree char *file = g_build_filename(source_dir, places[i].file, NULL);
            g_autofree char *line = g_strconcat(places[i].before, name, NULL);
            g_autofree char *text = NULL;

            g_file_get_contents(file, &text, NULL, &error);
            g_assert_no_error(error);
            if (!strstr(text, line)) {
                g_test_message("%s: request that %s lacks", (const char *)name, file);
                g_test_fail();
            }
        }
    }
    g_assert_cmpuint(g_hash_table_size(verbs), >, 0);
}

/* A kind of QEMU's devices is a file and a line; a file without one is never compiled. */
static void test_device_kinds(void)
{
    g_autoptr(GHashTable) kinds = words("");
    g_autoptr(GHashTable) present = files("rig/machine", "device-", ".c");

    for (const MmrigDeviceClass *const *class = mmrig_device_classes; *class; class ++)
        g_hash_table_add(kinds, g_strdup((*class)->section.name));
    assert_within(present, kinds, "kind of device that rig/machine/device-kinds.h lacks");
    assert_within(kinds, present, "kind of device without rig/machine/device-NAME.c");
}

/* A device is five things; the build made the one, and the folders have the others. */
static void test_devices(void)
{
    g_autoptr(GHashTable) devices = words(MMRIG_REGISTRY_DEVICES_LIST);
    g_autoptr(GHashTable) headers = files("abi", "mmrig-", "-regs.h");
    g_autoptr(GHashTable) pages = files("docs/devices", "", ".md");
    GHashTableIter iter;
    gpointer name;

    if (!MMRIG_REGISTRY_HAS_DEVICES) {
        g_test_skip("built without the device pack");
        return;
    }
    assert_within(devices, headers, "device without abi/mmrig-NAME-regs.h");
    assert_within(devices, pages, "device without docs/devices/NAME.md");
    assert_within(headers, devices, "abi/mmrig-NAME-regs.h of a device that is not built");
    assert_within(pages, devices, "docs/devices page of a device that is not built");
    g_hash_table_iter_init(&iter, devices);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_autofree char *model = g_strdup_printf("%s/%s.c", (char *)name, (char *)name);
        g_autofree char *test =
            g_strdup_printf("%s/tests/%s-test.c", (char *)name, (char *)name);
        const char *const needed[] = {model, test};

        for (guint i = 0; i < G_N_ELEMENTS(needed); i++) {
            g_autofree char *path =
                g_build_filename(source_dir, "qemu-devices", needed[i], NULL);

            if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
                g_test_message("device without qemu-devices/%s", needed[i]);
                g_test_fail();
            }
        }
    }
}

/* Each .c file of a folder of the pack is named in the CMakeLists.txt that compiles it. */
static void assert_folder_compiled(const char *folder, const char *lists)
{
    g_autoptr(GHashTable) sources = files(folder, "", ".c");
    g_autoptr(GHashTable) devices = words(MMRIG_REGISTRY_DEVICES_LIST);
    g_autofree char *path = g_build_filename(source_dir, lists, "CMakeLists.txt", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    GHashTableIter iter;
    gpointer name;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_auto(GStrv) found = g_strsplit_set(text, " ()/\n;", -1);
    g_hash_table_iter_init(&iter, sources);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_autofree char *file = g_strconcat(name, ".c", NULL);

        /* As itself, as what mmrig_qtest() makes of it, or as what mmrig_device() adds. */
        if (!g_strv_contains((const char *const *)found, file) &&
            !g_strv_contains((const char *const *)found, name) &&
            !g_hash_table_contains(devices, name)) {
            g_test_message("%s/%s: not named in %s", folder, file, path);
            g_test_fail();
        }
    }
}

static void test_device_files(void)
{
    g_autofree char *path = g_build_filename(source_dir, "qemu-devices", NULL);
    g_autoptr(GError) error = NULL;
    guint folders = 0;
    const char *name;

    if (!MMRIG_REGISTRY_HAS_DEVICES) {
        g_test_skip("built without the device pack");
        return;
    }
    g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
    g_assert_no_error(error);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *folder = g_build_filename("qemu-devices", name, NULL);
        g_autofree char *tests = g_build_filename(folder, "tests", NULL);
        g_autofree char *whole = g_build_filename(source_dir, folder, NULL);
        g_autofree char *whole_tests = g_build_filename(source_dir, tests, NULL);

        if (!g_file_test(whole, G_FILE_TEST_IS_DIR))
            continue;
        folders++;
        assert_folder_compiled(folder, g_str_equal(name, "qtest") ? folder : "qemu-devices");
        if (g_file_test(whole_tests, G_FILE_TEST_IS_DIR))
            assert_folder_compiled(tests, tests);
    }
    g_assert_cmpuint(folders, >, 6);
}

static void test_commands(void)
{
    const char *argv[] = {MMRIG_REGISTRY_COMMAND, "--help", NULL};
    g_autofree char *help = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) commands = words("");
    g_autoptr(GHashTable) pages = files("docs/man", "mmrig-", ".1");
    int status;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &help, NULL, &status,
                 &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);

    g_auto(GStrv) lines = g_strsplit(help, "\n", -1);
    gboolean within = FALSE;
    for (char **line = lines; *line; line++) {
        if (within && g_str_has_prefix(*line, "  "))
            g_hash_table_add(commands, g_strndup(*line + 2, strcspn(*line + 2, " ")));
        else
            within = g_str_equal(*line, "Commands:");
    }
    assert_within(commands, pages, "command without docs/man/mmrig-NAME.1");
    assert_within(pages, commands, "man page of a command that `mmrig --help` lacks");
}

static void test_host_tests(void)
{
    g_autoptr(GHashTable) unit = words(MMRIG_REGISTRY_UNIT_TESTS);
    g_autoptr(GHashTable) fuzz = words(MMRIG_REGISTRY_FUZZ_TARGETS);
    g_autoptr(GHashTable) unit_files = files("tests/unit", "test-", ".c");
    g_autoptr(GHashTable) fuzz_files = files("tests/fuzz", "fuzz-", ".c");
    GHashTableIter iter;
    gpointer name;

    assert_within(unit_files, unit, "tests/unit file that tests/CMakeLists.txt lacks");
    assert_within(fuzz_files, fuzz, "tests/fuzz file that tests/CMakeLists.txt lacks");

    g_hash_table_iter_init(&iter, fuzz);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_autofree char *corpus = g_build_filename("tests/fuzz/corpus", name, NULL);
        g_autoptr(GHashTable) seeds = files(corpus, "", "");
        g_assert_cmpuint(g_hash_table_size(seeds), >, 0);
    }
}

/* Verdicts are made in one place, from evidence; nobody else settles a result. */
static void test_one_judge(void)
{
    g_autofree char *rig = g_build_filename(source_dir, "rig", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) rooms = g_dir_open(rig, 0, &error);
    guint judges = 0;
    const char *room;

    g_assert_no_error(error);
    while ((room = g_dir_read_name(rooms))) {
        g_autofree char *folder = g_build_filename("rig", room, NULL);
        g_autofree char *path = g_build_filename(source_dir, folder, NULL);
        if (!g_file_test(path, G_FILE_TEST_IS_DIR))
            continue;
        g_autoptr(GHashTable) sources = files(folder, "", ".c");
        GHashTableIter iter;
        gpointer name;

        g_hash_table_iter_init(&iter, sources);
        while (g_hash_table_iter_next(&iter, &name, NULL)) {
            g_autofree char *file = g_strdup_printf("%s/%s.c", path, (const char *)name);
            g_autofree char *text = NULL;

            g_file_get_contents(file, &text, NULL, &error);
            g_assert_no_error(error);
            /* The function itself stands in another room than its caller. */
            if (!strstr(text, "mmrig_result_settle(") || g_str_equal(name, "result"))
                continue;
            judges++;
            g_assert_cmpstr(room, ==, "run");
            g_assert_cmpstr(name, ==, "judge");
        }
    }
    g_assert_cmpuint(judges, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/registry/guest-tests", test_guest_tests);
    g_test_add_func("/registry/scenarios", test_scenarios);
    g_test_add_func("/registry/requests", test_requests);
    g_test_add_func("/registry/device-kinds", test_device_kinds);
    g_test_add_func("/registry/devices", test_devices);
    g_test_add_func("/registry/device-files", test_device_files);
    g_test_add_func("/registry/commands", test_commands);
    g_test_add_func("/registry/host-tests", test_host_tests);
    g_test_add_func("/registry/one-judge", test_one_judge);
    return g_test_run();
}
