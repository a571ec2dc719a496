/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "numa-private.h"

#include <string.h>

#include "plan-private.h"

#define LOCAL_DISTANCE 10
/* What ACPI has for a node that cannot be reached. */
#define DISTANCE_MAX 255
/* The HMAT counts in 16 bits, of which two values mean something else; QEMU chooses the unit.
 */
#define HMAT_ENTRY_MAX 65534
#define LATENCY_MAX_NS HMAT_ENTRY_MAX
/* An upper limit, larger than any memory's bandwidth. */
#define BANDWIDTH_MAX (64 * MMRIG_TIB)

/*
 * "0-1,4" as a set of bits; FALSE if it is not such a list, or names a CPU twice or one that is
 * not there.
 */
static gboolean cpu_list_parse(const char *text, guint cpus, guint64 *set)
{
    g_auto(GStrv) pieces = g_strsplit(text, ",", -1);

    *set = 0;
    if (strcmp(text, "-") == 0)
        return TRUE;
    for (char **piece = pieces; *piece; piece++) {
        g_auto(GStrv) ends = g_strsplit(*piece, "-", 2);
        guint64 first = 0, last = 0;
        if (!ends[0] || !g_ascii_string_to_unsigned(ends[0], 10, 0, cpus - 1, &first, NULL))
            return FALSE;
        last = first;
        if (ends[1] && !g_ascii_string_to_unsigned(ends[1], 10, first, cpus - 1, &last, NULL))
            return FALSE;
        for (guint64 cpu = first; cpu <= last; cpu++) {
            if (*set >> cpu & 1)
                return FALSE;
            *set |= G_GUINT64_CONSTANT(1) << cpu;
        }
    }
    return TRUE;
}

static guint64 cpus_all(const MmrigMachineSpec *spec)
{
    return spec->cpus == 64 ? G_MAXUINT64 : (G_GUINT64_CONSTANT(1) << spec->cpus) - 1;
}

/* One distance for each node. */
static gboolean distances_parse(const char *text, guint nodes, guint own, guint8 *distances)
{
    g_auto(GStrv) pieces = g_strsplit(text, ",", -1);

    if (g_strv_length(pieces) != nodes)
        return FALSE;
    for (guint i = 0; i < nodes; i++) {
        guint64 number = 0;
        guint64 min = i == own ? LOCAL_DISTANCE : LOCAL_DISTANCE + 1;
        guint64 max = i == own ? LOCAL_DISTANCE : DISTANCE_MAX;
        if (!g_ascii_string_to_unsigned(pieces[i], 10, min, max, &number, NULL))
            return FALSE;
        distances[i] = (guint8)number;
    }
    return TRUE;
}

/* FROM-TO=VALUE. */
static gboolean path_parse(const char *text, guint nodes, MmrigNumaPath *path,
                           const char **value)
{
    g_autofree char *ends = NULL;
    const char *equals = strchr(text, '=');
    guint64 from = 0, to = 0;

    ends = equals ? g_strndup(text, (gsize)(equals - text)) : NULL;
    char *dash = ends ? strchr(ends, '-') : NULL;
    if (!dash)
        return FALSE;
    *dash = '\0';
    if (!g_ascii_string_to_unsigned(ends, 10, 0, nodes - 1, &from, NULL) ||
        !g_ascii_string_to_unsigned(dash + 1, 10, 0, nodes - 1, &to, NULL))
        return FALSE;
    path->from = (guint)from;
    path->to = (guint)to;
    *value = equals + 1;
    return TRUE;
}

static gboolean latency_parse(const char *text, guint nodes, MmrigNumaPath *path)
{
    const char *value;

    return path_parse(text, nodes, path, &value) &&
           g_ascii_string_to_unsigned(value, 10, 1, LATENCY_MAX_NS, &path->latency, NULL);
}

static gboolean bandwidth_parse(const char *text, guint nodes, MmrigNumaPath *path)
{
    const char *value;

    return path_parse(text, nodes, path, &value) &&
           mmrig_size_parse(value, &path->bandwidth, NULL) && path->bandwidth > 0 &&
           path->bandwidth <= BANDWIDTH_MAX && path->bandwidth % MMRIG_MIB == 0;
}

/* A list with a word for each node, if it is given at all. */
static gboolean numa_check_count(const MmrigMachineSpec *spec, GStrv words, const char *key,
                                 MmrigSpecProblem *problem)
{
    guint count = words ? g_strv_length(words) : spec->nodes;

    return count == spec->nodes ||
           mmrig_spec_problem(problem, "machine", key, "%u for %u nodes; write one for each",
                              count, spec->nodes);
}

