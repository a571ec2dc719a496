/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of the memory map share: the kernel's view of it, and the registers of
 * mmrig-mirror. */
#ifndef MMRIG_TESTS_FIRMWARE_H
#define MMRIG_TESTS_FIRMWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmrig-mirror-regs.h"

#define PAGE_BYTES 4096ull
#define FOUR_GIB   0x100000000ull

/* ---- What the kernel said -----------------------------------------------------------------
 */

/* Whether a line of the kernel's log has the text; the line, cut to size, if line is not NULL.
 */
bool kernel_said(const char *text, char *line, size_t size);

/* ---- The EFI memory map, as efi=debug has the kernel print it ------------------------------
 */

struct efi_entry {
    char type[20]; /* "Conventional" */
    uint64_t base;
    uint64_t size;
    bool mirrored; /* EFI_MEMORY_MORE_RELIABLE */
    bool specific; /* EFI_MEMORY_SP */
    bool usable;   /* of a kind that the kernel makes its own */
};

#define EFI_ENTRIES_MAX 512

struct efi_map {
    size_t count;
    struct efi_entry entries[EFI_ENTRIES_MAX];
};

/* Reads the map, sorted by address. Aborts the test if there is none. */
void efi_map_read(struct efi_map *map);

/* ---- Ranges -------------------------------------------------------------------------------
 */

struct range {
    uint64_t base;
    uint64_t size;
};

#define RANGES_MAX 64

struct ranges {
    size_t count;
    struct range at[RANGES_MAX];
};

/* Adds a range behind the others, joined to the last if it begins where that ends. */
void ranges_add(struct ranges *ranges, uint64_t base, uint64_t size);
/* Reads "BASE+SIZE:BASE+SIZE", sizes with K, M or G; aborts if malformed. NULL adds nothing. */
void ranges_parse(struct ranges *ranges, const char *text);
uint64_t ranges_bytes(const struct ranges *ranges);
/* How many bytes of it lie in the ranges. */
uint64_t ranges_within(const struct ranges *ranges, uint64_t base, uint64_t size);
/* Two lists are equal; each difference is a failed check. */
void ranges_expect_equal(const char *what, const struct ranges *a, const struct ranges *b);

/* All that is marked in the map. */
void efi_map_mirrored(const struct efi_map *map, struct ranges *ranges);
void efi_map_specific(const struct efi_map *map, struct ranges *ranges);

/* ---- mmrig-mirror -------------------------------------------------------------------------
 */

/* Maps the device's registers; false if there is no such device. */
bool mirror_open(void);
uint32_t mirror_get(uint32_t reg);
uint64_t mirror_get64(uint32_t reg);
/* The ranges of the table that has such attributes. */
void mirror_table(uint32_t (*table)(uint32_t), uint32_t count, uint32_t attribute,
                  struct ranges *ranges);
uint32_t mirror_applied(uint32_t index);
uint32_t mirror_requested(uint32_t index);

/* ---- NUMA nodes, by the SRAT as the kernel prints it ---------------------------------------
 */

struct node_range {
    unsigned node;
    uint64_t base;
    uint64_t size;
};

#define NODE_RANGES_MAX 32

extern struct node_range nodes[NODE_RANGES_MAX];
extern size_t nodes_count;

/* Fills nodes; a machine without NUMA has none. */
void nodes_read(void);

/* ---- Zones --------------------------------------------------------------------------------
 */

/* From /proc/zoneinfo; all in pages. */
struct zone {
    bool there;
    uint64_t start;
    uint64_t spanned;
    uint64_t present;
    uint64_t managed;
    uint64_t free;
};

/* Of this node, by name ("Movable"). */
struct zone zone_read(unsigned node, const char *name);
/* Free pages of all nodes, in one look: in ZONE_MOVABLE, and in the other zones. */
void zones_free(uint64_t *movable, uint64_t *other);

#endif
