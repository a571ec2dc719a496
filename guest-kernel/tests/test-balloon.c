/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory goes to the host and comes back (virtio 1.2, 5.5 "Traditional Memory Balloon
 * Device"). Each page in the balloon leaves MemTotal, because the device has no
 * deflate-on-oom here, and leaves QEMU's resident memory, because QEMU discards it.
 */
#include "harness.h"
#include "memory.h"

#define KEPT_BYTES (16 * MIB)
#define KEPT_SEED  UINT64_C(5)
#define USED_SEED  UINT64_C(7000000)
/* Left for the kernel and the agent when the rest is used. */
#define RESERVE_KB UINT64_C(40960)
/* Less than a second is usual, under TCG too. */
#define BALLOON_SECONDS 10.0
/* What is tried at each of many steps. */
#define STEP_BYTES (64 * MIB)

static uint64_t ask(const char *verb, const char *field)
{
    struct rig_reply reply;

    if (!rig_request(&reply, verb, "%s", ""))
        ABORT("cannot go on without %s", verb);
    return rig_reply_u64(&reply, field);
}

static uint64_t actual_bytes(void)
{
    return ask("balloon-query", "actual");
}

static uint64_t host_rss(void)
{
    return ask("host-rss", "rss");
}

struct size_wanted {
    uint64_t actual;   /* what QEMU knows the guest to have */
    uint64_t total_kb; /* what the guest says it has */
};

static bool has_size(void *data)
{
    const struct size_wanted *wanted = data;

    return meminfo_kb("MemTotal") == wanted->total_kb && actual_bytes() == wanted->actual;
}

/* All the memory that can be had without a fight. */
static size_t usable_bytes(void)
{
    uint64_t available_kb = meminfo_kb("MemAvailable");

    return available_kb > RESERVE_KB ? (size_t)(available_kb - RESERVE_KB) * 1024 : 0;
}

/* Fills so much memory, looks at it again and gives it back. */
static bool use_memory(size_t size)
{
    char *memory = memory_map(size);
    bool good = memory_comes_zeroed(memory, size);
    memory_fill(memory, size, USED_SEED);
    good = good && memory_differs(memory, size, USED_SEED) == size;
    return munmap(memory, size) == 0 && good;
}

FIXTURE(balloon)
{
    void *kept;        /* lives through it all */
    uint64_t memory;   /* of the machine, bytes */
    uint64_t total_kb; /* MemTotal with an empty balloon */
};

FIXTURE_SETUP(balloon)
{
    self->memory = actual_bytes();
    ASSERT_GT(self->memory, 0);
    self->total_kb = meminfo_kb("MemTotal");
    ASSERT_GT(self->memory / 1024, self->total_kb);
    self->kept = memory_map(KEPT_BYTES);
    memory_fill(self->kept, KEPT_BYTES, KEPT_SEED);
}

/* The next case starts with an empty balloon, whatever became of this one. */
FIXTURE_TEARDOWN(balloon)
{
    struct size_wanted full = {self->memory, self->total_kb};
    struct rig_reply reply;

    EXPECT_TRUE(
        rig_request(&reply, "balloon-set", "bytes=%llu", (unsigned long long)full.actual));
    EXPECT_TRUE(wait_until(has_size, &full, BALLOON_SECONDS));
    munmap(self->kept, KEPT_BYTES);
}

/* What the guest must come to with that much of its memory, to the page. */
static struct size_wanted size_of(uint64_t memory, uint64_t total_kb, unsigned percent)
{
    uint64_t actual = memory / 100 * percent / PAGE_BYTES * PAGE_BYTES;

    if (percent == 100)
        actual = memory;
    return (struct size_wanted){actual, total_kb - (memory - actual) / 1024};
}

TEST_F(balloon, gives_to_the_host_and_takes_back)
{
    struct size_wanted small = size_of(self->memory, self->total_kb, 40);
    struct size_wanted full = size_of(self->memory, self->total_kb, 100);
    uint64_t given = self->memory - small.actual;
    struct rig_reply reply;

    /* Everything was in use once, so the host has given it pages. */
    ASSERT_TRUE(use_memory(usable_bytes()));
    uint64_t free_kb = meminfo_kb("MemFree"), rss_used = host_rss();
    ASSERT_GT(rss_used, self->memory / 100 * 70);

    double start = now_seconds();
    ASSERT_TRUE(
        rig_request(&reply, "balloon-set", "bytes=%llu", (unsigned long long)small.actual));
    ASSERT_TRUE(wait_until(has_size, &small, BALLOON_SECONDS));
    rig_metric("inflate", now_seconds() - start, "s");
    uint64_t rss_small = host_rss();
    /*
     * Free pages on the CPUs' own lists are not in MemFree, but can go into the balloon: at
     * most an eighth of the memory (MIN_PERCPU_PAGELIST_HIGH_FRACTION in mm/page_alloc.c).
     */
    EXPECT_LE(meminfo_kb("MemFree"), free_kb - (given / 100 * 90 - self->memory / 8) / 1024);
    EXPECT_LE(rss_small, rss_used - given / 100 * 75);
    EXPECT_EQ(memory_differs(self->kept, KEPT_BYTES, KEPT_SEED), KEPT_BYTES);

    start = now_seconds();
    ASSERT_TRUE(
        rig_request(&reply, "balloon-set", "bytes=%llu", (unsigned long long)full.actual));
    ASSERT_TRUE(wait_until(has_size, &full, BALLOON_SECONDS));
    rig_metric("deflate", now_seconds() - start, "s");
    uint64_t rss_full = host_rss();
    /* Taken back is not yet touched. */
    EXPECT_LE(rss_full, rss_used - given / 100 * 75);
    EXPECT_GE(meminfo_kb("MemFree"), free_kb / 100 * 90);

    ASSERT_TRUE(use_memory(usable_bytes()));
    uint64_t rss_again = host_rss();
    EXPECT_GE(rss_again, rss_full + given / 100 * 70);
    EXPECT_EQ(memory_differs(self->kept, KEPT_BYTES, KEPT_SEED), KEPT_BYTES);

    rig_metric("rss-used", (double)rss_used / (double)MIB, "MiB");
    rig_metric("rss-inflated", (double)rss_small / (double)MIB, "MiB");
    rig_metric("rss-deflated", (double)rss_full / (double)MIB, "MiB");
    rig_metric("rss-used-again", (double)rss_again / (double)MIB, "MiB");
}

/* Each step is exact, up or down, and what is left is usable at each. */
TEST_F(balloon, follows_step_by_step)
{
    static const unsigned percents[] = {90, 60, 75, 50, 100};
    struct rig_reply reply;

    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        struct size_wanted wanted = size_of(self->memory, self->total_kb, percents[i]);
        ASSERT_TRUE(rig_request(&reply, "balloon-set", "bytes=%llu",
                                (unsigned long long)wanted.actual));
        ASSERT_TRUE(wait_until(has_size, &wanted, BALLOON_SECONDS));
        ASSERT_TRUE(use_memory(STEP_BYTES));
        ASSERT_EQ(memory_differs(self->kept, KEPT_BYTES, KEPT_SEED), KEPT_BYTES);
    }
}

HARNESS_MAIN
