/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "error.h"
#include "qmp.h"

#define VERSION_MAJOR_MIN 10
#define QMP_FD            3
/* A warm QEMU answers all in 40 ms; a cold one on a busy machine may take seconds. */
#define ANSWER_MS 20000
/* What the program prints beyond this is refused. */
#define OUTPUT_MAX (64 * 1024)

/* A program that has been started as if it were QEMU. */
typedef struct {
    const char *path;
    GSubprocess *process;
    MmrigQmp *qmp;
    int output; /* a memory file with what it printed, up to its offset */
} Probe;

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

static gboolean probe_start(Probe *probe, GError **error)
{
    const char *const argv[] = {probe->path,
                                "-machine",
                                "none",
                                "-nodefaults",
                                "-no-user-config",
                                "-display",
                                "none",
                                "-S",
                                "-chardev",
                                "socket,id=qmp,fd=" G_STRINGIFY(QMP_FD),
                                "-mon",
                                "chardev=qmp,mode=control",
                                NULL};
    g_autoptr(GSubprocessLauncher) launcher = mmrig_child_launcher(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GIOStream) stream = NULL;
    g_autoptr(GError) cause = NULL;
    int pair[2], out, err;

    /* The seal keeps a program that prints for ever from filling the memory. */
    probe->output = memfd_create("mmrig-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (probe->output < 0 || ftruncate(probe->output, OUTPUT_MAX) != 0 ||
        fcntl(probe->output, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0)
        return fail_errno(error, "cannot make a memory file");
    out = dup(probe->output);
    err = dup(probe->output);
    g_subprocess_launcher_take_stdout_fd(launcher, out);
    g_subprocess_launcher_take_stderr_fd(launcher, err);
    if (out < 0 || err < 0)
        return fail_errno(error, "cannot duplicate a descriptor");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return fail_errno(error, "cannot make a socket pair");
    g_subprocess_launcher_take_fd(launcher, pair[1], QMP_FD);
    stream = stream_from_fd(pair[0], error);
    if (!stream)
        return FALSE;
    probe->process = g_subprocess_launcher_spawnv(launcher, argv, &cause);
    /* Our copy of the child's end must go, or its death would not be the end of file. */
    g_subprocess_launcher_close(launcher);
    if (!probe->process) {
        gboolean ours = g_error_matches(cause, G_SPAWN_ERROR, G_SPAWN_ERROR_FORK);
        g_set_error(error, MMRIG_ERROR, ours ? MMRIG_ERROR_RIG : MMRIG_ERROR_INPUT,
                    "%s: cannot be started as QEMU: %s; " MMRIG_QEMU_MEND, probe->path,
                    cause->message);
        return FALSE;
    }
    probe->qmp = mmrig_qmp_new(stream, NULL);
    return TRUE;
}

/* The last line that the program printed, or NULL. */
static char *last_output(const Probe *probe)
{
    g_autofree char *text = g_malloc(OUTPUT_MAX + 1);
    off_t size = lseek(probe->output, 0, SEEK_CUR);
    ssize_t got = size > 0 ? pread(probe->output, text, MIN((gsize)size, OUTPUT_MAX), 0) : 0;
    const char *line;

    if (got <= 0)
        return NULL;
    text[got] = '\0';
    g_strchomp(text);
    line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    return *line ? g_utf8_make_valid(line, -1) : NULL;
}

/* It is gone when this returns. */
static void probe_stop(Probe *probe)
{
    if (probe->qmp)
        mmrig_qmp_close(probe->qmp);
    if (probe->process) {
        const char *pid = g_subprocess_get_identifier(probe->process);
        /* The whole group (child.h): a script may have started QEMU beside itself. */
        if (pid)
            kill(-(pid_t)g_ascii_strtoll(pid, NULL, 10), SIGKILL);
        g_subprocess_wait(probe->process, NULL, NULL);
    }
}

static void probe_clear(Probe *probe)
{
    g_clear_object(&probe->qmp);
    g_clear_object(&probe->process);
    if (probe->output >= 0)
        close(probe->output);
}

static JsonNode *ask(Probe *probe, const char *command, JsonNodeType type, GError **error)
{
    g_autoptr(JsonNode) node = mmrig_qmp_execute(probe->qmp, command, NULL, ANSWER_MS, error);

    if (node && json_node_get_node_type(node) != type) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "its answer to '%s' makes no sense",
                    command);
        return NULL;
    }
    return g_steal_pointer(&node);
}

/* A member of the given type, or NULL. */
static JsonNode *member(JsonObject *object, const char *name, GType type)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && json_node_get_value_type(node) == type ? node : NULL;
}

