/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a command is kept from outliving the rig: between the two stands a watcher, a fork of
 * the rig that does nothing but wait. It starts the command in a process group of its
 * own, and waits for the command's end or for the end of the "life" pipe, whose other end
 * only the rig holds. Either way it then kills the whole group, while the command's own
 * (perhaps dead) process still keeps the group's number from being used again, and waits
 * until all of it is dead.
 *
 * A process that leaves the group on purpose (setsid) escapes; make, apt-get and compilers
 * do not.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"

/* How much of what a command says is kept for its error message. */
#define TAIL_LINES 5
/* More output than this, where all of it is wanted, is an error. */
#define OUTPUT_MAX (64 * 1024 * 1024)

/* What the watcher, or the command's process before exec, tells the rig. */
typedef struct {
    enum { TOLD_EXEC_FAILED, TOLD_STATUS } kind;
    int value; /* errno, or as from waitpid() */
} Told;

void mmrig_child_bind(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(127);
    /* Fails only for a session leader, which has a group of its own already. */
    (void)setpgid(0, 0);
}

static void launcher_setup(gpointer data)
{
    mmrig_child_bind((pid_t)GPOINTER_TO_INT(data));
}

GSubprocessLauncher *mmrig_child_launcher(GSubprocessFlags flags)
{
    GSubprocessLauncher *launcher = g_subprocess_launcher_new(flags);

    g_subprocess_launcher_set_child_setup(launcher, launcher_setup,
                                          GINT_TO_POINTER((int)getpid()), NULL);
    return launcher;
}

const char *const mmrig_child_root_folders[] = {"/usr/sbin", "/sbin", NULL};

char *mmrig_child_find(const char *program, const char *package, GError **error)
{
    const char *const *folders = mmrig_child_root_folders;
    g_autofree char *path = g_find_program_in_path(program);

    for (guint i = 0; !path && folders[i] && !strchr(program, '/'); i++) {
        path = g_build_filename(folders[i], program, NULL);
        if (!g_file_test(path, G_FILE_TEST_IS_EXECUTABLE))
            g_clear_pointer(&path, g_free);
    }
    if (!path)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "%s: no such program%s%s", program,
                    package ? "; install the package " : "", package ? package : "");
    return g_steal_pointer(&path);
}

static _Thread_local int held = -1;

int mmrig_child_hold(int fd)
{
    int before = held;

    held = fd;
    return before;
}

int mmrig_child_held(void)
{
    return held;
}

/* From here to watch(): between fork and exec, so async-signal-safe calls only. */

static void child_tell(int fd, int kind, int value)
{
    Told told = {.kind = kind, .value = value};
    /*
     * It is smaller than PIPE_BUF, so it is written whole or not at all. If the rig is gone,
     * nobody reads it.
     */
    gssize size = write(fd, &told, sizeof(told));

    (void)size;
}

