/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of many machines may start now. Pure: what the host has is read by others.
 *
 * Machines start in the order of the queue, and none overtakes the one in front: so a large one
 * is never kept waiting by small ones that would always fit in its place.
 */
#pragma once

#include "base/host-limits.h"
#include "machine/plan.h"

/* What a machine takes, or some take together; or what there is for all of them. */
typedef struct {
    guint machines;
    guint cpus;
    guint64 memory; /* bytes */
} MmrigLoad;

/* What QEMU itself needs besides the guest's memory. */
#define MMRIG_QEMU_OVERHEAD (128 * G_GUINT64_CONSTANT(1048576))

/* More than a machine's channels, logs and backing files. */
#define MMRIG_FILES_PER_MACHINE 32
/* QEMU's threads besides those of its CPUs, and a maker of its template. */
#define MMRIG_TASKS_PER_MACHINE 16

/*
 * What the machine takes. Under TCG each virtual CPU keeps a host CPU busy; under
 * KVM the host's own scheduler does well with more of them than it has CPUs, so a machine
 * counts as one.
 */
MmrigLoad mmrig_schedule_load(const MmrigMachineSpec *spec, MmrigAccel accel);

void mmrig_schedule_add(MmrigLoad *running, const MmrigLoad *load);
void mmrig_schedule_remove(MmrigLoad *running, const MmrigLoad *load);

/*
 * Whether the queue's first may start beside what is running. One that is larger than the whole
 * budget may as long as nothing else runs.
 */
gboolean mmrig_schedule_may_start(const MmrigLoad *budget, const MmrigLoad *running,
                                  const MmrigLoad *first);

/*
 * What there is for all: as many machines as jobs says, however many CPUs they have. With jobs
 * 0 as many as keep the CPUs busy that the rig may use. Never more machines than the limits on
 * tasks and open files allow, but at least one.
 */
MmrigLoad mmrig_schedule_budget(guint jobs, const MmrigHostLimits *limits);

/*
 * The memory that there is for all as the host is now: less than at the start if others, or
 * templates kept in memory, have taken some since. running is what the machines under way may
 * take, of which no one knows how much they have taken already.
 */
guint64 mmrig_schedule_memory(const MmrigHostLimits *start, const MmrigHostLimits *now,
                              guint64 running);
