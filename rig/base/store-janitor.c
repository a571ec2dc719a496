/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store-janitor-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "error.h"

/* Between fork and exec, so async-signal-safe calls only. */
static G_GNUC_NORETURN void wait_and_remove(int life, int lock, int null, char *const *argv)
{
    sigset_t none;
    gssize size;
    char byte;

    /* A group of its own, since the terminal's Ctrl-C ends the maker and must not end this. */
    (void)setpgid(0, 0);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, "mmrig-janitor");
    /* All are above 3, see start(): none is overwritten before it is copied. */
    if (dup2(life, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || dup2(lock, 3) < 0 ||
        close_range(4, ~0U, 0) != 0)
        _exit(127);
    do {
        size = read(0, &byte, 1);
    } while (size < 0 && errno == EINTR);
    if (size != 0)
        _exit(0); /* dismissed */
    execv(argv[0], argv);
    _exit(127);
}

gboolean mmrig_janitor_start(MmrigJanitor *janitor, const char *path, int lock, GError **error)
{
    g_autofree char *rm = mmrig_child_find("rm", "coreutils", error);
    char *argv[] = {rm, (char *)"-rf", (char *)"--one-file-system", (char *)"--", NULL, NULL};
    g_autofree char *folder = g_strdup(path);
    int life[2] = {-1, -1}, high[3] = {-1, -1, -1}, null, cause;

    *janitor = (MmrigJanitor){.pid = -1, .life = -1, .outer = -1};
    if (!rm)
        return FALSE;
    argv[4] = folder;
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && pipe2(life, O_CLOEXEC) == 0) {
        high[0] = fcntl(life[0], F_DUPFD_CLOEXEC, 4);
        high[1] = fcntl(lock, F_DUPFD_CLOEXEC, 4);
        high[2] = fcntl(null, F_DUPFD_CLOEXEC, 4);
        if (high[0] >= 0 && high[1] >= 0 && high[2] >= 0)
            janitor->pid = fork();
    }
    if (janitor->pid == 0)
        wait_and_remove(high[0], high[1], high[2], argv);
    cause = errno;
    for (guint i = 0; i < G_N_ELEMENTS(high); i++) {
        if (high[i] >= 0)
            close(high[i]);
    }
    if (null >= 0)
        close(null);
    if (life[0] >= 0)
        close(life[0]);
    if (janitor->pid < 0) {
        if (life[1] >= 0)
            close(life[1]);
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: cannot watch over it: %s", path,
                    g_strerror(cause));
        return FALSE;
    }
    janitor->life = life[1];
    janitor->outer = mmrig_child_hold(janitor->life);
    return TRUE;
}

void mmrig_janitor_dismiss(MmrigJanitor *janitor)
{
    gssize size;

    mmrig_child_hold(janitor->outer);
    do {
        size = write(janitor->life, "x", 1);
    } while (size < 0 && errno == EINTR);
    close(janitor->life);
    while (waitpid(janitor->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