static void signals_reset(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGXFSZ};
    sigset_t none;

    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        signal(numbers[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

typedef struct {
    const char *path;
    char *const *argv;
    const char *folder;
    int null; /* the command's standard streams */
    int out;
    int err;
    int life; /* the watcher's end of the life pipe */
    int told; /* where the watcher tells */
} Plan;

static G_GNUC_NORETURN void command_start(const Plan *plan, pid_t watcher)
{
    mmrig_child_bind(watcher);
    signals_reset();
    if (dup2(plan->null, 0) < 0 || dup2(plan->out, 1) < 0 || dup2(plan->err, 2) < 0 ||
        (plan->folder && chdir(plan->folder) != 0) ||
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
        child_tell(plan->told, TOLD_EXEC_FAILED, errno);
        _exit(127);
    }
    execv(plan->path, plan->argv);
    child_tell(plan->told, TOLD_EXEC_FAILED, errno);
    _exit(127);
}

static G_GNUC_NORETURN void child_watch(const Plan *plan)
{
    struct pollfd waits[2] = {{.fd = 2, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    siginfo_t info = {0};
    int status = 0, pidfd;
    pid_t self = getpid(), command;

    (void)setpgid(0, 0);
    signals_reset();
    prctl(PR_SET_NAME, "mmrig-watcher");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    command = fork();
    if (command == 0)
        command_start(plan, self);
    if (command < 0) {
        child_tell(plan->told, TOLD_EXEC_FAILED, errno);
        _exit(127);
    }
    /* Parent and child both make the group, so that it exists whichever of them runs first. */
    (void)setpgid(command, command);
    pidfd = pidfd_open(command, 0);
    /* What is left open is life as 0, told as 1, the command as 2, and what is to be held:
     * no lock or pipe of the rig lives on in here. */
    if (pidfd < 0 || dup2(plan->life, 0) < 0 || dup2(plan->told, 1) < 0 || dup2(pidfd, 2) < 0 ||
        (held >= 0 && dup2(held, 3) < 0) || close_range(held >= 0 ? 4 : 3, ~0U, 0) != 0) {
        child_tell(plan->told, TOLD_EXEC_FAILED, errno);
        kill(-command, SIGKILL);
        _exit(127);
    }
    while (poll(waits, 2, -1) < 0 && errno == EINTR)
        ;
    if (waits[1].revents)
        kill(-command, SIGKILL);
    while (waitid(P_PID, (id_t)command, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        ;
    kill(-command, SIGKILL);
    while (waitpid(command, &status, 0) < 0 && errno == EINTR)
        ;
    /*
     * Orphans of the group are the watcher's children. Once it has none, the whole group is
     * dead.
     */
    while (waitpid(-command, NULL, 0) > 0 || errno == EINTR)
        ;
    child_tell(1, TOLD_STATUS, status);
    _exit(0);
}

/* Text that is added in pieces and handed over line by line. */
typedef struct {
    GString *pending;
    GQueue *tail; /* of char *: the last lines; shared by both outputs */
    MmrigChildLine line;
    gpointer data;
} Lines;

static void lines_end(Lines *lines)
{
    char *text;

    if (lines->pending->len == 0)
        return;
    text = g_utf8_make_valid(lines->pending->str, (gssize)lines->pending->len);
    g_string_truncate(lines->pending, 0);
    if (lines->line)
        lines->line(text, lines->data);
    g_strchomp(text);
    if (*text)
        g_queue_push_tail(lines->tail, text);
    else
        g_free(text);
    if (g_queue_get_length(lines->tail) > TAIL_LINES)
        g_free(g_queue_pop_head(lines->tail));
}

static void lines_feed(Lines *lines, const char *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        if (bytes[i] == '\n')
            lines_end(lines);
        else if (lines->pending->len < MMRIG_CHILD_LINE_MAX)
            g_string_append_c(lines->pending, bytes[i]);
    }
}

typedef struct {
    GString *all; /* NULL if not wanted */
    Lines out;
    Lines err;
} Capture;

static gboolean capture_out(Capture *capture, const char *bytes, gsize size, GError **error)
{
    if (!capture->all) {
        lines_feed(&capture->out, bytes, size);
        return TRUE;
    }
    if (capture->all->len + size > OUTPUT_MAX) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "it printed more than %d MiB",
                    OUTPUT_MAX / (1024 * 1024));
        return FALSE;
    }
    g_string_append_len(capture->all, bytes, (gssize)size);
    return TRUE;
}

/*
 * Reads both outputs until the command is dead and they are empty. A descriptor that is
 * passed as -1 is not read. The write ends may be held by a process that escaped, so it is
 * the watcher's word, not the end of the outputs, that ends this.
 */
static gboolean child_pump(int out, int err, int told_fd, Capture *capture, Told *told,
                           GError **error)
{
    struct pollfd waits[3] = {
        {.fd = out, .events = POLLIN},
        {.fd = err, .events = POLLIN},
        {.fd = told_fd, .events = POLLIN},
    };
    gboolean ended = FALSE;

    for (;;) {
        char buffer[16 * 1024];
        int ready = poll(waits, 3, ended ? 0 : -1);

        if (ready < 0 && errno != EINTR) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "poll: %s", g_strerror(errno));
            return FALSE;
        }
        if (ready == 0)
            return TRUE;
        for (guint i = 0; ready > 0 && i < 2; i++) {
            gssize size;

            if (!waits[i].revents)
                continue;
            size = read(waits[i].fd, buffer, sizeof(buffer));
            if (size <= 0) {
                if (size == 0 || errno != EINTR)
                    waits[i].fd = -1;
            } else if (i == 1) {
                lines_feed(&capture->err, buffer, (gsize)size);
            } else if (!capture_out(capture, buffer, (gsize)size, error)) {
                return FALSE;
            }
        }
        if (ready > 0 && waits[2].revents) {
            gssize size = read(told_fd, told, sizeof(*told));

            if (size == sizeof(*told)) {
                ended = TRUE;
            } else if (size == 0 || errno != EINTR) {
                g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                            "the process that watches over it was killed");
                return FALSE;
            }
            if (ended)
                waits[2].fd = -1;
        }
    }
}

static char *tail_text(GQueue *tail)
{
    GString *text = g_string_new(NULL);

    for (GList *link = tail->head; link; link = link->next)
        g_string_append_printf(text, "%s%s", tail->length == 1 ? " " : "\n  ",
                               (const char *)link->data);
    return g_string_free(text, FALSE);
}

