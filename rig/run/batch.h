/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs many scenarios, several at once, on the main loop. A run that fails or hangs is no
 * business of the others: each has a machine, a folder and a time limit of its own.
 */
#pragma once

#include "output.h"
#include "setup.h"

/* The most machines that may be asked for at once. */
#define MMRIG_JOBS_MAX 1000

/* One scenario and what it takes to run it. */
typedef struct {
    const MmrigScenario *scenario;
    char *unmet;              /* why it cannot run here, or NULL */
    GStrv images;             /* of each machine; NULL if it cannot run */
    char *template;           /* the name of the one to fork; NULL boots the machine */
    struct MmrigShare *share; /* the batch's own, of that name */
    gboolean told;            /* that it is booted after all */
} MmrigBatchItem;

/*
 * Makes the images and disks to boot from that the scenarios need and, unless cold is wanted,
 * names the templates to fork. A machine that cannot be a template is booted, with a line on
 * standard error, or, if it is of use as a fork only, cannot run. An array of MmrigBatchItem,
 * to be freed with g_ptr_array_unref(); it borrows the scenarios.
 */
GPtrArray *mmrig_batch_prepare(const MmrigSetup *setup, const GPtrArray *scenarios,
                               gboolean cold, GError **error);

/*
 * Makes the template of one scenario, and nothing else (template-child.h). name is what the
 * caller's caller takes it to be called; INPUT error if by now it would be another one.
 * boot_timeout is the options', and SILENT error as mmrig_template_obtain()'s.
 */
gboolean mmrig_batch_make_template(const MmrigSetup *setup, const MmrigScenario *scenario,
                                   const char *name, guint boot_timeout, GError **error);

typedef struct {
    const MmrigSetup *setup;
    const GPtrArray *items;   /* of MmrigBatchItem */
    const char *const *words; /* the arguments of `mmrig run`, for template-child.h */
    guint repeat;             /* each is run so often, from 1 */
    guint jobs;               /* machines at once; 0: as many as keep the host's CPUs busy */
    guint timeout;            /* seconds; 0: the scenario's own */
    guint boot_timeout;       /* seconds; 0: MMRIG_BOOT_TIMEOUT */
    /* Machines are kept when their tests are over (run.h), and this says so; NULL: they are not
     */
    void (*kept)(const MmrigResult *result, const char *name);
    const char *keep_name; /* or NULL: after the scenario */
} MmrigBatchOptions;

/*
 * Runs all of them, by iterating the default main context, and hands the results to output with
 * their numbers in the order of items and repetitions. Cancelling stops all that is under way
 * (G_IO_ERROR_CANCELLED); so does an error of the output's, which cancels cancellable itself.
 * The results that there were are with the output either way.
 */
gboolean mmrig_batch_run(const MmrigBatchOptions *options, MmrigOutput *output,
                         GCancellable *cancellable, GError **error);
