/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A page with poison has an I/O region laid over it, of a
 * higher priority than the RAM below; whatever is accessed in it comes to
 * poison_read() and poison_write(), which pass what is not bad through to that
 * RAM. Other pages are not slowed down.
 *
 * Regions cannot be freed while a processor may still have one in its TLB, nor
 * be laid over another page: the stale entry would lead there. A region that is
 * taken away therefore waits (poison_settle) until every processor has done the
 * work that is queued for it, of which the flush of its TLB is the earlier
 * part, and is then used again. There are never more regions than
 * MMRIG_POISON_PAGES_MAX and the few that wait.
 *
 * A store that clears the last bad granule of a page cannot take the region
 * away while the store is going on in it; a bottom half does.
 *
 * RAM is reached by address spaces of our own, one for each region of RAM, so
 * that code translated from it is discarded and migration sees it dirty.
 */
#include "compat.h"

#include "block/aio.h"
#include "exec/cpu-common.h"
#if MMRIG_QEMU_AT_LEAST(10, 1)
#include "system/address-spaces.h"
#include "system/memory.h"
#else
#include "exec/address-spaces.h"
#include "exec/memory.h"
#endif
#include "hw/boards.h"
#include "hw/qdev-core.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qom/object.h"
#include "system/tcg.h"

#include "mce.h"
#include "poison.h"

#define TYPE_MMRIG_POISON "mmrig-poison"
OBJECT_DECLARE_SIMPLE_TYPE(MmrigPoison, MMRIG_POISON)

#define PAGE_SIZE_ UINT64_C(4096)
#define PAGE_GRANULES (PAGE_SIZE_ / MMRIG_POISON_GRANULE)
QEMU_BUILD_BUG_ON(PAGE_GRANULES != 64);

/* Above whatever a machine has over its RAM. */
#define POISON_PRIORITY 10000
/* Regions of RAM there can be poison in: main memory, and memory devices. */
#define SPACES_MAX 64
/* Pages and partly stored granules in a migration stream. */
#define STREAM_PARTIAL_MAX (MMRIG_POISON_PAGES_MAX * 64)

/* One region of RAM. Kept as long as the machine lives. */
typedef struct PoisonSpace {
    MemoryRegion *ram;
    AddressSpace as;
} PoisonSpace;

typedef struct PoisonPage {
    MmrigPoison *poison;
    MemoryRegion region;
    hwaddr gpa;
    PoisonSpace *space;
    hwaddr offset; /* in the space */
    uint64_t bad[MMRIG_POISON_SOURCES_MAX];
    uint64_t any;                   /* bad by at least one source */
    uint64_t stored[PAGE_GRANULES]; /* bytes stored since it was loaded */
} PoisonPage;

typedef struct PoisonSource {
    uint8_t name[MMRIG_POISON_SOURCE_BYTES]; /* as it migrates */
    const MmrigPoisonOps *ops;
    void *opaque;
} PoisonSource;

/* What migrates. */
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
    unsigned depth;     /* of transactions */
    QEMUBH *sweep;
    PoisonSource sources[MMRIG_POISON_SOURCES_MAX];
    uint32_t store; /* MmrigPoisonStore */
    MmrigPoisonCounters counters;

    PoisonRecord *records;
    int32_t record_count;
    PoisonPartial *partials;
    int32_t partial_count;
};

/* Pages that wait for processors to forget them. */
typedef struct PoisonBatch {
    MmrigPoison *poison;
    GPtrArray *pages;
    unsigned processors;
} PoisonBatch;

static const char *poison_name(const MmrigPoison *p, int source)
{
    return (const char *)p->sources[source].name;
}

static uint64_t poison_mask(hwaddr first, hwaddr last)
{
    unsigned from = first / MMRIG_POISON_GRANULE;
    unsigned to = last / MMRIG_POISON_GRANULE;

    return MAKE_64BIT_MASK(from, to - from + 1);
}

/* ---- Accesses ----------------------------------------------------------- */

static uint64_t poison_sources_of(const PoisonPage *page, unsigned granule)
{
    uint64_t sources = 0;

    for (unsigned i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        sources |= (page->bad[i] >> granule & 1) << i;
    }
    return sources;
}

