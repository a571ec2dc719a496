/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JUnit XML in the form that CI systems agree on: a suite for each result, a case for each of
 * its subtests, and a last case, "verdict", for what no subtest can say (a panic, a time
 * limit, a lost channel). No two suites, and no two cases of a suite, have one name.
 */
#include "report-private.h"

#include "base/text.h"

#define USEC_PER_SEC 1000000.0
#define VERDICT      "verdict"

typedef struct {
    guint tests, failures, errors, skipped;
    gint64 time_us;
} Totals;

/*
 * Appends text so that it is well-formed XML 1.0: that allows of the control characters tab,
 * LF and CR only, not even as references (section 2.2).
 */
static void junit_append_text(GString *out, const char *text)
{
    g_autofree char *valid = mmrig_text_utf8(text);

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        switch (c) {
        case '&':
            g_string_append(out, "&amp;");
            break;
        case '<':
            g_string_append(out, "&lt;");
            break;
        case '>':
            g_string_append(out, "&gt;");
            break;
        case '"':
            g_string_append(out, "&quot;");
            break;
        case '\t':
        case '\n':
        case '\r':
            /*
             * They are written as references, since a reader takes them for blanks in an
             * attribute.
             */
            g_string_append_printf(out, "&#%u;", c);
            break;
        default:
            if (c < 0x20 || c == 0xfffe || c == 0xffff)
                c = 0xfffd;
            g_string_append_unichar(out, c);
        }
    }
}

static void append_attribute(GString *out, const char *name, const char *text)
{
    g_string_append_printf(out, " %s=\"", name);
    junit_append_text(out, text);
    g_string_append_c(out, '"');
}

static void append_counts(GString *out, const Totals *totals)
{
    g_string_append_printf(
        out, " tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\" time=\"%.3f\"",
        totals->tests, totals->failures, totals->errors, totals->skipped,
        (double)totals->time_us / USEC_PER_SEC);
}

static void append_property(GString *out, const char *name, const char *value)
{
    if (!value)
        return;
    g_string_append(out, "      <property");
    append_attribute(out, "name", name);
    append_attribute(out, "value", value);
    g_string_append(out, "/>\n");
}

static void append_outcome(GString *out, const char *element, const char *type,
                           const char *message, const char *text)
{
    g_string_append_printf(out, "      <%s", element);
    if (type)
        append_attribute(out, "type", type);
    if (message)
        append_attribute(out, "message", message);
    if (text) {
        g_string_append_c(out, '>');
        junit_append_text(out, text);
        g_string_append_printf(out, "</%s>\n", element);
    } else {
        g_string_append(out, "/>\n");
    }
}

/*
 * name, or with "#2", "#3" and so on behind it if that was used already; what reads JUnit takes
 * results of one name for one test. used is of names, with the last number each had behind it,
 * so that a guest with many of one name costs little. Free with g_free().
 */
static char *junit_unique(GHashTable *used, const char *name)
{
    guint number = GPOINTER_TO_UINT(g_hash_table_lookup(used, name));
    g_autofree char *unique = g_strdup(name);

    if (number > 0) {
        do {
            g_free(unique);
            unique = g_strdup_printf("%s#%u", name, ++number);
        } while (g_hash_table_contains(used, unique));
        g_hash_table_insert(used, g_strdup(name), GUINT_TO_POINTER(number));
    }
    g_hash_table_insert(used, g_strdup(unique), GUINT_TO_POINTER(1));
    return g_steal_pointer(&unique);
}

static void junit_append_case(GString *out, const char *title, const char *name,
                              const MmrigReportCase *item, Totals *totals)
{
    const char *reason = mmrig_report_case_reason(item);

    totals->tests++;
    g_string_append(out, "    <testcase");
    append_attribute(out, "classname", title);
    append_attribute(out, "name", name);
    switch (item->outcome) {
    case MMRIG_KTAP_OK:
    case MMRIG_KTAP_XFAIL:
        g_string_append(out, "/>\n");
        return;
    case MMRIG_KTAP_SKIP:
        totals->skipped++;
        g_string_append(out, ">\n");
        append_outcome(out, "skipped", NULL, reason, NULL);
        break;
    case MMRIG_KTAP_NOT_OK:
        totals->failures++;
        g_string_append(out, ">\n");
        append_outcome(out, "failure", "assertion", reason ? reason : "not ok",
                       item->test->diagnostics);
        break;
    }
    g_string_append(out, "    </testcase>\n");
}

