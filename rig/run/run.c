/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A run goes through its boots one by one. In each, its machines
 * (vm/instance.h) become ready, are told to run their tests once all are, and end; the first
 * that ends takes the others along, unless that is how it is to end. Whatever happens meanwhile
 * is only written down as evidence. The one place where a boot is judged is after all of its
 * machines are gone and what they had said is read. A machine that is kept is judged when its
 * test is done, as it goes on.
 */
#include "run.h"

#include "base/error.h"
#include "run-private.h"
#include "template/arrival.h"

static void start_boot(MmrigRun *run);

static MmrigRunMachine *run_machine(const MmrigRun *run, guint number)
{
    return g_ptr_array_index(run->machines, number);
}

static void free_boot(MmrigRun *run)
{
    g_clear_pointer(&run->keeper, mmrig_keeper_free);
    g_clear_pointer(&run->meeting, mmrig_meeting_free);
    for (guint i = 0; i < run->machines->len; i++)
        mmrig_run_machine_end_boot(run_machine(run, i));
    run->over = 0;
    run->kept = FALSE;
}

static void run_free(gpointer data)
{
    MmrigRun *run = data;

    free_boot(run);
    g_cancellable_disconnect(run->cancellable, run->cancel_handler);
    g_clear_object(&run->cancellable);
    g_ptr_array_unref(run->machines);
    mmrig_links_free(run->links);
    mmrig_result_free(run->result);
    g_free(run);
}

static void set_stage(MmrigRun *run, MmrigStage stage)
{
    if (run->options.stage)
        run->options.stage(run->options.scenario, stage, run->options.stage_data);
}

void mmrig_run_record(MmrigRunMachine *machine, const char **field, const char *format, ...)
{
    va_list args;

    if (*field)
        return;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(machine->texts, text);
    *field = text;
}

/* Ends all machines of the boot. It is judged once they are gone. */
static void run_end_boot(MmrigRun *run)
{
    gboolean any = FALSE;

    for (guint i = 0; i < run->machines->len; i++) {
        MmrigRunMachine *machine = run_machine(run, i);
        if (!machine->instance || mmrig_instance_is_ending(machine->instance))
            continue;
        any = TRUE;
        machine->evidence.stopped = TRUE;
        mmrig_instance_end(machine->instance);
    }
    if (any)
        set_stage(run, MMRIG_STAGE_ENDING);
}

/* Settles the verdict on the whole run. */
static void run_settle(MmrigRun *run)
{
    run->result->total_us = g_get_monotonic_time() - run->start_us;
    mmrig_judge_end(run->options.scenario, run->result);
}

/* The test is over: the machine is judged now and keeps running. */
static void keep_machine(MmrigRun *run)
{
    MmrigInstance *instance = run_machine(run, 0)->instance;
    const MmrigKept kept = {mmrig_scenario_machine(run->options.scenario, 0),
                            mmrig_instance_qmp(instance), mmrig_instance_pid(instance),
                            mmrig_instance_channel(instance), run->options.keep_name};
    g_autoptr(GError) error = NULL;

    mmrig_instance_limit(instance, 0, "none");
    run->keeper = mmrig_keeper_new(&kept, &error);
    if (!run->keeper) {
        mmrig_instance_blame_rig(instance, error);
        return;
    }
    mmrig_run_judge_boot(run);
    run_settle(run);
    run->kept = TRUE;
    set_stage(run, MMRIG_STAGE_KEPT);
    if (run->options.kept)
        run->options.kept(run->result, mmrig_keeper_name(run->keeper));
}

/*
 * Whether all is there that the test was to show: its whole output, or, if the machine has
 * ended, the panic that is expected.
 */
static gboolean is_complete(MmrigRunMachine *machine)
{
    if (machine->ended) {
        const MmrigResult *alone = mmrig_run_judge_machine(machine);
        return alone->settled && alone->verdict == MMRIG_PASS;
    }
    return machine->evidence.done &&
           mmrig_instance_output_total(machine->instance) >= machine->output_bytes;
}

void mmrig_run_test_over(MmrigRunMachine *machine)
{
    MmrigRun *run = machine->run;

    if (machine->over)
        return;
    machine->over = ++run->over;
    if (!run->meeting)
        return;
    machine->waited = mmrig_meeting_waits(run->meeting, machine->number);
    mmrig_meeting_leave(run->meeting, machine->number);
}