static MemTxResult poison_pass_read(PoisonPage *page, hwaddr offset,
                                    uint64_t *data, unsigned size)
{
    uint64_t value = 0;
    MemTxResult result =
        address_space_read(&page->space->as, page->offset + offset,
                           MEMTXATTRS_UNSPECIFIED, &value, size);

    *data = le64_to_cpu(value);
    return result;
}

static MemTxResult poison_pass_write(PoisonPage *page, hwaddr offset,
                                     uint64_t data, unsigned size)
{
    uint64_t value = cpu_to_le64(data);

    return address_space_write(&page->space->as, page->offset + offset,
                               MEMTXATTRS_UNSPECIFIED, &value, size);
}

/*
 * The processor that makes an access, or NULL for a device. A device's DMA may
 * well run in a processor's thread, but only a processor's own accesses say
 * what they are (cpu_get_mem_attrs in QEMU's target/i386/cpu.h).
 */
static CPUState *poison_accessor(MemTxAttrs attrs)
{
    return attrs.unspecified || attrs.requester_id ? NULL : current_cpu;
}

static bool poison_is_filtered(MmrigPoison *p, const MmrigPoisonAccess *access)
{
    for (unsigned i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        const PoisonSource *s = &p->sources[i];

        if (s->ops && s->ops->filter && s->ops->filter(s->opaque, access)) {
            return true;
        }
    }
    return false;
}

static void poison_tell_consumed(MmrigPoison *p,
                                 const MmrigPoisonAccess *access)
{
    switch (access->kind) {
    case MMRIG_POISON_LOAD:
        p->counters.loads++;
        break;
    case MMRIG_POISON_FETCH:
        p->counters.fetches++;
        break;
    case MMRIG_POISON_DMA:
        p->counters.dma++;
        break;
    }
    for (unsigned i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        const PoisonSource *s = &p->sources[i];

        if (s->ops && s->ops->consumed) {
            s->ops->consumed(s->opaque, access);
        }
    }
}

static MemTxResult poison_read(void *opaque, hwaddr offset, uint64_t *data,
                               unsigned size, MemTxAttrs attrs)
{
    PoisonPage *page = opaque;
    MmrigPoison *p = page->poison;
    CPUState *cpu = poison_accessor(attrs);
    uint64_t mask = poison_mask(offset, offset + size - 1);
    uint64_t bad = page->any & mask;
    MmrigPoisonAccess access = {.kind = MMRIG_POISON_DMA, .cpu = cpu};
    unsigned granule;

    if (!bad) {
        return poison_pass_read(page, offset, data, size);
    }
    granule = ctz64(bad);
    page->stored[granule] = 0;
    access.gpa =
        page->gpa + MAX(offset, (hwaddr)granule * MMRIG_POISON_GRANULE);
    access.size = page->gpa + offset + size - access.gpa;
    access.source = poison_sources_of(page, granule);
    if (cpu) {
        /*
         * While it translates, TCG is in none of the code that it made:
         * cpu_ldub_code() and its like have no place to return to.
         */
        access.kind = tcg_enabled() && cpu->mem_io_pc == 0 ? MMRIG_POISON_FETCH
                                                           : MMRIG_POISON_LOAD;
    }
    if (poison_is_filtered(p, &access)) {
        p->counters.filtered++;
        return poison_pass_read(page, offset, data, size);
    }
    poison_tell_consumed(p, &access);
    if (cpu) {
        mmrig_mce_consume(cpu, access.gpa, access.kind == MMRIG_POISON_FETCH);
        return poison_pass_read(page, offset, data, size);
    }
    *data = UINT64_MAX;
    return MEMTX_ERROR;
}

/* Takes granules (a mask) from a source of a page; which of them changed. */
static uint64_t poison_forget(PoisonPage *page, unsigned source, uint64_t mask)
{
    uint64_t changed = page->bad[source] & mask;

    page->bad[source] &= ~mask;
    return changed;
}

/* Brings a page's sum and the counters up to date with its sources. */
static void poison_sum(MmrigPoison *p, PoisonPage *page)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        any |= page->bad[i];
    }
    p->counters.granules += ctpop64(any);
    p->counters.granules -= ctpop64(page->any);
    p->counters.pages += !!any;
    p->counters.pages -= !!page->any;
    page->any = any;
}

