/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json-text.h"
#include "base/term.h"
#include "bench/bench.h"
#include "bench/stats.h"
#include "command-private.h"

typedef struct {
    MmrigStats subject, baseline, ratio;
} Figures;

/* words are what stands on the command line, or NULL. */
static const MmrigBenchCase *find_case(const char *const *words, GError **error)
{
    const char *name = words ? words[0] : NULL;
    g_autoptr(GString) names = g_string_new(NULL);

    if (name && words[1]) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "bench: what is \"%s\"? One bench is measured at a time", words[1]);
        return NULL;
    }
    for (const MmrigBenchCase *bench = mmrig_bench_cases; bench->name; bench++) {
        if (name && strcmp(name, bench->name) == 0)
            return bench;
        g_string_append_printf(names, " %s", bench->name);
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "bench: which of these?%s", names->str);
    return NULL;
}

static gboolean bench_measure(const MmrigBenchCase *bench, const MmrigSetup *setup, int runs,
                              Figures *figures, GError **error)
{
    g_autoptr(GArray) subjects = g_array_new(FALSE, FALSE, sizeof(double));
    g_autoptr(GArray) baselines = g_array_new(FALSE, FALSE, sizeof(double));
    g_autoptr(GArray) ratios = g_array_new(FALSE, FALSE, sizeof(double));
    gboolean live = mmrig_term_is_terminal(STDERR_FILENO);

    /* The pair before the first fills the caches and does not count. */
    for (int i = 0; i <= runs; i++) {
        double subject, baseline;
        if (live)
            g_printerr("\r%s: %d of %d\033[K", bench->name, i, runs);
        if (!bench->measure(setup, &subject, &baseline, error))
            return FALSE;
        if (i == 0)
            continue;
        double ratio = subject / baseline;
        g_array_append_val(subjects, subject);
        g_array_append_val(baselines, baseline);
        g_array_append_val(ratios, ratio);
    }
    if (live)
        g_printerr("\r\033[K");
    figures->subject = mmrig_stats(subjects);
    figures->baseline = mmrig_stats(baselines);
    figures->ratio = mmrig_stats(ratios);
    return TRUE;
}

static void bench_print_row(const char *what, const MmrigStats *stats, const char *unit)
{
    mmrig_print("  %-52s %7.3f %-4s (%.3f to %.3f; middle half %.3f to %.3f)\n", what,
                stats->median, unit, stats->least, stats->most, stats->low, stats->high);
}

static void print_figures(const MmrigBenchCase *bench, const MmrigSetup *setup,
                          const Figures *figures)
{
    mmrig_print("%s: medians of %u pairs, %s, kernel %s %s, QEMU %s\n", bench->name,
                figures->ratio.count, mmrig_accel_name(setup->accel), setup->kernel->spec,
                setup->kernel->release ? setup->kernel->release : "", setup->qemu->version);
    bench_print_row(bench->subject, &figures->subject, bench->unit);
    bench_print_row(bench->baseline, &figures->baseline, bench->unit);
    bench_print_row("ratio of each pair", &figures->ratio, "");
}

static void add_stats(JsonBuilder *builder, const char *name, const MmrigStats *stats)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "median");
    json_builder_add_double_value(builder, stats->median);
    json_builder_set_member_name(builder, "quartiles");
    json_builder_begin_array(builder);
    json_builder_add_double_value(builder, stats->low);
    json_builder_add_double_value(builder, stats->high);
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "range");
    json_builder_begin_array(builder);
    json_builder_add_double_value(builder, stats->least);
    json_builder_add_double_value(builder, stats->most);
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

static void bench_print_json(const MmrigBenchCase *bench, const MmrigSetup *setup,
                             const Figures *figures)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autofree char *subject = g_strconcat("subject-", bench->unit_name, NULL);
    g_autofree char *baseline = g_strconcat("baseline-", bench->unit_name, NULL);

    json_builder_begin_object(builder);
    mmrig_json_add_number(builder, "schema", 1);
    mmrig_json_add_text(builder, "bench", bench->name);
    mmrig_json_add_number(builder, "pairs", figures->ratio.count);
    add_stats(builder, subject, &figures->subject);
    add_stats(builder, baseline, &figures->baseline);
    add_stats(builder, "ratio", &figures->ratio);
    json_builder_set_member_name(builder, "environment");
    json_builder_add_value(builder, mmrig_setup_environment(setup));
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    mmrig_command_print_json(root);
}

MmrigExit mmrig_cmd_bench(int argc, char **argv)
{
    g_autofree char *kernel = NULL, *accel = NULL;
    g_auto(GStrv) names = NULL;
    g_autoptr(GError) error = NULL;
    gboolean json = FALSE;
    int runs = 10;
    const GOptionEntry entries[] = {
        {"runs", 'r', 0, G_OPTION_ARG_INT, &runs, "How many pairs to measure (default 10)",
         "N"},
        MMRIG_OPTION_KERNEL(&kernel),
        MMRIG_OPTION_ACCEL(&accel),
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print the figures as JSON", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(
        "boot|fork|fork-cold|fork-memory|camera|firmware|poison|poison-one");
    Figures figures;

    g_option_context_set_summary(context,
                                 "Measures the rig against a baseline, in turns, in one run.");
    if (!mmrig_command_parse(context, entries, &argc, &argv, &error))
        return mmrig_error_report(error);
    if (runs < 1 || runs > 10000) {
        g_set_error(&error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "--runs takes 1 to 10000");
        return mmrig_error_report(error);
    }
    const MmrigBenchCase *bench = find_case((const char *const *)names, &error);
    if (!bench)
        return mmrig_error_report(error);
    g_autoptr(MmrigSetup) setup = mmrig_setup_open(kernel, accel ? accel : "auto", &error);
    mmrig_setup_say_note(setup);
    if (!setup || !bench_measure(bench, setup, runs, &figures, &error))
        return mmrig_error_report(error);
    if (json)
        bench_print_json(bench, setup, &figures);
    else
        print_figures(bench, setup, &figures);
    return MMRIG_EXIT_PASS;
}