void mmrig_run_end_if_whole(MmrigRun *run)
{
    gboolean whole = TRUE;

    if (run->kept)
        return;
    for (guint i = 0; i < run->machines->len; i++) {
        MmrigRunMachine *machine = run_machine(run, i);
        if (!is_complete(machine)) {
            whole = FALSE;
        } else if (machine->timed) {
            /* Only the time of the others goes on. */
            machine->timed = FALSE;
            mmrig_instance_limit(machine->instance, 0, "none");
        }
    }
    if (!whole)
        return;
    if (run->options.keep && run->boot + 1 == run->boots &&
        !mmrig_instance_is_ending(run_machine(run, 0)->instance))
        keep_machine(run);
    else
        run_end_boot(run);
}

static void run_on_output(MmrigInstance *instance G_GNUC_UNUSED, const char *bytes, gsize size,
                          gpointer data)
{
    MmrigRunMachine *machine = data;
    const MmrigRunOptions *options = &machine->run->options;

    /*
     * A kept machine has been judged: its output belongs to no test, and the result has its
     * KTAP.
     */
    if (machine->run->kept)
        return;
    mmrig_ktap_feed(machine->ktap, bytes, size);
    if (options->output)
        options->output(bytes, size, options->output_data);
    mmrig_run_end_if_whole(machine->run);
}

static guint test_limit(const MmrigRun *run)
{
    return run->options.timeout ? run->options.timeout : run->options.scenario->timeout;
}

/* The line by which the agent starts the test. Free with g_strfreev(). */
static GStrv test_line(const MmrigRunMachine *machine)
{
    const MmrigRun *run = machine->run;
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autofree char *id = g_strdup_printf("%u", run->boot + 1);
    g_autofree char *limit_ms = g_strdup_printf("%u000", test_limit(run));

    g_ptr_array_add(words, (gpointer) "run");
    g_ptr_array_add(words, id);
    g_ptr_array_add(words, limit_ms);
    mmrig_test_words(machine->test, run->boot, words);
    return g_strdupv((GStrv)words->pdata);
}

/*
 * From here on what happens counts as the test's doing. A fork was told to run its test when it
 * arrived.
 */
static void begin_test(MmrigRunMachine *machine)
{
    guint limit = test_limit(machine->run);

    if (mmrig_instance_is_ending(machine->instance))
        return;
    machine->evidence.started = TRUE;
    machine->timed = TRUE;
    mmrig_instance_limit(machine->instance, limit + MMRIG_GRACE,
                         "the test did not end within %u s and the guest did not end it either",
                         limit);
    if (!machine->template) {
        g_auto(GStrv) line = test_line(machine);
        mmrig_instance_send(machine->instance, (const char *const *)line);
    }
}

/* Tests of several machines begin together, so that the time limit of each is its own. */
static void run_on_ready(MmrigInstance *instance G_GNUC_UNUSED, const char *boot_id,
                         gpointer data)
{
    MmrigRunMachine *machine = data;
    MmrigRun *run = machine->run;

    machine->ready = TRUE;
    g_free(run->result->boot_id);
    run->result->boot_id = g_strdup(boot_id);
    for (guint i = 0; i < run->machines->len; i++)
        if (!run_machine(run, i)->ready)
            return;
    if (run->result->boot_us < 0)
        run->result->boot_us = g_get_monotonic_time() - run->start_us;
    set_stage(run, MMRIG_STAGE_TESTING);
    for (guint i = 0; i < run->machines->len; i++)
        begin_test(run_machine(run, i));
}

/* A fork that is arriving. Its callback may come after its boot is over. */
typedef struct {
    MmrigRunMachine *machine;
    GTask *task; /* holds the run */
    guint generation;
} ForkArrival;

static void run_on_arrived(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
    g_autofree ForkArrival *arrival = data;
    g_autoptr(GTask) task = arrival->task;
    g_autoptr(GError) error = NULL;
    gboolean arrived = mmrig_arrival_finish(result, &error);
    MmrigRunMachine *machine = arrival->machine;

    if (arrived && machine->generation == arrival->generation)
        machine->arrived = TRUE;
    /* A lost connection means that QEMU is ending, and its end will be told. */
    if (!arrived && !g_task_get_completed(task) && machine->generation == arrival->generation &&
        !mmrig_instance_is_ending(machine->instance) &&
        (g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_QEMU) ||
         g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT)))
        mmrig_instance_blame_rig(machine->instance, error);
}

