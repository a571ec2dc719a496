/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest says while a run is under way, and what it is answered. */
#include <errno.h>
#include <stdio.h>

#include "actions/actions.h"
#include "run-private.h"

#define STDERR_LIMIT (1024 * 1024)
#define METRICS_MAX  1000
#define POINTS_MAX   10000
#define REQUESTS_MAX 16 /* under way at once; the harness asks one at a time */

void mmrig_run_send(MmrigRun *run, const char *const *words)
{
    g_autoptr(GError) error = NULL;

    if (!run->channel)
        return;
    if (!mmrig_channel_send(run->channel, words, &error))
        mmrig_run_break(run, error);
}

typedef struct {
    GTask *task;
    guint boot;
    guint64 seq;
} Request;

static void on_action_done(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
    g_autofree Request *request = data;
    g_autoptr(GTask) task = request->task;
    MmrigRun *run = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) reply = mmrig_action_perform_finish(result, &error);
    g_autofree char *seq = g_strdup_printf("%" G_GUINT64_FORMAT, request->seq);
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    if (!run || g_task_get_completed(task) || run->boot != request->boot || run->ending)
        return;
    run->requests--;
    g_ptr_array_add(words, (gpointer) "reply");
    g_ptr_array_add(words, seq);
    g_ptr_array_add(words, (gpointer)(reply ? "ok" : "error"));
    if (!reply)
        g_ptr_array_add(words, error->message);
    for (char **word = reply; word && *word; word++)
        g_ptr_array_add(words, *word);
    g_ptr_array_add(words, NULL);
    mmrig_run_send(run, (const char *const *)words->pdata);
}

static void run_message_refuse(MmrigRun *run, guint64 seq, const char *why)
{
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, seq);

    mmrig_run_send(run, (const char *const[]){"reply", number, "error", why, NULL});
}

static void on_request(GTask *task, const MmrigGuestMessage *message)
{
    MmrigRun *run = g_task_get_task_data(task);
    const MmrigScenario *scenario = run->options.scenario;
    const char *verb = message->request.verb;
    MmrigActionContext context = {mmrig_vm_qmp(run->vm), mmrig_vm_pid(run->vm), scenario};

    if (!run->evidence.started || run->ending)
        return;
    if (!scenario->requests ||
        !g_strv_contains((const char *const *)scenario->requests, verb)) {
        g_autofree char *why =
            g_strdup_printf("the scenario's [test] requests do not allow \"%s\"", verb);
        run_message_refuse(run, message->number, why);
        return;
    }
    if (run->requests >= REQUESTS_MAX) {
        run_message_refuse(run, message->number, "too many requests at once");
        return;
    }
    run->requests++;
    Request *request = g_new0(Request, 1);
    request->task = g_object_ref(task);
    request->boot = run->boot;
    request->seq = message->number;
    mmrig_action_perform_async(&context, verb, message->request.args, run->boot_over,
                               on_action_done, request);
}

static void add_metric(MmrigRun *run, const MmrigGuestMessage *message)
{
    if (run->result->metrics->len >= METRICS_MAX)
        return;
    MmrigMetric *metric = g_new0(MmrigMetric, 1);
    metric->name = g_strdup(message->metric.name);
    metric->value = message->metric.value;
    metric->unit = g_strdup(message->metric.unit);
    g_ptr_array_add(run->result->metrics, metric);
}

static void add_point(MmrigRun *run, const MmrigGuestMessage *message)
{
    if (run->result->points->len >= POINTS_MAX)
        return;
    MmrigPoint *point = g_new0(MmrigPoint, 1);
    point->series = g_strdup(message->point.series);
    point->x = message->point.x;
    point->x_unit = g_strdup(message->point.x_unit);
    point->y = message->point.y;
    point->y_unit = g_strdup(message->point.y_unit);
    g_ptr_array_add(run->result->points, point);
}

