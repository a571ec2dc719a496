/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A result for a run that is not started, and a run for callers that only wait for its end. */
#include "run.h"

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
