/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which parts of the memory map are to change so that the firmware reports memory as mirrored
 * (EFI_MEMORY_MORE_RELIABLE) or set aside (EFI_MEMORY_SP): the descriptors of the map and the
 * request in, a list of changes out. Pure C without a library, compiled for UEFI and for the
 * host, where it is tested and fuzzed. Nothing that comes in is trusted.
 */
#ifndef MMRIG_FIRMWARE_MIRROR_H
#define MMRIG_FIRMWARE_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmrig-mirror-regs.h"

/* UEFI 2.10, 7.2.3 (GetMemoryMap): attributes of a memory descriptor. */
#define MIRROR_EFI_MORE_RELIABLE 0x10000ull
#define MIRROR_EFI_SPECIFIC      0x40000ull

#define MIRROR_PAGE 4096ull
#define MIRROR_4G   0x100000000ull
/* A node's share is a multiple of this, so that a huge page is not half mirrored. */
#define MIRROR_GRANULE (2ull << 20)

/* A piece of the memory map (PI 1.7, volume 2, 7.2.4: GCD memory space). */
struct mirror_descriptor {
    uint64_t base;
    uint64_t size;
    uint64_t capabilities;
    uint64_t attributes; /* what is in force now; a change cannot take it away */
    bool memory;         /* system memory, not I/O or nothing */
};

/* A range that is asked for. */
struct mirror_range {
    uint64_t base;
    uint64_t size;
    uint32_t attributes; /* MMRIG_MIRROR_ATTRIBUTE_* */
};

/* A piece of a NUMA node's memory. */
struct mirror_node {
    uint64_t base;
    uint64_t size;
    uint32_t node;
};

/*
 * Either some of the ranges are to be mirrored, or a percentage of each node's memory from 4
 * GiB on, from its start, and if below_4g is set all memory under 4 GiB. Ranges for a specific
 * purpose can stand beside both, but not overlap them.
 */
struct mirror_request {
    uint32_t percent; /* in hundredths */
    bool below_4g;
    size_t range_count;
    struct mirror_range ranges[MMRIG_MIRROR_RANGES_MAX];
    size_t node_count;
    struct mirror_node nodes[MMRIG_MIRROR_NODES_MAX];
};

/* What the firmware is to set. */
struct mirror_change {
    uint64_t base;
    uint64_t size;
    uint64_t capabilities;
    uint32_t attributes; /* MMRIG_MIRROR_ATTRIBUTE_* of this piece from now on; 0: taken away */
};

struct mirror_plan {
    uint32_t status;         /* MMRIG_MIRROR_STATUS_*; changes only with _DONE */
    uint64_t detail;         /* as told beside the statuses */
    uint64_t bytes;          /* mirrored after the changes */
    uint64_t specific_bytes; /* set aside after the changes */
    size_t count;
};

/*
 * Works out the changes, sorted by address, each within one descriptor. The map must be sorted
 * and not overlap, as GetMemorySpaceMap returns it; it may have gaps.
 */
void mirror_plan(const struct mirror_descriptor *map, size_t map_count,
                 const struct mirror_request *request, struct mirror_change *changes,
                 size_t changes_max, struct mirror_plan *plan);

/* ---- The variables MirrorRequest and MirrorCurrent ----------------------------------------
 */

/* Address range mirroring, version 1: both variables hold this, without padding. */
#define MIRROR_VARIABLE_SIZE    5
#define MIRROR_VARIABLE_VERSION 1

/* The status in a variable. */
enum mirror_variable_status {
    MIRROR_VARIABLE_OK = 0,
    MIRROR_VARIABLE_NO_SUPPORT = 1,
    MIRROR_VARIABLE_BAD_VERSION = 2,
    MIRROR_VARIABLE_TOO_MUCH = 3, /* over half of the memory above 4 GiB */
    MIRROR_VARIABLE_NOT_WITH_THESE_DIMMS = 4,
    MIRROR_VARIABLE_OTHER = 5,
};
#define MIRROR_VARIABLE_PERCENT_MAX 5000

struct mirror_variable {
    uint8_t version;
    bool below_4g;
    uint16_t percent; /* in hundredths */
    uint8_t status;
};

/* false if it is not of the right size. */
bool mirror_variable_read(const uint8_t *bytes, size_t size, struct mirror_variable *variable);
void mirror_variable_write(const struct mirror_variable *variable,
                           uint8_t bytes[MIRROR_VARIABLE_SIZE]);

/*
 * Puts what the operating system asked for into the request, in the place of the device's
 * percentage. Any status but OK leaves the request as it was.
 */
enum mirror_variable_status mirror_request_override(struct mirror_request *request,
                                                    const struct mirror_variable *variable);

#endif
