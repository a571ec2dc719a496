/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schedule-private.h"

/* Sizes come from a scenario's file: no sum of them may wrap. */
static guint64 schedule_sum(guint64 a, guint64 b)
{
    return a > G_MAXUINT64 - b ? G_MAXUINT64 : a + b;
}

MmrigLoad mmrig_schedule_load(const MmrigMachineSpec *spec, MmrigAccel accel)
{
    return (MmrigLoad){1, accel == MMRIG_ACCEL_TCG ? spec->cpus : 1,
                       schedule_sum(mmrig_spec_memory(spec), MMRIG_QEMU_OVERHEAD)};
}

void mmrig_schedule_add(MmrigLoad *running, const MmrigLoad *load)
{
    running->machines += load->machines;
    running->cpus += load->cpus;
    running->memory = schedule_sum(running->memory, load->memory);
}

void mmrig_schedule_remove(MmrigLoad *running, const MmrigLoad *load)
{
    running->machines -= load->machines;
    running->cpus -= load->cpus;
    running->memory -= load->memory;
}

/* Without a sum that could wrap: what is larger than the budget runs alone. */
static gboolean schedule_fits(guint64 budget, guint64 running, guint64 more)
{
    return running <= budget && more <= budget - running;
}

gboolean mmrig_schedule_may_start(const MmrigLoad *budget, const MmrigLoad *running,
                                  const MmrigLoad *first)
{
    if (running->machines == 0)
        return TRUE;
    return schedule_fits(budget->machines, running->machines, first->machines) &&
           schedule_fits(budget->cpus, running->cpus, first->cpus) &&
           schedule_fits(budget->memory, running->memory, first->memory);
}

/* How many machines a limit has room for, of which each takes so much. */
static guint schedule_room(guint64 limit, guint64 each)
{
    return (guint)CLAMP(limit / each, 1, G_MAXINT32);
}

MmrigLoad mmrig_schedule_budget(guint jobs, const MmrigHostLimits *limits)
{
    guint machines = MIN(schedule_room(limits->files, MMRIG_FILES_PER_MACHINE),
                         schedule_room(limits->tasks, MMRIG_TASKS_PER_MACHINE));

    return (MmrigLoad){.machines = MIN(jobs ? jobs : limits->cpus, machines),
                       .cpus = jobs ? G_MAXUINT : limits->cpus,
                       .memory = limits->memory};
}

guint64 mmrig_schedule_memory(const MmrigHostLimits *start, const MmrigHostLimits *now,
                              guint64 running)
{
    guint64 grown = now->shared - MIN(now->shared, start->shared);

    /*
     * What tmpfs has grown by is gone for machines, even while those that run have not yet
     * touched what they were promised; and none may start on memory that is not there now.
     */
    return MIN(start->memory - MIN(start->memory, grown), schedule_sum(now->memory, running));
}
