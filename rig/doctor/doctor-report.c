/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The findings in the forms that people and machines read. */
#include <string.h>

#include "base/json-text.h"
#include "base/term.h"
#include "doctor.h"

#define NAME_COLUMN 6  /* after the state */
#define TEXT_COLUMN 19 /* after the longest name */
#define MEND        "mend: "
/* Narrower columns than this are not worth wrapping to. */
#define WRAP_MIN 20

const char *mmrig_check_state_name(MmrigCheckState state)
{
    static const char *const names[] = {
        [MMRIG_CHECK_OK] = "ok",
        [MMRIG_CHECK_INFO] = "info",
        [MMRIG_CHECK_WARN] = "warn",
        [MMRIG_CHECK_FAIL] = "fail",
    };

    return names[state];
}

static MmrigStyle state_style(MmrigCheckState state)
{
    static const MmrigStyle styles[] = {
        [MMRIG_CHECK_OK] = MMRIG_STYLE_GREEN,
        [MMRIG_CHECK_INFO] = MMRIG_STYLE_BLUE,
        [MMRIG_CHECK_WARN] = MMRIG_STYLE_YELLOW,
        [MMRIG_CHECK_FAIL] = MMRIG_STYLE_RED,
    };

    return styles[state];
}

/*
 * Appends text that begins in the given column, broken between words so that no line is longer
 * than width (0: never), and continued in the same column.
 */
static void append_wrapped(GString *out, const char *text, guint column, guint width)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    glong at = column;

    if (width < column + WRAP_MIN)
        width = 0;
    for (char **word = words; *word; word++) {
        glong size = g_utf8_strlen(*word, -1);
        gboolean first = word == words;
        if (!first && width != 0 && at + 1 + size > (glong)width) {
            g_string_append_printf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (!first) {
            g_string_append_c(out, ' ');
            at++;
        }
        g_string_append(out, *word);
        at += size;
    }
    g_string_append_c(out, '\n');
}

static void append_finding(GString *out, const MmrigFinding *finding, gboolean colours,
                           guint width)
{
    const char *plain = mmrig_term_style(colours, MMRIG_STYLE_PLAIN);

    g_string_append_printf(out, "%s%-*s%s%-*s",
                           mmrig_term_style(colours, state_style(finding->state)), NAME_COLUMN,
                           mmrig_check_state_name(finding->state), plain,
                           TEXT_COLUMN - NAME_COLUMN, finding->name);
    append_wrapped(out, finding->text, TEXT_COLUMN, width);
    if (!finding->mend)
        return;
    g_string_append_printf(out, "%*s%s" MEND "%s", TEXT_COLUMN, "",
                           mmrig_term_style(colours, MMRIG_STYLE_BOLD), plain);
    append_wrapped(out, finding->mend, TEXT_COLUMN + (guint)strlen(MEND), width);
}

char *mmrig_doctor_text(const GPtrArray *findings, gboolean colours, guint width)
{
    GString *out = g_string_new(NULL);
    guint counts[MMRIG_CHECK_FAIL + 1] = {0};

    for (guint i = 0; i < findings->len; i++) {
        const MmrigFinding *finding = g_ptr_array_index(findings, i);
        append_finding(out, finding, colours, width);
        counts[finding->state]++;
    }
    if (counts[MMRIG_CHECK_FAIL] > 0)
        g_string_append_printf(out, "\nmmrig cannot run here yet: mend what says fail (%u).\n",
                               counts[MMRIG_CHECK_FAIL]);
    else if (counts[MMRIG_CHECK_WARN] > 0)
        g_string_append_printf(out, "\nmmrig can run here; %u of its parts cannot (warn).\n",
                               counts[MMRIG_CHECK_WARN]);
    else
        g_string_append(out, "\nmmrig can run here, with all its parts.\n");
    return g_string_free(out, FALSE);
}

JsonNode *mmrig_doctor_json(const GPtrArray *findings)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    mmrig_json_add_number(builder, "schema", 1);
    json_builder_set_member_name(builder, "usable");
    json_builder_add_boolean_value(builder, mmrig_doctor_worst(findings) < MMRIG_CHECK_FAIL);
    json_builder_set_member_name(builder, "checks");
    json_builder_begin_array(builder);
    for (guint i = 0; i < findings->len; i++) {
        const MmrigFinding *finding = g_ptr_array_index(findings, i);
        json_builder_begin_object(builder);
        mmrig_json_add_text(builder, "name", finding->name);
        mmrig_json_add_text(builder, "state", mmrig_check_state_name(finding->state));
        mmrig_json_add_text(builder, "text", finding->text);
        mmrig_json_add_text(builder, "mend", finding->mend);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    return json_builder_get_root(builder);
}
