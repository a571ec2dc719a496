/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One machine under way, with a QEMU that follows a script (fake-qemu-script.h). */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/store.h"
#include "vm/instance.h"

#define READY "say control ready 1 0123456789abcdef0123456789abcdef 6.12.0\\n\n"
#define UP    "command qmp_capabilities\n" READY

/* What was told, in the order of its coming. */
typedef struct {
    MmrigInstance *instance;
    GString *told;
    gboolean connected, ready, ended;
    MmrigInstanceEvidence at_end; /* as it stood when the end was told */
} Seen;

static void see(Seen *seen, const char *what)
{
    g_string_append_printf(seen->told, "%s%s", seen->told->len ? " " : "", what);
}

static void on_connected(MmrigInstance *instance, gpointer data)
{
    Seen *seen = data;

    (void)instance;
    seen->connected = TRUE;
    see(seen, "connected");
}

static void on_ready(MmrigInstance *instance, const char *boot_id, gpointer data)
{
    Seen *seen = data;

    (void)instance;
    g_assert_cmpuint(strlen(boot_id), ==, MMRIG_BOOT_ID_DIGITS);
    seen->ready = TRUE;
    see(seen, "ready");
}

static void on_message(MmrigInstance *instance, const MmrigGuestMessage *message, gpointer data)
{
    (void)instance;
    see(data, message->kind == MMRIG_GUEST_DONE ? "done" : "message");
}

static void on_output(MmrigInstance *instance, const char *bytes, gsize size, gpointer data)
{
    g_assert_cmpuint(mmrig_instance_output_total(instance), >=, size);
    (void)bytes;
    see(data, "output");
}

static void on_ended(MmrigInstance *instance, gpointer data)
{
    Seen *seen = data;

    g_assert_cmpint(mmrig_instance_pid(instance), ==, 0);
    g_assert_true(g_cancellable_is_cancelled(mmrig_instance_over(instance)));
    seen->ended = TRUE;
    seen->at_end = *mmrig_instance_evidence(instance);
    see(seen, "ended");
}

static const MmrigInstanceCalls calls = {on_connected, on_ready, on_message,
                                         on_output,    NULL,     on_ended};

/* The environment is set once only, as GLib's threads may read it. */
static char *script_file;

static Seen *start_as(const char *script, const MmrigInstanceOptions *like)
{
    static char *argv[] = {(char *)MMRIG_TEST_FAKE_QEMU, NULL};
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autoptr(GArray) backings = g_array_new(FALSE, FALSE, sizeof(int));
    MmrigPlan plan = {.argv = argv, .backings = none};
    MmrigInstanceOptions options = *like;
    g_autoptr(GError) error = NULL;
    Seen *seen = g_new0(Seen, 1);

    options.plan = &plan;
    options.backings = backings;
    g_file_set_contents(script_file, script, -1, &error);
    g_assert_no_error(error);
    seen->told = g_string_new(NULL);
    seen->instance = mmrig_instance_start(&options, &calls, seen, &error);
    g_assert_no_error(error);
    return seen;
}

static Seen *start(const char *script)
{
    return start_as(script, &(MmrigInstanceOptions){.kind = MMRIG_START_COLD});
}

static void wait_for(const gboolean *what)
{
    while (!*what)
        g_main_context_iteration(NULL, TRUE);
}

static const MmrigInstanceEvidence *end_of(Seen *seen)
{
    wait_for(&seen->ended);
    return &seen->at_end;
}

static void seen_free(Seen *seen)
{
    mmrig_instance_free(seen->instance);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_string_free(seen->told, TRUE);
    g_free(seen);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Seen, seen_free)

/* --- the course of things --- */

