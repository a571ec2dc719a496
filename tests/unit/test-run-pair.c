/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From several machines that follow scripts to the one verdict on their run. */
#include <string.h>

#include "base/store.h"
#include "run-fake.h"

/* Each is told what the other one says, and nothing of itself. */
static void test_pair_meets(void)
{
    g_autoptr(MmrigResult) result = run_pair(
        PAIR, UP MEET("1") "hear reply 1 ok b=2\n" RESULT DONE "wait",
        UP MEET("2") "hear reply 1 ok a=1\n" RESULT DONE "wait", &(MmrigRunOptions){0});

    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    g_assert_cmpuint(result->ktaps->len, ==, 2);
    for (guint i = 0; i < 2; i++)
        g_assert_cmpstr(((const MmrigBootKtap *)g_ptr_array_index(result->ktaps, i))->machine,
                        ==, i == 0 ? "a" : "b");
}

/* The first is not told to run before the second is ready: it would hear nothing else. */
static void test_pair_begins_together(void)
{
    g_autofree char *flag = run_fake_path("flag");
    g_autofree char *late =
        g_strdup_printf("pause 300\ntouch %s\n" UP RESULT DONE "wait", flag);
    g_autofree char *early = g_strdup_printf(UP "there %s\n" RESULT DONE "wait", flag);
    g_autoptr(MmrigResult) result = run_pair(PAIR, early, late, &(MmrigRunOptions){0});

    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
}

/* One has ended its test: the other one's request is refused, and its time goes on. */
static void test_pair_one_leaves(void)
{
    g_autoptr(MmrigResult) result = run_pair(
        PAIR,
        UP MEET("1") "hear reply 1 error machine%20b%20has%20ended%20its%20test\n" RESULT DONE
                     "wait",
        UP RESULT DONE "wait", &(MmrigRunOptions){0});

    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
}

static void test_pair_ends(void)
{
    static const struct {
        const char *a, *b;
        MmrigVerdict verdict;
        MmrigCause cause;
        const char *message;
    } cases[] = {
        {UP RESULT DONE "wait", UP NOT_OK "wait", MMRIG_FAIL, MMRIG_CAUSE_ASSERTION,
         "machine b: 1 failed: a"},
        /* The one that panicked ends the other, which is not to blame. */
        {UP "wait", UP PANIC, MMRIG_FAIL, MMRIG_CAUSE_PANIC,
         "machine b: the guest panicked: x"},
        {UP "wait", UP "exit 1", MMRIG_FAIL, MMRIG_CAUSE_QEMU_DIED,
         "machine b: QEMU ended with status 1"},
        /* One never was ready. */
        {READY "wait", "exit 1", MMRIG_FAIL, MMRIG_CAUSE_QEMU_DIED,
         "machine b: QEMU ended with status 1"},
        {UP SKIPS "wait", UP RESULT DONE "wait", MMRIG_SKIP, MMRIG_CAUSE_TEST_SKIP,
         "machine a: no a"},
        /* A skip hides no failure. */
        {UP SKIPS "wait", UP NOT_OK "wait", MMRIG_FAIL, MMRIG_CAUSE_ASSERTION,
         "machine b: 1 failed: a"},
        {UP NOT_OK "wait", UP "say control fail no%20module\\n\nwait", MMRIG_BROKEN,
         MMRIG_CAUSE_RIG, "machine b: the agent could not go on: no module"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(MmrigResult) result =
            run_pair(PAIR, cases[i].a, cases[i].b, &(MmrigRunOptions){0});
        run_fake_check(result, cases[i].verdict, cases[i].cause, cases[i].message);
    }
}

/* A machine that is to panic, and does, leaves the other one to its test. */
static void test_pair_one_is_to_panic(void)
{
    static const char text[] = PAIR "[test b]\nexpect = panic\npanic = ^x$\n";
    g_autoptr(MmrigResult) result =
        run_pair(text, UP "pause 300\n" RESULT DONE "wait", UP PANIC, &(MmrigRunOptions){0});

    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, "machine b: panicked as expected: x");
    g_autoptr(MmrigResult) worse =
        run_pair(text, UP "pause 300\n" NOT_OK "wait", UP PANIC, &(MmrigRunOptions){0});
    run_fake_check(worse, MMRIG_FAIL, MMRIG_CAUSE_ASSERTION, "machine a: 1 failed: a");
    g_autoptr(MmrigResult) none =
        run_pair(text, UP RESULT DONE "wait", UP RESULT DONE "wait", &(MmrigRunOptions){0});
    run_fake_check(none, MMRIG_FAIL, MMRIG_CAUSE_NO_PANIC,
                   "machine b: no panic came: the guest survived");
}

