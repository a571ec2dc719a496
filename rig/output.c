/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#include "error.h"
#include "report.h"
#include "term.h"

/* How often the line on the terminal is drawn again. */
#define TICK_MS 100

struct MmrigOutput {
    char *folder;
    MmrigOutputForm form;
    JsonNode *environment;
    guint planned;
    GPtrArray *results;
    /* The line of what runs now, on a terminal. */
    guint tick;
    const MmrigScenario *current;
    MmrigStage stage;
    gint64 since;
};

static gboolean make_folder(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0777) == 0)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "cannot make the folder %s: %s; --out DIR chooses another", path,
                g_strerror(errno));
    return FALSE;
}

static gboolean save_text(const char *folder, const char *name, const char *text,
                          GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) failure = NULL;

    /* Not through a temporary file: a killed rig must leave none. */
    if (g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0666, &failure))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write %s: %s", path,
                failure->message);
    return FALSE;
}

static gboolean save_json(const char *folder, const char *name, JsonNode *node, GError **error)
{
    g_autofree char *text = json_to_string(node, TRUE);
    g_autofree char *line = g_strconcat(text, "\n", NULL);

    return save_text(folder, name, line, error);
}

static char *default_folder(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *stamp = g_date_time_format(now, "%Y%m%d-%H%M%S");

    return g_strdup_printf("mmrig-out/%s-%d", stamp, (int)getpid());
}

static gboolean on_tick(gpointer data)
{
    static const char *const words[] = {"booting", "testing", "ending"};
    MmrigOutput *output = data;
    double seconds = (double)(g_get_monotonic_time() - output->since) / G_USEC_PER_SEC;
    const char *twin = output->current->twin;

    g_print("\r  ....  %s%s%s  %s %.1f s\033[K", output->current->name, twin ? ":" : "",
            twin ? twin : "", words[output->stage], seconds);
    return G_SOURCE_CONTINUE;
}

static void end_line(MmrigOutput *output)
{
    if (!output->tick)
        return;
    g_clear_handle_id(&output->tick, g_source_remove);
    g_print("\r\033[K");
}

MmrigOutput *mmrig_output_new(const char *folder, MmrigOutputForm form, const MmrigRig *rig,
                              guint planned, GError **error)
{
    g_autoptr(MmrigOutput) output = g_new0(MmrigOutput, 1);

    output->folder = folder ? g_strdup(folder) : default_folder();
    output->form = form;
    output->planned = planned;
    output->results = g_ptr_array_new_with_free_func((GDestroyNotify)mmrig_result_free);
    output->environment = mmrig_rig_environment(rig);
    g_autofree char *taken = g_build_filename(output->folder, "environment.json", NULL);
    if (g_file_test(taken, G_FILE_TEST_EXISTS)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s holds the results of an earlier run; give a new --out", output->folder);
        return NULL;
    }
    if (!make_folder(output->folder, error) ||
        !save_json(output->folder, "environment.json", output->environment, error))
        return NULL;
    if (form == MMRIG_OUTPUT_KTAP) {
        g_autoptr(GString) text = g_string_new(NULL);
        mmrig_report_ktap_begin(text, planned);
        g_print("%s", text->str);
    }
    return g_steal_pointer(&output);
}

void mmrig_output_free(MmrigOutput *output)
{
    if (!output)
        return;
    end_line(output);
    g_clear_pointer(&output->environment, json_node_unref);
    g_ptr_array_unref(output->results);
    g_free(output->folder);
    g_free(output);
}

char *mmrig_output_folder(MmrigOutput *output, const MmrigScenario *scenario, guint repeat,
                          GError **error)
{
    g_autoptr(GString) name = g_string_new(scenario->name);

    if (scenario->twin)
        g_string_append_printf(name, ".%s", scenario->twin);
    if (repeat > 1)
        g_string_append_printf(name, ".%u", repeat);
    g_autofree char *path = g_build_filename(output->folder, name->str, NULL);
    /* The same scenario named twice: the second gets a number too. */
    for (guint n = 2; g_file_test(path, G_FILE_TEST_EXISTS); n++) {
        g_free(path);
        path = g_strdup_printf("%s/%s-%u", output->folder, name->str, n);
    }
    if (!make_folder(path, error) ||
        !save_json(path, "environment.json", output->environment, error))
        return NULL;
    return g_steal_pointer(&path);
}

