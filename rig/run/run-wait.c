/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run for those who have nothing else to do meanwhile. */
#include "run.h"

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