static void save_stderr(MmrigRun *run, const MmrigGuestMessage *message)
{
    if (!run->options.folder || run->stderr_bytes >= STDERR_LIMIT)
        return;
    g_autofree char *path = g_build_filename(run->options.folder, "stderr.log", NULL);
    FILE *file = fopen(path, "ae");
    gboolean saved =
        file && fwrite(message->err.bytes, 1, message->err.size, file) == message->err.size;

    run->stderr_bytes += message->err.size;
    if (file)
        saved = fclose(file) == 0 && saved;
    if (!saved) {
        g_autoptr(GError) error = g_error_new(MMRIG_ERROR, MMRIG_ERROR_RIG,
                                              "cannot write %s: %s", path, g_strerror(errno));
        mmrig_run_break(run, error);
    }
}

static void on_forked(GTask *task, const MmrigGuestMessage *message)
{
    MmrigRun *run = g_task_get_task_data(task);
    const MmrigTemplate *template = run->options.template;

    if (!template || run->agent_ready ||
        g_ascii_strcasecmp(template->nonce, message->forked.nonce) != 0) {
        mmrig_run_record(run, &run->evidence.protocol_error,
                         "the machine is not a fork of its template, or says so twice");
        mmrig_run_end_boot(run);
        return;
    }
    mmrig_run_up(task, message->forked.boot_id);
}

static void run_message_on_message(const MmrigGuestMessage *message, gpointer data)
{
    GTask *task = data;
    MmrigRun *run = g_task_get_task_data(task);
    MmrigEvidence *evidence = &run->evidence;

    if (message->kind == MMRIG_GUEST_TRANSLATED && run->keeper) {
        mmrig_keeper_translated(run->keeper, message);
        return;
    }
    /* What a kept machine says is of no test. */
    if (run->kept)
        return;
    switch (message->kind) {
    case MMRIG_GUEST_TRANSLATED:
    case MMRIG_GUEST_CLOCK:
        mmrig_run_record(run, &evidence->protocol_error,
                         "the agent answered what nobody had asked");
        mmrig_run_end_boot(run);
        break;
    case MMRIG_GUEST_READY:
        if (run->agent_ready || run->options.template) {
            mmrig_run_record(run, &evidence->protocol_error,
                             "the agent was ready when it was not asked");
            mmrig_run_end_boot(run);
            return;
        }
        mmrig_run_up(task, message->ready.boot_id);
        break;
    case MMRIG_GUEST_FORKED:
        on_forked(task, message);
        break;
    case MMRIG_GUEST_KEPT:
        mmrig_run_record(run, &evidence->protocol_error,
                         "the agent took itself for a template's");
        mmrig_run_end_boot(run);
        break;
    case MMRIG_GUEST_REQUEST:
        on_request(task, message);
        break;
    case MMRIG_GUEST_METRIC:
        add_metric(run, message);
        break;
    case MMRIG_GUEST_POINT:
        add_point(run, message);
        break;
    case MMRIG_GUEST_KERNEL:
        mmrig_run_record(run, &evidence->oops, "%s", message->kernel.text);
        break;
    case MMRIG_GUEST_STDERR:
        save_stderr(run, message);
        break;
    case MMRIG_GUEST_ABORT:
        mmrig_run_record(run, &evidence->abort, "%s:%s: %s", message->abort.file,
                         message->abort.line, message->abort.text);
        break;
    case MMRIG_GUEST_DONE:
        if (!evidence->started || message->number != run->boot + 1) {
            mmrig_run_record(
                run, &evidence->protocol_error,
                "the agent said that a test was done which it was not asked to run");
            mmrig_run_end_boot(run);
            return;
        }
        evidence->done = TRUE;
        evidence->how = message->done.how;
        evidence->number = message->done.number;
        run->output_bytes = message->done.output_bytes;
        mmrig_run_end_if_whole(run);
        break;
    case MMRIG_GUEST_FAIL:
        mmrig_run_record(run, &evidence->agent_failure, "%s", message->fail);
        mmrig_run_end_boot(run);
        break;
    }
}

static void run_message_on_closed(const GError *error, gpointer data)
{
    MmrigRun *run = g_task_get_task_data(data);

    /* An end of file means that QEMU is ending; on_ended() will tell how. */
    if (!error)
        return;
    mmrig_run_record(run, &run->evidence.protocol_error, "%s", error->message);
    mmrig_run_end_boot(run);
}

const MmrigChannelCalls mmrig_run_channel_calls = {run_message_on_message,
                                                   run_message_on_closed};