static void poison_tell_cleared(MmrigPoison *p, unsigned source,
                                const PoisonPage *page, uint64_t mask,
                                MmrigPoisonClear why)
{
    const PoisonSource *s = &p->sources[source];

    while (mask && s->ops && s->ops->cleared) {
        unsigned first = ctz64(mask);
        unsigned count = cto64(mask >> first);

        s->ops->cleared(s->opaque,
                        page->gpa + (hwaddr)first * MMRIG_POISON_GRANULE,
                        (uint64_t)count * MMRIG_POISON_GRANULE, why);
        mask &= ~MAKE_64BIT_MASK(first, count);
    }
}

static void poison_clear_by_store(PoisonPage *page, uint64_t mask)
{
    MmrigPoison *p = page->poison;

    p->counters.cleared += ctpop64(page->any & mask);
    for (unsigned i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        poison_tell_cleared(p, i, page, poison_forget(page, i, mask),
                            MMRIG_POISON_CLEARED_BY_STORE);
    }
    poison_sum(p, page);
    if (!page->any) {
        qemu_bh_schedule(p->sweep);
    }
}

static MemTxResult poison_write(void *opaque, hwaddr offset, uint64_t data,
                                unsigned size, MemTxAttrs attrs)
{
    PoisonPage *page = opaque;
    MmrigPoison *p = page->poison;
    uint64_t bad = page->any & poison_mask(offset, offset + size - 1);
    uint64_t cleared = 0;
    MemTxResult result = poison_pass_write(page, offset, data, size);

    if (bad) {
        p->counters.stores++;
    }
    while (bad) {
        unsigned granule = ctz64(bad);
        hwaddr start = (hwaddr)granule * MMRIG_POISON_GRANULE;
        hwaddr from = MAX(offset, start) - start;
        hwaddr to =
            MIN(offset + size, start + MMRIG_POISON_GRANULE) - start - 1;

        page->stored[granule] |= MAKE_64BIT_MASK(from, to - from + 1);
        if (p->store == MMRIG_POISON_STORE_ANY ||
            (p->store == MMRIG_POISON_STORE_FULL_LINE &&
             page->stored[granule] == UINT64_MAX)) {
            cleared |= UINT64_C(1) << granule;
        }
        bad &= bad - 1;
    }
    if (cleared) {
        poison_clear_by_store(page, cleared);
    }
    return result;
}

static const MemoryRegionOps poison_ops = {
    .read_with_attrs = poison_read,
    .write_with_attrs = poison_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};

/* ---- Regions ------------------------------------------------------------ */

/* The RAM at an address, as an address space of ours, and where in it. */
static PoisonSpace *poison_find_space(MmrigPoison *p, hwaddr gpa,
                                      hwaddr *offset, Error **errp)
{
    MemoryRegionSection section =
        memory_region_find(get_system_memory(), gpa, PAGE_SIZE_);
    PoisonSpace *space = NULL;

    if (!section.mr || !memory_region_is_ram(section.mr) || section.readonly ||
        memory_region_is_rom(section.mr) || memory_region_is_romd(section.mr) ||
        memory_region_is_ram_device(section.mr) ||
        section.offset_within_address_space != gpa ||
        int128_lt(section.size, int128_make64(PAGE_SIZE_))) {
        error_setg(errp, "there is no RAM at 0x%" HWADDR_PRIx, gpa);
        goto out;
    }
    *offset = section.offset_within_region;
    for (guint i = 0; i < p->spaces->len; i++) {
        PoisonSpace *known = g_ptr_array_index(p->spaces, i);

        if (known->ram == section.mr) {
            space = known;
            goto out;
        }
    }
    if (p->spaces->len >= SPACES_MAX) {
        error_setg(errp, "there is poison in %d regions of RAM already",
                   SPACES_MAX);
        goto out;
    }
    space = g_new0(PoisonSpace, 1);
    space->ram = section.mr;
    address_space_init(&space->as, section.mr, "mmrig-poison");
    g_ptr_array_add(p->spaces, space);
out:
    if (section.mr) {
        memory_region_unref(section.mr);
    }
    return space;
}

