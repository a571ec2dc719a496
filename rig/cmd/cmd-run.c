/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "base/interrupt.h"
#include "base/paths.h"
#include "base/term.h"
#include "command-private.h"
#include "keeper/keeper.h"
#include "run/batch.h"
#include "run/output.h"
#include "run/setup.h"
#include "template/template-child.h"
#include "vm/esp.h"
#include "vm/instance.h"

#define TIMEOUT_MAX (24 * 3600)
#define REPEAT_MAX  1000000
#define NOT_SAID    G_MININT

typedef struct {
    char **names, **areas; /* areas may be NULL */
    char *kernel, *accel, *out, *scenarios, *jobs_text;
    gboolean all, twins, json, dry_run, cold, keep;
    char *name;          /* for --keep, or NULL */
    char **devices;      /* to add, or NULL */
    int timeout, repeat; /* timeout 0: the scenario's own */
    int boot_timeout;    /* 0: as usual */
    char *make_template; /* a scenario's number and its template's name, or NULL */
    guint jobs;          /* 0: not said */
} RunArguments;

static void run_command_free_arguments(RunArguments *arguments)
{
    g_strfreev(arguments->names);
    g_strfreev(arguments->areas);
    g_free(arguments->kernel);
    g_free(arguments->accel);
    g_free(arguments->out);
    g_free(arguments->scenarios);
    g_free(arguments->jobs_text);
    g_free(arguments->name);
    g_free(arguments->make_template);
    g_strfreev(arguments->devices);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunArguments, run_command_free_arguments)

static gboolean run_command_check_number(const char *option, int value, int most,
                                         GError **error)
{
    if (value == NOT_SAID || (value >= 1 && value <= most))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "--%s %d: it takes a number from 1 to %d", option, value, most);
    return FALSE;
}

static gboolean read_jobs(RunArguments *arguments, GError **error)
{
    guint64 jobs = 0;

    if (arguments->jobs_text &&
        !g_ascii_string_to_unsigned(arguments->jobs_text, 10, 1, MMRIG_JOBS_MAX, &jobs, NULL)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "--jobs %s: how many scenarios run at once is a number from 1 to %d",
                    arguments->jobs_text, MMRIG_JOBS_MAX);
        return FALSE;
    }
    arguments->jobs = (guint)jobs;
    return TRUE;
}

static gboolean run_command_parse_arguments(int argc, char **argv, RunArguments *arguments,
                                            GError **error)
{
    const GOptionEntry entries[] = {
        {"area", 'a', 0, G_OPTION_ARG_STRING_ARRAY, &arguments->areas,
         "Run all scenarios of AREA (may be given several times)", "AREA"},
        {"all", 0, 0, G_OPTION_ARG_NONE, &arguments->all, "Run all scenarios", NULL},
        {"twins", 0, 0, G_OPTION_ARG_NONE, &arguments->twins,
         "Also run each scenario's twins, which are broken on purpose and must fail", NULL},
        MMRIG_OPTION_KERNEL(&arguments->kernel),
        MMRIG_OPTION_ACCEL(&arguments->accel),
        {"timeout", 't', 0, G_OPTION_ARG_INT, &arguments->timeout,
         "Seconds for each test, instead of the scenario's own limit", "SECONDS"},
        {"boot-timeout", 0, 0, G_OPTION_ARG_INT, &arguments->boot_timeout,
         "Seconds until each guest must be ready, not " G_STRINGIFY(MMRIG_BOOT_TIMEOUT),
         "SECONDS"},
        {"repeat", 'r', 0, G_OPTION_ARG_INT, &arguments->repeat, "Run each N times", "N"},
        {"jobs", 'j', 0, G_OPTION_ARG_STRING, &arguments->jobs_text,
         "Run up to N at once (default: as many as keep the CPUs busy)", "N"},
        {"out", 'o', 0, G_OPTION_ARG_FILENAME, &arguments->out,
         "Folder for the results (default: a new one in mmrig-out)", "DIR"},
        MMRIG_OPTION_SCENARIOS(&arguments->scenarios),
        {"json", 0, 0, G_OPTION_ARG_NONE, &arguments->json, "Print the results as JSON", NULL},
        {"cold", 0, 0, G_OPTION_ARG_NONE, &arguments->cold,
         "Boot every machine instead of forking a booted one", NULL},
        {"keep", 0, 0, G_OPTION_ARG_NONE, &arguments->keep,
         "Let the machine run on after its test, for `mmrig inject`, until interrupted", NULL},
        {"name", 0, 0, G_OPTION_ARG_STRING, &arguments->name,
         "What `mmrig inject` is to know the kept machine by (default: its scenario's name)",
         "RUN"},
        MMRIG_OPTION_DEVICES(&arguments->devices),
        {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &arguments->dry_run,
         "Print QEMU's command lines and start nothing", NULL},
        {MMRIG_MAKE_TEMPLATE, 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING,
         &arguments->make_template, "Make the template of scenario N, and do nothing else",
         "N:NAME"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &arguments->names, NULL, NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("NAME[:TWIN]...");

    arguments->repeat = arguments->timeout = arguments->boot_timeout = NOT_SAID;
    g_option_context_set_summary(context, "Runs scenarios and gives a verdict on each.");
    g_option_context_set_description(
        context, "Exit status: 0 all passed, 1 something failed, 2 wrong arguments or input,\n"
                 "77 all were skipped, 99 the rig itself broke. See mmrig-run(1).");
    if (!mmrig_command_parse(context, entries, &argc, &argv, error))
        return FALSE;
    if (!read_jobs(arguments, error))
        return FALSE;
    if (!run_command_check_number("timeout", arguments->timeout, TIMEOUT_MAX, error) ||
        !run_command_check_number("boot-timeout", arguments->boot_timeout, TIMEOUT_MAX,
                                  error) ||
        !run_command_check_number("repeat", arguments->repeat, REPEAT_MAX, error))
        return FALSE;
    arguments->repeat = arguments->repeat == NOT_SAID ? 1 : arguments->repeat;
    arguments->timeout = arguments->timeout == NOT_SAID ? 0 : arguments->timeout;
    if (arguments->boot_timeout == NOT_SAID)
        arguments->boot_timeout = 0;
    return TRUE;
}

/* Adds what --device says; whether the options suit the scenarios: --keep is for one machine.
 */
static gboolean run_command_add_devices(const RunArguments *arguments,
                                        const GPtrArray *scenarios, GError **error)
{
    if (arguments->keep &&
        (scenarios->len != 1 || arguments->repeat != 1 ||
         ((const MmrigScenario *)g_ptr_array_index(scenarios, 0))->machines->len != 1)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "--keep keeps one machine: name one scenario that has one, and do not "
                    "repeat it");
        return FALSE;
    }
    if ((guint64)scenarios->len * (guint64)arguments->repeat > G_MAXINT) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "--repeat %d of %u scenarios are more than %d runs; repeat them less often",
                    arguments->repeat, scenarios->len, G_MAXINT);
        return FALSE;
    }
    if (arguments->name && !arguments->keep) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "--name goes with --keep");
        return FALSE;
    }
    if (arguments->name && !mmrig_keeper_name_free(arguments->name, error))
        return FALSE;
    for (guint i = 0; i < scenarios->len; i++)
        for (char **device = arguments->devices; device && *device; device++)
            if (!mmrig_scenario_add_pack_device(g_ptr_array_index(scenarios, i), *device,
                                                error))
                return FALSE;
    return TRUE;
}

