/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page goes bad while nobody uses it (SRAO, as a patrol scrubber reports it): the kernel
 * takes it from its owner, who hears of it at the next touch, or at once if it asked to; all
 * else goes on as before (Linux Documentation/mm/hwpoison.rst).
 *
 * The page's neighbours in physical memory belong to the test as well, so that an error that
 * goes astray by a page hits nobody else.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "errors.h"
#include "memory.h"

#define POOL_PAGES      ((size_t)2048)
#define POOL_BYTES      (POOL_PAGES * PAGE_BYTES)
#define POOL_SEED       UINT64_C(1000)
#define BYSTANDER_BYTES (16 * PAGE_BYTES)
#define BYSTANDER_SEED  UINT64_C(2000000)
/* After the page was lost: enough to get it back if it had been freed. */
#define AFTER_BYTES (64 * MIB)
#define AFTER_SEED  UINT64_C(3000000)

/* ---- Another process -------------------------------------------------------------------- */

struct bystander {
    pid_t pid;
    int fd;
};

/* Answers each byte with whether its memory is as it was. */
static void bystander_run(int fd)
{
    void *memory = memory_map(BYSTANDER_BYTES);
    char byte;

    memory_fill(memory, BYSTANDER_BYTES, BYSTANDER_SEED);
    while (read(fd, &byte, 1) == 1) {
        byte = memory_differs(memory, BYSTANDER_BYTES, BYSTANDER_SEED) == BYSTANDER_BYTES ? 'y'
                                                                                          : 'n';
        if (write(fd, &byte, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

static bool bystander_start(struct bystander *bystander)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return false;
    bystander->fd = fds[0];
    bystander->pid = fork();
    if (bystander->pid == 0) {
        close(fds[0]);
        bystander_run(fds[1]);
    }
    close(fds[1]);
    return bystander->pid > 0;
}

static bool bystander_is_well(const struct bystander *bystander)
{
    char byte = '?';

    return send(bystander->fd, &byte, 1, MSG_NOSIGNAL) == 1 &&
           read(bystander->fd, &byte, 1) == 1 && byte == 'y';
}

/* ---- The kernel lives ------------------------------------------------------------------- */

#define EXEC_MARK   "MMRIG_TEST_EXEC=1"
#define EXEC_STATUS 42

/* This program again, run by exec_works(): tells that it started, and is done. */
__attribute__((constructor)) static void exec_mark(void)
{
    if (getenv("MMRIG_TEST_EXEC"))
        _exit(EXEC_STATUS);
}

static bool exec_works(void)
{
    char *const argv[] = {(char *)"exec", NULL}, *const environment[] = {(char *)EXEC_MARK,
                                                                         NULL};
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        execve("/proc/self/exe", argv, environment);
        _exit(1);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == EXEC_STATUS;
}

/* Page frame number and presence, Linux Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_FRAME   ((UINT64_C(1) << 55) - 1)
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)

/* Whether all pages of memory are there, and none of them is the one at address. */
static bool is_made_without(const char *memory, size_t size, uint64_t address)
{
    enum { BATCH = 512 };
    uint64_t entries[BATCH];
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    size_t pages = size / PAGE_BYTES, first = (uintptr_t)memory / PAGE_BYTES, i = 0;

    for (; i < pages; i++) {
        if (i % BATCH == 0 &&
            pread(fd, entries, sizeof(entries), (off_t)((first + i) * sizeof(entries[0]))) !=
                sizeof(entries))
            break;
        uint64_t entry = entries[i % BATCH], frame = entry & PAGEMAP_FRAME;
        if (!(entry & PAGEMAP_PRESENT) || frame == 0 || frame == address / PAGE_BYTES)
            break;
    }
    close(fd);
    return i == pages;
}

/* Whether much memory can be had and used, and the bad page is not in it. */
static bool memory_works(uint64_t bad)
{
    char *memory = memory_map(AFTER_BYTES);

    memory_fill(memory, AFTER_BYTES, AFTER_SEED);
    bool works = is_made_without(memory, AFTER_BYTES, bad) &&
                 memory_differs(memory, AFTER_BYTES, AFTER_SEED) == AFTER_BYTES;
    return munmap(memory, AFTER_BYTES) == 0 && works;
}

/* ---- A page and its neighbours ---------------------------------------------------------- */

struct place {
    uint64_t address;
    char *page;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *left = a, *right = b;

    return left->address < right->address ? -1 : left->address > right->address;
}

/* A page of the pool whose neighbours in physical memory are of the pool too. */
static bool choose_victim(char *pool, struct place *victim)
{
    struct place *places = calloc(POOL_PAGES, sizeof(*places));
    size_t i;

    if (!places)
        return false;
    for (i = 0; i < POOL_PAGES; i++)
        places[i] =
            (struct place){physical_address(pool + i * PAGE_BYTES), pool + i * PAGE_BYTES};
    qsort(places, POOL_PAGES, sizeof(*places), compare_places);
    for (i = POOL_PAGES / 2; i + 1 < POOL_PAGES; i++)
        if (places[i - 1].address != 0 &&
            places[i].address == places[i - 1].address + PAGE_BYTES &&
            places[i + 1].address == places[i].address + PAGE_BYTES)
            break;
    bool found = i + 1 < POOL_PAGES;
    if (found)
        *victim = places[i];
    free(places);
    return found;
}

static uint64_t page_seed(const char *pool, const char *page)
{
    return POOL_SEED + (uint64_t)(page - pool);
}

/* Pages of the pool that are not as they were filled, but for the one that was lost. */
static size_t pages_harmed(const char *pool, const char *lost)
{
    size_t harmed = 0;

    for (const char *page = pool; page < pool + POOL_BYTES; page += PAGE_BYTES)
        if (page != lost &&
            memory_differs(page, PAGE_BYTES, page_seed(pool, page)) != PAGE_BYTES)
            harmed++;
    return harmed;
}

FIXTURE(page)
{
    struct bystander bystander;
    char *pool;
    struct place victim;
    uint64_t taken; /* pages, before */
    int log;
};

FIXTURE_VARIANT(page)
{
    unsigned cpu; /* which is told of the error */
    bool locked;
    bool early; /* the owner wants to know at once */
    const char *metric;
};

FIXTURE_VARIANT_ADD(page, cpu0){.metric = "recovery-cpu0"};
FIXTURE_VARIANT_ADD(page, cpu1){.cpu = 1, .metric = "recovery-cpu1"};
FIXTURE_VARIANT_ADD(page, locked){.locked = true, .metric = "recovery-locked"};
FIXTURE_VARIANT_ADD(page, early){.early = true, .metric = "recovery-early"};

FIXTURE_SETUP(page)
{
    if ((long)variant->cpu >= sysconf(_SC_NPROCESSORS_ONLN))
        SKIP("this machine has no CPU %u", variant->cpu);
    ASSERT_TRUE(bystander_start(&self->bystander));
    ASSERT_TRUE(bystander_is_well(&self->bystander));

    self->pool = memory_map(POOL_BYTES);
    for (char *page = self->pool; page < self->pool + POOL_BYTES; page += PAGE_BYTES)
        memory_fill(page, PAGE_BYTES, page_seed(self->pool, page));
    if (variant->locked)
        ASSERT_EQ(mlock(self->pool, POOL_BYTES), 0);
    ASSERT_TRUE(choose_victim(self->pool, &self->victim));
    ASSERT_FALSE(page_is_taken(self->victim.address));

    bus_errors_catch();
    ASSERT_EQ(prctl(PR_MCE_KILL, PR_MCE_KILL_SET,
                    variant->early ? PR_MCE_KILL_EARLY : PR_MCE_KILL_LATE, 0, 0),
              0);
    self->log = log_open();
    self->taken = pages_taken();
}

FIXTURE_TEARDOWN(page)
{
    close(self->log);
    if (self->pool)
        munmap(self->pool, POOL_BYTES);
    close(self->bystander.fd);
    waitpid(self->bystander.pid, NULL, 0);
}

TEST_F(page, is_taken_from_its_owner_alone)
{
    const uint64_t bad = self->victim.address;
    char *const page = self->victim.page;
    struct rig_reply reply;
    struct bus_error notice;
    double start = now_seconds();

    ASSERT_TRUE(rig_request(&reply, "mce-inject", "gpa=0x%llx kind=srao cpu=%u",
                            (unsigned long long)bad, variant->cpu));

    /* The kernel: counted, marked, and said to be recovered. */
    ASSERT_TRUE(wait_pages_taken(self->taken + 1));
    rig_metric(variant->metric, now_seconds() - start, "s");
    ASSERT_TRUE(page_is_taken(bad));
    ASSERT_TRUE(log_wait_page(self->log, bad, ": Recovered\n"));
    EXPECT_EQ(pages_taken(), self->taken + 1);
    EXPECT_FALSE(page_is_taken(bad - PAGE_BYTES));
    EXPECT_FALSE(page_is_taken(bad + PAGE_BYTES));

    /* Its owner: told at once only if it asked for that, ... */
    EXPECT_EQ(bus_notices(&notice), variant->early ? 1 : 0);
    if (variant->early) {
        EXPECT_EQ(notice.code, BUS_MCEERR_AO);
        EXPECT_EQ(notice.address, (void *)page);
        EXPECT_EQ(notice.lsb, 12);
    }
    /* ... and at each touch, wherever in the page. */
    for (size_t offset = 0; offset < PAGE_BYTES; offset += PAGE_BYTES - 1) {
        struct bus_error error = bus_error_at(page + offset);
        ASSERT_EQ(error.code, BUS_MCEERR_AR);
        EXPECT_EQ((uintptr_t)error.address / PAGE_BYTES, (uintptr_t)page / PAGE_BYTES);
        EXPECT_EQ(error.lsb, 12);
    }

    /* Everybody else. */
    EXPECT_EQ(pages_harmed(self->pool, page), 0);
    EXPECT_TRUE(bystander_is_well(&self->bystander));
    EXPECT_TRUE(exec_works());

    /* The page is never used again, and stays counted, when its owner has given it up. */
    EXPECT_EQ(munmap(self->pool, POOL_BYTES), 0);
    self->pool = NULL;
    EXPECT_TRUE(memory_works(bad));
    EXPECT_TRUE(page_is_taken(bad));
    EXPECT_EQ(pages_taken(), self->taken + 1);
}

HARNESS_MAIN
