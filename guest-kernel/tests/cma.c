/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cma.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

/* mm/cma_debug.c; "reserved" is the default area's name (kernel/dma/contiguous.c). */
#define CMA_FOLDER "/sys/kernel/debug/cma/reserved"

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_PFN     ((UINT64_C(1) << 55) - 1)

#define PER_HUGE (2 * MIB / PAGE_BYTES)

bool cma_exists(void)
{
    return meminfo_kb("CmaTotal") > 0;
}

uint64_t cma_free_bytes(void)
{
    return meminfo_kb("CmaFree") * 1024;
}

/*
 * Where the kernel said at its start that it put the area. Without CMA_DEBUGFS, as in Debian's
 * kernels, it says so nowhere else.
 */
static bool cma_area_logged(struct cma_area *area)
{
    static char text[1 << 20];
    static const char words[] = "cma: Reserved ";
    int size = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text) - 1);
    char *line = size > 0 ? strstr(text, words) : NULL, *end;

    if (!line)
        return false;
    area->size = strtoull(line + strlen(words), &end, 10) * MIB;
    if (strncmp(end, " MiB at 0x", 10) != 0)
        return false;
    area->start = strtoull(end + strlen(" MiB at "), NULL, 16);
    /* The area is the only one, so that all that is counted as CMA is in it. */
    return area->size > 0 && area->size == meminfo_kb("CmaTotal") * 1024;
}

struct cma_area cma_area(void)
{
    struct cma_area area;

    if (access(CMA_FOLDER, F_OK) == 0)
        return (struct cma_area){
            .start = file_u64(CMA_FOLDER "/base_pfn") * PAGE_BYTES,
            .size = file_u64(CMA_FOLDER "/count") * PAGE_BYTES,
        };
    if (!cma_area_logged(&area))
        ABORT("there is no contiguous memory area (neither %s nor a line in the kernel's log); "
              "is cma= on the command line?",
              CMA_FOLDER);
    return area;
}

void cpu_lists_keep_short(void)
{
    if (!file_write("/proc/sys/vm/percpu_pagelist_high_fraction", "10000"))
        ABORT("cannot have a CPU's lists of free pages kept short: %s", strerror(errno));
}

void pages_locate(const void *memory, size_t count, uint64_t *addresses)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    size_t bytes = count * sizeof(*addresses), got = 0;
    off_t offset = (off_t)((uintptr_t)memory / PAGE_BYTES * sizeof(*addresses));

    while (fd >= 0 && got < bytes) {
        ssize_t part = pread(fd, (char *)addresses + got, bytes - got, offset + (off_t)got);
        if (part <= 0)
            break;
        got += (size_t)part;
    }
    if (got < bytes)
        ABORT("cannot read /proc/self/pagemap: %s", strerror(errno));
    close(fd);
    for (size_t i = 0; i < count; i++)
        addresses[i] =
            addresses[i] & PAGEMAP_PRESENT ? (addresses[i] & PAGEMAP_PFN) * PAGE_BYTES : 0;
}

static bool is_inside(const struct cma_area *area, uint64_t address)
{
    return address >= area->start && address - area->start < area->size;
}

size_t pages_inside(const struct cma_area *area, const uint64_t *addresses, size_t count)
{
    size_t inside = 0;

    for (size_t i = 0; i < count; i++)
        inside += is_inside(area, addresses[i]);
    return inside;
}

/* ---- Filling -------------------------------------------------------------------------- */

/* Below the last of its watermarks, which are multiples of the least, the kernel reclaims. */
size_t memory_left_over(void)
{
    return 24 * MIB + 4 * file_u64("/proc/sys/vm/min_free_kbytes") * 1024;
}

static void prepare(struct filling *filling, size_t size)
{
    filling->pages = size / PAGE_BYTES;
    filling->seed = 0x5eed;
    filling->addresses = calloc(filling->pages, sizeof(*filling->addresses));
    if (!filling->addresses)
        ABORT("no memory for a list of %zu pages", filling->pages);
}

static void give_back(struct filling *filling, size_t first, size_t count)
{
    char *start = filling->memory + first * PAGE_BYTES;

    /* A file's pages stay in the cache unless the file forgets them, too. */
    if (madvise(start, count * PAGE_BYTES, MADV_DONTNEED) != 0 ||
        (filling->fd >= 0 &&
         posix_fadvise(filling->fd, (off_t)(first * PAGE_BYTES), (off_t)(count * PAGE_BYTES),
                       POSIX_FADV_DONTNEED) != 0))
        ABORT("cannot give back memory: %s", strerror(errno));
    memset(filling->addresses + first, 0, count * sizeof(*filling->addresses));
}