static void say_kept(const MmrigResult *result, const char *name)
{
    g_printerr("mmrig: %s%s%s; the machine is kept as \"%s\" until Ctrl-C; `mmrig inject %s "
               "list` reaches it\n",
               mmrig_verdict_name(result->verdict), result->message ? ": " : "",
               result->message ? result->message : "", name, name);
}

/* Called on an interruption, and when the reader of standard output is gone. */
static void run_command_cancel(gpointer data)
{
    g_cancellable_cancel(data);
}

/* What QEMU's arguments do not say, as the rig makes it. */
static void print_disk(const MmrigPlan *machine)
{
    for (guint i = 0; i < machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(machine->backings, i);
        if (!backing->esp)
            continue;
        g_autofree char *text = mmrig_esp_describe(backing->esp, "#   ");
        mmrig_print("# boots from a disk, the descriptor %d:\n%s", backing->fd, text);
    }
}

static gboolean dry_run_machine(const MmrigSetup *setup, const MmrigScenario *scenario,
                                guint number, GError **error)
{
    const MmrigMachineSpec *spec = mmrig_scenario_machine(scenario, number);
    g_autofree char *image = mmrig_setup_image(setup, scenario, number, NULL, error);

    if (!image)
        return FALSE;
    MmrigBootInputs inputs = mmrig_setup_inputs(setup, image, MMRIG_START_COLD);
    g_autoptr(MmrigPlan) plan = mmrig_plan_make(spec, &inputs, error);
    if (!plan)
        return FALSE;
    g_autofree char *command = mmrig_plan_quote(plan);
    if (spec->name)
        mmrig_print("# machine %s\n", spec->name);
    print_disk(plan);
    mmrig_print("%s\n", command);
    return TRUE;
}

static gboolean dry_run(const MmrigSetup *setup, const GPtrArray *scenarios, GError **error)
{
    for (guint i = 0; i < scenarios->len; i++) {
        const MmrigScenario *scenario = g_ptr_array_index(scenarios, i);
        const char *cold = mmrig_scenario_unforkable(scenario);
        mmrig_print("# %s%s%s\n", scenario->name, scenario->twin ? ":" : "",
                    scenario->twin ? scenario->twin : "");
        if (cold)
            mmrig_print("# is booted, not forked: %s\n", cold);
        if (scenario->forked)
            mmrig_print("# must be forked: %s\n", scenario->forked);
        for (guint number = 0; number < scenario->machines->len; number++)
            if (!dry_run_machine(setup, scenario, number, error))
                return FALSE;
    }
    return TRUE;
}

