/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "batch.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/paths.h"
#include "judge-private.h"
#include "schedule-private.h"
#include "template/template-child.h"

typedef struct {
    const MmrigBatchOptions *options;
    MmrigOutput *output;
    GCancellable *cancellable;
    MmrigHostLimits *limits; /* as they were at the start */
    MmrigLoad budget, running;
    guint next, total; /* runs in order: repetitions of the first item, of the second, ... */
    GError *error;     /* the first; nothing starts any more */
} Batch;

/* A run under way. */
typedef struct {
    Batch *batch;
    guint number;
    MmrigLoad load;
    char *folder;
    MmrigLiveItem *live;
    MmrigBootInputs inputs;
    MmrigRunOptions options;
} Member;

static void start_what_fits(Batch *batch);

static void batch_item_free(gpointer data)
{
    MmrigBatchItem *item = data;

    g_free(item->unmet);
    g_free(item->image);
    mmrig_template_free(item->template);
    g_free(item);
}

static MmrigBootInputs template_inputs(const MmrigSetup *setup, const char *image)
{
    return mmrig_setup_inputs(setup, image, MMRIG_START_TEMPLATE);
}

/* Says why the machine is not forked; one that is of use as a fork only cannot run then. */
static void boot_instead(MmrigBatchItem *item, const char *why)
{
    const MmrigScenario *scenario = item->scenario;

    if (scenario->forked)
        item->unmet = g_strdup_printf("it is not forked: %s", why);
    else
        g_printerr("mmrig: %s%s%s is booted, not forked: %s\n", scenario->name,
                   scenario->twin ? ":" : "", scenario->twin ? scenario->twin : "", why);
}

/* Sets the template to fork, or that it is missing, if the machine is not to be booted. */
static void find_template(const MmrigSetup *setup, MmrigBatchItem *item, gboolean cold)
{
    const MmrigScenario *scenario = item->scenario;
    g_autoptr(GError) error = NULL;
    const char *why = mmrig_scenario_unforkable(scenario);

    if (cold) {
        if (scenario->forked)
            boot_instead(item, "it was asked to be booted");
        return;
    }
    if (!why) {
        const MmrigBootInputs inputs = template_inputs(setup, item->image);

        g_autoptr(GPtrArray) words = g_ptr_array_new();
        const MmrigForkable what = mmrig_setup_forkable(scenario, 0, words);

        item->template = mmrig_template_find(&what, &inputs, &error);
        if (!error) {
            item->missing = !item->template;
            return;
        }
        why = error->message;
    }
    boot_instead(item, why);
}

gboolean mmrig_batch_make_template(const MmrigSetup *setup, const MmrigScenario *scenario,
                                   GError **error)
{
    g_autofree char *image = mmrig_setup_image(setup, scenario, 0, NULL, error);

    if (!image)
        return FALSE;
    const MmrigBootInputs inputs = template_inputs(setup, image);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    const MmrigForkable what = mmrig_setup_forkable(scenario, 0, words);
    g_autoptr(MmrigTemplate) template = mmrig_template_obtain(&what, &inputs, error);
    return template != NULL;
}

GPtrArray *mmrig_batch_prepare(const MmrigSetup *setup, const GPtrArray *scenarios,
                               gboolean cold, GError **error)
{
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(batch_item_free);

    for (guint i = 0; i < scenarios->len; i++) {
        MmrigBatchItem *item = g_new0(MmrigBatchItem, 1);
        g_autoptr(GError) cause = NULL;

        g_ptr_array_add(items, item);
        item->scenario = g_ptr_array_index(scenarios, i);
        item->unmet = mmrig_setup_unmet(setup, item->scenario);
        if (item->unmet)
            continue;
        item->image = mmrig_setup_image(setup, item->scenario, 0, NULL, &cause);
        if (item->image) {
            find_template(setup, item, cold);
        } else if (g_error_matches(cause, MMRIG_ERROR, MMRIG_ERROR_UNMET)) {
            /* The others are not its affair. */
            item->unmet = g_strdup(cause->message);
        } else {
            g_propagate_error(error, g_steal_pointer(&cause));
            return NULL;
        }
    }
    return g_steal_pointer(&items);
}

