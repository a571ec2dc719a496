/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Three things come in their own time: QMP's greeting, the agent's word
 * that it is ready, and the machine's end. The first two together are "ready".
 *
 * An end begins in one of two ways: somebody asks for it (a time limit, a broken rule, the
 * owner), which kills QEMU, or QEMU's process is gone. From then on the machine "is ending":
 * what it still said is read, but it is not asked for anything more. When QEMU is reaped, our
 * side of its connections is shut for reading, so that each of them has an end even if some
 * stray process held the other side open: behind the last byte that was written. QMP is read
 * by its client on the main loop; once the client says "closed", the rest is read at once, and
 * the owner is told.
 */
#include "instance-private.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/host-limits.h"
#include "base/io.h"
#include "base/text.h"
#include "guest/tap.h"

/* A guest that prints for ever must not fill the disk. */
#define CONSOLE_LIMIT  (16 * 1024 * 1024)
#define KTAP_LIMIT     (16 * 1024 * 1024)
#define QEMU_LOG_LIMIT (1024 * 1024)

/* How a panic looks on the console (Linux kernel/panic.c). */
#define PANIC_MARK "Kernel panic - not syncing: "
#define PANIC_MAX  512

/* The lines of QEMU's last words that are quoted. */
#define LAST_WORDS 3

/* Seconds that a QEMU which has closed QMP gets to end; teardown of much memory takes long. */
#define END_TIMEOUT 30

struct MmrigInstance {
    gatomicrefcount refs; /* each request under way holds a reference */
    const MmrigInstanceCalls *calls;
    gpointer data;
    MmrigStart kind;
    char *nonce;

    const MmrigLauncher *by;
    MmrigLaunch *launch;
    MmrigQmp *qmp;
    int qmp_fd; /* QMP's socket, which the connection owns */
    MmrigChannel *channel;
    MmrigTap *output, *console, *messages;
    GCancellable *over;
    GSource *limit;
    char *limit_text;
    char *boot_id; /* as the agent said it */

    gboolean connected, ready, ending, killed;
    gboolean exited, qmp_closed, ended;
    gboolean freed;
    int wait_status;
    MmrigOomCount oom; /* as it was at the start */

    GString *console_line; /* the console's line so far, while looking for PANIC_MARK */
    MmrigInstanceEvidence evidence;
    GPtrArray *texts; /* owns what evidence points to */
};

static void instance_unref(MmrigInstance *instance)
{
    if (!g_atomic_ref_count_dec(&instance->refs))
        return;
    g_clear_object(&instance->over);
    g_string_free(instance->console_line, TRUE);
    g_ptr_array_unref(instance->texts);
    g_free(instance->limit_text);
    g_free(instance->boot_id);
    g_free(instance->nonce);
    g_free(instance);
}

/* --- evidence --- */

/* Remembers the first text of its kind. Takes text. */
static void instance_note(MmrigInstance *instance, const char **field, char *text)
{
    if (*field) {
        g_free(text);
        return;
    }
    g_ptr_array_add(instance->texts, text);
    *field = text;
}

static void instance_drop_limit(MmrigInstance *instance)
{
    if (!instance->limit)
        return;
    g_source_destroy(instance->limit);
    g_clear_pointer(&instance->limit, g_source_unref);
}

void mmrig_instance_end(MmrigInstance *instance)
{
    if (instance->ending)
        return;
    instance->ending = instance->killed = TRUE;
    instance_drop_limit(instance);
    g_cancellable_cancel(instance->over);
    instance->by->kill(instance->launch);
}

void mmrig_instance_blame_guest(MmrigInstance *instance, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    instance_note(instance, &instance->evidence.protocol_error, g_strdup_vprintf(format, args));
    va_end(args);
    mmrig_instance_end(instance);
}

void mmrig_instance_blame_rig(MmrigInstance *instance, const GError *error)
{
    instance_note(instance, &instance->evidence.rig_error, g_strdup(error->message));
    mmrig_instance_end(instance);
}

gboolean mmrig_instance_is_ending(const MmrigInstance *instance)
{
    return instance->ending;
}

/* --- the time limit --- */

