/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the register fuzzers have in common: how long, from which seed, and what is picked. The
 * seed is printed; MMRIG_FUZZ_SEED repeats it. MMRIG_FUZZ_SECONDS says how long.
 */
#ifndef MMRIG_QTEST_FUZZ_H
#define MMRIG_QTEST_FUZZ_H

#include <stdlib.h>

#include "qtest.h"

#define PICK(array) ((array)[g_test_rand_int_range(0, G_N_ELEMENTS(array))])

static inline uint64_t any_64(void)
{
    return (uint64_t)(uint32_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

/* One of so many times. */
static inline gboolean one_in(int count)
{
    return g_test_rand_int_range(0, count) == 0;
}

/* When to stop, on the monotonic clock. */
static inline gint64 fuzz_end(void)
{
    const char *seconds = g_getenv("MMRIG_FUZZ_SECONDS");

    return g_get_monotonic_time() +
           (seconds ? atoll(seconds) : MMRIG_TEST_FUZZ_SECONDS) * (gint64)G_USEC_PER_SEC;
}

/* The whole of a fuzzer's main(). */
static inline int fuzz_main(char *program, const char *path, GTestFunc function)
{
    const char *seed = g_getenv("MMRIG_FUZZ_SEED");
    g_autofree char *option = NULL;
    char *with_seed[] = {program, (char *)"--seed", NULL, NULL};
    char **arguments = with_seed;
    int count = 3;

    /* GLib wants 32 hex digits after R02S; it prints them as "random seed". */
    option = seed ? g_strdup(seed)
                  : g_strdup_printf("R02S%08x%08x%08x%08x", g_random_int(), g_random_int(),
                                    g_random_int(), g_random_int());
    with_seed[2] = option;
    qtest_begin(&count, &arguments);
    g_test_add_func(path, function);
    return g_test_run();
}

#endif
