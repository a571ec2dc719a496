/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results in the forms that people and machines read. Each is pure: text out of results. */
#pragma once

#include <json-glib/json-glib.h>

#include "verdict/result.h"

/* What came of a scenario that was run more than once. */
typedef struct {
    char *title; /* "NAME" or "NAME:TWIN" */
    guint runs;
    guint failed; /* neither passed nor skipped */
    guint skipped;
    const char *first_failure_folder; /* borrowed from the result; NULL if there is none */
} MmrigRepeats;

/* An array of MmrigRepeats, in the order of the results; g_ptr_array_unref(). */
GPtrArray *mmrig_report_repeats(const GPtrArray *results);

/* Failures among the runs that were not skipped, 0 to 1; NaN if all were. */
double mmrig_report_failure_rate(const MmrigRepeats *repeats);

/* The same for people: "3 of 200 failed (1.5 %); the first: FOLDER". Free with g_free(). */
char *mmrig_report_repeats_text(const MmrigRepeats *repeats);

/* KTAP: the whole stream is header, one block a result (subtests included), footer. */
void mmrig_report_ktap_begin(GString *out, guint planned);
void mmrig_report_ktap_add(GString *out, guint number, const MmrigResult *result);
void mmrig_report_ktap_end(GString *out, const GPtrArray *results);

/* JUnit XML for a set of results (of MmrigResult): a suite each, a case for each subtest. */
char *mmrig_report_junit(const GPtrArray *results);

/* One result as JSON ("schema": 1). Free with json_node_unref(). */
JsonNode *mmrig_report_json(const MmrigResult *result);

/* The points of a result as comma-separated values, and drawn. Free with g_free(). */
char *mmrig_report_series_csv(const MmrigResult *result);
char *mmrig_report_series_svg(const MmrigResult *result);

/* All results with the totals and what came of repetitions, for --json. */
JsonNode *mmrig_report_json_all(const GPtrArray *results);
