/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel was told that its machine was forked. What it does then (add_vmfork_randomness()
 * in drivers/char/random.c) it says in its log; nothing else of it can be seen from user space.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define NOTICE "crng reseeded due to virtual machine fork"

/* How often the log says so; its beginning is the template's. */
static unsigned notices(void)
{
    char record[8192]; /* no record is longer (PRINTK_MESSAGE_MAX) */
    unsigned count = 0;
    ssize_t size;
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    ASSERT_GE(fd, 0);
    /* EPIPE: the log has moved on over the record that was next. */
    while ((size = read(fd, record, sizeof(record) - 1)) > 0 || (size < 0 && errno == EPIPE)) {
        if (size < 0)
            continue;
        record[size] = '\0';
        if (strstr(record, NOTICE))
            count++;
    }
    int cause = errno;
    close(fd);
    ASSERT_EQ(cause, EAGAIN);
    return count;
}

static bool noticed(void *data __attribute__((unused)))
{
    return notices() > 0;
}

TEST(kernel_notices_the_fork)
{
    /* The fork raises an ACPI event, which the kernel handles in a work item. */
    EXPECT_TRUE(wait_until(noticed, NULL, 10));
    EXPECT_EQ(notices(), 1);
}

HARNESS_MAIN
