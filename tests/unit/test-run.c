/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a machine that follows a script (fake-qemu-script.h) to the verdict on its run. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/store.h"
#include "run-fake.h"
#include "vm/backing.h"

static MmrigResult *result_of(const char *script)
{
    g_autoptr(GError) error = NULL;
    MmrigResult *result = run_it(SCENARIO, script, &(MmrigRunOptions){0}, NULL, &error);

    g_assert_no_error(error);
    return result;
}

/* --- verdicts --- */

static void test_pass(void)
{
    g_autoptr(MmrigResult) result = result_of(UP RESULT DONE "wait");

    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    g_assert_cmpuint(result->ktaps->len, ==, 1);
    g_assert_cmpstr(result->boot_id, ==, "0123456789abcdef0123456789abcdef");
    g_assert_cmpint(result->boot_us, >=, 0);
    g_assert_cmpint(result->total_us, >=, result->boot_us);
}

/* What "done" announces is waited for, even if it comes behind it. */
static void test_output_after_done(void)
{
    g_autoptr(MmrigResult) result = result_of(UP DONE RESULT "wait");

    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
}

static void test_ends(void)
{
    static const struct {
        const char *script;
        MmrigVerdict verdict;
        MmrigCause cause;
        const char *message;
    } cases[] = {
        {UP OFF("guest-shutdown"), MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST,
         "the guest powered off before the test was done, and the kernel said nothing on its "
         "console"},
        {UP "say console Restarting\\r\\n\n" OFF("guest-reset"), MMRIG_FAIL,
         MMRIG_CAUSE_CHANNEL_LOST,
         "the guest reset before the test was done, with no panic on its console"},
        {UP "say stderr no disk\\n\nexit 1", MMRIG_FAIL, MMRIG_CAUSE_QEMU_DIED,
         "QEMU ended with status 1: no disk"},
        {UP "say control fail no%20module\\n\nwait", MMRIG_BROKEN, MMRIG_CAUSE_RIG,
         "the agent could not go on: no module"},
        {UP "say control done 2 exit 0 0\\n\nwait", MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST,
         "the agent said that a test was done which it was not asked to run"},
        {UP "say control clock 1 5\\n\nwait", MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST,
         "the agent answered what nobody had asked"},
        {UP
         "say console Kernel panic - not syncing: \\033[2J\\302\\233x\\n\n" OFF("guest-reset"),
         MMRIG_FAIL, MMRIG_CAUSE_PANIC, "the guest panicked: \357\277\275[2J\357\277\275x"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(MmrigResult) result = result_of(cases[i].script);
        run_fake_check(result, cases[i].verdict, cases[i].cause, cases[i].message);
    }
}

static void test_silent_kernel(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigResult) result =
        run_it(SCENARIO, "serve", &(MmrigRunOptions){.boot_timeout = 1}, NULL, &error);

    g_assert_no_error(error);
    run_fake_check(
        result, MMRIG_FAIL, MMRIG_CAUSE_TIME_LIMIT,
        "the guest was not ready within 1 s, and the kernel said nothing on its console");
}

/* It asks and asks, and reads no answer: that is its own fault, not the rig's. */
static void test_guest_never_reads(void)
{
    g_autoptr(MmrigResult) result =
        result_of(UP "flood control 4000000 request 1 no-such-verb\\n\nwait");

    run_fake_check(result, MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST,
                   "the guest has stopped reading the control port");
}

static void test_log_cannot_be_written(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_autofree char *log = g_build_filename(folder, "console.log", NULL);
    g_autofree char *message = g_strdup_printf("cannot write %s: No space left on device", log);
    g_autoptr(GError) error = NULL;

    g_assert_no_errno(symlink("/dev/full", log));
    g_autoptr(MmrigResult) result =
        run_it(SCENARIO, UP "say console hello\\n\n" RESULT DONE "wait",
               &(MmrigRunOptions){.folder = folder}, NULL, &error);
    g_assert_no_error(error);
    run_fake_check(result, MMRIG_BROKEN, MMRIG_CAUSE_RIG, message);
    mmrig_remove_tree(folder, &error);
    g_assert_no_error(error);
}

static void test_qemu_is_not_there(void)
{
    const MmrigBootInputs inputs = {.qemu = "/no/qemu", .kernel = "/k", .initrd = "/i"};
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) scenario =
        mmrig_scenario_parse(SCENARIO, strlen(SCENARIO), "fake", "fake.ini", NULL, &error);
    g_autoptr(MmrigResult) result =
        mmrig_run(&(MmrigRunOptions){.scenario = scenario, .inputs = &inputs}, NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpint(result->verdict, ==, MMRIG_BROKEN);
    g_assert_true(g_str_has_prefix(result->message, "cannot start /no/qemu"));
}

/* What there is too much of is cut off, and that is said. */
static void test_stderr_is_bounded(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "stderr.log", NULL);
    g_autofree char *log = NULL;
    g_autoptr(GError) error = NULL;
    gsize size;
    g_autoptr(MmrigResult) result =
        run_it(SCENARIO,
               UP "flood control 3200000 stderr 1 "
                  "................................................\\n\n" RESULT DONE "wait",
               &(MmrigRunOptions){.folder = folder}, NULL, &error);

    g_assert_no_error(error);
    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    g_file_get_contents(path, &log, &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, <, 1024 * 1024 + 100);
    g_assert_true(g_str_has_suffix(log, ".\n[mmrig: the rest was cut off]\n"));
    mmrig_remove_tree(folder, &error);
    g_assert_no_error(error);
}

