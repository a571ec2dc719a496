/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How it works
 *
 * The stream belongs to a link (qmp-link-private.h), which points back to the client weakly. So
 * a client without pending commands is freed when its user lets go of it. One with pending
 * commands lives on until each is answered, timed out, cancelled or failed by
 * mmrig_qmp_close(), since their tasks hold it.
 *
 * A command that its caller has given up (time limit, cancellation) leaves its id in
 * "abandoned", so that a late answer is told apart from an answer to nothing.
 *
 * Callbacks and signal handlers may do anything, closing and releasing the client
 * included: each function that calls out holds a reference and looks at "closed" again.
 */
#include "qmp.h"

#include <string.h>

#include "base/error.h"
#include "qmp-codec-private.h"
#include "qmp-link-private.h"

/* Bytes of a broken message that are kept in the log. */
#define LOG_BROKEN_MAX 1024

typedef struct {
    MmrigQmp *qmp; /* borrowed: the task holds it */
    gint64 id;
    char *command;
    GTask *task;
    GSource *timeout;
    GSource *cancel;
    guint limit; /* ms */
} Pending;

typedef enum {
    STATE_GREETING, /* nothing received yet */
    STATE_GREETED,
    STATE_READY, /* negotiation is over */
} State;

struct _MmrigQmp {
    GObject parent_instance;

    MmrigQmpLink *link;
    GMainContext *context;
    MmrigQmpCodec *codec;
    GOutputStream *log;
    gsize log_room; /* bytes that may still go there */
    gint64 started;

    State state;
    gboolean connect_called;
    GTask *connect; /* the caller's, until it is answered */
    GSource *connect_timeout, *connect_cancel;
    guint connect_limit;

    gint64 last_id;
    GHashTable *pending;   /* id -> Pending */
    GHashTable *abandoned; /* ids */

    gboolean closed;
    GError *why; /* what closed it; NULL for an orderly end */
};

G_DEFINE_FINAL_TYPE(MmrigQmp, mmrig_qmp, G_TYPE_OBJECT)

enum {
    SIGNAL_EVENT,
    SIGNAL_CLOSED,
    SIGNAL_COUNT,
};

static guint signals[SIGNAL_COUNT];

static void qmp_shut(MmrigQmp *qmp, GError *error, gboolean tell);

/* --- the log --- */

static void qmp_log(MmrigQmp *qmp, char direction, const char *text, gsize size)
{
    g_autoptr(GString) line = NULL;
    double seconds = (double)(g_get_monotonic_time() - qmp->started) / G_USEC_PER_SEC;

    if (!qmp->log)
        return;
    line = g_string_new(NULL);
    g_string_append_printf(line, "%.6f %c ", seconds, direction);
    g_string_append_len(line, text, (gssize)size);
    g_string_append_c(line, '\n');
    gboolean fits = line->len <= qmp->log_room;
    if (!fits)
        g_string_assign(line, "[mmrig: the rest was cut off]\n");
    qmp->log_room -= MIN(qmp->log_room, line->len);
    if (!g_output_stream_write_all(qmp->log, line->str, line->len, NULL, NULL, NULL) || !fits)
        g_clear_object(&qmp->log);
}

static void qmp_log_broken(MmrigQmp *qmp, const GString *line)
{
    g_autoptr(GString) shown = NULL;

    if (line->len == 0)
        return;
    shown = g_string_new("(broken) ");
    for (gsize i = 0; i < MIN(line->len, LOG_BROKEN_MAX); i++) {
        if (g_ascii_isprint(line->str[i]) && line->str[i] != '\\')
            g_string_append_c(shown, line->str[i]);
        else
            g_string_append_printf(shown, "\\x%02x", (guchar)line->str[i]);
    }
    qmp_log(qmp, '<', shown->str, shown->len);
}

/* --- pending commands --- */

