/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A run goes through its boots one by one. In each, three things come
 * on their own time: QMP's greeting, the agent's "ready", and whatever ends it. The test is
 * asked to run when the first two are there. Everything that ends a boot (done, a broken
 * protocol, a time limit, a cancellation) only records what happened and kills QEMU; the one
 * place where a boot is judged is after QEMU is gone and all it had said is read, so no
 * evidence is missed because it came a moment late.
 */
#include "run.h"

#include <string.h>

#include "run-private.h"
#include "template/arrival.h"
#include "vm/backing.h"

#define KTAP_LIMIT   (16 * 1024 * 1024)
#define CONSOLE_TAIL 20

static void start_boot(GTask *task);

static void free_boot(MmrigRun *run)
{
    if (run->boot_over)
        g_cancellable_cancel(run->boot_over);
    g_clear_object(&run->boot_over);
    g_clear_handle_id(&run->timer, g_source_remove);
    g_clear_pointer(&run->keeper, mmrig_keeper_free);
    g_clear_pointer(&run->channel, mmrig_channel_free);
    g_clear_pointer(&run->output, mmrig_tap_free);
    g_clear_pointer(&run->vm, mmrig_vm_free);
    g_clear_pointer(&run->ktap, mmrig_ktap_free);
    g_ptr_array_set_size(run->evidence_texts, 0);
    memset(&run->evidence, 0, sizeof(run->evidence));
    run->requests = 0;
    run->qmp_ready = run->agent_ready = run->ending = run->guest_shutdown = FALSE;
    run->kept = FALSE;
}

static void run_free(gpointer data)
{
    MmrigRun *run = data;

    free_boot(run);
    g_cancellable_disconnect(run->cancellable, run->cancel_handler);
    g_clear_object(&run->cancellable);
    g_clear_pointer(&run->backings, g_array_unref);
    g_ptr_array_unref(run->evidence_texts);
    mmrig_plan_free(run->machine);
    mmrig_result_free(run->result);
    g_free(run);
}

static void set_stage(MmrigRun *run, MmrigStage stage)
{
    if (run->options.stage)
        run->options.stage(run->options.scenario, stage, run->options.stage_data);
}

void mmrig_run_record(MmrigRun *run, const char **field, const char *format, ...)
{
    va_list args;

    if (*field)
        return;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(run->evidence_texts, text);
    *field = text;
}

void mmrig_run_end_boot(MmrigRun *run)
{
    if (run->ending)
        return;
    run->ending = TRUE;
    g_cancellable_cancel(run->boot_over);
    g_clear_handle_id(&run->timer, g_source_remove);
    set_stage(run, MMRIG_STAGE_ENDING);
    mmrig_vm_kill(run->vm);
}

void mmrig_run_break(MmrigRun *run, const GError *error)
{
    mmrig_result_settle(run->result, MMRIG_BROKEN, MMRIG_CAUSE_RIG, "%s", error->message);
    mmrig_run_end_boot(run);
}

static gboolean run_on_time_limit(gpointer data)
{
    MmrigRun *run = g_task_get_task_data(data);
    const MmrigScenario *scenario = run->options.scenario;
    guint boot = run->options.boot_timeout ? run->options.boot_timeout : MMRIG_BOOT_TIMEOUT;
    guint test = run->options.timeout ? run->options.timeout : scenario->timeout;

    run->timer = 0;
    if (run->evidence.started)
        mmrig_run_record(run, &run->evidence.time_limit,
                         "the test did not end within %u s and the guest did not end it either",
                         test);
    else
        mmrig_run_record(run, &run->evidence.time_limit, "the guest was not ready within %u s",
                         boot);
    mmrig_run_end_boot(run);
    return G_SOURCE_REMOVE;
}

static void set_timer(GTask *task, guint seconds)
{
    MmrigRun *run = g_task_get_task_data(task);

    g_clear_handle_id(&run->timer, g_source_remove);
    run->timer = g_timeout_add_seconds(seconds, run_on_time_limit, task);
}

static void judge_boot(MmrigRun *run);
static void run_settle(MmrigRun *run);

/* The test is over, and so is what is judged; the machine stays. */
static void keep_machine(MmrigRun *run)
{
    const MmrigKept kept = {run->options.scenario, mmrig_vm_qmp(run->vm), mmrig_vm_pid(run->vm),
                            run->channel, run->options.keep_name};
    g_autoptr(GError) error = NULL;

    g_clear_handle_id(&run->timer, g_source_remove);
    run->keeper = mmrig_keeper_new(&kept, &error);
    if (!run->keeper) {
        mmrig_run_break(run, error);
        return;
    }
    judge_boot(run);
    run_settle(run);
    run->kept = TRUE;
    set_stage(run, MMRIG_STAGE_KEPT);
    if (run->options.kept)
        run->options.kept(run->result, mmrig_keeper_name(run->keeper));
}

