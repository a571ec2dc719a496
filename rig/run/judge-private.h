/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what was seen of one boot to a verdict. Pure. */
#pragma once

#include "guest/guest-message.h"
#include "scenario/scenario.h"
#include "verdict/result.h"

/* What was seen. Everything is borrowed; NULL where it did not happen. */
typedef struct {
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
    const char *obituary;       /* QEMU ended before it was asked to */
    gboolean guest_ended_it;    /* ... in good order: the guest powered off or reset */
} MmrigEvidence;

/* Settles result if the boot decides it; leaves it open if all is well so far. */
void mmrig_judge(const MmrigScenario *scenario, const MmrigEvidence *evidence,
                 MmrigResult *result);

/* Turns the result of a twin, which must fail by its own cause, into its verdict. */
void mmrig_judge_twin(const MmrigScenario *scenario, MmrigResult *result);
