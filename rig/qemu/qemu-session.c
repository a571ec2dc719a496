/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/child.h"
#include "base/error.h"
#include "machine/plan.h"

#define QMP_FD 3
/* A warm QEMU answers all in 40 ms; a cold one on a busy machine may take seconds. */
#define ANSWER_MS 20000
/* What the program prints beyond this is refused. */
#define OUTPUT_MAX (64 * 1024)

struct MmrigSession {
    char *path;
    GMainContext *context;
    GSubprocess *process;
    GSocket *socket;   /* QMP's */
    GIOStream *stream; /* the same */
    MmrigQmp *qmp;     /* NULL until it is connected: it reads at once */
    int output;        /* a memory file with what it printed, up to its offset */
};

static gboolean fail_errno(GError **error, const char *what)
{
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: %s", what, g_strerror(errno));
    return FALSE;
}

/* Takes the descriptor. */
static GIOStream *session_stream(MmrigSession *session, int fd, GError **error)
{
    static const int on = 1;

    session->socket = g_socket_new_from_fd(fd, error);
    if (!session->socket) {
        close(fd);
        return NULL;
    }
    /* Before QEMU starts: the kernel notes with each message who wrote it. */
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0) {
        fail_errno(error, "cannot set up a socket");
        return NULL;
    }
    return G_IO_STREAM(g_socket_connection_factory_create_connection(session->socket));
}

/* A socket pair whose far end the child gets as the descriptor child_fd; ours, or -1. */
static int give_socket(GSubprocessLauncher *launcher, int child_fd, GError **error)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        fail_errno(error, "cannot make a socket pair");
        return -1;
    }
    g_subprocess_launcher_take_fd(launcher, pair[1], child_fd);
    return pair[0];
}