static void run_on_connected(MmrigInstance *instance, gpointer data)
{
    MmrigRunMachine *machine = data;

    if (!machine->template)
        return;
    g_auto(GStrv) line = test_line(machine);
    ForkArrival *arrival = g_new0(ForkArrival, 1);
    arrival->machine = machine;
    arrival->task = g_object_ref(machine->run->task);
    arrival->generation = machine->generation;
    mmrig_arrival_async(mmrig_instance_qmp(instance), machine->plan,
                        mmrig_instance_channel(instance), (const char *const *)line,
                        mmrig_instance_over(instance), run_on_arrived, arrival);
}

/* An error between two boots, or before the first, when there is no machine to blame. */
static void judge_rig_error(MmrigRun *run, const GError *error)
{
    const MmrigEvidence evidence = {.rig_error = error->message};

    mmrig_judge(mmrig_scenario_test(run->options.scenario, 0), &evidence, run->result);
}

/* Gives the result away; the run may be gone after this. */
static void run_finish(MmrigRun *run)
{
    GTask *task = run->task;

    g_task_return_pointer(task, g_steal_pointer(&run->result),
                          (GDestroyNotify)mmrig_result_free);
    g_object_unref(task);
}

static void run_break(MmrigRun *run, const GError *error)
{
    judge_rig_error(run, error);
    run_settle(run);
    run_finish(run);
}

static void start_next_boot(MmrigRun *run)
{
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < run->machines->len; i++) {
        if (!mmrig_run_machine_next_boot(run_machine(run, i), &error)) {
            run_break(run, error);
            return;
        }
    }
    start_boot(run);
}

/*
 * QEMU died of a race of its own before the tests began, so that nothing was tested. The boot
 * is started again, once, and a line says so. If QEMU dies of it a second time, that is a
 * verdict.
 */
static gboolean should_boot_again(MmrigRun *run)
{
    const MmrigScenario *scenario = run->options.scenario;
    gboolean race = FALSE;

    if (run->booted_again || run->result->settled ||
        g_cancellable_is_cancelled(run->cancellable))
        return FALSE;
    for (guint i = 0; i < run->machines->len; i++) {
        const MmrigRunMachine *machine = run_machine(run, i);
        const MmrigInstanceEvidence *seen = mmrig_instance_evidence(machine->instance);
        if (machine->template || machine->evidence.started)
            return FALSE;
        race = race || seen->died_of_race;
    }
    if (!race)
        return FALSE;
    g_printerr("mmrig: %s%s%s is booted again: " MMRIG_INSTANCE_RACE "\n", scenario->name,
               scenario->twin ? ":" : "", scenario->twin ? scenario->twin : "");
    run->booted_again = TRUE;
    return TRUE;
}

/*
 * Why QEMU did not load a machine's template, or NULL if it did. If it did not, no guest ran
 * and nothing was tested.
 */
static const char *run_refused(MmrigRun *run)
{
    if (run->boot > 0 || run->result->settled || g_cancellable_is_cancelled(run->cancellable))
        return NULL;
    for (guint i = 0; i < run->machines->len; i++) {
        const MmrigRunMachine *machine = run_machine(run, i);
        const MmrigInstanceEvidence *seen = mmrig_instance_evidence(machine->instance);
        if (machine->template && !machine->arrived && !machine->evidence.stopped &&
            !machine->evidence.started && !seen->agent_ready && !seen->time_limit)
            return seen->rig_error ? seen->rig_error : seen->end;
    }
    return NULL;
}

static void boot_again(MmrigRun *run)
{
    g_autoptr(GError) error = NULL;

    free_boot(run);
    /* Only the first boot begins anew; a later one finds what a power cut leaves. */
    for (guint i = 0; run->boot == 0 && i < run->machines->len; i++) {
        if (!mmrig_run_machine_renew(run_machine(run, i), &error)) {
            run_break(run, error);
            return;
        }
    }
    start_boot(run);
}

