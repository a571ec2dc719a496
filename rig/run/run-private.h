/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run under way, for the two files that drive it: run.c and run-messages.c. */
#pragma once

#include "guest/channel.h"
#include "guest/tap.h"
#include "judge-private.h"
#include "keeper/keeper.h"
#include "run.h"
#include "vm/vm.h"

typedef struct {
    MmrigRunOptions options;
    MmrigBootInputs inputs;
    MmrigResult *result;
    MmrigPlan *machine;
    GArray *backings;          /* of int */
    GCancellable *cancellable; /* the caller's, or NULL */
    gulong cancel_handler;
    guint boots, boot;
    gboolean booted_again; /* as QEMU died of its own race in this boot */
    guint64 stderr_bytes;  /* that the test wrote, kept or not */
    gint64 start_us;

    /* Of this boot. */
    GCancellable *boot_over; /* cancels what is under way in it */
    MmrigVm *vm;
    MmrigChannel *channel;
    MmrigTap *output; /* the KTAP port */
    MmrigKtap *ktap;
    guint timer;
    guint requests;
    gboolean qmp_ready, agent_ready, ending;
    MmrigKeeper *keeper;     /* once the test is over, and the machine is kept */
    gboolean kept;           /* and judged */
    gboolean guest_shutdown; /* QMP said that the guest did it */
    guint64 output_bytes;    /* what "done" said */
    MmrigEvidence evidence;
    GPtrArray *evidence_texts; /* owns what evidence points to */
} MmrigRun;

/* Remembers the first text of its kind, which lives as long as the boot. */
void mmrig_run_record(MmrigRun *run, const char **field, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* The boot has shown what it can: QEMU goes, and when it is gone the boot is judged. */
void mmrig_run_end_boot(MmrigRun *run);
/* The rig itself cannot go on. */
void mmrig_run_break(MmrigRun *run, const GError *error);
/* "done" counts once every byte that it announces has come. */
void mmrig_run_end_if_whole(MmrigRun *run);
/* The agent waits for work, or was told of it already: the machine is up, by boot or by fork.
 */
void mmrig_run_up(GTask *task, const char *boot_id);

/* Says the line to the agent, if there is one. */
void mmrig_run_send(MmrigRun *run, const char *const *words);
/* What the agent says; data is the GTask, whose data the MmrigRun is. */
extern const MmrigChannelCalls mmrig_run_channel_calls;