void mmrig_output_stage(const MmrigScenario *scenario, MmrigStage stage, gpointer data)
{
    MmrigOutput *output = data;

    if (output->form != MMRIG_OUTPUT_TERMINAL)
        return;
    if (!output->tick) {
        output->since = g_get_monotonic_time();
        output->tick = g_timeout_add(TICK_MS, on_tick, output);
    }
    output->current = scenario;
    output->stage = stage;
}

static void print_indented(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++)
        g_print("            %s\n", *line);
}

static void print_failed_tests(const MmrigResult *result)
{
    for (guint k = 0; k < result->ktaps->len; k++) {
        const GPtrArray *tests = mmrig_ktap_tests(g_ptr_array_index(result->ktaps, k));
        for (guint i = 0; i < tests->len; i++) {
            const MmrigKtapTest *test = g_ptr_array_index(tests, i);
            if (test->outcome != MMRIG_KTAP_NOT_OK || test->group)
                continue;
            g_print("        not ok %s\n", test->name);
            if (test->diagnostics)
                print_indented(test->diagnostics);
        }
    }
}

static void print_result(MmrigOutput *output, const MmrigResult *result)
{
    static const MmrigStyle styles[] = {
        [MMRIG_PASS] = MMRIG_STYLE_GREEN,
        [MMRIG_FAIL] = MMRIG_STYLE_RED,
        [MMRIG_SKIP] = MMRIG_STYLE_YELLOW,
        [MMRIG_BROKEN] = MMRIG_STYLE_RED,
    };
    g_autofree char *title = mmrig_result_title(result);
    double seconds = (double)result->total_us / G_USEC_PER_SEC;
    gboolean colours = mmrig_term_colours(STDOUT_FILENO);

    end_line(output);
    g_print("  %s%-6s%s%-34s %6.2f s  %s\n", mmrig_term_style(colours, styles[result->verdict]),
            mmrig_verdict_name(result->verdict), mmrig_term_style(colours, MMRIG_STYLE_PLAIN),
            title, seconds, result->message ? result->message : "");
    if (result->verdict == MMRIG_PASS || result->verdict == MMRIG_SKIP)
        return;
    print_failed_tests(result);
    if (result->console_tail && *result->console_tail) {
        g_print("        the last of the guest's console:\n");
        print_indented(result->console_tail);
    }
    if (result->folder)
        g_print("        all of it: %s\n", result->folder);
}

gboolean mmrig_output_add(MmrigOutput *output, MmrigResult *result, GError **error)
{
    g_ptr_array_add(output->results, result);
    if (output->form == MMRIG_OUTPUT_TERMINAL) {
        print_result(output, result);
    } else if (output->form == MMRIG_OUTPUT_KTAP) {
        g_autoptr(GString) text = g_string_new(NULL);
        mmrig_report_ktap_add(text, output->results->len, result);
        g_print("%s", text->str);
    }
    if (!result->folder)
        return TRUE;
    g_autoptr(JsonNode) node = mmrig_report_json(result);
    return save_json(result->folder, "result.json", node, error);
}

static void print_summary(const MmrigOutput *output)
{
    guint counts[4] = {0};

    for (guint i = 0; i < output->results->len; i++)
        counts[((const MmrigResult *)g_ptr_array_index(output->results, i))->verdict]++;
    g_print("\n%u passed, %u failed, %u skipped", counts[MMRIG_PASS], counts[MMRIG_FAIL],
            counts[MMRIG_SKIP]);
    if (counts[MMRIG_BROKEN])
        g_print(", %u could not be judged", counts[MMRIG_BROKEN]);
    g_print("; results in %s\n", output->folder);
}

gboolean mmrig_output_finish(MmrigOutput *output, GError **error)
{
    g_autofree char *junit = mmrig_report_junit(output->results);
    g_autoptr(JsonNode) all = mmrig_report_json_all(output->results);

    end_line(output);
    if (output->form == MMRIG_OUTPUT_TERMINAL) {
        print_summary(output);
    } else if (output->form == MMRIG_OUTPUT_JSON) {
        g_autofree char *text = json_to_string(all, TRUE);
        g_print("%s\n", text);
    }
    return save_text(output->folder, "junit.xml", junit, error) &&
           save_json(output->folder, "results.json", all, error);
}

const GPtrArray *mmrig_output_results(const MmrigOutput *output)
{
    return output->results;
}