static void source_drop(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

/* Takes the sources off; the task must have been taken out. */
static void qmp_pending_free(gpointer data)
{
    Pending *pending = data;

    source_drop(&pending->timeout);
    source_drop(&pending->cancel);
    g_clear_object(&pending->task);
    g_free(pending->command);
    g_free(pending);
}

/* Ends a pending command without its answer; error is taken. */
static void pending_abandon(Pending *pending, GError *error)
{
    MmrigQmp *qmp = pending->qmp;
    GTask *task = g_steal_pointer(&pending->task);

    g_hash_table_add(qmp->abandoned, g_memdup2(&pending->id, sizeof pending->id));
    g_hash_table_remove(qmp->pending, &pending->id);
    g_task_return_error(task, error);
    g_object_unref(task);
}

static gboolean pending_timed_out(gpointer data)
{
    Pending *pending = data;

    pending_abandon(pending, g_error_new(MMRIG_ERROR, MMRIG_ERROR_TIMEOUT,
                                         "QEMU did not answer '%s' within %u ms",
                                         pending->command, pending->limit));
    return G_SOURCE_REMOVE;
}

static gboolean pending_cancelled(GCancellable *cancellable, gpointer data)
{
    (void)cancellable;
    pending_abandon(data, g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
    return G_SOURCE_REMOVE;
}

static GSource *attach_timeout(MmrigQmp *qmp, guint limit, GSourceFunc function, gpointer data)
{
    GSource *source;

    if (limit == 0)
        return NULL;
    source = g_timeout_source_new(limit);
    g_source_set_callback(source, function, data, NULL);
    g_source_attach(source, qmp->context);
    return source;
}

static GSource *attach_cancel(MmrigQmp *qmp, GCancellable *cancellable,
                              GCancellableSourceFunc function, gpointer data)
{
    GSource *source;

    if (!cancellable)
        return NULL;
    source = g_cancellable_source_new(cancellable);
    g_source_set_callback(source, G_SOURCE_FUNC(function), data, NULL);
    g_source_attach(source, qmp->context);
    return source;
}

/* Sends a command; task is taken, and answered with a JsonNode. */
static void qmp_send(MmrigQmp *qmp, const char *command, JsonObject *arguments, guint limit,
                     GTask *task)
{
    g_autoptr(JsonObject) message = json_object_new();
    Pending *pending = g_new0(Pending, 1);
    GBytes *bytes;
    gsize size;
    const char *text;

    pending->qmp = qmp;
    pending->id = ++qmp->last_id;
    pending->command = g_strdup(command);
    pending->task = task;
    pending->limit = limit;
    pending->timeout = attach_timeout(qmp, limit, pending_timed_out, pending);
    pending->cancel =
        attach_cancel(qmp, g_task_get_cancellable(task), pending_cancelled, pending);
    g_hash_table_insert(qmp->pending, &pending->id, pending);

    json_object_set_string_member(message, "execute", command);
    if (arguments)
        json_object_set_object_member(message, "arguments", json_object_ref(arguments));
    json_object_set_int_member(message, "id", pending->id);
    bytes = mmrig_qmp_encode(message);
    text = g_bytes_get_data(bytes, &size);
    qmp_log(qmp, '>', text, size - 1);
    mmrig_qmp_link_send(qmp->link, bytes);
}

/* --- connecting --- */

/* Takes the caller's connect task out, to be answered; NULL if it has been. */
static GTask *qmp_take_connect(MmrigQmp *qmp)
{
    source_drop(&qmp->connect_timeout);
    source_drop(&qmp->connect_cancel);
    return g_steal_pointer(&qmp->connect);
}

static void qmp_connect_failed(MmrigQmp *qmp, GError *error)
{
    g_autoptr(GTask) task = qmp_take_connect(qmp);

    if (task)
        g_task_return_error(task, error);
    else
        g_error_free(error);
}

static gboolean qmp_connect_timed_out(gpointer data)
{
    MmrigQmp *qmp = data;

    qmp_connect_failed(qmp, g_error_new(MMRIG_ERROR, MMRIG_ERROR_TIMEOUT,
                                        "QEMU did not %s on its control connection (QMP) "
                                        "within %u ms",
                                        qmp->state == STATE_GREETING ? "answer" : "get ready",
                                        qmp->connect_limit));
    return G_SOURCE_REMOVE;
}

static gboolean qmp_connect_cancelled(GCancellable *cancellable, gpointer data)
{
    (void)cancellable;
    qmp_connect_failed(data, g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
    return G_SOURCE_REMOVE;
}

static void qmp_negotiated(GObject *source, GAsyncResult *result, gpointer data)
{
    MmrigQmp *qmp = MMRIG_QMP(source);
    GError *error = NULL;
    g_autoptr(JsonNode) answer = g_task_propagate_pointer(G_TASK(result), &error);

    (void)data;
    if (!answer) {
        qmp_connect_failed(qmp, error);
        return;
    }
    qmp->state = STATE_READY;
    g_autoptr(GTask) task = qmp_take_connect(qmp);
    if (task)
        g_task_return_boolean(task, TRUE);
}

static void qmp_negotiate(MmrigQmp *qmp)
{
    qmp_send(qmp, "qmp_capabilities", NULL, 0, g_task_new(qmp, NULL, qmp_negotiated, NULL));
}

/* --- incoming messages --- */

static GError *protocol_error(const char *format, ...) G_GNUC_PRINTF(1, 2);

static GError *protocol_error(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return g_error_new(MMRIG_ERROR, MMRIG_ERROR_RIG,
                       "QEMU broke the rules of its control connection (QMP): %s", text);
}

static void qmp_reply(MmrigQmp *qmp, JsonObject *message)
{
    JsonNode *value = json_object_get_member(message, "return");
    g_autoptr(GError) error = value ? NULL : mmrig_qmp_message_error(message);
    Pending *pending;
    gint64 id;

    if (!value && !error) {
        qmp_shut(qmp, protocol_error("a malformed error reply"), TRUE);
        return;
    }
    if (!mmrig_qmp_message_id(message, &id)) {
        qmp_shut(qmp,
                 protocol_error("a reply without an id%s%s", error ? ": " : "",
                                error ? error->message : ""),
                 TRUE);
        return;
    }
    if (g_hash_table_remove(qmp->abandoned, &id))
        return;
    pending = g_hash_table_lookup(qmp->pending, &id);
    if (!pending) {
        qmp_shut(qmp,
                 protocol_error("a reply to command %" G_GINT64_FORMAT
                                ", which is not waiting for one",
                                id),
                 TRUE);
        return;
    }
    g_autoptr(GTask) task = g_steal_pointer(&pending->task);
    g_hash_table_remove(qmp->pending, &id);
    if (value)
        g_task_return_pointer(task, json_node_ref(value), (GDestroyNotify)json_node_unref);
    else
        g_task_return_error(task, g_steal_pointer(&error));
}

static void qmp_event(MmrigQmp *qmp, JsonObject *message)
{
    const char *name = mmrig_qmp_member_string(message, "event");
    g_autoptr(JsonObject) data = NULL;

    if (!name || (json_object_has_member(message, "data") &&
                  !mmrig_qmp_member_object(message, "data"))) {
        qmp_shut(qmp, protocol_error("a malformed event"), TRUE);
        return;
    }
    data = mmrig_qmp_member_object(message, "data");
    data = data ? json_object_ref(data) : json_object_new();
    g_signal_emit(qmp, signals[SIGNAL_EVENT], 0, name, data);
}

static void qmp_message(MmrigQmp *qmp, JsonObject *message)
{
    if (qmp->state == STATE_GREETING) {
        if (!mmrig_qmp_member_object(message, "QMP")) {
            qmp_shut(qmp, protocol_error("its first message is not a greeting"), TRUE);
            return;
        }
        qmp->state = STATE_GREETED;
        if (qmp->connect)
            qmp_negotiate(qmp);
    } else if (json_object_has_member(message, "event")) {
        qmp_event(qmp, message);
    } else if (json_object_has_member(message, "return") !=
               json_object_has_member(message, "error")) {
        qmp_reply(qmp, message);
    } else {
        qmp_shut(qmp, protocol_error("a message that is neither a reply nor an event"), TRUE);
    }
}

static void qmp_end_of_file(MmrigQmp *qmp)
{
    GHashTableIter iter;
    gpointer value;
    Pending *first = NULL;
    const char *when = NULL;
    g_autofree char *before = NULL;

    g_hash_table_iter_init(&iter, qmp->pending);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Pending *pending = value;
        if (!first || pending->id < first->id)
            first = pending;
    }
    if (mmrig_qmp_codec_partial(qmp->codec))
        when = "in the middle of a message";
    else if (qmp->state == STATE_GREETING)
        when = "before its greeting";
    else if (first)
        when = before = g_strdup_printf("before it answered '%s'", first->command);

    qmp_shut(qmp,
             when ? g_error_new(MMRIG_ERROR, MMRIG_ERROR_RIG,
                                "QEMU closed its control connection (QMP) %s", when)
                  : NULL,
             TRUE);
}

static void qmp_input(GObject *owner, GBytes *bytes)
{
    MmrigQmp *qmp = MMRIG_QMP(owner);
    g_autoptr(GString) line = g_string_new(NULL);
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);

    if (size == 0) {
        qmp_end_of_file(qmp);
        return;
    }
    mmrig_qmp_codec_feed(qmp->codec, data, size);
    while (!qmp->closed) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonObject) message = mmrig_qmp_codec_next(qmp->codec, line, &error);
        if (error) {
            qmp_log_broken(qmp, line);
            qmp_shut(qmp, protocol_error("%s", error->message), TRUE);
            return;
        }
        if (!message)
            return;
        qmp_log(qmp, '<', line->str, line->len);
        qmp_message(qmp, message);
    }
}

