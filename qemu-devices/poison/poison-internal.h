/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the poison map know of each other: poison*.c only. */
#ifndef MMRIG_POISON_INTERNAL_H
#define MMRIG_POISON_INTERNAL_H

#include "compat.h"

#include "system/memory.h"
#include "migration/vmstate.h"
#include "qemu/bitops.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qom/object.h"
#include "system/runstate.h"

#include "poison.h"

OBJECT_DECLARE_SIMPLE_TYPE(MmrigPoison, MMRIG_POISON)

#define PAGE_SIZE_ UINT64_C(4096)
#define PAGE_GRANULES (PAGE_SIZE_ / MMRIG_POISON_GRANULE)
QEMU_BUILD_BUG_ON(PAGE_GRANULES != 64);

/* Above whatever a machine has over its RAM. */
#define POISON_PRIORITY 10000
/* What devices may have in bad pages at a time: more than there can be. */
#define BOUNCE_BYTES (UINT64_C(64) << 20)
/* Regions of RAM there can be poison in: main memory, and memory devices. */
#define SPACES_MAX 64
/* Pages and partly stored granules in a migration stream. */
#define STREAM_PARTIAL_MAX (MMRIG_POISON_PAGES_MAX * 64)

/* One region of RAM. Kept until it is unplugged. */
typedef struct PoisonSpace {
    struct rcu_head rcu; /* first, as g_free_rcu() wants it */
    MemoryRegion *ram;
    AddressSpace as;
    unsigned pages; /* that have it, those that wait among them */
    bool gone;      /* the region was taken out of the machine */
} PoisonSpace;

typedef struct PoisonPage {
    MmrigPoison *poison;
    MemoryRegion region;
    hwaddr gpa;
    PoisonSpace *space;
    hwaddr offset; /* in the space */
    bool laid;     /* the region is over it */
    bool backed;   /* the host's page is bad; there is no region */
    /* What was in the host's page, until all that were asked for are bad. */
    void *kept;
    uint64_t bad[MMRIG_POISON_SOURCES_MAX];
    uint64_t any;                   /* bad by at least one source */
    uint64_t stored[PAGE_GRANULES]; /* bytes stored since it was loaded */
} PoisonPage;

typedef struct PoisonSource {
    char name[MMRIG_POISON_SOURCE_BYTES];
    const MmrigPoisonOps *ops;
    void *opaque;
} PoisonSource;

/* What migrates. Sources are numbered as on the machine that sent it. */
typedef struct PoisonStreamName {
    uint8_t name[MMRIG_POISON_SOURCE_BYTES];
} PoisonStreamName;

typedef struct PoisonRecord {
    uint64_t gpa;
    uint64_t bad[MMRIG_POISON_SOURCES_MAX];
} PoisonRecord;

typedef struct PoisonPartial {
    uint64_t gpa; /* of the granule */
    uint64_t stored;
} PoisonPartial;

struct MmrigPoison {
    Object parent_obj;

    GHashTable *pages; /* gpa -> PoisonPage */
    GPtrArray *spaces;
    GPtrArray *unused;  /* pages whose regions may be laid anew */
    GPtrArray *leaving; /* taken away in the transaction that is open */
    GPtrArray *batches; /* of PoisonBatch, the oldest first */
    uint64_t regions;   /* that were made */
    uint64_t waiting;   /* of them, those that may not be laid anew as yet */
    unsigned depth;     /* of transactions */
    bool queued;        /* poison_apply() */
    bool stopped;       /* the machine: no processor executes guest code */
    bool looking;       /* at the guest's page tables: nothing is consumed */
    QEMUBH *sweep;
    MemoryListener listener;
    PoisonSource sources[MMRIG_POISON_SOURCES_MAX];
    bool backing;
    uint32_t store; /* MmrigPoisonStore */
    MmrigPoisonCounters counters;

    PoisonStreamName names[MMRIG_POISON_SOURCES_MAX];
    PoisonRecord *records;
    int32_t record_count;
    PoisonPartial *partials;
    int32_t partial_count;
};

/* Pages that wait for processors and other threads to forget them. */
typedef struct PoisonBatch {
    struct rcu_head rcu; /* first, as call_rcu1() hands it over */
    MmrigPoison *poison;
    GPtrArray *pages;
    unsigned processors;
} PoisonBatch;

static inline const char *poison_name(const MmrigPoison *p, int source)
{
    return p->sources[source].name;
}

/* ---- poison.c ----------------------------------------------------------- */

/* The page at an address, if there is a region over it. */
PoisonPage *mmrig_poison_page(MmrigPoison *p, hwaddr gpa);
/* The bad pages in order; free the array. */
GPtrArray *mmrig_poison_sorted(MmrigPoison *p);
/* The sources, as bits, that a granule of a page is bad by. */
uint64_t mmrig_poison_sources_of(const PoisonPage *page, unsigned granule);
/* Takes granules (a mask) from a source of a page; which of them changed. */
uint64_t mmrig_poison_forget(PoisonPage *page, unsigned source, uint64_t mask);
/* Brings a page's sum and the counters up to date with its sources. */
void mmrig_poison_sum(MmrigPoison *p, PoisonPage *page);
void mmrig_poison_tell_cleared(MmrigPoison *p, unsigned source,
                               const PoisonPage *page, uint64_t mask,
                               MmrigPoisonClear why);

/* ---- poison-region.c ---------------------------------------------------- */

/* Looks which regions of RAM are in the machine, after a change of its memory.
 */
void mmrig_poison_look_for_spaces(MemoryListener *listener);
/* A page of the map, good as yet, between begin and commit. */
PoisonPage *mmrig_poison_lay(MmrigPoison *p, hwaddr gpa, Error **errp);
/* The page is to stay: what was kept of it is not needed any more. */
void mmrig_poison_laid(PoisonPage *page);
/* The machine goes on, or has stopped. */
void mmrig_poison_run_state(void *opaque, bool running, RunState state);
/* Makes the machine's memory as the map says, soon; a bottom half as well. */
void mmrig_poison_enforce(void *opaque);

/* ---- poison-access.c ---------------------------------------------------- */

extern const MemoryRegionOps mmrig_poison_ops;

/* ---- poison-vmstate.c --------------------------------------------------- */

extern const VMStateDescription mmrig_poison_vmstate;

static inline uint64_t poison_mask(hwaddr first, hwaddr last)
{
    unsigned from = first / MMRIG_POISON_GRANULE;
    unsigned to = last / MMRIG_POISON_GRANULE;

    return MAKE_64BIT_MASK(from, to - from + 1);
}

#endif
