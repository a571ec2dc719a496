/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CXL device's list of poison: what was injected from outside and by the kernel is on it, at
 * its address and of its origin, and what is cleared is not. The kernel lists it in trace
 * events.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cxl.h"

#define OUTSIDE UINT64_C(0x01230040)
#define INSIDE  UINT64_C(0x04560080)
#define LENGTH  128
#define LINE    64
#define MOST    8

struct entry {
    uint64_t address;
    uint64_t length;
    bool injected; /* by the mailbox command */
};

/* The device's list now, by the kernel. */
static size_t list(struct entry *entries)
{
    struct cxl_record record;
    size_t count = 0;

    ASSERT_TRUE(file_write(CXL_SYSFS "/trigger_poison_list", "1"));
    /* The records were all written before the write returned. */
    while (count < MOST && cxl_next("cxl_poison", &record, 0)) {
        ASSERT_TRUE(cxl_says(&record, "memdev", "mem0"));
        if (!cxl_says(&record, "trace_type", "List"))
            continue;
        entries[count].address = cxl_number(&record, "dpa", 0);
        entries[count].length = cxl_number(&record, "dpa_length", 0);
        entries[count].injected = cxl_says(&record, "source", "Injected");
        count++;
    }
    return count;
}

static bool write_address(const char *file, uint64_t address)
{
    char path[128], text[32];

    snprintf(path, sizeof(path), CXL_DEBUG "/%s", file);
    snprintf(text, sizeof(text), "0x%" PRIx64, address);
    return file_write(path, text);
}

TEST(the_tool_lists_the_device)
{
    char output[4096];

    cxl_wait();
    ASSERT_EQ(COMMAND(output, sizeof(output), "cxl", "list", "-M"), 0);
    EXPECT_TRUE(strstr(output, "\"memdev\":\"mem0\"") != NULL);
    EXPECT_TRUE(strstr(output, "\"ram_size\":268435456") != NULL);
}

TEST(poison_is_listed_and_cleared)
{
    struct entry entries[MOST] = {0};
    struct rig_reply reply;

    cxl_wait();
    cxl_trace("cxl_poison");
    ASSERT_EQ(list(entries), 0);

    if (!rig_request(&reply, "cxl-poison", "id=ram0 dpa=0x%" PRIx64 " len=%d", OUTSIDE, LENGTH))
        ABORT("no poison: %s", reply.error);
    ASSERT_EQ(list(entries), 1);
    EXPECT_EQ(entries[0].address, OUTSIDE);
    EXPECT_EQ(entries[0].length, LENGTH);
    EXPECT_FALSE(entries[0].injected);

    ASSERT_TRUE(write_address("inject_poison", INSIDE));
    ASSERT_EQ(list(entries), 2);
    size_t ours = entries[0].address == INSIDE ? 0 : 1;
    EXPECT_EQ(entries[ours].address, INSIDE);
    EXPECT_EQ(entries[ours].length, LINE);
    EXPECT_TRUE(entries[ours].injected);
    EXPECT_EQ(entries[1 - ours].address, OUTSIDE);

    /* One line of the two: the other stays. */
    ASSERT_TRUE(write_address("clear_poison", OUTSIDE));
    ASSERT_TRUE(write_address("clear_poison", INSIDE));
    ASSERT_EQ(list(entries), 1);
    EXPECT_EQ(entries[0].address, OUTSIDE + LINE);
    EXPECT_EQ(entries[0].length, LINE);
    ASSERT_TRUE(write_address("clear_poison", OUTSIDE + LINE));
    EXPECT_EQ(list(entries), 0);
}

HARNESS_MAIN
