/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "run-fake.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/store.h"

/* The environment is set once only, as GLib's threads may read it. */
static char *script_file, *own_folder;

int run_fake_tests(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;

    own_folder = folder;
    script_file = g_build_filename(folder, "script", NULL);
    g_setenv("MMRIG_FAKE_QEMU_SCRIPT", script_file, TRUE);
    int status = g_test_run();
    mmrig_remove_tree(folder, &error);
    g_assert_no_error(error);
    g_clear_pointer(&script_file, g_free);
    own_folder = NULL;
    return status;
}

char *run_fake_path(const char *name)
{
    char *path = g_build_filename(own_folder, name, NULL);

    (void)g_unlink(path);
    return path;
}

MmrigResult *run_it(const char *text, const char *script, const MmrigRunOptions *like,
                    GCancellable *cancellable, GError **error)
{
    g_autoptr(GError) wrong = NULL;
    g_autoptr(MmrigScenario) scenario =
        mmrig_scenario_parse(text, strlen(text), "fake", "fake.ini", NULL, &wrong);
    static const MmrigBootInputs one = {
        .qemu = MMRIG_TEST_FAKE_QEMU, .kernel = "/kernel", .initrd = "/initrd"};
    const MmrigBootInputs inputs[MMRIG_SCENARIO_MACHINES_MAX] = {one, one, one, one};
    MmrigRunOptions options = *like;

    g_assert_no_error(wrong);
    options.scenario = scenario;
    options.inputs = inputs;
    options.repeat = 1;
    g_file_set_contents(script_file, script, -1, &wrong);
    g_assert_no_error(wrong);
    return mmrig_run(&options, cancellable, error);
}

MmrigResult *run_machines(const char *text, const char *const *scripts,
                          const MmrigRunOptions *like, GCancellable *cancellable,
                          GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) wrong = NULL;

    for (guint i = 0; scripts[i]; i++) {
        char *name = g_strdup_printf("%s.%c", script_file, 'a' + (int)i);
        g_ptr_array_add(names, name);
        g_file_set_contents(name, scripts[i], -1, &wrong);
        g_assert_no_error(wrong);
    }
    MmrigResult *result = run_it(text, "exit 9", like, cancellable, error);
    for (guint i = 0; i < names->len; i++)
        g_assert_no_errno(g_unlink(g_ptr_array_index(names, i)));
    return result;
}

MmrigResult *run_pair(const char *text, const char *a, const char *b,
                      const MmrigRunOptions *like)
{
    const char *const scripts[] = {a, b, NULL};
    g_autoptr(GError) error = NULL;
    MmrigResult *result = run_machines(text, scripts, like, NULL, &error);

    g_assert_no_error(error);
    return result;
}

void run_fake_check(const MmrigResult *result, MmrigVerdict verdict, MmrigCause cause,
                    const char *message)
{
    g_assert_cmpstr(result->message, ==, message);
    g_assert_cmpstr(mmrig_verdict_name(result->verdict), ==, mmrig_verdict_name(verdict));
    g_assert_cmpstr(mmrig_cause_name(result->cause), ==, mmrig_cause_name(cause));
}
