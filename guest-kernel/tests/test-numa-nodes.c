/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nodes of a NUMA machine as Linux shows and uses them: CPUs, memory, distances (SLIT),
 * latency and bandwidth (HMAT), and where a task's memory comes from.
 *
 * Arguments: for each node in Linux's numbering, nodeN=CPUS/MIB/DISTANCES/PATH, for example
 * node0=0,3/384/10,20/0:80:20480. PATH is the node whose CPUs reach its memory best, and
 * nanoseconds and MB/s from there. CPUS and PATH are - where there are none. unbound=yes, for
 * a twin: no memory is bound to a node.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

#define NODES     "/sys/devices/system/node"
#define NODES_MAX 8
#define USED      (16 * MIB)
#define PAGES     (USED / PAGE_BYTES)
/* Flags of /proc/sys/kernel/tainted: a broken firmware was worked around, a warning was given.
 */
#define TAINT_FIRMWARE (1 << 11)
#define TAINT_WARNING  (1 << 9)

struct node {
    char cpus[32];      /* as Linux writes them; "" for none */
    uint64_t mib;       /* of memory */
    char distances[32]; /* likewise */
    unsigned to[NODES_MAX];
    bool has_path;
    unsigned initiator, latency, bandwidth;
};

static struct node nodes[NODES_MAX];
static unsigned nodes_count;

static void node_parse(struct node *node, const char *text)
{
    char path[32], *at;

    if (sscanf(text, "%31[^/]/%" SCNu64 "/%31[^/]/%31s", node->cpus, &node->mib,
               node->distances, path) != 4)
        ABORT("'%s' is not CPUS/MIB/DISTANCES/PATH", text);
    if (strcmp(node->cpus, "-") == 0)
        node->cpus[0] = '\0';
    for (at = node->distances; (at = strchr(at, ','));)
        *at = ' ';
    at = node->distances;
    for (unsigned i = 0; i < NODES_MAX && *at; i++)
        node->to[i] = (unsigned)strtoul(at, &at, 10);
    node->has_path = strcmp(path, "-") != 0;
    if (node->has_path &&
        sscanf(path, "%u:%u:%u", &node->initiator, &node->latency, &node->bandwidth) != 3)
        ABORT("'%s' is not NODE:NANOSECONDS:MB/S", path);
}

/* What the machine is said to be. */
static void nodes_read(void)
{
    char key[16];
    const char *text;

    for (nodes_count = 0; nodes_count < NODES_MAX; nodes_count++) {
        snprintf(key, sizeof(key), "node%u", nodes_count);
        text = test_arg(key);
        if (!text)
            break;
        node_parse(&nodes[nodes_count], text);
    }
    if (nodes_count < 2)
        ABORT("two nodes at least");
}

/* ---- What Linux shows ----------------------------------------------------------------- */

FIXTURE(node)
{
    char text[256];
};

FIXTURE_SETUP(node)
{
    nodes_read();
}

FIXTURE_TEARDOWN(node)
{
}

/* A file of a node; "" and a failure if it cannot be read. */
static const char *node_file(struct fixture_node *self, unsigned node, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), NODES "/node%u/%s", node, name);
    self->text[0] = '\0';
    EXPECT_TRUE(file_read(path, self->text, sizeof(self->text)));
    return self->text;
}

static bool node_has_cpus(unsigned node)
{
    return nodes[node].cpus[0] != '\0';
}

static bool node_has_memory(unsigned node)
{
    return nodes[node].mib > 0;
}

static bool node_is_there(unsigned node)
{
    return node < nodes_count;
}

/* The nodes that it holds for, as Linux writes lists: "0,2-3". */
static void list_write(bool (*holds)(unsigned node), char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned first = 0; first < nodes_count; first++) {
        unsigned last = first;
        if (!holds(first))
            continue;
        while (last + 1 < nodes_count && holds(last + 1))
            last++;
        used += (size_t)snprintf(text + used, size - used, first == last ? "%s%u" : "%s%u-%u",
                                 used ? "," : "", first, last);
        first = last;
    }
}

TEST_F(node, lists)
{
    static const struct {
        const char *file;
        bool (*holds)(unsigned node);
    } lists[] = {
        {NODES "/online", node_is_there},
        {NODES "/has_cpu", node_has_cpus},
        {NODES "/has_memory", node_has_memory},
    };

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        char wanted[32];
        list_write(lists[i].holds, wanted, sizeof(wanted));
        ASSERT_TRUE(file_read(lists[i].file, self->text, sizeof(self->text)));
        DIAG("%s: %s", lists[i].file, self->text);
        EXPECT_STREQ(self->text, wanted);
    }
}

