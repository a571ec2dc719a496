/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what was seen to a verdict: the one place where one is made. Pure. */
#pragma once

#include "guest/guest-message.h"
#include "scenario/scenario.h"
#include "verdict/result.h"

/* What was seen of one boot of one machine. Borrowed; NULL where it did not happen. */
typedef struct {
    gboolean ready;   /* the agent was */
    gboolean started; /* the test was asked to run */
    gboolean done;    /* the agent said that the test ended: how, and with what number */
    MmrigDoneHow how;
    guint64 number;
    const MmrigKtap *ktap;
    const char *ktap_problem;   /* why the KTAP is not whole */
    const char *abort;          /* "FILE:LINE: TEXT" */
    const char *oops;           /* first line of trouble in the guest's kernel log */
    const char *panic;          /* its text */
    const char *agent_failure;  /* why the agent could not go on */
    const char *protocol_error; /* how the guest broke the protocol */
    const char *time_limit;     /* which limit the rig had to enforce */
    const char *rig_error;      /* what the rig itself could not do; if set, it decides */
    const char *obituary;       /* how QEMU ended */
    const char *guest_end;      /* the guest ended it in good order: "powered off", "reset" */
    gboolean silent;            /* the console never had a byte */
    gboolean stopped; /* the rig ended the machine because another one of the run had ended */
    gboolean early;   /* it was gone by itself while tests of other machines went on */
} MmrigEvidence;

/* Settles result if the boot decides it; leaves it open if all is well so far. */
void mmrig_judge(const MmrigTest *test, const MmrigEvidence *evidence, MmrigResult *result);

/*
 * The end of all boots: what is still open has passed, and the result of a twin, which must
 * fail by its own cause, becomes its verdict.
 */
void mmrig_judge_end(const MmrigScenario *scenario, MmrigResult *result);

/* Turns the result of a twin, which must fail by its own cause, into its verdict. */
void mmrig_judge_twin(const MmrigScenario *scenario, MmrigResult *result);

/* The verdict on a run that is not started, since something that it needs is not there. */
void mmrig_judge_unmet(const char *reason, MmrigResult *result);

/* What was found of one machine, with its name if it has one, becomes the run's. */
void mmrig_judge_by_machine(const char *name, const MmrigResult *alone, MmrigResult *result);

/* A run that is not started, since a boot of its machine, whose kernel said nothing, met a
 * limit. */
void mmrig_judge_silent(const MmrigScenario *scenario, const char *limit, MmrigResult *result);