static gboolean numa_check_memory(const MmrigMachineSpec *spec, MmrigSpecProblem *problem)
{
    guint64 sum = 0;

    for (char **word = spec->node_memory; word && *word; word++) {
        guint64 bytes = 0;
        mmrig_size_parse(*word, &bytes, NULL); /* checked when it was read */
        sum += bytes;
    }
    if (spec->node_memory && sum != spec->memory)
        return mmrig_spec_problem(problem, "machine", "node-memory",
                                  "together %" G_GUINT64_FORMAT
                                  " bytes, and memory is %" G_GUINT64_FORMAT,
                                  sum, spec->memory);
    return TRUE;
}

static gboolean numa_check_cpus(const MmrigMachineSpec *spec, MmrigSpecProblem *problem)
{
    guint64 all = cpus_all(spec), seen = 0;

    for (char **word = spec->node_cpus; word && *word; word++) {
        guint64 set;
        if (!cpu_list_parse(*word, spec->cpus, &set))
            return mmrig_spec_problem(problem, "machine", "node-cpus",
                                      "'%s' is no list of the CPUs 0 to %u, each once; write "
                                      "for example 0-1,3, or - for none",
                                      *word, spec->cpus - 1);
        if (set & seen)
            return mmrig_spec_problem(problem, "machine", "node-cpus",
                                      "'%s' has a CPU that another node has; each is in one",
                                      *word);
        seen |= set;
    }
    if (spec->node_cpus && seen != all)
        return mmrig_spec_problem(problem, "machine", "node-cpus",
                                  "not all of the CPUs 0 to %u are in a node", spec->cpus - 1);
    return TRUE;
}

static gboolean numa_has_cpus(const MmrigMachineSpec *spec, guint node)
{
    guint64 set = 0;

    if (!spec->node_cpus)
        return node == 0;
    return cpu_list_parse(spec->node_cpus[node], spec->cpus, &set) && set != 0;
}

static gboolean numa_check_paths(const MmrigMachineSpec *spec, GStrv words, const char *key,
                                 gboolean (*parse)(const char *, guint, MmrigNumaPath *),
                                 const char *right, MmrigSpecProblem *problem)
{
    gboolean seen[MMRIG_NODES_MAX][MMRIG_NODES_MAX] = {{FALSE}};

    for (char **word = words; word && *word; word++) {
        MmrigNumaPath path = {0};
        if (!parse(*word, spec->nodes, &path))
            return mmrig_spec_problem(problem, "machine", key,
                                      "'%s' is not FROM-TO=%s, with FROM and TO of 0 to %u",
                                      *word, right, spec->nodes - 1);
        if (!numa_has_cpus(spec, path.from))
            return mmrig_spec_problem(problem, "machine", key,
                                      "'%s' begins at node %u, which has no CPUs", *word,
                                      path.from);
        if (seen[path.from][path.to])
            return mmrig_spec_problem(problem, "machine", key, "'%s' is said twice", *word);
        seen[path.from][path.to] = TRUE;
    }
    return TRUE;
}

/* All bandwidths share a unit, the largest power of two that divides them (QEMU
 * hw/core/numa.c).
 */
static gboolean numa_check_bandwidths(const MmrigMachineSpec *spec, MmrigSpecProblem *problem)
{
    guint64 bits = 0;

    for (char **word = spec->node_bandwidth; word && *word; word++) {
        MmrigNumaPath path = {0};
        bandwidth_parse(*word, spec->nodes, &path);
        bits |= path.bandwidth;
    }
    for (char **word = spec->node_bandwidth; word && *word; word++) {
        MmrigNumaPath path = {0};
        guint64 unit = bits & -bits;
        bandwidth_parse(*word, spec->nodes, &path);
        if (unit && path.bandwidth / unit > HMAT_ENTRY_MAX)
            return mmrig_spec_problem(
                problem, "machine", "node-bandwidth",
                "'%s' is more than %d times %" G_GUINT64_FORMAT
                "M, the largest power of two that all are multiples of; make them rounder",
                *word, HMAT_ENTRY_MAX, unit / MMRIG_MIB);
    }
    return TRUE;
}

gboolean mmrig_numa_check(const MmrigMachineSpec *spec, MmrigSpecProblem *problem)
{
    const struct {
        const char *key;
        GStrv words;
    } lists[] = {
        {"node-memory", spec->node_memory},       {"node-cpus", spec->node_cpus},
        {"node-distances", spec->node_distances}, {"node-latency", spec->node_latency},
        {"node-bandwidth", spec->node_bandwidth},
    };

    for (gsize i = 0; spec->nodes == 0 && i < G_N_ELEMENTS(lists); i++)
        if (lists[i].words)
            return mmrig_spec_problem(problem, "machine", lists[i].key,
                                      "the machine has no nodes; write nodes = as well");
    for (gsize i = 0; i < 3; i++)
        if (!numa_check_count(spec, lists[i].words, lists[i].key, problem))
            return FALSE;
    if (!numa_check_memory(spec, problem) || !numa_check_cpus(spec, problem))
        return FALSE;
    for (guint node = 0; spec->node_distances && node < spec->nodes; node++) {
        guint8 distances[MMRIG_NODES_MAX];
        if (!distances_parse(spec->node_distances[node], spec->nodes, node, distances))
            return mmrig_spec_problem(
                problem, "machine", "node-distances",
                "'%s' is not the distances of node %u to %u nodes: %d to itself, %d to %d to "
                "others, with commas",
                spec->node_distances[node], node, spec->nodes, LOCAL_DISTANCE,
                LOCAL_DISTANCE + 1, DISTANCE_MAX);
    }
    return numa_check_paths(spec, spec->node_latency, "node-latency", latency_parse,
                            "NANOSECONDS (1 to 65534)", problem) &&
           numa_check_paths(spec, spec->node_bandwidth, "node-bandwidth", bandwidth_parse,
                            "SIZE (1M to 64T, a multiple of 1M)", problem) &&
           numa_check_bandwidths(spec, problem);
}

