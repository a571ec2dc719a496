/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"

#define SH(text) ((const char *const[]){"sh", "-c", text, NULL})

static void test_output(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *output = NULL;

    g_assert_true(mmrig_child_run(SH("echo one; echo two >&2; pwd"), "/usr", &output, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(output, ==, "one\n/usr\n");
}

/* More on both outputs than pipes hold. */
static void test_much(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *output = NULL;

    g_assert_true(mmrig_child_run(SH("i=0; while [ $i -lt 30000 ]; do echo 0123456789;"
                                     " echo 0123456789 >&2; i=$((i+1)); done"),
                                  NULL, &output, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(strlen(output), ==, 330000);
}

static void count_line(const char *line, gpointer data)
{
    GString *lines = data;

    g_string_append_printf(lines, "[%s]", line);
}

static void test_follow(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) lines = g_string_new(NULL);

    g_assert_true(mmrig_child_follow(SH("echo a; sleep 0.05; printf 'b\\nc'"), NULL, count_line,
                                     lines, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(lines->str, ==, "[a][b][c]");
}

static void test_failures(void)
{
    static const struct {
        const char *script;
        const char *message;
    } cases[] = {
        {"exit 3", "sh: failed with status 3"},
        {"echo no such thing >&2; exit 1", "sh: failed with status 1: no such thing"},
        {"for i in 1 2 3 4 5 6; do echo line $i >&2; done; exit 1",
         "sh: failed with status 1:\n  line 2\n  line 3\n  line 4\n  line 5\n  line 6"},
        {"kill -SEGV $$", "sh: killed by Segmentation fault"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *output = NULL;

        g_assert_false(mmrig_child_run(SH(cases[i].script), NULL, &output, &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
        g_assert_cmpstr(error->message, ==, cases[i].message);
        g_assert_null(output);
    }
}

static void test_not_there(void)
{
    static const char *const argv[] = {"mmrig-no-such-program", NULL};
    static const char *const folder_argv[] = {"true", NULL};
    g_autoptr(GError) error = NULL;

    g_assert_false(mmrig_child_run(argv, NULL, NULL, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_clear_error(&error);
    g_assert_null(mmrig_child_find(argv[0], "the-package", &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "install the package the-package"));
    g_clear_error(&error);
    g_assert_false(mmrig_child_run(folder_argv, "/no/such/folder", NULL, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
}

/* Reads a process number per line until there are count of them. */
static void read_pids(int fd, pid_t *pids, guint count)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;
    guint seen = 0;
    char byte;

    while (seen < count && read(fd, &byte, 1) == 1) {
        g_string_append_c(text, byte);
        seen += byte == '\n';
    }
    g_assert_cmpuint(seen, ==, count);
    lines = g_strsplit(text->str, "\n", -1);
    for (guint i = 0; i < count; i++) {
        pids[i] = (pid_t)strtol(lines[i], NULL, 10);
        g_assert_cmpint(pids[i], >, 1);
    }
}

/* Waits for a process that we are the reaper of; FALSE if it lives on. */
static gboolean dies(pid_t pid)
{
    for (guint i = 0; i < 500; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return TRUE;
        if (kill(pid, 0) != 0)
            return TRUE;
        g_usleep(10000);
    }
    return FALSE;
}

/*
 * Starts a process that calls start with the write end of a pipe, on which its
 * descendants give their numbers; kills it, and expects all of them to die.
 */
static void check_killed_with(void (*start)(int fd), guint count)
{
    pid_t pids[4], rig;
    int fds[2];

    g_assert_cmpint(prctl(PR_SET_CHILD_SUBREAPER, 1), ==, 0);
    g_assert_cmpint(pipe(fds), ==, 0);
    rig = fork();
    if (rig == 0) {
        close(fds[0]);
        start(fds[1]);
        _exit(1);
    }
    close(fds[1]);
    read_pids(fds[0], pids, count);
    for (guint i = 0; i < count; i++)
        g_assert_cmpint(kill(pids[i], 0), ==, 0);
    g_assert_cmpint(kill(rig, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(rig, NULL, 0), ==, rig);
    for (guint i = 0; i < count; i++)
        g_assert_true(dies(pids[i]));
    close(fds[0]);
}

/* The command's descriptors are closed at exec, so it opens the pipe by its path. */
static void start_group(int fd)
{
    g_autofree char *script = g_strdup_printf(
        "exec 9>/proc/%d/fd/%d; sleep 1000 & echo $! >&9; echo $$ >&9; sleep 1000",
        (int)getpid(), fd);

    mmrig_child_run(SH(script), NULL, NULL, NULL);
}

static void test_group_dies(void)
{
    check_killed_with(start_group, 2);
}

static void start_launched(int fd)
{
    g_autoptr(GSubprocessLauncher) launcher = mmrig_child_launcher(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GSubprocess) child = NULL;

    g_subprocess_launcher_take_fd(launcher, fd, 9);
    child = g_subprocess_launcher_spawn(launcher, NULL, "sh", "-c",
                                        "echo $$ >&9; exec sleep 1000", NULL);
    g_assert_nonnull(child);
    pause();
}

static void test_launched_dies(void)
{
    check_killed_with(start_launched, 1);
}

/* What a command leaves running in its group ends with it, and nobody waits for it. */
static void test_leftovers(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *output = NULL;
    gint64 start = g_get_monotonic_time();

    g_assert_true(mmrig_child_run(SH("sleep 1000 & echo $!"), NULL, &output, &error));
    g_assert_no_error(error);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 20 * G_USEC_PER_SEC);
    g_assert_true(dies((pid_t)strtol(output, NULL, 10)));
}

static void test_own_group(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *output = NULL;
    long group;

    g_assert_true(mmrig_child_run(SH("cut -d' ' -f5 /proc/$$/stat"), NULL, &output, &error));
    g_assert_no_error(error);
    group = strtol(output, NULL, 10);
    g_assert_cmpint(group, >, 1);
    g_assert_cmpint(group, !=, getpgrp());
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/child/output", test_output);
    g_test_add_func("/child/much", test_much);
    g_test_add_func("/child/follow", test_follow);
    g_test_add_func("/child/failures", test_failures);
    g_test_add_func("/child/not-there", test_not_there);
    g_test_add_func("/child/group-dies", test_group_dies);
    g_test_add_func("/child/launched-dies", test_launched_dies);
    g_test_add_func("/child/leftovers", test_leftovers);
    g_test_add_func("/child/own-group", test_own_group);
    return g_test_run();
}
