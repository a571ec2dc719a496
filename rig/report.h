/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results in the forms that people and machines read. Each is pure: text out of results. */
#pragma once

#include <json-glib/json-glib.h>

#include "result.h"

/* KTAP: the whole stream is header, one block a result (subtests included), footer. */
void mmrig_report_ktap_begin(GString *out, guint planned);
void mmrig_report_ktap_add(GString *out, guint number, const MmrigResult *result);

/* JUnit XML for a set of results (of MmrigResult): a suite each, a case for each subtest. */
char *mmrig_report_junit(const GPtrArray *results);

/* One result as JSON ("schema": 1). Free with json_node_unref(). */
JsonNode *mmrig_report_json(const MmrigResult *result);

/* All results with the totals, for --json. */
JsonNode *mmrig_report_json_all(const GPtrArray *results);
