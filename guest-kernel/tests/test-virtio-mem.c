/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio-mem device (virtio 1.2, 5.15 "Memory Device") is asked to give more and less: the
 * guest plugs and unplugs blocks until it has what was asked for, and what it has is memory
 * like any other, on a node of its own.
 *
 * Arguments: id=ID and node=N are the device's.
 */
#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

#define KEPT_BYTES (16 * MIB)
#define KEPT_SEED  UINT64_C(5)
#define USED_SEED  UINT64_C(7000000)
/*
 * Plugging takes less than a second a step. Unplugging may meet a page that cannot be moved at
 * the moment; the driver comes again after 50 s (VIRTIO_MEM_RETRY_TIMER_MIN_MS).
 */
#define RESIZE_SECONDS 60.0

struct device_state {
    uint64_t requested, plugged, block, max;
};

static const char *device_id(void)
{
    const char *id = test_arg("id");

    return id ? id : "vm0";
}

static unsigned device_node(void)
{
    return (unsigned)test_arg_u64("node", 1);
}

static struct device_state device_state(void)
{
    struct rig_reply reply;

    if (!rig_request(&reply, "virtio-mem-query", "id=%s", device_id()))
        ABORT("cannot go on without virtio-mem-query");
    return (struct device_state){
        .requested = rig_reply_u64(&reply, "requested"),
        .plugged = rig_reply_u64(&reply, "plugged"),
        .block = rig_reply_u64(&reply, "block"),
        .max = rig_reply_u64(&reply, "max"),
    };
}

static bool request_size(uint64_t bytes)
{
    struct rig_reply reply;

    return rig_request(&reply, "virtio-mem-set", "id=%s requested=%llu", device_id(),
                       (unsigned long long)bytes);
}

struct size_wanted {
    uint64_t plugged;
    uint64_t total_kb, node_kb; /* MemTotal of the guest and of the device's node */
};

static bool has_size(void *data)
{
    const struct size_wanted *wanted = data;

    return device_state().plugged == wanted->plugged &&
           meminfo_kb("MemTotal") == wanted->total_kb &&
           node_total_kb(device_node()) == wanted->node_kb &&
           (wanted->node_kb == 0 || node_can_be_bound(device_node()));
}

/* Makes memory's pages come from the node, and only from there if bound. */
static bool set_policy(void *memory, size_t size, unsigned node, bool bound)
{
    unsigned long mask = 1UL << node;

    return syscall(SYS_mbind, memory, size, bound ? MPOL_BIND : MPOL_PREFERRED, &mask,
                   8 * sizeof(mask), 0) == 0;
}

/* How many of the pages are on the node (move_pages(2) without a target only looks). */
static size_t pages_on_node(char *memory, size_t size, unsigned node)
{
    enum { BATCH = 512 };
    size_t count = 0;

    for (size_t at = 0; at < size; at += BATCH * PAGE_BYTES) {
        void *pages[BATCH];
        int status[BATCH];
        size_t batch = (size - at) / PAGE_BYTES < BATCH ? (size - at) / PAGE_BYTES : BATCH;
        for (size_t i = 0; i < batch; i++)
            pages[i] = memory + at + i * PAGE_BYTES;
        if (syscall(SYS_move_pages, 0, batch, pages, NULL, status, 0) != 0)
            return 0;
        for (size_t i = 0; i < batch; i++)
            if (status[i] == (int)node)
                count++;
    }
    return count;
}

FIXTURE(device)
{
    char *kept;        /* on node 0, through it all */
    uint64_t total_kb; /* MemTotal without the device's memory */
};

FIXTURE_SETUP(device)
{
    struct device_state state = device_state();

    ASSERT_TRUE(file_write("/sys/devices/system/memory/auto_online_blocks", "online_movable"));
    ASSERT_GT(state.max, 0);
    ASSERT_EQ(state.plugged, 0);
    ASSERT_EQ(node_total_kb(device_node()), 0);
    self->total_kb = meminfo_kb("MemTotal");
    self->kept = memory_map(KEPT_BYTES);
    memory_fill(self->kept, KEPT_BYTES, KEPT_SEED);
}

