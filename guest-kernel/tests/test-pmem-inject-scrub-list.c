/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ndctl's commands for media errors, from injection to clearing. ndctl injects, looks and
 * clears; the kernel's lists and reads of the blocks say whether it is true.
 *
 * Arguments: inject=0, for a twin, leaves the injection out.
 */
#include <stdio.h>
#include <string.h>

#include "pmem.h"

#define NAMESPACE "namespace0.0"
#define FIRST     24
#define COUNT     4
#define BAD       "24 4"

/* What ndctl says of the same, without blanks. */
#define LISTED_BAD "\"badblock_count\":4,\"badblocks\":[{\"offset\":24,\"length\":4"
#define STATUS_BAD "{\"badblocks\":[{\"block\":24,\"count\":4}]}"

static void without_blanks(char *text)
{
    size_t to = 0;

    for (size_t from = 0; text[from]; from++)
        if (!strchr(" \n\t", text[from]))
            text[to++] = text[from];
    text[to] = '\0';
}

static bool run(const char *const argv[], char *output, size_t size)
{
    int status = command_run(output, size, argv);

    if (status != 0)
        DIAG("%s %s: exit status %d: %s", argv[0], argv[1], status, output);
    without_blanks(output);
    return status == 0;
}
#define RUN(output, ...) run((const char *const[]){__VA_ARGS__, NULL}, output, sizeof(output))

TEST(bus_has_the_commands)
{
    ASSERT_TRUE(nvdimm_wait_path(PMEM_REGION));
    /* Functions 1 to 5 and 7 to 9. */
    EXPECT_EQ(file_u64("/sys/bus/nd/devices/ndbus0/nfit/dsm_mask"), 0x3be);
}

TEST(blocks_are_good_at_first)
{
    char bytes[PMEM_BLOCK], list[8192];

    pmem_make("fsdax", NULL);
    pmem_wait_scrub();
    for (uint64_t block = 0; block < 64; block++) {
        pmem_pattern(block, bytes);
        ASSERT_EQ(pmem_write(block, bytes), 0);
    }
    EXPECT_STREQ(pmem_badblocks(), "");
    ASSERT_TRUE(pmem_list_media(list, sizeof(list)));
    EXPECT_EQ(strstr(list, "badblock"), NULL);
}

TEST(inject_error)
{
    char output[8192];

    if (test_arg_u64("inject", 1)) {
        /* Of the whole block, and without telling the kernel: a scrub is to find it. */
        ASSERT_TRUE(RUN(output, "ndctl", "inject-error", "--block=24", "--count=4",
                        "--saturate", "--no-notify", NAMESPACE));
    }
    ASSERT_TRUE(RUN(output, "ndctl", "inject-error", "--status", NAMESPACE));
    EXPECT_STREQ(output, STATUS_BAD);
    EXPECT_STREQ(pmem_badblocks(), "");
}

TEST(scrub_finds_it)
{
    char output[8192];
    double start = now_seconds();

    ASSERT_TRUE(RUN(output, "ndctl", "start-scrub"));
    EXPECT_NE(strstr(output, "\"provider\":\"ACPI.NFIT\""), NULL);
    EXPECT_NE(strstr(output, "\"scrub_state\":"), NULL);
    ASSERT_TRUE(RUN(output, "ndctl", "wait-scrub"));
    EXPECT_NE(strstr(output, "\"scrub_state\":\"idle\""), NULL);
    rig_metric("scrub", now_seconds() - start, "s");
}

TEST(list_and_kernel_agree)
{
    char list[8192];

    ASSERT_TRUE(pmem_list_media(list, sizeof(list)));
    EXPECT_NE(strstr(list, LISTED_BAD), NULL);
    EXPECT_NE(strstr(list, "\"dimms\":[\"nmem0\"]"), NULL);
    EXPECT_STREQ(pmem_badblocks(), BAD);
    EXPECT_TRUE(pmem_region_agrees());
    EXPECT_TRUE(pmem_only_bad(0, 64, FIRST, COUNT));
}

TEST(clear_errors)
{
    char output[8192], list[8192], bytes[PMEM_BLOCK];
    size_t kept = 0, zero = 0;

    ASSERT_TRUE(RUN(output, "ndctl", "clear-errors", NAMESPACE));
    EXPECT_NE(strstr(output, "\"dev\":\"" NAMESPACE "\""), NULL);
    ASSERT_TRUE(pmem_list_media(list, sizeof(list)));
    EXPECT_EQ(strstr(list, "badblock"), NULL);
    EXPECT_STREQ(pmem_badblocks(), "");
    EXPECT_TRUE(pmem_region_agrees());
    EXPECT_TRUE(pmem_only_bad(0, 64, 0, 0));
    ASSERT_TRUE(RUN(output, "ndctl", "inject-error", "--status", NAMESPACE));
    EXPECT_STREQ(output, "");

    /* What was bad is lost, and nothing else. */
    for (uint64_t block = 0; block < 64; block++) {
        static const char zeroes[PMEM_BLOCK];
        ASSERT_EQ(pmem_read(block, bytes), 0);
        kept += pmem_is_pattern(block, bytes);
        zero += memcmp(bytes, zeroes, sizeof(bytes)) == 0;
    }
    EXPECT_EQ(kept, 64 - COUNT);
    EXPECT_EQ(zero, COUNT);

    /* A later scrub finds no more than that. */
    pmem_scrub();
    EXPECT_STREQ(pmem_badblocks(), "");
}

HARNESS_MAIN
