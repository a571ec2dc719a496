/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report-private.h"

#include <math.h>

#include "base/json-text.h"

#define SCHEMA       1
#define USEC_PER_SEC 1000000.0

/* JSON has no infinity and no NaN. */
static void set_number(JsonObject *object, const char *member, double value)
{
    if (isfinite(value))
        json_object_set_double_member(object, member, value);
    else
        json_object_set_null_member(object, member);
}

static const char *outcome_name(MmrigKtapOutcome outcome)
{
    switch (outcome) {
    case MMRIG_KTAP_OK:
        return "ok";
    case MMRIG_KTAP_NOT_OK:
        return "not-ok";
    case MMRIG_KTAP_SKIP:
        return "skip";
    case MMRIG_KTAP_XFAIL:
        return "xfail";
    }
    g_return_val_if_reached(NULL);
}

static JsonArray *cases_array(const MmrigResult *result)
{
    g_autoptr(GArray) cases = mmrig_report_cases(result);
    JsonArray *array = json_array_new();

    for (guint i = 0; i < cases->len; i++) {
        const MmrigReportCase *item = &g_array_index(cases, MmrigReportCase, i);
        JsonObject *object = json_object_new();
        g_autofree char *name = mmrig_report_case_name(item);

        json_object_set_string_member(object, "name", name);
        json_object_set_string_member(object, "outcome", outcome_name(item->outcome));
        mmrig_json_set_text(object, "reason", mmrig_report_case_reason(item));
        mmrig_json_set_text(object, "diagnostics", item->test->diagnostics);
        json_array_add_object_element(array, object);
    }
    return array;
}

/* How many boots had a test under way, on whichever machine. */
static guint boots_tested(const MmrigResult *result)
{
    guint boots = MIN(result->ktaps->len, 1);

    for (guint i = 0; i < result->ktaps->len; i++) {
        const MmrigBootKtap *said = g_ptr_array_index(result->ktaps, i);
        boots = MAX(boots, said->boot);
    }
    return boots;
}

static JsonArray *metrics_array(const MmrigResult *result)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; i < result->metrics->len; i++) {
        const MmrigMetric *metric = g_ptr_array_index(result->metrics, i);
        JsonObject *object = json_object_new();

        mmrig_json_set_text(object, "name", metric->name);
        set_number(object, "value", metric->value);
        mmrig_json_set_text(object, "unit", metric->unit);
        json_array_add_object_element(array, object);
    }
    return array;
}

static JsonNode *report_json_take(JsonObject *object)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(node, object);
    return node;
}

JsonNode *mmrig_report_json(const MmrigResult *result)
{
    JsonObject *object = json_object_new();
    g_autofree char *title = mmrig_result_title(result);

    json_object_set_int_member(object, "schema", SCHEMA);
    mmrig_json_set_text(object, "title", title);
    mmrig_json_set_text(object, "scenario", result->scenario);
    mmrig_json_set_text(object, "twin", result->twin);
    mmrig_json_set_text(object, "area", result->area);
    mmrig_json_set_text(object, "kernel", result->kernel);
    mmrig_json_set_text(object, "accel", result->accel);
    json_object_set_int_member(object, "repeat", result->repeat);
    json_object_set_boolean_member(object, "forked", result->forked);
    mmrig_json_set_text(object, "boot_id", result->boot_id);
    mmrig_json_set_text(object, "verdict", mmrig_verdict_name(result->verdict));
    mmrig_json_set_text(object, "cause", mmrig_cause_name(result->cause));
    mmrig_json_set_text(object, "message", result->message);
    if (result->boot_us >= 0)
        set_number(object, "boot_seconds", (double)result->boot_us / USEC_PER_SEC);
    else
        json_object_set_null_member(object, "boot_seconds");
    set_number(object, "total_seconds", (double)result->total_us / USEC_PER_SEC);
    json_object_set_int_member(object, "boots", boots_tested(result));
    json_object_set_array_member(object, "tests", cases_array(result));
    json_object_set_array_member(object, "metrics", metrics_array(result));
    mmrig_json_set_text(object, "console_tail", result->console_tail);
    mmrig_json_set_text(object, "folder", result->folder);
    return report_json_take(object);
}

static JsonArray *repeats_array(const GPtrArray *results)
{
    g_autoptr(GPtrArray) all = mmrig_report_repeats(results);
    JsonArray *array = json_array_new();

    for (guint i = 0; i < all->len; i++) {
        const MmrigRepeats *repeats = g_ptr_array_index(all, i);
        JsonObject *object = json_object_new();

        mmrig_json_set_text(object, "title", repeats->title);
        json_object_set_int_member(object, "runs", repeats->runs);
        json_object_set_int_member(object, "failed", repeats->failed);
        json_object_set_int_member(object, "skipped", repeats->skipped);
        set_number(object, "failure_rate", mmrig_report_failure_rate(repeats));
        mmrig_json_set_text(object, "first_failure_folder", repeats->first_failure_folder);
        json_array_add_object_element(array, object);
    }
    return array;
}

JsonNode *mmrig_report_json_all(const GPtrArray *results)
{
    guint counts[] = {[MMRIG_PASS] = 0, [MMRIG_FAIL] = 0, [MMRIG_SKIP] = 0, [MMRIG_BROKEN] = 0};
    JsonObject *object = json_object_new(), *totals = json_object_new();
    JsonArray *array = json_array_new();

    for (guint i = 0; i < results->len; i++) {
        const MmrigResult *result = g_ptr_array_index(results, i);
        counts[result->verdict]++;
        json_array_add_element(array, mmrig_report_json(result));
    }
    json_object_set_int_member(object, "schema", SCHEMA);
    json_object_set_int_member(object, "exit", mmrig_results_exit(results));
    json_object_set_int_member(totals, "total", results->len);
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        json_object_set_int_member(totals, mmrig_verdict_name((MmrigVerdict)i), counts[i]);
    json_object_set_object_member(object, "totals", totals);
    json_object_set_array_member(object, "repeats", repeats_array(results));
    json_object_set_array_member(object, "results", array);
    return report_json_take(object);
}