static void test_pair_is_linked(void)
{
    static const char text[] = PAIR "[link l]\nmachines = a b\n";
    g_autoptr(MmrigResult) result =
        run_pair(text, UP "say link from a\nfind from b\n" RESULT DONE "wait",
                 UP "say link from b\nfind from a\n" RESULT DONE "wait", &(MmrigRunOptions){0});

    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
}

/* The files of each are in a folder of its name. */
static void test_pair_has_folders(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigResult) result = run_pair(
        PAIR, UP "say console of a\\n\n" RESULT DONE "wait",
        UP "say console of b\\n\n" RESULT DONE "wait", &(MmrigRunOptions){.folder = folder});

    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    for (const char *const *name = (const char *const[]){"a", "b", NULL}; *name; name++) {
        g_autofree char *path = g_build_filename(folder, *name, "console.log", NULL);
        g_autofree char *wanted = g_strdup_printf("of %s\n", *name);
        g_autofree char *text = NULL;
        g_file_get_contents(path, &text, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(text, ==, wanted);
    }
    mmrig_remove_tree(folder, &error);
    g_assert_no_error(error);
}

/* --- which one is to blame --- */

/* Its test is done, but it is still needed: the others were not. */
static void test_pair_goes_too_early(void)
{
    g_autoptr(MmrigResult) off =
        run_pair(PAIR, UP RESULT DONE "pause 200\n" OFF("guest-shutdown"), UP "wait",
                 &(MmrigRunOptions){0});

    run_fake_check(off, MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST,
                   "machine a: the guest powered off when its test was done, but not those of "
                   "the other machines");
    g_autoptr(MmrigResult) dead =
        run_pair(PAIR, UP RESULT DONE "pause 200\nexit 1", UP "wait", &(MmrigRunOptions){0});
    run_fake_check(dead, MMRIG_FAIL, MMRIG_CAUSE_QEMU_DIED,
                   "machine a: when its test was done, but not those of the other machines, "
                   "QEMU ended with status 1");
}

/* Its agent was ready; but no test begins before the other's is. */
static void test_pair_goes_before_the_tests(void)
{
    g_autoptr(MmrigResult) result = run_pair(PAIR, READY "pause 100\n" OFF("guest-shutdown"),
                                             "serve", &(MmrigRunOptions){0});

    run_fake_check(
        result, MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST,
        "machine a: the guest powered off before the tests began, and the kernel said "
        "nothing on its console");
}

/* No time limit is left for a machine that has done its test. */
static void test_pair_time_limit(void)
{
    static const char text[] = PAIR "[test b]\nexpect = panic\npanic = ^x$\n";
    g_autoptr(MmrigResult) result =
        run_pair(text, UP RESULT DONE "wait", UP "wait", &(MmrigRunOptions){.timeout = 1});

    run_fake_check(
        result, MMRIG_FAIL, MMRIG_CAUSE_NO_PANIC,
        "machine b: no panic came; the test did not end within 1 s and the guest did "
        "not end it either");
}

/* Of two that fail it is the first one, of which the other may have suffered. */
static void test_pair_first_failure(void)
{
    g_autoptr(MmrigResult) result =
        run_pair(PAIR, UP MEET("1") "hear reply 1 error\n" NOT_OK "wait",
                 UP "say ktap KTAP version 1\\n1..1\\nnot ok 1 b\\n\n"
                    "say control done 1 exit 1 31\\n\nwait",
                 &(MmrigRunOptions){0});

    run_fake_check(result, MMRIG_FAIL, MMRIG_CAUSE_ASSERTION, "machine b: 1 failed: b");
}

/* It was waiting for the other one when its time was over. */
static void test_pair_waited(void)
{
    g_autoptr(MmrigResult) result = run_pair(
        PAIR, UP MEET("1") "pause 100\nsay control done 1 timeout 2000 0\\n\nwait",
        UP "pause 300\nsay control done 1 timeout 3000 0\\n\nwait", &(MmrigRunOptions){0});

    run_fake_check(result, MMRIG_FAIL, MMRIG_CAUSE_TIME_LIMIT,
                   "machine b: the test did not end within 3.0 s");
}

static void test_done_twice(void)
{
    g_autoptr(MmrigResult) result =
        run_pair(PAIR, UP RESULT "say control done 1 exit 1 27\\ndone 1 exit 0 27\\n\nwait",
                 UP "pause 300\n" RESULT DONE "wait", &(MmrigRunOptions){0});

    run_fake_check(
        result, MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST,
        "machine a: the agent said that a test was done which it was not asked to run");
}