/* All machines are gone, and what they said is read. */
static void run_boot_ended(MmrigRun *run)
{
    gboolean kept = run->kept;

    if (should_boot_again(run)) {
        boot_again(run);
        return;
    }
    const char *refused = kept ? NULL : run_refused(run);
    if (refused) {
        g_task_return_new_error(run->task, MMRIG_ERROR, MMRIG_ERROR_TEMPLATE,
                                "QEMU did not load its state: %s", refused);
        free_boot(run);
        g_object_unref(run->task);
        return;
    }
    if (!kept)
        mmrig_run_judge_boot(run);
    free_boot(run);
    if (kept) {
        /* A kept machine is ended by a cancellation, which is no error then. */
        g_task_set_check_cancellable(run->task, FALSE);
        run_finish(run);
        return;
    }
    GTask *task = run->task;
    if (g_task_return_error_if_cancelled(task)) {
        g_object_unref(task);
        return;
    }
    run->boot++;
    run->booted_again = FALSE;
    if (run->result->settled || run->boot == run->boots) {
        run_settle(run);
        run_finish(run);
        return;
    }
    start_next_boot(run);
}

static void run_on_ended(MmrigInstance *instance G_GNUC_UNUSED, gpointer data)
{
    MmrigRunMachine *machine = data;
    MmrigRun *run = machine->run;
    gboolean all = TRUE;

    machine->ended = TRUE;
    for (guint i = 0; i < run->machines->len; i++)
        all = all && run_machine(run, i)->ended;
    machine->evidence.early = !all && !machine->evidence.stopped;
    mmrig_run_test_over(machine);
    if (all) {
        run_boot_ended(run);
        return;
    }
    if (is_complete(machine))
        mmrig_run_end_if_whole(run);
    else
        run_end_boot(run);
}

static gboolean machine_start(MmrigRunMachine *machine, GError **error)
{
    static const MmrigInstanceCalls calls = {
        .connected = run_on_connected,
        .ready = run_on_ready,
        .message = mmrig_run_on_message,
        .output = run_on_output,
        .ended = run_on_ended,
    };
    const MmrigInstanceOptions start = {
        .plan = machine->plan,
        .backings = machine->backings,
        .kind = machine->inputs.kind,
        .nonce = machine->template ? machine->template->nonce : NULL,
        .folder = machine->folder,
        .boot_timeout = machine->run->options.boot_timeout,
    };

    machine->ktap = mmrig_ktap_new();
    machine->instance = mmrig_instance_start(&start, &calls, machine, error);
    return machine->instance != NULL;
}

/* Makes the meeting of the machines' tests; there is none for a single machine. */
static MmrigMeeting *meeting_of_run(MmrigRun *run)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (run->machines->len < 2)
        return NULL;
    for (guint i = 0; i < run->machines->len; i++)
        g_ptr_array_add(names, (gpointer)run_machine(run, i)->name);
    g_ptr_array_add(names, NULL);
    return mmrig_meeting_new((const char *const *)names->pdata, mmrig_run_answer_meeting, run);
}

static void start_boot(MmrigRun *run)
{
    g_autoptr(GError) error = NULL;

    run->meeting = meeting_of_run(run);
    for (guint i = 0; i < run->machines->len; i++) {
        if (!machine_start(run_machine(run, i), &error)) {
            free_boot(run);
            run_break(run, error);
            return;
        }
    }
    set_stage(run, MMRIG_STAGE_BOOTING);
}

static void on_cancelled(GCancellable *cancellable G_GNUC_UNUSED, MmrigRun *run)
{
    run_end_boot(run);
}

void mmrig_run_async(const MmrigRunOptions *options, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    MmrigRun *run = g_new0(MmrigRun, 1);
    g_autoptr(GError) error = NULL;

    g_task_set_task_data(task, run, run_free);
    run->task = task;
    run->options = *options;
    run->result = mmrig_run_result_new(options);
    run->machines = g_ptr_array_new_with_free_func((GDestroyNotify)mmrig_run_machine_free);
    run->links = mmrig_links_new(options->scenario->fault.cut);
    run->boots = mmrig_scenario_boots(options->scenario);
    run->start_us = g_get_monotonic_time();
    for (guint i = 0; i < options->scenario->machines->len; i++) {
        MmrigRunMachine *machine = mmrig_run_machine_new(run, i, &error);
        if (!machine) {
            run_break(run, error);
            return;
        }
        g_ptr_array_add(run->machines, machine);
    }
    if (g_task_return_error_if_cancelled(task)) {
        g_object_unref(task);
        return;
    }
    if (cancellable) {
        run->cancellable = g_object_ref(cancellable);
        run->cancel_handler =
            g_cancellable_connect(cancellable, G_CALLBACK(on_cancelled), run, NULL);
    }
    start_boot(run);
}

MmrigResult *mmrig_run_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
