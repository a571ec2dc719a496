/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"

/* Descriptors with a fixed number in QEMU, besides standard error. */
#define CHANNELS (MMRIG_FD_BACKING - MMRIG_FD_QMP)
/* More backings than a machine can have. */
#define GIVEN_MAX 128

struct MmrigLaunch {
    pid_t pid; /* 0 once it is reaped; QEMU leads the process group of that number */
    int pidfd;
    GSource *watch;
    MmrigLaunchEnded ended;
    gpointer data;
};

typedef struct {
    pid_t parent;
    const int *given; /* descriptors to hand over, in order of their new numbers, all above */
    int count;
} ChildSetup;

/*
 * Between fork and exec: async-signal-safe calls only. What else is open, such as a lock that
 * the rig itself inherited, is not QEMU's affair; it is only marked to be closed, since GLib's
 * own pipe must live until exec.
 */
static void launch_set_up_child(gpointer data)
{
    const ChildSetup *setup = data;

    mmrig_child_bind(setup->parent);
    /* A QEMU that aborts must not leave its guest's memory behind as a core file. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (int i = 0; i < setup->count; i++)
        if (dup2(setup->given[i], MMRIG_FD_QMP + i) < 0)
            _exit(127);
    if (close_range((unsigned)(MMRIG_FD_QMP + setup->count), ~0U, CLOSE_RANGE_CLOEXEC) != 0)
        _exit(127);
}

static gboolean launch_on_exit(int fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
                               gpointer data)
{
    MmrigLaunch *launch = data;
    int wait_status = 0;

    /* QEMU's zombie still holds the group's number, so the rest of the group can be killed. */
    kill(-launch->pid, SIGKILL);
    while (waitpid(launch->pid, &wait_status, 0) < 0 && errno == EINTR)
        ;
    launch->pid = 0;
    g_clear_pointer(&launch->watch, g_source_unref);
    if (launch->ended)
        launch->ended(wait_status, launch->data);
    return G_SOURCE_REMOVE;
}

/* Kills and reaps what was started and is not watched. */
static void launch_end(pid_t pid)
{
    kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Whether the host lacks what a process takes, or its program cannot be run. */
static MmrigErrorCode launch_whose(const GError *failure)
{
    static const int ours[] = {G_SPAWN_ERROR_FORK,  G_SPAWN_ERROR_FAILED, G_SPAWN_ERROR_NOMEM,
                               G_SPAWN_ERROR_NFILE, G_SPAWN_ERROR_MFILE,  G_SPAWN_ERROR_IO};

    /* GLib's own pipe fails with an error of another domain. */
    for (gsize i = 0; i < G_N_ELEMENTS(ours); i++)
        if (failure->domain != G_SPAWN_ERROR || failure->code == ours[i])
            return MMRIG_ERROR_RIG;
    return MMRIG_ERROR_INPUT;
}

static pid_t launch_spawn(const MmrigPlan *plan, const int *given, int count, int messages,
                          GError **error)
{
    ChildSetup setup = {.parent = getpid(), .given = given, .count = count};
    g_auto(GStrv) environment = mmrig_child_environment();
    g_autoptr(GError) failure = NULL;
    GPid pid;

    /*
     * GLib would close descriptors after the child's set-up, and with them those that it has
     * put in place.
     */
    if (!g_spawn_async_with_fds(NULL, plan->argv, environment,
                                G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                                launch_set_up_child, &setup, &pid, -1, messages, messages,
                                &failure)) {
        g_set_error(error, MMRIG_ERROR, (int)launch_whose(failure), "cannot start %s: %s",
                    plan->argv[0], failure->message);
        return 0;
    }
    return pid;
}

static void close_fds(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

void mmrig_launch_ends_close(MmrigLaunchEnds *ends)
{
    int *all[] = {&ends->qmp, &ends->control, &ends->ktap, &ends->console, &ends->messages};

    for (gsize i = 0; i < G_N_ELEMENTS(all); i++)
        close_fds(all[i], 1);
}

/*
 * Makes a socket pair for each channel. theirs has room for CHANNELS descriptors and one for
 * the messages.
 */
static gboolean ends_open(MmrigLaunchEnds *ends, int *theirs, GError **error)
{
    int *ours[CHANNELS + 1] = {
        [0] = &ends->qmp, /* the numbers begin with MMRIG_FD_QMP */
        [MMRIG_FD_CONTROL - MMRIG_FD_QMP] = &ends->control,
        [MMRIG_FD_KTAP - MMRIG_FD_QMP] = &ends->ktap,
        [MMRIG_FD_CONSOLE - MMRIG_FD_QMP] = &ends->console,
        [CHANNELS] = &ends->messages,
    };

    for (int i = 0; i <= CHANNELS; i++)
        *ours[i] = theirs[i] = -1;
    for (int i = 0; i <= CHANNELS; i++) {
        int pair[2];
        if ((i < CHANNELS ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)
                          : pipe2(pair, O_CLOEXEC)) != 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "cannot make a channel to a machine: %s", g_strerror(errno));
            return FALSE;
        }
        *ours[i] = pair[0];
        theirs[i] = pair[1];
    }
    return TRUE;
}

