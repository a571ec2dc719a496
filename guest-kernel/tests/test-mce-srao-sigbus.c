/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page goes bad while nobody uses it (SRAO, as a patrol scrubber reports it): the kernel
 * takes it from its owner, who hears of it at the next touch, or at once if it asked to; all
 * else goes on as before (Linux Documentation/mm/hwpoison.rst).
 *
 * The page's neighbours in physical memory belong to the test as well, so that an error that
 * goes astray by a page hits nobody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

#define POOL_PAGES      ((size_t)2048)
#define POOL_BYTES      (POOL_PAGES * PAGE_BYTES)
#define POOL_SEED       UINT64_C(1000)
#define BYSTANDER_BYTES (16 * PAGE_BYTES)
#define BYSTANDER_SEED  UINT64_C(2000000)
/* After the page was lost: enough to get it back if it had been freed. */
#define AFTER_BYTES (64 * MIB)
#define AFTER_SEED  UINT64_C(3000000)
/* Recovery is a matter of milliseconds; a machine that is short of CPU may take longer. */
#define RECOVERY_SECONDS 5.0

/* ---- SIGBUS ----------------------------------------------------------------------------- */

struct bus_error {
    int code; /* 0: none came */
    void *address;
    int lsb; /* least significant bit of the address that is meant */
};

static sigjmp_buf after_touch;
static volatile sig_atomic_t touching, notices;
static struct bus_error consumed, notice;

/* "Action required" interrupts a touch; "action optional" comes at any time. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    struct bus_error error = {info->si_code, info->si_addr, info->si_addr_lsb};

    (void)number;
    (void)context;
    if (info->si_code == BUS_MCEERR_AO) {
        notice = error;
        notices = notices + 1;
        return;
    }
    if (!touching)
        _exit(128 + SIGBUS);
    consumed = error;
    siglongjmp(after_touch, 1);
}

/* Reads a byte; what came of it. */
static struct bus_error touch(const void *address)
{
    consumed = (struct bus_error){0};
    touching = 1;
    if (sigsetjmp(after_touch, 1) == 0)
        (void)*(const volatile char *)address;
    touching = 0;
    return consumed;
}

/* ---- What the kernel says --------------------------------------------------------------- */

static bool is_poisoned(uint64_t address)
{
    uint64_t flags = 0;
    int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
    ssize_t got =
        pread(fd, &flags, sizeof(flags), (off_t)(address / PAGE_BYTES * sizeof(flags)));

    close(fd);
    return got == sizeof(flags) && (flags >> KPF_HWPOISON & 1) != 0;
}

static bool corrupted_reached(void *data)
{
    return meminfo_kb("HardwareCorrupted") >= *(const uint64_t *)data;
}

struct log_watch {
    int fd;
    uint64_t address;
    char line[512]; /* the last that was about the page */
};

/* Whether the kernel's log says that the page was recovered: mm/memory-failure.c. */
static bool log_says_recovered(void *data)
{
    struct log_watch *watch = data;
    char record[8192], about[64];
    ssize_t got;

    snprintf(about, sizeof(about),
             "Memory failure: 0x%llx: ", (unsigned long long)(watch->address / PAGE_BYTES));
    /* EPIPE: records were overwritten before they were read; the next read goes on. */
    while ((got = read(watch->fd, record, sizeof(record) - 1)) > 0 ||
           (got < 0 && errno == EPIPE)) {
        record[got > 0 ? got : 0] = '\0';
        char *text = strstr(record, about);
        if (!text)
            continue;
        text[strcspn(text, "\n")] = '\0';
        snprintf(watch->line, sizeof(watch->line), "%s", text);
        size_t length = strlen(watch->line);
        if (length >= strlen(": Recovered") &&
            strcmp(watch->line + length - strlen(": Recovered"), ": Recovered") == 0)
            return true;
    }
    return false;
}

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
    uint64_t corrupted_kb; /* before */
    struct log_watch log;
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
    struct sigaction action = {.sa_sigaction = on_bus_error,
                               .sa_flags = SA_SIGINFO | SA_RESTART};

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
    ASSERT_FALSE(is_poisoned(self->victim.address));

    ASSERT_EQ(sigaction(SIGBUS, &action, NULL), 0);
    ASSERT_EQ(prctl(PR_MCE_KILL, PR_MCE_KILL_SET,
                    variant->early ? PR_MCE_KILL_EARLY : PR_MCE_KILL_LATE, 0, 0),
              0);
    self->log.address = self->victim.address;
    self->log.fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(self->log.fd, 0);
    ASSERT_GE(lseek(self->log.fd, 0, SEEK_END), 0);
    self->corrupted_kb = meminfo_kb("HardwareCorrupted");
}

FIXTURE_TEARDOWN(page)
{
    close(self->log.fd);
    if (self->pool)
        munmap(self->pool, POOL_BYTES);
    close(self->bystander.fd);
    waitpid(self->bystander.pid, NULL, 0);
}

TEST_F(page, is_taken_from_its_owner_alone)
{
    const uint64_t bad = self->victim.address;
    char *const page = self->victim.page;
    uint64_t expected_kb = self->corrupted_kb + PAGE_BYTES / 1024;
    struct rig_reply reply;
    double start = now_seconds();

    ASSERT_TRUE(rig_request(&reply, "mce-inject", "gpa=0x%llx kind=srao cpu=%u",
                            (unsigned long long)bad, variant->cpu));

    /* The kernel: counted, marked, and said to be recovered. */
    ASSERT_TRUE(wait_until(corrupted_reached, &expected_kb, RECOVERY_SECONDS));
    rig_metric(variant->metric, now_seconds() - start, "s");
    ASSERT_TRUE(is_poisoned(bad));
    ASSERT_TRUE(wait_until(log_says_recovered, &self->log, RECOVERY_SECONDS));
    EXPECT_EQ(meminfo_kb("HardwareCorrupted"), expected_kb);
    EXPECT_FALSE(is_poisoned(bad - PAGE_BYTES));
    EXPECT_FALSE(is_poisoned(bad + PAGE_BYTES));

    /* Its owner: told at once only if it asked for that, ... */
    EXPECT_EQ(notices, variant->early ? 1 : 0);
    if (variant->early) {
        EXPECT_EQ(notice.code, BUS_MCEERR_AO);
        EXPECT_EQ(notice.address, (void *)page);
        EXPECT_EQ(notice.lsb, 12);
    }
    /* ... and at each touch, wherever in the page. */
    for (size_t offset = 0; offset < PAGE_BYTES; offset += PAGE_BYTES - 1) {
        struct bus_error error = touch(page + offset);
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
    EXPECT_TRUE(is_poisoned(bad));
    EXPECT_EQ(meminfo_kb("HardwareCorrupted"), expected_kb);
}

HARNESS_MAIN
