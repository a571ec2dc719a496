/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The label area of an NVDIMM is damaged (UEFI 2.10, 13.19). There are two index blocks, so
 * that one may be lost; a label has a checksum, so that a damaged one is no namespace; with
 * both index blocks gone nothing is left but to begin anew. In each case the kernel, and ndctl,
 * must come to that conclusion and to no other, and new labels must put it right.
 *
 * Labels are read and written by ndctl; what is damaged is known from its dump: the first index
 * block is at 0, the second as far behind as the first says, then come the labels.
 *
 * Arguments: damage=0, for a twin, writes back what was read.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pmem.h"

#define DUMP  "/tmp/labels"
#define NAME  "labelled"
#define OTHER "other"

/* Of an index block: its signature, and where its size stands. */
#define INDEX_SIGNATURE "NAMESPACE_INDEX"
#define INDEX_MY_SIZE   32
#define INDEX_OTHER     40
#define INDEX_LABELS    56 /* its number of slots follows */
#define INDEX_LABEL_AT  48

static uint8_t labels[128 << 10];

static uint64_t label_u64(size_t at)
{
    uint64_t value;

    memcpy(&value, labels + at, sizeof(value));
    return value;
}

static bool dump_labels(void)
{
    int fd;

    if (NVDIMM_TOOL("ndctl", "read-labels", "-o", DUMP, "nmem0") != 0)
        return false;
    fd = open(DUMP, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, labels, sizeof(labels));
    if (fd >= 0)
        close(fd);
    return got == (ssize_t)sizeof(labels) &&
           memcmp(labels, INDEX_SIGNATURE, sizeof(INDEX_SIGNATURE)) == 0;
}

static bool write_labels(void)
{
    int fd = open(DUMP, O_WRONLY | O_TRUNC | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, labels, sizeof(labels)) == (ssize_t)sizeof(labels);

    if (fd >= 0)
        close(fd);
    return done && NVDIMM_TOOL("ndctl", "write-labels", "-i", DUMP, "nmem0") == 0;
}

static void damage(size_t at)
{
    if (test_arg_u64("damage", 1))
        labels[at] ^= 0x5a;
}

/* Where the label of that name is, 0 if there is none. */
static size_t find_label(const char *name)
{
    for (size_t at = label_u64(INDEX_LABEL_AT); at + 256 <= sizeof(labels); at += 256)
        if (strcmp((const char *)labels + at + 16, name) == 0)
            return at;
    return 0;
}

static bool listed(const char *name)
{
    char list[8192], wanted[64];

    snprintf(wanted, sizeof(wanted), "\"name\":\"%s\"", name);
    return COMMAND(list, sizeof(list), "ndctl", "list", "-N") == 0 &&
           strstr(list, wanted) != NULL;
}

/* New labels with two namespaces, both seen; and the region is down. */
FIXTURE(labels)
{
    size_t size; /* of an index block */
};

FIXTURE_SETUP(labels)
{
    ASSERT_TRUE(mkdir("/tmp", 0755) == 0 || access("/tmp", W_OK) == 0);
    ASSERT_TRUE(nvdimm_wait_path(PMEM_REGION));
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "disable-region", "region0"), 0);
    /* Labels of version 1.2 have checksums. */
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "init-labels", "-f", "--label-version=1.2", "nmem0"), 0);
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "enable-region", "region0"), 0);
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "create-namespace", "--region", "region0", "--mode", "raw",
                          "--size", "32M", "--name", NAME),
              0);
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "create-namespace", "--region", "region0", "--mode", "raw",
                          "--size", "32M", "--name", OTHER),
              0);
    ASSERT_TRUE(listed(NAME));
    ASSERT_TRUE(listed(OTHER));
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "disable-region", "region0"), 0);
    ASSERT_TRUE(dump_labels());
    self->size = label_u64(INDEX_MY_SIZE);
    ASSERT_GT(self->size, 0);
    ASSERT_LT(self->size, sizeof(labels) / 4);
    ASSERT_EQ(memcmp(labels + self->size, INDEX_SIGNATURE, sizeof(INDEX_SIGNATURE)), 0);
    ASSERT_NE(find_label(NAME), 0);
    ASSERT_NE(find_label(OTHER), 0);
}

FIXTURE_TEARDOWN(labels)
{
}

TEST_F(labels, one_index_block_is_enough)
{
    for (unsigned block = 0; block < 2; block++) {
        ASSERT_TRUE(dump_labels());
        damage(block * self->size + 100);
        ASSERT_TRUE(write_labels());
        ASSERT_EQ(NVDIMM_TOOL("ndctl", "enable-region", "region0"), 0);
        EXPECT_TRUE(listed(NAME));
        EXPECT_TRUE(listed(OTHER));
        ASSERT_EQ(NVDIMM_TOOL("ndctl", "disable-region", "region0"), 0);
        damage(block * self->size + 100);
        ASSERT_TRUE(write_labels());
    }
}

TEST_F(labels, damaged_label_is_no_namespace)
{
    damage(find_label(NAME) + 120); /* in its size */
    ASSERT_TRUE(write_labels());
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "check-labels", "nmem0"), 0);
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "enable-region", "region0"), 0);
    EXPECT_FALSE(listed(NAME));
    EXPECT_TRUE(listed(OTHER));
}

TEST_F(labels, without_index_blocks_all_is_lost)
{
    char output[4096];

    damage(100);
    damage(self->size + 100);
    ASSERT_TRUE(write_labels());
    EXPECT_NE(COMMAND(output, sizeof(output), "ndctl", "check-labels", "nmem0"), 0);
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "enable-region", "region0"), 0);
    EXPECT_FALSE(listed(NAME));
    EXPECT_FALSE(listed(OTHER));
}

/* New labels, after all of that: the setup is the proof. */
TEST_F(labels, new_labels_put_it_right)
{
    EXPECT_EQ(NVDIMM_TOOL("ndctl", "check-labels", "nmem0"), 0);
    EXPECT_EQ(NVDIMM_TOOL("ndctl", "enable-region", "region0"), 0);
    EXPECT_TRUE(listed(NAME));
}

HARNESS_MAIN
