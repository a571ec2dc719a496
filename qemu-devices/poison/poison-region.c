/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A page with poison has an I/O region laid over it, of a
 * higher priority than the RAM below; whatever is accessed in it comes to
 * poison_read() and poison_write(), which pass what is not bad through to that
 * RAM. Other pages are not slowed down.
 *
 * The map says what should be; poison_apply() makes the machine's memory so.
 * It runs while no processor executes guest code: QEMU frees the old memory map
 * when every thread has been outside of an RCU section, but a processor that
 * enters one while the map is being changed goes on with the old map until it
 * is told of the new one. With a few regions nobody ever sees that; with a
 * thousand, that change every millisecond, QEMU ends in iotlb_to_section()'s
 * assertion.
 *
 * Regions cannot be freed while a processor may still have one in its TLB, nor
 * be laid over another page: the stale entry would lead there. A region that is
 * taken away therefore waits (poison_settle) until every processor has done the
 * work that is queued for it, of which the flush of its TLB is the earlier
 * part. Other threads (an IOThread) find regions in the old memory map, and
 * wait for the big lock before they come here: all of that in one RCU section,
 * so the region waits for a grace period, too, and is then used again. There
 * are never more regions than MMRIG_POISON_PAGES_MAX and the few that wait.
 *
 * RAM is reached by address spaces of our own, one for each region of RAM, so
 * that code translated from it is discarded and migration sees it dirty.
 */
#include "poison-internal.h"

#include "system/address-spaces.h"
#include "qapi/error.h"
#include "qemu/rcu.h"
#include "system/ramblock.h"

#include "poison-backing.h"

#include <sys/mman.h>

/*
 * A CXL window is no RAM, but an I/O region that finds the device and has the
 * access there (QEMU hw/i386/pc.c); it is passed on to all the same.
 */
static bool poison_is_memory(const MemoryRegionSection *section)
{
    MemoryRegion *mr = section->mr;

    if (mr && !memory_region_is_ram(mr)) {
        return g_strcmp0(memory_region_name(mr), "cxl-fixed-memory-region") ==
               0;
    }
    return mr && !section->readonly && !memory_region_is_rom(mr) &&
           !memory_region_is_romd(mr) && !memory_region_is_ram_device(mr);
}

