/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device's access to memory: to RAM only, so that nothing can re-enter a
 * device. RAM is mapped. A page with poison in it is no RAM to QEMU, as our
 * region lies over it (poison/poison.h): what goes there is gathered and
 * written as it is, so that whole lines make it good again and a part of a line
 * does not; what is read from there is an error at the first bad line.
 *
 * Everything here is called under the big lock.
 */
#ifndef MMRIG_COMMON_DMA_H
#define MMRIG_COMMON_DMA_H

#include "compat.h"

#include "system/memory.h"

typedef enum MmrigDmaResult {
    MMRIG_DMA_OK,
    MMRIG_DMA_NOT_RAM,
    MMRIG_DMA_POISON, /* read */
} MmrigDmaResult;

/* Of one map: pieces, and bytes of those that are gathered. */
#define MMRIG_DMA_PARTS_MAX 64
#define MMRIG_DMA_GATHERED_MAX (64 * 1024)

typedef struct MmrigDmaPart {
    hwaddr address;
    void *host;
    hwaddr size;
    bool gathered;
} MmrigDmaPart;

typedef struct MmrigDmaMap {
    AddressSpace *as;
    bool write;
    hwaddr bytes; /* of all parts */
    unsigned count;
    MmrigDmaPart parts[MMRIG_DMA_PARTS_MAX];
    hwaddr gathered;
    uint8_t
        *buffer; /* MMRIG_DMA_GATHERED_MAX bytes once there is such a part */
} MmrigDmaMap;

/*
 * Whether all of it is memory that can be accessed so; else *fault is the first
 * address that is not. Poison is looked for by mmrig_dma_map() only.
 */
MmrigDmaResult mmrig_dma_check(AddressSpace *as, hwaddr address, hwaddr length,
                               bool write, hwaddr *fault);

/*
 * Maps memory from address on: as much of length as one map can hold and is
 * good, and at least a byte. Go on behind map->bytes. If there is not even one,
 * nothing is mapped, and *fault is where it is wrong.
 */
MmrigDmaResult mmrig_dma_map(MmrigDmaMap *map, AddressSpace *as, hwaddr address,
                             hwaddr length, bool write, hwaddr *fault);

/*
 * Lets go of it. Of a map that was written, the first so many bytes are done
 * and the others are not touched. *fault is the first that could not be
 * written, as memory has gone meanwhile.
 */
MmrigDmaResult mmrig_dma_unmap(MmrigDmaMap *map, hwaddr done, hwaddr *fault);

#endif
