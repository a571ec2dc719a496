/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "errors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include "memory.h"

/* ---- SIGBUS ----------------------------------------------------------------------------- */

static sigjmp_buf after;
static volatile sig_atomic_t expected, notices;
static struct bus_error consumed, notice;
/* The stack may be what is bad. */
static char signal_stack[65536] __attribute__((aligned(16)));

/* "Action required" interrupts an access; "action optional" comes at any time. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const ucontext_t *interrupted = context;
    struct bus_error error = {info->si_code, info->si_addr, info->si_addr_lsb,
                              (uintptr_t)interrupted->uc_mcontext.gregs[REG_RIP]};

    (void)number;
    if (info->si_code == BUS_MCEERR_AO) {
        notice = error;
        notices = notices + 1;
        return;
    }
    if (!expected)
        _exit(128 + SIGBUS);
    consumed = error;
    siglongjmp(after, 1);
}

void bus_errors_catch(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};

    if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGBUS, &action, NULL) != 0)
        ABORT("cannot catch SIGBUS: %s", strerror(errno));
}

struct bus_error bus_error_in(void (*function)(void *data), void *data)
{
    consumed = (struct bus_error){0};
    expected = 1;
    if (sigsetjmp(after, 1) == 0)
        function(data);
    expected = 0;
    return consumed;
}

static void read_byte(void *address)
{
    (void)*(const volatile char *)address;
}

struct bus_error bus_error_at(const void *address)
{
    return bus_error_in(read_byte, (void *)(uintptr_t)address);
}

unsigned bus_notices(struct bus_error *latest)
{
    *latest = notice;
    return (unsigned)notices;
}

/* ---- The rig ---------------------------------------------------------------------------- */

void poison_lay(uint64_t address, size_t length)
{
    struct rig_reply reply;

    if (!rig_request(&reply, "ras-inject", "kind=poison gpa=0x%llx len=%zu",
                     (unsigned long long)address, length))
        ABORT("no poison at 0x%llx: %s", (unsigned long long)address, reply.error);
}

void poison_clear(uint64_t address, size_t length)
{
    struct rig_reply reply;

    if (!rig_request(&reply, "ras-clear", "gpa=0x%llx len=%zu", (unsigned long long)address,
                     length))
        ABORT("poison at 0x%llx is not cleared: %s", (unsigned long long)address, reply.error);
}

uint64_t poison_count(const char *of)
{
    struct rig_reply reply;

    if (!rig_request(&reply, "ras-count", "of=%s", of))
        ABORT("no count of %s: %s", of, reply.error);
    return rig_reply_u64(&reply, "count");
}

uint64_t poison_last_address(void)
{
    struct rig_reply reply;

    if (!rig_request(&reply, "ras-last", "of=consumed"))
        ABORT("what was consumed is unknown: %s", reply.error);
    return reply.count ? rig_reply_u64(&reply, "gpa") : 0;
}

/* ---- The kernel ------------------------------------------------------------------------- */

bool page_is_taken(uint64_t address)
{
    uint64_t flags = 0;
    int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
    ssize_t got =
        pread(fd, &flags, sizeof(flags), (off_t)(address / PAGE_BYTES * sizeof(flags)));

    close(fd);
    return got == sizeof(flags) && (flags >> KPF_HWPOISON & 1) != 0;
}

uint64_t pages_taken(void)
{
    return meminfo_kb("HardwareCorrupted") / (PAGE_BYTES / 1024);
}

static bool are_taken(void *data)
{
    return pages_taken() >= *(const uint64_t *)data;
}

bool wait_pages_taken(uint64_t pages)
{
    return wait_until(are_taken, &pages, ERROR_SECONDS);
}

int log_open(void)
{
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
        ABORT("/dev/kmsg: %s", strerror(errno));
    return fd;
}

struct wanted {
    int log;
    const char *first, *then;
};

static bool log_has(void *data)
{
    const struct wanted *wanted = data;
    char record[8192];
    ssize_t got;

    /* EPIPE: records were overwritten before they were read; the next read goes on. */
    while ((got = read(wanted->log, record, sizeof(record) - 1)) > 0 ||
           (got < 0 && errno == EPIPE)) {
        record[got > 0 ? got : 0] = '\0';
        const char *found = strstr(record, wanted->first);
        if (found && strstr(found, wanted->then))
            return true;
    }
    return false;
}

bool log_wait(int log, const char *first, const char *then, double seconds)
{
    struct wanted wanted = {log, first, then};

    return wait_until(log_has, &wanted, seconds);
}

bool log_wait_page(int log, uint64_t address, const char *result)
{
    char about[64];

    snprintf(about, sizeof(about),
             "Memory failure: 0x%llx: ", (unsigned long long)(address / PAGE_BYTES));
    return log_wait(log, about, result, ERROR_SECONDS);
}

/* ---- Machine checks --------------------------------------------------------------------- */

#define TRACING "/sys/kernel/tracing"

static int trace = -1;
static char traced[16384]; /* read and not yet used */
static size_t traced_size;

void machine_checks_trace(void)
{
    if (access(TRACING "/trace_pipe", F_OK) != 0 &&
        mount("tracefs", TRACING, "tracefs", 0, NULL) != 0)
        ABORT("cannot mount tracefs: %s", strerror(errno));
    if (!file_write(TRACING "/events/mce/mce_record/enable", "1"))
        ABORT("cannot trace machine checks: %s", strerror(errno));
    trace = open(TRACING "/trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (trace < 0)
        ABORT("cannot read the trace: %s", strerror(errno));
    traced_size = 0;
}

/* The number behind this text, which is moved behind it. */
static uint64_t number_after(const char **at, const char *text)
{
    const char *found = strstr(*at, text);

    if (!found)
        ABORT("the trace has no '%s' in '%s'", text, *at);
    char *end;
    uint64_t number = strtoull(found + strlen(text), &end, 16);
    *at = end;
    return number;
}

static bool take_line(void *data)
{
    struct machine_check *check = data;
    ssize_t got;

    got = read(trace, traced + traced_size, sizeof(traced) - 1 - traced_size);
    if (got > 0)
        traced_size += (size_t)got;
    traced[traced_size] = '\0';
    char *end = strchr(traced, '\n');
    if (!end)
        return false;
    *end = '\0';
    const char *at = strstr(traced, "mce_record: CPU:");
    bool found = at != NULL;
    if (found) {
        check->cpu = (unsigned)strtoul(at + strlen("mce_record: CPU:"), NULL, 10);
        (void)number_after(&at, "MCGc/s: ");
        check->mcg_status = number_after(&at, "/");
        at += strlen(", MC");
        check->bank = (unsigned)strtoul(at, (char **)(uintptr_t)&at, 10);
        check->status = number_after(&at, ": ");
        /* "ADDR/MISC/SYND: A/M/S" in older kernels, include/trace/events/mce.h. */
        bool joined = strstr(at, "ADDR/MISC/SYND: ") != NULL;
        check->address = number_after(&at, joined ? "SYND: " : "ADDR: ");
        check->misc = number_after(&at, joined ? "/" : "MISC: ");
        check->cs = (unsigned)number_after(&at, "RIP: ");
        check->ip = number_after(&at, ":<");
    }
    traced_size -= (size_t)(end + 1 - traced);
    memmove(traced, end + 1, traced_size);
    return found;
}

bool machine_check_next(struct machine_check *check, double seconds)
{
    return wait_until(take_line, check, seconds);
}
