/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of mmrig-mirror share:
 *
 *   mirror.c            coming and going of the device, what is read by name
 *   mirror-registers.c  what the guest reads and writes
 *   mirror-properties.c what the properties say
 *   mirror-nodes.c      where the NUMA nodes' memory lies
 *   mirror-migration.c  its state in a migration stream
 *   mirror-copies.c     the two copies of mirrored memory
 */
#ifndef MMRIG_MIRROR_H
#define MMRIG_MIRROR_H

#include "compat.h"

#include "hw/pci/pci_device.h"
#include "migration/vmstate.h"
#include "qom/object.h"

#include "common/registers.h"
#include "mirror-copies.h"
#include "mmrig-mirror-regs.h"

#define TYPE_MMRIG_MIRROR "mmrig-mirror"
OBJECT_DECLARE_SIMPLE_TYPE(MmrigMirror, MMRIG_MIRROR)

#define ATTRIBUTES                                                             \
    (MMRIG_MIRROR_ATTRIBUTE_MIRROR | MMRIG_MIRROR_ATTRIBUTE_SPECIFIC)

/* An entry of a table. */
typedef struct MirrorEntry {
    uint64_t base;
    uint64_t size;
    uint32_t word; /* attributes, or the node */
} MirrorEntry;

struct MmrigMirror {
    PCIDevice parent_obj;

    /* Properties, and what they say. */
    char *percent_text;
    char *mirror_text;
    char *specific_text;
    bool below_4g;
    bool debug;
    uint32_t percent;
    MirrorEntry ranges[MMRIG_MIRROR_RANGES_MAX];
    uint32_t range_count;
    uint32_t request_sum; /* of what they say, for migration */
    MirrorEntry nodes[MMRIG_MIRROR_NODES_MAX];
    uint32_t node_count;

    MemoryRegion regs;
    MirrorCopies *copies; /* NULL: no memory errors on this machine */

    /* What the guest wrote; migrated. */
    MirrorEntry apply;
    MirrorEntry applied[MMRIG_MIRROR_APPLIED_MAX];
    uint32_t applied_count;
    uint32_t status;
    uint64_t status_detail;
    uint32_t source;
    uint32_t error;
    uint32_t error_detail;
    MirrorCopiesState errors; /* migrated as well */
};

/* ---- mirror.c ----------------------------------------------------------- */

/* A line in QEMU's log, if the property debug is on. */
void G_GNUC_PRINTF(2, 3)
    mmrig_mirror_debug(const MmrigMirror *s, const char *format, ...);

/* Makes it the latest error. */
void mmrig_mirror_error(MmrigMirror *s, uint32_t error, uint32_t detail);

/* ---- mirror-registers.c ------------------------------------------------- */

extern const MmrigRegisters mmrig_mirror_registers;
extern const MemoryRegionOps mmrig_mirror_ops;

/* Whether it is whole pages, at least one, that do not wrap. */
bool mmrig_mirror_range_valid(const MirrorEntry *entry);

/* ---- mirror-properties.c ------------------------------------------------ */

/* BASE+SIZE, the size with K, M or G if it is not in bytes. */
bool mmrig_mirror_parse_range(const char *text, MirrorEntry *entry);

/* percent, mirror and specific, from text to what the registers show. */
bool mmrig_mirror_parse_properties(MmrigMirror *s, Error **errp);

/* ---- mirror-nodes.c ----------------------------------------------------- */

/* Fills the table of nodes, from what the machine was made with. */
bool mmrig_mirror_place_nodes(MmrigMirror *s, Error **errp);

/* ---- mirror-migration.c ------------------------------------------------- */

extern const VMStateDescription mmrig_mirror_vmstate;

#endif
