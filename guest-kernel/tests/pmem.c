/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMESPACE_NAME "mmrig"
#define NAMESPACE_UUID "5c1f6a58-2b0e-4f19-9a3d-70b1c5f3e6d4"

void pmem_make(const char *mode, const char *align)
{
    char list[8192];

    ASSERT_TRUE(nvdimm_wait_path(PMEM_REGION));
    ASSERT_EQ(COMMAND(list, sizeof(list), "ndctl", "list", "-N"), 0);
    if (!strstr(list, "\"name\":\"" NAMESPACE_NAME "\"")) {
        ASSERT_EQ(NVDIMM_TOOL("ndctl", "disable-region", "region0"), 0);
        ASSERT_EQ(NVDIMM_TOOL("ndctl", "init-labels", "nmem0"), 0);
        ASSERT_EQ(NVDIMM_TOOL("ndctl", "enable-region", "region0"), 0);
        if (align)
            ASSERT_EQ(NVDIMM_TOOL("ndctl", "create-namespace", "--region", "region0", "--mode",
                                  mode, "--name", NAMESPACE_NAME, "--uuid", NAMESPACE_UUID,
                                  "--align", align),
                      0);
        else
            ASSERT_EQ(NVDIMM_TOOL("ndctl", "create-namespace", "--region", "region0", "--mode",
                                  mode, "--name", NAMESPACE_NAME, "--uuid", NAMESPACE_UUID),
                      0);
    }
    ASSERT_TRUE(nvdimm_wait_path(strcmp(mode, "devdax") == 0 ? "/dev/dax0.0" : PMEM_DEVICE));
}

uint64_t pmem_data(void)
{
    return file_u64("/sys/block/pmem0/device/resource");
}

uint64_t pmem_module(void)
{
    return file_u64(PMEM_REGION "/resource");
}

static void ask(const char *verb, uint64_t address, size_t length, const char *more)
{
    struct rig_reply reply;

    if (!rig_request(&reply, verb, "id=pmem0 offset=0x%llx length=0x%zx%s",
                     (unsigned long long)(address - pmem_module()), length, more))
        ABORT("%s 0x%llx: %s", verb, (unsigned long long)address, reply.error);
}

void pmem_lay(uint64_t address, size_t length)
{
    ask("pmem-inject", address, length, "");
}

void pmem_lay_and_notify(uint64_t address, size_t length)
{
    ask("pmem-inject", address, length, " notify=1");
}

void pmem_heal(uint64_t address, size_t length)
{
    ask("pmem-clear", address, length, "");
}

void pmem_lay_blocks(uint64_t block, uint64_t count)
{
    pmem_lay(pmem_data() + block * PMEM_BLOCK, count * PMEM_BLOCK);
}

uint64_t pmem_count(const char *of)
{
    struct rig_reply reply;

    if (!rig_request(&reply, "pmem-count", "of=%s", of))
        ABORT("pmem-count %s: %s", of, reply.error);
    return rig_reply_u64(&reply, "count");
}

void pmem_wait_scrub(void)
{
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "wait-scrub"), 0);
}

void pmem_scrub(void)
{
    /* The kernel's own may be under way, which is not an error but is none of ours. */
    pmem_wait_scrub();
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "start-scrub"), 0);
    pmem_wait_scrub();
}

const char *pmem_badblocks(void)
{
    static char text[4096], joined[4096];
    char *rest;
    size_t length = 0;

    if (!file_read("/sys/block/pmem0/badblocks", text, sizeof(text)))
        ABORT("cannot read /sys/block/pmem0/badblocks: %s", strerror(errno));
    joined[0] = '\0';
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        length += (size_t)snprintf(joined + length, sizeof(joined) - length, "%s%s",
                                   length ? "; " : "", line);
    return joined;
}

static bool badblocks_are(void *wanted)
{
    return strcmp(pmem_badblocks(), wanted) == 0;
}

bool pmem_wait_badblocks(const char *wanted)
{
    if (wait_until(badblocks_are, (void *)wanted, PMEM_SCRUB_SECONDS))
        return true;
    DIAG("bad blocks are \"%s\", not \"%s\"", pmem_badblocks(), wanted);
    return false;
}

