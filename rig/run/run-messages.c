/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest says while a run is under way, and what it is answered. */
#include <errno.h>
#include <stdio.h>

#include "actions/actions.h"
#include "run-private.h"

#define STDERR_LIMIT (1024 * 1024)
#define STDERR_CUT   G_MAXUINT64 /* and said so */
#define METRICS_MAX  1000
#define POINTS_MAX   10000
#define REQUESTS_MAX 16 /* under way at once; the harness asks one at a time */

typedef struct {
    MmrigRunMachine *machine;
    GTask *task; /* holds the run */
    guint generation;
    guint64 seq;
} Request;

/* Answers a request: with fields (NULL-terminated, maybe none), or with the problem. */
static void run_message_reply(MmrigRunMachine *machine, guint64 seq, const char *const *fields,
                              const char *problem)
{
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, seq);
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    g_ptr_array_add(words, (gpointer) "reply");
    g_ptr_array_add(words, number);
    g_ptr_array_add(words, (gpointer)(problem ? "error" : "ok"));
    if (problem)
        g_ptr_array_add(words, (gpointer)problem);
    for (; !problem && fields && *fields; fields++)
        g_ptr_array_add(words, (gpointer)*fields);
    g_ptr_array_add(words, NULL);
    mmrig_instance_send(machine->instance, (const char *const *)words->pdata);
}

static void on_action_done(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
    g_autofree Request *request = data;
    g_autoptr(GTask) task = request->task;
    MmrigRunMachine *machine = request->machine;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) reply = mmrig_action_perform_finish(result, &error);

    if (g_task_get_completed(task) || machine->generation != request->generation ||
        mmrig_instance_is_ending(machine->instance))
        return;
    machine->requests--;
    run_message_reply(machine, request->seq, (const char *const *)reply,
                      reply ? NULL : error->message);
}

void mmrig_run_answer_meeting(guint machine, guint64 request, const char *const *fields,
                              const char *problem, gpointer data)
{
    MmrigRun *run = data;
    MmrigRunMachine *one = g_ptr_array_index(run->machines, machine);

    if (mmrig_instance_is_ending(one->instance))
        return;
    one->requests--;
    run_message_reply(one, request, fields, problem);
}

/* A request that is about all machines of the run. There is one: meet. */
static void on_joint_request(MmrigRunMachine *machine, const MmrigGuestMessage *message)
{
    MmrigRun *run = machine->run;
    const char *verb = message->request.verb;
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) values = mmrig_action_arguments(verb, message->request.args, &error);

    if (!run->meeting) {
        run_message_reply(machine, message->number, NULL, "there is no other machine");
    } else if (!values) {
        run_message_reply(machine, message->number, NULL, error->message);
    } else if (g_strcmp0(run->options.scenario->fault.request.drop, verb) == 0) {
        run_message_reply(machine, message->number, NULL, NULL);
    } else {
        machine->requests++;
        mmrig_meeting_ask(run->meeting, machine->number, message->number,
                          g_hash_table_lookup(values, "name"),
                          g_hash_table_lookup(values, "value"));
    }
}

static void on_request(MmrigRunMachine *machine, const MmrigGuestMessage *message)
{
    MmrigInstance *instance = machine->instance;
    const char *verb = message->request.verb;
    MmrigActionContext context = {mmrig_instance_qmp(instance), mmrig_instance_pid(instance),
                                  machine->spec,
                                  &machine->run->options.scenario->fault.request};

    if (!machine->evidence.started || mmrig_instance_is_ending(instance))
        return;
    if (!mmrig_test_may(machine->test, verb)) {
        g_autofree char *why =
            g_strdup_printf("the scenario's [test] requests do not allow \"%s\"", verb);
        run_message_reply(machine, message->number, NULL, why);
        return;
    }
    if (machine->requests >= REQUESTS_MAX) {
        run_message_reply(machine, message->number, NULL, "too many requests at once");
        return;
    }
    if (mmrig_action_joins_machines(verb)) {
        on_joint_request(machine, message);
        return;
    }
    machine->requests++;
    Request *request = g_new0(Request, 1);
    request->machine = machine;
    request->task = g_object_ref(machine->run->task);
    request->generation = machine->generation;
    request->seq = message->number;
    mmrig_action_perform_async(&context, verb, message->request.args,
                               mmrig_instance_over(instance), on_action_done, request);
}

/* Machines may measure the same: as with their cases, the name of each is before it. */
static char *run_message_name(const MmrigRunMachine *machine, const char *name)
{
    return machine->name ? g_strdup_printf("%s/%s", machine->name, name) : g_strdup(name);
}

