/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A test program that does all a guest test can do, right and wrong; see test-harness.c. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static void only_in(const char *mode)
{
    if (strcmp(test_arg("mode"), mode) != 0)
        SKIP("not in mode %s", test_arg("mode"));
}

TEST(passes)
{
    unsigned char byte = 200;
    const char *text = "same";

    only_in("mixed");
    printf("this is not KTAP\n");
    EXPECT_EQ(byte, 200);
    EXPECT_LT(-1, 0u);
    EXPECT_GT(UINT64_MAX, INT64_MIN);
    EXPECT_NE((int64_t)-1, UINT64_MAX);
    EXPECT_GE(1.5, 1);
    EXPECT_LE(INT64_MIN, INT64_MIN);
    EXPECT_EQ(text, (const void *)text);
    EXPECT_NE(text, NULL);
    EXPECT_TRUE(text);
    EXPECT_FALSE(byte == 7);
    EXPECT_STREQ(text, "same");
}

TEST(expects_and_goes_on)
{
    int negative = -5;
    const char *nothing = NULL;

    only_in("mixed");
    EXPECT_EQ(negative, 3u);
    EXPECT_NE(negative, -5);
    EXPECT_LT(UINT64_MAX, 1);
    EXPECT_LE(2.5, 2);
    EXPECT_GT((void *)0x10, (void *)0x20);
    EXPECT_GE(negative, true);
    EXPECT_TRUE(negative > 0);
    EXPECT_FALSE(negative);
    EXPECT_STREQ(nothing, "text");
    EXPECT_EQ((double)NAN, (double)NAN);
    DIAG("went on\nin two lines");
}

TEST(asserts_and_ends)
{
    only_in("mixed");
    ASSERT_EQ(1, 2);
    DIAG("must not be seen");
}

TEST(crashes)
{
    only_in("mixed");
    raise(SIGKILL);
}

TEST(exits_by_itself)
{
    only_in("mixed");
    _exit(0);
}

TEST(fails_in_a_child)
{
    only_in("mixed");
    pid_t pid = fork();
    if (pid == 0)
        ASSERT_TRUE(false);
    waitpid(pid, NULL, 0);
}

TEST(leaves_a_process_behind)
{
    only_in("mixed");
    if (fork() == 0) {
        for (;;)
            pause();
    }
}

TEST(skips)
{
    only_in("mixed");
    SKIP("needs %s\nand more", "CONFIG_NONE");
}

TEST(fails_then_skips)
{
    only_in("mixed");
    EXPECT_TRUE(false);
    SKIP("too late");
}

FIXTURE(page)
{
    size_t size;
    bool set_up;
};

FIXTURE_VARIANT(page)
{
    size_t size;
    bool broken;
};

FIXTURE_VARIANT_ADD(page, small){.size = 4096};
FIXTURE_VARIANT_ADD(page, huge){.size = 2097152};
FIXTURE_VARIANT_ADD(page, broken){.broken = true};

FIXTURE_SETUP(page)
{
    only_in("mixed");
    EXPECT_EQ(self->size, 0);
    ASSERT_FALSE(variant->broken);
    self->size = variant->size;
    self->set_up = true;
}

FIXTURE_TEARDOWN(page)
{
    DIAG("teardown of %zu", self->size);
    EXPECT_TRUE(self->set_up);
}

TEST_F(page, is_small)
{
    ASSERT_LE(self->size, 4096);
    EXPECT_EQ(self->size, variant->size);
}

FIXTURE(plain)
{
    int number;
};

FIXTURE_SETUP(plain)
{
    only_in("mixed");
    self->number = 7;
}

TEST_F(plain, has_no_variant)
{
    EXPECT_EQ(self->number, 7);
    EXPECT_EQ((const void *)variant, NULL);
}

FIXTURE(doubtful)
{
    int number;
};

FIXTURE_SETUP(doubtful)
{
    only_in("mixed");
    EXPECT_EQ(self->number, 1);
}

FIXTURE_TEARDOWN(doubtful)
{
    DIAG("teardown all the same");
}

TEST_F(doubtful, is_not_run)
{
    DIAG("must not be seen");
}

TEST(runs_a_command)
{
    char output[16];

    only_in("mixed");
    EXPECT_EQ(COMMAND(output, sizeof(output), "sh", "-c", "echo out; echo err >&2; exit 3"), 3);
    EXPECT_STREQ(output, "out\nerr\n");
    EXPECT_EQ(COMMAND(output, 4, "echo", "cut off"), 0);
    EXPECT_STREQ(output, "cut");
    EXPECT_EQ(COMMAND(NULL, 0, "sh", "-c", "kill -9 $$"), 128 + SIGKILL);
    EXPECT_EQ(COMMAND(output, sizeof(output), "/no/such/program"), 127);
    EXPECT_EQ(COMMAND(NULL, 0, "sh", "-c", "test ! -S /proc/self/fd/3"), 0);
}

static bool third_time(void *data)
{
    return ++*(int *)data == 3;
}

static bool never(void *data)
{
    (void)data;
    return false;
}

TEST(looks_at_the_system)
{
    char text[64];
    int count = 0;

    only_in("mixed");
    EXPECT_TRUE(file_read("/proc/self/comm", text, sizeof(text)));
    EXPECT_STREQ(text, "harness-sample");
    EXPECT_TRUE(file_read("/proc/self/comm", text, 4));
    EXPECT_STREQ(text, "har");
    EXPECT_FALSE(file_read("/no/such/file", text, sizeof(text)));
    EXPECT_FALSE(file_write("/no/such/file", "text"));
    EXPECT_TRUE(file_write("/proc/self/comm", "renamed"));
    EXPECT_TRUE(file_read("/proc/self/comm", text, sizeof(text)));
    EXPECT_STREQ(text, "renamed");
    EXPECT_GT(file_u64("/proc/sys/kernel/pid_max"), 300);
    EXPECT_GT(meminfo_kb("MemTotal"), meminfo_kb("MemFree"));
    EXPECT_GT(vmstat("pgfault"), 0);
    EXPECT_EQ(test_arg_u64("hex", 0), 0x1f);
    EXPECT_EQ(test_arg_u64("none", 12), 12);
    EXPECT_TRUE(test_boot_is("first"));
    EXPECT_FALSE(test_boot_is("second"));
    EXPECT_TRUE(wait_until(third_time, &count, 10));
    EXPECT_FALSE(wait_until(never, NULL, 0.02));
}

TEST(asks_the_rig)
{
    struct rig_reply reply;

    only_in("rig");
    EXPECT_TRUE(rig_request(&reply, "balloon-set", "bytes=%d note=a%%b", 4096));
    EXPECT_EQ(rig_reply_u64(&reply, "actual"), 8192);
    EXPECT_EQ(rig_reply_u64(&reply, "hex"), 0x10);
    EXPECT_FALSE(rig_request(&reply, "balloon-set", "bytes=0"));
    EXPECT_STREQ(reply.error, "not that little");
    rig_metric("time taken", 0.25, "s");
}

TEST(gives_up)
{
    only_in("abort");
    ABORT("no %s here", "hope");
}

TEST(meets_no_number)
{
    only_in("number");
    DIAG("%d", (int)test_arg_u64("hex", 0));
    DIAG("%d", (int)test_arg_u64("mode", 0));
}

TEST(comes_last)
{
    only_in("pass");
}

HARNESS_MAIN
