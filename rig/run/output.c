/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/print.h"
#include "base/store.h"
#include "base/term.h"
#include "report/report.h"

/* What a folder of results has from its first moment on. */
#define TAKEN "environment.json"

struct MmrigOutput {
    char *folder;
    MmrigOutputForm form;
    JsonNode *environment;
    GPtrArray *results;      /* those shown */
    GHashTable *waiting;     /* results that are not shown yet, by number */
    guint next;              /* the number to be shown next */
    const MmrigResult *kept; /* the last one that passed and whose folder was kept */
    MmrigLive *live;         /* NULL but on a terminal */
};

static gboolean make_folder(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0777) == 0)
        return TRUE;
    int cause = errno;
    g_set_error(error, MMRIG_ERROR, (int)mmrig_error_of_errno(cause),
                "cannot make the folder %s: %s; --out DIR chooses another", path,
                g_strerror(cause));
    return FALSE;
}

static gboolean save_text(const char *folder, const char *name, const char *text,
                          GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    if (mmrig_io_set_text(path, text, 0666, error))
        return TRUE;
    /*
     * A half-written file would be taken for a whole one, and for a sign that the folder holds
     * results.
     */
    (void)g_unlink(path);
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

static void free_result(gpointer data)
{
    mmrig_result_free(data);
}

gboolean mmrig_output_folder_free(const char *folder, GError **error)
{
    g_autofree char *taken = g_build_filename(folder, TAKEN, NULL);

    if (!g_file_test(taken, G_FILE_TEST_EXISTS))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "%s holds the results of an earlier run; give a new --out", folder);
    return FALSE;
}

MmrigOutput *mmrig_output_new(const char *folder, MmrigOutputForm form, const MmrigSetup *setup,
                              guint planned, GError **error)
{
    g_autoptr(MmrigOutput) output = g_new0(MmrigOutput, 1);

    output->folder = folder ? g_strdup(folder) : default_folder();
    output->form = form;
    output->results = g_ptr_array_new_with_free_func(free_result);
    output->waiting = g_hash_table_new_full(NULL, NULL, NULL, free_result);
    output->environment = mmrig_setup_environment(setup);
    if (!mmrig_output_folder_free(output->folder, error) ||
        !make_folder(output->folder, error) ||
        !save_json(output->folder, TAKEN, output->environment, error))
        return NULL;
    if (form == MMRIG_OUTPUT_KTAP) {
        g_autoptr(GString) text = g_string_new(NULL);
        mmrig_report_ktap_begin(text, planned);
        mmrig_print("%s", text->str);
    } else if (form == MMRIG_OUTPUT_TERMINAL) {
        output->live = mmrig_live_new(planned);
    }
    if (mmrig_print_check(error))
        return g_steal_pointer(&output);
    /* Nothing was run, so the folder must not look as if it held results. */
    g_autofree char *taken = g_build_filename(output->folder, TAKEN, NULL);
    (void)g_unlink(taken);
    return NULL;
}

void mmrig_output_free(MmrigOutput *output)
{
    if (!output)
        return;
    mmrig_live_free(output->live);
    g_hash_table_unref(output->waiting);
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
    /* If a scenario is named twice, the second run's folder gets a number as well. */
    for (guint n = 2; g_file_test(path, G_FILE_TEST_EXISTS); n++) {
        g_free(path);
        path = g_strdup_printf("%s/%s-%u", output->folder, name->str, n);
    }
    if (!make_folder(path, error) ||
        !save_json(path, "environment.json", output->environment, error))
        return NULL;
    return g_steal_pointer(&path);
}

MmrigLive *mmrig_output_live(MmrigOutput *output)
{
    return output->live;
}

static void print_indented(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++)
        mmrig_print("            %s\n", *line);
}

static void print_failed_tests(const MmrigResult *result)
{
    for (guint k = 0; k < result->ktaps->len; k++) {
        const MmrigBootKtap *said = g_ptr_array_index(result->ktaps, k);
        const GPtrArray *tests = mmrig_ktap_tests(said->ktap);
        for (guint i = 0; i < tests->len; i++) {
            const MmrigKtapTest *test = g_ptr_array_index(tests, i);
            if (test->outcome != MMRIG_KTAP_NOT_OK || test->group)
                continue;
            mmrig_print("        not ok %s%s%s\n", said->machine ? said->machine : "",
                        said->machine ? "/" : "", test->name);
            if (test->diagnostics)
                print_indented(test->diagnostics);
        }
    }
}

static void print_result(const MmrigResult *result)
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

    mmrig_print(
        "  %s%-6s%s%-34s %6.2f s  %s\n", mmrig_term_style(colours, styles[result->verdict]),
        mmrig_verdict_name(result->verdict), mmrig_term_style(colours, MMRIG_STYLE_PLAIN),
        title, seconds, result->message ? result->message : "");
    if (result->verdict == MMRIG_PASS || result->verdict == MMRIG_SKIP)
        return;
    print_failed_tests(result);
    if (result->console_tail && *result->console_tail) {
        mmrig_print("        the last of the guest's console:\n");
        print_indented(result->console_tail);
    }
    if (result->folder)
        mmrig_print("        all of it: %s\n", result->folder);
}