static PoisonPage *poison_lay(MmrigPoison *p, hwaddr gpa, Error **errp)
{
    PoisonSpace *space;
    PoisonPage *page;
    hwaddr offset;

    if (g_hash_table_size(p->pages) >= MMRIG_POISON_PAGES_MAX) {
        error_setg(errp, "there can be poison in %d pages at a time",
                   MMRIG_POISON_PAGES_MAX);
        return NULL;
    }
    space = poison_find_space(p, gpa, &offset, errp);
    if (!space) {
        return NULL;
    }
    if (p->unused->len > 0) {
        page = g_ptr_array_steal_index_fast(p->unused, p->unused->len - 1);
    } else {
        page = g_new0(PoisonPage, 1);
        page->poison = p;
        memory_region_init_io(&page->region, OBJECT(p), &poison_ops, page,
                              "mmrig-poison", PAGE_SIZE_);
    }
    page->gpa = gpa;
    page->space = space;
    page->offset = offset;
    memory_region_add_subregion_overlap(get_system_memory(), gpa, &page->region,
                                        POISON_PRIORITY);
    g_hash_table_insert(p->pages, &page->gpa, page);
    return page;
}

/* The page must be good. */
static void poison_unlay(MmrigPoison *p, PoisonPage *page)
{
    g_hash_table_remove(p->pages, &page->gpa);
    memory_region_del_subregion(get_system_memory(), &page->region);
    memset(page->stored, 0, sizeof(page->stored));
    g_ptr_array_add(p->leaving, page);
}

static void poison_settled(CPUState *cpu, run_on_cpu_data data)
{
    PoisonBatch *batch = data.host_ptr;

    if (--batch->processors > 0) {
        return;
    }
    for (guint i = 0; i < batch->pages->len; i++) {
        g_ptr_array_add(batch->poison->unused,
                        g_ptr_array_index(batch->pages, i));
    }
    g_ptr_array_unref(batch->pages);
    g_free(batch);
}

static void poison_nothing(CPUState *cpu, run_on_cpu_data data)
{
}

/*
 * After a change of the memory map: what was taken away can be used again once
 * the processors have forgotten it. Whoever works from outside of them (the
 * monitor) finds the change in force on return.
 */
static void poison_settle(MmrigPoison *p)
{
    g_autoptr(GPtrArray) cpus = g_ptr_array_new();
    CPUState *cpu;

    WITH_RCU_READ_LOCK_GUARD()
    {
        CPU_FOREACH(cpu)
        {
            g_ptr_array_add(cpus, cpu);
        }
    }
    if (p->leaving->len > 0) {
        PoisonBatch *batch = g_new0(PoisonBatch, 1);

        batch->poison = p;
        batch->pages = g_steal_pointer(&p->leaving);
        batch->processors = cpus->len;
        p->leaving = g_ptr_array_new();
        for (guint i = 0; i < cpus->len; i++) {
            async_run_on_cpu(g_ptr_array_index(cpus, i), poison_settled,
                             RUN_ON_CPU_HOST_PTR(batch));
        }
    }
    if (current_cpu) {
        return;
    }
    for (guint i = 0; i < cpus->len; i++) {
        run_on_cpu(g_ptr_array_index(cpus, i), poison_nothing, RUN_ON_CPU_NULL);
    }
}

void mmrig_poison_begin(MmrigPoison *p)
{
    if (p->depth++ == 0) {
        memory_region_transaction_begin();
    }
}

void mmrig_poison_commit(MmrigPoison *p)
{
    g_assert(p->depth > 0);
    if (--p->depth == 0) {
        memory_region_transaction_commit();
        poison_settle(p);
    }
}

/* Takes the regions away from pages that are good. */
static void poison_sweep(void *opaque)
{
    MmrigPoison *p = opaque;
    g_autoptr(GPtrArray) good = g_ptr_array_new();
    GHashTableIter iter;
    PoisonPage *page;

    g_hash_table_iter_init(&iter, p->pages);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&page)) {
        if (!page->any) {
            g_ptr_array_add(good, page);
        }
    }
    if (good->len == 0) {
        return;
    }
    mmrig_poison_begin(p);
    for (guint i = 0; i < good->len; i++) {
        poison_unlay(p, g_ptr_array_index(good, i));
    }
    mmrig_poison_commit(p);
}