static void test_ready_and_ended(void)
{
    g_autoptr(Seen) seen = start(UP "wait");

    wait_for(&seen->ready);
    g_assert_cmpint(mmrig_instance_pid(seen->instance), >, 0);
    mmrig_instance_end(seen->instance);
    g_assert_true(mmrig_instance_is_ending(seen->instance));
    const MmrigInstanceEvidence *evidence = end_of(seen);
    g_assert_cmpstr(seen->told->str, ==, "connected ready ended");
    g_assert_cmpstr(evidence->end, ==, "the rig ended QEMU");
    g_assert_true(evidence->agent_ready);
    g_assert_true(evidence->silent);
    g_assert_null(evidence->time_limit);
}

/* An agent that is quicker than QMP is not told of before QEMU takes commands. */
static void test_ready_needs_both(void)
{
    g_autoptr(Seen) seen = start(READY "command qmp_capabilities\nserve");

    wait_for(&seen->ready);
    g_assert_cmpstr(seen->told->str, ==, "connected ready");
}

static void test_fork_shows_its_nonce(void)
{
    static const char *const said[] = {"0123456789abcdef0123456789abcde0",
                                       "0123456789abcdef0123456789abcdef"};
    const MmrigInstanceOptions fork = {.kind = MMRIG_START_FORK, .nonce = said[0]};

    for (guint i = 0; i < G_N_ELEMENTS(said); i++) {
        g_autofree char *script = g_strdup_printf(
            "command qmp_capabilities\nsay control forked %s %s\\n\nwait", said[0], said[i]);
        g_autoptr(Seen) seen = start_as(script, &fork);
        if (i == 0)
            wait_for(&seen->ready);
        else
            g_assert_nonnull(strstr(end_of(seen)->protocol_error, "not a fork"));
    }
}

static void test_guest_breaks_rules(void)
{
    static const struct {
        const char *script, *says;
    } cases[] = {
        {UP READY "wait", "ready when it was not asked"},
        {UP "say control kept\\n\nwait", "took itself for a template's"},
        {UP "say control hello\\n\nwait", "the guest broke the protocol"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Seen) seen = start(cases[i].script);
        const MmrigInstanceEvidence *evidence = end_of(seen);
        g_autoptr(GError) failure = mmrig_instance_failure(seen->instance);
        g_assert_nonnull(evidence->protocol_error);
        g_assert_nonnull(strstr(evidence->protocol_error, cases[i].says));
        g_assert_error(failure, MMRIG_ERROR, MMRIG_ERROR_GUEST);
    }
}

static void test_agent_fails(void)
{
    g_autoptr(Seen) seen = start("say control fail cannot%20mount\\n\nserve");

    g_assert_cmpstr(end_of(seen)->agent_failure, ==, "cannot mount");
}

/* The rig answers and answers; who does not read is to blame. */
static void test_guest_never_reads(void)
{
    g_autoptr(Seen) seen = start(UP "wait");
    char word[2048];

    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    wait_for(&seen->ready);
    while (!mmrig_instance_is_ending(seen->instance))
        mmrig_instance_send(seen->instance, (const char *const[]){"reply", word, NULL});
    const MmrigInstanceEvidence *evidence = end_of(seen);
    g_assert_null(evidence->rig_error);
    g_assert_cmpstr(evidence->protocol_error, ==,
                    "the guest has stopped reading the control port");
}

static void test_time_limit(void)
{
    const MmrigInstanceOptions hasty = {.kind = MMRIG_START_COLD, .boot_timeout = 1};
    g_autoptr(Seen) mute = start_as("serve", &hasty);
    g_assert_cmpstr(end_of(mute)->time_limit, ==,
                    "the guest was not ready within 1 s, and the kernel said nothing on its "
                    "console");
    g_autoptr(Seen) loud = start_as("say console Booting...\\r\\n\nserve", &hasty);
    g_assert_cmpstr(end_of(loud)->time_limit, ==, "the guest was not ready within 1 s");
    g_autoptr(GError) failure = mmrig_instance_failure(loud->instance);
    g_assert_error(failure, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT);
}

