/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KTAP (Linux Documentation/dev-tools/ktap.rst). The results of a guest test are its
 * scenario's subtests, all on one level whatever depth they had: their full names say it.
 */
#include "report-private.h"

#include "base/text.h"

#define USEC_PER_SEC 1000000.0

void mmrig_report_ktap_begin(GString *out, guint planned)
{
    g_string_append_printf(out, "KTAP version 1\n1..%u\n", planned);
}

/* On one line, with control characters replaced; a '#' would begin a directive. */
static void report_ktap_append_text(GString *out, const char *text, gboolean escape)
{
    g_autofree char *valid = mmrig_text_utf8(text);

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (escape && (c == '#' || c == '\\'))
            g_string_append_c(out, '\\');
        g_string_append_unichar(out, c != '\t' && g_unichar_iscntrl(c) ? 0xfffd : c);
    }
}

/* Every line of text as a diagnostic, after label on the first if that is not NULL. */
static void append_diagnostics(GString *out, const char *indent, const char *label,
                               const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (guint i = 0; lines[i]; i++) {
        /* What stands behind the last line's end is no further line. */
        if (!*lines[i] && !lines[i + 1] && i > 0)
            break;
        g_string_append_printf(out, "%s# ", indent);
        if (label)
            g_string_append_printf(out, "%s: ", label);
        g_strchomp(lines[i]);
        report_ktap_append_text(out, lines[i], FALSE);
        g_string_append_c(out, '\n');
    }
}

static void append_directive(GString *out, const char *directive, const char *reason)
{
    g_string_append_printf(out, " # %s", directive);
    if (reason) {
        g_string_append_c(out, ' ');
        report_ktap_append_text(out, reason, FALSE);
    }
}

static void report_ktap_append_case(GString *out, guint number, const MmrigReportCase *item)
{
    g_autofree char *name = mmrig_report_case_name(item);
    const char *reason = mmrig_report_case_reason(item);
    gboolean good =
        item->outcome != MMRIG_KTAP_NOT_OK &&
        !(item->outcome == MMRIG_KTAP_XFAIL && item->test->outcome != MMRIG_KTAP_OK);

    if (item->test->diagnostics)
        append_diagnostics(out, "  ", NULL, item->test->diagnostics);
    if (item->outcome == MMRIG_KTAP_NOT_OK && reason)
        append_diagnostics(out, "  ", NULL, reason);
    g_string_append_printf(out, "  %s %u ", good ? "ok" : "not ok", number);
    report_ktap_append_text(out, name, TRUE);
    if (item->outcome == MMRIG_KTAP_SKIP)
        append_directive(out, "SKIP", reason);
    else if (item->outcome == MMRIG_KTAP_XFAIL)
        append_directive(out, "XFAIL", reason);
    g_string_append_c(out, '\n');
}

void mmrig_report_ktap_add(GString *out, guint number, const MmrigResult *result)
{
    g_autoptr(GArray) cases = mmrig_report_cases(result);
    g_autofree char *title = mmrig_result_title(result);
    gboolean good = result->verdict == MMRIG_PASS || result->verdict == MMRIG_SKIP;

    if (cases->len) {
        g_string_append(out, "  KTAP version 1\n  # Subtest: ");
        report_ktap_append_text(out, title, FALSE);
        g_string_append_printf(out, "\n  1..%u\n", cases->len);
        for (guint i = 0; i < cases->len; i++)
            report_ktap_append_case(out, i + 1, &g_array_index(cases, MmrigReportCase, i));
    }
    for (guint i = 0; i < result->metrics->len; i++) {
        const MmrigMetric *metric = g_ptr_array_index(result->metrics, i);
        char value[G_ASCII_DTOSTR_BUF_SIZE];
        g_autofree char *line = g_strdup_printf(
            "%s %s %s", metric->name,
            g_ascii_formatd(value, sizeof value, MMRIG_REPORT_NUMBER, metric->value),
            metric->unit);
        append_diagnostics(out, "", "metric", line);
    }
    if (result->boot_us >= 0)
        g_string_append_printf(
            out, "# %s in %.2f s, %.2f s in all\n", result->forked ? "forked" : "booted",
            (double)result->boot_us / USEC_PER_SEC, (double)result->total_us / USEC_PER_SEC);
    if (!good) {
        append_diagnostics(out, "", mmrig_cause_name(result->cause),
                           result->message ? result->message : "no reason was given");
        if (result->console_tail)
            append_diagnostics(out, "", "console", result->console_tail);
        if (result->folder)
            append_diagnostics(out, "", "files", result->folder);
    }
    g_string_append_printf(out, "%s %u ", good ? "ok" : "not ok", number);
    report_ktap_append_text(out, title, TRUE);
    if (result->verdict == MMRIG_SKIP)
        append_directive(out, "SKIP", result->message);
    else if (result->verdict == MMRIG_BROKEN)
        append_directive(out, "ERROR", result->message);
    g_string_append_c(out, '\n');
}

void mmrig_report_ktap_end(GString *out, const GPtrArray *results)
{
    g_autoptr(GPtrArray) all = mmrig_report_repeats(results);

    for (guint i = 0; i < all->len; i++) {
        const MmrigRepeats *repeats = g_ptr_array_index(all, i);
        g_autofree char *text = mmrig_report_repeats_text(repeats);
        append_diagnostics(out, "", repeats->title, text);
    }
}
