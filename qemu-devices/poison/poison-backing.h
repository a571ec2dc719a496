/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bad memory under KVM: the host's own page is made bad (madvise(2),
 * MADV_HWPOISON), and its kernel tells KVM when the guest uses it, at that
 * instruction. No QEMU headers: this part is tested on the host.
 */
#ifndef MMRIG_POISON_BACKING_H
#define MMRIG_POISON_BACKING_H

#include <stddef.h>

/* madvise(), or what stands for it in a test. */
typedef int RasAdvise(void *address, size_t length, int advice);

/*
 * Makes the host's page bad at this address, which must be the start of one.
 * It is lost for good: only a new page can take its place. kept gets a copy of
 * it (free with g_free()), for that page. NULL, or in one line why not (free
 * with g_free()).
 */
char *mmrig_poison_backing_spoil(void *page, size_t size, RasAdvise *advise,
                                 void **kept);

#endif
