/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A load of all kinds, for tests of where the kernel's memory is. */
#ifndef MMRIG_TESTS_MIRROR_LOAD_H
#define MMRIG_TESTS_MIRROR_LOAD_H

#include <stddef.h>

#define LOAD_FILES       4000
#define LOAD_PIPES       64
#define LOAD_PIPE_PAGES  16
#define LOAD_SOCKETS     32
#define LOAD_TABLES      1024 /* of pages, 2 MiB apart */
#define LOAD_CACHE_BYTES (64ull << 20)
#define LOAD_USER_BYTES  (64ull << 20)

/* What programs and files have of it. */
struct load {
    char *cache; /* a file, mapped */
    char *user;
};

/*
 * Inodes and directory entries, page tables, pipes, sockets, a file's pages and a program's.
 * All of it goes with the process, but for the file system: load_end() unmounts that.
 */
void load_begin(struct load *load);
void load_end(void);

#endif
