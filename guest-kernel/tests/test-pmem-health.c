/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module's health, by ndctl: what is injected shows, the kernel is told when it becomes an
 * alarm (Notify 0x81 on the NVDIMM), and it is over when it is taken back.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "pmem.h"

#define FLAGS "/sys/bus/nd/devices/nmem0/nfit/flags"

/* Opens the file that the kernel makes ready when it is notified (drivers/acpi/nfit). */
static int notice_open(void)
{
    char text[256];
    int fd = open(FLAGS, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && read(fd, text, sizeof(text)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool notice_came(int fd, double seconds)
{
    struct pollfd poller = {.fd = fd, .events = POLLPRI};

    return poll(&poller, 1, (int)(seconds * 1000)) == 1 && (poller.revents & POLLPRI);
}

static bool health_says(const char *what)
{
    char list[4096];

    return COMMAND(list, sizeof(list), "ndctl", "list", "-D", "-H") == 0 &&
           strstr(list, what) != NULL;
}

FIXTURE(module)
{
    int notice;
};

FIXTURE_VARIANT(module)
{
    const char *inject, *restore, *sick, *well, *state;
};

FIXTURE_VARIANT_ADD(module, spares){"--spares=3", "--spares-uninject",
                                    "\"spares_percentage\":3,", "\"spares_percentage\":75,",
                                    "\"health_state\":\"non-critical\""};
FIXTURE_VARIANT_ADD(module, temperature){
    "--media-temperature=99", "--media-temperature-uninject", "\"temperature_celsius\":99.0,",
    "\"temperature_celsius\":23.0,", "\"health_state\":\"non-critical\""};
FIXTURE_VARIANT_ADD(module, fatal){"--fatal", "--fatal-uninject", "\"health_state\":\"fatal\"",
                                   "\"health_state\":\"ok\"", "\"health_state\":\"fatal\""};

FIXTURE_SETUP(module)
{
    ASSERT_TRUE(nvdimm_wait_path(PMEM_REGION));
    ASSERT_TRUE(health_says(variant->well));
    ASSERT_TRUE(health_says("\"health_state\":\"ok\""));
    self->notice = notice_open();
    ASSERT_GE(self->notice, 0);
}

FIXTURE_TEARDOWN(module)
{
    close(self->notice);
}

TEST_F(module, becomes_ill_and_well_again)
{
    EXPECT_FALSE(notice_came(self->notice, 0));
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "inject-smart", variant->inject, "nmem0"), 0);
    EXPECT_TRUE(notice_came(self->notice, 5));
    EXPECT_TRUE(health_says(variant->sick));
    EXPECT_TRUE(health_says(variant->state));
    ASSERT_EQ(NVDIMM_TOOL("ndctl", "inject-smart", variant->restore, "nmem0"), 0);
    EXPECT_TRUE(health_says(variant->well));
    EXPECT_TRUE(health_says("\"health_state\":\"ok\""));
}

HARNESS_MAIN