bool pmem_region_agrees(void)
{
    uint64_t start = (pmem_data() - pmem_module()) / PMEM_BLOCK;
    char text[4096], moved[4096] = "", *rest;
    size_t length = 0;

    if (!file_read(PMEM_REGION "/badblocks", text, sizeof(text)))
        ABORT("cannot read the region's badblocks: %s", strerror(errno));
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        unsigned long long first, count;
        if (sscanf(line, "%llu %llu", &first, &count) != 2 || first < start)
            return false;
        length +=
            (size_t)snprintf(moved + length, sizeof(moved) - length, "%s%llu %llu",
                             length ? "; " : "", first - (unsigned long long)start, count);
    }
    if (strcmp(moved, pmem_badblocks()) == 0)
        return true;
    DIAG("the region's bad blocks are \"%s\", the device's \"%s\"", moved, pmem_badblocks());
    return false;
}

bool pmem_list_media(char *list, size_t size)
{
    size_t to = 0;
    int status = COMMAND(list, size, "ndctl", "list", "-N", "-M");

    for (size_t from = 0; list[from]; from++)
        if (!strchr(" \n\t", list[from]))
            list[to++] = list[from];
    list[to] = '\0';
    if (status != 0)
        DIAG("ndctl list -N -M: exit status %d: %s", status, list);
    return status == 0;
}

static int transfer(uint64_t block, void *bytes, bool writing)
{
    char buffer[PMEM_BLOCK] __attribute__((aligned(512)));
    off_t at = (off_t)(block * PMEM_BLOCK);
    int fd = open(PMEM_DEVICE, (writing ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
    int error = 0;

    if (fd < 0)
        return errno;
    if (writing)
        memcpy(buffer, bytes, sizeof(buffer));
    ssize_t done = writing ? pwrite(fd, buffer, sizeof(buffer), at)
                           : pread(fd, buffer, sizeof(buffer), at);
    if (done != (ssize_t)sizeof(buffer))
        error = done < 0 ? errno : ENODATA;
    close(fd);
    if (!writing && !error)
        memcpy(bytes, buffer, sizeof(buffer));
    return error;
}

int pmem_read(uint64_t block, void *bytes)
{
    return transfer(block, bytes, false);
}

int pmem_write(uint64_t block, const void *bytes)
{
    return transfer(block, (void *)bytes, true);
}

bool pmem_only_bad(uint64_t from, uint64_t to, uint64_t first, uint64_t count)
{
    char bytes[PMEM_BLOCK];
    bool right = true;

    for (uint64_t block = from; block < to; block++) {
        bool bad = block >= first && block < first + count;
        int error = pmem_read(block, bytes);

        if (error == (bad ? EIO : 0))
            continue;
        DIAG("block %llu: %s", (unsigned long long)block,
             error ? strerror(error) : "can be read, and should not");
        right = false;
    }
    return right;
}

static uint64_t pattern_word(uint64_t block, size_t i)
{
    return (block * (PMEM_BLOCK / sizeof(uint64_t)) + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

void pmem_pattern(uint64_t block, void *bytes)
{
    uint64_t *words = bytes;

    for (size_t i = 0; i < PMEM_BLOCK / sizeof(*words); i++)
        words[i] = pattern_word(block, i);
}

bool pmem_is_pattern(uint64_t block, const void *bytes)
{
    const uint64_t *words = bytes;

    for (size_t i = 0; i < PMEM_BLOCK / sizeof(*words); i++)
        if (words[i] != pattern_word(block, i))
            return false;
    return true;
}

void pmem_mount(bool make)
{
    if (make)
        ASSERT_EQ(NVDIMM_TOOL("mkfs.ext4", "-q", "-b", "4096", PMEM_DEVICE), 0);
    ASSERT_TRUE(mkdir("/mnt", 0755) == 0 || errno == EEXIST);
    ASSERT_TRUE(mkdir(PMEM_MOUNT, 0755) == 0 || errno == EEXIST);
    ASSERT_EQ(mount(PMEM_DEVICE, PMEM_MOUNT, "ext4", 0, "dax=always"), 0);
}