/* ---- The map ------------------------------------------------------------ */

static PoisonPage *poison_page(MmrigPoison *p, hwaddr gpa)
{
    return g_hash_table_lookup(p->pages, &gpa);
}

/* Bounds of a range's part in a page, as offsets in it. */
static uint64_t poison_part(hwaddr page, hwaddr gpa, hwaddr last)
{
    return poison_mask(MAX(gpa, page) - page,
                       MIN(last, page + (PAGE_SIZE_ - 1)) - page);
}

static bool poison_check_range(hwaddr gpa, uint64_t length, Error **errp)
{
    if (length == 0 || gpa > UINT64_MAX - (length - 1)) {
        error_setg(errp,
                   "0x%" PRIx64 " bytes at 0x%" HWADDR_PRIx " is no range",
                   length, gpa);
        return false;
    }
    return true;
}

bool mmrig_poison_add(MmrigPoison *p, int source, hwaddr gpa, uint64_t length,
                      Error **errp)
{
    hwaddr first = gpa & ~(PAGE_SIZE_ - 1);
    hwaddr last = gpa + (length - 1);
    uint64_t pages;
    bool done = true;

    g_assert(source >= 0 && source < MMRIG_POISON_SOURCES_MAX);
    if (!poison_check_range(gpa, length, errp)) {
        return false;
    }
    pages = (last - first) / PAGE_SIZE_ + 1;
    if (pages > MMRIG_POISON_PAGES_MAX) {
        error_setg(errp,
                   "0x%" PRIx64 " bytes at 0x%" HWADDR_PRIx " are in more"
                   " than %d pages",
                   length, gpa, MMRIG_POISON_PAGES_MAX);
        return false;
    }
    mmrig_poison_begin(p);
    for (uint64_t i = 0; i < pages && done; i++) {
        hwaddr at = first + i * PAGE_SIZE_;

        done = poison_page(p, at) || poison_lay(p, at, errp);
    }
    for (uint64_t i = 0; i < pages; i++) {
        hwaddr at = first + i * PAGE_SIZE_;
        PoisonPage *page = poison_page(p, at);

        if (page && done) {
            uint64_t mask = poison_part(at, gpa, last);

            page->bad[source] |= mask;
            poison_sum(p, page);
        } else if (page && !page->any) {
            poison_unlay(p, page);
        }
    }
    mmrig_poison_commit(p);
    return done;
}

uint64_t mmrig_poison_remove(MmrigPoison *p, int source, hwaddr gpa,
                             uint64_t length)
{
    g_autoptr(GPtrArray) touched = g_ptr_array_new();
    hwaddr last = gpa + (length - 1);
    uint64_t before = p->counters.granules;
    GHashTableIter iter;
    PoisonPage *page;

    if (!poison_check_range(gpa, length, NULL)) {
        return 0;
    }
    g_hash_table_iter_init(&iter, p->pages);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&page)) {
        if (page->gpa <= last && page->gpa + (PAGE_SIZE_ - 1) >= gpa) {
            g_ptr_array_add(touched, page);
        }
    }
    if (touched->len == 0) {
        return 0;
    }
    mmrig_poison_begin(p);
    for (guint i = 0; i < touched->len; i++) {
        uint64_t mask;

        page = g_ptr_array_index(touched, i);
        mask = poison_part(page->gpa, gpa, last);
        for (int s = 0; s < MMRIG_POISON_SOURCES_MAX; s++) {
            if (source == s) {
                poison_forget(page, s, mask);
            } else if (source < 0) {
                poison_tell_cleared(p, s, page, poison_forget(page, s, mask),
                                    MMRIG_POISON_CLEARED_BY_CALL);
            }
        }
        poison_sum(p, page);
        if (!page->any) {
            poison_unlay(p, page);
        }
    }
    mmrig_poison_commit(p);
    return before - p->counters.granules;
}