/* The limit of the boot is off once the guest is ready; one that is set then is kept. */
static void test_limit_after_ready(void)
{
    const MmrigInstanceOptions hasty = {.kind = MMRIG_START_COLD, .boot_timeout = 1};
    g_autoptr(Seen) seen = start_as(UP "serve", &hasty);

    wait_for(&seen->ready);
    mmrig_instance_limit(seen->instance, 2, "it is %s", "late");
    g_assert_cmpstr(end_of(seen)->time_limit, ==, "it is late");
}

/* --- the end --- */

/*
 * The rig is busy while QEMU says its last words, on all its channels, and dies. All of them
 * are there when its end is told, though its death is noticed at the same moment.
 */
static void test_nothing_is_lost(void)
{
    for (guint i = 0; i < 20; i++) {
        g_autoptr(Seen) seen =
            start(UP "hear go\n"
                     "event {\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, "
                     "\"reason\": \"guest-shutdown\"}}\n"
                     "say ktap ok 1\\n\n"
                     "say control done 1 exit 0 5\\n\n"
                     "say console Kernel panic - not syncing: late\\n\n"
                     "say stderr last words\\n\n"
                     "exit 3");
        wait_for(&seen->ready);
        mmrig_instance_send(seen->instance, (const char *const[]){"go", NULL});
        /* The line goes out, and then we do not listen until QEMU is dead. */
        while (mmrig_channel_queued(mmrig_instance_channel(seen->instance)) > 0)
            g_main_context_iteration(NULL, TRUE);
        siginfo_t info;
        while (waitid(P_PID, (id_t)mmrig_instance_pid(seen->instance), &info,
                      WEXITED | WNOWAIT) != 0)
            g_assert_cmpint(errno, ==, EINTR);
        const MmrigInstanceEvidence *evidence = end_of(seen);
        g_assert_cmpstr(evidence->guest_end, ==, "powered off");
        g_assert_cmpstr(evidence->panic, ==, "late");
        g_assert_cmpstr(evidence->end, ==, "QEMU ended with status 3: last words");
        g_assert_cmpuint(mmrig_instance_output_total(seen->instance), ==, 5);
        g_assert_nonnull(strstr(seen->told->str, "done"));
        g_assert_true(g_str_has_suffix(seen->told->str, "ended"));
    }
}

static void test_words_of_the_end(void)
{
    static const struct {
        const char *script, *says;
        int code;
    } cases[] = {
        {"exit 0", "QEMU ended without an error, though nobody had asked it to",
         MMRIG_ERROR_QEMU},
        {"say stderr no such device\\n\nexit 1", "QEMU ended with status 1: no such device",
         MMRIG_ERROR_QEMU},
        {"kill 9", "QEMU was killed from outside (", MMRIG_ERROR_RIG},
        {"kill 11", "QEMU crashed (signal 11: Segmentation fault)", MMRIG_ERROR_QEMU},
        {"event {\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": "
         "\"guest-shutdown\"}}\nexit 0",
         "the guest powered off", MMRIG_ERROR_GUEST},
        {"event {\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": "
         "\"guest-reset\"}}\nexit 0",
         "the guest reset", MMRIG_ERROR_GUEST},
        {"say stderr qemu: system/physmem.c:2678: iotlb_to_section: Assertion "
         "`section_index < d->map.sections_nb' failed.\\n\nkill 6",
         "QEMU crashed (signal 6: Aborted): qemu: system/physmem.c:2678: iotlb_to_section: "
         "Assertion `section_index < d->map.sections_nb' failed.",
         MMRIG_ERROR_QEMU_RACE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Seen) seen = start(cases[i].script);
        end_of(seen);
        g_autoptr(GError) failure = mmrig_instance_failure(seen->instance);
        g_assert_error(failure, MMRIG_ERROR, cases[i].code);
        /* Why the host killed it depends on what else it killed meanwhile. */
        if (cases[i].code == MMRIG_ERROR_RIG)
            g_assert_true(g_str_has_prefix(failure->message, cases[i].says));
        else
            g_assert_cmpstr(failure->message, ==, cases[i].says);
    }
}