static void add_metric(const MmrigRunMachine *machine, const MmrigGuestMessage *message)
{
    MmrigRun *run = machine->run;

    if (run->result->metrics->len >= METRICS_MAX)
        return;
    MmrigMetric *metric = g_new0(MmrigMetric, 1);
    metric->name = run_message_name(machine, message->metric.name);
    metric->value = message->metric.value;
    metric->unit = g_strdup(message->metric.unit);
    g_ptr_array_add(run->result->metrics, metric);
}

static void add_point(const MmrigRunMachine *machine, const MmrigGuestMessage *message)
{
    MmrigRun *run = machine->run;

    if (run->result->points->len >= POINTS_MAX)
        return;
    MmrigPoint *point = g_new0(MmrigPoint, 1);
    point->series = run_message_name(machine, message->point.series);
    point->x = message->point.x;
    point->x_unit = g_strdup(message->point.x_unit);
    point->y = message->point.y;
    point->y_unit = g_strdup(message->point.y_unit);
    g_ptr_array_add(run->result->points, point);
}

static void save_stderr(MmrigRunMachine *machine, const MmrigGuestMessage *message)
{
    static const char cut[] = "\n[mmrig: the rest was cut off]\n";
    const char *folder = machine->folder;
    gboolean fits = machine->stderr_bytes < STDERR_LIMIT;
    gsize size = fits ? message->err.size : sizeof(cut) - 1;

    if (!folder || machine->stderr_bytes == STDERR_CUT)
        return;
    g_autofree char *path = g_build_filename(folder, "stderr.log", NULL);
    FILE *file = fopen(path, "ae");
    gboolean saved = file && fwrite(fits ? message->err.bytes : cut, 1, size, file) == size;

    machine->stderr_bytes = fits ? machine->stderr_bytes + size : STDERR_CUT;
    if (file)
        saved = fclose(file) == 0 && saved;
    if (!saved) {
        g_autoptr(GError) error = g_error_new(MMRIG_ERROR, MMRIG_ERROR_RIG,
                                              "cannot write %s: %s", path, g_strerror(errno));
        mmrig_instance_blame_rig(machine->instance, error);
    }
}

static void on_done(MmrigRunMachine *machine, const MmrigGuestMessage *message)
{
    MmrigEvidence *evidence = &machine->evidence;

    if (!evidence->started || evidence->done || message->number != machine->run->boot + 1) {
        mmrig_instance_blame_guest(
            machine->instance,
            "the agent said that a test was done which it was not asked to run");
        return;
    }
    evidence->done = TRUE;
    evidence->how = message->done.how;
    evidence->number = message->done.number;
    machine->output_bytes = message->done.output_bytes;
    mmrig_run_test_over(machine);
    mmrig_run_end_if_whole(machine->run);
}

void mmrig_run_on_message(MmrigInstance *instance, const MmrigGuestMessage *message,
                          gpointer data)
{
    MmrigRunMachine *machine = data;
    MmrigRun *run = machine->run;
    MmrigEvidence *evidence = &machine->evidence;

    if (message->kind == MMRIG_GUEST_TRANSLATED && run->keeper) {
        mmrig_keeper_translated(run->keeper, message);
        return;
    }
    /* A kept machine has been judged: what it says belongs to no test any more. */
    if (run->kept)
        return;
    switch (message->kind) {
    case MMRIG_GUEST_TRANSLATED:
    case MMRIG_GUEST_CLOCK:
        mmrig_instance_blame_guest(instance, "the agent answered what nobody had asked");
        break;
    case MMRIG_GUEST_REQUEST:
        on_request(machine, message);
        break;
    case MMRIG_GUEST_METRIC:
        add_metric(machine, message);
        break;
    case MMRIG_GUEST_POINT:
        add_point(machine, message);
        break;
    case MMRIG_GUEST_KERNEL:
        mmrig_run_record(machine, &evidence->oops, "%s", message->kernel.text);
        break;
    case MMRIG_GUEST_STDERR:
        save_stderr(machine, message);
        break;
    case MMRIG_GUEST_ABORT:
        mmrig_run_record(machine, &evidence->abort, "%s:%s: %s", message->abort.file,
                         message->abort.line, message->abort.text);
        break;
    case MMRIG_GUEST_DONE:
        on_done(machine, message);
        break;
    case MMRIG_GUEST_READY:
    case MMRIG_GUEST_FORKED:
    case MMRIG_GUEST_KEPT:
    case MMRIG_GUEST_FAIL:
        break; /* the instance's affair */
    }
}
