/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was written to persistent memory through MAP_SYNC is there after a power cut.
 *
 * Theory of operation. The machine is started twice on the same backing file, and killed at
 * the end of the first boot ("write"), as if the power had failed; the second one ("verify")
 * must find the pattern. The file is sparse when it is mapped, so that every block of it is
 * allocated by a write fault. Nothing is ever synced after that: only MAP_SYNC's promise, that
 * a fault returns when the file system's metadata is durable, makes the blocks reachable after
 * the cut. The journal's own commit comes too late to help by accident (commit=300).
 *
 * Under an emulator the backing file also holds what the guest had in its caches, so a missing
 * cache flush cannot be noticed; missing metadata can.
 *
 * Arguments: seed=N (of the pattern), size=BYTES, sync=0 (map without MAP_SYNC) and
 * dax=MODE (ext4's dax= option) are for twins.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nvdimm.h"
#include "smaps.h"

#define NAMESPACE_NAME "mmrig"
#define NAMESPACE_UUID "6f1c2f7e-5a4b-4d0e-9d3c-8b1e7a90c2d4"
#define DEVICE         "/dev/pmem0"
#define MOUNT_POINT    "/mnt/pmem"
#define PATTERN_FILE   MOUNT_POINT "/pattern"
#define HEADER_BYTES   4096
#define HEADER_MAGIC   UINT64_C(0x6d6d7269672d7066)

/* The first page of the file: written last, so that it vouches for all the rest. */
struct header {
    uint64_t magic;
    uint64_t seed;
    uint64_t bytes; /* of the pattern, which follows the header's page */
    uint64_t checksum;
};

/* A generator whose n-th value depends on n: blocks that trade places are noticed. */
static uint64_t next_value(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 29;
}

/* FNV-1a over whole words. */
static uint64_t checksum_add(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * UINT64_C(0x100000001b3);
}

static uint64_t pattern_seed(void)
{
    return test_arg_u64("seed", 20240229);
}

static uint64_t pattern_bytes(void)
{
    return test_arg_u64("size", 8 << 20);
}

/* ---- Writing caches back -------------------------------------------------------------- */

enum flush_instruction { FLUSH_CLWB, FLUSH_CLFLUSHOPT, FLUSH_CLFLUSH, FLUSH_NONE };

static const char *const flush_names[] = {"clwb", "clflushopt", "clflush", "none"};

/* Intel SDM vol. 2, CPUID: leaf 7 EBX bit 24 CLWB, bit 23 CLFLUSHOPT; leaf 1 EDX bit 19. */
static enum flush_instruction flush_best(void)
{
    unsigned a, b, c, d;

    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        if (b & 1u << 24)
            return FLUSH_CLWB;
        if (b & 1u << 23)
            return FLUSH_CLFLUSHOPT;
    }
    if (__get_cpuid(1, &a, &b, &c, &d) && d & 1u << 19)
        return FLUSH_CLFLUSH;
    return FLUSH_NONE;
}

/* Bytes in a cache line: CPUID leaf 1, EBX bits 15 to 8, in units of 8. */
static size_t flush_line(void)
{
    unsigned a, b = 0, c, d;

    __get_cpuid(1, &a, &b, &c, &d);
    size_t line = (b >> 8 & 0xff) * 8;
    return line != 0 ? line : 64;
}

static void flush(enum flush_instruction how, void *memory, size_t size)
{
    volatile char *byte = memory;
    size_t line = flush_line();

    for (size_t at = 0; at < size; at += line) {
        switch (how) {
        case FLUSH_CLWB:
            __asm__ volatile("clwb %0" : "+m"(byte[at]));
            break;
        case FLUSH_CLFLUSHOPT:
            __asm__ volatile("clflushopt %0" : "+m"(byte[at]));
            break;
        default:
            __asm__ volatile("clflush %0" : "+m"(byte[at]));
        }
    }
    __asm__ volatile("sfence" ::: "memory");
}

/* ---- Cases, in order; each boot runs all of them -------------------------------------- */

TEST(map_sync_is_refused_without_dax)
{
    int file = memfd_create("not-dax", MFD_CLOEXEC);
    ASSERT_GE(file, 0);
    ASSERT_EQ(ftruncate(file, 4096), 0);

    void *memory =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, file, 0);
    EXPECT_EQ(memory, MAP_FAILED);
    EXPECT_EQ(errno, EOPNOTSUPP);

    /* The file itself can be mapped, so it was MAP_SYNC that was refused. */
    memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE, file, 0);
    EXPECT_NE(memory, MAP_FAILED);
    close(file);
}

