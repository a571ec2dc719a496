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
#define BUFFER     (64 * MIB)
#define ROUNDS_MAX ((size_t)64)

static char *pool, *buffer;

/* The pool is of huge pages, in each of which so many small ones go bad. */
#define HUGE      (2 * MIB)
#define HUGE_BAD  ((size_t)500)
#define HUGE_MANY (MANY / HUGE_BAD)

static uint64_t pool_address(size_t huge)
{
    uint64_t physical = physical_address(pool + huge * HUGE);

    if (physical == 0)
        ABORT("a page of the test is not there");
    return physical;
}

/* Makes so many pages bad, and no others: none, one, or MANY. */
static void spoil(size_t pages)
{
    for (size_t i = 0; i < HUGE_MANY; i++)
        poison_clear(pool_address(i), HUGE);
    if (pages == 1)
        poison_lay(pool_address(0), GRANULE);
    for (size_t i = 0; pages == MANY && i < HUGE_MANY; i++)
        poison_lay(pool_address(i), HUGE_BAD * PAGE_BYTES);
    ASSERT_EQ(poison_count("pages"), pages);
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
    static const size_t pages[] = {0, 1, MANY};
    static const char *const names[] = {"none", "one", "many"};
    enum { KINDS = sizeof(pages) / sizeof(pages[0]) };
    double seconds[KINDS][ROUNDS_MAX];
    size_t rounds = (size_t)test_arg_u64("rounds", 15);

    ASSERT_GE(rounds, 1);
    ASSERT_LE(rounds, ROUNDS_MAX);
    ASSERT_TRUE(file_write("/proc/sys/vm/nr_hugepages", "2"));
    pool = mmap(NULL, HUGE_MANY * HUGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    ASSERT_NE(pool, MAP_FAILED);
    memory_fill(pool, HUGE_MANY * HUGE, SEED);
    buffer = memory_map(BUFFER);
    memory_fill(buffer, BUFFER, SEED);
    (void)go_through();
    for (size_t round = 0; round < rounds; round++) {
        /* Each of them is first, second and third as often. */
        for (size_t i = 0; i < KINDS; i++) {
            size_t kind = (round + i) % KINDS;
            spoil(pages[kind]);
            seconds[kind][round] = go_through();
        }
    }
    spoil(0);
    EXPECT_EQ(poison_count("consumed-loads"), 0);
    for (size_t kind = 0; kind < KINDS; kind++)
        rig_metric(names[kind], median(seconds[kind], rounds), "s");
}

HARNESS_MAIN
