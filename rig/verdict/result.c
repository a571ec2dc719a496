/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "result.h"

/* In the order of the enums. */
static const char *const verdict_names[] = {
    [MMRIG_PASS] = "pass",
    [MMRIG_FAIL] = "fail",
    [MMRIG_SKIP] = "skip",
    [MMRIG_BROKEN] = "broken",
};

static const char *const cause_names[] = {
    [MMRIG_CAUSE_NONE] = "none",
    [MMRIG_CAUSE_ASSERTION] = "assertion",
    [MMRIG_CAUSE_ABORT] = "abort",
    [MMRIG_CAUSE_SIGNAL] = "signal",
    [MMRIG_CAUSE_PANIC] = "panic",
    [MMRIG_CAUSE_OOPS] = "oops",
    [MMRIG_CAUSE_NO_PANIC] = "no-panic",
    [MMRIG_CAUSE_CHANNEL_LOST] = "channel-lost",
    [MMRIG_CAUSE_TIME_LIMIT] = "time-limit",
    [MMRIG_CAUSE_QEMU_DIED] = "qemu-died",
    [MMRIG_CAUSE_NO_FAILURE] = "no-failure",
    [MMRIG_CAUSE_UNMET] = "unmet",
    [MMRIG_CAUSE_TEST_SKIP] = "test-skip",
    [MMRIG_CAUSE_RIG] = "rig",
};

const char *mmrig_verdict_name(MmrigVerdict verdict)
{
    g_return_val_if_fail((gsize)verdict < G_N_ELEMENTS(verdict_names), NULL);
    return verdict_names[verdict];
}

const char *mmrig_cause_name(MmrigCause cause)
{
    g_return_val_if_fail((gsize)cause < G_N_ELEMENTS(cause_names), NULL);
    return cause_names[cause];
}

gboolean mmrig_cause_from_name(const char *name, MmrigCause *cause)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cause_names); i++) {
        if (g_str_equal(cause_names[i], name)) {
            *cause = (MmrigCause)i;
            return TRUE;
        }
    }
    return FALSE;
}

static void metric_free(gpointer data)
{
    MmrigMetric *metric = data;

    g_free(metric->name);
    g_free(metric->unit);
    g_free(metric);
}

static void point_free(gpointer data)
{
    MmrigPoint *point = data;

    g_free(point->series);
    g_free(point->x_unit);
    g_free(point->y_unit);
    g_free(point);
}

static void boot_ktap_free(gpointer data)
{
    MmrigBootKtap *said = data;

    g_free(said->machine);
    mmrig_ktap_free(said->ktap);
    g_free(said);
}

MmrigResult *mmrig_result_new(void)
{
    MmrigResult *result = g_new0(MmrigResult, 1);

    result->repeat = 1;
    result->boot_us = -1;
    /* A new result has not passed until somebody says so. */
    result->verdict = MMRIG_BROKEN;
    result->cause = MMRIG_CAUSE_RIG;
    result->ktaps = g_ptr_array_new_with_free_func(boot_ktap_free);
    result->metrics = g_ptr_array_new_with_free_func(metric_free);
    result->points = g_ptr_array_new_with_free_func(point_free);
    return result;
}

void mmrig_result_free(MmrigResult *result)
{
    if (!result)
        return;
    g_free(result->scenario);
    g_free(result->twin);
    g_free(result->area);
    g_free(result->kernel);
    g_free(result->accel);
    g_free(result->boot_id);
    g_free(result->message);
    g_free(result->console_tail);
    g_ptr_array_unref(result->ktaps);
    g_ptr_array_unref(result->metrics);
    g_ptr_array_unref(result->points);
    g_free(result->folder);
    g_free(result);
}

void mmrig_result_add_ktap(MmrigResult *result, const char *machine, guint boot,
                           MmrigKtap *ktap)
{
    MmrigBootKtap *said = g_new0(MmrigBootKtap, 1);

    said->machine = g_strdup(machine);
    said->boot = boot;
    said->ktap = ktap;
    g_ptr_array_add(result->ktaps, said);
}

void mmrig_result_settle(MmrigResult *result, MmrigVerdict verdict, MmrigCause cause,
                         const char *format, ...)
{
    va_list values;

    if (result->settled)
        return;
    result->settled = TRUE;
    result->verdict = verdict;
    result->cause = cause;
    va_start(values, format);
    result->message = format ? g_strdup_vprintf(format, values) : NULL;
    va_end(values);
}

char *mmrig_result_title(const MmrigResult *result)
{
    g_autoptr(GString) title = g_string_new(result->scenario);

    if (result->twin)
        g_string_append_printf(title, ":%s", result->twin);
    if (result->repeat > 1)
        g_string_append_printf(title, "#%u", result->repeat);
    return g_string_free(g_steal_pointer(&title), FALSE);
}

gboolean mmrig_result_follows(const MmrigResult *earlier, const MmrigResult *later)
{
    return g_strcmp0(earlier->scenario, later->scenario) == 0 &&
           g_strcmp0(earlier->twin, later->twin) == 0 && earlier->repeat < later->repeat;
}

MmrigExit mmrig_results_exit(const GPtrArray *results)
{
    gboolean failed = FALSE, all_skipped = results->len > 0;

    for (guint i = 0; i < results->len; i++) {
        const MmrigResult *result = g_ptr_array_index(results, i);
        if (result->verdict == MMRIG_BROKEN)
            return MMRIG_EXIT_RIG;
        failed |= result->verdict == MMRIG_FAIL;
        all_skipped &= result->verdict == MMRIG_SKIP;
    }
    if (failed)
        return MMRIG_EXIT_FAIL;
    return all_skipped ? MMRIG_EXIT_SKIP : MMRIG_EXIT_PASS;
}
