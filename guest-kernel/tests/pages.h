/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests see through the guest module mmrig-pages. */
#ifndef MMRIG_TESTS_PAGES_H
#define MMRIG_TESTS_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmrig-pages-uapi.h"

/* Aborts the test if the module is not loaded. */
void pages_need(void);

/* Who had each page frame at one moment: words[N] is that of frame N. */
struct pages_frames {
    uint32_t *words;
    size_t count;
};

void pages_frames_take(struct pages_frames *frames);
void pages_frames_free(struct pages_frames *frames);
/* Of one frame; MMRIG_PAGES_NONE for one beyond the last. */
uint32_t pages_frame_kind(const struct pages_frames *frames, uint64_t pfn);

/* A file descriptor; what is allocated by it is freed when it is closed. */
int pages_hold_open(void);
/* False, with errno, if the kernel could not or would not. */
bool pages_hold(int fd, const char *kind, unsigned count);

struct pages_held {
    char kind[16];
    uint64_t pfn;
    unsigned node;
    char zone[16];
};

/* All that is held: freed with free(). */
struct pages_held *pages_held(int fd, size_t *count);

#endif
