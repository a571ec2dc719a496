/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that the firmware sets aside for a specific purpose is kept out of general use and is
 * a DAX device, whose memory works. Argument specific: the ranges.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "firmware.h"
#include "harness.h"

#define DEVICES      "/sys/bus/dax/devices"
#define HUGE_PAGE    (2ull << 20)
#define FIRMWARE_MAP "/sys/firmware/memmap"

static int by_base(const void *a, const void *b)
{
    const struct range *one = a, *other = b;

    return (one->base > other->base) - (one->base < other->base);
}

static uint64_t attribute(const char *device, const char *name)
{
    char path[320];

    snprintf(path, sizeof(path), DEVICES "/%s/%s", device, name);
    return file_u64(path);
}

/* Calls see for each DAX device. */
static void each_dax(void (*see)(const char *name, void *data), void *data)
{
    DIR *folder = opendir(DEVICES);
    struct dirent *entry;

    if (!folder)
        ABORT(DEVICES ": %s", strerror(errno));
    while ((entry = readdir(folder)))
        if (strncmp(entry->d_name, "dax", 3) == 0)
            see(entry->d_name, data);
    closedir(folder);
}

static void add_device(const char *name, void *data)
{
    struct ranges *ranges = data;
    uint64_t base = attribute(name, "resource"), size = attribute(name, "size");

    DIAG("%s: 0x%" PRIx64 "+0x%" PRIx64 " on node %" PRIu64, name, base, size,
         attribute(name, "target_node"));
    if (ranges->count == RANGES_MAX)
        ABORT("more than %d DAX devices", RANGES_MAX);
    ranges->at[ranges->count++] = (struct range){base, size};
}

TEST(devices_are_the_ranges)
{
    struct ranges wanted = {0}, devices = {0};

    ranges_parse(&wanted, test_arg("specific"));
    ASSERT_GT(wanted.count, 0);
    each_dax(add_device, &devices);
    qsort(devices.at, devices.count, sizeof(devices.at[0]), by_base);
    ranges_expect_equal("asked for and DAX devices", &wanted, &devices);
}

/*
 * Linux lists what is set aside as "Soft Reserved", below the DAX device's "hmem.N" on newer
 * kernels, which insert the first after the second, or not at all.
 */
static bool is_set_aside(const char *line)
{
    const char *name = strstr(line, " : ");

    return name &&
           (strncmp(name + 3, "Soft Reserved", 13) == 0 || strncmp(name + 3, "hmem.", 5) == 0);
}

/*
 * The firmware's map as Linux took it. Newer kernels keep what is set aside out of /proc/iomem
 * until somebody uses it.
 */
static void add_firmware_map(struct ranges *aside)
{
    DIR *folder = opendir(FIRMWARE_MAP);
    struct dirent *entry;
    char path[320], type[64];

    while (folder && (entry = readdir(folder))) {
        uint64_t end[2];

        snprintf(path, sizeof(path), FIRMWARE_MAP "/%s/type", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
        bool is_aside = file && fgets(type, sizeof(type), file) &&
                        strncmp(type, "Soft Reserved", strlen("Soft Reserved")) == 0;
        if (file)
            fclose(file);
        for (int i = 0; is_aside && i < 2; i++) {
            snprintf(path, sizeof(path), FIRMWARE_MAP "/%s/%s", entry->d_name,
                     i ? "end" : "start");
            end[i] = file_u64(path);
        }
        if (is_aside && aside->count < RANGES_MAX)
            ranges_add(aside, end[0], end[1] - end[0] + 1);
    }
    if (folder)
        closedir(folder);
    qsort(aside->at, aside->count, sizeof(aside->at[0]), by_base);
}

TEST(not_in_general_use)
{
    struct ranges wanted = {0}, aside = {0}, ram = {0};
    char line[256];
    uint64_t base, end;
    FILE *file = fopen("/proc/iomem", "re");

    ASSERT_TRUE(file != NULL);
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &base, &end) != 2 || line[0] == ' ')
            continue;
        if (is_set_aside(line))
            ranges_add(&aside, base, end - base + 1);
        else if (strstr(line, "System RAM"))
            ranges_add(&ram, base, end - base + 1);
    }
    fclose(file);
    if (aside.count == 0)
        add_firmware_map(&aside);
    ranges_parse(&wanted, test_arg("specific"));
    ranges_expect_equal("asked for and set aside", &wanted, &aside);
    for (size_t i = 0; i < wanted.count; i++)
        EXPECT_EQ(ranges_within(&ram, wanted.at[i].base, wanted.at[i].size), 0);
}

/*
 * Linux's first choice for such a device may be the driver that makes general memory of it
 * (kmem), on line only if told to. Here it is to be a device.
 */
static void bind_as_device(const char *name)
{
    char path[320], driver[320];
    ssize_t size;

    snprintf(path, sizeof(path), DEVICES "/%s/driver", name);
    size = readlink(path, driver, sizeof(driver) - 1);
    driver[size > 0 ? size : 0] = '\0';
    DIAG("%s: driver %s", name, size > 0 ? strrchr(driver, '/') + 1 : "none");
    if (size > 0 && strstr(driver, "device_dax"))
        return;
    if (size > 0)
        ASSERT_TRUE(file_write("/sys/bus/dax/drivers/kmem/unbind", name));
    ASSERT_TRUE(file_write("/sys/bus/dax/drivers/device_dax/new_id", name));
}

static void use_device(const char *name, void *data)
{
    bind_as_device(name);
    size_t size = attribute(name, "size");
    unsigned *used = data;
    char path[300];

    snprintf(path, sizeof(path), "/dev/%s", name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        ABORT("%s: %s", path, strerror(errno));
    volatile uint64_t *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ASSERT_NE((void *)at, MAP_FAILED);
    for (size_t i = 0; i < size; i += HUGE_PAGE)
        at[i / sizeof(*at)] = i ^ UINT64_C(0x5a5a5a5a);
    for (size_t i = 0; i < size; i += HUGE_PAGE)
        EXPECT_EQ(at[i / sizeof(*at)], i ^ UINT64_C(0x5a5a5a5a));
    munmap((void *)at, size);
    close(fd);
    (*used)++;
}

TEST(memory_works)
{
    unsigned used = 0;

    each_dax(use_device, &used);
    EXPECT_GT(used, 0);
}

HARNESS_MAIN
