/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-pages: says where the kernel's memory physically is.
 *
 *   main.c    the folder in debugfs
 *   frames.c  who has each page frame, at one moment
 *   hold.c    allocates, holds and tells where that is
 *   kinds.c   the ways of allocating
 *
 * What /proc/kpageflags cannot tell, and frames does: a page that the kernel took from the page
 * allocator for itself has no flag, and neither has a free one on a list of one processor's.
 */
#ifndef MMRIG_PAGES_H
#define MMRIG_PAGES_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/types.h>

#include "mmrig-pages-uapi.h"

/**
 * struct pages_kind - a way of allocating
 * @name: as it is written to the file
 * @get: allocates one; NULL if there is no memory
 * @put: frees it
 * @show: tells its pages, by pages_show() and pages_show_range()
 */
struct pages_kind {
	const char *name;
	void *(*get)(void);
	void (*put)(void *object);
	void (*show)(struct seq_file *file, const char *name, void *object);
};

/* frames.c */
extern const struct file_operations pages_frames_fops;

/* hold.c */
extern const struct file_operations pages_hold_fops;
void pages_show(struct seq_file *file, const char *name, struct page *page);
/* Each page of a range of the kernel's addresses, whichever way it is mapped. */
void pages_show_range(struct seq_file *file, const char *name, const void *address, size_t size);

/* kinds.c */
const struct pages_kind *pages_kind_find(const char *name);
int pages_kinds_init(void);
void pages_kinds_exit(void);

#endif
