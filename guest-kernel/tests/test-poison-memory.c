/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of each kind goes bad and is used (what=KIND): what the kernel gives up, what it
 * keeps, and whom it tells (Linux Documentation/mm/hwpoison.rst, mm/memory-failure.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "errors.h"
#include "memory.h"
#include "smaps.h"

#define SEED      UINT64_C(5000000)
#define PAGES     ((size_t)16)
#define BYTES     (PAGES * PAGE_BYTES)
#define HUGE      (2 * MIB)
#define BAD_PAGE  ((size_t)5)
#define HUGE_PAGE ((size_t)100)

/* Makes one line of a page bad; where it is. */
static uint64_t spoil(const char *page)
{
    uint64_t physical = physical_address(page);

    if (physical == 0)
        ABORT("the page at %p is not there", (const void *)page);
    poison_lay(physical + 10 * GRANULE, GRANULE);
    return physical;
}

/* Reads the bad line. */
static struct bus_error use(const char *page)
{
    return bus_error_at(page + 10 * GRANULE);
}

static void expect_bus_error(struct bus_error error, const char *page)
{
    ASSERT_EQ(error.code, BUS_MCEERR_AR);
    ASSERT_EQ((char *)((uintptr_t)error.address & ~(PAGE_BYTES - 1)), page);
    EXPECT_EQ(error.lsb, 12);
}

static void fill_pages(char *memory, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        memory_fill(memory + i * PAGE_BYTES, PAGE_BYTES, SEED + i * PAGE_BYTES);
}

/* Pages that are not as they were filled, but for one. */
static size_t pages_harmed(const char *memory, size_t pages, size_t but)
{
    size_t harmed = 0;

    for (size_t i = 0; i < pages; i++)
        harmed += i != but && memory_differs(memory + i * PAGE_BYTES, PAGE_BYTES,
                                             SEED + i * PAGE_BYTES) != PAGE_BYTES;
    return harmed;
}

/* ---- Huge pages ------------------------------------------------------------------------- */

static void thp(void)
{
    char *room = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t before = pages_taken();

    ASSERT_NE(room, MAP_FAILED);
    char *huge = (char *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
    ASSERT_TRUE(file_write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise"));
    ASSERT_EQ(madvise(huge, HUGE, MADV_HUGEPAGE), 0);
    fill_pages(huge, HUGE / PAGE_BYTES);
    ASSERT_EQ(smaps_kb(huge, "AnonHugePages"), HUGE / 1024);

    uint64_t physical = spoil(huge + HUGE_PAGE * PAGE_BYTES);
    expect_bus_error(use(huge + HUGE_PAGE * PAGE_BYTES), huge + HUGE_PAGE * PAGE_BYTES);
    EXPECT_TRUE(page_is_taken(physical));
    EXPECT_FALSE(page_is_taken(physical - PAGE_BYTES));
    EXPECT_FALSE(page_is_taken(physical + PAGE_BYTES));
    EXPECT_EQ(pages_taken(), before + 1);
    /* It was split, and the rest of it is still there. */
    EXPECT_EQ(smaps_kb(huge, "AnonHugePages"), 0);
    EXPECT_EQ(pages_harmed(huge, HUGE / PAGE_BYTES, HUGE_PAGE), 0);
}

static void hugetlb(void)
{
    uint64_t before = pages_taken();
    struct bus_error error;

    ASSERT_TRUE(file_write("/proc/sys/vm/nr_hugepages", "2"));
    ASSERT_EQ(file_u64("/proc/sys/vm/nr_hugepages"), 2);
    char *huge = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    ASSERT_NE(huge, MAP_FAILED);
    fill_pages(huge, HUGE / PAGE_BYTES);
    uint64_t physical = spoil(huge + HUGE_PAGE * PAGE_BYTES);
    error = use(huge + HUGE_PAGE * PAGE_BYTES);
    ASSERT_EQ(error.code, BUS_MCEERR_AR);
    /* All of it is lost: it cannot be mapped in parts. */
    EXPECT_EQ(error.lsb, 21);
    EXPECT_EQ((uintptr_t)error.address / HUGE, (uintptr_t)huge / HUGE);
    EXPECT_EQ(bus_error_at(huge).code, BUS_MCEERR_AR);
    EXPECT_EQ(bus_error_at(huge + HUGE - 1).code, BUS_MCEERR_AR);
    EXPECT_EQ(pages_taken(), before + 1);
    /* Given up, it goes back to small pages, but for the bad one. */
    ASSERT_EQ(munmap(huge, HUGE), 0);
    EXPECT_TRUE(page_is_taken(physical));
    /* The other one is as good as ever. */
    huge = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
                -1, 0);
    ASSERT_NE(huge, MAP_FAILED);
    fill_pages(huge, HUGE / PAGE_BYTES);
    EXPECT_EQ(pages_harmed(huge, HUGE / PAGE_BYTES, SIZE_MAX), 0);
}

/* ---- Merged and shared memory ----------------------------------------------------------- */

struct pair {
    char *a, *b;
};

static bool are_one(void *data)
{
    const struct pair *pair = data;
    uint64_t a = physical_address(pair->a);

    return a != 0 && a == physical_address(pair->b);
}

static void ksm(void)
{
    struct pair pair = {memory_map(PAGE_BYTES), memory_map(PAGE_BYTES)};
    uint64_t before = pages_taken();

    if (!kernel_is_from(6, 4))
        SKIP("this kernel cannot take a merged page away (that came with 6.4)");
    memory_fill(pair.a, PAGE_BYTES, SEED);
    memory_fill(pair.b, PAGE_BYTES, SEED);
    ASSERT_EQ(madvise(pair.a, PAGE_BYTES, MADV_MERGEABLE), 0);
    ASSERT_EQ(madvise(pair.b, PAGE_BYTES, MADV_MERGEABLE), 0);
    ASSERT_TRUE(file_write("/sys/kernel/mm/ksm/sleep_millisecs", "20"));
    ASSERT_TRUE(file_write("/sys/kernel/mm/ksm/run", "1"));
    ASSERT_TRUE(wait_until(are_one, &pair, 30));
    ASSERT_TRUE(file_write("/sys/kernel/mm/ksm/run", "0"));

    uint64_t physical = spoil(pair.a);
    expect_bus_error(use(pair.a), pair.a);
    EXPECT_TRUE(page_is_taken(physical));
    EXPECT_EQ(pages_taken(), before + 1);
    /* Lost to both, who believe that they have one each. */
    expect_bus_error(bus_error_at(pair.b), pair.b);
}

static void shmem(void)
{
    char byte;
    int fd = memfd_create("poison", MFD_CLOEXEC);
    uint64_t before = pages_taken();

    ASSERT_GE(fd, 0);
    ASSERT_EQ(ftruncate(fd, BYTES), 0);
    char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ASSERT_NE(memory, MAP_FAILED);
    fill_pages(memory, PAGES);
    char *page = memory + BAD_PAGE * PAGE_BYTES;
    uint64_t physical = spoil(page);
    expect_bus_error(use(page), page);
    EXPECT_TRUE(page_is_taken(physical));
    EXPECT_EQ(pages_taken(), before + 1);
    EXPECT_EQ(pages_harmed(memory, PAGES, BAD_PAGE), 0);
    /* Nobody gets zeroes in its place, neither by reading nor by mapping. */
    EXPECT_EQ(pread(fd, &byte, 1, BAD_PAGE * PAGE_BYTES), -1);
    EXPECT_EQ(errno, EIO);
    EXPECT_EQ(pread(fd, &byte, 1, (BAD_PAGE + 1) * PAGE_BYTES), 1);
    char *again = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
    ASSERT_NE(again, MAP_FAILED);
    expect_bus_error(bus_error_at(again + BAD_PAGE * PAGE_BYTES),
                     again + BAD_PAGE * PAGE_BYTES);
    EXPECT_EQ(pages_harmed(again, PAGES, BAD_PAGE), 0);
    /* A hole in its place is a hole. */
    ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, BAD_PAGE * PAGE_BYTES,
                        PAGE_BYTES),
              0);
    EXPECT_EQ(pread(fd, &byte, 1, BAD_PAGE * PAGE_BYTES), 1);
    EXPECT_EQ(byte, 0);
    close(fd);
}