TEST_F(node, cpus)
{
    for (unsigned i = 0; i < nodes_count; i++)
        EXPECT_STREQ(node_file(self, i, "cpulist"), nodes[i].cpus);
}

/* How many of the memory blocks (/sys/devices/system/memory) are a node's. */
static uint64_t node_blocks(unsigned node)
{
    char path[64];
    uint64_t count = 0;

    snprintf(path, sizeof(path), NODES "/node%u", node);
    DIR *folder = opendir(path);
    if (!folder)
        ABORT("%s: %s", path, strerror(errno));
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strncmp(entry->d_name, "memory", 6) == 0 && entry->d_name[6] >= '0' &&
                 entry->d_name[6] <= '9';
    closedir(folder);
    return count;
}

TEST_F(node, memory)
{
    ASSERT_TRUE(file_read("/sys/devices/system/memory/block_size_bytes", self->text,
                          sizeof(self->text)));
    uint64_t block = strtoull(self->text, NULL, 16) / MIB;

    for (unsigned i = 0; i < nodes_count; i++) {
        uint64_t total_kb = node_meminfo_kb(i, "MemTotal");
        DIAG("node %u: MemTotal %" PRIu64 " kB", i, total_kb);
        EXPECT_EQ(node_blocks(i) * block, nodes[i].mib);
        /* What the kernel keeps for itself from the start is not counted. */
        EXPECT_LE(total_kb, nodes[i].mib * 1024);
        EXPECT_GE(total_kb, nodes[i].mib * 1024 / 2);
    }
}

TEST_F(node, distances)
{
    for (unsigned i = 0; i < nodes_count; i++)
        EXPECT_STREQ(node_file(self, i, "distance"), nodes[i].distances);
}

/* The nodes whose CPUs Linux takes for those that reach a node's memory best, as bits. */
static unsigned node_initiators(unsigned node)
{
    char path[96];
    unsigned set = 0, number;

    snprintf(path, sizeof(path), NODES "/node%u/access0/initiators", node);
    DIR *folder = opendir(path);
    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (sscanf(entry->d_name, "node%u", &number) == 1 && number < NODES_MAX)
            set |= 1U << number;
    closedir(folder);
    return set;
}

TEST_F(node, latency_and_bandwidth)
{
    for (unsigned i = 0; i < nodes_count; i++) {
        const struct node *node = &nodes[i];
        EXPECT_EQ(node_initiators(i), node->has_path ? 1U << node->initiator : 0);
        if (!node->has_path)
            continue;
        EXPECT_EQ(atoi(node_file(self, i, "access0/initiators/read_latency")), node->latency);
        EXPECT_EQ(atoi(node_file(self, i, "access0/initiators/write_latency")), node->latency);
        EXPECT_EQ(atoi(node_file(self, i, "access0/initiators/read_bandwidth")),
                  node->bandwidth);
        EXPECT_EQ(atoi(node_file(self, i, "access0/initiators/write_bandwidth")),
                  node->bandwidth);
    }
}

/* A machine that is not whole is complained of: a cache that nodes share, a table with holes.
 */
TEST_F(node, kernel_has_no_complaint)
{
    EXPECT_EQ(file_u64("/proc/sys/kernel/tainted") & (TAINT_FIRMWARE | TAINT_WARNING), 0);
}

/* ---- Where memory comes from ---------------------------------------------------------- */

/* How many pages are on each node (move_pages(2) without a target only looks). */
static void pages_count(char *memory, size_t counts[NODES_MAX])
{
    static void *pages[PAGES];
    static int status[PAGES];

    memset(counts, 0, NODES_MAX * sizeof(counts[0]));
    for (size_t i = 0; i < PAGES; i++)
        pages[i] = memory + i * PAGE_BYTES;
    ASSERT_EQ(syscall(SYS_move_pages, 0, PAGES, pages, NULL, status, 0), 0);
    for (size_t i = 0; i < PAGES; i++)
        if (status[i] >= 0 && status[i] < NODES_MAX)
            counts[status[i]]++;
}

