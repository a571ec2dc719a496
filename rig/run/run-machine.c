/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One machine of a run: what it is made of, and what is kept of it from one boot to the next.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "run-private.h"
#include "vm/backing.h"

void mmrig_run_machine_end_boot(MmrigRunMachine *machine)
{
    g_clear_pointer(&machine->instance, mmrig_instance_free);
    g_clear_pointer(&machine->ktap, mmrig_ktap_free);
    g_clear_pointer(&machine->alone, mmrig_result_free);
    g_ptr_array_set_size(machine->texts, 0);
    memset(&machine->evidence, 0, sizeof(machine->evidence));
    machine->requests = 0;
    machine->output_bytes = 0;
    machine->ready = FALSE;
    machine->ended = FALSE;
    machine->timed = FALSE;
    machine->waited = FALSE;
    machine->over = 0;
    machine->generation++;
}

void mmrig_run_machine_free(MmrigRunMachine *machine)
{
    mmrig_run_machine_end_boot(machine);
    g_clear_pointer(&machine->backings, g_array_unref);
    g_ptr_array_unref(machine->texts);
    mmrig_plan_free(machine->plan);
    g_free(machine->folder);
    g_free(machine);
}

/* The files of a machine that is not the only one are in a folder of its name. */
static gboolean machine_make_folder(MmrigRunMachine *machine, GError **error)
{
    const char *folder = machine->run->options.folder;

    if (!folder)
        return TRUE;
    machine->folder =
        machine->name ? g_build_filename(folder, machine->name, NULL) : g_strdup(folder);
    if (!machine->name || g_mkdir(machine->folder, 0777) == 0)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make %s: %s", machine->folder,
                g_strerror(errno));
    return FALSE;
}

MmrigRunMachine *mmrig_run_machine_new(MmrigRun *run, guint number, GError **error)
{
    const MmrigRunOptions *options = &run->options;
    MmrigRunMachine *machine = g_new0(MmrigRunMachine, 1);

    machine->run = run;
    machine->number = number;
    machine->spec = mmrig_scenario_machine(options->scenario, number);
    machine->test = mmrig_scenario_test(options->scenario, number);
    machine->name = machine->spec->name;
    machine->texts = g_ptr_array_new_with_free_func(g_free);
    machine->template = options->template;
    machine->inputs = options->inputs[number];
    machine->inputs.kind = options->template ? MMRIG_START_FORK : MMRIG_START_COLD;
    if (machine_make_folder(machine, error))
        machine->plan = mmrig_plan_make(machine->spec, &machine->inputs, error);
    if (machine->plan)
        machine->backings =
            options->template ? mmrig_template_backings(options->template, machine->plan, error)
                              : mmrig_backings_new(machine->plan, run->links, error);
    if (machine->backings)
        return machine;
    mmrig_run_machine_free(machine);
    return NULL;
}

/* Makes the machine's backing of this number what it was at first. */
static gboolean machine_renew(MmrigRunMachine *machine, guint number, GError **error)
{
    return mmrig_backing_empty(g_ptr_array_index(machine->plan->backings, number),
                               g_array_index(machine->backings, int, number), error);
}

/* The same for the backing of this device, which may be NULL. */
static gboolean machine_renew_device(MmrigRunMachine *machine, const char *device,
                                     GError **error)
{
    for (guint i = 0; device && i < machine->plan->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(machine->plan->backings, i);
        if (strcmp(backing->device, device) == 0 && !machine_renew(machine, i, error))
            return FALSE;
    }
    return TRUE;
}

gboolean mmrig_run_machine_renew(MmrigRunMachine *machine, GError **error)
{
    for (guint i = 0; i < machine->backings->len; i++)
        if (!machine_renew(machine, i, error))
            return FALSE;
    return TRUE;
}

/*
 * After a fork the next boot is a cold one of the same machine, whose plan has memory of its
 * own.
 */
static gboolean machine_leave_template(MmrigRunMachine *machine, GError **error)
{
    if (!machine->template)
        return TRUE;
    machine->inputs.kind = MMRIG_START_COLD;
    MmrigPlan *plan = mmrig_plan_make(machine->spec, &machine->inputs, error);
    GArray *backings =
        plan ? mmrig_backings_inherit(plan, machine->plan, machine->backings, error) : NULL;
    if (!backings) {
        mmrig_plan_free(plan);
        return FALSE;
    }
    g_array_unref(machine->backings);
    mmrig_plan_free(machine->plan);
    machine->backings = backings;
    machine->plan = plan;
    machine->template = NULL;
    return TRUE;
}

gboolean mmrig_run_machine_next_boot(MmrigRunMachine *machine, GError **error)
{
    return machine_leave_template(machine, error) &&
           machine_renew_device(machine, machine->run->options.scenario->fault.truncate,
                                error) &&
           (machine->spec->keep_variables ||
            machine_renew_device(machine, MMRIG_BACKING_VARIABLES, error));
}