/* What is said of the way from one node to another; what is not said is the worst. */
static MmrigNumaPath numa_path(const GArray *paths, guint from, guint to)
{
    MmrigNumaPath way = {from, to, G_MAXUINT64, 0};

    for (guint i = 0; i < paths->len; i++) {
        const MmrigNumaPath *path = &g_array_index(paths, MmrigNumaPath, i);
        if (path->from != from || path->to != to)
            continue;
        if (path->latency)
            way.latency = path->latency;
        else
            way.bandwidth = path->bandwidth;
    }
    return way;
}

/*
 * The node whose CPUs reach this one's memory best: itself if it has CPUs, else by latency,
 * then by bandwidth, then by distance; the first of equal ones.
 */
static int numa_initiator(const GArray *nodes, const GArray *paths, guint node)
{
    MmrigNumaPath best = {0};
    guint8 near = 0;
    int found = -1;

    if (g_array_index(nodes, MmrigNumaNode, node).cpus)
        return (int)node;
    for (guint i = 0; i < nodes->len; i++) {
        const MmrigNumaNode *other = &g_array_index(nodes, MmrigNumaNode, i);
        MmrigNumaPath way = numa_path(paths, i, node);
        guint8 distance = other->distances[node];
        if (!other->cpus)
            continue;
        gboolean better = way.latency != best.latency       ? way.latency < best.latency
                          : way.bandwidth != best.bandwidth ? way.bandwidth > best.bandwidth
                                                            : distance < near;
        if (found >= 0 && !better)
            continue;
        best = way;
        near = distance;
        found = (int)i;
    }
    return found;
}

static void paths_add(const MmrigMachineSpec *spec, GStrv words,
                      gboolean (*parse)(const char *, guint, MmrigNumaPath *), GArray *paths)
{
    for (char **word = words; word && *word; word++) {
        MmrigNumaPath path = {0};
        parse(*word, spec->nodes, &path);
        g_array_append_val(paths, path);
    }
}

GArray *mmrig_numa_paths(const MmrigMachineSpec *spec)
{
    GArray *paths = g_array_new(FALSE, TRUE, sizeof(MmrigNumaPath));

    paths_add(spec, spec->node_latency, latency_parse, paths);
    paths_add(spec, spec->node_bandwidth, bandwidth_parse, paths);
    return paths;
}

GArray *mmrig_numa_nodes(const MmrigMachineSpec *spec)
{
    GArray *nodes = g_array_new(FALSE, TRUE, sizeof(MmrigNumaNode));
    g_autoptr(GArray) paths = mmrig_numa_paths(spec);
    guint64 offset = 0;

    for (guint i = 0; i < spec->nodes; i++) {
        MmrigNumaNode node = {.offset = offset, .initiator = -1};
        if (spec->node_memory)
            mmrig_size_parse(spec->node_memory[i], &node.memory, NULL);
        else
            node.memory = i == 0 ? spec->memory : 0;
        offset += node.memory;
        if (spec->node_cpus)
            cpu_list_parse(spec->node_cpus[i], spec->cpus, &node.cpus);
        else if (i == 0)
            node.cpus = cpus_all(spec);
        if (spec->node_distances)
            distances_parse(spec->node_distances[i], spec->nodes, i, node.distances);
        g_array_append_val(nodes, node);
    }
    for (guint i = 0; paths->len > 0 && i < nodes->len; i++)
        g_array_index(nodes, MmrigNumaNode, i).initiator = numa_initiator(nodes, paths, i);
    return nodes;
}

guint mmrig_numa_socket_cpus(const MmrigMachineSpec *spec, const GArray *nodes)
{
    for (guint size = spec->cpus; size > 1; size--) {
        gboolean apart = spec->cpus % size == 0;
        for (guint i = 0; apart && i < nodes->len; i++) {
            guint64 cpus = g_array_index(nodes, MmrigNumaNode, i).cpus;
            for (guint cpu = 0; cpu < spec->cpus; cpu++)
                apart &= (cpus >> cpu & 1) == (cpus >> (cpu - cpu % size) & 1);
        }
        if (apart)
            return size;
    }
    return 1;
}
