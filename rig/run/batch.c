/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "batch.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/store.h"
#include "batch-private.h"
#include "judge-private.h"
#include "schedule-private.h"
#include "share-private.h"
#include "template/template-child.h"

typedef struct {
    const MmrigBatchOptions *options;
    MmrigOutput *output;
    GCancellable *cancellable;
    MmrigHostLimits *limits; /* as they were at the start */
    MmrigLoad budget, running;
    MmrigShares shares;
    guint first;   /* the first item that has runs which did not begin */
    guint *begun;  /* how many did, of each item */
    GQueue *again; /* Members whose template QEMU did not load: they go before all others */
    GError *error; /* the first; nothing starts any more */
} Batch;

/* A run under way. */
typedef struct {
    Batch *batch;
    MmrigBatchItem *item;
    MmrigTemplate *template; /* that it forks, or NULL */
    guint generation;        /* of the template */
    guint number;            /* in order: repetitions of the first item, of the second, ... */
    MmrigLoad load;
    char *folder;
    MmrigLiveItem *live;
    MmrigBootInputs inputs[MMRIG_SCENARIO_MACHINES_MAX]; /* of each machine */
    MmrigRunOptions options;
} Member;

static void start_what_fits(Batch *batch);

/* What all machines of the scenario take. */
static MmrigLoad batch_item_load(const MmrigBatchItem *item, MmrigAccel accel)
{
    MmrigLoad all = {0};

    for (guint i = 0; i < item->scenario->machines->len; i++) {
        MmrigLoad load = mmrig_schedule_load(mmrig_scenario_machine(item->scenario, i), accel);
        mmrig_schedule_add(&all, &load);
    }
    return all;
}

static void member_free(Member *member)
{
    mmrig_live_end(mmrig_output_live(member->batch->output), member->live);
    g_free(member->folder);
    g_free(member);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Member, member_free)

/* Takes the error. Runs under way are cancelled; their own errors are dropped. */
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

/* QEMU did not load the template: it is made again, once, or else the machine is booted. */
static void batch_refused(Member *member, const GError *error)
{
    Batch *batch = member->batch;
    MmrigShare *share = member->item->share;

    if (mmrig_shares_refused(&batch->shares, share, member->generation, error->message)) {
        g_autofree char *store = g_path_get_dirname(member->template->folder);
        g_autoptr(GError) cause = NULL;

        mmrig_live_hide(mmrig_output_live(batch->output));
        g_printerr("mmrig: the template of %s is made again: %s\n",
                   member->item->scenario->name, error->message);
        if (!mmrig_store_drop(store, share->name, &cause))
            share->why = g_strdup(cause->message);
    }
    mmrig_shares_end(&batch->shares, share, g_steal_pointer(&member->template), FALSE);
    g_queue_push_tail(batch->again, member);
}

static void on_finished(GObject *source G_GNUC_UNUSED, GAsyncResult *outcome, gpointer data)
{
    Member *member = data;
    Batch *batch = member->batch;
    MmrigShare *share = member->item->share;
    GError *error = NULL;
    MmrigResult *result = mmrig_run_finish(outcome, &error);

    mmrig_schedule_remove(&batch->running, &member->load);
    if (member->template && g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_TEMPLATE)) {
        batch_refused(member, error);
        g_error_free(error);
        start_what_fits(batch);
        return;
    }
    if (member->template)
        mmrig_shares_end(&batch->shares, share, g_steal_pointer(&member->template), TRUE);
    else if (share)
        mmrig_shares_skip(&batch->shares, share);
    if (result)
        hand_over(member, result);
    else
        stop(batch, error);
    member_free(member);
    start_what_fits(batch);
}

static void batch_skip(Member *member, const char *reason)
{
    MmrigResult *result = mmrig_run_result_new(&member->options);

    mmrig_judge_unmet(reason, result);
    hand_over(member, result);
}

/* The maker of the template has booted the machine in vain; that is the verdict, without
 * another boot. */
static void batch_settle_silent(Member *member, const char *limit)
{
    MmrigResult *result = mmrig_run_result_new(&member->options);

    mmrig_judge_silent(member->options.scenario, limit, result);
    hand_over(member, result);
}

static void batch_begin(Member *member)
{
    Batch *batch = member->batch;
    const MmrigScenario *scenario = member->options.scenario;

    if (!member->live) {
        g_autofree char *title =
            mmrig_result_title(&(MmrigResult){.scenario = scenario->name,
                                              .twin = scenario->twin,
                                              .repeat = member->options.repeat});
        member->live = mmrig_live_begin(mmrig_output_live(batch->output), title);
    }
    member->options.stage = mmrig_live_stage;
    member->options.stage_data = member->live;
    mmrig_schedule_add(&batch->running, &member->load);
    mmrig_run_async(&member->options, batch->cancellable, on_finished, member);
}