static gboolean instance_on_limit(gpointer data)
{
    MmrigInstance *instance = data;
    gboolean mute = !instance->evidence.agent_ready && instance->kind != MMRIG_START_FORK &&
                    mmrig_tap_total(instance->console) == 0;

    instance_drop_limit(instance);
    instance_note(instance, &instance->evidence.time_limit,
                  g_strconcat(instance->limit_text,
                              mute ? ", and the kernel said nothing on its console" : "",
                              NULL));
    mmrig_instance_end(instance);
    return G_SOURCE_REMOVE;
}

void mmrig_instance_limit(MmrigInstance *instance, guint seconds, const char *format, ...)
{
    va_list args;

    instance_drop_limit(instance);
    g_clear_pointer(&instance->limit_text, g_free);
    if (seconds == 0 || instance->ending)
        return;
    va_start(args, format);
    instance->limit_text = g_strdup_vprintf(format, args);
    va_end(args);
    instance->limit = g_timeout_source_new_seconds(seconds);
    g_source_set_callback(instance->limit, instance_on_limit, instance, NULL);
    g_source_attach(instance->limit, g_main_context_get_thread_default());
}

/* --- ready --- */

static void instance_ready_if_both(MmrigInstance *instance)
{
    if (!instance->connected || !instance->evidence.agent_ready || instance->ready ||
        instance->ending || instance->qmp_closed)
        return;
    instance->ready = TRUE;
    instance_drop_limit(instance);
    if (instance->calls->ready)
        instance->calls->ready(instance, instance->boot_id, instance->data);
}

static void instance_agent_ready(MmrigInstance *instance, const char *boot_id)
{
    instance->evidence.agent_ready = TRUE;
    instance->boot_id = g_strdup(boot_id);
    instance_ready_if_both(instance);
}

static void instance_on_message(const MmrigGuestMessage *message, gpointer data)
{
    MmrigInstance *instance = data;
    gboolean fork = instance->kind == MMRIG_START_FORK;

    switch (message->kind) {
    case MMRIG_GUEST_READY:
        if (fork || instance->evidence.agent_ready)
            mmrig_instance_blame_guest(instance, "the agent was ready when it was not asked");
        else
            instance_agent_ready(instance, message->ready.boot_id);
        return;
    case MMRIG_GUEST_FORKED:
        if (!fork || instance->evidence.agent_ready || !instance->nonce ||
            g_ascii_strcasecmp(instance->nonce, message->forked.nonce) != 0)
            mmrig_instance_blame_guest(
                instance, "the machine is not a fork of its template, or says so twice");
        else
            instance_agent_ready(instance, message->forked.boot_id);
        return;
    case MMRIG_GUEST_FAIL:
        instance_note(instance, &instance->evidence.agent_failure, g_strdup(message->fail));
        mmrig_instance_end(instance);
        return;
    case MMRIG_GUEST_KEPT:
        if (instance->kind != MMRIG_START_TEMPLATE) {
            mmrig_instance_blame_guest(instance, "the agent took itself for a template's");
            return;
        }
        break;
    case MMRIG_GUEST_REQUEST:
    case MMRIG_GUEST_METRIC:
    case MMRIG_GUEST_POINT:
    case MMRIG_GUEST_KERNEL:
    case MMRIG_GUEST_STDERR:
    case MMRIG_GUEST_ABORT:
    case MMRIG_GUEST_DONE:
    case MMRIG_GUEST_TRANSLATED:
    case MMRIG_GUEST_CLOCK:
        break;
    }
    if (instance->calls->message)
        instance->calls->message(instance, message, instance->data);
}

static void instance_on_channel_closed(const GError *error, gpointer data)
{
    /* If there is no error QEMU is ending, and instance_on_exit() will be called. */
    if (error)
        mmrig_instance_blame_guest(data, "%s", error->message);
}

void mmrig_instance_send(MmrigInstance *instance, const char *const *words)
{
    g_autoptr(GError) error = NULL;

    if (mmrig_channel_send(instance->channel, words, &error))
        return;
    if (g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_GUEST))
        mmrig_instance_blame_guest(instance, "%s", error->message);
    else
        mmrig_instance_blame_rig(instance, error);
}

/* --- output and console --- */