void mmrig_run_end_if_whole(MmrigRun *run)
{
    if (run->kept || !run->evidence.done || mmrig_tap_total(run->output) < run->output_bytes)
        return;
    if (run->options.keep && run->boot + 1 == run->boots)
        keep_machine(run);
    else
        mmrig_run_end_boot(run);
}

static void run_on_output(const char *bytes, gsize size, gpointer data)
{
    MmrigRun *run = data;

    mmrig_ktap_feed(run->ktap, bytes, size);
    /* The tap counts before it calls. */
    if (run->output)
        mmrig_run_end_if_whole(run);
}

static guint test_limit(const MmrigRun *run)
{
    return run->options.timeout ? run->options.timeout : run->options.scenario->timeout;
}

/* The line by which the agent starts the test. Free with g_strfreev(). */
static GStrv test_line(const MmrigRun *run)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autofree char *id = g_strdup_printf("%u", run->boot + 1);
    g_autofree char *limit_ms = g_strdup_printf("%u000", test_limit(run));

    g_ptr_array_add(words, (gpointer) "run");
    g_ptr_array_add(words, id);
    g_ptr_array_add(words, limit_ms);
    mmrig_scenario_test_words(run->options.scenario, run->boot, words);
    return g_strdupv((GStrv)words->pdata);
}

/* What happens from here on is the test's doing. */
static void test_started(GTask *task)
{
    MmrigRun *run = g_task_get_task_data(task);

    run->evidence.started = TRUE;
    set_timer(task, test_limit(run) + MMRIG_GRACE);
    set_stage(run, MMRIG_STAGE_TESTING);
}

/* A fork was told on its arrival. */
static void start_test_if_ready(GTask *task)
{
    MmrigRun *run = g_task_get_task_data(task);

    if (!run->qmp_ready || !run->agent_ready || run->ending || run->evidence.started)
        return;
    test_started(task);
    if (!run->options.template) {
        g_auto(GStrv) line = test_line(run);
        mmrig_run_send(run, (const char *const *)line);
    }
}

void mmrig_run_up(GTask *task, const char *boot_id)
{
    MmrigRun *run = g_task_get_task_data(task);

    run->agent_ready = TRUE;
    g_free(run->result->boot_id);
    run->result->boot_id = g_strdup(boot_id);
    if (run->result->boot_us < 0)
        run->result->boot_us = g_get_monotonic_time() - run->start_us;
    start_test_if_ready(task);
}

static void run_on_event(MmrigQmp *qmp G_GNUC_UNUSED, const char *name, JsonObject *data,
                         MmrigRun *run)
{
    if (strcmp(name, "SHUTDOWN") == 0)
        run->guest_shutdown = json_object_get_boolean_member_with_default(data, "guest", FALSE);
}

static void run_on_arrived(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;
    gboolean arrived = mmrig_arrival_finish(result, &error);
    MmrigRun *run = g_task_get_task_data(task);

    /* A lost connection means that QEMU is ending; on_ended() will tell how. */
    if (!arrived && !run->ending && !g_task_get_completed(task) &&
        (g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_QEMU) ||
         g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT)))
        mmrig_run_break(run, error);
}

static void run_on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;
    gboolean connected = mmrig_qmp_connect_finish(MMRIG_QMP(source), result, &error);
    MmrigRun *run = g_task_get_task_data(task);

    /* A lost connection means that QEMU is ending; on_ended() will tell how. */
    if (!connected) {
        if (g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT) && !run->ending)
            mmrig_run_break(run, error);
        return;
    }
    run->qmp_ready = TRUE;
    if (run->options.template) {
        g_auto(GStrv) line = test_line(run);
        mmrig_arrival_async(mmrig_vm_qmp(run->vm), run->machine, run->channel,
                            (const char *const *)line, run->boot_over, run_on_arrived,
                            g_object_ref(task));
    }
    start_test_if_ready(task);
}

static void judge_boot(MmrigRun *run)
{
    MmrigEvidence *evidence = &run->evidence;
    const char *panic = mmrig_vm_panic(run->vm);
    const GError *log_error = mmrig_vm_log_error(run->vm);
    g_autofree char *obituary = mmrig_vm_obituary(run->vm);

    if (!log_error)
        log_error = mmrig_tap_error(run->output);
    if (log_error)
        mmrig_result_settle(run->result, MMRIG_BROKEN, MMRIG_CAUSE_RIG, "%s",
                            log_error->message);
    if (panic)
        mmrig_run_record(run, &evidence->panic, "%s", panic);
    evidence->ktap = run->ktap;
    mmrig_ktap_end(run->ktap, &evidence->ktap_problem);
    evidence->obituary = obituary;
    evidence->guest_ended_it = run->guest_shutdown;
    mmrig_judge(run->options.scenario, evidence, run->result);
    if (run->result->settled && run->result->verdict != MMRIG_PASS &&
        run->result->verdict != MMRIG_SKIP && !run->result->console_tail)
        run->result->console_tail = mmrig_vm_console(run->vm, CONSOLE_TAIL);
    if (evidence->started)
        mmrig_result_add_ktap(run->result, NULL, run->boots > 1 ? run->boot + 1 : 0,
                              g_steal_pointer(&run->ktap));
}