static gboolean ask_version(Probe *probe, JsonObject *answer, GError **error)
{
    static const char *const names[] = {"major", "minor", "micro"};
    g_autoptr(JsonNode) node = ask(probe, "query-version", JSON_NODE_OBJECT, error);
    g_autoptr(GString) version = g_string_new(NULL);
    JsonNode *numbers, *package;

    if (!node)
        return FALSE;
    numbers = json_object_get_member(json_node_get_object(node), "qemu");
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        JsonNode *number = numbers && JSON_NODE_HOLDS_OBJECT(numbers)
                               ? member(json_node_get_object(numbers), names[i], G_TYPE_INT64)
                               : NULL;
        if (!number || json_node_get_int(number) < 0 || json_node_get_int(number) > G_MAXINT) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "its answer to 'query-version' makes no sense");
            return FALSE;
        }
        json_object_set_int_member(answer, names[i], json_node_get_int(number));
        g_string_append_printf(version, "%s%" G_GINT64_FORMAT, i > 0 ? "." : "",
                               json_node_get_int(number));
    }
    package = member(json_node_get_object(node), "package", G_TYPE_STRING);
    if (package && *json_node_get_string(package))
        g_string_append_printf(version, " (%s)", json_node_get_string(package));
    json_object_set_string_member(answer, "version", version->str);
    return TRUE;
}

static gboolean ask_target(Probe *probe, char **target, GError **error)
{
    g_autoptr(JsonNode) node = ask(probe, "query-target", JSON_NODE_OBJECT, error);
    JsonNode *arch = node ? member(json_node_get_object(node), "arch", G_TYPE_STRING) : NULL;

    *target = g_strdup(arch ? json_node_get_string(arch) : "unknown");
    return node != NULL;
}

static gboolean ask_kvm(Probe *probe, JsonObject *answer, GError **error)
{
    g_autoptr(JsonNode) node = ask(probe, "query-kvm", JSON_NODE_OBJECT, error);
    JsonNode *present =
        node ? member(json_node_get_object(node), "present", G_TYPE_BOOLEAN) : NULL;

    json_object_set_boolean_member(answer, "kvm", present && json_node_get_boolean(present));
    return node != NULL;
}

/* Asks for a list of objects and keeps their names (and aliases, where they have any). */
static gboolean ask_names(Probe *probe, JsonObject *answer, const char *command,
                          const char *list, GError **error)
{
    g_autoptr(JsonNode) node = ask(probe, command, JSON_NODE_ARRAY, error);
    g_autoptr(JsonArray) names = json_array_new();

    if (!node)
        return FALSE;
    JsonArray *items = json_node_get_array(node);
    for (guint i = 0; i < json_array_get_length(items); i++) {
        JsonNode *item = json_array_get_element(items, i);
        for (guint key = 0; JSON_NODE_HOLDS_OBJECT(item) && key < 2; key++) {
            JsonNode *name =
                member(json_node_get_object(item), key == 0 ? "name" : "alias", G_TYPE_STRING);
            if (name)
                json_array_add_string_element(names, json_node_get_string(name));
        }
    }
    json_object_set_array_member(answer, list, g_steal_pointer(&names));
    return TRUE;
}

/* INPUT errors are the verdict on the program; others say only what failed. */
static gboolean probe_ask(Probe *probe, JsonObject *answer, GError **error)
{
    g_autofree char *target = NULL;

    if (!mmrig_qmp_connect(probe->qmp, ANSWER_MS, error) || !ask_version(probe, answer, error))
        return FALSE;
    if (json_object_get_int_member(answer, "major") < VERSION_MAJOR_MIN) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: QEMU %s is too old, %d.0 is the oldest that will do; " MMRIG_QEMU_MEND,
                    probe->path, json_object_get_string_member(answer, "version"),
                    VERSION_MAJOR_MIN);
        return FALSE;
    }
    if (!ask_target(probe, &target, error))
        return FALSE;
    if (strcmp(target, "x86_64") != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: a QEMU for %s machines, not for x86_64 ones; " MMRIG_QEMU_MEND,
                    probe->path, target);
        return FALSE;
    }
    return ask_kvm(probe, answer, error) &&
           ask_names(probe, answer, "qom-list-types", "types", error) &&
           ask_names(probe, answer, "query-commands", "commands", error) &&
           ask_names(probe, answer, "query-machines", "machines", error);
}

JsonNode *mmrig_qemu_probe(const char *path, GError **error)
{
    Probe probe = {.path = path, .output = -1};
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(JsonObject) answer = json_object_new();
    g_autoptr(GError) cause = NULL;
    JsonNode *node = NULL;
    gboolean started, answered;

    /* A context of its own, so that nothing else of the rig runs in the meantime. */
    g_main_context_push_thread_default(context);
    started = probe_start(&probe, &cause);
    answered = started && probe_ask(&probe, answer, &cause);
    probe_stop(&probe);
    while (g_main_context_iteration(context, FALSE))
        ;
    g_main_context_pop_thread_default(context);

    if (answered) {
        node = json_node_new(JSON_NODE_OBJECT);
        json_node_set_object(node, answer);
    } else if (!started || g_error_matches(cause, MMRIG_ERROR, MMRIG_ERROR_INPUT)) {
        g_propagate_error(error, g_steal_pointer(&cause));
    } else {
        g_autofree char *output = last_output(&probe);
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: does not answer as QEMU does (%s%s); " MMRIG_QEMU_MEND, path,
                    output ? "it printed: " : "", output ? output : cause->message);
    }
    probe_clear(&probe);
    return node;
}