static void instance_on_output(const char *bytes, gsize size, gpointer data)
{
    MmrigInstance *instance = data;

    if (instance->calls->output)
        instance->calls->output(instance, bytes, size, instance->data);
}

static void console_line_end(MmrigInstance *instance)
{
    const char *mark = strstr(instance->console_line->str, PANIC_MARK);

    if (mark) {
        mark += strlen(PANIC_MARK);
        instance_note(instance, &instance->evidence.panic,
                      mmrig_text_clean(mark, strlen(mark)));
    }
    g_string_truncate(instance->console_line, 0);
}

/* Of a line without end its latest part counts, or what a panic says behind its mark. */
static gboolean console_line_has_room(const MmrigInstance *instance)
{
    GString *line = instance->console_line;

    if (line->len < PANIC_MAX)
        return TRUE;
    if (strstr(line->str, PANIC_MARK))
        return FALSE;
    g_string_erase(line, 0, PANIC_MAX / 2);
    return TRUE;
}

static void instance_on_console(const char *bytes, gsize size, gpointer data)
{
    MmrigInstance *instance = data;

    for (gsize i = 0; i < size && !instance->evidence.panic; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r')
            console_line_end(instance);
        else if (bytes[i] != '\0' && console_line_has_room(instance))
            g_string_append_c(instance->console_line, bytes[i]);
    }
}

/* --- the end --- */

static void instance_end_if_read(MmrigInstance *instance)
{
    if (!instance->exited || !instance->qmp_closed || instance->ended)
        return;
    mmrig_channel_drain(instance->channel);
    mmrig_tap_drain(instance->output);
    mmrig_tap_drain(instance->console);
    mmrig_tap_drain(instance->messages);
    console_line_end(instance);
    g_autofree char *said = mmrig_tap_tail(instance->messages, LAST_WORDS);
    instance->evidence.died_of_race = mmrig_instance_was_race(instance->wait_status, said);
    instance_note(instance, &instance->evidence.end,
                  mmrig_instance_describe_end(instance->wait_status, instance->killed, said));
    instance->ended = TRUE;
    if (instance->calls->ended)
        instance->calls->ended(instance, instance->data);
}

/* If the host killed QEMU, neither the guest nor its test is to blame. */
static void instance_blame_host(MmrigInstance *instance)
{
    const MmrigOomCount now = mmrig_oom_count("");
    g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read("");
    g_autofree char *how = mmrig_host_killed(instance->wait_status, instance->killed,
                                             &instance->oom, &now, limits);

    if (how)
        instance_note(instance, &instance->evidence.rig_error,
                      g_strconcat("QEMU was killed ", how, NULL));
}

static void instance_on_exit(int wait_status, gpointer data)
{
    MmrigInstance *instance = data;

    instance->exited = instance->ending = TRUE;
    instance->wait_status = wait_status;
    instance_blame_host(instance);
    instance_drop_limit(instance);
    g_cancellable_cancel(instance->over);
    /*
     * What was sent before can still be read, up to an end of file. The socket may be closed
     * already.
     */
    if (!instance->qmp_closed)
        shutdown(instance->qmp_fd, SHUT_RDWR);
    instance_end_if_read(instance);
}

static void instance_on_qmp_closed(MmrigQmp *qmp G_GNUC_UNUSED, const GError *error,
                                   MmrigInstance *instance)
{
    instance->qmp_closed = TRUE;
    if (!instance->exited)
        mmrig_instance_limit(instance, END_TIMEOUT,
                             "%s, and did not end within " G_STRINGIFY(END_TIMEOUT) " s",
                             error ? error->message : "QEMU closed its control connection");
    instance_end_if_read(instance);
}

static void instance_on_event(MmrigQmp *qmp G_GNUC_UNUSED, const char *name, JsonObject *event,
                              MmrigInstance *instance)
{
    const char *reason = mmrig_qmp_member_string(event, "reason");

    if (strcmp(name, "SHUTDOWN") == 0 && g_strcmp0(reason, "host-signal") == 0)
        instance_note(instance, &instance->evidence.rig_error,
                      g_strdup("QEMU was ended from outside (by a signal to it)"));
    else if (strcmp(name, "SHUTDOWN") == 0 &&
             json_object_get_boolean_member_with_default(event, "guest", FALSE)) {
        instance_note(instance, &instance->evidence.guest_end,
                      g_strdup(g_strcmp0(reason, "guest-reset") == 0 ? "reset"
                               : g_strcmp0(reason, "guest-shutdown") == 0
                                   ? "powered off"
                                   : "ended the machine"));
    }
    if (instance->calls->event)
        instance->calls->event(instance, name, event, instance->data);
}

