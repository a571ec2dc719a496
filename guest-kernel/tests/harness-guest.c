/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments, files of /proc and /sys, time, and other programs. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

const char *test_arg(const char *key)
{
    size_t length = strlen(key);

    for (int i = 1; i < test_argc; i++) {
        if (strncmp(test_argv[i], key, length) == 0 && test_argv[i][length] == '=')
            return test_argv[i] + length + 1;
    }
    return NULL;
}

const struct test_kind *test_kind(const struct test_kind *kinds)
{
    const char *what = test_arg("what");

    for (; kinds->what; kinds++) {
        if (what && strcmp(kinds->what, what) == 0)
            return kinds;
    }
    ABORT("there is no what=%s", what ? what : "");
}

/* All of text, except blanks around, is an unsigned number. */
static bool number_parse(const char *text, int base, uint64_t *number)
{
    char *end;

    while (isspace((unsigned char)*text))
        text++;
    if (!isxdigit((unsigned char)*text))
        return false;
    errno = 0;
    *number = strtoull(text, &end, base);
    while (isspace((unsigned char)*end))
        end++;
    return errno == 0 && *end == '\0';
}

uint64_t test_arg_u64(const char *key, uint64_t fallback)
{
    const char *text = test_arg(key);
    uint64_t number;

    if (!text)
        return fallback;
    if (!number_parse(text, 0, &number))
        ABORT("the test's argument %s=%s is no number", key, text);
    return number;
}

bool test_boot_is(const char *word)
{
    return test_argc > 1 && strcmp(test_argv[1], word) == 0;
}

bool file_read(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got = 0;

    if (fd < 0)
        return false;
    while (used < size - 1 && (got = read(fd, buffer + used, size - 1 - used)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        used += (size_t)got;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    if (got < 0)
        return false;
    if (used > 0 && buffer[used - 1] == '\n')
        used--;
    buffer[used] = '\0';
    return true;
}

bool file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t size = strlen(text);

    if (fd < 0)
        return false;
    /* In one piece, or it is another value that sysfs would see. */
    ssize_t written = write(fd, text, size);
    int saved = written >= 0 ? EIO : errno;
    close(fd);
    errno = saved;
    return written == (ssize_t)size;
}

uint64_t file_u64(const char *path)
{
    char text[64];
    uint64_t number;

    if (!file_read(path, text, sizeof(text)))
        ABORT("cannot read %s: %s", path, strerror(errno));
    if (!number_parse(text, 0, &number))
        ABORT("%s holds no number: %s", path, text);
    return number;
}

/*
 * The number behind a name, in a file of lines "[prefix]NAME[:] NUMBER[ kB]". Aborts the test
 * if there is none.
 */
static uint64_t table_u64(const char *path, const char *prefix, const char *name)
{
    FILE *file = fopen(path, "re");
    char line[256];
    size_t before = strlen(prefix), length = strlen(name);

    if (!file)
        ABORT("cannot read %s: %s", path, strerror(errno));
    while (fgets(line, sizeof(line), file)) {
        const char *at = line + before;
        char *end;

        if (strncmp(line, prefix, before) != 0 || strncmp(at, name, length) != 0 ||
            (at[length] != ':' && at[length] != ' '))
            continue;
        at += length + 1;
        uint64_t number = strtoull(at, &end, 10);
        fclose(file);
        if (end == at)
            ABORT("%s holds no number for %s", path, name);
        return number;
    }
    fclose(file);
    ABORT("%s has no %s", path, name);
}

uint64_t meminfo_kb(const char *field)
{
    return table_u64("/proc/meminfo", "", field);
}

uint64_t node_meminfo_kb(unsigned node, const char *field)
{
    char path[64], prefix[32];

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
    snprintf(prefix, sizeof(prefix), "Node %u ", node);
    return table_u64(path, prefix, field);
}

uint64_t node_total_kb(unsigned node)
{
    char path[64], prefix[48], text[8192];

    /*
     * In one go: a node that is taken away while its file is open gives ENODEV to the next
     * read, so that to look first and to read then would find a file without lines.
     */
    snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
    if (!file_read(path, text, sizeof(text))) {
        if (errno == ENOENT || errno == ENODEV)
            return 0;
        ABORT("cannot read %s: %s", path, strerror(errno));
    }
    snprintf(prefix, sizeof(prefix), "Node %u MemTotal:", node);
    const char *at = strstr(text, prefix);
    if (!at)
        ABORT("%s has no MemTotal", path);
    return strtoull(at + strlen(prefix), NULL, 10);
}

uint64_t vmstat(const char *field)
{
    return table_u64("/proc/vmstat", "", field);
}

/* Linux Documentation/admin-guide/mm/pagemap.rst: bit 63 present, bits 0-54 frame number. */
uint64_t physical_address(const void *address)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), entry = 0;
    uint64_t virtual = (uintptr_t)address;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        ABORT("cannot open /proc/self/pagemap: %s", strerror(errno));
    ssize_t got = pread(fd, &entry, sizeof(entry), (off_t)(virtual / page * sizeof(entry)));
    close(fd);
    if (got != sizeof(entry))
        ABORT("cannot read /proc/self/pagemap for %p", address);
    uint64_t frame = entry & ((1ULL << 55) - 1);
    if (!(entry >> 63))
        return 0;
    if (frame == 0)
        ABORT("/proc/self/pagemap hides frame numbers: this needs root");
    return frame * page + virtual % page;
}