/* The item's next run, which is begun. */
static Member *member_new(Batch *batch, guint index, GError **error)
{
    const MmrigBatchOptions *options = batch->options;
    const MmrigSetup *setup = options->setup;
    MmrigBatchItem *item = g_ptr_array_index(options->items, index);
    Member *member = g_new0(Member, 1);
    guint repeat = ++batch->begun[index];

    member->batch = batch;
    member->item = item;
    member->number = index * options->repeat + repeat - 1;
    member->load = batch_item_load(item, setup->accel);
    member->folder = mmrig_output_folder(batch->output, item->scenario, repeat, error);
    for (guint i = 0; i < item->scenario->machines->len; i++)
        member->inputs[i] =
            mmrig_setup_inputs(setup, item->images ? item->images[i] : NULL, MMRIG_START_COLD);
    member->options = (MmrigRunOptions){
        .scenario = item->scenario,
        .inputs = member->inputs,
        .timeout = options->timeout,
        .boot_timeout = options->boot_timeout,
        .folder = member->folder,
        .kernel = setup->kernel->spec,
        .repeat = repeat,
        .keep = options->kept != NULL,
        .kept = options->kept,
        .keep_name = options->keep_name,
    };
    return member;
}

/* Takes the member, whose template, if it forks one, is loaded. */
static void member_start(Member *member)
{
    Batch *batch = member->batch;
    MmrigBatchItem *item = member->item;
    MmrigShare *share = item->share;

    if (share && share->template) {
        member->template = mmrig_shares_begin(&batch->shares, share);
        member->generation = share->generation;
    }
    member->options.template = member->template;
    if (!item->unmet && !(share && share->silent)) {
        batch_begin(member);
        return;
    }
    if (share)
        mmrig_shares_skip(&batch->shares, share);
    if (item->unmet)
        batch_skip(member, item->unmet);
    else
        batch_settle_silent(member, share->silent);
    member_free(member);
}

/* --- templates --- */

/* A template in the making. */
typedef struct {
    Batch *batch;
    MmrigShare *share;
    MmrigLoad load;
    MmrigLiveItem *live;
} Making;

static void on_made(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
    g_autofree Making *making = data;
    Batch *batch = making->batch;
    MmrigShare *share = making->share;
    GError *error = NULL;

    mmrig_live_end(mmrig_output_live(batch->output), making->live);
    mmrig_schedule_remove(&batch->running, &making->load);
    share->making = FALSE;
    share->made = TRUE;
    if (!mmrig_template_child_finish(result, &error)) {
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
            stop(batch, error);
        } else {
            gboolean silent = g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_SILENT);
            *(silent ? &share->silent : &share->why) = g_strdup(error->message);
            g_error_free(error);
        }
    }
    start_what_fits(batch);
}

/* Has the item's template made, while others run. */
static void batch_make(Batch *batch, guint index)
{
    const MmrigBatchOptions *options = batch->options;
    MmrigBatchItem *item = g_ptr_array_index(options->items, index);
    g_autofree char *title = g_strdup_printf("the template of %s", item->scenario->name);
    Making *making = g_new0(Making, 1);

    *making = (Making){batch, item->share, batch_item_load(item, options->setup->accel),
                       mmrig_live_begin(mmrig_output_live(batch->output), title)};
    item->share->making = TRUE;
    mmrig_schedule_add(&batch->running, &making->load);
    mmrig_template_child_async(options->words, index, item->share->name, batch->cancellable,
                               on_made, making);
}

/* Loads the template if it is there; FALSE if it is to be made first. */
static gboolean batch_load(Batch *batch, MmrigBatchItem *item)
{
    MmrigShare *share = item->share;
    g_autoptr(GError) error = NULL;

    if (!share->template && !share->why && !share->silent) {
        const MmrigBootInputs inputs =
            mmrig_batch_template_inputs(batch->options->setup, item->images[0]);
        g_autoptr(GPtrArray) words = g_ptr_array_new();
        const MmrigForkable what = mmrig_setup_forkable(item->scenario, 0, words);
        MmrigTemplate *template = mmrig_template_find(&what, &inputs, &error);
        if (template)
            mmrig_shares_put(&batch->shares, share, template);
        else if (error)
            share->why = g_strdup(error->message);
        else if (share->made)
            share->why = g_strdup("its template is gone or damaged right after it was made");
        else
            return FALSE;
    }
    if (share->why && !item->told) {
        item->told = TRUE;
        mmrig_live_hide(mmrig_output_live(batch->output));
        mmrig_batch_boot_instead(item, share->why);
    }
    return TRUE;
}

/* --- what starts when --- */

typedef enum {
    TURN_PASSED, /* its template is in the making: the next one's turn */
    TURN_BLOCKED,
    TURN_MAKES, /* its template is made from now on */
    TURN_STARTS,
} Turn;

