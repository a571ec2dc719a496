/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An unimportant load takes all mirrored memory by what the kernel allocates for it: page
 * tables, pipes, directory entries. Measured is how far it comes, how it ends, and how much
 * memory is free all the while that the kernel may not use. Linux had the same with high memory
 * on 32 bits.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "firmware.h"
#include "harness.h"

#define NODES     8
#define HUGE      (2ull << 20)
#define ROOM      (1ull << 42) /* of addresses: more tables than there is memory */
#define FILES_MAX 1000000

/* Between parent and child. */
struct progress {
    uint64_t steps;
    uint64_t free_movable;  /* bytes, at the last look */
    uint64_t kernel_bytes;  /* taken from the other zones since the start, at the last look */
    uint64_t kernel_before; /* free there at the start */
};

static struct progress *progress;

static uint64_t zone_free(bool movable)
{
    static const char *const kernel_zones[] = {"DMA", "DMA32", "Normal"};
    uint64_t pages = 0;

    for (unsigned node = 0; node < NODES; node++) {
        if (movable)
            pages += zone_read(node, "Movable").free;
        for (size_t i = 0; !movable && i < 3; i++)
            pages += zone_read(node, kernel_zones[i]).free;
    }
    return pages * PAGE_BYTES;
}

/* Now and then: reading /proc/zoneinfo costs more than a step. */
static void step(void)
{
    if (progress->steps++ % 256 != 0)
        return;
    uint64_t kernel = zone_free(false);
    progress->free_movable = zone_free(true);
    progress->kernel_bytes =
        progress->kernel_before > kernel ? progress->kernel_before - kernel : 0;
}

static void take_tables(void)
{
    char *at = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED || madvise(at, ROOM, MADV_NOHUGEPAGE) != 0)
        _exit(errno);
    for (uint64_t i = 0; i < ROOM; i += HUGE) {
        /* Reading maps the page of zeroes: a table, and no memory of the program's. */
        (void)*(volatile char *)(at + i);
        step();
    }
}

static void take_pipes(void)
{
    static char data[16 * PAGE_BYTES];
    const struct rlimit many = {1 << 20, 1 << 20};

    if (setrlimit(RLIMIT_NOFILE, &many) != 0)
        _exit(errno);
    for (;;) {
        int ends[2];
        if (pipe2(ends, O_NONBLOCK) != 0 || write(ends[1], data, sizeof(data)) < 0)
            _exit(errno);
        step();
    }
}

static void take_entries(void)
{
    char path[64];

    /* Mounted for this process alone, so that its end gives the memory back. */
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("load", "/mnt", "tmpfs", 0, "nr_inodes=0") != 0)
        _exit(errno);
    for (unsigned i = 0; i < FILES_MAX; i++) {
        snprintf(path, sizeof(path), "/mnt/an-empty-file-with-a-name-of-its-own-%u", i);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            _exit(errno);
        close(fd);
        step();
    }
}

static void exhaust(const char *what, void (*take)(void))
{
    char name[48];
    int status;

    progress =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(progress, MAP_FAILED);
    uint64_t movable = zone_free(true);
    progress->kernel_before = zone_free(false);
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        /* If somebody is to be killed, it is the culprit. */
        if (!file_write("/proc/self/oom_score_adj", "1000"))
            _exit(255);
        take();
        _exit(0);
    }
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        DIAG("%s: killed by signal %d after %" PRIu64 " steps", what, WTERMSIG(status),
             progress->steps);
    else
        DIAG("%s: ended with %s after %" PRIu64 " steps", what,
             WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : "success", progress->steps);
    DIAG("%s: the kernel had %" PRIu64 " MiB free and gave %" PRIu64
         " MiB; movable memory: %" PRIu64 " MiB free at first, %" PRIu64 " MiB at the end",
         what, progress->kernel_before >> 20, progress->kernel_bytes >> 20, movable >> 20,
         progress->free_movable >> 20);
    snprintf(name, sizeof(name), "%s-kernel-memory", what);
    rig_metric(name, (double)progress->kernel_bytes, "B");
    snprintf(name, sizeof(name), "%s-free-movable", what);
    rig_metric(name, (double)progress->free_movable, "B");

    /* It ended for want of memory, and not by itself or by something else. */
    EXPECT_TRUE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
                (WIFEXITED(status) && WEXITSTATUS(status) == ENOMEM));
    EXPECT_GE(progress->kernel_bytes, progress->kernel_before / 2);
    /* The kernel could not use what was free. */
    EXPECT_GT(movable, 0);
    EXPECT_GE(progress->free_movable, movable / 10 * 9);
    if (WIFSIGNALED(status))
        EXPECT_TRUE(kernel_said("Out of memory: Killed process", NULL, 0));
}

TEST(page_tables)
{
    exhaust("tables", take_tables);
}

TEST(pipes)
{
    exhaust("pipes", take_pipes);
}

TEST(directory_entries)
{
    exhaust("entries", take_entries);
}

HARNESS_MAIN
