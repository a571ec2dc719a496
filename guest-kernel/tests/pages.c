/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define FOLDER "/sys/kernel/debug/" MMRIG_PAGES_DEBUGFS

/* 32 GiB of addresses: more than a test's machine has. */
#define FRAMES_MAX (8u << 20)

void pages_need(void)
{
    if (access(FOLDER, F_OK) != 0)
        ABORT("there is no " FOLDER ": the module mmrig-pages is not loaded");
}

static int open_file(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);

    if (fd < 0)
        ABORT("%s: %s", path, strerror(errno));
    return fd;
}

void pages_frames_take(struct pages_frames *frames)
{
    size_t size = 0, room = FRAMES_MAX * sizeof(uint32_t);
    ssize_t got;

    /* What is not written to costs nothing. */
    frames->words = malloc(room);
    if (!frames->words)
        ABORT("no memory for page frames");
    int fd = open_file(FOLDER "/frames", O_RDONLY);
    while ((got = read(fd, (char *)frames->words + size, room - size)) > 0)
        size += (size_t)got;
    if (got < 0 || size % sizeof(uint32_t) != 0)
        ABORT("%s/frames: %s", FOLDER, got < 0 ? strerror(errno) : "cut off");
    close(fd);
    frames->count = size / sizeof(uint32_t);
}

void pages_frames_free(struct pages_frames *frames)
{
    free(frames->words);
    *frames = (struct pages_frames){0};
}

uint32_t pages_frame_kind(const struct pages_frames *frames, uint64_t pfn)
{
    return pfn < frames->count ? MMRIG_PAGES_KIND(frames->words[pfn]) : MMRIG_PAGES_NONE;
}

int pages_hold_open(void)
{
    return open_file(FOLDER "/hold", O_RDWR);
}

bool pages_hold(int fd, const char *kind, unsigned count)
{
    return dprintf(fd, "%s %u\n", kind, count) > 0;
}

struct pages_held *pages_held(int fd, size_t *count)
{
    size_t room = 1024;
    struct pages_held *all = malloc(room * sizeof(*all));
    char line[128];
    /* A stream of its own, so that closing it does not free what is held. */
    int copy = dup(fd);
    FILE *file = fdopen(copy, "re");

    if (!file)
        ABORT("%s/hold: %s", FOLDER, strerror(errno));
    if (!all)
        ABORT("no memory for %zu pages", room);
    if (fseek(file, 0, SEEK_SET) != 0)
        ABORT("%s/hold: %s", FOLDER, strerror(errno));
    *count = 0;
    while (fgets(line, sizeof(line), file)) {
        if (*count == room) {
            room *= 2;
            all = realloc(all, room * sizeof(*all));
            if (!all)
                ABORT("no memory for %zu pages", room);
        }
        struct pages_held *held = &all[(*count)++];
        if (sscanf(line, "%15s %" SCNu64 " %u %15s", held->kind, &held->pfn, &held->node,
                   held->zone) != 4)
            ABORT("%s/hold: cannot read '%s'", FOLDER, line);
    }
    if (ferror(file))
        ABORT("%s/hold: %s", FOLDER, strerror(errno));
    fclose(file);
    return all;
}