/* What is to be done with an item whose turn it is; it was done for all but TURN_STARTS. */
static Turn batch_turn(Batch *batch, guint index)
{
    const MmrigBatchOptions *options = batch->options;
    MmrigBatchItem *item = g_ptr_array_index(options->items, index);
    MmrigLoad load = batch_item_load(item, options->setup->accel);

    if (item->unmet)
        return TURN_STARTS;
    if (item->share && item->share->making)
        return TURN_PASSED;
    if (!mmrig_schedule_may_start(&batch->budget, &batch->running, &load))
        return TURN_BLOCKED;
    if (!item->share || batch_load(batch, item))
        return TURN_STARTS;
    batch_make(batch, index);
    return TURN_MAKES;
}

/* Members that start again; BLOCKED if one has to wait for a machine's end. */
static Turn start_again(Batch *batch)
{
    for (GList *link = batch->again->head; link; link = link->next) {
        Member *member = link->data;
        Turn turn = batch_turn(batch, member->number / batch->options->repeat);

        if (turn == TURN_STARTS) {
            g_queue_delete_link(batch->again, link);
            member_start(member);
        }
        if (turn != TURN_PASSED)
            return turn;
    }
    return TURN_PASSED;
}

/*
 * Starts one thing: the first in the queue that does not wait for a template in the making.
 * FALSE if there is none, or it has to wait.
 */
static gboolean start_one(Batch *batch)
{
    const MmrigBatchOptions *options = batch->options;
    Turn turn = start_again(batch);

    for (guint i = batch->first; turn == TURN_PASSED && i < options->items->len; i++) {
        GError *error = NULL;
        if (batch->begun[i] == options->repeat) {
            if (i == batch->first)
                batch->first++;
            continue;
        }
        turn = batch_turn(batch, i);
        if (turn != TURN_STARTS)
            continue;
        Member *member = member_new(batch, i, &error);
        if (member->folder) {
            member_start(member);
        } else {
            stop(batch, error);
            member_free(member);
        }
    }
    return turn == TURN_STARTS || turn == TURN_MAKES;
}

/* Templates fill memory, and the host has other work: what there was at the start may be gone.
 */
static void batch_look_again(Batch *batch)
{
    g_autoptr(MmrigHostLimits) now = mmrig_host_limits_read("");

    batch->budget.memory = mmrig_schedule_memory(batch->limits, now, batch->running.memory);
}

/* Whether there are runs that were not begun, or are to begin again. */
static gboolean batch_has_more(const Batch *batch)
{
    if (batch->again->length > 0)
        return TRUE;
    for (guint i = 0; i < batch->options->items->len; i++)
        if (batch->begun[i] < batch->options->repeat)
            return TRUE;
    return FALSE;
}

static void start_what_fits(Batch *batch)
{
    gboolean more = TRUE;

    /* If all runs have begun, a cancellation is for them: a kept machine is ended by one. */
    while (more && !batch->error && batch_has_more(batch)) {
        GError *error = NULL;
        if (g_cancellable_set_error_if_cancelled(batch->cancellable, &error))
            stop(batch, error);
        batch_look_again(batch);
        more = !batch->error && start_one(batch);
    }
}

/* A shell's usual limit of 1,024 open files is little for a hundred machines. */
static void allow_files(guint machines)
{
    struct rlimit limit;
    /* Two more: for the templates that are held and not in use (share-private.h). */
    rlim_t wanted = ((rlim_t)machines + 2) * MMRIG_FILES_PER_MACHINE;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = MIN(wanted, limit.rlim_max);
    /* If the limit cannot be raised, the run that lacks descriptors reports it. */
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void batch_clear(Batch *batch)
{
    Member *member;

    /* Members that were to start again when the batch was stopped. */
    while ((member = g_queue_pop_head(batch->again)))
        member_free(member);
    g_queue_free(batch->again);
    mmrig_shares_clear(&batch->shares);
    mmrig_host_limits_free(batch->limits);
    g_free(batch->begun);
}

gboolean mmrig_batch_run(const MmrigBatchOptions *options, MmrigOutput *output,
                         GCancellable *cancellable, GError **error)
{
    Batch batch = {
        .options = options,
        .output = output,
        .cancellable = cancellable,
        .limits = mmrig_host_limits_read(""),
        .begun = g_new0(guint, options->items->len),
        .again = g_queue_new(),
    };
    const guint total = options->items->len * options->repeat;

    mmrig_shares_init(&batch.shares);
    for (guint i = 0; i < options->items->len; i++) {
        MmrigBatchItem *item = g_ptr_array_index(options->items, i);
        item->share = item->template
                          ? mmrig_shares_get(&batch.shares, item->template, options->repeat)
                          : NULL;
    }
    batch.budget = mmrig_schedule_budget(options->jobs, batch.limits);
    allow_files(MIN(batch.budget.machines, total));
    start_what_fits(&batch);
    while (batch.running.machines > 0)
        g_main_context_iteration(NULL, TRUE);
    batch_clear(&batch);
    if (!batch.error)
        return TRUE;
    g_propagate_error(error, batch.error);
    return FALSE;
}
