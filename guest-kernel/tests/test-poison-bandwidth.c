/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bad pages cost those who do not touch them: the time to go through a buffer while there
 * are none, one, and many elsewhere, in turns. It asserts no times; `mmrig bench poison`
 * compares them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "errors.h"
#include "memory.h"

#define SEED       UINT64_C(7000000)
#define MANY       ((size_t)1000)
#define BUFFER     (16 * MIB)
#define ROUNDS_MAX ((size_t)64)

static char *pool, *buffer;

/* A page of the pool: every other one, so that what lies between is split as often as can be.
 */
static uint64_t victim(size_t i)
{
    uint64_t physical = physical_address(pool + 2 * i * PAGE_BYTES);

    if (physical == 0)
        ABORT("a page of the test is not there");
    return physical;
}

/* Seconds to read all of the buffer, write all of it, and jump about in it. */
static double go_through(void)
{
    volatile uint64_t *words = (volatile uint64_t *)buffer;
    size_t count = BUFFER / sizeof(*words), at = 0;
    double start = now_seconds();
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += words[i];
    for (size_t i = 0; i < count; i++)
        words[i] = sum + i;
    /* A page each time: translations are looked up, and do not stay. */
    for (size_t i = 0; i < count / 8; i++) {
        at = (at + 521 * (PAGE_BYTES / sizeof(*words)) + 7) % count;
        sum += words[at];
    }
    words[0] = sum;
    return now_seconds() - start;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

TEST(others_do_not_pay)
{
    double none[ROUNDS_MAX], one[ROUNDS_MAX], many[ROUNDS_MAX];
    size_t rounds = (size_t)test_arg_u64("rounds", 5);

    ASSERT_GE(rounds, 1);
    ASSERT_LE(rounds, ROUNDS_MAX);
    pool = memory_map(2 * MANY * PAGE_BYTES);
    buffer = memory_map(BUFFER);
    memory_fill(pool, 2 * MANY * PAGE_BYTES, SEED);
    memory_fill(buffer, BUFFER, SEED);
    (void)go_through();
    for (size_t round = 0; round < rounds; round++) {
        ASSERT_EQ(poison_count("pages"), 0);
        none[round] = go_through();
        poison_lay(victim(0), GRANULE);
        ASSERT_EQ(poison_count("pages"), 1);
        one[round] = go_through();
        for (size_t i = 1; i < MANY; i++)
            poison_lay(victim(i), GRANULE);
        ASSERT_EQ(poison_count("pages"), MANY);
        many[round] = go_through();
        for (size_t i = 0; i < MANY; i++)
            poison_clear(victim(i), GRANULE);
    }
    ASSERT_EQ(poison_count("pages"), 0);
    EXPECT_EQ(poison_count("consumed-loads"), 0);
    rig_metric("none", median(none, rounds), "s");
    rig_metric("one", median(one, rounds), "s");
    rig_metric("many", median(many, rounds), "s");
}

HARNESS_MAIN
