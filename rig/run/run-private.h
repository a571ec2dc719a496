/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run under way, for the two files that drive it: run.c and run-messages.c. */
#pragma once

#include "judge-private.h"
#include "keeper/keeper.h"
#include "run.h"
#include "vm/instance.h"

typedef struct MmrigRun MmrigRun;

/* One machine of the run, and what is seen of it in one boot. */
typedef struct {
    MmrigRun *run;
    const char *name; /* borrowed; NULL if it is the only one */
    MmrigBootInputs inputs;
    const MmrigTemplate *template; /* to fork in the first boot, or NULL */
    gboolean arrived;              /* the fork goes on from where the template was */
    MmrigPlan *plan;
    GArray *backings;     /* of int */
    guint64 stderr_bytes; /* that its test wrote in all boots, kept or not */

    /* Of this boot. */
    MmrigInstance *instance;
    MmrigKtap *ktap;
    guint requests;       /* under way */
    guint64 output_bytes; /* what "done" said */
    gboolean ended;
    guint generation; /* grows with each boot, so that a late callback knows its own */
    MmrigEvidence evidence;
    GPtrArray *texts; /* owns what evidence points to */
} MmrigRunMachine;

struct MmrigRun {
    MmrigRunOptions options;
    MmrigResult *result;
    GTask *task;               /* owns the run, and is owed a result */
    GPtrArray *machines;       /* of MmrigRunMachine */
    GCancellable *cancellable; /* the caller's, or NULL */
    gulong cancel_handler;
    guint boots, boot;
    gboolean booted_again; /* as QEMU died of its own race in this boot */
    gint64 start_us;

    /* Of this boot. */
    MmrigKeeper *keeper; /* once the test is over, and the machine is kept */
    gboolean kept;       /* and judged */
};

/* Remembers the first text of its kind, which lives as long as the boot. */
void mmrig_run_record(MmrigRunMachine *machine, const char **field, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* "done" counts once every byte that it announces has come. */
void mmrig_run_end_if_whole(MmrigRun *run);

/* What a machine says while its test is under way. */
void mmrig_run_on_message(MmrigInstance *instance, const MmrigGuestMessage *message,
                          gpointer machine);