/* ---- Several owners --------------------------------------------------------------------- */

struct owner {
    pid_t pid;
    int go; /* a byte here lets it touch the page */
};

/* Has the page mapped, and no handler. */
static struct owner owner_start(const char *page, int policy)
{
    struct owner owner;
    int go[2], ready[2];
    char byte = 0;

    if (pipe2(go, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0)
        ABORT("no pipe: %s", strerror(errno));
    owner.pid = fork();
    if (owner.pid == 0) {
        signal(SIGBUS, SIG_DFL);
        if (prctl(PR_MCE_KILL, PR_MCE_KILL_SET, policy, 0, 0) != 0)
            _exit(1);
        byte = *(const volatile char *)page;
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
            _exit(2);
        _exit(*(const volatile char *)page == byte ? 3 : 4);
    }
    close(go[0]);
    close(ready[1]);
    if (owner.pid < 0 || read(ready[0], &byte, 1) != 1)
        ABORT("no second owner");
    close(ready[0]);
    owner.go = go[1];
    return owner;
}

static bool has_died(void *data)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t) * (pid_t *)data, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

static int signal_of(pid_t pid)
{
    int status = 0;

    return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void two(void)
{
    char *page =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t before = pages_taken();

    ASSERT_NE(page, MAP_FAILED);
    memory_fill(page, PAGE_BYTES, SEED);
    struct owner early = owner_start(page, PR_MCE_KILL_EARLY);
    struct owner late = owner_start(page, PR_MCE_KILL_LATE);
    uint64_t physical = spoil(page);

    /* This one uses it. */
    expect_bus_error(use(page), page);
    EXPECT_TRUE(page_is_taken(physical));
    EXPECT_EQ(pages_taken(), before + 1);
    /* One wants to know at once: killed without touching it. */
    ASSERT_TRUE(wait_until(has_died, &early.pid, ERROR_SECONDS));
    EXPECT_EQ(signal_of(early.pid), SIGBUS);
    /* The other one lives until it touches it. */
    EXPECT_FALSE(has_died(&late.pid));
    ASSERT_EQ(write(late.go, "g", 1), 1);
    EXPECT_EQ(signal_of(late.pid), SIGBUS);
}

/* ---- Files ------------------------------------------------------------------------------ */

#define DISK   "/dev/vda"
#define FOLDER "/mnt"
#define FILE_  FOLDER "/file"

struct file {
    int fd;
    char *memory;
};

/* A file system with a file of known contents, on disk and mapped. */
static struct file file_start(void)
{
    struct file file;

    if (COMMAND(NULL, 0, "mkfs.ext4", "-q", "-F", "-b", "4096", DISK) != 0 ||
        mount(DISK, FOLDER, "ext4", 0, NULL) != 0)
        ABORT("no file system on " DISK);
    file.fd = open(FILE_, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file.fd < 0 || ftruncate(file.fd, BYTES) != 0)
        ABORT("no file: %s", strerror(errno));
    file.memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
    if (file.memory == MAP_FAILED)
        ABORT("cannot map a file: %s", strerror(errno));
    fill_pages(file.memory, PAGES);
    if (msync(file.memory, BYTES, MS_SYNC) != 0 || fsync(file.fd) != 0)
        ABORT("cannot write a file: %s", strerror(errno));
    return file;
}

static void clean(void)
{
    struct file file = file_start();
    char *page = file.memory + BAD_PAGE * PAGE_BYTES;
    uint64_t before = pages_taken();
    int log = log_open();
    uint64_t physical = spoil(page);

    /* The disk has it as well: nobody is told, and it is read anew into another page. */
    EXPECT_EQ(use(page).code, 0);
    EXPECT_TRUE(log_wait_page(log, physical, "Recovered"));
    EXPECT_EQ(poison_count("consumed-loads"), 1);
    EXPECT_EQ(pages_harmed(file.memory, PAGES, SIZE_MAX), 0);
    EXPECT_NE(physical_address(page), physical);
    EXPECT_NE(physical_address(page), 0);
    EXPECT_TRUE(page_is_taken(physical));
    EXPECT_EQ(pages_taken(), before + 1);
    EXPECT_EQ(fsync(file.fd), 0);
}

static void dirty(void)
{
    struct file file = file_start();
    char *page = file.memory + BAD_PAGE * PAGE_BYTES;
    uint64_t before = pages_taken();
    int log = log_open();

    /* Only memory has this. */
    memory_fill(page, PAGE_BYTES, SEED + 1000000);
    uint64_t physical = spoil(page);
    expect_bus_error(use(page), page);
    EXPECT_TRUE(log_wait_page(log, physical, "Recovered"));
    EXPECT_TRUE(page_is_taken(physical));
    EXPECT_EQ(pages_taken(), before + 1);
    /* Whoever has the file open is told that data was lost, once. */
    EXPECT_EQ(fsync(file.fd), -1);
    EXPECT_EQ(errno, EIO);
    EXPECT_EQ(fsync(file.fd), 0);
    /* What the disk has is what there was before. */
    munmap(file.memory, BYTES);
    file.memory = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, file.fd, 0);
    ASSERT_NE(file.memory, MAP_FAILED);
    EXPECT_EQ(pages_harmed(file.memory, PAGES, SIZE_MAX), 0);
}