/* --- started again --- */

#define RACE                                                                                   \
    "die qemu: iotlb_to_section: Assertion `section_index < d->map.sections_nb' failed.\\n\n"

/*
 * One dies of QEMU's race when the other one is ready, and has sent something already. Nothing
 * was tested, so both are booted again, as at first: nothing comes over the link.
 */
static void test_pair_boots_again(void)
{
    static const char text[] = PAIR "[link l]\nmachines = a b\n";
    g_autofree char *sent = run_fake_path("sent"), *died = run_fake_path("died");
    g_autofree char *a = g_strdup_printf("once %s say link old\n" READY "hear run\n"
                                         "say link new\n" RESULT DONE "wait",
                                         sent);
    g_autofree char *b =
        g_strdup_printf("pause 300\nonce %s " RACE UP "find new\n" RESULT DONE "wait", died);
    g_autoptr(MmrigResult) result = run_pair(text, a, b, &(MmrigRunOptions){0});

    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
}

/* --- what they say is told apart --- */

static void test_pair_metrics(void)
{
#define MEASURE "say control metric m 1 s\\npoint p 1 s 2 B\\n\n"
    g_autoptr(MmrigResult) result =
        run_pair(PAIR, UP MEASURE RESULT DONE "wait", UP MEASURE RESULT DONE "wait",
                 &(MmrigRunOptions){0});
    gboolean metrics[2] = {FALSE}, points[2] = {FALSE};

    g_assert_cmpuint(result->metrics->len, ==, 2);
    g_assert_cmpuint(result->points->len, ==, 2);
    for (guint i = 0; i < 2; i++) {
        const char *metric = ((const MmrigMetric *)g_ptr_array_index(result->metrics, i))->name;
        const char *point = ((const MmrigPoint *)g_ptr_array_index(result->points, i))->series;
        metrics[0] |= strcmp(metric, "a/m") == 0;
        metrics[1] |= strcmp(metric, "b/m") == 0;
        points[0] |= strcmp(point, "a/p") == 0;
        points[1] |= strcmp(point, "b/p") == 0;
    }
    g_assert_true(metrics[0] && metrics[1] && points[0] && points[1]);
}

/* --- meetings of several --- */

#define FOUR                                                                                   \
    "[scenario]\nsummary = s\narea = a\ntimeout = 30\n[test]\ntest = t\nrequests = meet\n"     \
    "[machine a]\n[machine b]\n[machine c]\n[machine d]\n"

static MmrigResult *run_four(const char *text, const char *a, const char *b, const char *c,
                             const char *d)
{
    const char *const scripts[] = {a, b, c, d, NULL};
    g_autoptr(GError) error = NULL;
    MmrigResult *result = run_machines(text, scripts, &(MmrigRunOptions){0}, NULL, &error);

    g_assert_no_error(error);
    return result;
}

/* Four tell each other as much as a request takes; a reply holds that of three. */
static void test_four_meet(void)
{
    g_autofree char *value = g_strnfill(250, 'v');
    g_autofree char *ask =
        g_strdup_printf(UP "say control request 1 meet name=x value=%s\\n\n", value);
    g_auto(GStrv) scripts = g_new0(char *, 5);

    for (guint i = 0; i < 4; i++) {
        g_autoptr(GString) script = g_string_new(ask);
        g_string_append(script, "hear reply 1 ok");
        for (guint other = 0; other < 4; other++)
            if (other != i)
                g_string_append_printf(script, " %c=%s", 'a' + (int)other, value);
        g_string_append(script, "\n" RESULT DONE "wait");
        scripts[i] = g_strdup(script->str);
    }
    g_autoptr(MmrigResult) result =
        run_four(FOUR, scripts[0], scripts[1], scripts[2], scripts[3]);
    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    g_assert_cmpuint(result->ktaps->len, ==, 4);
}