/* Gives back pages outside the area, by so many at a time, until spare bytes are free there. */
static void make_room(struct filling *filling, const struct cma_area *area, size_t spare,
                      size_t step)
{
    pages_locate(filling->memory, filling->pages, filling->addresses);
    for (size_t i = 0; i + step <= filling->pages; i += step) {
        if (i % 1024 == 0 && (meminfo_kb("MemFree") - meminfo_kb("CmaFree")) * 1024 >= spare)
            break;
        if (filling->addresses[i] && !is_inside(area, filling->addresses[i]))
            give_back(filling, i, step);
    }
    filling->inside = pages_inside(area, filling->addresses, filling->pages);
    DIAG("%zu of %zu pages of the area are filled; %llu kB free in it, %llu kB elsewhere",
         filling->inside, (size_t)(area->size / PAGE_BYTES),
         (unsigned long long)meminfo_kb("CmaFree"),
         (unsigned long long)(meminfo_kb("MemFree") - meminfo_kb("CmaFree")));
}

void filling_anonymous(struct filling *filling, const struct cma_area *area, bool huge,
                       size_t spare)
{
    size_t size = (meminfo_kb("MemFree") * 1024 - memory_left_over()) / (2 * MIB) * (2 * MIB);

    *filling = (struct filling){.fd = -1};
    prepare(filling, size);
    /* Aligned, so that huge pages fit. */
    char *memory = memory_map(size + 2 * MIB);
    filling->memory = memory + (-(uintptr_t)memory & (2 * MIB - 1));
    if (huge && madvise(filling->memory, size, MADV_HUGEPAGE) != 0)
        ABORT("the kernel has no transparent huge pages: %s", strerror(errno));
    memory_fill(filling->memory, size, filling->seed);
    make_room(filling, area, spare, huge ? PER_HUGE : 1);
}

void filling_file(struct filling *filling, const struct cma_area *area, const char *folder,
                  size_t spare)
{
    /* Beyond the list of pages and the table that maps them, the file's cache is all. */
    size_t size = (meminfo_kb("MemFree") * 1024 - 2 * memory_left_over()) / MIB * MIB;
    char path[256];

    *filling = (struct filling){0};
    prepare(filling, size);
    snprintf(path, sizeof(path), "%s/filling", folder);
    filling->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (filling->fd < 0 || ftruncate(filling->fd, (off_t)size) != 0)
        ABORT("cannot make %s of %zu bytes: %s", path, size, strerror(errno));
    filling->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, filling->fd, 0);
    if (filling->memory == MAP_FAILED)
        ABORT("cannot map %s: %s", path, strerror(errno));
    memory_fill(filling->memory, size, filling->seed);
    /* Clean pages, as a program's files are; dirty ones are another scenario's. */
    if (msync(filling->memory, size, MS_SYNC) != 0 || fsync(filling->fd) != 0)
        ABORT("cannot write %s: %s", path, strerror(errno));
    make_room(filling, area, spare, 1);
}

size_t filling_moved(const struct filling *filling, size_t *dropped)
{
    uint64_t *now = calloc(filling->pages, sizeof(*now));
    size_t moved = 0;

    if (!now)
        ABORT("no memory for a list of %zu pages", filling->pages);
    pages_locate(filling->memory, filling->pages, now);
    *dropped = 0;
    for (size_t i = 0; i < filling->pages; i++) {
        *dropped += filling->addresses[i] && !now[i];
        moved += filling->addresses[i] && now[i] && now[i] != filling->addresses[i];
    }
    free(now);
    return moved;
}

bool filling_intact(const struct filling *filling)
{
    for (size_t i = 0; i < filling->pages; i++) {
        /* The words of a page carry on from those of the page before. */
        const char *page = filling->memory + i * PAGE_BYTES;
        uint64_t seed = filling->seed + i * (PAGE_BYTES / sizeof(uint64_t));
        size_t differs;

        if (!filling->addresses[i])
            continue;
        differs = memory_differs(page, PAGE_BYTES, seed);
        if (differs < PAGE_BYTES) {
            DIAG("page %zu of %zu has changed at byte %zu", i, filling->pages, differs);
            return false;
        }
    }
    return true;
}

void filling_free(struct filling *filling)
{
    if (filling->memory)
        munmap(filling->memory, filling->pages * PAGE_BYTES);
    if (filling->fd >= 0)
        close(filling->fd);
    free(filling->addresses);
    *filling = (struct filling){.fd = -1};
}

size_t filling_run(const struct filling *filling, const struct cma_area *area, bool inside,
                   size_t most, size_t *first)
{
    const uint64_t *addresses = filling->addresses;
    size_t count = 0;

    while (*first < filling->pages &&
           (!addresses[*first] || is_inside(area, addresses[*first]) != inside))
        (*first)++;
    while (count < most && *first + count < filling->pages && addresses[*first + count] &&
           is_inside(area, addresses[*first + count]) == inside)
        count++;
    return count;
}

int pin_long(const struct iovec *ranges, unsigned count)
{
    struct io_uring_params parameters = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 1, &parameters);

    if (ring < 0)
        return -1;
    if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, ranges, count) == 0)
        return ring;
    int cause = errno;
    close(ring);
    errno = cause;
    return -1;
}
