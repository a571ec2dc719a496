/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>

#include "report.h"

static void repeats_free(gpointer data)
{
    MmrigRepeats *repeats = data;

    g_free(repeats->title);
    g_free(repeats);
}

static void repeats_count(MmrigRepeats *repeats, const MmrigResult *result)
{
    repeats->runs++;
    if (result->verdict == MMRIG_SKIP)
        repeats->skipped++;
    if (result->verdict == MMRIG_PASS || result->verdict == MMRIG_SKIP)
        return;
    if (repeats->failed++ == 0)
        repeats->first_failure_folder = result->folder;
}

GPtrArray *mmrig_report_repeats(const GPtrArray *results)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(repeats_free);

    for (guint i = 0; i < results->len;) {
        const MmrigResult *result = g_ptr_array_index(results, i);
        MmrigRepeats *repeats = g_new0(MmrigRepeats, 1);

        repeats->title = g_strdup_printf("%s%s%s", result->scenario, result->twin ? ":" : "",
                                         result->twin ? result->twin : "");
        repeats_count(repeats, result);
        for (i++; i < results->len; i++) {
            const MmrigResult *next = g_ptr_array_index(results, i);
            if (!mmrig_result_follows(result, next))
                break;
            result = next;
            repeats_count(repeats, result);
        }
        if (repeats->runs > 1)
            g_ptr_array_add(all, repeats);
        else
            repeats_free(repeats);
    }
    return all;
}

double mmrig_report_failure_rate(const MmrigRepeats *repeats)
{
    guint judged = repeats->runs - repeats->skipped;

    return judged ? (double)repeats->failed / judged : (double)NAN;
}

char *mmrig_report_repeats_text(const MmrigRepeats *repeats)
{
    guint judged = repeats->runs - repeats->skipped;
    g_autoptr(GString) text = g_string_new(NULL);

    if (judged == 0)
        return g_strdup_printf("all %u were skipped", repeats->skipped);
    if (repeats->failed == 0)
        g_string_append_printf(text, "none of %u failed", judged);
    else
        g_string_append_printf(text, "%u of %u failed (%.3g %%)", repeats->failed, judged,
                               mmrig_report_failure_rate(repeats) * 100);
    if (repeats->skipped)
        g_string_append_printf(text, ", %u skipped", repeats->skipped);
    if (repeats->first_failure_folder)
        g_string_append_printf(text, "; the first: %s", repeats->first_failure_folder);
    return g_string_free(g_steal_pointer(&text), FALSE);
}
