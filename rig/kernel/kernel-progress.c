/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "base/term.h"
#include "kernel-private.h"

/* How often something is said, in microseconds. */
#define TERMINAL_EVERY (G_USEC_PER_SEC / 5)
#define LINES_EVERY    (30 * G_USEC_PER_SEC)

static void progress_print(const MmrigProgress *progress)
{
    guint elapsed = (guint)((g_get_monotonic_time() - progress->start) / G_USEC_PER_SEC);

    g_printerr("%smmrig: %s", progress->terminal ? "\r\033[K" : "", progress->what);
    if (progress->count > 0)
        g_printerr(", %u files", progress->count);
    if (elapsed > 0)
        g_printerr(", %u:%02u", elapsed / 60, elapsed % 60);
    if (!progress->terminal)
        g_printerr("\n");
}

void mmrig_progress_start(MmrigProgress *progress, const char *what)
{
    *progress = (MmrigProgress){
        .what = what,
        .start = g_get_monotonic_time(),
        .last = g_get_monotonic_time(),
        .terminal = mmrig_term_is_terminal(STDERR_FILENO),
        .open = TRUE,
    };
    progress_print(progress);
}

void mmrig_progress_step(MmrigProgress *progress, guint count)
{
    gint64 now = g_get_monotonic_time();

    progress->count += count;
    if (now - progress->last < (progress->terminal ? TERMINAL_EVERY : LINES_EVERY))
        return;
    progress->last = now;
    progress_print(progress);
}

void mmrig_progress_end(MmrigProgress *progress)
{
    if (!progress->open)
        return;
    progress->open = FALSE;
    if (!progress->terminal && g_get_monotonic_time() - progress->start < G_USEC_PER_SEC)
        return; /* nothing is to be said after the first line */
    progress_print(progress);
    if (progress->terminal)
        g_printerr("\n");
}
