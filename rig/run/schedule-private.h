/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of many machines may start now. Pure: what the host has is read by others.
 *
 * Machines start in the order of the queue, and none overtakes the one in front: so a large one
 * is never kept waiting by small ones that would always fit in its place.
 */
#pragma once

#include "machine/machine.h"

/* What a machine takes, or some take together; or what there is for all of them. */
typedef struct {
    guint machines;
    guint cpus;
    guint64 memory; /* bytes */
} MmrigLoad;

/* What QEMU itself needs besides the guest's memory. */
#define MMRIG_QEMU_OVERHEAD (128 * G_GUINT64_CONSTANT(1048576))

/*
 * What the scenario's machine takes. Under TCG each virtual CPU keeps a host CPU busy; under
 * KVM the host's own scheduler does well with more of them than it has CPUs, so a machine
 * counts as one.
 */
MmrigLoad mmrig_schedule_load(const MmrigScenario *scenario, MmrigAccel accel);

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
 * 0 as many as keep cpus busy. available is the host's free memory.
 */
MmrigLoad mmrig_schedule_budget(guint jobs, guint cpus, guint64 available);

/*
 * The memory that the host can give without swapping, from the text of /proc/meminfo
 * (MemAvailable: Linux Documentation/filesystems/proc.rst). FALSE if that is not in it.
 */
gboolean mmrig_schedule_available(const char *meminfo, guint64 *bytes);