static void append_verdict(GString *out, const char *title, const MmrigResult *result,
                           Totals *totals)
{
    totals->tests++;
    g_string_append(out, "    <testcase");
    append_attribute(out, "classname", title);
    g_string_append_printf(out, " name=\"" VERDICT "\" time=\"%.3f\"",
                           (double)result->total_us / USEC_PER_SEC);
    switch (result->verdict) {
    case MMRIG_PASS:
        g_string_append(out, "/>\n");
        return;
    case MMRIG_FAIL:
        totals->failures++;
        g_string_append(out, ">\n");
        append_outcome(out, "failure", mmrig_cause_name(result->cause), result->message,
                       result->console_tail);
        break;
    case MMRIG_SKIP:
        totals->skipped++;
        g_string_append(out, ">\n");
        append_outcome(out, "skipped", NULL, result->message, NULL);
        break;
    case MMRIG_BROKEN:
        totals->errors++;
        g_string_append(out, ">\n");
        append_outcome(out, "error", mmrig_cause_name(result->cause), result->message,
                       result->console_tail);
        break;
    }
    g_string_append(out, "    </testcase>\n");
}

static void append_suite(GString *out, const char *title, const MmrigResult *result,
                         Totals *totals)
{
    g_autoptr(GArray) cases = mmrig_report_cases(result);
    g_autoptr(GString) body = g_string_new(NULL);
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Totals own = {.time_us = result->total_us};

    g_string_append(body, "    <properties>\n");
    append_property(body, "area", result->area);
    append_property(body, "kernel", result->kernel);
    append_property(body, "accel", result->accel);
    append_property(body, "folder", result->folder);
    for (guint i = 0; i < result->metrics->len; i++) {
        const MmrigMetric *metric = g_ptr_array_index(result->metrics, i);
        char number[G_ASCII_DTOSTR_BUF_SIZE];
        g_autofree char *name = g_strdup_printf("metric %s", metric->name);
        g_autofree char *value = g_strdup_printf(
            "%s %s", g_ascii_formatd(number, sizeof number, MMRIG_REPORT_NUMBER, metric->value),
            metric->unit);
        append_property(body, name, value);
    }
    g_string_append(body, "    </properties>\n");
    /* The name of the last case is reserved, so that no case of the guest's can have it. */
    g_hash_table_insert(used, g_strdup(VERDICT), GUINT_TO_POINTER(1));
    for (guint i = 0; i < cases->len; i++) {
        const MmrigReportCase *item = &g_array_index(cases, MmrigReportCase, i);
        g_autofree char *said = mmrig_report_case_name(item);
        g_autofree char *name = junit_unique(used, said);
        junit_append_case(body, title, name, item, &own);
    }
    append_verdict(body, title, result, &own);

    g_string_append(out, "  <testsuite");
    append_attribute(out, "name", title);
    append_counts(out, &own);
    g_string_append_printf(out, ">\n%s  </testsuite>\n", body->str);
    totals->tests += own.tests;
    totals->failures += own.failures;
    totals->errors += own.errors;
    totals->skipped += own.skipped;
    totals->time_us += own.time_us;
}

char *mmrig_report_junit(const GPtrArray *results)
{
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GString) body = g_string_new(NULL);
    g_autoptr(GString) out = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    Totals totals = {0};

    for (guint i = 0; i < results->len; i++) {
        const MmrigResult *result = g_ptr_array_index(results, i);
        g_autofree char *plain = mmrig_result_title(result);
        g_autofree char *title = junit_unique(used, plain);
        append_suite(body, title, result, &totals);
    }
    g_string_append(out, "<testsuites name=\"mmrig\"");
    append_counts(out, &totals);
    g_string_append_printf(out, ">\n%s</testsuites>\n", body->str);
    return g_string_free(g_steal_pointer(&out), FALSE);
}