static gboolean give_output(MmrigSession *session, GSubprocessLauncher *launcher,
                            GError **error)
{
    int out, err;

    /* The seal keeps a program that prints for ever from filling the memory. */
    session->output = memfd_create("mmrig-session", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (session->output < 0 || ftruncate(session->output, OUTPUT_MAX) != 0 ||
        fcntl(session->output, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0)
        return fail_errno(error, "cannot make a memory file");
    out = dup(session->output);
    err = dup(session->output);
    g_subprocess_launcher_take_stdout_fd(launcher, out);
    g_subprocess_launcher_take_stderr_fd(launcher, err);
    return (out >= 0 && err >= 0) || fail_errno(error, "cannot duplicate a descriptor");
}

static GPtrArray *session_make_argv(const char *path, const char *const *arguments)
{
    static const char *const common[] = {"-nodefaults", "-no-user-config",
                                         "-sandbox",    MMRIG_SANDBOX,
                                         "-display",    "none",
                                         "-chardev",    "socket,id=qmp,fd=" G_STRINGIFY(QMP_FD),
                                         "-qmp",        "chardev:qmp",
                                         NULL};
    GPtrArray *argv = g_ptr_array_new();

    g_ptr_array_add(argv, (char *)path);
    for (gsize i = 0; common[i]; i++)
        g_ptr_array_add(argv, (char *)common[i]);
    for (gsize i = 0; arguments[i]; i++)
        g_ptr_array_add(argv, (char *)arguments[i]);
    g_ptr_array_add(argv, NULL);
    return argv;
}

static gboolean session_start(MmrigSession *session, const char *const *arguments, int *line,
                              GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = mmrig_child_launcher(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GPtrArray) argv = session_make_argv(session->path, arguments);
    g_auto(GStrv) environment = mmrig_child_environment();
    g_autoptr(GError) cause = NULL;
    int qmp;

    g_subprocess_launcher_set_environ(launcher, environment);
    if (!give_output(session, launcher, error))
        return FALSE;
    qmp = give_socket(launcher, QMP_FD, error);
    session->stream = qmp >= 0 ? session_stream(session, qmp, error) : NULL;
    if (!session->stream)
        return FALSE;
    if (line) {
        *line = give_socket(launcher, MMRIG_SESSION_LINE_FD, error);
        if (*line < 0)
            return FALSE;
    }
    session->process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, &cause);
    /* Our copy of the child's end is closed, so that we read an end of file when the child
     * dies. */
    g_subprocess_launcher_close(launcher);
    if (!session->process) {
        gboolean ours = g_error_matches(cause, G_SPAWN_ERROR, G_SPAWN_ERROR_FORK);
        g_set_error(error, MMRIG_ERROR, ours ? MMRIG_ERROR_RIG : MMRIG_ERROR_INPUT,
                    "%s: cannot be started as QEMU: %s; %s", session->path, cause->message,
                    mmrig_arch_default()->qemu_mend);
        if (line) {
            close(*line);
            *line = -1;
        }
        return FALSE;
    }
    return TRUE;
}

MmrigSession *mmrig_session_start(const char *path, const char *const *arguments, int *line,
                                  GError **error)
{
    g_autoptr(MmrigSession) session = g_new0(MmrigSession, 1);

    session->path = g_strdup(path);
    session->output = -1;
    session->context = g_main_context_new();
    g_main_context_push_thread_default(session->context);
    return session_start(session, arguments, line, error) ? g_steal_pointer(&session) : NULL;
}

pid_t mmrig_session_pid(const MmrigSession *session)
{
    const char *pid = g_subprocess_get_identifier(session->process);

    return pid ? (pid_t)g_ascii_strtoll(pid, NULL, 10) : 0;
}

void mmrig_session_stop(MmrigSession *session)
{
    if (session->qmp)
        mmrig_qmp_close(session->qmp);
    if (session->process) {
        pid_t pid = mmrig_session_pid(session);
        /* The whole group (child.h): a script may have started QEMU beside itself. */
        if (pid)
            kill(-pid, SIGKILL);
        g_subprocess_wait(session->process, NULL, NULL);
    }
    while (g_main_context_iteration(session->context, FALSE))
        ;
}

void mmrig_session_free(MmrigSession *session)
{
    if (!session)
        return;
    mmrig_session_stop(session);
    g_clear_object(&session->qmp);
    g_clear_object(&session->process);
    g_clear_object(&session->stream);
    g_clear_object(&session->socket);
    if (session->output >= 0)
        close(session->output);
    g_main_context_pop_thread_default(session->context);
    g_main_context_unref(session->context);
    g_free(session->path);
    g_free(session);
}

char *mmrig_session_output(const MmrigSession *session)
{
    g_autofree char *text = g_malloc(OUTPUT_MAX + 1);
    off_t size = session->output >= 0 ? lseek(session->output, 0, SEEK_CUR) : 0;
    ssize_t got = size > 0 ? pread(session->output, text, MIN((gsize)size, OUTPUT_MAX), 0) : 0;
    const char *line;

    if (got <= 0)
        return NULL;
    text[got] = '\0';
    g_strchomp(text);
    line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    return *line ? g_utf8_make_valid(line, -1) : NULL;
}

/* The process that wrote what is read next; FALSE if nothing comes, which QMP reports as an
 * error. */
static gboolean session_writer(const MmrigSession *session, pid_t *writer)
{
    struct pollfd wait = {.fd = g_socket_get_fd(session->socket), .events = POLLIN};
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr aligned;
    } control;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    int ready;

    do {
        ready = poll(&wait, 1, ANSWER_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready != 1 || recvmsg(wait.fd, &message, MSG_PEEK | MSG_DONTWAIT) != 1)
        return FALSE;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_CREDENTIALS)
        return FALSE;
    struct ucred who;
    memcpy(&who, CMSG_DATA(head), sizeof(who));
    *writer = who.pid;
    return TRUE;
}

gboolean mmrig_session_connect(MmrigSession *session, GError **error)
{
    const gint64 begun = g_get_monotonic_time();
    pid_t writer;

    if (session_writer(session, &writer) && writer != mmrig_session_pid(session)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: starts QEMU as a process of its own, which would run on when mmrig is "
                    "killed; if it is a script, write \"exec\" before the command that is QEMU",
                    session->path);
        return FALSE;
    }
    session->qmp = mmrig_qmp_new(session->stream, NULL);
    /* What is left of the time; 0 would be no limit. */
    gint64 waited = (g_get_monotonic_time() - begun) / 1000;
    return mmrig_qmp_connect(session->qmp, (guint)MAX(ANSWER_MS - waited, 1), error);
}

JsonNode *mmrig_session_ask(MmrigSession *session, const char *command, JsonObject *arguments,
                            JsonNodeType type, GError **error)
{
    g_autoptr(JsonNode) node =
        mmrig_qmp_execute(session->qmp, command, arguments, ANSWER_MS, error);

    if (node && json_node_get_node_type(node) != type) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "its answer to '%s' makes no sense",
                    command);
        return NULL;
    }
    return g_steal_pointer(&node);
}

JsonNode *mmrig_session_member(JsonObject *object, const char *name, GType type)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && json_node_get_value_type(node) == type ? node : NULL;
}
