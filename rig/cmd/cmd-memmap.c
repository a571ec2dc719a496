/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig memmap: boots a scenario's machine and shows the memory map that its guest sees. */
#include <errno.h>
#include <stdio.h>

#include "base/paths.h"
#include "command-private.h"
#include "memmap/memmap.h"
#include "run/run.h"
#include "run/setup.h"

/* The kernel prints its map only when told to, and it must still be in the log at the end. */
#define CMDLINE    "efi=debug log_buf_len=1M"
#define OUTPUT_MAX (16 * 1024 * 1024)

/* Makes of the scenario one whose test tells the memory map. */
static void memmap_command_replace_test(MmrigScenario *scenario)
{
    MmrigMachineSpec *spec = mmrig_scenario_machine(scenario, 0);
    char *cmdline =
        spec->cmdline ? g_strdup_printf("%s " CMDLINE, spec->cmdline) : g_strdup(CMDLINE);

    g_free(spec->cmdline);
    spec->cmdline = cmdline;
    mmrig_test_replace(mmrig_scenario_test(scenario, 0), "memmap");
    g_clear_pointer(&scenario->twin, g_free);
}

static void memmap_command_on_output(const char *bytes, gsize size, gpointer data)
{
    GString *output = data;

    /* A map has some kilobytes. What a guest says beyond the limit makes it unreadable. */
    if (output->len <= OUTPUT_MAX)
        g_string_append_len(output, bytes, (gssize)size);
}

/* What the test says; free with g_string_free(). */
static GString *memmap_command_run(const MmrigSetup *setup, MmrigScenario *scenario,
                                   GError **error)
{
    g_autofree char *image = mmrig_setup_image(setup, scenario, 0, NULL, error);
    g_autoptr(GString) output = g_string_new(NULL);

    if (!image)
        return NULL;
    const MmrigBootInputs inputs = mmrig_setup_inputs(setup, image, MMRIG_START_COLD);
    MmrigRunOptions options = {.scenario = scenario,
                               .inputs = &inputs,
                               .repeat = 1,
                               .output = memmap_command_on_output,
                               .output_data = output};
    g_autoptr(MmrigResult) result = mmrig_run(&options, NULL, error);
    if (!result)
        return NULL;
    if (result->verdict != MMRIG_PASS)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: %s", scenario->name,
                    result->message ? result->message : "the guest told no memory map");
    else if (output->len > OUTPUT_MAX)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                    "%s: the guest told more than a memory map: over %d MiB", scenario->name,
                    OUTPUT_MAX >> 20);
    else
        return g_steal_pointer(&output);
    return NULL;
}

static MmrigMemmap *memmap_command_obtain(const MmrigSetup *setup, MmrigScenario *scenario,
                                          GError **error)
{
    g_autofree char *unmet = NULL;

    if (mmrig_scenario_machine(scenario, 0)->firmware == MMRIG_FIRMWARE_NONE) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: its machine has no firmware that makes a map; the scenario needs "
                    "[firmware] type = ovmf",
                    scenario->name);
        return NULL;
    }
    unmet = mmrig_setup_unmet(setup, scenario);
    if (unmet) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET, "%s: %s", scenario->name, unmet);
        return NULL;
    }
    memmap_command_replace_test(scenario);
    g_autoptr(GString) output = memmap_command_run(setup, scenario, error);
    return output ? mmrig_memmap_parse(output->str, output->len, error) : NULL;
}

/*
 * Not by g_file_set_contents(), which puts a new file in the place of a link or a device, such
 * as /dev/stdout.
 */
static gboolean memmap_command_draw(const char *path, const char *picture, GError **error)
{
    FILE *file = fopen(path, "we");

    if (!file) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "--svg %s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    gboolean written = fputs(picture, file) >= 0;
    if (fclose(file) == 0 && written)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "--svg %s: cannot write it: %s", path,
                g_strerror(errno));
    return FALSE;
}

MmrigExit mmrig_cmd_memmap(int argc, char **argv)
{
    g_autofree char *kernel = NULL, *accel = NULL, *scenarios = NULL, *svg = NULL;
    g_autofree char *machine = NULL;
    g_auto(GStrv) names = NULL;
    g_autoptr(GError) error = NULL;
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        MMRIG_OPTION_KERNEL(&kernel),
        MMRIG_OPTION_ACCEL(&accel),
        {"machine", 0, 0, G_OPTION_ARG_STRING, &machine,
         "Which machine, in a scenario of several; the others are not started", "MACHINE"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print the map as JSON", NULL},
        {"svg", 0, 0, G_OPTION_ARG_FILENAME, &svg, "Also draw the map, into this file", "FILE"},
        MMRIG_OPTION_SCENARIOS(&scenarios),
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("NAME[:TWIN]");

    g_option_context_set_summary(
        context, "Boots a scenario's machine and shows the memory map that its guest sees.");
    if (!mmrig_command_parse(context, entries, &argc, &argv, &error))
        return mmrig_error_report(error);
    if (!names || g_strv_length(names) != 1) {
        g_set_error(&error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "memmap: which scenario? give one name; `mmrig list` shows them");
        return mmrig_error_report(error);
    }
    g_autofree char *installed = g_build_filename(mmrig_path_data(), "scenarios", NULL);
    MmrigSelection selection = {.folder = scenarios ? scenarios : installed,
                                .names = (const char *const *)names};
    g_autoptr(GPtrArray) chosen = mmrig_setup_select(&selection, &error);
    if (!chosen ||
        !mmrig_scenario_choose_machine(g_ptr_array_index(chosen, 0), machine, &error))
        return mmrig_error_report(error);
    g_autoptr(MmrigSetup) setup = mmrig_setup_open(kernel, accel ? accel : "auto", &error);
    mmrig_setup_say_note(setup);
    g_autoptr(MmrigMemmap) map =
        setup ? memmap_command_obtain(setup, g_ptr_array_index(chosen, 0), &error) : NULL;
    if (!map)
        return mmrig_error_report(error);
    g_autofree char *text =
        json ? mmrig_memmap_json(map, names[0]) : mmrig_memmap_table(map, names[0]);
    mmrig_print("%s", text);
    if (svg) {
        g_autofree char *picture = mmrig_memmap_svg(map, names[0]);
        if (!memmap_command_draw(svg, picture, &error))
            return mmrig_error_report(error);
    }
    return MMRIG_EXIT_PASS;
}
