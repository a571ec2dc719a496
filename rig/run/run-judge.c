/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what was seen of a run's machines in one boot to the result. */
#include "run-private.h"

#define CONSOLE_TAIL 20

/* The verdict on one machine by itself, as if there were no other. */
const MmrigResult *mmrig_run_judge_machine(MmrigRunMachine *machine)
{
    MmrigEvidence *evidence = &machine->evidence;
    const MmrigInstanceEvidence *seen = mmrig_instance_evidence(machine->instance);

    if (machine->alone)
        return machine->alone;
    evidence->ready = machine->ready;
    evidence->panic = seen->panic;
    evidence->agent_failure = seen->agent_failure;
    evidence->protocol_error = seen->protocol_error;
    evidence->time_limit = seen->time_limit;
    if (!evidence->rig_error)
        evidence->rig_error = seen->rig_error;
    evidence->obituary = seen->end;
    evidence->guest_end = seen->guest_end;
    evidence->silent = seen->silent;
    evidence->ktap = machine->ktap;
    mmrig_ktap_end(machine->ktap, &evidence->ktap_problem);
    machine->alone = mmrig_result_new();
    mmrig_judge(machine->test, evidence, machine->alone);
    return machine->alone;
}

/* The rank of a machine's own verdict among those of the run; 0: all is well so far. */
static guint judge_weight(MmrigRunMachine *machine)
{
    const MmrigResult *alone = mmrig_run_judge_machine(machine);

    if (!alone->settled)
        return 0;
    switch (alone->verdict) {
    case MMRIG_PASS:
        return 1;
    case MMRIG_SKIP:
        return 2;
    case MMRIG_FAIL:
        return 3;
    case MMRIG_BROKEN:
        return 4;
    }
    g_return_val_if_reached(4);
}

/*
 * Whether a's verdict becomes the run's rather than b's. A failure counts more than a skip. If
 * several failed, it is the one that ended by itself, not one that the rig ended because of it;
 * then one that did not wait for another machine when its time was over; and then the first,
 * which may be why others failed.
 */
static gboolean judge_outweighs(MmrigRunMachine *a, MmrigRunMachine *b)
{
    guint weight_a = judge_weight(a), weight_b = judge_weight(b);

    if (weight_a != weight_b)
        return weight_a > weight_b;
    if (a->evidence.stopped != b->evidence.stopped)
        return b->evidence.stopped;
    if (a->waited != b->waited)
        return b->waited;
    return a->over < b->over;
}

/* The machine whose verdict becomes the run's. */
static MmrigRunMachine *judge_decisive(const MmrigRun *run)
{
    MmrigRunMachine *decisive = NULL;

    for (guint i = 0; i < run->machines->len; i++) {
        MmrigRunMachine *machine = g_ptr_array_index(run->machines, i);
        if (!decisive || judge_outweighs(machine, decisive))
            decisive = machine;
    }
    return decisive;
}

/* The machine's verdict becomes the run's. */
static void judge_settle(const MmrigRun *run, MmrigRunMachine *machine)
{
    const MmrigResult *alone = mmrig_run_judge_machine(machine);
    MmrigResult *result = run->result;

    if (!alone->settled || result->settled)
        return;
    mmrig_judge_by_machine(machine->name, alone, result);
    if (result->verdict != MMRIG_PASS && result->verdict != MMRIG_SKIP && !result->console_tail)
        result->console_tail = mmrig_instance_console(machine->instance, CONSOLE_TAIL);
}

void mmrig_run_judge_boot(MmrigRun *run)
{
    judge_settle(run, judge_decisive(run));
    for (guint i = 0; i < run->machines->len; i++) {
        MmrigRunMachine *machine = g_ptr_array_index(run->machines, i);
        if (machine->evidence.started)
            mmrig_result_add_ktap(run->result, machine->name,
                                  run->boots > 1 ? run->boot + 1 : 0,
                                  g_steal_pointer(&machine->ktap));
    }
}
