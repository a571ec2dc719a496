/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cxl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing"
#define BUS     "/sys/bus/cxl"

/* Ports and devices are numbered below this. */
#define PORTS_MAX 32

static int pipe_fd = -1;
static char pending[16384];
static size_t pending_used;

/* Writing to it fails as long as there is no endpoint (cxl_trigger_poison_list). */
static bool has_endpoint(void *data)
{
    (void)data;
    return file_write(CXL_SYSFS "/trigger_poison_list", "1");
}

void cxl_wait(void)
{
    if (!wait_until(has_endpoint, NULL, CXL_SECONDS)) {
        /* Linux 6.4 has begun with both. */
        if (access(CXL_SYSFS "/serial", F_OK) == 0 &&
            access(CXL_SYSFS "/trigger_poison_list", F_OK) != 0)
            SKIP("the kernel does not list poison of CXL devices, nor read their event logs");
        ABORT("no CXL memory device mem0: %s", strerror(errno));
    }
}

void cxl_trace(const char *event)
{
    char path[128];

    if (pipe_fd < 0) {
        mount("tracefs", TRACING, "tracefs", 0, NULL);
        pipe_fd = open(TRACING "/trace_pipe", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (pipe_fd < 0)
            ABORT("cannot open the trace: %s", strerror(errno));
    }
    snprintf(path, sizeof(path), TRACING "/events/cxl/%s/enable", event);
    if (!file_write(path, "1"))
        ABORT("%s: %s", path, strerror(errno));
}

/* Takes the first whole line out of what was read. */
static bool take_line(char *line, size_t size)
{
    char *end = memchr(pending, '\n', pending_used);

    if (!end)
        return false;
    size_t length = (size_t)(end - pending);
    snprintf(line, size, "%.*s", (int)length, pending);
    pending_used -= length + 1;
    memmove(pending, end + 1, pending_used);
    return true;
}

bool cxl_next(const char *event, struct cxl_record *record, double seconds)
{
    double limit = now_seconds() + seconds;
    char mark[64];

    snprintf(mark, sizeof(mark), " %s: ", event);
    for (;;) {
        while (take_line(record->text, sizeof(record->text))) {
            if (strstr(record->text, mark))
                return true;
        }
        if (pending_used == sizeof(pending))
            ABORT("a line of the trace has no end");
        ssize_t got = read(pipe_fd, pending + pending_used, sizeof(pending) - pending_used);
        if (got > 0) {
            pending_used += (size_t)got;
            continue;
        }
        if (now_seconds() > limit)
            return false;
        struct pollfd wait = {.fd = pipe_fd, .events = POLLIN};
        poll(&wait, 1, 50);
    }
}

static const char *find_value(const struct cxl_record *record, const char *key)
{
    char mark[64];

    snprintf(mark, sizeof(mark), " %s=", key);
    const char *at = strstr(record->text, mark);
    if (!at)
        ABORT("the record has no %s: %s", key, record->text);
    return at + strlen(mark);
}

uint64_t cxl_number(const struct cxl_record *record, const char *key, int base)
{
    const char *text = find_value(record, key);
    char *end;
    uint64_t number = strtoull(text, &end, base);

    if (end == text)
        ABORT("%s is no number: %s", key, record->text);
    return number;
}

bool cxl_says(const struct cxl_record *record, const char *key, const char *value)
{
    const char *text = find_value(record, key);
    size_t length = strlen(value);

    return strncmp(text, value, length) == 0 && (text[length] == ' ' || text[length] == '\0');
}

static bool has_dax(void *data)
{
    (void)data;
    return access("/sys/bus/dax/devices/dax0.0", F_OK) == 0;
}

/* Writes to a file of a device on CXL's bus; aborts if the kernel does not take it. */
static void set(const char *device, const char *file, const char *value)
{
    char path[128];

    snprintf(path, sizeof(path), BUS "/devices/%s/%s", device, file);
    if (!file_write(path, value))
        ABORT("%s does not take %s: %s", path, value, strerror(errno));
}

/* Whether endpointN, for N of port, is that of memM. */
static bool is_endpoint_of(unsigned port, unsigned memory)
{
    char path[64], target[256], name[24];

    snprintf(path, sizeof(path), BUS "/devices/endpoint%u/uport", port);
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    if (size < 0)
        return false;
    target[size] = '\0';
    snprintf(name, sizeof(name), "/mem%u", memory);
    const char *last = strrchr(target, '/');
    return last && strcmp(last, name) == 0;
}

/* The first decoder of memN's endpoint. */
static void find_decoder(unsigned memory, char *name, size_t size)
{
    for (unsigned port = 1; port < PORTS_MAX; port++) {
        if (is_endpoint_of(port, memory)) {
            snprintf(name, size, "decoder%u.0", port);
            return;
        }
    }
    ABORT("mem%u has no endpoint", memory);
}

struct wanted {
    unsigned place, memory;
};

static bool is_there(void *data)
{
    struct wanted *wanted = data;

    for (unsigned memory = 0; memory < PORTS_MAX; memory++) {
        char path[64], text[32];

        snprintf(path, sizeof(path), BUS "/devices/mem%u/serial", memory);
        if (!file_read(path, text, sizeof(text)) || strtoul(text, NULL, 0) != wanted->place)
            continue;
        wanted->memory = memory;
        snprintf(path, sizeof(path), BUS "/devices/mem%u/trigger_poison_list", memory);
        return file_write(path, "1");
    }
    return false;
}

unsigned cxl_memory(unsigned place)
{
    struct wanted wanted = {.place = place};

    if (!wait_until(is_there, &wanted, CXL_SECONDS))
        ABORT("the CXL device with the serial number %u does not come", place);
    return wanted.memory;
}

void cxl_list_poison(unsigned memory)
{
    char path[64];

    snprintf(path, sizeof(path), BUS "/devices/mem%u/trigger_poison_list", memory);
    if (!file_write(path, "1"))
        ABORT("%s: %s", path, strerror(errno));
}

/* Memory of a device, to be part of a region at its place. */
static void add_target(const char *region, unsigned place, const char *bytes)
{
    char decoder[32], target[24];

    find_decoder(cxl_memory(place + 1), decoder, sizeof(decoder));
    snprintf(target, sizeof(target), "target%u", place);
    set(decoder, "mode", "ram");
    set(decoder, "dpa_size", bytes);
    set(region, target, decoder);
}

/*
 * As Documentation/ABI/testing/sysfs-bus-cxl has it: the kernel names the region to come, which
 * then gets its form, the device's memory, and its driver.
 */
void cxl_make_region(unsigned ways, uint64_t *address, uint64_t *size)
{
    char region[32], bytes[32], all[32], number[16], granularity[16];
    uint64_t each = file_u64(CXL_SYSFS "/ram/size");

    if (!file_read(BUS "/devices/decoder0.0/create_ram_region", region, sizeof(region)))
        ABORT("the window takes no volatile memory: %s", strerror(errno));
    snprintf(bytes, sizeof(bytes), "%" PRIu64, each);
    snprintf(all, sizeof(all), "%" PRIu64, each * ways);
    snprintf(number, sizeof(number), "%u", ways);
    snprintf(granularity, sizeof(granularity), "%d", CXL_GRANULARITY);
    set("decoder0.0", "create_ram_region", region);
    set(region, "interleave_ways", number);
    set(region, "interleave_granularity", granularity);
    set(region, "size", all);
    for (unsigned place = 0; place < ways; place++)
        add_target(region, place, bytes);
    set(region, "commit", "1");
    if (!file_write(BUS "/drivers/cxl_region/bind", region))
        ABORT("%s has no driver: %s", region, strerror(errno));
    if (!wait_until(has_dax, NULL, CXL_SECONDS))
        ABORT("the region has no DAX device");
    *address = file_u64(BUS "/devices/region0/resource");
    *size = file_u64(BUS "/devices/region0/size");
}
