/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Poison: which parts of the machine's memory are bad. There is one such map in
 * a machine, shared by every device of the pack; it is made when first asked
 * for, and it migrates by itself.
 *
 * The unit is the granule, 64 bytes, as poison travels with cache lines. Each
 * poisoned granule belongs to one source or more (a device's name for itself),
 * and is bad as long as one of them says so.
 *
 *  - A load or fetch by a processor: machine check (SRAR) at that instruction.
 *  - A read by a device: the bus error MEMTX_ERROR.
 *  - A store: see MmrigPoisonStore.
 *
 * Everything here is called under the big lock, in any thread.
 */
#ifndef MMRIG_POISON_H
#define MMRIG_POISON_H

#include "exec/hwaddr.h"
#include "exec/memattrs.h"
#include "hw/core/cpu.h"

#define MMRIG_POISON_GRANULE 64
#define MMRIG_POISON_SOURCES_MAX 8
#define MMRIG_POISON_SOURCE_BYTES 32 /* of a source's name, with its NUL */
/*
 * Pages with poison that there can be. Each splits the RAM around it, and
 * QEMU's page tables hold 4,096 sections of an address space: one more and it
 * aborts (phys_section_add).
 */
#define MMRIG_POISON_PAGES_MAX 1536

/* The map's type; it owns the regions over bad pages, by which DMA knows them.
 */
#define TYPE_MMRIG_POISON "mmrig-poison"

typedef struct MmrigPoison MmrigPoison;

/* What a store does to the granule it goes to. In all cases memory is written.
 */
typedef enum MmrigPoisonStore {
    /*
     * Cleared once all of its 64 bytes were stored and nothing was loaded in
     * between; anything less merges new bytes into a bad line, which stays bad.
     */
    MMRIG_POISON_STORE_FULL_LINE,
    MMRIG_POISON_STORE_ANY,
    MMRIG_POISON_STORE_NEVER,
} MmrigPoisonStore;

typedef enum MmrigPoisonKind {
    MMRIG_POISON_LOAD,
    MMRIG_POISON_FETCH,
    MMRIG_POISON_DMA, /* a device's read */
} MmrigPoisonKind;

/* Somebody has read poison. */
typedef struct MmrigPoisonAccess {
    MmrigPoisonKind kind;
    hwaddr gpa;      /* the first bad byte of those that were to be read */
    unsigned size;   /* of the access, from there on */
    CPUState *cpu;   /* NULL for a device; during the call only */
    uint64_t source; /* bit of each source that the granule is bad by */
} MmrigPoisonAccess;

/* Why a granule is not bad any more. */
typedef enum MmrigPoisonClear {
    MMRIG_POISON_CLEARED_BY_STORE,
    MMRIG_POISON_CLEARED_BY_CALL,
} MmrigPoisonClear;

typedef struct MmrigPoisonOps {
    /*
     * Poison is about to be consumed. TRUE: it is dealt with (a mirror has a
     * good copy): the access goes on as if the granule were good. The callback
     * may not change the map.
     */
    bool (*filter)(void *opaque, const MmrigPoisonAccess *access);
    /* Poison is consumed; the machine check or bus error follows. As above. */
    void (*consumed)(void *opaque, const MmrigPoisonAccess *access);
    /*
     * Granules that were bad by this listener's source are so no longer. Not
     * called for the listener's own mmrig_poison_remove(). May not change the
     * map.
     */
    void (*cleared)(void *opaque, hwaddr gpa, uint64_t length,
                    MmrigPoisonClear why);
} MmrigPoisonOps;

typedef struct MmrigPoisonCounters {
    uint64_t granules; /* bad now */
    uint64_t pages;    /* with such in them */
    uint64_t loads;    /* consumed */
    uint64_t fetches;
    uint64_t dma;
    uint64_t filtered;
    uint64_t stores;  /* into bad granules */
    uint64_t cleared; /* granules, by stores */
} MmrigPoisonCounters;

/*
 * The machine's map. NULL with error where there is none: the processors do
 * not report errors in a way that is known.
 */
MmrigPoison *mmrig_poison_get(Error **errp);

/*
 * Registers a source by its name, with its callbacks (ops may be NULL, and so
 * may each of them). Returns its number, 0 to MMRIG_POISON_SOURCES_MAX - 1, or
 * -1 with error. A name that is known (after migration, or
 * mmrig_poison_leave()) has its old number, and its poison. ops must stay.
 */
int mmrig_poison_join(MmrigPoison *p, const char *name,
                      const MmrigPoisonOps *ops, void *opaque, Error **errp);
/* The callbacks are called no more. The source's poison stays. */
void mmrig_poison_leave(MmrigPoison *p, int source);

/*
 * Makes the granules bad that the range touches. All of it must be RAM (of any
 * kind: NVDIMM, CXL where QEMU maps it directly); either all of it is done, or
 * nothing and there is an error. Already bad ones are fine.
 */
bool mmrig_poison_add(MmrigPoison *p, int source, hwaddr gpa, uint64_t length,
                      Error **errp);

/*
 * Makes the granules that the range touches good again, as far as they are bad
 * by this source; -1 means all sources. Returns how many granules changed.
 */
uint64_t mmrig_poison_remove(MmrigPoison *p, int source, hwaddr gpa,
                             uint64_t length);

/* Whether there is a bad byte in the range, and where the first is. */
bool mmrig_poison_test(MmrigPoison *p, hwaddr gpa, uint64_t length,
                       hwaddr *first);

/*
 * Somebody reads what is poison by a list that is not this map's (a CXL
 * device's), in the handler of a region that is no part of it. TRUE: the access
 * goes on as if it were good. FALSE: a device's, which gets a bus error. A
 * processor's does not come back under TCG.
 */
bool mmrig_poison_meet(MmrigPoison *p, uint64_t sources, hwaddr gpa,
                       unsigned size, MemTxAttrs attrs);

/*
 * Calls back for each range of bad granules with the same sources, in order of
 * address, until the callback returns FALSE. The callback may not change the
 * map.
 */
typedef bool MmrigPoisonRangeFunc(void *opaque, hwaddr gpa, uint64_t length,
                                  uint64_t sources);
void mmrig_poison_foreach(MmrigPoison *p, MmrigPoisonRangeFunc *func,
                          void *opaque);

/* Names of sources, "?" where there is none. */
const char *mmrig_poison_source_name(MmrigPoison *p, int source);

/*
 * Many changes at once: between these the map changes, and what the machine
 * sees of it at the end. They nest. While the machine runs, that is not at once
 * but before the next instruction of the processor that made the change, or
 * soon, if it is of another thread; mmrig_poison_wait() waits for it, in a
 * thread that is none of a processor (the monitor's). It lets go of the big
 * lock.
 */
void mmrig_poison_begin(MmrigPoison *p);
void mmrig_poison_commit(MmrigPoison *p);
void mmrig_poison_wait(MmrigPoison *p);

/*
 * For KVM: bad memory is the host's backing page, made bad, and not a region
 * over it. A whole page of 4 KiB at a time, and stores do not clear it.
 */
void mmrig_poison_set_backing(MmrigPoison *p, bool backing);

void mmrig_poison_set_store(MmrigPoison *p, MmrigPoisonStore store);
MmrigPoisonStore mmrig_poison_get_store(MmrigPoison *p);
void mmrig_poison_get_counters(MmrigPoison *p, MmrigPoisonCounters *counters);

#endif