static gint poison_compare(gconstpointer a, gconstpointer b)
{
    const PoisonPage *left = *(PoisonPage *const *)a;
    const PoisonPage *right = *(PoisonPage *const *)b;

    return left->gpa < right->gpa ? -1 : left->gpa > right->gpa;
}

/* The bad pages in order. */
static GPtrArray *poison_sorted(MmrigPoison *p)
{
    GPtrArray *sorted = g_ptr_array_new();
    GHashTableIter iter;
    PoisonPage *page;

    g_hash_table_iter_init(&iter, p->pages);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&page)) {
        if (page->any) {
            g_ptr_array_add(sorted, page);
        }
    }
    g_ptr_array_sort(sorted, poison_compare);
    return sorted;
}

void mmrig_poison_foreach(MmrigPoison *p, MmrigPoisonRangeFunc *func,
                          void *opaque)
{
    g_autoptr(GPtrArray) sorted = poison_sorted(p);
    hwaddr from = 0;
    uint64_t length = 0;
    uint64_t sources = 0;

    for (guint i = 0; i < sorted->len; i++) {
        const PoisonPage *page = g_ptr_array_index(sorted, i);

        for (unsigned g = 0; g < PAGE_GRANULES; g++) {
            hwaddr at = page->gpa + (hwaddr)g * MMRIG_POISON_GRANULE;
            uint64_t now = poison_sources_of(page, g);

            if (!now) {
                continue;
            }
            if (length > 0 && at == from + length && now == sources) {
                length += MMRIG_POISON_GRANULE;
                continue;
            }
            if (length > 0 && !func(opaque, from, length, sources)) {
                return;
            }
            from = at;
            length = MMRIG_POISON_GRANULE;
            sources = now;
        }
    }
    if (length > 0) {
        func(opaque, from, length, sources);
    }
}

bool mmrig_poison_test(MmrigPoison *p, hwaddr gpa, uint64_t length,
                       hwaddr *first)
{
    g_autoptr(GPtrArray) sorted = NULL;
    hwaddr last = gpa + (length - 1);

    if (!poison_check_range(gpa, length, NULL)) {
        return false;
    }
    sorted = poison_sorted(p);
    for (guint i = 0; i < sorted->len; i++) {
        const PoisonPage *page = g_ptr_array_index(sorted, i);
        uint64_t bad;

        if (page->gpa > last || page->gpa + (PAGE_SIZE_ - 1) < gpa) {
            continue;
        }
        bad = page->any & poison_part(page->gpa, gpa, last);
        if (bad) {
            hwaddr at = page->gpa + (hwaddr)ctz64(bad) * MMRIG_POISON_GRANULE;

            *first = MAX(at, gpa);
            return true;
        }
    }
    return false;
}

const char *mmrig_poison_source_name(MmrigPoison *p, int source)
{
    return source >= 0 && source < MMRIG_POISON_SOURCES_MAX &&
                   p->sources[source].name[0]
               ? poison_name(p, source)
               : "?";
}

int mmrig_poison_join(MmrigPoison *p, const char *name,
                      const MmrigPoisonOps *ops, void *opaque, Error **errp)
{
    int found = -1;

    if (!name[0] || strlen(name) >= MMRIG_POISON_SOURCE_BYTES) {
        error_setg(errp, "a source of poison has a name of 1 to %d bytes",
                   MMRIG_POISON_SOURCE_BYTES - 1);
        return -1;
    }
    for (int i = MMRIG_POISON_SOURCES_MAX - 1; i >= 0; i--) {
        if (!p->sources[i].name[0]) {
            found = i;
        }
    }
    for (int i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        if (strcmp(poison_name(p, i), name) == 0) {
            found = i;
        }
    }
    if (found < 0) {
        error_setg(errp, "there are %d sources of poison already",
                   MMRIG_POISON_SOURCES_MAX);
        return -1;
    }
    if (p->sources[found].ops) {
        error_setg(errp, "there is a source of poison '%s' already", name);
        return -1;
    }
    g_strlcpy((char *)p->sources[found].name, name, MMRIG_POISON_SOURCE_BYTES);
    p->sources[found].ops = ops;
    p->sources[found].opaque = opaque;
    return found;
}