static void member_free(Member *member)
{
    mmrig_live_end(mmrig_output_live(member->batch->output), member->live);
    g_free(member->folder);
    g_free(member);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Member, member_free)

/* Takes the error. What is under way is stopped, and ends with errors of its own. */
static void stop(Batch *batch, GError *error)
{
    if (batch->error) {
        g_error_free(error);
        return;
    }
    batch->error = error;
    g_cancellable_cancel(batch->cancellable);
}

/* Takes the result. */
static void hand_over(Member *member, MmrigResult *result)
{
    GError *error = NULL;

    if (!mmrig_output_add(member->batch->output, member->number, result, &error))
        stop(member->batch, error);
}

static void on_finished(GObject *source G_GNUC_UNUSED, GAsyncResult *outcome, gpointer data)
{
    g_autoptr(Member) member = data;
    Batch *batch = member->batch;
    GError *error = NULL;
    MmrigResult *result = mmrig_run_finish(outcome, &error);

    mmrig_schedule_remove(&batch->running, &member->load);
    if (result)
        hand_over(member, result);
    else
        stop(batch, error);
    start_what_fits(batch);
}

static void batch_skip(Member *member, const char *reason)
{
    MmrigResult *result = mmrig_run_result_new(&member->options);

    mmrig_judge_unmet(reason, result);
    hand_over(member, result);
}

static void batch_begin(Member *member)
{
    Batch *batch = member->batch;
    const MmrigScenario *scenario = member->options.scenario;
    g_autofree char *title = mmrig_result_title(&(MmrigResult){
        .scenario = scenario->name, .twin = scenario->twin, .repeat = member->options.repeat});

    member->live = mmrig_live_begin(mmrig_output_live(batch->output), title);
    member->options.stage = mmrig_live_stage;
    member->options.stage_data = member->live;
    mmrig_schedule_add(&batch->running, &member->load);
    mmrig_run_async(&member->options, batch->cancellable, on_finished, member);
}

/* FALSE if the queue's first has to wait. */
static gboolean start_first(Batch *batch)
{
    const MmrigBatchOptions *options = batch->options;
    const MmrigSetup *setup = options->setup;
    const MmrigBatchItem *item =
        g_ptr_array_index(options->items, batch->next / options->repeat);
    guint repeat = batch->next % options->repeat + 1;
    MmrigLoad load =
        mmrig_schedule_load(mmrig_scenario_machine(item->scenario, 0), setup->accel);
    GError *error = NULL;

    if (item->missing ||
        (!item->unmet && !mmrig_schedule_may_start(&batch->budget, &batch->running, &load)))
        return FALSE;
    g_autoptr(Member) member = g_new0(Member, 1);
    member->batch = batch;
    member->number = batch->next++;
    member->load = load;
    member->folder = mmrig_output_folder(batch->output, item->scenario, repeat, &error);
    member->inputs = mmrig_setup_inputs(setup, item->image, MMRIG_START_COLD);
    member->options = (MmrigRunOptions){
        .scenario = item->scenario,
        .inputs = &member->inputs,
        .template = item->template,
        .timeout = options->timeout,
        .folder = member->folder,
        .kernel = setup->kernel->spec,
        .repeat = repeat,
        .keep = options->kept != NULL,
        .kept = options->kept,
        .keep_name = options->keep_name,
    };
    if (!member->folder)
        stop(batch, error);
    else if (item->unmet)
        batch_skip(member, item->unmet);
    else
        batch_begin(g_steal_pointer(&member));
    return TRUE;
}

/* A template in the making. */
typedef struct {
    Batch *batch;
    MmrigBatchItem *item;
    MmrigLoad load;
    MmrigLiveItem *live;
} Making;