/* A process that QEMU left behind holds its channels open; the end is told all the same. */
static void test_stray_process(void)
{
    g_autoptr(Seen) seen = start(UP "stray\nsay stderr gone\\n\nexit 1");

    g_assert_cmpstr(end_of(seen)->end, ==, "QEMU ended with status 1: gone");
}

/* What it started in its own group ends with it. */
static void test_heir(void)
{
    g_autoptr(Seen) seen = start(UP "hear go\nheir\nexit 1");

    wait_for(&seen->ready);
    pid_t pid = mmrig_instance_pid(seen->instance);
    mmrig_instance_send(seen->instance, (const char *const[]){"go", NULL});
    end_of(seen);
    /* It is orphaned, and gone once its new parent has looked. */
    for (guint i = 0; i < 500 && kill(-pid, 0) == 0; i++)
        g_usleep(10000);
    g_assert_cmpint(kill(-pid, 0), ==, -1);
}

static void test_freed_at_any_time(void)
{
    g_autoptr(Seen) early = start(UP "wait");
    g_autoptr(Seen) late = start(UP "wait");

    g_assert_nonnull(early->instance);
    wait_for(&late->ready);
    pid_t pid = mmrig_instance_pid(late->instance);
    g_clear_pointer(&late->instance, mmrig_instance_free);
    g_assert_cmpint(kill(pid, 0), ==, -1);
    g_assert_false(late->ended);
}

static void test_wait_gives_the_reason(void)
{
    g_autoptr(Seen) seen = start("say stderr no memory\\n\nexit 1");
    g_autoptr(GError) error = NULL;

    g_assert_false(mmrig_instance_wait(seen->instance, &seen->ready, &error));
    g_assert_cmpstr(error->message, ==, "QEMU ended with status 1: no memory");
}

/* Whether QEMU can be started with so many descriptors; why not is not the user's doing. */
static gboolean starts_with(rlim_t files)
{
    static char *argv[] = {(char *)MMRIG_TEST_FAKE_QEMU, NULL};
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autoptr(GArray) backings = g_array_new(FALSE, FALSE, sizeof(int));
    MmrigPlan plan = {.argv = argv, .backings = none};
    const MmrigInstanceOptions options = {.plan = &plan, .backings = backings};
    struct rlimit before, less;
    g_autoptr(GError) error = NULL;

    g_assert_no_errno(getrlimit(RLIMIT_NOFILE, &before));
    less = (struct rlimit){files, before.rlim_max};
    g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &less));
    static const MmrigInstanceCalls none_wanted;
    static const gboolean never;
    MmrigInstance *instance = mmrig_instance_start(&options, &none_wanted, NULL, &error);
    g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &before));
    if (!instance) {
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
        return FALSE;
    }
    /* It was, and not a process that had too few to become it. */
    g_assert_false(mmrig_instance_wait(instance, &never, &error));
    g_assert_cmpstr(error->message, ==, "QEMU ended with status 5");
    mmrig_instance_free(instance);
    return TRUE;
}

static void test_no_descriptors(void)
{
    rlim_t files = 4;

    g_file_set_contents(script_file, "exit 5", -1, NULL);
    while (!starts_with(files))
        g_assert_cmpuint(++files, <, 200);
    g_assert_cmpuint(files, >, 10);
}

/* --- what a guest says --- */