void mmrig_poison_leave(MmrigPoison *p, int source)
{
    g_assert(source >= 0 && source < MMRIG_POISON_SOURCES_MAX);
    p->sources[source].ops = NULL;
    p->sources[source].opaque = NULL;
}

void mmrig_poison_set_store(MmrigPoison *p, MmrigPoisonStore store)
{
    p->store = store;
}

MmrigPoisonStore mmrig_poison_get_store(MmrigPoison *p)
{
    return p->store;
}

void mmrig_poison_get_counters(MmrigPoison *p, MmrigPoisonCounters *counters)
{
    *counters = p->counters;
}

/* ---- Migration ---------------------------------------------------------- */

static void poison_drop_stream(MmrigPoison *p)
{
    g_clear_pointer(&p->records, g_free);
    g_clear_pointer(&p->partials, g_free);
    p->record_count = 0;
    p->partial_count = 0;
}

static int poison_pre_save(void *opaque)
{
    MmrigPoison *p = opaque;
    g_autoptr(GPtrArray) sorted = poison_sorted(p);
    g_autoptr(GArray) partials =
        g_array_new(FALSE, FALSE, sizeof(PoisonPartial));

    poison_drop_stream(p);
    p->records = g_new0(PoisonRecord, sorted->len);
    for (guint i = 0; i < sorted->len; i++) {
        const PoisonPage *page = g_ptr_array_index(sorted, i);

        p->records[i].gpa = page->gpa;
        memcpy(p->records[i].bad, page->bad, sizeof(page->bad));
        for (unsigned g = 0; g < PAGE_GRANULES; g++) {
            PoisonPartial partial = {
                page->gpa + (hwaddr)g * MMRIG_POISON_GRANULE, page->stored[g]};

            if (partial.stored) {
                g_array_append_val(partials, partial);
            }
        }
    }
    p->record_count = sorted->len;
    p->partial_count = partials->len;
    p->partials =
        (PoisonPartial *)g_array_free(g_steal_pointer(&partials), FALSE);
    return 0;
}

static int poison_post_save(void *opaque)
{
    poison_drop_stream(opaque);
    return 0;
}

static int poison_pre_load(void *opaque)
{
    poison_drop_stream(opaque);
    return 0;
}

/* Before anything of that many is allocated. */
static bool poison_counts_are_good(void *opaque, int version)
{
    const MmrigPoison *p = opaque;

    return p->record_count >= 0 && p->record_count <= MMRIG_POISON_PAGES_MAX &&
           p->partial_count >= 0 && p->partial_count <= STREAM_PARTIAL_MAX;
}

/* Names of an incoming stream: each ends, and none is there twice. */
static bool poison_names_are_good(MmrigPoison *p)
{
    for (int i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        const char *name = poison_name(p, i);

        if (!memchr(name, '\0', MMRIG_POISON_SOURCE_BYTES)) {
            return false;
        }
        for (int j = 0; j < i; j++) {
            if (name[0] && strcmp(poison_name(p, j), name) == 0) {
                return false;
            }
        }
    }
    return true;
}

static int poison_post_load(void *opaque, int version)
{
    MmrigPoison *p = opaque;
    Error *error = NULL;
    int result = 0;

    if (!poison_names_are_good(p) || p->store > MMRIG_POISON_STORE_NEVER) {
        poison_drop_stream(p);
        return -EINVAL;
    }
    mmrig_poison_begin(p);
    for (int s = 0; s < MMRIG_POISON_SOURCES_MAX; s++) {
        mmrig_poison_remove(p, s, 0, UINT64_MAX);
    }
    for (int32_t i = 0; i < p->record_count && result == 0; i++) {
        const PoisonRecord *record = &p->records[i];
        PoisonPage *page = NULL;

        if (record->gpa % PAGE_SIZE_ == 0 && !poison_page(p, record->gpa)) {
            page = poison_lay(p, record->gpa, &error);
        }
        if (!page) {
            result = -EINVAL;
            break;
        }
        memcpy(page->bad, record->bad, sizeof(page->bad));
        poison_sum(p, page);
    }
    for (int32_t i = 0; i < p->partial_count && result == 0; i++) {
        const PoisonPartial *partial = &p->partials[i];
        PoisonPage *page = poison_page(p, partial->gpa & ~(PAGE_SIZE_ - 1));

        if (!page || partial->gpa % MMRIG_POISON_GRANULE) {
            result = -EINVAL;
            break;
        }
        page->stored[partial->gpa % PAGE_SIZE_ / MMRIG_POISON_GRANULE] =
            partial->stored;
    }
    mmrig_poison_commit(p);
    if (error) {
        qemu_log("mmrig-poison: %s\n", error_get_pretty(error));
        error_free(error);
    }
    poison_drop_stream(p);
    return result;
}

