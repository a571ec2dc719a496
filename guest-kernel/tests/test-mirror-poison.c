/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory goes bad on a machine that keeps a part of it twice. Argument what: kernel, a page of
 * the kernel's; both, that page in both of its copies; user, a program's page.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "errors.h"
#include "firmware.h"

#define MACHINECHECK "/sys/devices/system/machinecheck/machinecheck0/check_interval"
#define POLL_SECONDS 30.0

/*
 * A page that the kernel has for itself, and whose address a program can learn: the rings of
 * io_uring, which are mapped into it. The kernel reads the submission ring's tail.
 */
struct victim {
    int ring;
    uint64_t address; /* of the line with the tail */
};

static struct victim find_victim(void)
{
    struct io_uring_params params = {0};
    struct victim victim;

    victim.ring = (int)syscall(SYS_io_uring_setup, 8, &params);
    if (victim.ring < 0)
        ABORT("io_uring_setup: %s", strerror(errno));
    char *at = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE, victim.ring,
                    IORING_OFF_SQ_RING);
    if (at == MAP_FAILED)
        ABORT("io_uring's ring: %s", strerror(errno));
    uint64_t page = physical_address(at);
    if (page == 0)
        ABORT("the ring's page is not there");
    victim.address = (page + params.sq_off.tail) & ~(uint64_t)(GRANULE - 1);
    munmap(at, PAGE_BYTES);
    DIAG("the kernel's line at 0x%" PRIx64, victim.address);
    return victim;
}

/* There is nothing to submit, which the kernel learns from the tail. */
static void use_victim(const struct victim *victim)
{
    ASSERT_EQ(syscall(SYS_io_uring_enter, victim->ring, 1, 0, 0, NULL, 0), 0);
}

static void open_mirror(void)
{
    if (!mirror_open())
        ABORT("there is no mmrig-mirror");
}

static void kernel_page(void)
{
    struct victim victim = find_victim();
    struct machine_check check;

    machine_checks_trace();
    /* A corrected error raises nothing; the kernel finds it when it looks. */
    ASSERT_TRUE(file_write(MACHINECHECK, "1"));
    poison_lay(victim.address, GRANULE);
    use_victim(&victim);
    ASSERT_GE(mirror_get(MMRIG_MIRROR_CORRECTED), 1);
    EXPECT_EQ(mirror_get(MMRIG_MIRROR_FAILOVERS), 0);
    EXPECT_EQ(mirror_get64(MMRIG_MIRROR_LAST_LO) & ~(uint64_t)(GRANULE - 1), victim.address);
    ASSERT_TRUE(machine_check_next(&check, POLL_SECONDS));
    EXPECT_EQ(check.status & STATUS_UC, 0);
    EXPECT_EQ(check.address & ~(uint64_t)(GRANULE - 1), victim.address);
    EXPECT_TRUE(kernel_said("Machine check events logged", NULL, 0));
    /* And on it goes. */
    for (int i = 0; i < 10; i++)
        use_victim(&victim);
    EXPECT_GE(mirror_get(MMRIG_MIRROR_CORRECTED), 11);
    poison_clear(victim.address, GRANULE);
    uint32_t corrected = mirror_get(MMRIG_MIRROR_CORRECTED);
    use_victim(&victim);
    EXPECT_EQ(mirror_get(MMRIG_MIRROR_CORRECTED), corrected);
}

/* What is expected is a panic, so nothing here is to be reached behind the use. */
static void both_copies(void)
{
    struct victim victim = find_victim();
    struct rig_reply reply;

    poison_lay(victim.address, GRANULE);
    use_victim(&victim);
    EXPECT_GE(mirror_get(MMRIG_MIRROR_CORRECTED), 1);
    EXPECT_EQ(mirror_get(MMRIG_MIRROR_FAILOVERS), 0);
    ASSERT_TRUE(rig_request(&reply, "mirror-spoil", "gpa=0x%llx len=%zu",
                            (unsigned long long)victim.address, GRANULE));
    use_victim(&victim);
}

static void user_page(void)
{
    static struct efi_map map;
    struct ranges mirrored = {0};
    char *at =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ASSERT_NE(at, MAP_FAILED);
    memset(at, 1, PAGE_BYTES);
    uint64_t page = physical_address(at);
    ASSERT_NE(page, 0);
    efi_map_read(&map);
    efi_map_mirrored(&map, &mirrored);
    EXPECT_GT(ranges_bytes(&mirrored), 0);
    EXPECT_EQ(ranges_within(&mirrored, page, PAGE_BYTES), 0);
    bus_errors_catch();
    poison_lay(page, GRANULE);
    struct bus_error error = bus_error_at(at);
    EXPECT_EQ(error.code, BUS_MCEERR_AR);
    EXPECT_TRUE(wait_pages_taken(1));
    EXPECT_TRUE(page_is_taken(page));
    EXPECT_EQ(mirror_get(MMRIG_MIRROR_CORRECTED), 0);
    EXPECT_EQ(mirror_get(MMRIG_MIRROR_FAILOVERS), 0);
}

TEST(memory_goes_bad)
{
    const char *what = test_arg("what");

    open_mirror();
    if (what && strcmp(what, "kernel") == 0)
        kernel_page();
    else if (what && strcmp(what, "both") == 0)
        both_copies();
    else if (what && strcmp(what, "user") == 0)
        user_page();
    else
        ABORT("what=kernel, both or user?");
}

HARNESS_MAIN
