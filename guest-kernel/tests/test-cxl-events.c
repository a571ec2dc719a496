/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Event records of a CXL device: an interrupt comes, and the kernel reads the log and tells. */
#include <inttypes.h>
#include <string.h>

#include "cxl.h"

#define ADDRESS UINT64_C(0x02340080)

/* A record in this log; the kernel's name for the log. */
static void expect_event(const char *log, const char *name, uint64_t address)
{
    struct rig_reply reply;
    struct cxl_record record;

    if (!rig_request(&reply, "cxl-event", "id=ram0 log=%s dpa=0x%" PRIx64, log, address))
        ABORT("no event: %s", reply.error);
    ASSERT_TRUE(cxl_next("cxl_general_media", &record, CXL_SECONDS));
    EXPECT_TRUE(cxl_says(&record, "memdev", "mem0"));
    EXPECT_TRUE(cxl_says(&record, "log", name));
    /* Printed without 0x (drivers/cxl/core/trace.h). */
    EXPECT_EQ(cxl_number(&record, "dpa", 16), address);
    EXPECT_TRUE(cxl_says(&record, "descriptor", "'UNCORRECTABLE_EVENT'"));
    EXPECT_EQ(cxl_number(&record, "channel", 0), 3);
    EXPECT_EQ(cxl_number(&record, "rank", 0), 17);
}

TEST(every_log_is_read)
{
    cxl_wait();
    cxl_trace("cxl_general_media");
    expect_event("informational", "Informational", ADDRESS);
    expect_event("warning", "Warning", ADDRESS + 64);
    expect_event("failure", "Failure", ADDRESS + 128);
    expect_event("fatal", "Fatal", ADDRESS + 192);
}

HARNESS_MAIN