static const VMStateDescription poison_vmstate_record = {
    .name = "mmrig-poison/page",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(gpa, PoisonRecord),
            VMSTATE_UINT64_ARRAY(bad, PoisonRecord, MMRIG_POISON_SOURCES_MAX),
            VMSTATE_END_OF_LIST(),
        },
};

static const VMStateDescription poison_vmstate_partial = {
    .name = "mmrig-poison/partial",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(gpa, PoisonPartial),
            VMSTATE_UINT64(stored, PoisonPartial),
            VMSTATE_END_OF_LIST(),
        },
};

static const VMStateDescription poison_vmstate_source = {
    .name = "mmrig-poison/source",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT8_ARRAY(name, PoisonSource, MMRIG_POISON_SOURCE_BYTES),
            VMSTATE_END_OF_LIST(),
        },
};

static const VMStateDescription poison_vmstate = {
    .name = TYPE_MMRIG_POISON,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = poison_pre_save,
    .post_save = poison_post_save,
    .pre_load = poison_pre_load,
    .post_load = poison_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT_ARRAY(sources, MmrigPoison, MMRIG_POISON_SOURCES_MAX,
                                 1, poison_vmstate_source, PoisonSource),
            VMSTATE_UINT32(store, MmrigPoison),
            VMSTATE_UINT64(counters.loads, MmrigPoison),
            VMSTATE_UINT64(counters.fetches, MmrigPoison),
            VMSTATE_UINT64(counters.dma, MmrigPoison),
            VMSTATE_UINT64(counters.filtered, MmrigPoison),
            VMSTATE_UINT64(counters.stores, MmrigPoison),
            VMSTATE_UINT64(counters.cleared, MmrigPoison),
            VMSTATE_INT32(record_count, MmrigPoison),
            VMSTATE_INT32(partial_count, MmrigPoison),
            VMSTATE_VALIDATE("counts", poison_counts_are_good),
            VMSTATE_STRUCT_VARRAY_ALLOC(records, MmrigPoison, record_count, 1,
                                        poison_vmstate_record, PoisonRecord),
            VMSTATE_STRUCT_VARRAY_ALLOC(partials, MmrigPoison, partial_count, 1,
                                        poison_vmstate_partial, PoisonPartial),
            VMSTATE_END_OF_LIST(),
        },
};

/* ---- The object --------------------------------------------------------- */

static void poison_instance_init(Object *object)
{
    MmrigPoison *p = MMRIG_POISON(object);

    p->pages = g_hash_table_new(g_int64_hash, g_int64_equal);
    p->spaces = g_ptr_array_new();
    p->unused = g_ptr_array_new();
    p->leaving = g_ptr_array_new();
    p->sweep = qemu_bh_new(poison_sweep, p);
}

static const TypeInfo poison_info = {
    .name = TYPE_MMRIG_POISON,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(MmrigPoison),
    .instance_init = poison_instance_init,
};

MmrigPoison *mmrig_poison_get(Error **errp)
{
    Object *machine = qdev_get_machine();
    Object *object = object_resolve_path_component(machine, TYPE_MMRIG_POISON);

    if (object) {
        return MMRIG_POISON(object);
    }
    if (!mmrig_mce_check(errp)) {
        return NULL;
    }
    if (!object_class_by_name(TYPE_MMRIG_POISON)) {
        type_register_static(&poison_info);
    }
    object = object_new(TYPE_MMRIG_POISON);
    object_property_add_child(machine, TYPE_MMRIG_POISON, object);
    /* The machine holds it from now on, until QEMU ends. */
    object_unref(object);
    vmstate_register(NULL, 0, &poison_vmstate, object);
    return MMRIG_POISON(object);
}