static bool task_policy(int mode, unsigned long mask)
{
    return syscall(SYS_set_mempolicy, mode, mask ? &mask : NULL, 8 * sizeof(mask)) == 0;
}

static bool range_policy(void *memory, int mode, unsigned long mask)
{
    return syscall(SYS_mbind, memory, USED, mode, &mask, 8 * sizeof(mask), 0) == 0;
}

static bool bound(void)
{
    const char *unbound = test_arg("unbound");

    return !unbound || strcmp(unbound, "yes") != 0;
}

TEST_F(node, has_memory_that_is_bound_to_it)
{
    size_t counts[NODES_MAX];

    for (unsigned i = 0; i < nodes_count; i++) {
        char *memory = memory_map(USED);
        if (bound() && !node_has_memory(i)) {
            EXPECT_FALSE(range_policy(memory, MPOL_BIND, 1UL << i));
        } else if (node_has_memory(i)) {
            if (bound())
                ASSERT_TRUE(range_policy(memory, MPOL_BIND, 1UL << i));
            ASSERT_TRUE(memory_comes_zeroed(memory, USED));
            pages_count(memory, counts);
            EXPECT_EQ(counts[i], PAGES);
        }
        munmap(memory, USED);
    }
}

TEST_F(node, has_memory_of_a_task_bound_to_it)
{
    size_t counts[NODES_MAX];

    for (unsigned i = 0; i < nodes_count; i++) {
        if (!node_has_memory(i))
            continue;
        char *memory = memory_map(USED);
        if (bound())
            ASSERT_TRUE(task_policy(MPOL_BIND, 1UL << i));
        ASSERT_TRUE(memory_comes_zeroed(memory, USED));
        ASSERT_TRUE(task_policy(MPOL_DEFAULT, 0));
        pages_count(memory, counts);
        EXPECT_EQ(counts[i], PAGES);
        munmap(memory, USED);
    }
}

TEST_F(node, has_its_share_of_interleaved_memory)
{
    size_t counts[NODES_MAX];
    unsigned long mask = 0;
    unsigned among = 0;
    char *memory = memory_map(USED);

    for (unsigned i = 0; i < nodes_count; i++) {
        mask |= (unsigned long)node_has_memory(i) << i;
        among += node_has_memory(i);
    }
    if (among == 0)
        ABORT("no node has memory");
    if (bound())
        ASSERT_TRUE(range_policy(memory, MPOL_INTERLEAVE, mask));
    ASSERT_TRUE(memory_comes_zeroed(memory, USED));
    pages_count(memory, counts);
    for (unsigned i = 0; i < nodes_count; i++) {
        EXPECT_GE(counts[i], node_has_memory(i) ? PAGES / among : 0);
        EXPECT_LE(counts[i], node_has_memory(i) ? PAGES / among + 1 : 0);
    }
    munmap(memory, USED);
}

/* The node with memory that is nearest to the node's CPUs, by what the machine is said to be.
 */
static unsigned node_nearest(unsigned node)
{
    unsigned best = NODES_MAX;

    for (unsigned i = 0; i < nodes_count; i++)
        if (node_has_memory(i) &&
            (best == NODES_MAX || nodes[node].to[i] < nodes[node].to[best]))
            best = i;
    if (best == NODES_MAX)
        ABORT("no node has memory");
    return best;
}

/* Runs on the node's first CPU from here on. */
static void run_on(unsigned node)
{
    unsigned on_cpu, on_node, cpu = (unsigned)atoi(nodes[node].cpus);
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ASSERT_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
    ASSERT_EQ(syscall(SYS_getcpu, &on_cpu, &on_node, NULL), 0);
    ASSERT_EQ(on_cpu, cpu);
    ASSERT_EQ(on_node, node);
}

/* A node without memory has it from the nearest one that has some. */
TEST_F(node, gives_its_tasks_the_nearest_memory)
{
    size_t counts[NODES_MAX];

    for (unsigned i = 0; i < nodes_count; i++) {
        if (!node_has_cpus(i))
            continue;
        run_on(i);
        char *memory = memory_map(USED);
        ASSERT_TRUE(memory_comes_zeroed(memory, USED));
        pages_count(memory, counts);
        DIAG("node %u: nearest memory on node %u", i, node_nearest(i));
        EXPECT_EQ(counts[node_nearest(i)], PAGES);
        munmap(memory, USED);
    }
}

HARNESS_MAIN