/* A result holds so many numbers, however many a guest sends. */
static void test_numbers_are_bounded(void)
{
    g_autoptr(MmrigResult) result =
        result_of(UP "flood control 60000 metric a 1 b\\n\n"
                     "flood control 400000 point a 1 b 2 c\\n\n" RESULT DONE "wait");

    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    g_assert_cmpuint(result->metrics->len, ==, 1000);
    g_assert_cmpuint(result->points->len, ==, 10000);
}

/* --- forks --- */

static guint open_files(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    guint count = 0;

    while (g_dir_read_name(dir))
        count++;
    return count;
}

/* A template of empty files, which no QEMU loads. */
static MmrigTemplate *template_new(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) scenario =
        mmrig_scenario_parse(SCENARIO, strlen(SCENARIO), "fake", "fake.ini", NULL, &error);
    const MmrigBootInputs inputs = {.qemu = MMRIG_TEST_FAKE_QEMU,
                                    .kernel = "/kernel",
                                    .initrd = "/initrd",
                                    .kind = MMRIG_START_FORK};
    g_autoptr(MmrigPlan) plan =
        mmrig_plan_make(mmrig_scenario_machine(scenario, 0), &inputs, &error);
    MmrigTemplate *template = g_new0(MmrigTemplate, 1);

    g_assert_no_error(error);
    template->references = 1;
    template->folder = g_strdup("/nowhere/template");
    template->nonce = g_strdup("0123456789abcdef0123456789abcdef");
    template->files = mmrig_backings_new(plan, NULL, &error);
    g_assert_no_error(error);
    return template;
}

#define MIGRATION(status)                                                                      \
    "event {\"event\": \"MIGRATION\", \"data\": {\"status\": " status "}}\n"

/*
 * A fork that does not arrive ends, and leaves nothing of its machine behind, whatever QEMU
 * told of its load before.
 */
static void test_fork_is_refused(void)
{
    static const char *const ends[] = {
        "pause 300\nexit 1",
        MIGRATION("\"setup\"") "pause 300\nexit 1",
        MIGRATION("5") "pause 300\nexit 1",
        MIGRATION("\"failed\"") "serve",
    };
    g_autoptr(MmrigTemplate) template = template_new();
    /* GLib opens some of its own the first time. */
    g_autoptr(MmrigResult) first = result_of(UP RESULT DONE "wait");
    g_assert_nonnull(first);
    guint before = open_files();

    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_autofree char *script = g_strconcat("command migrate-incoming\n", ends[i], NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(MmrigResult) result =
            run_it(SCENARIO, script, &(MmrigRunOptions){.template = template}, NULL, &error);

        g_assert_null(result);
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_TEMPLATE);
        while (g_main_context_iteration(NULL, FALSE))
            ;
        g_assert_cmpuint(open_files(), ==, before);
    }
}

/* --- several boots --- */

static void test_two_boots(void)
{
    static const char text[] = "[scenario]\nsummary = s\narea = a\n[test]\ntest = t\n"
                               "boots = first second\n";
    g_autoptr(GError) error = NULL;
    /* The number of the boot is the id of its test. */
    g_autoptr(MmrigResult) first =
        run_it(text, UP RESULT DONE "wait", &(MmrigRunOptions){0}, NULL, &error);

    g_assert_no_error(error);
    run_fake_check(first, MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST,
                   "the agent said that a test was done which it was not asked to run");
    g_assert_cmpuint(first->ktaps->len, ==, 2);
}

/* --- machines that are kept --- */

static const MmrigResult *kept;

static void on_kept(const MmrigResult *result, const char *name)
{
    g_assert_true(g_str_has_prefix(name, "test-run-"));
    kept = result;
}

/* More than a socket holds, so that most of it comes after the machine was judged. */
static void test_kept_machine_puts_out(void)
{
    g_autofree char *name = g_strdup_printf("test-run-%d", (int)getpid());
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigResult) result = run_it(
        SCENARIO,
        UP RESULT DONE "flood ktap 2000000 # more\\n\nsay control metric a 1 b\\n\nexit 0",
        &(MmrigRunOptions){.keep = TRUE, .keep_name = name, .kept = on_kept}, NULL, &error);

    g_assert_no_error(error);
    g_assert_true(kept == result);
    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    g_assert_cmpuint(result->ktaps->len, ==, 1);
}

/* --- cancelled --- */

static gboolean cancel(gpointer cancellable)
{
    g_cancellable_cancel(cancellable);
    return G_SOURCE_REMOVE;
}

static void on_stage(const MmrigScenario *scenario, MmrigStage stage, gpointer cancellable)
{
    (void)scenario;
    if (stage == MMRIG_STAGE_TESTING)
        g_idle_add(cancel, cancellable);
}

static void test_cancelled(void)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigResult) result = run_it(
        SCENARIO, UP "wait", &(MmrigRunOptions){.stage = on_stage, .stage_data = cancellable},
        cancellable, &error);

    g_assert_null(result);
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/run/pass", test_pass);
    g_test_add_func("/run/output-after-done", test_output_after_done);
    g_test_add_func("/run/ends", test_ends);
    g_test_add_func("/run/silent-kernel", test_silent_kernel);
    g_test_add_func("/run/guest-never-reads", test_guest_never_reads);
    g_test_add_func("/run/log-cannot-be-written", test_log_cannot_be_written);
    g_test_add_func("/run/qemu-is-not-there", test_qemu_is_not_there);
    g_test_add_func("/run/stderr-is-bounded", test_stderr_is_bounded);
    g_test_add_func("/run/numbers-are-bounded", test_numbers_are_bounded);
    g_test_add_func("/run/fork-is-refused", test_fork_is_refused);
    g_test_add_func("/run/two-boots", test_two_boots);
    g_test_add_func("/run/kept-machine-puts-out", test_kept_machine_puts_out);
    g_test_add_func("/run/cancelled", test_cancelled);
    return run_fake_tests();
}