/* The next case starts with nothing plugged, whatever became of this one. */
FIXTURE_TEARDOWN(device)
{
    struct size_wanted none = {0, self->total_kb, 0};

    EXPECT_TRUE(request_size(0));
    EXPECT_TRUE(wait_until(has_size, &none, RESIZE_SECONDS));
    munmap(self->kept, KEPT_BYTES);
}

/* What the guest must come to with so much plugged, to the page. */
static struct size_wanted size_of(uint64_t plugged, uint64_t total_kb)
{
    return (struct size_wanted){plugged, total_kb + plugged / 1024, plugged / 1024};
}

TEST_F(device, grows_and_shrinks)
{
    /* Parts and multiples of the kernel's memory blocks of 128 MiB, all of it, nothing. */
    static const unsigned steps_mib[] = {32, 192, 512, 128, 258, 64, 0};
    struct device_state state = device_state();

    for (size_t i = 0; i < sizeof(steps_mib) / sizeof(steps_mib[0]); i++) {
        uint64_t bytes = steps_mib[i] * MIB;
        struct size_wanted wanted = size_of(bytes, self->total_kb);
        uint64_t before = state.plugged;
        double start = now_seconds();

        ASSERT_EQ(bytes % state.block, 0);
        ASSERT_LE(bytes, state.max);
        ASSERT_TRUE(request_size(bytes));
        ASSERT_EQ(device_state().requested, bytes);
        ASSERT_TRUE(wait_until(has_size, &wanted, RESIZE_SECONDS));
        state = device_state();
        ASSERT_EQ(state.requested, bytes);
        ASSERT_EQ(state.plugged, bytes);
        char name[32];
        snprintf(name, sizeof(name), "%s-to-%u-mib", bytes > before ? "grow" : "shrink",
                 steps_mib[i]);
        rig_metric(name, now_seconds() - start, "s");

        /* Three quarters of it, since some must stay free for the node to be well. */
        size_t used = (size_t)bytes / 4 * 3 / PAGE_BYTES * PAGE_BYTES;
        if (used > 0) {
            char *memory = memory_map(used);
            ASSERT_TRUE(set_policy(memory, used, device_node(), true));
            ASSERT_TRUE(memory_comes_zeroed(memory, used));
            memory_fill(memory, used, USED_SEED);
            EXPECT_EQ(memory_differs(memory, used, USED_SEED), used);
            EXPECT_EQ(pages_on_node(memory, used, device_node()), used / PAGE_BYTES);
            ASSERT_EQ(munmap(memory, used), 0);
        }
        ASSERT_EQ(memory_differs(self->kept, KEPT_BYTES, KEPT_SEED), KEPT_BYTES);
    }
}

/* Data on memory that is taken away moves elsewhere first. */
TEST_F(device, data_moves_away_when_it_shrinks)
{
    const size_t used = 48 * MIB;
    struct size_wanted large = size_of(256 * MIB, self->total_kb);
    struct size_wanted none = size_of(0, self->total_kb);

    ASSERT_TRUE(request_size(large.plugged));
    ASSERT_EQ(device_state().requested, large.plugged);
    ASSERT_TRUE(wait_until(has_size, &large, RESIZE_SECONDS));
    char *memory = memory_map(used);
    ASSERT_TRUE(set_policy(memory, used, device_node(), false));
    memory_fill(memory, used, USED_SEED);
    ASSERT_EQ(pages_on_node(memory, used, device_node()), used / PAGE_BYTES);

    double start = now_seconds();
    ASSERT_TRUE(request_size(0));
    ASSERT_TRUE(wait_until(has_size, &none, RESIZE_SECONDS));
    rig_metric("shrink-with-data", now_seconds() - start, "s");
    EXPECT_EQ(memory_differs(memory, used, USED_SEED), used);
    EXPECT_EQ(pages_on_node(memory, used, 0), used / PAGE_BYTES);
    EXPECT_EQ(memory_differs(self->kept, KEPT_BYTES, KEPT_SEED), KEPT_BYTES);
    munmap(memory, used);
}

HARNESS_MAIN