TEST(namespace_is_fsdax)
{
    char list[8192];

    ASSERT_TRUE(nvdimm_wait_path("/sys/bus/nd/devices/region0"));
    if (test_boot_is("write"))
        ASSERT_EQ(nvdimm_namespace_make("fsdax", NAMESPACE_NAME, NAMESPACE_UUID), 0);

    /* ndctl is the judge, in both boots: in the second it reads what the labels say. */
    ASSERT_EQ(COMMAND(list, sizeof(list), "ndctl", "list", "--namespaces", "--verbose"), 0);
    EXPECT_NE(strstr(list, "\"mode\":\"fsdax\""), NULL);
    EXPECT_NE(strstr(list, "\"name\":\"" NAMESPACE_NAME "\""), NULL);
    EXPECT_NE(strstr(list, "\"raw_uuid\":\"" NAMESPACE_UUID "\""), NULL);
    ASSERT_TRUE(nvdimm_wait_path(DEVICE));
    EXPECT_EQ(file_u64("/sys/block/pmem0/queue/dax"), 1);
}

TEST(file_system_mounts_with_dax)
{
    const char *dax = test_arg("dax");
    char options[64];

    if (test_boot_is("write"))
        ASSERT_EQ(NVDIMM_TOOL("mkfs.ext4", "-q", "-b", "4096", DEVICE), 0);
    ASSERT_TRUE(mkdir("/mnt", 0755) == 0 || errno == EEXIST);
    ASSERT_TRUE(mkdir(MOUNT_POINT, 0755) == 0 || errno == EEXIST);
    /* Stays mounted to the end of the boot: unmounting would tidy up what a cut does not. */
    snprintf(options, sizeof(options), "dax=%s,commit=300", dax ? dax : "always");
    ASSERT_EQ(mount(DEVICE, MOUNT_POINT, "ext4", 0, options), 0);
}

TEST(pattern_survives_the_power_cut)
{
    bool writing = test_boot_is("write");
    uint64_t bytes = pattern_bytes(), state = pattern_seed(), sum = 0;
    size_t words = bytes / sizeof(uint64_t), size = HEADER_BYTES + bytes, wrong = 0;
    int flags = test_arg_u64("sync", 1) ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;
    enum flush_instruction how = flush_best();
    struct rusage before, after;
    struct statx facts;

    ASSERT_NE(how, FLUSH_NONE);
    int file = open(PATTERN_FILE, O_RDWR | O_CLOEXEC | (writing ? O_CREAT | O_EXCL : 0), 0600);
    ASSERT_GE(file, 0);
    if (writing) {
        /* The name and the size are made durable here; the blocks are MAP_SYNC's duty. */
        ASSERT_EQ(ftruncate(file, (off_t)size), 0);
        ASSERT_EQ(fsync(file), 0);
    }
    ASSERT_EQ(statx(file, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &facts), 0);
    ASSERT_EQ(facts.stx_size, size);
    EXPECT_NE(facts.stx_attributes_mask & STATX_ATTR_DAX, 0);
    EXPECT_NE(facts.stx_attributes & STATX_ATTR_DAX, 0);
    EXPECT_EQ(facts.stx_blocks != 0, !writing);

    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, file, 0);
    ASSERT_NE(memory, MAP_FAILED);
    if (flags & MAP_SYNC)
        EXPECT_TRUE(smaps_flag(memory, "sf"));
    struct header *header = (struct header *)memory;
    uint64_t *pattern = (uint64_t *)(memory + HEADER_BYTES);

    double start = now_seconds();
    getrusage(RUSAGE_SELF, &before);
    if (writing) {
        for (size_t i = 0; i < words; i++) {
            pattern[i] = next_value(&state);
            sum = checksum_add(sum, pattern[i]);
        }
        flush(how, pattern, bytes);
        *header = (struct header){HEADER_MAGIC, pattern_seed(), bytes, sum};
        flush(how, header, sizeof(*header));
        getrusage(RUSAGE_SELF, &after);
        DIAG("written with %s", flush_names[how]);
        rig_metric("write_time", now_seconds() - start, "s");
        rig_metric(
            "write_faults",
            (double)(after.ru_minflt - before.ru_minflt + after.ru_majflt - before.ru_majflt),
            "faults");
        return;
    }

    EXPECT_EQ(header->magic, HEADER_MAGIC);
    EXPECT_EQ(header->seed, pattern_seed());
    EXPECT_EQ(header->bytes, bytes);
    for (size_t i = 0; i < words; i++) {
        uint64_t wanted = next_value(&state);
        sum = checksum_add(sum, pattern[i]);
        if (pattern[i] != wanted && wrong++ == 0)
            DIAG("first difference at byte %zu: %#llx, not %#llx", i * sizeof(uint64_t),
                 (unsigned long long)pattern[i], (unsigned long long)wanted);
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(header->checksum, sum);
    rig_metric("verify_time", now_seconds() - start, "s");
    rig_metric("verified", (double)(bytes - wrong * sizeof(uint64_t)), "bytes");
}

HARNESS_MAIN