static MmrigLaunch *launch_new(pid_t pid, MmrigLaunchEnded ended, gpointer data, GError **error)
{
    MmrigLaunch *launch = g_new0(MmrigLaunch, 1);

    launch->pid = pid;
    launch->ended = ended;
    launch->data = data;
    launch->pidfd = pidfd_open(pid, 0);
    if (launch->pidfd < 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot watch QEMU: %s",
                    g_strerror(errno));
        launch_end(pid);
        g_free(launch);
        return NULL;
    }
    launch->watch = g_unix_fd_source_new(launch->pidfd, G_IO_IN);
    g_source_set_callback(launch->watch, G_SOURCE_FUNC(launch_on_exit), launch, NULL);
    g_source_attach(launch->watch, g_main_context_get_thread_default());
    return launch;
}

/*
 * Copies the descriptors to where none is overwritten by another that gets its number in QEMU.
 * It is done here and not by the child, which could not tell that there are too few.
 */
static gboolean launch_move(int *given, int count, GError **error)
{
    for (int i = 0; i < count; i++) {
        int moved = fcntl(given[i], F_DUPFD_CLOEXEC, MMRIG_FD_QMP + count);
        if (moved < 0) {
            /* EINVAL: even the lowest of these numbers is beyond the limit. */
            int cause = errno == EINVAL ? EMFILE : errno;
            close_fds(given, i);
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "cannot hand a machine its channels: %s", g_strerror(cause));
            return FALSE;
        }
        given[i] = moved;
    }
    return TRUE;
}

static MmrigLaunch *direct_start(const MmrigPlan *plan, const GArray *backings,
                                 MmrigLaunchEnds *ends, MmrigLaunchEnded ended, gpointer data,
                                 GError **error)
{
    int count = CHANNELS + (int)plan->backings->len;
    int given[GIVEN_MAX], theirs[CHANNELS + 1];
    pid_t pid = 0;

    if (count > GIVEN_MAX) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "a machine has at most %d backings",
                    GIVEN_MAX - CHANNELS);
        return NULL;
    }
    if (ends_open(ends, theirs, error)) {
        for (int i = 0; i < count; i++)
            given[i] =
                i < CHANNELS ? theirs[i] : g_array_index(backings, int, (guint)(i - CHANNELS));
        if (launch_move(given, count, error)) {
            pid = launch_spawn(plan, given, count, theirs[CHANNELS], error);
            close_fds(given, count);
        }
    }
    close_fds(theirs, CHANNELS + 1);
    MmrigLaunch *launch = pid != 0 ? launch_new(pid, ended, data, error) : NULL;
    if (!launch)
        mmrig_launch_ends_close(ends);
    return launch;
}

static pid_t direct_pid(const MmrigLaunch *launch)
{
    return launch->pid;
}

static void direct_kill(MmrigLaunch *launch)
{
    if (launch->pid)
        kill(-launch->pid, SIGKILL);
}

static void direct_free(MmrigLaunch *launch)
{
    if (launch->watch) {
        g_source_destroy(launch->watch);
        g_source_unref(launch->watch);
    }
    if (launch->pid)
        launch_end(launch->pid);
    close(launch->pidfd);
    g_free(launch);
}

const MmrigLauncher mmrig_launcher_direct = {
    .start = direct_start,
    .pid = direct_pid,
    .kill = direct_kill,
    .free = direct_free,
};