/* Makes the machine's backing of this number what it was at first. */
static void run_renew(MmrigRun *run, guint number)
{
    g_autoptr(GError) error = NULL;

    if (!mmrig_backing_empty(g_ptr_array_index(run->machine->backings, number),
                             g_array_index(run->backings, int, number), &error))
        mmrig_result_settle(run->result, MMRIG_BROKEN, MMRIG_CAUSE_RIG, "%s", error->message);
}

/* The same for the backing of this device, which may be NULL. */
static void renew_backing(MmrigRun *run, const char *device)
{
    for (guint i = 0; device && i < run->machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(run->machine->backings, i);
        if (strcmp(backing->device, device) == 0)
            run_renew(run, i);
    }
}

/* A fork's next boot is a boot: of the same machine, with the memory of its own. */
static gboolean leave_template(MmrigRun *run, GError **error)
{
    if (!run->options.template)
        return TRUE;
    run->inputs.kind = MMRIG_START_COLD;
    MmrigPlan *machine = mmrig_plan_make(run->options.scenario, &run->inputs, error);
    GArray *backings =
        machine ? mmrig_backings_inherit(machine, run->machine, run->backings, error) : NULL;
    if (!backings) {
        mmrig_plan_free(machine);
        return FALSE;
    }
    g_array_unref(run->backings);
    mmrig_plan_free(run->machine);
    run->backings = backings;
    run->machine = machine;
    run->options.template = NULL;
    return TRUE;
}

/* The verdict is final. */
static void run_settle(MmrigRun *run)
{
    if (!run->result->settled) {
        run->result->settled = TRUE;
        run->result->verdict = MMRIG_PASS;
        run->result->cause = MMRIG_CAUSE_NONE;
    }
    run->result->total_us = g_get_monotonic_time() - run->start_us;
    if (run->options.scenario->twin)
        mmrig_judge_twin(run->options.scenario, run->result);
}

static void run_finish(GTask *task)
{
    MmrigRun *run = g_task_get_task_data(task);

    g_task_return_pointer(task, g_steal_pointer(&run->result),
                          (GDestroyNotify)mmrig_result_free);
    g_object_unref(task);
}

static void start_next_boot(GTask *task)
{
    MmrigRun *run = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;

    if (!leave_template(run, &error)) {
        mmrig_result_settle(run->result, MMRIG_BROKEN, MMRIG_CAUSE_RIG, "%s", error->message);
        run_settle(run);
        run_finish(task);
        return;
    }
    renew_backing(run, run->options.scenario->fault.truncate);
    if (!run->options.scenario->keep_variables)
        renew_backing(run, MMRIG_BACKING_VARIABLES);
    start_boot(task);
}

/*
 * QEMU died of a race of its own before the guest was up, so that nothing was tested. Once a
 * boot, and never without a word: a machine that dies of it again is one that does so by
 * itself.
 */
static gboolean should_boot_again(MmrigRun *run)
{
    const MmrigScenario *scenario = run->options.scenario;

    if (run->agent_ready || run->booted_again || run->options.template ||
        run->result->settled || g_cancellable_is_cancelled(run->cancellable) ||
        !mmrig_vm_died_of_race(run->vm))
        return FALSE;
    g_printerr("mmrig: %s%s%s is booted again: " MMRIG_VM_RACE "\n", scenario->name,
               scenario->twin ? ":" : "", scenario->twin ? scenario->twin : "");
    run->booted_again = TRUE;
    return TRUE;
}

static void run_on_ended(MmrigVm *vm G_GNUC_UNUSED, gpointer data)
{
    GTask *task = data;
    MmrigRun *run = g_task_get_task_data(task);

    if (should_boot_again(run)) {
        free_boot(run);
        /* A first boot begins with what it began with; a later one, as if its power was cut. */
        for (guint i = 0; run->boot == 0 && i < run->backings->len; i++)
            run_renew(run, i);
        start_boot(task);
        return;
    }
    /* What QEMU still passed on before it ended counts; requests do not any more. */
    run->ending = TRUE;
    g_cancellable_cancel(run->boot_over);
    mmrig_channel_drain(run->channel);
    mmrig_tap_drain(run->output);
    gboolean kept = run->kept;
    if (!kept)
        judge_boot(run);
    free_boot(run);
    if (kept) {
        /* Ending it is what the cancellation was for. */
        g_task_set_check_cancellable(task, FALSE);
        run_finish(task);
        return;
    }
    if (g_task_return_error_if_cancelled(task)) {
        g_object_unref(task);
        return;
    }
    run->boot++;
    run->booted_again = FALSE;
    if (run->result->settled || run->boot == run->boots) {
        run_settle(run);
        run_finish(task);
        return;
    }
    start_next_boot(task);
}