/* Machines, guests and verdicts: batch.c, run.c, judge.c. */
static gboolean run_all(const MmrigBatchOptions *options, MmrigOutput *output,
                        GCancellable *cancellable, GError **error)
{
    g_autoptr(MmrigPrintWatch) watch G_GNUC_UNUSED =
        mmrig_print_watch_new(run_command_cancel, cancellable);
    gboolean whole = mmrig_batch_run(options, output, cancellable, error);

    if (!whole && g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_clear_error(error);
        if (mmrig_print_check(error))
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "interrupted; the guests were stopped");
    }
    return whole;
}

/* For the process that batch.c starts with the same arguments. */
static MmrigExit run_command_make_template(const MmrigSetup *setup, const GPtrArray *scenarios,
                                           const RunArguments *arguments)
{
    const char *which = arguments->make_template;
    g_auto(GStrv) parts = g_strsplit(which, ":", 2);
    g_autoptr(GError) error = NULL;
    guint64 number = 0;

    if (!parts[0] || !parts[1] || scenarios->len == 0 ||
        !g_ascii_string_to_unsigned(parts[0], 10, 0, scenarios->len - 1, &number, NULL))
        g_set_error(&error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "--" MMRIG_MAKE_TEMPLATE
                    "=%s: N:NAME is wanted; there are %u scenarios, counted from 0",
                    which, scenarios->len);
    else
        mmrig_batch_make_template(setup, g_ptr_array_index(scenarios, number), parts[1],
                                  (guint)arguments->boot_timeout, &error);
    if (!error)
        return MMRIG_EXIT_PASS;
    MmrigExit status = mmrig_error_report(error);
    /* The parent process recognises the error by this status (template-child.h). */
    return g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_SILENT) ? MMRIG_EXIT_FAIL : status;
}

static MmrigOutputForm output_form(const RunArguments *arguments)
{
    if (arguments->json)
        return MMRIG_OUTPUT_JSON;
    return mmrig_term_is_terminal(STDOUT_FILENO) ? MMRIG_OUTPUT_TERMINAL : MMRIG_OUTPUT_KTAP;
}

MmrigExit mmrig_cmd_run(int argc, char **argv)
{
    g_auto(RunArguments) arguments = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *installed = g_build_filename(mmrig_path_data(), "scenarios", NULL);
    /* What is parsed is taken out of argv. */
    g_auto(GStrv) words = g_strdupv(argv);
    static const char *const no_names[] = {NULL};

    if (!run_command_parse_arguments(argc, argv, &arguments, &error))
        return mmrig_error_report(error);
    MmrigSelection selection = {
        .folder = arguments.scenarios ? arguments.scenarios : installed,
        .names = arguments.names ? (const char *const *)arguments.names : no_names,
        .areas = (const char *const *)arguments.areas,
        .all = arguments.all,
        .twins = arguments.twins,
    };
    g_autoptr(GPtrArray) scenarios = mmrig_setup_select(&selection, &error);
    if (!scenarios)
        return mmrig_error_report(error);
    if (!run_command_add_devices(&arguments, scenarios, &error))
        return mmrig_error_report(error);
    g_autoptr(MmrigSetup) setup =
        mmrig_setup_open(arguments.kernel, arguments.accel ? arguments.accel : "auto", &error);
    if (!setup)
        return mmrig_error_report(error);
    if (arguments.make_template)
        return run_command_make_template(setup, scenarios, &arguments);
    if (arguments.dry_run)
        return dry_run(setup, scenarios, &error) ? MMRIG_EXIT_PASS : mmrig_error_report(error);
    if (arguments.out && !mmrig_output_folder_free(arguments.out, &error))
        return mmrig_error_report(error);
    mmrig_setup_say_note(setup);
    g_autoptr(GPtrArray) items = mmrig_batch_prepare(setup, scenarios, arguments.cold, &error);
    if (!items)
        return mmrig_error_report(error);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    /* It is held to the end of this function, as a terminal that closes sends SIGHUP more than
     * once. */
    g_autoptr(MmrigInterrupt) interrupt G_GNUC_UNUSED =
        mmrig_interrupt_new(run_command_cancel, cancellable);
    g_autoptr(MmrigOutput) output =
        mmrig_output_new(arguments.out, output_form(&arguments), setup,
                         scenarios->len * (guint)arguments.repeat, &error);
    if (!output)
        return mmrig_error_report(error);
    MmrigBatchOptions options = {
        .setup = setup,
        .items = items,
        .words = (const char *const *)words,
        .repeat = (guint)arguments.repeat,
        .jobs = arguments.jobs,
        .timeout = (guint)arguments.timeout,
        .boot_timeout = (guint)arguments.boot_timeout,
        .kept = arguments.keep ? say_kept : NULL,
        .keep_name = arguments.name,
    };
    gboolean whole = run_all(&options, output, cancellable, &error);
    /* Results from before an interruption are saved too. */
    gboolean saved = mmrig_output_finish(output, whole ? &error : NULL);
    if (!whole || !saved)
        return mmrig_error_report(error);
    return mmrig_results_exit(mmrig_output_results(output));
}
