/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An NVDIMM becomes ordinary memory on a node of its own, is used as such, and is taken back.
 *
 * The cases are stages of one life: device-dax namespace, system RAM, allocations on it,
 * off-lining with data still there, device-dax again. What should appear is worked out from
 * the device's own range: the whole memory blocks within it, as drivers/dax/kmem.c takes them.
 *
 * Arguments: node=N is the NVDIMM's node; bind=N, for a twin, binds allocations elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nvdimm.h"

#define DAX_DEVICE     "dax0.0"
#define DAX_SYSFS      "/sys/bus/dax/devices/" DAX_DEVICE
#define MEMORY_SYSFS   "/sys/devices/system/memory"
#define NAMESPACE_NAME "mmrig"
#define NAMESPACE_UUID "b0a4f0c2-93d1-4f0b-8f6e-2f8f6a1c7d55"
#define PAGES          2048
#define PAGE_BYTES     4096
#define BYTES          ((size_t)PAGES * PAGE_BYTES)

struct range {
    uint64_t start, end; /* end is the first address after it */
};

static unsigned pmem_node(void)
{
    return (unsigned)test_arg_u64("node", 1);
}

/* The whole memory blocks within the device's range; an empty range without a device. */
static struct range device_blocks(void)
{
    char text[64];

    if (access(DAX_SYSFS, F_OK) != 0 ||
        !file_read(MEMORY_SYSFS "/block_size_bytes", text, sizeof(text)))
        return (struct range){0, 0};
    /* Hexadecimal without 0x, unlike all else in sysfs. */
    uint64_t block = strtoull(text, NULL, 16);
    uint64_t start = file_u64(DAX_SYSFS "/resource"), size = file_u64(DAX_SYSFS "/size");
    if (block == 0)
        return (struct range){0, 0};
    uint64_t first = (start + block - 1) / block * block, end = (start + size) / block * block;
    return (struct range){first, end > first ? end : first};
}

/* Bytes of /proc/iomem's "System RAM (kmem)" within range, and outside of it. */
static void kmem_bytes(struct range range, uint64_t *inside, uint64_t *outside)
{
    FILE *file = fopen("/proc/iomem", "re");
    char line[256];
    unsigned long long start, last;

    *inside = *outside = 0;
    if (!file)
        return;
    while (fgets(line, sizeof(line), file)) {
        if (!strstr(line, "System RAM (kmem)") ||
            sscanf(line, " %llx-%llx", &start, &last) != 2)
            continue;
        if (start >= range.start && last < range.end)
            *inside += last - start + 1;
        else
            *outside += last - start + 1;
    }
    fclose(file);
}

/* How many of the pages are on the node, as move_pages(2) answers, and lie in the range. */
static void pages_where(char *memory, unsigned node, struct range range, size_t *on_node,
                        size_t *in_range)
{
    static void *addresses[PAGES];
    static int nodes[PAGES];

    *on_node = *in_range = 0;
    for (size_t i = 0; i < PAGES; i++) {
        addresses[i] = memory + i * PAGE_BYTES;
        nodes[i] = -1;
    }
    if (syscall(SYS_move_pages, 0, (unsigned long)PAGES, addresses, NULL, nodes, 0) != 0)
        return;
    for (size_t i = 0; i < PAGES; i++) {
        uint64_t physical = physical_address(addresses[i]);
        *on_node += nodes[i] == (int)node;
        *in_range += physical >= range.start && physical < range.end;
    }
}

