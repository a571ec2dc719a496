/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contiguous memory allocator's area, what lies in it, and what filled it. */
#ifndef MMRIG_TEST_CMA_H
#define MMRIG_TEST_CMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct cma_area {
    uint64_t start, size; /* physical, bytes */
};

/* The default area (cma=SIZE); aborts if there is none. */
struct cma_area cma_area(void);
uint64_t cma_free_bytes(void);
/* What must be free for the kernel and a program to go on while all else is filled. */
size_t memory_left_over(void);
/* Whether the kernel has an area at all. */
bool cma_exists(void);

/* Physical addresses of each page of a range; 0 for one that is not there. */
void pages_locate(const void *memory, size_t count, uint64_t *addresses);
/* How many of the pages lie in the area. */
size_t pages_inside(const struct cma_area *area, const uint64_t *addresses, size_t count);

/*
 * Memory that fills the area. Pages come from anywhere, so nearly all memory is filled and
 * pages outside the area are given back until so many bytes are free outside.
 */
struct filling {
    char *memory;
    size_t pages;
    uint64_t *addresses; /* where they were when the filling was done; 0: given back */
    size_t inside;       /* so many of them in the area */
    uint64_t seed;
    int fd; /* the file that is behind it, or -1 */
};

/* Of anonymous memory; huge: advised to come in huge pages. */
void filling_anonymous(struct filling *filling, const struct cma_area *area, bool huge,
                       size_t spare);
/* Of a file's page cache, on the file system at folder. */
void filling_file(struct filling *filling, const struct cma_area *area, const char *folder,
                  size_t spare);
/* How many pages are somewhere else now, and how many are no longer in memory. */
size_t filling_moved(const struct filling *filling, size_t *dropped);
/* Whether all that was written is still there. */
bool filling_intact(const struct filling *filling);
void filling_free(struct filling *filling);

/*
 * The next run of pages, from page *first on, that are all inside the area (or all outside), at
 * most so many; returns how many, 0 at the end, and puts the run's start into *first.
 */
size_t filling_run(const struct filling *filling, const struct cma_area *area, bool inside,
                   size_t most, size_t *first);

/*
 * Pins memory for long, as fixed buffers of io_uring. Returns a descriptor whose closing
 * unpins it, or -1 with errno.
 */
int pin_long(const struct iovec *ranges, unsigned count);

/*
 * Each CPU has lists of free pages of its own, of up to an eighth of all memory since Linux 6.7
 * (mm/page_alloc.c, zone_set_pageset_high_and_batch): they count as free nowhere, are given out
 * before the area is thought of, and hold a page of an otherwise free block for as long as one
 * cares to wait. This keeps them to a mebibyte; what they hold already goes as it is used.
 */
void cpu_lists_keep_short(void);

#endif
