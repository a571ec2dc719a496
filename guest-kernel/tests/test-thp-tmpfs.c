/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Huge pages in tmpfs: what each huge= policy gives to small and to large files, and what
 * becomes of a huge page that is collapsed, punched or split.
 *
 * Every case has a tmpfs of its own. Files that must start out in small pages are written
 * under huge=never, and the mount's policy is changed afterwards.
 *
 * Arguments: policy=NAME, for twins, is mounted whatever policy a case asks for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "harness.h"
#include "smaps.h"

/* Linux 6.1, include/uapi/asm-generic/mman-common.h; glibc 2.36 does not have it. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define THP         "/sys/kernel/mm/transparent_hugepage"
#define KHUGEPAGED  THP "/khugepaged"
#define SPLIT       "/sys/kernel/debug/split_huge_pages"
#define MOUNT_POINT "/mnt/thp"
#define FILE_PATH   MOUNT_POINT "/file"
#define PAGE        ((size_t)4096)
#define HUGE        ((size_t)2 << 20)
#define NO_THP      "the kernel has no huge pages in tmpfs (CONFIG_TRANSPARENT_HUGEPAGE)"
#define SMALL_FILES 16
/* For khugepaged, once it has been told not to rest. */
#define COLLAPSE_SECONDS 10

/* ---- Measuring ------------------------------------------------------------------------ */

/* The counters are summed up from the CPUs' own only now and then: ask for it. */
static uint64_t shmem_kb(const char *field)
{
    file_write("/proc/sys/vm/stat_refresh", "1");
    return meminfo_kb(field);
}

static uint64_t file_bytes(int file)
{
    struct stat facts;

    return fstat(file, &facts) == 0 ? (uint64_t)facts.st_blocks * 512 : UINT64_MAX;
}

/* ---- Making files and mappings -------------------------------------------------------- */

static int policy_set(const char *policy, unsigned long flags)
{
    const char *instead = test_arg("policy");
    char options[64];

    snprintf(options, sizeof(options), "size=256M,huge=%s", instead ? instead : policy);
    return mount("tmpfs", MOUNT_POINT, "tmpfs", flags, options);
}

/*
 * Mounts a tmpfs whose policy nothing else may overrule. "enabled" is not about tmpfs, but
 * while it is "never" there is no khugepaged to change what a case has just set up.
 */
static bool tmpfs_mount(const char *policy)
{
    return file_write(THP "/enabled", "never") && file_write(THP "/shmem_enabled", "never") &&
           (mkdir("/mnt", 0755) == 0 || errno == EEXIST) &&
           (mkdir(MOUNT_POINT, 0755) == 0 || errno == EEXIST) && policy_set(policy, 0) == 0;
}

static bool kernel_has_thp(void)
{
    return access(THP "/shmem_enabled", F_OK) == 0;
}