static void instance_on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    MmrigInstance *instance = data;
    g_autoptr(GError) error = NULL;
    gboolean connected = mmrig_qmp_connect_finish(MMRIG_QMP(source), result, &error);

    if (!instance->freed && !instance->ending) {
        if (connected) {
            instance->connected = TRUE;
            if (instance->calls->connected)
                instance->calls->connected(instance, instance->data);
            instance_ready_if_both(instance);
        } else if (g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT)) {
            mmrig_instance_blame_rig(instance, error);
        }
        /* If the connection is lost, QEMU is ending, and its exit will be noticed. */
    }
    instance_unref(instance);
}

/* --- the beginning --- */

static gboolean instance_save_arguments(const MmrigPlan *plan, const char *folder,
                                        GError **error)
{
    g_autofree char *path = g_build_filename(folder, "qemu.argv", NULL);
    g_autofree char *lines = g_strjoinv("\n", plan->argv);
    g_autofree char *text = g_strconcat(lines, "\n", NULL);

    return mmrig_io_set_text(path, text, 0666, error);
}

/* Takes *fd. */
static MmrigTap *instance_tap(MmrigInstance *instance, int *fd, const char *folder,
                              const char *name, gsize limit, MmrigTapData callback,
                              GError **error)
{
    g_autofree char *path = folder ? g_build_filename(folder, name, NULL) : NULL;
    int taken = *fd;

    *fd = -1;
    return mmrig_tap_new(taken, path, limit, callback, instance, error);
}

static GOutputStream *instance_qmp_log(const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "qmp.log", NULL);
    g_autoptr(GFile) file = g_file_new_for_path(path);

    return G_OUTPUT_STREAM(g_file_append_to(file, G_FILE_CREATE_NONE, NULL, error));
}

/* Takes *fd. */
static gboolean instance_open_qmp(MmrigInstance *instance, int *fd, const char *folder,
                                  GError **error)
{
    g_autoptr(GOutputStream) log = folder ? instance_qmp_log(folder, error) : NULL;

    if (folder && !log)
        return FALSE;
    g_autoptr(GSocket) socket = g_socket_new_from_fd(*fd, error);
    if (!socket)
        return FALSE;
    instance->qmp_fd = *fd;
    *fd = -1;
    g_autoptr(GSocketConnection) connection =
        g_socket_connection_factory_create_connection(socket);
    instance->qmp = mmrig_qmp_new(G_IO_STREAM(connection), log);
    g_signal_connect(instance->qmp, "event", G_CALLBACK(instance_on_event), instance);
    g_signal_connect(instance->qmp, "closed", G_CALLBACK(instance_on_qmp_closed), instance);
    return TRUE;
}

/* Opens our side of the machine's channels while QEMU starts. */
static gboolean instance_open(MmrigInstance *instance, MmrigLaunchEnds *ends,
                              const char *folder, GError **error)
{
    static const MmrigChannelCalls calls = {instance_on_message, instance_on_channel_closed};

    instance->messages = instance_tap(instance, &ends->messages, folder, "qemu.log",
                                      QEMU_LOG_LIMIT, NULL, error);
    if (!instance->messages)
        return FALSE;
    instance->console = instance_tap(instance, &ends->console, folder, "console.log",
                                     CONSOLE_LIMIT, instance_on_console, error);
    if (!instance->console)
        return FALSE;
    instance->output = instance_tap(instance, &ends->ktap, folder, "test.ktap", KTAP_LIMIT,
                                    instance_on_output, error);
    if (!instance->output || !instance_open_qmp(instance, &ends->qmp, folder, error))
        return FALSE;
    int control = ends->control;
    ends->control = -1;
    instance->channel = mmrig_channel_new(control, &calls, instance, error);
    return instance->channel != NULL;
}

