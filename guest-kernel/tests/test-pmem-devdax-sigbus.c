/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device DAX: no file system, and no block layer that could keep a list. A program that loads a
 * bad byte gets SIGBUS for the page that the device maps by (4 KiB or 2 MiB, align=), and all
 * other memory of the device is as it was.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "errors.h"
#include "memory.h"
#include "pmem.h"

#define DAX_DEVICE "/dev/dax0.0"
#define DAX_SYSFS  "/sys/bus/dax/devices/dax0.0"
#define SEED       UINT64_C(6000000)
#define BYTES      ((size_t)32 << 20)
#define BAD        (((size_t)9 << 20) + 5 * PAGE_BYTES + 0x240)

static size_t align(void)
{
    return (size_t)test_arg_u64("align", 2 << 20);
}

static char *map_device(void)
{
    int fd = open(DAX_DEVICE, O_RDWR | O_CLOEXEC);

    return fd < 0 ? MAP_FAILED : mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void fill(char *memory)
{
    for (size_t at = 0; at < BYTES; at += PAGE_BYTES)
        memory_fill(memory + at, PAGE_BYTES, SEED + at);
}

struct look {
    const char *memory;
    size_t at;
    bool right;
};

static void look_at(void *data)
{
    struct look *look = data;

    look->right =
        memory_differs(look->memory + look->at, PAGE_BYTES, SEED + look->at) == PAGE_BYTES;
}

/* Pages in [from, to) that are right, and such that give SIGBUS. */
static void tally(const char *memory, size_t from, size_t to, size_t *right, size_t *bus)
{
    *right = *bus = 0;
    for (size_t at = from; at < to; at += PAGE_BYTES) {
        struct look look = {memory, at, false};
        if (bus_error_in(look_at, &look).code)
            ++*bus;
        else
            *right += look.right;
    }
}

TEST(load_of_a_bad_byte)
{
    size_t start = BAD / align() * align(), end = start + align(), right, bus;
    char number[32];
    struct machine_check check;

    snprintf(number, sizeof(number), "%zu", align());
    pmem_make("devdax", number);
    pmem_wait_scrub();
    ASSERT_EQ(file_u64(DAX_SYSFS "/align"), align());
    char *memory = map_device();
    ASSERT_NE(memory, MAP_FAILED);
    fill(memory);
    uint64_t address = physical_address(memory + BAD);
    ASSERT_EQ(address, file_u64(DAX_SYSFS "/resource") + BAD);
    bus_errors_catch();
    machine_checks_trace();
    tally(memory, 0, BYTES, &right, &bus);
    ASSERT_EQ(right, BYTES / PAGE_BYTES);

    uint64_t consumed = pmem_count("consumed");
    pmem_lay(address, GRANULE);
    /* What is beside it is good as long as nobody touches it. */
    EXPECT_EQ(bus_error_at(memory + BAD - 256).code, 0);
    EXPECT_EQ(bus_error_at(memory + BAD + 256).code, 0);
    struct bus_error error = bus_error_at(memory + BAD);
    EXPECT_EQ(error.code, BUS_MCEERR_AR);
    EXPECT_EQ((uintptr_t)error.address / align(), (uintptr_t)(memory + BAD) / align());
    EXPECT_EQ((size_t)1 << error.lsb, align());
    EXPECT_EQ(pmem_count("consumed"), consumed + 1);
    ASSERT_TRUE(machine_check_next(&check, ERROR_SECONDS));
    EXPECT_EQ(check.address & ~(uint64_t)(GRANULE - 1), address);
    EXPECT_EQ(check.cs & 3, 3); /* in the program */

    /* Before and behind the device's page. */
    tally(memory, 0, start, &right, &bus);
    EXPECT_EQ(right, start / PAGE_BYTES);
    tally(memory, end, BYTES, &right, &bus);
    EXPECT_EQ(right, (BYTES - end) / PAGE_BYTES);
    size_t others = (BYTES - align()) / PAGE_BYTES;
    rig_metric("others", (double)others, "pages");
}

static bool region_has_badblocks(void *text)
{
    return file_read(PMEM_REGION "/badblocks", text, 256) && *(const char *)text != '\0';
}

/* Device DAX has no list of its own; its region has. */
TEST(region_knows)
{
    unsigned long long first = 0, count = 0;
    uint64_t offset = file_u64(DAX_SYSFS "/resource") + BAD - pmem_module();
    char text[256];

    ASSERT_TRUE(wait_until(region_has_badblocks, text, ERROR_SECONDS));
    ASSERT_EQ(sscanf(text, "%llu %llu", &first, &count), 2);
    EXPECT_EQ(first, offset / PMEM_BLOCK);
    EXPECT_EQ(count, 1);
}

HARNESS_MAIN