static void qmp_broken(GObject *owner, GError *error)
{
    qmp_shut(MMRIG_QMP(owner), error, TRUE);
}

/* --- the end --- */

/* Ends the conversation; error (taken) is NULL for an orderly end. tell: emit "closed". */
static void qmp_shut(MmrigQmp *qmp, GError *error, gboolean tell)
{
    g_autoptr(GHashTable) pending = NULL;
    g_autoptr(GError) reason = NULL;
    GHashTableIter iter;
    gpointer value;

    if (qmp->closed) {
        g_clear_error(&error);
        return;
    }
    g_object_ref(qmp);
    qmp->closed = TRUE;
    qmp->why = error;
    mmrig_qmp_link_close(qmp->link);

    reason = error ? g_error_copy(error)
                   : g_error_new(MMRIG_ERROR, MMRIG_ERROR_RIG,
                                 "the control connection to QEMU (QMP) is closed");
    pending = g_steal_pointer(&qmp->pending);
    qmp->pending = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, qmp_pending_free);
    /* Their time limits must not run out while callbacks iterate the context. */
    g_hash_table_iter_init(&iter, pending);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Pending *one = value;
        source_drop(&one->timeout);
        source_drop(&one->cancel);
    }
    g_hash_table_iter_init(&iter, pending);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Pending *one = value;
        g_task_return_error(one->task, g_error_copy(reason));
    }
    qmp_connect_failed(qmp, g_error_copy(reason));
    if (tell)
        g_signal_emit(qmp, signals[SIGNAL_CLOSED], 0, error);
    g_object_unref(qmp);
}