/* More often than requests may be under way at once: each that is answered is no more. */
static void test_pair_meets_often(void)
{
    g_autoptr(GString) script = g_string_new(UP);

    for (guint i = 1; i <= 40; i++)
        g_string_append_printf(
            script, "say control request %u meet name=x\\n\nhear reply %u ok\n", i, i);
    g_string_append(script, RESULT DONE "wait");
    g_autoptr(MmrigResult) result =
        run_pair(PAIR, script->str, script->str, &(MmrigRunOptions){0});
    run_fake_check(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
}

/* One that panicked, as it was to, comes to no meeting; nor do those that end at once. */
static void test_four_end(void)
{
    static const char text[] = FOUR "[test d]\nexpect = panic\npanic = ^x$\n";
    static const char waits[] =
        UP MEET("1") "hear reply 1 error machine%20d%20has%20ended%20its%20test\n" RESULT DONE
                     "wait";
    g_autoptr(MmrigResult) panics = run_four(text, waits, waits, waits, UP "pause 300\n" PANIC);

    run_fake_check(panics, MMRIG_PASS, MMRIG_CAUSE_NONE, "machine d: panicked as expected: x");
    g_autoptr(MmrigResult) all =
        run_four(FOUR, UP "exit 1", UP "exit 1", UP "exit 1", UP "exit 1");
    g_assert_cmpstr(mmrig_cause_name(all->cause), ==, "qemu-died");
    g_assert_cmpuint(all->ktaps->len, ==, 4);
}

/* It asks and asks, and reads no answer: it is the one to blame. */
static void test_pair_floods(void)
{
    g_autoptr(MmrigResult) result = run_pair(
        PAIR, UP "wait", UP "flood control 4000000 request 1 meet name=x value=1\\n\nwait",
        &(MmrigRunOptions){0});

    run_fake_check(result, MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST,
                   "machine b: the guest has stopped reading the control port");
}

/* --- cancelled --- */

typedef struct {
    GCancellable *cancellable;
    MmrigStage when;
    guint after_ms;
} Cancellation;

static gboolean pair_cancel(gpointer cancellable)
{
    g_cancellable_cancel(cancellable);
    return G_SOURCE_REMOVE;
}

static void pair_on_stage(const MmrigScenario *scenario, MmrigStage stage, gpointer data)
{
    const Cancellation *cancellation = data;

    (void)scenario;
    if (stage == cancellation->when)
        g_timeout_add(cancellation->after_ms, pair_cancel, cancellation->cancellable);
}

/* While they boot, while they are tested, when one is gone already, and when all are to go. */
static void test_pair_cancelled(void)
{
    static const char text[] = PAIR "[test b]\nexpect = panic\npanic = ^x$\n";
    static const struct {
        const char *a, *b;
        MmrigStage when;
        guint after_ms;
    } cases[] = {
        {"serve", "serve", MMRIG_STAGE_BOOTING, 0},
        {READY "wait", "serve", MMRIG_STAGE_BOOTING, 300},
        {UP "wait", UP MEET("1") "wait", MMRIG_STAGE_TESTING, 300},
        {UP MEET("1") "wait", UP PANIC, MMRIG_STAGE_TESTING, 300},
        {UP "exit 1", UP "wait", MMRIG_STAGE_ENDING, 0},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *const scripts[] = {cases[i].a, cases[i].b, NULL};
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        Cancellation cancellation = {cancellable, cases[i].when, cases[i].after_ms};
        const MmrigRunOptions options = {.stage = pair_on_stage, .stage_data = &cancellation};
        g_autoptr(GError) error = NULL;
        g_autoptr(MmrigResult) result =
            run_machines(text, scripts, &options, cancellable, &error);

        g_assert_null(result);
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/run/pair/meets", test_pair_meets);
    g_test_add_func("/run/pair/begins-together", test_pair_begins_together);
    g_test_add_func("/run/pair/one-leaves", test_pair_one_leaves);
    g_test_add_func("/run/pair/ends", test_pair_ends);
    g_test_add_func("/run/pair/one-is-to-panic", test_pair_one_is_to_panic);
    g_test_add_func("/run/pair/is-linked", test_pair_is_linked);
    g_test_add_func("/run/pair/has-folders", test_pair_has_folders);
    g_test_add_func("/run/pair/goes-too-early", test_pair_goes_too_early);
    g_test_add_func("/run/pair/goes-before-the-tests", test_pair_goes_before_the_tests);
    g_test_add_func("/run/pair/time-limit", test_pair_time_limit);
    g_test_add_func("/run/pair/first-failure", test_pair_first_failure);
    g_test_add_func("/run/pair/waited", test_pair_waited);
    g_test_add_func("/run/pair/done-twice", test_done_twice);
    g_test_add_func("/run/pair/boots-again", test_pair_boots_again);
    g_test_add_func("/run/pair/metrics", test_pair_metrics);
    g_test_add_func("/run/pair/four-meet", test_four_meet);
    g_test_add_func("/run/pair/meets-often", test_pair_meets_often);
    g_test_add_func("/run/pair/four-end", test_four_end);
    g_test_add_func("/run/pair/floods", test_pair_floods);
    g_test_add_func("/run/pair/cancelled", test_pair_cancelled);
    return run_fake_tests();
}
