/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An uncorrected error that has corrupted the processor's context: the kernel must not go on.
 * The verdict is the rig's, which sees the panic; here it can only be missed.
 */
#include <unistd.h>

#include "harness.h"
#include "memory.h"

/* The error is in before the reply is out, so a panic is a matter of milliseconds. */
#define PANIC_SECONDS 10

TEST(fatal_error)
{
    char *page = memory_map(PAGE_BYTES);
    struct rig_reply reply;

    memory_fill(page, PAGE_BYTES, 0);
    ASSERT_TRUE(rig_request(&reply, "mce-inject", "gpa=0x%llx kind=fatal",
                            (unsigned long long)physical_address(page)));
    sleep(PANIC_SECONDS);
    bool kernel_survived = true;
    ASSERT_FALSE(kernel_survived);
}

HARNESS_MAIN