MmrigInstance *mmrig_instance_start(const MmrigInstanceOptions *options,
                                    const MmrigInstanceCalls *calls, gpointer data,
                                    GError **error)
{
    g_autoptr(MmrigInstance) instance = g_new0(MmrigInstance, 1);
    guint limit = options->boot_timeout ? options->boot_timeout : MMRIG_BOOT_TIMEOUT;
    MmrigLaunchEnds ends;

    g_atomic_ref_count_init(&instance->refs);
    instance->calls = calls;
    instance->data = data;
    instance->kind = options->kind;
    instance->nonce = g_strdup(options->nonce);
    instance->by = options->by ? options->by : &mmrig_launcher_direct;
    instance->over = g_cancellable_new();
    instance->console_line = g_string_new(NULL);
    instance->texts = g_ptr_array_new_with_free_func(g_free);
    instance->oom = mmrig_oom_count("");
    instance->launch = instance->by->start(options->plan, options->backings, &ends,
                                           instance_on_exit, instance, error);
    if (!instance->launch)
        return NULL;
    /* If any of this fails, freeing the instance ends QEMU. */
    gboolean open =
        instance_open(instance, &ends, options->folder, error) &&
        (!options->folder || instance_save_arguments(options->plan, options->folder, error));
    mmrig_launch_ends_close(&ends);
    if (!open)
        return NULL;
    mmrig_instance_limit(instance, limit, "the guest was not ready within %u s", limit);
    g_atomic_ref_count_inc(&instance->refs);
    mmrig_qmp_connect_async(instance->qmp, MMRIG_QMP_TIMEOUT, instance->over,
                            instance_on_connected, instance);
    return g_steal_pointer(&instance);
}

void mmrig_instance_free(MmrigInstance *instance)
{
    if (!instance)
        return;
    instance->freed = instance->ending = TRUE;
    instance_drop_limit(instance);
    g_cancellable_cancel(instance->over);
    if (instance->launch)
        instance->by->free(instance->launch);
    if (instance->qmp) {
        g_signal_handlers_disconnect_by_data(instance->qmp, instance);
        mmrig_qmp_close(instance->qmp);
    }
    g_clear_object(&instance->qmp);
    g_clear_pointer(&instance->channel, mmrig_channel_free);
    g_clear_pointer(&instance->output, mmrig_tap_free);
    g_clear_pointer(&instance->console, mmrig_tap_free);
    g_clear_pointer(&instance->messages, mmrig_tap_free);
    instance_unref(instance);
}

/* --- what its owner asks --- */

gboolean mmrig_instance_wait(MmrigInstance *instance, const gboolean *what, GError **error)
{
    while (!*what && !instance->ended)
        g_main_context_iteration(g_main_context_get_thread_default(), TRUE);
    if (*what)
        return TRUE;
    g_propagate_error(error, mmrig_instance_failure(instance));
    return FALSE;
}

const MmrigInstanceEvidence *mmrig_instance_evidence(MmrigInstance *instance)
{
    const MmrigTap *logs[] = {instance->console, instance->output, instance->messages};

    instance->evidence.silent = mmrig_tap_total(instance->console) == 0;
    for (gsize i = 0; i < G_N_ELEMENTS(logs); i++) {
        const GError *error = mmrig_tap_error(logs[i]);
        if (error)
            instance_note(instance, &instance->evidence.rig_error, g_strdup(error->message));
    }
    return &instance->evidence;
}

GError *mmrig_instance_failure(MmrigInstance *instance)
{
    return mmrig_instance_evidence_error(mmrig_instance_evidence(instance));
}

pid_t mmrig_instance_pid(const MmrigInstance *instance)
{
    return instance->by->pid(instance->launch);
}

MmrigQmp *mmrig_instance_qmp(const MmrigInstance *instance)
{
    return instance->qmp;
}

MmrigChannel *mmrig_instance_channel(const MmrigInstance *instance)
{
    return instance->channel;
}

GCancellable *mmrig_instance_over(const MmrigInstance *instance)
{
    return instance->over;
}

guint64 mmrig_instance_output_total(const MmrigInstance *instance)
{
    return mmrig_tap_total(instance->output);
}

char *mmrig_instance_console(const MmrigInstance *instance, guint lines)
{
    return mmrig_tap_tail(instance->console, lines);
}