/* ---- The kernel ------------------------------------------------------------------------- */

static void kernel_copy(void)
{
    char *memory = memory_map(BYTES), *page = memory + BAD_PAGE * PAGE_BYTES;
    uint64_t before = pages_taken();
    int log = log_open(), ends[2];

    fill_pages(memory, PAGES);
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    uint64_t physical = spoil(page);
    /* The bad line is in the middle of what the kernel copies. */
    errno = 0;
    EXPECT_EQ(write(ends[1], page, PAGE_BYTES), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_TRUE(wait_pages_taken(before + 1));
    EXPECT_TRUE(page_is_taken(physical));
    EXPECT_TRUE(log_wait_page(log, physical, "Recovered"));
    /* Once by the copy in words, and maybe again by its tail in bytes. */
    EXPECT_GE(poison_count("consumed-loads"), 1);
    EXPECT_EQ(pages_harmed(memory, PAGES, BAD_PAGE), 0);
    expect_bus_error(use(page), page);
}

/* ---- Taking it back --------------------------------------------------------------------- */

#define UNPOISON "/sys/kernel/debug/hwpoison/unpoison-pfn"

static void unpoison(void)
{
    char *memory = memory_map(BYTES), *page = memory + BAD_PAGE * PAGE_BYTES;
    uint64_t before = pages_taken();
    int log = log_open();
    char frame[32];

    fill_pages(memory, PAGES);
    /* Cleared before anybody has used it: as if nothing had been. */
    uint64_t physical = spoil(page);
    EXPECT_EQ(poison_count("poisoned"), 1);
    poison_clear(physical, PAGE_BYTES);
    EXPECT_EQ(poison_count("poisoned"), 0);
    EXPECT_EQ(use(page).code, 0);
    EXPECT_EQ(pages_harmed(memory, PAGES, SIZE_MAX), 0);
    EXPECT_EQ(pages_taken(), before);

    /* Afterwards the memory is good again, but Linux does not trust it any more. */
    EXPECT_EQ(spoil(page), physical);
    expect_bus_error(use(page), page);
    poison_clear(physical, PAGE_BYTES);
    EXPECT_EQ(pages_taken(), before + 1);
    EXPECT_TRUE(page_is_taken(physical));
    expect_bus_error(use(page), page);
    snprintf(frame, sizeof(frame), "0x%llx", (unsigned long long)(physical / PAGE_BYTES));
    EXPECT_FALSE(file_write(UNPOISON, frame));
    EXPECT_EQ(errno, EOPNOTSUPP);
    EXPECT_TRUE(log_wait(log, "Unpoison: ", "isabled after HW memory failure", ERROR_SECONDS));
    EXPECT_TRUE(page_is_taken(physical));
}

/* ---- Many times ------------------------------------------------------------------------- */

/* Pages that are made bad at once, and of those that this is done to. */
#define CHURN_PAGES ((size_t)50)
#define CHURN_ROOM  ((size_t)256)
/* What QEMU may have grown by for other reasons: a leak of one region each would be 500 MiB. */
#define CHURN_GROWTH (24 * MIB)

static uint64_t rig_memory(void)
{
    struct rig_reply reply;

    if (!rig_request(&reply, "host-rss", "%s", ""))
        ABORT("QEMU's memory is unknown: %s", reply.error);
    return rig_reply_u64(&reply, "rss");
}

/* Another process works all the time in the pages beside; it ends if one is not as it was. */
static pid_t neighbour_start(const char *memory, size_t pages)
{
    pid_t pid = fork();

    if (pid == 0) {
        while (pages_harmed(memory, pages, SIZE_MAX) == 0)
            ;
        _exit(1);
    }
    if (pid < 0)
        ABORT("no second process");
    return pid;
}

static void churn(void)
{
    uint64_t rounds = test_arg_u64("count", 100000) / CHURN_PAGES, before = pages_taken();
    uint64_t memory_before = 0;

    ASSERT_TRUE(file_write("/proc/sys/vm/nr_hugepages", "1"));
    char *huge = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    ASSERT_NE(huge, MAP_FAILED);
    fill_pages(huge + CHURN_ROOM * PAGE_BYTES, CHURN_ROOM);
    uint64_t physical = physical_address(huge);
    ASSERT_NE(physical, 0);
    pid_t neighbour = neighbour_start(huge + CHURN_ROOM * PAGE_BYTES, CHURN_ROOM);
    double start = now_seconds();
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t first = physical + i % (CHURN_ROOM - CHURN_PAGES) * PAGE_BYTES;
        /* A tenth of them warm everything up. */
        if (i == rounds / 10)
            memory_before = rig_memory();
        poison_lay(first, CHURN_PAGES * PAGE_BYTES);
        if (i == 0)
            ASSERT_EQ(poison_count("pages"), CHURN_PAGES);
        poison_clear(first, CHURN_PAGES * PAGE_BYTES);
    }
    rig_metric("lay-and-clear", (now_seconds() - start) / (double)rounds, "s");
    EXPECT_LT(rig_memory(), memory_before + CHURN_GROWTH);
    EXPECT_EQ(poison_count("pages"), 0);
    EXPECT_EQ(poison_count("consumed-loads"), 0);
    EXPECT_EQ(pages_taken(), before);
    EXPECT_FALSE(has_died(&neighbour));
    kill(neighbour, SIGKILL);
    EXPECT_EQ(signal_of(neighbour), SIGKILL);
}

static const struct test_kind kinds[] = {
    {"thp", thp},
    {"hugetlb", hugetlb},
    {"ksm", ksm},
    {"shmem", shmem},
    {"two", two},
    {"pagecache-clean", clean},
    {"pagecache-dirty", dirty},
    {"kernel-copy", kernel_copy},
    {"unpoison", unpoison},
    {"churn", churn},
    {NULL, NULL},
};

TEST(memory_goes_bad)
{
    const struct test_kind *kind = test_kind(kinds);

    bus_errors_catch();
    kind->run();
}

HARNESS_MAIN