static gboolean try_start_boot(GTask *task, GError **error)
{
    MmrigRun *run = g_task_get_task_data(task);
    g_autofree char *ktap_path =
        run->options.folder ? g_build_filename(run->options.folder, "test.ktap", NULL) : NULL;

    run->boot_over = g_cancellable_new();
    run->vm = mmrig_vm_start(run->machine, run->backings, run->options.folder, run_on_ended,
                             task, error);
    if (!run->vm)
        return FALSE;
    run->ktap = mmrig_ktap_new(NULL, NULL);
    run->output = mmrig_tap_new(mmrig_vm_take_ktap(run->vm), ktap_path, KTAP_LIMIT,
                                run_on_output, run, error);
    if (!run->output)
        return FALSE;
    run->channel = mmrig_channel_new(mmrig_vm_take_control(run->vm), &mmrig_run_channel_calls,
                                     task, error);
    if (!run->channel)
        return FALSE;
    MmrigQmp *qmp = mmrig_vm_qmp(run->vm);
    g_signal_connect(qmp, "event", G_CALLBACK(run_on_event), run);
    mmrig_qmp_connect_async(qmp, MMRIG_QMP_TIMEOUT, run->boot_over, run_on_connected,
                            g_object_ref(task));
    set_timer(task, run->options.boot_timeout ? run->options.boot_timeout : MMRIG_BOOT_TIMEOUT);
    set_stage(run, MMRIG_STAGE_BOOTING);
    return TRUE;
}

static void start_boot(GTask *task)
{
    MmrigRun *run = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;

    if (try_start_boot(task, &error))
        return;
    mmrig_result_settle(run->result, MMRIG_BROKEN, MMRIG_CAUSE_RIG, "%s", error->message);
    free_boot(run);
    run_settle(run);
    run_finish(task);
}

static void on_cancelled(GCancellable *cancellable G_GNUC_UNUSED, MmrigRun *run)
{
    if (run->vm)
        mmrig_run_end_boot(run);
}

MmrigResult *mmrig_run_result_new(const MmrigRunOptions *options)
{
    MmrigResult *result = mmrig_result_new();

    result->scenario = g_strdup(options->scenario->name);
    result->twin = g_strdup(options->scenario->twin);
    result->area = g_strdup(options->scenario->area);
    result->kernel = g_strdup(options->kernel);
    result->accel = g_strdup(mmrig_accel_name(options->inputs->accel));
    result->forked = options->template != NULL;
    result->repeat = options->repeat;
    result->folder = g_strdup(options->folder);
    result->boot_us = -1;
    return result;
}

void mmrig_run_async(const MmrigRunOptions *options, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    MmrigRun *run = g_new0(MmrigRun, 1);
    g_autoptr(GError) error = NULL;

    g_task_set_task_data(task, run, run_free);
    run->options = *options;
    run->result = mmrig_run_result_new(options);
    run->evidence_texts = g_ptr_array_new_with_free_func(g_free);
    run->boots = options->scenario->boots ? g_strv_length(options->scenario->boots) : 1;
    run->start_us = g_get_monotonic_time();
    run->inputs = *options->inputs;
    run->inputs.kind = options->template ? MMRIG_START_FORK : MMRIG_START_COLD;
    run->machine = mmrig_plan_make(options->scenario, &run->inputs, &error);
    if (run->machine)
        run->backings = options->template
                            ? mmrig_template_backings(options->template, run->machine, &error)
                            : mmrig_backings_new(run->machine, &error);
    if (!run->backings) {
        mmrig_result_settle(run->result, MMRIG_BROKEN, MMRIG_CAUSE_RIG, "%s", error->message);
        run_settle(run);
        run_finish(task);
        return;
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
    start_boot(task);
}

MmrigResult *mmrig_run_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void run_keep_result(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
    *(GAsyncResult **)data = g_object_ref(result);
}

MmrigResult *mmrig_run(const MmrigRunOptions *options, GCancellable *cancellable,
                       GError **error)
{
    g_autoptr(GAsyncResult) result = NULL;

    mmrig_run_async(options, cancellable, run_keep_result, &result);
    while (!result)
        g_main_context_iteration(g_main_context_get_thread_default(), TRUE);
    return mmrig_run_finish(result, error);
}
