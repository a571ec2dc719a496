/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "template-child.h"

#include <string.h>

#include "base/child.h"
#include "base/error.h"

/* The last line that the child printed, without its name in front, or a general text if there
 * is none. */
static char *last_words(const char *text)
{
    g_autofree char *trimmed = g_strchomp(g_strdup(text ? text : ""));
    const char *line = strrchr(trimmed, '\n');

    line = line ? line + 1 : trimmed;
    if (g_str_has_prefix(line, "mmrig: "))
        line += strlen("mmrig: ");
    return g_strdup(*line ? line : "the process that makes its template died");
}

static void template_child_on_ended(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    GSubprocess *process = G_SUBPROCESS(source);
    g_autofree char *said = NULL;
    GError *error = NULL;

    if (!g_subprocess_communicate_utf8_finish(process, result, NULL, &said, &error)) {
        g_subprocess_force_exit(process);
        g_task_return_error(task, error);
        return;
    }
    if (g_subprocess_get_if_exited(process) &&
        g_subprocess_get_exit_status(process) == MMRIG_EXIT_PASS) {
        if (said)
            g_printerr("%s", said); /* whatever there was to note */
        g_task_return_boolean(task, TRUE);
        return;
    }
    g_autofree char *words = last_words(said);
    gboolean silent = g_subprocess_get_if_exited(process) &&
                      g_subprocess_get_exit_status(process) == MMRIG_EXIT_FAIL;
    g_task_return_new_error(task, MMRIG_ERROR, silent ? MMRIG_ERROR_SILENT : MMRIG_ERROR_GUEST,
                            "%s", words);
}

void mmrig_template_child_async(const char *const *words, guint scenario, const char *name,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    g_autoptr(GSubprocessLauncher) launcher = mmrig_child_launcher(
        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    GError *error = NULL;

    g_ptr_array_add(argv, g_strdup("/proc/self/exe"));
    g_ptr_array_add(argv, g_strdup("run"));
    /* In front of the others, among which a "--" may be. */
    g_ptr_array_add(argv, g_strdup_printf("--" MMRIG_MAKE_TEMPLATE "=%u:%s", scenario, name));
    for (words++; *words; words++)
        g_ptr_array_add(argv, g_strdup(*words));
    g_ptr_array_add(argv, NULL);
    g_autoptr(GSubprocess) process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, &error);
    if (!process)
        g_task_return_error(task, error);
    else
        g_subprocess_communicate_utf8_async(process, NULL, cancellable, template_child_on_ended,
                                            g_steal_pointer(&task));
}

gboolean mmrig_template_child_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
