/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of the contiguous area do movable allocations use before the kernel begins to
 * reclaim? What there is to reclaim is a disk's cache. Memory is taken step by step, and free
 * memory in and outside the area is drawn at each fourth.
 *
 * Arguments: memory=anonymous|pipes (pipe buffers cannot be moved, so they stay outside),
 * least=N per cent of the area that must be in use by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cma.h"
#include "harness.h"
#include "memory.h"

#define DISK      "/dev/vda"
#define CACHE     (48 * MIB)
#define STEP      (4 * MIB)
#define STEPS_MAX 512
#define COLUMNS   48

/* A pipe of 1 MiB, filled; the pages are the kernel's own. */
static void fill_pipe(void)
{
    static char bytes[MIB];
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0 || fcntl(ends[1], F_SETPIPE_SZ, MIB) < 0 ||
        write(ends[1], bytes, sizeof(bytes)) < 0)
        ABORT("cannot fill a pipe: %s", strerror(errno));
}

static void take_step(bool pipes)
{
    if (pipes)
        for (size_t i = 0; i < STEP / MIB; i++)
            fill_pipe();
    else
        memory_fill(memory_map(STEP), STEP, 1);
}

/* Reads from the disk, so that there is something to reclaim while the result is open. */
static int fill_cache(void)
{
    int fd = open(DISK, O_RDONLY | O_CLOEXEC);
    static char bytes[MIB];

    if (fd < 0)
        ABORT("cannot open %s: %s", DISK, strerror(errno));
    for (size_t got = 0; got < CACHE; got += sizeof(bytes))
        if (read(fd, bytes, sizeof(bytes)) != sizeof(bytes))
            ABORT("cannot read %s: %s", DISK, strerror(errno));
    return fd;
}

static uint64_t reclaim_scans(void)
{
    return vmstat("pgscan_kswapd") + vmstat("pgscan_direct");
}

/* A line of the plot: '#' free in the area, '.' free elsewhere. */
static void draw(size_t taken, uint64_t in_area, uint64_t free_kb, uint64_t total_kb)
{
    char bar[COLUMNS + 1];
    size_t area = (size_t)(in_area * COLUMNS / total_kb);
    size_t all = (size_t)(free_kb * COLUMNS / total_kb);

    memset(bar, ' ', COLUMNS);
    memset(bar, '.', all);
    memset(bar, '#', area < all ? area : all);
    bar[COLUMNS] = '\0';
    DIAG("%4zu MiB taken |%s| %6llu kB free, %6llu kB in the area", taken / MIB, bar,
         (unsigned long long)free_kb, (unsigned long long)in_area);
}

/* The same for the report's own picture. */
static void report(size_t taken, uint64_t in_area, uint64_t free_kb)
{
    double x = (double)taken / MIB;

    rig_point("free-in-all", x, "MiB-taken", (double)free_kb / 1024, "MiB");
    rig_point("free-in-the-area", x, "MiB-taken", (double)in_area / 1024, "MiB");
}

TEST(the_area_is_used_before_reclaim_begins)
{
    const char *memory = test_arg("memory") ? test_arg("memory") : "anonymous";
    bool pipes = strcmp(memory, "pipes") == 0;
    int disk = fill_cache();
    uint64_t total_kb = meminfo_kb("MemFree"), area_kb = meminfo_kb("CmaTotal");
    uint64_t scans = reclaim_scans(), used = 0;
    size_t steps = 0;

    ASSERT_GT(area_kb, 0);
    while (steps < STEPS_MAX && reclaim_scans() == scans) {
        uint64_t in_area = meminfo_kb("CmaFree"), free_kb = meminfo_kb("MemFree");

        used = area_kb - in_area;
        report(steps * STEP, in_area, free_kb);
        if (steps % 4 == 0)
            draw(steps * STEP, in_area, free_kb, total_kb);
        take_step(pipes);
        steps++;
    }
    draw(steps * STEP, meminfo_kb("CmaFree"), meminfo_kb("MemFree"), total_kb);
    report(steps * STEP, meminfo_kb("CmaFree"), meminfo_kb("MemFree"));
    ASSERT_LT(steps, STEPS_MAX);
    close(disk);
    rig_metric("area", (double)area_kb / 1024, "MiB");
    rig_metric("area-used-at-reclaim", 100.0 * (double)used / (double)area_kb, "%");
    rig_metric("taken-at-reclaim", (double)(steps * STEP) / MIB, "MiB");
    rig_metric("free-at-reclaim", (double)meminfo_kb("MemFree") / 1024, "MiB");
    EXPECT_GE(used * 100, area_kb * test_arg_u64("least", 50));
}

HARNESS_MAIN
