/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run under way, for the files that drive it: run.c and run-*.c. */
#pragma once

#include "judge-private.h"
#include "keeper/keeper.h"
#include "meeting-private.h"
#include "run.h"
#include "vm/instance.h"
#include "vm/link.h"

typedef struct MmrigRun MmrigRun;

/* One machine of the run, and what is seen of it in one boot. */
typedef struct {
    MmrigRun *run;
    guint number;                 /* in the scenario */
    const char *name;             /* borrowed; NULL if it is the only one */
    const MmrigMachineSpec *spec; /* the scenario's */
    const MmrigTest *test;        /* likewise */
    char *folder;                 /* for its files, or NULL for none */
    MmrigBootInputs inputs;
    const MmrigTemplate *template; /* to fork in the first boot, or NULL */
    gboolean arrived;              /* the fork goes on from where the template was */
    MmrigPlan *plan;
    GArray *backings;     /* of int */
    guint64 stderr_bytes; /* of standard error in all boots, saved or not */

    /* Of this boot. */
    MmrigInstance *instance;
    MmrigKtap *ktap;
    guint requests;       /* under way */
    guint64 output_bytes; /* what "done" said */
    gboolean ready, ended;
    gboolean timed;   /* its test's time limit runs */
    gboolean waited;  /* for another machine, when its test was over */
    guint over;       /* which one's test was over first, second, ...; 0: not yet */
    guint generation; /* grows with each boot, so that a late callback knows its own */
    MmrigEvidence evidence;
    MmrigResult *alone; /* the verdict on this machine, once it is made */
    GPtrArray *texts;   /* owns what evidence points to */
} MmrigRunMachine;

struct MmrigRun {
    MmrigRunOptions options;
    MmrigResult *result;
    GTask *task;               /* owns the run; it returns the result */
    GPtrArray *machines;       /* of MmrigRunMachine */
    MmrigLinks *links;         /* between them */
    GCancellable *cancellable; /* the caller's, or NULL */
    gulong cancel_handler;
    guint boots, boot;
    gboolean booted_again; /* this boot, as QEMU had died of its own race */
    gint64 start_us;

    /* Of this boot. */
    MmrigMeeting *meeting; /* where the tests of several machines wait, or NULL */
    guint over;            /* how many machines' tests are */
    MmrigKeeper *keeper;   /* once the test is over, and the machine is kept */
    gboolean kept;         /* and judged */
};

/* Remembers the first text of its kind, which lives as long as the boot. */
void mmrig_run_record(MmrigRunMachine *machine, const char **field, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* The machine's test is over, by its end or the machine's: nobody meets it any more. */
void mmrig_run_test_over(MmrigRunMachine *machine);
/* A test counts as done once every byte that "done" announces has come. */
void mmrig_run_end_if_whole(MmrigRun *run);

/* What a machine says while its test is under way. */
void mmrig_run_on_message(MmrigInstance *instance, const MmrigGuestMessage *message,
                          gpointer machine);
/* The run's meeting answers a machine's request. data is the run. */
void mmrig_run_answer_meeting(guint machine, guint64 request, const char *const *fields,
                              const char *problem, gpointer data);

/* Makes the machine with its plan and backings; inputs and links are the run's. */
MmrigRunMachine *mmrig_run_machine_new(MmrigRun *run, guint number, GError **error);
void mmrig_run_machine_free(MmrigRunMachine *machine);
/* Frees what the machine had in this boot, once QEMU is gone. */
void mmrig_run_machine_end_boot(MmrigRunMachine *machine);
/* Makes the backings what they were before the first boot, which is started again. */
gboolean mmrig_run_machine_renew(MmrigRunMachine *machine, GError **error);
/*
 * Prepares the backings for the next boot: they stay as they are, except for what a fault
 * truncates.
 */
gboolean mmrig_run_machine_next_boot(MmrigRunMachine *machine, GError **error);

/*
 * The verdict on one machine in this boot, unsettled if all is well so far; made once. It is
 * the machine's.
 */
const MmrigResult *mmrig_run_judge_machine(MmrigRunMachine *machine);
/* Settles the run's result from all machines' verdicts, and gives it their KTAP. */
void mmrig_run_judge_boot(MmrigRun *run);
