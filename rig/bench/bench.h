/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measurements of the rig itself. A case measures a subject and its baseline in turns, in one
 * run on one machine, and what counts is the ratio of each pair.
 */
#pragma once

#include "run/run.h"
#include "run/setup.h"

typedef struct {
    const char *name;
    const char *subject, *baseline; /* what is measured, in a line each */
    const char *unit, *unit_name;   /* in which, as in a table and as a word */
    /* Measures one pair. */
    gboolean (*measure)(const MmrigSetup *setup, double *subject, double *baseline,
                        GError **error);
} MmrigBenchCase;

/* NULL-terminated by name. */
extern const MmrigBenchCase mmrig_bench_cases[];

/* A run that is measured: as mmrig_run(), and a verdict other than pass is an error too. */
MmrigResult *mmrig_bench_run(const MmrigRunOptions *options, GError **error);

/*
 * From the command to its verdict, whole process, forked: against bare QEMU loading the same
 * state, and against the same command booting the machine.
 */
gboolean mmrig_bench_fork(const MmrigSetup *setup, double *subject, double *baseline,
                          GError **error);
gboolean mmrig_bench_fork_cold(const MmrigSetup *setup, double *subject, double *baseline,
                               GError **error);

/* Memory of an idle fork beside what its guest wrote, against bare QEMU with the same state. */
gboolean mmrig_bench_fork_memory(const MmrigSetup *setup, double *subject, double *baseline,
                                 GError **error);

/* A boot by OVMF with mmrig-mirror's option ROM, against one without it. */
gboolean mmrig_bench_firmware(const MmrigSetup *setup, double *subject, double *baseline,
                              GError **error);

/* Going through memory while 1,000 pages, or one, are bad elsewhere, against none. */
gboolean mmrig_bench_poison(const MmrigSetup *setup, double *subject, double *baseline,
                            GError **error);
gboolean mmrig_bench_poison_one(const MmrigSetup *setup, double *subject, double *baseline,
                                GError **error);

/* Cold boot to agent-ready, against bare QEMU and an init that only powers off. */
gboolean mmrig_bench_boot(const MmrigSetup *setup, double *subject, double *baseline,
                          GError **error);

/* GB/s of mmrig-camera's frames into a guest's memory, against memcpy to the same place. */
gboolean mmrig_bench_camera(const MmrigSetup *setup, double *subject, double *baseline,
                            GError **error);