static int file_make(size_t size)
{
    int file = open(FILE_PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (file >= 0 && ftruncate(file, (off_t)size) != 0) {
        close(file);
        return -1;
    }
    return file;
}

/* Maps the file's first size bytes where a huge page can be mapped; NULL if that fails. */
static unsigned char *file_map(int file, size_t size)
{
    void *room = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (room == MAP_FAILED)
        return NULL;
    void *aligned = (void *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
    void *memory = mmap(aligned, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Never zero, and different in neighbouring bytes and pages. */
static unsigned char mark(size_t byte)
{
    return (unsigned char)(1 + (byte % 13 + byte / PAGE * 17) % 255);
}

static void fill(unsigned char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        memory[i] = mark(i);
}

/* How many bytes of [from, to) are not as fill() left them. */
static size_t damaged(const unsigned char *memory, size_t from, size_t to)
{
    size_t count = 0;

    for (size_t i = from; i < to; i++)
        count += memory[i] != mark(i);
    return count;
}

/* ---- What the policies give ----------------------------------------------------------- */

FIXTURE(policy)
{
    uint64_t shmem_kb, huge_kb; /* before */
};

FIXTURE_VARIANT(policy)
{
    const char *name;
    bool unasked;   /* a huge page wherever something is written */
    bool if_filled; /* ... where the file's size covers all of it */
    bool advised;   /* ... where madvise() asked for it */
};
FIXTURE_VARIANT_ADD(policy, never){.name = "never"};
FIXTURE_VARIANT_ADD(policy, always){
    .name = "always", .unasked = true, .if_filled = true, .advised = true};
FIXTURE_VARIANT_ADD(policy,
                    within_size){.name = "within_size", .if_filled = true, .advised = true};
FIXTURE_VARIANT_ADD(policy, advise){.name = "advise", .advised = true};

FIXTURE_SETUP(policy)
{
    if (!kernel_has_thp())
        SKIP(NO_THP);
    self->shmem_kb = shmem_kb("Shmem");
    self->huge_kb = shmem_kb("ShmemHugePages");
    ASSERT_TRUE(tmpfs_mount(variant->name));
}

FIXTURE_TEARDOWN(policy)
{
    EXPECT_EQ(umount2(MOUNT_POINT, MNT_DETACH), 0);
}

TEST_F(policy, small_file_cost)
{
    uint64_t each = variant->unasked ? HUGE : PAGE, taken = 0;
    struct statfs space;
    char text[PAGE], metric[64], path[64];

    memset(text, 'x', sizeof(text));
    for (int i = 0; i < SMALL_FILES; i++) {
        snprintf(path, sizeof(path), FILE_PATH "%d", i);
        int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ASSERT_GE(file, 0);
        ASSERT_EQ(write(file, text, sizeof(text)), (ssize_t)sizeof(text));
        taken += file_bytes(file);
        close(file);
    }
    uint64_t shmem = (shmem_kb("Shmem") - self->shmem_kb) * 1024;
    EXPECT_EQ(taken, SMALL_FILES * each);
    EXPECT_EQ(shmem, SMALL_FILES * each);
    EXPECT_EQ(shmem_kb("ShmemHugePages") - self->huge_kb,
              variant->unasked ? SMALL_FILES * HUGE / 1024 : 0);
    ASSERT_EQ(statfs(MOUNT_POINT, &space), 0);
    EXPECT_EQ((space.f_blocks - space.f_bfree) * (uint64_t)space.f_bsize, SMALL_FILES * each);

    snprintf(metric, sizeof(metric), "small_file_cost_%s", variant->name);
    rig_metric(metric, (double)shmem / SMALL_FILES, "bytes");
}

TEST_F(policy, large_file_maps)
{
    int file = file_make(HUGE);
    ASSERT_GE(file, 0);
    unsigned char *memory = file_map(file, HUGE);
    ASSERT_NE(memory, NULL);

    memory[HUGE / 2] = 1;
    EXPECT_EQ(smaps_kb(memory, "ShmemPmdMapped"), variant->if_filled ? HUGE / 1024 : 0);
    EXPECT_EQ(file_bytes(file), variant->if_filled ? HUGE : PAGE);
    munmap(memory, HUGE);
    close(file);
}

TEST_F(policy, advised_file_maps)
{
    int file = file_make(HUGE);
    ASSERT_GE(file, 0);
    unsigned char *memory = file_map(file, HUGE);
    ASSERT_NE(memory, NULL);
    ASSERT_EQ(madvise(memory, HUGE, MADV_HUGEPAGE), 0);

    memory[HUGE / 2] = 1;
    EXPECT_EQ(smaps_kb(memory, "ShmemPmdMapped"), variant->advised ? HUGE / 1024 : 0);
    EXPECT_EQ(file_bytes(file), variant->advised ? HUGE : PAGE);
    munmap(memory, HUGE);
    close(file);
}

/* A file of one and a half huge pages, in a mapping of two, is touched once in each. */
TEST_F(policy, file_end_cost)
{
    int file = file_make(HUGE + HUGE / 2);
    ASSERT_GE(file, 0);
    unsigned char *memory = file_map(file, 2 * HUGE);
    ASSERT_NE(memory, NULL);

    memory[0] = 1;
    memory[HUGE] = 1;
    uint64_t taken = file_bytes(file);
    uint64_t first = variant->if_filled ? HUGE : PAGE;
    if (variant->if_filled && !variant->unasked) {
        /* In the second a huge page does not fit, but on some kernels smaller folios do. */
        EXPECT_GE(taken, first + PAGE);
        EXPECT_LE(taken, HUGE + HUGE / 2);
        rig_metric("file_end_taken", (double)(taken - first), "bytes");
    } else {
        EXPECT_EQ(taken, first + (variant->unasked ? HUGE : PAGE));
    }
    munmap(memory, 2 * HUGE);
    close(file);
}

/* ---- Small pages become a huge one ---------------------------------------------------- */

FIXTURE(collapse)
{
    int file;
    unsigned char *memory;
    uint64_t huge_kb; /* before */
};

FIXTURE_SETUP(collapse)
{
    if (!kernel_has_thp())
        SKIP(NO_THP);
    self->huge_kb = shmem_kb("ShmemHugePages");
    ASSERT_TRUE(tmpfs_mount("never"));
    self->file = file_make(HUGE);
    ASSERT_GE(self->file, 0);
    self->memory = file_map(self->file, HUGE);
    ASSERT_NE(self->memory, NULL);
    fill(self->memory, HUGE);
    ASSERT_EQ(smaps_kb(self->memory, "ShmemPmdMapped"), 0);
    ASSERT_EQ(shmem_kb("ShmemHugePages"), self->huge_kb);

    ASSERT_EQ(policy_set("always", MS_REMOUNT), 0);
    ASSERT_TRUE(file_write(THP "/enabled", "madvise"));
}

FIXTURE_TEARDOWN(collapse)
{
    munmap(self->memory, HUGE);
    close(self->file);
    EXPECT_EQ(umount2(MOUNT_POINT, MNT_DETACH), 0);
}

TEST_F(collapse, on_request)
{
    if (madvise(self->memory, HUGE, MADV_COLLAPSE) != 0) {
        ASSERT_EQ(errno, EINVAL);
        SKIP("the kernel has no MADV_COLLAPSE (it came with 6.1)");
    }
    EXPECT_EQ(damaged(self->memory, 0, HUGE), 0);
    EXPECT_EQ(smaps_kb(self->memory, "ShmemPmdMapped"), HUGE / 1024);
    EXPECT_EQ(shmem_kb("ShmemHugePages") - self->huge_kb, HUGE / 1024);
    EXPECT_EQ(file_bytes(self->file), HUGE);
}

static bool collapsed_above(void *data)
{
    return file_u64(KHUGEPAGED "/pages_collapsed") > *(uint64_t *)data;
}

/* The page tables of small pages may go a moment later than the pages. */
static bool mapped_huge(void *data)
{
    return damaged(data, 0, 1) == 0 && smaps_kb(data, "ShmemPmdMapped") == HUGE / 1024;
}

TEST_F(collapse, by_khugepaged)
{
    uint64_t collapsed = file_u64(KHUGEPAGED "/pages_collapsed");

    /* Its pause between two scans, should one have just ended. */
    ASSERT_TRUE(file_write(KHUGEPAGED "/scan_sleep_millisecs", "10"));
    double start = now_seconds();
    /* From here on it knows of the mapping. */
    ASSERT_EQ(madvise(self->memory, HUGE, MADV_HUGEPAGE), 0);
    ASSERT_TRUE(wait_until(collapsed_above, &collapsed, COLLAPSE_SECONDS));
    rig_metric("khugepaged_time", now_seconds() - start, "s");

    EXPECT_EQ(shmem_kb("ShmemHugePages") - self->huge_kb, HUGE / 1024);
    EXPECT_TRUE(wait_until(mapped_huge, self->memory, COLLAPSE_SECONDS));
    EXPECT_EQ(damaged(self->memory, 0, HUGE), 0);
    EXPECT_EQ(file_bytes(self->file), HUGE);
}

/* ---- A huge page becomes small ones --------------------------------------------------- */

struct huge_file {
    int file;
    unsigned char *memory;
    uint64_t huge_kb; /* before */
};

/* A file of one huge page, mapped as such; false if the kernel made it of small ones. */
static bool huge_file_make(struct huge_file *huge)
{
    huge->huge_kb = shmem_kb("ShmemHugePages");
    if (!tmpfs_mount("always"))
        return false;
    huge->file = file_make(HUGE);
    huge->memory = huge->file >= 0 ? file_map(huge->file, HUGE) : NULL;
    if (!huge->memory)
        return false;
    fill(huge->memory, HUGE);
    return smaps_kb(huge->memory, "ShmemPmdMapped") == HUGE / 1024 &&
           shmem_kb("ShmemHugePages") - huge->huge_kb == HUGE / 1024;
}

static void huge_file_drop(struct huge_file *huge)
{
    munmap(huge->memory, HUGE);
    close(huge->file);
}

FIXTURE(punch)
{
    struct huge_file huge;
};

FIXTURE_SETUP(punch)
{
    if (!kernel_has_thp())
        SKIP(NO_THP);
    ASSERT_TRUE(huge_file_make(&self->huge));
}

FIXTURE_TEARDOWN(punch)
{
    huge_file_drop(&self->huge);
    EXPECT_EQ(umount2(MOUNT_POINT, MNT_DETACH), 0);
}

TEST_F(punch, hole_gives_memory_back)
{
    const size_t from = 64 * PAGE, size = 16 * PAGE;
    const unsigned char *memory = self->huge.memory;
    uint64_t shmem = shmem_kb("Shmem");
    size_t left = 0;

    ASSERT_EQ(fallocate(self->huge.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        (off_t)from, (off_t)size),
              0);
    EXPECT_EQ(smaps_kb(memory, "ShmemPmdMapped"), 0);
    EXPECT_EQ(shmem_kb("ShmemHugePages"), self->huge.huge_kb);
    EXPECT_EQ(damaged(memory, 0, from), 0);
    EXPECT_EQ(damaged(memory, from + size, HUGE), 0);
    /* Reading the hole fills it again, so this comes before. */
    EXPECT_EQ(file_bytes(self->huge.file), HUGE - size);
    EXPECT_EQ(shmem - shmem_kb("Shmem"), size / 1024);
    for (size_t i = from; i < from + size; i++)
        left += memory[i] != 0;
    EXPECT_EQ(left, 0);
}

FIXTURE(split)
{
    struct huge_file huge;
};

FIXTURE_VARIANT(split)
{
    bool by_file; /* named by its path, else by the process that maps it */
};
FIXTURE_VARIANT_ADD(split, by_mapping){.by_file = false};
FIXTURE_VARIANT_ADD(split, by_file){.by_file = true};

FIXTURE_SETUP(split)
{
    if (!kernel_has_thp())
        SKIP(NO_THP);
    if (access(SPLIT, W_OK) != 0)
        SKIP("the kernel has no " SPLIT " (CONFIG_DEBUG_FS)");
    ASSERT_TRUE(huge_file_make(&self->huge));
}

FIXTURE_TEARDOWN(split)
{
    huge_file_drop(&self->huge);
    EXPECT_EQ(umount2(MOUNT_POINT, MNT_DETACH), 0);
}

/* The two forms of the request are those of mm/huge_memory.c split_huge_pages_write(). */
TEST_F(split, keeps_the_data)
{
    const unsigned char *memory = self->huge.memory;
    char request[128];

    if (variant->by_file)
        snprintf(request, sizeof(request), FILE_PATH ",0x0,0x%lx",
                 (unsigned long)(HUGE / PAGE));
    else
        snprintf(request, sizeof(request), "%d,0x%lx,0x%lx", getpid(), (unsigned long)memory,
                 (unsigned long)memory + HUGE);
    ASSERT_TRUE(file_write(SPLIT, request));
    EXPECT_EQ(smaps_kb(memory, "ShmemPmdMapped"), 0);
    EXPECT_EQ(shmem_kb("ShmemHugePages"), self->huge.huge_kb);
    EXPECT_EQ(file_bytes(self->huge.file), HUGE);
    EXPECT_EQ(damaged(memory, 0, HUGE), 0);
}

HARNESS_MAIN
