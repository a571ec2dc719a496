/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Poison on a CXL device's list that is read, in the region that the kernel has made of the
 * device's memory. Where the listed address is in physical memory the kernel says as well.
 *
 * Arguments: what=devdax maps the region as a device, what=kmem uses it as ordinary memory;
 * ways=N devices (ram0, ram1, ...) are interleaved; by=kernel has the poison injected by the
 * kernel's own Inject Poison, and not from outside.
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

/* In which device (by its serial number) an address of the region is, and where. */
struct place {
    unsigned serial;
    uint64_t address;
};

static void make_region(void)
{
    cxl_wait();
    cxl_trace("cxl_poison");
    cxl_trace("cxl_general_media");
    /* daxctl refuses a kernel that puts new memory on line by itself. */
    ASSERT_TRUE(file_write("/sys/devices/system/memory/auto_online_blocks", "offline"));
    ways = (unsigned)test_arg_u64("ways", 1);
    cxl_make_region(ways, &region_address, &region_size);
    ASSERT_GT(region_size, 0);
}

/* The kernel's own command for it (Documentation/ABI/testing/debugfs-cxl). */
static void inject_by_kernel(unsigned memory, uint64_t device_address)
{
    char path[64], text[24];

    snprintf(path, sizeof(path), "/sys/kernel/debug/cxl/mem%u/inject_poison", memory);
    snprintf(text, sizeof(text), "0x%" PRIx64, device_address);
    if (!file_write(path, text))
        ABORT("%s does not take %s: %s", path, text, strerror(errno));
}

/*
 * The device has this address as poisoned. Its list, and the kernel's translation of it, have
 * to lead back to where the memory was mapped.
 */
static struct place make_bad(uint64_t physical)
{
    struct rig_reply reply;
    struct cxl_record record;
    const char *by = test_arg("by");
    uint64_t offset = physical - region_address;
    /* Granule by granule, the devices in turn. */
    uint64_t granule = offset / CXL_GRANULARITY;
    unsigned turn = (unsigned)(granule % ways);
    struct place place = {
        .serial = turn + 1,
        .address = granule / ways * CXL_GRANULARITY + offset % CXL_GRANULARITY,
    };
    unsigned memory = cxl_memory(place.serial);

    if (by && strcmp(by, "kernel") == 0)
        inject_by_kernel(memory, place.address);
    else if (!rig_request(&reply, "cxl-poison", "id=ram%u dpa=0x%" PRIx64, turn, place.address))
        ABORT("no poison: %s", reply.error);
    cxl_list_poison(memory);
    ASSERT_TRUE(cxl_next("cxl_poison", &record, 0));
    ASSERT_TRUE(cxl_says(&record, "region", "region0"));
    ASSERT_EQ(cxl_number(&record, "serial", 0), place.serial);
    ASSERT_EQ(cxl_number(&record, "dpa", 0), place.address);
    ASSERT_EQ(cxl_number(&record, "hpa", 0), physical);
    return place;
}

/* The device whose memory was read tells so, in its log for what is lost. */
static void expect_event(struct place place)
{
    struct cxl_record record;

    ASSERT_TRUE(cxl_next("cxl_general_media", &record, CXL_SECONDS));
    EXPECT_EQ(cxl_number(&record, "serial", 0), place.serial);
    EXPECT_TRUE(cxl_says(&record, "log", "Failure"));
    EXPECT_TRUE(cxl_says(&record, "descriptor", "'UNCORRECTABLE_EVENT'"));
    EXPECT_TRUE(cxl_says(&record, "transaction_type", "'Host Read'"));
    /* Printed without 0x (drivers/cxl/core/trace.h). */
    EXPECT_EQ(cxl_number(&record, "dpa", 16), place.address);
}

/* Reads the bad line and its neighbours. */
static void expect_bite(char *memory, uint64_t physical, size_t harmless_from)
{
    struct place place = make_bad(physical);
    char *bad = memory + BAD_PAGE * PAGE_BYTES + BAD_LINE;

    /* The line before the bad one, of the same page, is as it was. */
    struct bus_error error = bus_error_at(bad - LINE);
    EXPECT_EQ(error.code, 0);
    error = bus_error_at(bad + 8);
    ASSERT_EQ(error.code, BUS_MCEERR_AR);
    uintptr_t far = (uintptr_t)error.address ^ (uintptr_t)(bad + 8);
    EXPECT_EQ(far >> error.lsb, 0);
    EXPECT_EQ(poison_last_address(), physical + 8);
    EXPECT_EQ(poison_count("consumed-loads"), 1);
    expect_event(place);
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
