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
    return run_fake_tests();
}