/* If repetitions pass, the first one's files tell all that the others' would. */
static gboolean drop_folder(MmrigOutput *output, MmrigResult *result, GError **error)
{
    if (result->verdict != MMRIG_PASS || !result->folder)
        return TRUE;
    if (!output->kept || !mmrig_result_follows(output->kept, result)) {
        output->kept = result;
        return TRUE;
    }
    g_autofree char *folder = g_steal_pointer(&result->folder);
    return mmrig_remove_tree(folder, error);
}

/* Takes the result. */
static gboolean output_show(MmrigOutput *output, MmrigResult *result, GError **error)
{
    g_ptr_array_add(output->results, result);
    if (output->form == MMRIG_OUTPUT_TERMINAL) {
        mmrig_live_hide(output->live);
        print_result(result);
    } else if (output->form == MMRIG_OUTPUT_KTAP) {
        g_autoptr(GString) text = g_string_new(NULL);
        mmrig_report_ktap_add(text, output->results->len, result);
        mmrig_print("%s", text->str);
    }
    return drop_folder(output, result, error);
}

/* Takes the result of this number out of those that wait; NULL if it did not come yet. */
static MmrigResult *take_waiting(MmrigOutput *output, guint number)
{
    gpointer result = NULL;

    g_hash_table_steal_extended(output->waiting, GUINT_TO_POINTER(number), NULL, &result);
    return result;
}

/* Where the test measured something along the way. */
static gboolean save_series(const MmrigResult *result, GError **error)
{
    if (result->points->len == 0)
        return TRUE;
    g_autofree char *table = mmrig_report_series_csv(result);
    g_autofree char *picture = mmrig_report_series_svg(result);
    return save_text(result->folder, "series.csv", table, error) &&
           save_text(result->folder, "series.svg", picture, error);
}

gboolean mmrig_output_add(MmrigOutput *output, guint number, MmrigResult *result,
                          GError **error)
{
    g_hash_table_insert(output->waiting, GUINT_TO_POINTER(number), result);
    mmrig_live_count(output->live);
    /* The result is saved at once, so that it is there even if the rig is killed. */
    if (result->folder) {
        g_autoptr(JsonNode) node = mmrig_report_json(result);
        if (!save_series(result, error) ||
            !save_json(result->folder, "result.json", node, error))
            return FALSE;
    }
    while ((result = take_waiting(output, output->next))) {
        output->next++;
        if (!output_show(output, result, error))
            return FALSE;
    }
    return mmrig_print_check(error);
}

/* A run that was interrupted has no result, but later ones may have. */
static gboolean show_rest(MmrigOutput *output, GError **error)
{
    while (g_hash_table_size(output->waiting) > 0) {
        MmrigResult *result = take_waiting(output, output->next++);
        if (result && !output_show(output, result, error))
            return FALSE;
    }
    return TRUE;
}

static void print_summary(const MmrigOutput *output)
{
    guint counts[4] = {0};

    for (guint i = 0; i < output->results->len; i++)
        counts[((const MmrigResult *)g_ptr_array_index(output->results, i))->verdict]++;
    g_autoptr(GPtrArray) all = mmrig_report_repeats(output->results);
    for (guint i = 0; i < all->len; i++) {
        const MmrigRepeats *repeats = g_ptr_array_index(all, i);
        g_autofree char *text = mmrig_report_repeats_text(repeats);
        mmrig_print("%s  %s: %s\n", i == 0 ? "\n" : "", repeats->title, text);
    }
    mmrig_print("\n%u passed, %u failed, %u skipped", counts[MMRIG_PASS], counts[MMRIG_FAIL],
                counts[MMRIG_SKIP]);
    if (counts[MMRIG_BROKEN])
        mmrig_print(", %u could not be judged", counts[MMRIG_BROKEN]);
    mmrig_print("; results in %s\n", output->folder);
}

gboolean mmrig_output_finish(MmrigOutput *output, GError **error)
{
    gboolean shown = show_rest(output, error);
    g_autofree char *junit = mmrig_report_junit(output->results);
    g_autoptr(JsonNode) all = mmrig_report_json_all(output->results);

    mmrig_live_hide(output->live);
    if (output->form == MMRIG_OUTPUT_TERMINAL) {
        print_summary(output);
    } else if (output->form == MMRIG_OUTPUT_KTAP) {
        g_autoptr(GString) text = g_string_new(NULL);
        mmrig_report_ktap_end(text, output->results);
        mmrig_print("%s", text->str);
    } else if (output->form == MMRIG_OUTPUT_JSON) {
        g_autofree char *text = json_to_string(all, TRUE);
        mmrig_print("%s\n", text);
    }
    return shown && save_text(output->folder, "junit.xml", junit, error) &&
           save_json(output->folder, "results.json", all, error);
}

const GPtrArray *mmrig_output_results(const MmrigOutput *output)
{
    return output->results;
}
