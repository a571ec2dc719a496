/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that tests fill and look at again: a pattern in which no two words are the same, so
 * that a page that is lost, zeroed or mixed up with another one shows. One word is written in
 * each cache line: under emulation, writing all would be most of a test's time.
 */
#ifndef MMRIG_TEST_MEMORY_H
#define MMRIG_TEST_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "harness.h"

#define PAGE_BYTES ((size_t)4096)
#define MIB        ((size_t)1 << 20)

/* Words in a cache line. */
#define MEMORY_STRIDE ((size_t)8)

/* Anonymous memory in small pages; aborts if there is none to be had. */
static inline void *memory_map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        ABORT("cannot map %zu bytes: %s", size, strerror(errno));
    /* A kernel without huge pages does not know the advice, and does not need it. */
    (void)madvise(memory, size, MADV_NOHUGEPAGE);
    return memory;
}

/* The word at this place: odd multipliers, so different places give different words. */
static inline uint64_t memory_word(uint64_t seed, size_t place)
{
    return (seed + place + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline void memory_fill(void *memory, size_t size, uint64_t seed)
{
    uint64_t *words = memory;

    for (size_t i = 0; i < size / sizeof(*words); i += MEMORY_STRIDE)
        words[i] = memory_word(seed, i);
}

/* The offset of the first word that is not as filled, or size if all are. */
static inline size_t memory_differs(const void *memory, size_t size, uint64_t seed)
{
    const volatile uint64_t *words = memory;

    for (size_t i = 0; i < size / sizeof(*words); i += MEMORY_STRIDE)
        if (words[i] != memory_word(seed, i))
            return i * sizeof(*words);
    return size;
}

/*
 * Gets pages for untouched memory, and says whether they came and are zero. (To only read them
 * would show the kernel's one zero page again and again.)
 */
static inline bool memory_comes_zeroed(void *memory, size_t size)
{
    const volatile uint64_t *words = memory;

    if (madvise(memory, size, MADV_POPULATE_WRITE) != 0)
        return false;
    for (size_t i = 0; i < size / sizeof(*words); i += MEMORY_STRIDE)
        if (words[i] != 0)
            return false;
    return true;
}

#endif