static void on_made(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
    g_autofree Making *making = data;
    Batch *batch = making->batch;
    MmrigBatchItem *item = making->item;
    MmrigLive *live = mmrig_output_live(batch->output);
    GError *error = NULL;

    mmrig_live_end(live, making->live);
    mmrig_schedule_remove(&batch->running, &making->load);
    item->missing = item->making = FALSE;
    if (mmrig_template_child_finish(result, &error)) {
        const MmrigBootInputs inputs = template_inputs(batch->options->setup, item->image);

        g_autoptr(GPtrArray) words = g_ptr_array_new();
        const MmrigForkable what = mmrig_setup_forkable(item->scenario, 0, words);

        item->template = mmrig_template_obtain(&what, &inputs, &error);
    }
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        stop(batch, error);
    } else if (error) {
        mmrig_live_hide(live);
        boot_instead(item, error->message);
        g_error_free(error);
    }
    start_what_fits(batch);
}

/*
 * Makes the next missing template of those that are soon needed, while others run; FALSE if
 * there is none, or it has to wait.
 */
static gboolean batch_make_template(Batch *batch)
{
    const MmrigBatchOptions *options = batch->options;
    guint first = batch->next / options->repeat;

    for (guint i = first; i < options->items->len && i - first < batch->budget.machines; i++) {
        MmrigBatchItem *item = g_ptr_array_index(options->items, i);
        MmrigLoad load = mmrig_schedule_load(mmrig_scenario_machine(item->scenario, 0),
                                             options->setup->accel);

        if (!item->missing || item->making)
            continue;
        if (!mmrig_schedule_may_start(&batch->budget, &batch->running, &load))
            return FALSE;
        g_autofree char *title = g_strdup_printf("the template of %s", item->scenario->name);
        Making *making = g_new0(Making, 1);

        *making = (Making){batch, item, load,
                           mmrig_live_begin(mmrig_output_live(batch->output), title)};
        item->making = TRUE;
        mmrig_schedule_add(&batch->running, &load);
        mmrig_template_child_async(options->words, i, batch->cancellable, on_made, making);
        return TRUE;
    }
    return FALSE;
}

/* Templates fill memory, and the host has other work: what there was at the start may be gone.
 */
static void batch_look_again(Batch *batch)
{
    g_autoptr(MmrigHostLimits) now = mmrig_host_limits_read("");

    batch->budget.memory = mmrig_schedule_memory(batch->limits, now, batch->running.memory);
}

static void start_what_fits(Batch *batch)
{
    while (!batch->error && batch->next < batch->total) {
        GError *error = NULL;
        if (g_cancellable_set_error_if_cancelled(batch->cancellable, &error))
            stop(batch, error);
        batch_look_again(batch);
        if (batch->error || (!start_first(batch) && !batch_make_template(batch)))
            break;
    }
}

/* A shell's usual limit of 1,024 open files is little for a hundred machines. */
static void allow_files(guint machines)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)machines * MMRIG_FILES_PER_MACHINE;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = MIN(wanted, limit.rlim_max);
    /* Where this is refused, it is told by the run that cannot open one. */
    setrlimit(RLIMIT_NOFILE, &limit);
}

gboolean mmrig_batch_run(const MmrigBatchOptions *options, MmrigOutput *output,
                         GCancellable *cancellable, GError **error)
{
    Batch batch = {
        .options = options,
        .output = output,
        .cancellable = cancellable,
        .limits = mmrig_host_limits_read(""),
        .total = options->items->len * options->repeat,
    };

    batch.budget = mmrig_schedule_budget(options->jobs, batch.limits);
    allow_files(MIN(batch.budget.machines, batch.total));
    start_what_fits(&batch);
    while (batch.running.machines > 0)
        g_main_context_iteration(NULL, TRUE);
    mmrig_host_limits_free(batch.limits);
    if (!batch.error)
        return TRUE;
    g_propagate_error(error, batch.error);
    return FALSE;
}
