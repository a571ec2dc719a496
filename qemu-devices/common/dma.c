/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dma.h"

#include "exec/cpu-common.h"
#include "qemu/rcu.h"

#include "poison/poison.h"

#define ATTRIBUTES MEMTXATTRS_UNSPECIFIED

typedef enum DmaKind {
    DMA_NONE,
    DMA_DIRECT,
    DMA_POISONED,
} DmaKind;

/* What is there, and how much of it. */
static DmaKind dma_look(AddressSpace *as, hwaddr address, hwaddr *length,
                        bool write)
{
    hwaddr offset;
    MemoryRegion *mr;
    Object *owner;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(as, address, &offset, length, write,
                                 ATTRIBUTES);
    if (*length == 0) {
        return DMA_NONE;
    }
    if (memory_access_is_direct(mr, write, ATTRIBUTES)) {
        return DMA_DIRECT;
    }
    owner = memory_region_owner(mr);
    if (!owner || !object_dynamic_cast(owner, TYPE_MMRIG_POISON)) {
        return DMA_NONE;
    }
    /* QEMU says of RAM only how far it goes. */
    *length = MIN(*length, memory_region_size(mr) - offset);
    return DMA_POISONED;
}

MmrigDmaResult mmrig_dma_check(AddressSpace *as, hwaddr address, hwaddr length,
                               bool write, hwaddr *fault)
{
    while (length > 0) {
        hwaddr size = length;

        if (dma_look(as, address, &size, write) == DMA_NONE) {
            *fault = address;
            return MMRIG_DMA_NOT_RAM;
        }
        address += size;
        length -= size;
    }
    return MMRIG_DMA_OK;
}

static bool dma_map_direct(MmrigDmaMap *map, MmrigDmaPart *part)
{
    hwaddr most = part->size;

    part->host = address_space_map(map->as, part->address, &part->size,
                                   map->write, ATTRIBUTES);
    if (!part->host) {
        return false;
    }
    if (part->size == 0 || part->size > most) {
        address_space_unmap(map->as, part->host, part->size, map->write, 0);
        return false;
    }
    return true;
}

/* Reads line by line; how much is good. */
static hwaddr dma_gather(MmrigDmaMap *map, const MmrigDmaPart *part)
{
    hwaddr good = 0;

    while (good < part->size) {
        hwaddr address = part->address + good;
        hwaddr size =
            MIN(part->size - good,
                MMRIG_POISON_GRANULE - address % MMRIG_POISON_GRANULE);

        if (address_space_read(map->as, address, ATTRIBUTES,
                               (uint8_t *)part->host + good,
                               size) != MEMTX_OK) {
            break;
        }
        good += size;
    }
    return good;
}

/* FALSE: there is no room, or nothing that can be read. */
static bool dma_map_poisoned(MmrigDmaMap *map, MmrigDmaPart *part)
{
    part->size = MIN(part->size, MMRIG_DMA_GATHERED_MAX - map->gathered);
    if (part->size == 0) {
        return false;
    }
    if (!map->buffer) {
        map->buffer = g_malloc0(MMRIG_DMA_GATHERED_MAX);
    }
    part->host = map->buffer + map->gathered;
    part->gathered = true;
    if (!map->write) {
        part->size = dma_gather(map, part);
    }
    map->gathered += part->size;
    return part->size > 0;
}

MmrigDmaResult mmrig_dma_map(MmrigDmaMap *map, AddressSpace *as, hwaddr address,
                             hwaddr length, bool write, hwaddr *fault)
{
    MmrigDmaResult result = MMRIG_DMA_OK;

    map->as = as;
    map->write = write;
    map->bytes = 0;
    map->count = 0;
    map->gathered = 0;
    map->buffer = NULL;
    while (map->bytes < length && map->count < MMRIG_DMA_PARTS_MAX) {
        MmrigDmaPart *part = &map->parts[map->count];
        hwaddr wanted = length - map->bytes;
        DmaKind kind;
        bool mapped;

        *part = (MmrigDmaPart){.address = address + map->bytes, .size = wanted};
        kind = dma_look(as, part->address, &part->size, write);
        mapped = kind == DMA_DIRECT     ? dma_map_direct(map, part)
                 : kind == DMA_POISONED ? dma_map_poisoned(map, part)
                                        : false;
        if (!mapped) {
            result =
                kind == DMA_POISONED ? MMRIG_DMA_POISON : MMRIG_DMA_NOT_RAM;
            break;
        }
        map->bytes += part->size;
        map->count++;
    }
    if (map->bytes > 0 || length == 0) {
        return MMRIG_DMA_OK;
    }
    g_clear_pointer(&map->buffer, g_free);
    *fault = address;
    return result;
}

MmrigDmaResult mmrig_dma_unmap(MmrigDmaMap *map, hwaddr done, hwaddr *fault)
{
    MmrigDmaResult result = MMRIG_DMA_OK;

    for (unsigned i = 0; i < map->count; i++) {
        MmrigDmaPart *part = &map->parts[i];
        hwaddr size = MIN(part->size, done);

        done -= size;
        if (!part->gathered) {
            address_space_unmap(map->as, part->host, part->size, map->write,
                                size);
        } else if (map->write && size > 0 &&
                   address_space_write(map->as, part->address, ATTRIBUTES,
                                       part->host, size) != MEMTX_OK &&
                   result == MMRIG_DMA_OK) {
            *fault = part->address;
            result = MMRIG_DMA_NOT_RAM;
        }
    }
    map->count = 0;
    map->bytes = 0;
    g_clear_pointer(&map->buffer, g_free);
    return result;
}
