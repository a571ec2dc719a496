/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NUMA nodes of a machine: CPUs and memory of each, distances (ACPI 6.5, 5.2.17, SLIT), and
 * latencies and bandwidths (5.2.28, HMAT).
 */
#pragma once

#include "spec.h"

/* One node. */
typedef struct {
    guint64 memory; /* bytes; 0: none */
    guint64 offset; /* of its memory in the machine's */
    guint64 cpus;   /* bit N: CPU N; a machine has at most 64 */
    int initiator;  /* HMAT: the node whose CPUs reach it best; -1: not said */
    guint8 distances[MMRIG_NODES_MAX]; /* to each node; all 0: not said */
} MmrigNumaNode;

/* From the CPUs of a node to the memory of another. */
typedef struct {
    guint from, to;
    guint64 latency;   /* nanoseconds; 0: not said */
    guint64 bandwidth; /* bytes a second; 0: not said */
} MmrigNumaPath;

/* Whether the keys go together. */
gboolean mmrig_numa_check(const MmrigMachineSpec *spec, MmrigSpecProblem *problem);

/*
 * The nodes and paths of a machine that passed the check: GArrays of the above, empty without
 * NUMA. g_array_unref().
 */
GArray *mmrig_numa_nodes(const MmrigMachineSpec *spec);
GArray *mmrig_numa_paths(const MmrigMachineSpec *spec);
/*
 * How many CPUs a socket has, as many as can be: each has the same number of consecutive ones,
 * and none has CPUs of two nodes, since Linux warns of a cache that nodes share.
 */
guint mmrig_numa_socket_cpus(const MmrigMachineSpec *spec, const GArray *nodes);