/* The memory at an address, as an address space of ours, and where in it. */
static PoisonSpace *poison_find_space(MmrigPoison *p, hwaddr gpa,
                                      hwaddr *offset, Error **errp)
{
    MemoryRegionSection section =
        memory_region_find(get_system_memory(), gpa, PAGE_SIZE_);
    PoisonSpace *space = NULL;

    if (!poison_is_memory(&section) ||
        section.offset_within_address_space != gpa ||
        int128_lt(section.size, int128_make64(PAGE_SIZE_))) {
        error_setg(errp, "there is no RAM at 0x%" HWADDR_PRIx, gpa);
        goto out;
    }
    *offset = section.offset_within_region;
    for (guint i = 0; i < p->spaces->len; i++) {
        PoisonSpace *known = g_ptr_array_index(p->spaces, i);

        if (known->ram == section.mr && !known->gone) {
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

void mmrig_poison_look_for_spaces(MemoryListener *listener)
{
    MmrigPoison *p = container_of(listener, MmrigPoison, listener);

    for (guint i = 0; i < p->spaces->len; i++) {
        PoisonSpace *space = g_ptr_array_index(p->spaces, i);

        /* That it is in the machine again does not bring its poison back. */
        space->gone |= !memory_region_is_mapped(space->ram);
        if (space->gone) {
            qemu_bh_schedule(p->sweep);
        }
    }
}

/* The memory is unplugged: its poison goes with it, and nobody has cleared it.
 */
static void poison_forget_gone(MmrigPoison *p)
{
    GHashTableIter iter;
    PoisonPage *page;

    g_hash_table_iter_init(&iter, p->pages);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&page)) {
        if (page->space->gone) {
            memset(page->bad, 0, sizeof(page->bad));
            mmrig_poison_sum(p, page);
        }
    }
}

/* The memory's owner can go once no page has it. */
static void poison_drop_spaces(MmrigPoison *p)
{
    for (guint i = p->spaces->len; i-- > 0;) {
        PoisonSpace *space = g_ptr_array_index(p->spaces, i);

        if (space->gone && space->pages == 0) {
            g_ptr_array_remove_index_fast(p->spaces, i);
            address_space_destroy(&space->as);
            g_free_rcu(space, rcu);
        }
    }
}

/* The page may be laid anew, over whatever memory. */
static void poison_recycle(MmrigPoison *p, PoisonPage *page)
{
    page->space->pages--;
    page->space = NULL;
    g_ptr_array_add(p->unused, page);
}

static uint8_t *poison_host_page(const PoisonPage *page)
{
    return (uint8_t *)memory_region_get_ram_ptr(page->space->ram) +
           page->offset;
}

/* Makes the host's page bad that is behind a page. */
static bool poison_spoil(PoisonPage *page, Error **errp)
{
    MemoryRegion *ram = page->space->ram;

    if (!memory_region_is_ram(ram)) {
        error_setg(errp, "CXL memory has no page of the host's to make bad");
        return false;
    }
    if (qemu_ram_pagesize(ram->ram_block) != PAGE_SIZE_) {
        error_setg(errp, "memory of huge pages cannot go bad in part;"
                         " take kvm-poison=overlay");
        return false;
    }
    g_autofree char *why = mmrig_poison_backing_spoil(
        poison_host_page(page), PAGE_SIZE_, madvise, &page->kept);

    if (why) {
        error_setg(errp, "%s", why);
    }
    return !why;
}

/* A new page of the host's: what was kept of the old one is in it, or nothing.
 */
static void poison_restore(PoisonPage *page)
{
    qemu_ram_remap(memory_region_get_ram_addr(page->space->ram) + page->offset);
    if (page->kept) {
        memcpy(poison_host_page(page), page->kept, PAGE_SIZE_);
        memory_region_set_dirty(page->space->ram, page->offset, PAGE_SIZE_);
    }
    mmrig_poison_laid(page);
    page->backed = false;
}

void mmrig_poison_laid(PoisonPage *page)
{
    g_clear_pointer(&page->kept, g_free);
}

PoisonPage *mmrig_poison_lay(MmrigPoison *p, hwaddr gpa, Error **errp)
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
        p->regions++;
        page->poison = p;
        memory_region_init_io(&page->region, OBJECT(p), &mmrig_poison_ops, page,
                              "mmrig-poison", PAGE_SIZE_);
    }
    page->gpa = gpa;
    page->space = space;
    space->pages++;
    page->offset = offset;
    page->backed = p->backing;
    if (page->backed && !poison_spoil(page, errp)) {
        page->backed = false;
        poison_recycle(p, page);
        return NULL;
    }
    g_hash_table_insert(p->pages, &page->gpa, page);
    return page;
}

/* The batch's pages may be laid anew; RCU's thread has the big lock here. */
static void poison_batch_free(struct rcu_head *rcu)
{
    PoisonBatch *batch = container_of(rcu, PoisonBatch, rcu);
    MmrigPoison *p = batch->poison;

    p->waiting -= batch->pages->len;
    for (guint i = 0; i < batch->pages->len; i++) {
        poison_recycle(p, g_ptr_array_index(batch->pages, i));
    }
    poison_drop_spaces(p);
    g_ptr_array_unref(batch->pages);
    g_free(batch);
}

/*
 * A processor does its work in order. What waited longer than this batch, too,
 * is remembered by no processor: a batch of a processor that was taken out of
 * the machine meanwhile gets no answer of its own.
 */
static void poison_settled(CPUState *cpu, run_on_cpu_data data)
{
    PoisonBatch *batch = data.host_ptr;
    MmrigPoison *p = batch->poison;
    guint index;

    if (--batch->processors > 0 ||
        !g_ptr_array_find(p->batches, batch, &index)) {
        return;
    }
    for (guint i = 0; i <= index; i++) {
        PoisonBatch *settled = g_ptr_array_index(p->batches, i);

        call_rcu1(&settled->rcu, poison_batch_free);
    }
    g_ptr_array_remove_range(p->batches, 0, index + 1);
}

static GPtrArray *poison_cpus(void)
{
    GPtrArray *cpus = g_ptr_array_new();
    CPUState *cpu;

    WITH_RCU_READ_LOCK_GUARD()
    {
        CPU_FOREACH(cpu)
        {
            g_ptr_array_add(cpus, cpu);
        }
    }
    return cpus;
}

