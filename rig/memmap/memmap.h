/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's memory map, as its own kernel sees it: the EFI map, NUMA nodes, zones. The guest
 * test "memmap" tells it in lines of its output,
 *
 *   # memmap efi BASE SIZE FLAGS TYPE          flags: m mirrored, s specific purpose, u usable
 *   # memmap node NODE BASE SIZE
 *   # memmap zone NODE START SPANNED PRESENT MANAGED NAME
 *   # memmap iomem BASE SIZE TEXT
 *   # memmap says TEXT                         what Linux says of mirrored memory
 *
 * numbers in bytes and hexadecimal but for nodes. They come from a guest: bounded and checked.
 */
#pragma once

#include <glib.h>

#define MMRIG_MEMMAP_LINES_MAX 4096
#define MMRIG_MEMMAP_TEXT_MAX  200

typedef struct {
    guint64 base, size;
    int node; /* -1: not of a node */
    gboolean mirrored, specific, usable;
    char *type;
} MmrigMemmapEntry;

typedef struct {
    guint node;
    guint64 base, size;
} MmrigMemmapNode;

typedef struct {
    guint node;
    guint64 start, spanned, present, managed;
    char *name;
} MmrigMemmapZone;

typedef struct {
    GPtrArray *entries; /* of MmrigMemmapEntry: sorted, cut at nodes, equal neighbours joined */
    GArray *nodes;      /* of MmrigMemmapNode */
    GPtrArray *zones;   /* of MmrigMemmapZone */
    GPtrArray *iomem;   /* of MmrigMemmapEntry, for what the kernel calls it */
    GPtrArray *sayings; /* of char * */
} MmrigMemmap;

/* Reads the lines out of the test's output. GUEST error if they make no sense or tell nothing.
 */
MmrigMemmap *mmrig_memmap_parse(const char *output, gsize size, GError **error);
void mmrig_memmap_free(MmrigMemmap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigMemmap, mmrig_memmap_free)

/* What is in it, for people, for programs, and as a picture. Free with g_free(). */
char *mmrig_memmap_table(const MmrigMemmap *map, const char *title);
char *mmrig_memmap_json(const MmrigMemmap *map, const char *title);
char *mmrig_memmap_svg(const MmrigMemmap *map, const char *title);