void mmrig_qmp_close(MmrigQmp *qmp)
{
    g_return_if_fail(MMRIG_IS_QMP(qmp));
    qmp_shut(qmp, NULL, TRUE);
}

/* --- the client --- */

static void mmrig_qmp_dispose(GObject *object)
{
    MmrigQmp *qmp = MMRIG_QMP(object);

    if (qmp->link) {
        qmp_shut(qmp, NULL, FALSE);
        mmrig_qmp_link_unref(g_steal_pointer(&qmp->link));
    }
    G_OBJECT_CLASS(mmrig_qmp_parent_class)->dispose(object);
}

static void mmrig_qmp_finalize(GObject *object)
{
    MmrigQmp *qmp = MMRIG_QMP(object);

    g_main_context_unref(qmp->context);
    mmrig_qmp_codec_free(qmp->codec);
    g_clear_object(&qmp->log);
    g_hash_table_unref(qmp->pending);
    g_hash_table_unref(qmp->abandoned);
    g_clear_error(&qmp->why);
    G_OBJECT_CLASS(mmrig_qmp_parent_class)->finalize(object);
}

static void mmrig_qmp_class_init(MmrigQmpClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);

    object_class->dispose = mmrig_qmp_dispose;
    object_class->finalize = mmrig_qmp_finalize;
    signals[SIGNAL_EVENT] =
        g_signal_new("event", MMRIG_TYPE_QMP, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                     G_TYPE_NONE, 2, G_TYPE_STRING, JSON_TYPE_OBJECT);
    signals[SIGNAL_CLOSED] =
        g_signal_new("closed", MMRIG_TYPE_QMP, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                     G_TYPE_NONE, 1, G_TYPE_ERROR | G_SIGNAL_TYPE_STATIC_SCOPE);
}