double now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool wait_until(bool (*condition)(void *data), void *data, double seconds)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    double end = now_seconds() + seconds;

    for (;;) {
        /* Asked once more after the time is over: we may have been kept from running. */
        bool over = now_seconds() >= end;

        if (condition(data))
            return true;
        if (over)
            return false;
        nanosleep(&pause, NULL);
    }
}

/* In the new process. */
static _Noreturn void command_start(int output, char *const argv[])
{
    if (dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0)
        execvp(argv[0], argv);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int command_run(char *output, size_t size, const char *const argv[])
{
    int fds[2], status = 0;
    size_t used = 0;
    ssize_t got;
    char bytes[4096];

    if (output && size > 0)
        output[0] = '\0';
    if (pipe2(fds, O_CLOEXEC) != 0)
        return 127;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        command_start(output ? fds[1] : STDERR_FILENO, (char *const *)(uintptr_t)argv);
    close(fds[1]);
    /* What does not fit is read all the same, or the program would stop. */
    while (pid > 0 &&
           ((got = read(fds[0], bytes, sizeof(bytes))) > 0 || (got < 0 && errno == EINTR))) {
        for (ssize_t i = 0; i < got && output && used + 1 < size; i++)
            output[used++] = bytes[i];
    }
    if (output && size > 0)
        output[used] = '\0';
    close(fds[0]);
    if (pid < 0)
        return 127;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Whether a list such as "0-1,3" has the number. */
static bool list_has(const char *list, unsigned number)
{
    for (const char *at = list; *at;) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;
        if (end == at)
            return false;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        if (number >= first && number <= last)
            return true;
        at = *end == ',' ? end + 1 : end;
    }
    return false;
}

bool node_can_be_bound(unsigned node)
{
    static const char field[] = "Mems_allowed_list:\t";
    char list[256], status[8192];

    if (!file_read("/sys/devices/system/node/has_memory", list, sizeof(list)) ||
        !list_has(list, node) || !file_read("/proc/self/status", status, sizeof(status)))
        return false;
    /* A kernel without cpusets has no such line, and allows every node. */
    const char *allowed = strstr(status, field);
    return !allowed || list_has(allowed + strlen(field), node);
}

bool kernel_is_from(unsigned major, unsigned minor)
{
    struct utsname system;
    char *end = system.release;

    if (uname(&system) != 0)
        ABORT("cannot tell the kernel's version: %s", strerror(errno));
    unsigned long is_major = strtoul(end, &end, 10);
    unsigned long is_minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return is_major > major || (is_major == major && is_minor >= minor);
}
