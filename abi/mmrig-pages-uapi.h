/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest module mmrig-pages says of page frames: for the module and for programs in the
 * guest.
 *
 * frames has one 32-bit word for each page frame, that of frame N at offset 4 * N, all taken at
 * one moment when the file is opened.
 */
#ifndef MMRIG_PAGES_UAPI_H
#define MMRIG_PAGES_UAPI_H

#define MMRIG_PAGES_DEBUGFS "mmrig-pages"

#define MMRIG_PAGES_WORD(kind, zone, node) ((kind) | (zone) << 8 | (node) << 16)
#define MMRIG_PAGES_KIND(word)             ((word)&0xff)
#define MMRIG_PAGES_ZONE(word)             ((word) >> 8 & 0xff)
#define MMRIG_PAGES_NODE(word)             ((word) >> 16)

/* Who has a page frame. */
enum mmrig_pages_kind {
    MMRIG_PAGES_NONE = 0,     /* no memory, or none that is on line; a word of 0 */
    MMRIG_PAGES_RESERVED = 1, /* was never the page allocator's */
    MMRIG_PAGES_FREE = 2,     /* in the page allocator */
    MMRIG_PAGES_LISTED = 3,   /* free, and on a list of one processor's */
    MMRIG_PAGES_OFFLINE = 4,  /* given back to the machine */
    MMRIG_PAGES_BAD = 5,      /* taken away for an error */
    MMRIG_PAGES_SLAB = 6,
    MMRIG_PAGES_TABLE = 7,  /* of a program's page tables */
    MMRIG_PAGES_USER = 8,   /* a program's or a file's, or of a kind that the kernel can move */
    MMRIG_PAGES_KERNEL = 9, /* all else: what the kernel has for itself */
    MMRIG_PAGES_KINDS = 10,
};

/* Linux's own numbers differ with its configuration. */
enum mmrig_pages_zone {
    MMRIG_PAGES_ZONE_DMA = 1,
    MMRIG_PAGES_ZONE_DMA32 = 2,
    MMRIG_PAGES_ZONE_NORMAL = 3,
    MMRIG_PAGES_ZONE_HIGHMEM = 4,
    MMRIG_PAGES_ZONE_MOVABLE = 5,
    MMRIG_PAGES_ZONE_DEVICE = 6,
};

/* "KIND COUNT" can be written to hold: at most so many in one write, and in all. */
#define MMRIG_PAGES_COUNT_MAX 1024
#define MMRIG_PAGES_HELD_MAX  8192

#endif