/* ESC, CSI as a C1 control in UTF-8, BEL, and what is no UTF-8. */
static void test_panic_is_clean(void)
{
    g_autoptr(Seen) seen = start(
        "say console Kernel panic - not syncing: a\\033]0;t\\007b\\302\\2332Jc\\377\\r\\n\n"
        "exit 0");

    g_assert_cmpstr(end_of(seen)->panic, ==,
                    "a\357\277\275]0;t\357\277\275b\357\277\2752Jc"
                    "\357\277\275");
    g_autofree char *console = mmrig_instance_console(seen->instance, 5);
    g_assert_null(strpbrk(console, "\033\007"));
    g_assert_null(strstr(console, "\302\233"));
}

/* What else is on its line does not hide it: NULs of a serial line, a program's words. */
static void test_panic_behind_others(void)
{
    g_autoptr(Seen) nul =
        start("say console \\000[1.0] Kernel panic - not syncing: a\\000b\\n\nexit 0");
    g_assert_cmpstr(end_of(nul)->panic, ==, "ab");
    for (guint size = 1000; size < 1040; size++) {
        g_autofree char *script = g_strdup_printf(
            "flood console %u x\nsay console Kernel panic - not syncing: deep\\n\nexit 0",
            size);
        g_autoptr(Seen) seen = start(script);
        g_assert_cmpstr(end_of(seen)->panic, ==, "deep");
    }
    g_autoptr(Seen) endless =
        start("say console Kernel panic - not syncing: \nflood console 9000 y\nexit 0");
    g_assert_cmpuint(strlen(end_of(endless)->panic), <, 512);
    g_assert_true(g_str_has_prefix(endless->at_end.panic, "yyy"));
}

static void test_last_words_are_clean(void)
{
    g_autoptr(Seen) seen = start("say stderr x\\033[2J\\302\\233m\\n\nexit 1");

    g_assert_cmpstr(end_of(seen)->end, ==,
                    "QEMU ended with status 1: x\357\277\275[2J\357\277\275m");
}

/* --- what QEMU is given --- */

static char *shown_by_qemu(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_autofree char *log = g_build_filename(folder, "qemu.log", NULL);
    char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Seen) seen = start_as(
        "show\nexit 0", &(MmrigInstanceOptions){.kind = MMRIG_START_COLD, .folder = folder});

    end_of(seen);
    g_file_get_contents(log, &text, NULL, &error);
    g_assert_no_error(error);
    mmrig_remove_tree(folder, &error);
    g_assert_no_error(error);
    return text;
}

/* A lock or a pipe that the rig inherited is not passed on. */
static void test_no_foreign_descriptors(void)
{
    int inherited = open("/dev/null", O_RDONLY); /* NOLINT(android-cloexec-open) */
    int high = dup2(inherited, 77);
    g_autofree char *shown = shown_by_qemu();

    g_assert_cmpint(high, ==, 77);
    g_assert_nonnull(strstr(shown, "fd 3\n"));
    g_assert_nonnull(strstr(shown, "fd 6\n"));
    g_assert_null(strstr(shown, "fd 8\n"));
    g_assert_null(strstr(shown, "fd 77\n"));
    close(high);
    close(inherited);
}

/* What a user has in the environment is no affair of a guest's that broke into QEMU. */
static void test_short_environment(void)
{
    g_autofree char *shown = shown_by_qemu();

    g_assert_nonnull(strstr(shown, "env PATH="));
    g_assert_nonnull(strstr(shown, "env MMRIG_FAKE_QEMU_SCRIPT="));
    g_assert_nonnull(strstr(shown, "env LC_MESSAGES=C\n"));
    g_assert_null(strstr(shown, "SECRET_TOKEN"));
}

/* In it would be all of the guest's memory. */
static void test_no_core_file(void)
{
    struct rlimit limit;

    g_assert_no_errno(getrlimit(RLIMIT_CORE, &limit));
    limit.rlim_cur = limit.rlim_max;
    g_assert_no_errno(setrlimit(RLIMIT_CORE, &limit));
    g_autofree char *shown = shown_by_qemu();
    g_assert_nonnull(strstr(shown, "core 0\n"));
}

