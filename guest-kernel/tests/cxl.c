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
    if (!wait_until(has_endpoint, NULL, CXL_SECONDS))
        ABORT("no CXL memory device mem0: %s", strerror(errno));
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

/* The first decoder of mem0's endpoint. */
static void find_decoder(char *name, size_t size)
{
    for (unsigned port = 1; port < 16; port++) {
        char path[64];

        snprintf(path, sizeof(path), BUS "/devices/endpoint%u", port);
        if (access(path, F_OK) == 0) {
            snprintf(name, size, "decoder%u.0", port);
            return;
        }
    }
    ABORT("mem0 has no endpoint");
}

/*
 * As Documentation/ABI/testing/sysfs-bus-cxl has it: the kernel names the region to come, which
 * then gets its form, the device's memory, and its driver.
 */
void cxl_make_region(uint64_t *address, uint64_t *size)
{
    char region[32], decoder[32], bytes[32];

    if (!file_read(BUS "/devices/decoder0.0/create_ram_region", region, sizeof(region)))
        ABORT("the window takes no volatile memory: %s", strerror(errno));
    find_decoder(decoder, sizeof(decoder));
    snprintf(bytes, sizeof(bytes), "%" PRIu64, file_u64(CXL_SYSFS "/ram/size"));
    set("decoder0.0", "create_ram_region", region);
    set(region, "interleave_ways", "1");
    set(region, "interleave_granularity", "256");
    set(decoder, "mode", "ram");
    set(decoder, "dpa_size", bytes);
    set(region, "size", bytes);
    set(region, "target0", decoder);
    set(region, "commit", "1");
    if (!file_write(BUS "/drivers/cxl_region/bind", region))
        ABORT("%s has no driver: %s", region, strerror(errno));
    if (!wait_until(has_dax, NULL, CXL_SECONDS))
        ABORT("the region has no DAX device");
    *address = file_u64(BUS "/devices/region0/resource");
    *size = file_u64(BUS "/devices/region0/size");
}
