/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* An entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst). */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)
#define PAGEMAP_FRAME   ((UINT64_C(1) << 55) - 1)

/* The architecture has no other size for an entry of the map. */
#define PAGE_BYTES 4096

/* The entry for the address; NULL, or what is wrong. */
static const char *pagemap_read(uint64_t pid, uint64_t address, uint64_t *entry)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%llu/pagemap", (unsigned long long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? "there is no such process" : strerror(errno);
    off_t place = (off_t)(address / PAGE_BYTES * sizeof(*entry));
    ssize_t size = pread(fd, entry, sizeof(*entry), place);
    int why = errno;
    close(fd);
    if (size == (ssize_t)sizeof(*entry))
        return NULL;
    return size < 0 ? strerror(why) : "no program can have that address";
}

void translate(uint64_t number, uint64_t pid, uint64_t address)
{
    struct message message;
    uint64_t entry = 0;
    const char *why = pagemap_read(pid, address, &entry);

    if (!why && (entry & PAGEMAP_SWAPPED))
        why = "that page is swapped out, or was taken away for its errors";
    else if (!why && !(entry & PAGEMAP_PRESENT))
        why = "the process has no memory there yet: it has to touch the page first";
    else if (!why && !(entry & PAGEMAP_FRAME))
        why = "the kernel does not tell where that page is";
    message_start(&message, "translated");
    message_number(&message, number);
    message_text(&message, why ? "error" : "ok");
    if (why)
        message_text(&message, why);
    else
        message_number(&message, (entry & PAGEMAP_FRAME) * PAGE_BYTES + address % PAGE_BYTES);
    message_send(&message);
}