/* What was taken away can be used again once no processor remembers it. */
static void poison_settle(MmrigPoison *p)
{
    g_autoptr(GPtrArray) cpus = poison_cpus();
    PoisonBatch *batch;

    if (p->leaving->len == 0) {
        return;
    }
    batch = g_new0(PoisonBatch, 1);
    batch->poison = p;
    batch->pages = g_steal_pointer(&p->leaving);
    batch->processors = cpus->len;
    p->waiting += batch->pages->len;
    g_ptr_array_add(p->batches, batch);
    p->leaving = g_ptr_array_new();
    for (guint i = 0; i < cpus->len; i++) {
        async_run_on_cpu(g_ptr_array_index(cpus, i), poison_settled,
                         RUN_ON_CPU_HOST_PTR(batch));
    }
}

/* Takes away what is over a page that is good. */
static void poison_unlay(MmrigPoison *p, PoisonPage *page)
{
    memset(page->stored, 0, sizeof(page->stored));
    if (page->laid) {
        memory_region_del_subregion(get_system_memory(), &page->region);
        page->laid = false;
        g_ptr_array_add(p->leaving, page);
        return;
    }
    if (page->backed) {
        poison_restore(page);
    }
    poison_recycle(p, page);
}

/* The machine's memory as the map says. No processor executes guest code. */
static void poison_apply(MmrigPoison *p)
{
    GHashTableIter iter;
    PoisonPage *page;

    poison_forget_gone(p);
    memory_region_transaction_begin();
    g_hash_table_iter_init(&iter, p->pages);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&page)) {
        if (!page->any) {
            g_hash_table_iter_remove(&iter);
            poison_unlay(p, page);
        } else if (!page->laid && !page->backed) {
            memory_region_add_subregion_overlap(get_system_memory(), page->gpa,
                                                &page->region, POISON_PRIORITY);
            page->laid = true;
        }
    }
    memory_region_transaction_commit();
    poison_settle(p);
    poison_drop_spaces(p);
}

/* Between two instructions of this processor, while the others wait. */
static void poison_apply_work(CPUState *cpu, run_on_cpu_data data)
{
    MmrigPoison *p = data.host_ptr;

    bql_lock();
    p->queued = false;
    poison_apply(p);
    bql_unlock();
}

void mmrig_poison_run_state(void *opaque, bool running, RunState state)
{
    MmrigPoison *p = opaque;

    p->stopped = !running;
}

/*
 * A machine that is being stopped is no longer called running while its
 * processors still are (do_vm_stop() in QEMU's system/cpus.c); they have
 * stopped when that is told. A processor that is plugged in afterwards says
 * that it has not, but does not run either.
 */
static bool poison_all_stopped(const MmrigPoison *p)
{
    CPUState *cpu;

    if (p->stopped) {
        return true;
    }
    RCU_READ_LOCK_GUARD();
    CPU_FOREACH(cpu)
    {
        if (!cpu->stopped) {
            return false;
        }
    }
    return true;
}

void mmrig_poison_enforce(void *opaque)
{
    MmrigPoison *p = opaque;
    CPUState *cpu = current_cpu ? current_cpu : first_cpu;

    if (!cpu || poison_all_stopped(p)) {
        poison_apply(p);
    } else if (!p->queued) {
        p->queued = true;
        async_safe_run_on_cpu(cpu, poison_apply_work, RUN_ON_CPU_HOST_PTR(p));
    }
}

void mmrig_poison_begin(MmrigPoison *p)
{
    p->depth++;
}

void mmrig_poison_commit(MmrigPoison *p)
{
    g_assert(p->depth > 0);
    if (--p->depth == 0) {
        mmrig_poison_enforce(p);
    }
}

static void poison_nothing(CPUState *cpu, run_on_cpu_data data)
{
}

void mmrig_poison_wait(MmrigPoison *p)
{
    g_autoptr(GPtrArray) cpus = poison_cpus();

    g_assert(!current_cpu);
    /* Twice: the first work may have queued more, on other processors. */
    for (guint i = 0; i < 2 * cpus->len; i++) {
        run_on_cpu(g_ptr_array_index(cpus, i % cpus->len), poison_nothing,
                   RUN_ON_CPU_NULL);
    }
}