/* FALSE with error if the command did not end well. */
static gboolean child_judge(const char *name, const Told *told, GQueue *tail, GError **error)
{
    g_autofree char *text = tail_text(tail);
    const char *colon = *text ? ":" : "";

    if (told->kind == TOLD_EXEC_FAILED) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: cannot run it: %s", name,
                    g_strerror(told->value));
        return FALSE;
    }
    if (WIFSIGNALED(told->value)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: killed by %s%s%s", name,
                    strsignal(WTERMSIG(told->value)), colon, text);
        return FALSE;
    }
    if (WEXITSTATUS(told->value) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: failed with status %d%s%s", name,
                    WEXITSTATUS(told->value), colon, text);
        return FALSE;
    }
    return TRUE;
}

static void close_if(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Ends of the pipes between the rig and the watcher. */
typedef struct {
    int life[2], told[2], out[2], err[2];
    int null;
} Pipes;

static gboolean pipes_open(Pipes *pipes, gboolean read_out)
{
    *pipes = (Pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}, -1};
    pipes->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (pipes->null < 0 || pipe2(pipes->life, O_CLOEXEC) != 0 ||
        pipe2(pipes->told, O_CLOEXEC) != 0 || pipe2(pipes->err, O_CLOEXEC) != 0)
        return FALSE;
    if (read_out)
        return pipe2(pipes->out, O_CLOEXEC) == 0;
    pipes->out[1] = fcntl(2, F_DUPFD_CLOEXEC, 3);
    return pipes->out[1] >= 0;
}

static void pipes_close(Pipes *pipes)
{
    int *all[] = {pipes->life, pipes->told, pipes->out, pipes->err};

    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        close_if(&all[i][0]);
        close_if(&all[i][1]);
    }
    close_if(&pipes->null);
}

/* capture->all or capture->out.line says what standard output is read for, if at all. */
static gboolean child_run(const char *const *argv, const char *folder, gboolean read_out,
                          Capture *capture, GError **error)
{
    g_autofree char *path = mmrig_child_find(argv[0], NULL, error);
    g_autofree char *name = g_path_get_basename(argv[0]);
    g_autoptr(GError) cause = NULL;
    Told told = {0};
    Pipes pipes;
    pid_t watcher = -1;
    gboolean done;

    if (!path)
        return FALSE;
    if (pipes_open(&pipes, read_out))
        watcher = fork();
    if (watcher == 0) {
        Plan plan = {
            .path = path,
            .argv = (char *const *)argv,
            .folder = folder,
            .null = pipes.null,
            .out = pipes.out[1],
            .err = pipes.err[1],
            .life = pipes.life[0],
            .told = pipes.told[1],
        };

        close_if(&pipes.life[1]);
        child_watch(&plan);
    }
    if (watcher < 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: cannot start it: %s", name,
                    g_strerror(errno));
        pipes_close(&pipes);
        return FALSE;
    }
    close_if(&pipes.life[0]);
    close_if(&pipes.told[1]);
    close_if(&pipes.out[1]);
    close_if(&pipes.err[1]);
    done = child_pump(pipes.out[0], pipes.err[0], pipes.told[0], capture, &told, &cause);
    if (!done)
        g_set_error(error, cause->domain, cause->code, "%s: %s", name, cause->message);
    /* Closing the life pipe makes the watcher kill what is left of the group. */
    pipes_close(&pipes);
    while (waitpid(watcher, NULL, 0) < 0 && errno == EINTR)
        ;
    lines_end(&capture->out);
    lines_end(&capture->err);
    return done && child_judge(name, &told, capture->err.tail, error);
}

static gboolean run_captured(const char *const *argv, const char *folder, char **output,
                             gboolean read_out, MmrigChildLine line, gpointer data,
                             GError **error)
{
    GQueue tail = G_QUEUE_INIT;
    Capture capture = {
        .all = output ? g_string_new(NULL) : NULL,
        .out = {.pending = g_string_new(NULL), .tail = &tail, .line = line, .data = data},
        .err = {.pending = g_string_new(NULL), .tail = &tail},
    };
    gboolean done = child_run(argv, folder, read_out, &capture, error);

    if (output) {
        if (done)
            *output = g_string_free(g_steal_pointer(&capture.all), FALSE);
        else
            g_string_free(capture.all, TRUE);
    }
    g_string_free(capture.out.pending, TRUE);
    g_string_free(capture.err.pending, TRUE);
    g_queue_clear_full(&tail, g_free);
    return done;
}

gboolean mmrig_child_run(const char *const *argv, const char *folder, char **output,
                         GError **error)
{
    return run_captured(argv, folder, output, output != NULL, NULL, NULL, error);
}

gboolean mmrig_child_follow(const char *const *argv, const char *folder, MmrigChildLine line,
                            gpointer data, GError **error)
{
    return run_captured(argv, folder, NULL, TRUE, line, data, error);
}