static uint64_t page_mark(size_t page)
{
    return (page + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void pages_fill(char *memory)
{
    for (size_t i = 0; i < PAGES; i++)
        *(uint64_t *)(memory + i * PAGE_BYTES) = page_mark(i);
}

static size_t pages_intact(const char *memory)
{
    size_t intact = 0;

    for (size_t i = 0; i < PAGES; i++)
        intact += *(const uint64_t *)(memory + i * PAGE_BYTES) == page_mark(i);
    return intact;
}

static char *pages_map(void)
{
    void *memory =
        mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static bool can_be_bound(void *data)
{
    return node_can_be_bound(*(unsigned *)data);
}

/* Memory bound to the node by mbind(2), or by set_mempolicy(2) of the process, and filled. */
static char *bound_map(bool whole_process)
{
    unsigned node = (unsigned)test_arg_u64("bind", pmem_node());
    unsigned long mask = 1ul << node;
    /* The kernel takes one bit less than it is told: mm/mempolicy.c get_nodes(). */
    unsigned long bits = 8 * sizeof(mask) + 1;
    char *memory = pages_map();

    if (!memory)
        return NULL;
    if (!wait_until(can_be_bound, &node, 5))
        DIAG("node %u has no memory that this process may use", node);
    if ((whole_process ? syscall(SYS_set_mempolicy, MPOL_BIND, &mask, bits)
                       : syscall(SYS_mbind, memory, BYTES, MPOL_BIND, &mask, bits, 0u)) != 0) {
        munmap(memory, BYTES);
        return NULL;
    }
    pages_fill(memory);
    return memory;
}

/* ---- Cases, in order ------------------------------------------------------------------ */

TEST(namespace_is_devdax)
{
    uint64_t inside, outside;

    ASSERT_TRUE(nvdimm_wait_path("/sys/bus/nd/devices/region0"));
    ASSERT_EQ(nvdimm_namespace_make("devdax", NAMESPACE_NAME, NAMESPACE_UUID), 0);
    ASSERT_TRUE(nvdimm_wait_path("/dev/" DAX_DEVICE));
    EXPECT_EQ(file_u64(DAX_SYSFS "/target_node"), pmem_node());

    /* Nothing of it is memory yet, and there is something to gain. */
    struct range blocks = device_blocks();
    ASSERT_GT(blocks.end, blocks.start);
    EXPECT_EQ(node_total_kb(pmem_node()), 0);
    kmem_bytes(blocks, &inside, &outside);
    EXPECT_EQ(inside, 0);
    EXPECT_EQ(outside, 0);
}

TEST(system_ram_grows_the_node)
{
    struct range blocks = device_blocks();
    uint64_t expected = blocks.end - blocks.start, inside, outside;
    uint64_t total = meminfo_kb("MemTotal"), node0 = node_total_kb(0);

    ASSERT_GT(expected, 0);
    /* daxctl refuses a kernel that puts new memory on line by itself. */
    ASSERT_TRUE(file_write(MEMORY_SYSFS "/auto_online_blocks", "offline"));
    double start = now_seconds();
    ASSERT_EQ(NVDIMM_TOOL("daxctl", "reconfigure-device", "--mode=system-ram", DAX_DEVICE), 0);
    rig_metric("online_time", now_seconds() - start, "s");

    EXPECT_EQ(node_total_kb(pmem_node()), expected / 1024);
    EXPECT_EQ(node_total_kb(0), node0);
    EXPECT_EQ(meminfo_kb("MemTotal"), total + expected / 1024);
    kmem_bytes(blocks, &inside, &outside);
    EXPECT_EQ(inside, expected);
    EXPECT_EQ(outside, 0);
    rig_metric("onlined", (double)expected, "bytes");
}

/*
 * Memory of processes on the device's node. MemFree would not do: pages freed earlier may
 * still be in the CPUs' own lists.
 */
static uint64_t node_anon_kb(void)
{
    /* Sums up the CPUs' own counters. */
    file_write("/proc/sys/vm/stat_refresh", "1");
    return node_meminfo_kb(pmem_node(), "AnonPages");
}

FIXTURE(bound)
{
    char *memory;
    uint64_t anon_kb; /* of the node, before */
};

FIXTURE_VARIANT(bound)
{
    bool whole_process; /* set_mempolicy(2), else mbind(2) */
};
FIXTURE_VARIANT_ADD(bound, mbind){.whole_process = false};
FIXTURE_VARIANT_ADD(bound, set_mempolicy){.whole_process = true};

FIXTURE_SETUP(bound)
{
    ASSERT_GT(node_total_kb(pmem_node()), 0);
    self->anon_kb = node_anon_kb();
    self->memory = bound_map(variant->whole_process);
    ASSERT_NE(self->memory, NULL);
}

FIXTURE_TEARDOWN(bound)
{
    munmap(self->memory, BYTES);
}

TEST_F(bound, allocations_land_on_the_device)
{
    size_t on_node, in_range;

    pages_where(self->memory, pmem_node(), device_blocks(), &on_node, &in_range);
    EXPECT_EQ(on_node, PAGES);
    EXPECT_EQ(in_range, PAGES);
    EXPECT_GE(node_anon_kb() - self->anon_kb, BYTES / 1024);
    EXPECT_EQ(pages_intact(self->memory), PAGES);
}

/* Without a policy memory comes from the node of the CPU: the device's is not touched. */
TEST(unbound_allocations_stay_away)
{
    size_t on_node, in_range, near, near_in_range;
    char *memory = pages_map();

    ASSERT_NE(memory, NULL);
    pages_fill(memory);
    pages_where(memory, pmem_node(), device_blocks(), &on_node, &in_range);
    pages_where(memory, 0, device_blocks(), &near, &near_in_range);
    EXPECT_EQ(on_node, 0);
    EXPECT_EQ(in_range, 0);
    EXPECT_EQ(near, PAGES);
    munmap(memory, BYTES);
}

/* The device is taken back under a process that uses it: the data must move, not vanish. */
TEST(offline_moves_the_data_away)
{
    struct range blocks = device_blocks();
    uint64_t total = meminfo_kb("MemTotal"), inside, outside;
    size_t on_node, in_range;
    char *memory;

    ASSERT_GT(node_total_kb(pmem_node()), 0);
    memory = bound_map(false);
    ASSERT_NE(memory, NULL);
    pages_where(memory, pmem_node(), blocks, &on_node, &in_range);
    EXPECT_EQ(in_range, PAGES);

    double start = now_seconds();
    ASSERT_EQ(NVDIMM_TOOL("daxctl", "offline-memory", DAX_DEVICE), 0);
    rig_metric("offline_time", now_seconds() - start, "s");
    EXPECT_EQ(node_total_kb(pmem_node()), 0);
    EXPECT_EQ(meminfo_kb("MemTotal"), total - (blocks.end - blocks.start) / 1024);
    EXPECT_EQ(pages_intact(memory), PAGES);
    pages_where(memory, 0, blocks, &on_node, &in_range);
    EXPECT_EQ(on_node, PAGES);
    EXPECT_EQ(in_range, 0);
    munmap(memory, BYTES);

    /* Off line is not yet gone: the range is the driver's until it is reconfigured. */
    kmem_bytes(blocks, &inside, &outside);
    EXPECT_EQ(inside, blocks.end - blocks.start);
}

TEST(devdax_is_back)
{
    struct range blocks = device_blocks();
    uint64_t inside, outside;

    ASSERT_GT(blocks.end, blocks.start);
    ASSERT_EQ(NVDIMM_TOOL("daxctl", "reconfigure-device", "--mode=devdax", DAX_DEVICE), 0);
    kmem_bytes(blocks, &inside, &outside);
    EXPECT_EQ(inside, 0);
    EXPECT_EQ(outside, 0);

    /* And it can be mapped as a device again: the whole device, which must be its range. */
    uint64_t resource = file_u64(DAX_SYSFS "/resource"), size = file_u64(DAX_SYSFS "/size");
    int file = open("/dev/" DAX_DEVICE, O_RDWR | O_CLOEXEC);
    ASSERT_GE(file, 0);
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ASSERT_NE(memory, MAP_FAILED);
    memory[0] = 1;
    memory[size - 1] = 2;
    EXPECT_EQ(physical_address(memory), resource);
    EXPECT_EQ(physical_address(memory + size - PAGE_BYTES), resource + size - PAGE_BYTES);
    munmap(memory, size);
    close(file);
}

HARNESS_MAIN
