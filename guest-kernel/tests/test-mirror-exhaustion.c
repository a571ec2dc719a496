/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An unimportant load takes all mirrored memory by what the kernel allocates for it: page
 * tables, pipes, directory entries. Measured is how far it comes, how it ends, and how much
 * memory is free all the while that the kernel may not use, and whom the OOM killer takes for
 * the culprit: it goes by what processes have, wherever that is. Linux had the same with high
 * memory on 32 bits.
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "firmware.h"
#include "harness.h"

#define HUGE      (2ull << 20)
#define ROOM      (1ull << 42) /* of addresses: more tables than there is memory */
#define FILES_MAX 1000000

/* They have memory of programs, mind their own business, and would free nothing of use. */
#define BYSTANDERS      3
#define BYSTANDER_BYTES (48ull << 20)

/* Between parent and child. */
struct progress {
    uint64_t steps;
    uint64_t free_movable;  /* bytes, at the last look */
    uint64_t kernel_bytes;  /* taken from the other zones since the start, at the last look */
    uint64_t kernel_before; /* free there at the start */
};

static volatile struct progress *progress;

/* What is free now, in bytes. */
static void look(uint64_t *movable, uint64_t *kernel)
{
    zones_free(movable, kernel);
    *movable *= PAGE_BYTES;
    *kernel *= PAGE_BYTES;
}

/*
 * Now and then, every some MiB: a look costs more than a step. The process is killed at any
 * moment, so that each figure is written at once, when it is whole.
 */
static void step(unsigned steps_per_look)
{
    uint64_t movable, kernel;

    if (progress->steps++ % steps_per_look != 0)
        return;
    look(&movable, &kernel);
    progress->free_movable = movable;
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
        step(512);
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
        step(32);
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
        if (mknod(path, S_IFREG | 0600, 0) != 0)
            _exit(errno);
        step(2048);
    }
}

static pid_t bystander_start(void)
{
    int ends[2];
    char word;

    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        char *at = mmap(NULL, BYSTANDER_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (!file_write("/proc/self/oom_score_adj", "0") || at == MAP_FAILED)
            _exit(1);
        memset(at, 1, BYSTANDER_BYTES);
        if (write(ends[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    ASSERT_EQ(read(ends[0], &word, 1), 1);
    close(ends[0]);
    return child;
}

/* How many the OOM killer took; ends the others. */
static unsigned bystanders_end(const pid_t *bystanders)
{
    unsigned killed = 0;
    int status;

    for (size_t i = 0; i < BYSTANDERS; i++) {
        pid_t dead = waitpid(bystanders[i], &status, WNOHANG);
        killed += dead == bystanders[i] && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (dead == 0) {
            kill(bystanders[i], SIGKILL);
            waitpid(bystanders[i], &status, 0);
        }
    }
    return killed;
}

static void tell(const char *what, int status, uint64_t movable, unsigned killed)
{
    char name[48];

    if (WIFSIGNALED(status))
        DIAG("%s: killed by signal %d after %" PRIu64 " steps", what, WTERMSIG(status),
             progress->steps);
    else
        DIAG("%s: ended with %s after %" PRIu64 " steps", what,
             WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : "success", progress->steps);
    DIAG("%s: the kernel had %" PRIu64 " MiB free and gave %" PRIu64
         " MiB; movable memory: %" PRIu64 " MiB free at first, %" PRIu64
         " MiB at the end; %u of %u bystanders killed",
         what, progress->kernel_before >> 20, progress->kernel_bytes >> 20, movable >> 20,
         progress->free_movable >> 20, killed, BYSTANDERS);
    snprintf(name, sizeof(name), "%s-kernel-memory", what);
    rig_metric(name, (double)progress->kernel_bytes, "B");
    snprintf(name, sizeof(name), "%s-free-movable", what);
    rig_metric(name, (double)progress->free_movable, "B");
    snprintf(name, sizeof(name), "%s-bystanders-killed", what);
    rig_metric(name, killed, "processes");
}

static void exhaust(const char *what, void (*take)(void))
{
    pid_t bystanders[BYSTANDERS];
    char parent[48];
    int status;

    progress =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(progress, MAP_FAILED);
    /* Who judges is not to be killed: this process, and the one that waits for it. */
    snprintf(parent, sizeof(parent), "/proc/%d/oom_score_adj", (int)getppid());
    ASSERT_TRUE(file_write("/proc/self/oom_score_adj", "-1000"));
    ASSERT_TRUE(file_write(parent, "-1000"));
    for (size_t i = 0; i < BYSTANDERS; i++)
        bystanders[i] = bystander_start();
    uint64_t movable, kernel;
    look(&movable, &kernel);
    progress->kernel_before = kernel;
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (!file_write("/proc/self/oom_score_adj", "0"))
            _exit(255);
        take();
        _exit(0);
    }
    ASSERT_EQ(waitpid(child, &status, 0), child);
    tell(what, status, movable, bystanders_end(bystanders));

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
