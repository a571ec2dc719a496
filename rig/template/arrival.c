/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrival.h"

#include <errno.h>
#include <sys/random.h>

#include "base/error.h"
#include "template-state.h"

typedef struct {
    MmrigQmp *qmp;
    MmrigChannel *channel;
    GStrv work; /* the line that is sent right after "fork" */
    gulong handler;
    GSource *cancel; /* it may be cancelled while nothing but an event is waited for */
    gboolean loaded;
} Arrival;

/* Ends the task the first time it is called. Several commands may fail one after the other. */
static void arrival_end(GTask *task, GError *error)
{
    Arrival *arrival = g_task_get_task_data(task);

    if (arrival->handler) {
        gulong handler = arrival->handler;
        arrival->handler = 0;
        g_source_destroy(arrival->cancel);
        if (error)
            g_task_return_error(task, error);
        else
            g_task_return_boolean(task, TRUE);
        g_signal_handler_disconnect(arrival->qmp, handler);
    } else if (error) {
        g_error_free(error);
    }
}

static void arrival_free(gpointer data)
{
    Arrival *arrival = data;

    g_strfreev(arrival->work);
    g_source_unref(arrival->cancel);
    g_object_unref(arrival->qmp);
    g_free(arrival);
}

static gboolean arrival_on_cancelled(GCancellable *cancellable G_GNUC_UNUSED, gpointer data)
{
    g_autoptr(GTask) task = g_object_ref(data);

    arrival_end(task, g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
    return G_SOURCE_REMOVE;
}

static void on_reply(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    GError *error = NULL;
    g_autoptr(JsonNode) reply = mmrig_qmp_execute_finish(MMRIG_QMP(source), result, &error);

    if (!reply) {
        g_prefix_error(&error, "the template cannot be forked: ");
        arrival_end(task, error);
    }
}

static void on_going(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = g_object_ref(data);

    on_reply(source, result, data);
    arrival_end(task, NULL);
}

static void arrival_command(GTask *task, const char *name, JsonObject *arguments,
                            GAsyncReadyCallback callback)
{
    Arrival *arrival = g_task_get_task_data(task);

    mmrig_qmp_execute_async(arrival->qmp, name, arguments, MMRIG_QMP_TIMEOUT,
                            g_task_get_cancellable(task), callback, g_object_ref(task));
}

/* What the agent needs to become a machine of its own: entropy and the time. */
static gboolean send_fork(MmrigChannel *channel, GError **error)
{
    g_autofree char *now = g_strdup_printf("%" G_GINT64_FORMAT, g_get_real_time());
    guchar seed[MMRIG_SEED_DIGITS / 2];
    char digits[MMRIG_SEED_DIGITS + 1];

    if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot get random bytes: %s",
                    g_strerror(errno));
        return FALSE;
    }
    for (gsize i = 0; i < sizeof(seed); i++)
        g_snprintf(digits + 2 * i, 3, "%02x", seed[i]);
    return mmrig_channel_send(channel, (const char *const[]){"fork", digits, now, NULL}, error);
}

static void arrival_on_event(MmrigQmp *qmp G_GNUC_UNUSED, const char *name, JsonObject *data,
                             GTask *task)
{
    Arrival *arrival = g_task_get_task_data(task);
    const char *status = mmrig_qmp_member_string(data, "status");
    GError *error = NULL;

    if (strcmp(name, "MIGRATION") != 0 || arrival->loaded || !arrival->handler ||
        g_cancellable_is_cancelled(g_task_get_cancellable(task)))
        return;
    if (g_strcmp0(status, "failed") == 0) {
        arrival_end(task,
                    g_error_new(MMRIG_ERROR, MMRIG_ERROR_QEMU,
                                "the template cannot be forked: QEMU did not load its state"));
    } else if (g_strcmp0(status, "completed") == 0) {
        arrival->loaded = TRUE;
        arrival_command(task, "cont", NULL, on_going);
        /*
         * Both lines are sent at once, so that the agent is woken once and does one after the
         * other.
         */
        if (!send_fork(arrival->channel, &error) ||
            (arrival->work &&
             !mmrig_channel_send(arrival->channel, (const char *const *)arrival->work, &error)))
            arrival_end(task, error);
    }
}

void mmrig_arrival_async(MmrigQmp *qmp, const MmrigPlan *machine, MmrigChannel *channel,
                         const char *const *work, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    g_autofree char *uri = mmrig_template_uri(machine);
    Arrival *arrival = g_new0(Arrival, 1);
    JsonObject *source = json_object_new();

    g_task_set_task_data(task, arrival, arrival_free);
    arrival->qmp = g_object_ref(qmp);
    arrival->channel = channel;
    arrival->work = g_strdupv((char **)work);
    arrival->handler =
        g_signal_connect_data(qmp, "event", G_CALLBACK(arrival_on_event), g_object_ref(task),
                              (GClosureNotify)(void (*)(void))g_object_unref, 0);
    arrival->cancel = g_cancellable_source_new(cancellable);
    g_source_set_callback(arrival->cancel, G_SOURCE_FUNC(arrival_on_cancelled),
                          g_object_ref(task), g_object_unref);
    g_source_attach(arrival->cancel, g_main_context_get_thread_default());
    json_object_set_string_member(source, "uri", uri);
    arrival_command(task, "migrate-set-capabilities", mmrig_template_capabilities(), on_reply);
    arrival_command(task, "migrate-incoming", source, on_reply);
}

gboolean mmrig_arrival_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
