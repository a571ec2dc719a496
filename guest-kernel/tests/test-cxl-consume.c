/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Poison of a CXL device that is read. Where it is in physical memory the kernel says itself,
 * when it lists the poison; there the machine's error controller has it bite.
 *
 * Arguments: what=devdax maps the region as a device, what=kmem uses it as ordinary memory;
 * ways=N devices (ram0, ram1, ...) are interleaved.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cxl.h"
#include "errors.h"
#include "memory.h"

#define DAX_DEVICE "dax0.0"
#define SEED       UINT64_C(7000000)
#define LINE       ((size_t)64)
/* The page that goes bad, and how far into it. */
#define BAD_PAGE 5
#define BAD_LINE ((size_t)7 * 64)
#define PAGES    ((size_t)16)

static uint64_t region_address, region_size;
static unsigned ways = 1;

static void make_region(void)
{
    cxl_wait();
    cxl_trace("cxl_poison");
    /* daxctl refuses a kernel that puts new memory on line by itself. */
    ASSERT_TRUE(file_write("/sys/devices/system/memory/auto_online_blocks", "offline"));
    ways = (unsigned)test_arg_u64("ways", 1);
    cxl_make_region(ways, &region_address, &region_size);
    ASSERT_GT(region_size, 0);
}

/*
 * The device has this address as poisoned. Its list, and the kernel's translation of it, have
 * to lead back to where the memory was mapped. Then reading it is made to hurt.
 */
static void make_bad(uint64_t physical)
{
    struct rig_reply reply;
    struct cxl_record record;
    uint64_t offset = physical - region_address;
    /* Granule by granule, the devices in turn. */
    uint64_t granule = offset / CXL_GRANULARITY;
    unsigned place = (unsigned)(granule % ways);
    uint64_t device_address = granule / ways * CXL_GRANULARITY + offset % CXL_GRANULARITY;

    if (!rig_request(&reply, "cxl-poison", "id=ram%u dpa=0x%" PRIx64, place, device_address))
        ABORT("no poison: %s", reply.error);
    cxl_list_poison(cxl_memory(place + 1));
    ASSERT_TRUE(cxl_next("cxl_poison", &record, 0));
    ASSERT_TRUE(cxl_says(&record, "region", "region0"));
    ASSERT_EQ(cxl_number(&record, "serial", 0), place + 1);
    ASSERT_EQ(cxl_number(&record, "dpa", 0), device_address);
    ASSERT_EQ(cxl_number(&record, "hpa", 0), physical);
    poison_lay(cxl_number(&record, "hpa", 0), LINE);
}

/* Reads the bad line and its neighbours. */
static void expect_bite(char *memory, uint64_t physical, size_t harmless_from)
{
    char *bad = memory + BAD_PAGE * PAGE_BYTES + BAD_LINE;

    /* The line before the bad one, of the same page, is as it was. */
    struct bus_error error = bus_error_at(bad - LINE);
    EXPECT_EQ(error.code, 0);
    error = bus_error_at(bad + 8);
    EXPECT_EQ(error.code, BUS_MCEERR_AR);
    uintptr_t far = (uintptr_t)error.address ^ (uintptr_t)(bad + 8);
    EXPECT_EQ(far >> error.lsb, 0);
    EXPECT_EQ(poison_last_address(), physical + 8);
    EXPECT_EQ(poison_count("consumed-loads"), 1);
    /* What is not of the bad page can be used as before. */
    EXPECT_EQ(memory_differs(memory + harmless_from, PAGE_BYTES, SEED + harmless_from),
              PAGE_BYTES);
}

static void devdax(void)
{
    char output[2048];

    make_region();
    int status = COMMAND(output, sizeof(output), "daxctl", "reconfigure-device",
                         "--mode=devdax", "--force", DAX_DEVICE);
    if (status != 0)
        ABORT("daxctl reconfigure-device ended with %d: %s", status, output);
    int file = open("/dev/" DAX_DEVICE, O_RDWR | O_CLOEXEC);
    ASSERT_GE(file, 0);
    /* Two huge pages: the kernel gives up a whole one, and the other must stay. */
    size_t size = 4 * MIB;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ASSERT_NE(memory, MAP_FAILED);
    for (size_t i = 0; i < PAGES; i++)
        memory_fill(memory + i * PAGE_BYTES, PAGE_BYTES, SEED + i * PAGE_BYTES);
    memory_fill(memory + 2 * MIB, PAGE_BYTES, SEED + 2 * MIB);

    uint64_t physical = physical_address(memory) + BAD_PAGE * PAGE_BYTES + BAD_LINE;
    ASSERT_EQ(physical, region_address + BAD_PAGE * PAGE_BYTES + BAD_LINE);
    bus_errors_catch();
    make_bad(physical);
    expect_bite(memory, physical, 2 * MIB);
    munmap(memory, size);
    close(file);
}

static bool can_be_bound(void *data)
{
    return node_can_be_bound(*(unsigned *)data);
}

static void kmem(void)
{
    char output[2048];
    unsigned long mask;

    make_region();
    int status = COMMAND(output, sizeof(output), "daxctl", "online-memory", DAX_DEVICE);
    if (status != 0)
        ABORT("daxctl online-memory ended with %d: %s", status, output);
    unsigned node = (unsigned)file_u64("/sys/bus/dax/devices/" DAX_DEVICE "/target_node");
    ASSERT_TRUE(wait_until(can_be_bound, &node, CXL_SECONDS));
    DIAG("the region is node %u", node);
    mask = 1ul << node;

    char *memory = memory_map(PAGES * PAGE_BYTES);
    ASSERT_EQ(syscall(SYS_mbind, memory, PAGES * PAGE_BYTES, MPOL_BIND, &mask,
                      8 * sizeof(mask) + 1, 0u),
              0);
    for (size_t i = 0; i < PAGES; i++)
        memory_fill(memory + i * PAGE_BYTES, PAGE_BYTES, SEED + i * PAGE_BYTES);
    uint64_t physical = physical_address(memory + BAD_PAGE * PAGE_BYTES) + BAD_LINE;
    ASSERT_GE(physical, region_address);
    ASSERT_LT(physical, region_address + region_size);

    uint64_t taken = pages_taken();
    bus_errors_catch();
    make_bad(physical);
    expect_bite(memory, physical, 0);
    EXPECT_TRUE(wait_pages_taken(taken + 1));
    EXPECT_TRUE(page_is_taken(physical));
    for (size_t i = 0; i < PAGES; i++) {
        if (i == BAD_PAGE)
            continue;
        EXPECT_EQ(memory_differs(memory + i * PAGE_BYTES, PAGE_BYTES, SEED + i * PAGE_BYTES),
                  PAGE_BYTES);
    }
}

TEST(poison_bites)
{
    const char *what = test_arg("what");

    if (what && strcmp(what, "devdax") == 0)
        devdax();
    else if (what && strcmp(what, "kmem") == 0)
        kmem();
    else
        ABORT("what=devdax or what=kmem");
}

HARNESS_MAIN
