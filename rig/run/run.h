/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs one scenario once: starts its machine (again for each of its boots), has the agent
 * run the test, answers the test's requests, and settles a verdict. On the main loop, so any
 * number can be under way.
 */
#pragma once

#include <gio/gio.h>

#include "machine/plan.h"
#include "scenario/scenario.h"
#include "template/template.h"
#include "verdict/result.h"

typedef enum {
    MMRIG_STAGE_BOOTING,
    MMRIG_STAGE_TESTING,
    MMRIG_STAGE_KEPT,
    MMRIG_STAGE_ENDING,
} MmrigStage;

/* Borrowed until the run is finished. */
typedef struct {
    const MmrigScenario *scenario;
    const MmrigBootInputs *inputs; /* one for each of its machines */
    const MmrigTemplate
        *template; /* the template that the only machine forks; NULL: machines are booted */
    guint timeout; /* seconds; 0: the scenario's own */
    guint boot_timeout; /* seconds; 0: MMRIG_BOOT_TIMEOUT */
    const char *folder; /* an existing folder for its files, or NULL for none */
    const char *kernel; /* the kernel's name, for the result */
    guint repeat;
    /*
     * After its last boot's test the machine is judged, and stays until it ends by itself or
     * the run is cancelled, which then is no error; kept() says so. `mmrig inject` reaches it
     * by its name.
     */
    gboolean keep;
    const char *keep_name; /* or NULL: after the scenario */
    void (*kept)(const MmrigResult *result, const char *name);
    /* NULL, or called as the run goes on */
    void (*stage)(const MmrigScenario *scenario, MmrigStage stage, gpointer data);
    gpointer stage_data;
    /* NULL, or gets what the test writes to its standard output, as it comes */
    void (*output)(const char *bytes, gsize size, gpointer data);
    gpointer output_data;
} MmrigRunOptions;

/* Seconds that a guest gets to keep the time limit itself before the rig steps in. */
#define MMRIG_GRACE 5

/*
 * The result's message and files tell of all that went wrong; the finish function fails only
 * if the run was cancelled (G_IO_ERROR_CANCELLED), or if QEMU did not load the template
 * (TEMPLATE): then no guest ran, and the same can be tried with another template or none.
 */
void mmrig_run_async(const MmrigRunOptions *options, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data);
MmrigResult *mmrig_run_finish(GAsyncResult *result, GError **error);

/* The same, by iterating the thread-default main context until it is done. */
MmrigResult *mmrig_run(const MmrigRunOptions *options, GCancellable *cancellable,
                       GError **error);

/* A result that names the run and is not settled yet: for a run that is never started. */
MmrigResult *mmrig_run_result_new(const MmrigRunOptions *options);