/* A guest that has QEMU tell of events without end does not fill the disk. */
static void test_qmp_log_is_bounded(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "qmp.log", NULL);
    g_autofree char *log = NULL;
    gsize size;
    g_autoptr(GError) error = NULL;
    g_autoptr(Seen) seen = start_as(
        UP "flood qmp 6000000 {\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": "
           "\"run\", \"more\": \"................................................\"}}\\n\n"
           "exit 0",
        &(MmrigInstanceOptions){.kind = MMRIG_START_COLD, .folder = folder});

    end_of(seen);
    g_file_get_contents(path, &log, &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, <=, MMRIG_QMP_LOG_MAX + 100);
    g_assert_true(g_str_has_suffix(log, "\n[mmrig: the rest was cut off]\n"));
    mmrig_remove_tree(folder, &error);
    g_assert_no_error(error);
}

/* Nor does one that prints on its console. */
static void test_console_log_is_bounded(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "console.log", NULL);
    g_autofree char *log = NULL;
    gsize size;
    g_autoptr(GError) error = NULL;
    g_autoptr(Seen) seen = start_as(
        "flood console 18000000 ................................................\\n\nexit 0",
        &(MmrigInstanceOptions){.kind = MMRIG_START_COLD, .folder = folder});

    end_of(seen);
    g_file_get_contents(path, &log, &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, <=, 16 * 1024 * 1024 + 100);
    g_assert_true(g_str_has_suffix(log, "\n[mmrig: the rest was cut off]\n"));
    mmrig_remove_tree(folder, &error);
    g_assert_no_error(error);
}

int main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;

    g_test_init(&argc, &argv, NULL);
    script_file = g_build_filename(folder, "script", NULL);
    g_setenv("MMRIG_FAKE_QEMU_SCRIPT", script_file, TRUE);
    g_setenv("LC_MESSAGES", "C", TRUE);
    g_setenv("SECRET_TOKEN", "x", TRUE);
    g_test_add_func("/instance/ready-and-ended", test_ready_and_ended);
    g_test_add_func("/instance/ready-needs-both", test_ready_needs_both);
    g_test_add_func("/instance/fork-shows-its-nonce", test_fork_shows_its_nonce);
    g_test_add_func("/instance/guest-breaks-rules", test_guest_breaks_rules);
    g_test_add_func("/instance/agent-fails", test_agent_fails);
    g_test_add_func("/instance/guest-never-reads", test_guest_never_reads);
    g_test_add_func("/instance/time-limit", test_time_limit);
    g_test_add_func("/instance/limit-after-ready", test_limit_after_ready);
    g_test_add_func("/instance/nothing-is-lost", test_nothing_is_lost);
    g_test_add_func("/instance/words-of-the-end", test_words_of_the_end);
    g_test_add_func("/instance/stray-process", test_stray_process);
    g_test_add_func("/instance/heir", test_heir);
    g_test_add_func("/instance/freed-at-any-time", test_freed_at_any_time);
    g_test_add_func("/instance/wait-gives-the-reason", test_wait_gives_the_reason);
    g_test_add_func("/instance/no-descriptors", test_no_descriptors);
    g_test_add_func("/instance/panic-is-clean", test_panic_is_clean);
    g_test_add_func("/instance/panic-behind-others", test_panic_behind_others);
    g_test_add_func("/instance/last-words-are-clean", test_last_words_are_clean);
    g_test_add_func("/instance/no-foreign-descriptors", test_no_foreign_descriptors);
    g_test_add_func("/instance/short-environment", test_short_environment);
    g_test_add_func("/instance/qmp-log-is-bounded", test_qmp_log_is_bounded);
    g_test_add_func("/instance/console-log-is-bounded", test_console_log_is_bounded);
    g_test_add_func("/instance/no-core-file", test_no_core_file);
    int status = g_test_run();
    mmrig_remove_tree(folder, &error);
    g_assert_no_error(error);
    g_free(script_file);
    return status;
}
