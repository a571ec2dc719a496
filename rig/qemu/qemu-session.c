/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-session.h"

#include <errno.h>
#include <fcntl.h>
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
    MmrigQmp *qmp;
    int output; /* a memory file with what it printed, up to its offset */
};

static gboolean fail_errno(GError **error, const char *what)
{
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: %s", what, g_strerror(errno));
    return FALSE;
}

static GIOStream *stream_from_fd(int fd, GError **error)
{
    g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, error);

    if (!socket) {
        close(fd);
        return NULL;
    }
    return G_IO_STREAM(g_socket_connection_factory_create_connection(socket));
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
                                         "-mon",        "chardev=qmp,mode=control",
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
    g_autoptr(GIOStream) stream = NULL;
    g_autoptr(GError) cause = NULL;
    int qmp;

    g_subprocess_launcher_set_environ(launcher, environment);
    if (!give_output(session, launcher, error))
        return FALSE;
    qmp = give_socket(launcher, QMP_FD, error);
    stream = qmp >= 0 ? stream_from_fd(qmp, error) : NULL;
    if (!stream)
        return FALSE;
    if (line) {
        *line = give_socket(launcher, MMRIG_SESSION_LINE_FD, error);
        if (*line < 0)
            return FALSE;
    }
    session->process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, &cause);
    /* Our copy of the child's end must go, or its death would not be the end of file. */
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
    session->qmp = mmrig_qmp_new(stream, NULL);
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

void mmrig_session_stop(MmrigSession *session)
{
    if (session->qmp)
        mmrig_qmp_close(session->qmp);
    if (session->process) {
        const char *pid = g_subprocess_get_identifier(session->process);
        /* The whole group (child.h): a script may have started QEMU beside itself. */
        if (pid)
            kill(-(pid_t)g_ascii_strtoll(pid, NULL, 10), SIGKILL);
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

gboolean mmrig_session_connect(MmrigSession *session, GError **error)
{
    return mmrig_qmp_connect(session->qmp, ANSWER_MS, error);
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
