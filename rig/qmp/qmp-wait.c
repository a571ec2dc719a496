/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's calls that wait for their answer: each iterates the caller's main context. */
#include "qmp.h"

static void qmp_keep_result(GObject *source, GAsyncResult *result, gpointer data)
{
    (void)source;
    *(GAsyncResult **)data = g_object_ref(result);
}

/* Iterates the context until qmp_keep_result() has been called. */
static void qmp_wait_for(GAsyncResult **result)
{
    g_autoptr(GMainContext) context = g_main_context_ref_thread_default();

    while (!*result)
        g_main_context_iteration(context, TRUE);
}

gboolean mmrig_qmp_connect(MmrigQmp *qmp, guint timeout, GError **error)
{
    g_autoptr(GAsyncResult) result = NULL;

    mmrig_qmp_connect_async(qmp, timeout, NULL, qmp_keep_result, &result);
    qmp_wait_for(&result);
    return mmrig_qmp_connect_finish(qmp, result, error);
}

JsonNode *mmrig_qmp_execute(MmrigQmp *qmp, const char *command, JsonObject *arguments,
                            guint timeout, GError **error)
{
    g_autoptr(GAsyncResult) result = NULL;

    mmrig_qmp_execute_async(qmp, command, arguments, timeout, NULL, qmp_keep_result, &result);
    qmp_wait_for(&result);
    return mmrig_qmp_execute_finish(qmp, result, error);
}

gboolean mmrig_qmp_connect_finish(MmrigQmp *qmp, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, qmp), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}

JsonNode *mmrig_qmp_execute_finish(MmrigQmp *qmp, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, qmp), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}