static void mmrig_qmp_init(MmrigQmp *qmp)
{
    qmp->context = g_main_context_ref_thread_default();
    qmp->codec = mmrig_qmp_codec_new(MMRIG_QMP_MESSAGE_MAX);
    qmp->started = g_get_monotonic_time();
    qmp->log_room = MMRIG_QMP_LOG_MAX;
    qmp->pending = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, qmp_pending_free);
    qmp->abandoned = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
}

MmrigQmp *mmrig_qmp_new(GIOStream *stream, GOutputStream *log)
{
    static const MmrigQmpLinkCalls calls = {.input = qmp_input, .broken = qmp_broken};
    MmrigQmp *qmp = g_object_new(MMRIG_TYPE_QMP, NULL);

    g_set_object(&qmp->log, log);
    qmp->link = mmrig_qmp_link_new(stream, G_OBJECT(qmp), &calls);
    return qmp;
}

void mmrig_qmp_connect_async(MmrigQmp *qmp, guint timeout, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer data)
{
    GTask *task;

    g_return_if_fail(MMRIG_IS_QMP(qmp));
    g_return_if_fail(!qmp->connect_called);
    task = g_task_new(qmp, cancellable, callback, data);
    g_task_set_source_tag(task, mmrig_qmp_connect_async);
    qmp->connect_called = TRUE;
    if (qmp->closed) {
        g_task_return_error(task, qmp->why ? g_error_copy(qmp->why)
                                           : g_error_new(MMRIG_ERROR, MMRIG_ERROR_RIG,
                                                         "the control connection to QEMU (QMP) "
                                                         "is closed"));
        g_object_unref(task);
        return;
    }
    if (g_task_return_error_if_cancelled(task)) {
        g_object_unref(task);
        return;
    }
    qmp->connect = task;
    qmp->connect_limit = timeout;
    qmp->connect_timeout = attach_timeout(qmp, timeout, qmp_connect_timed_out, qmp);
    qmp->connect_cancel = attach_cancel(qmp, cancellable, qmp_connect_cancelled, qmp);
    if (qmp->state == STATE_GREETED)
        qmp_negotiate(qmp);
}

void mmrig_qmp_execute_async(MmrigQmp *qmp, const char *command, JsonObject *arguments,
                             guint timeout, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(JsonObject) taken = arguments;
    g_autoptr(GTask) task = NULL;

    g_return_if_fail(MMRIG_IS_QMP(qmp));
    g_return_if_fail(command != NULL);
    task = g_task_new(qmp, cancellable, callback, data);
    g_task_set_source_tag(task, mmrig_qmp_execute_async);
    if (qmp->closed)
        g_task_return_new_error(
            task, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot ask QEMU to '%s': %s", command,
            qmp->why ? qmp->why->message : "the control connection (QMP) is closed");
    else if (qmp->state != STATE_READY)
        g_task_return_new_error(task, MMRIG_ERROR, MMRIG_ERROR_RIG,
                                "cannot ask QEMU to '%s': the control connection (QMP) is not "
                                "set up yet",
                                command);
    else if (!g_task_return_error_if_cancelled(task))
        qmp_send(qmp, command, taken, timeout, g_steal_pointer(&task));
}
