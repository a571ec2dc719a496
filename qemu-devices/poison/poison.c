/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The map of what is bad. What that means to the machine is in poison-region.c.
 */
#include "poison-internal.h"

#include "qemu/aio.h"
#include "system/address-spaces.h"
#include "hw/core/boards.h"
#include "hw/core/qdev.h"
#include "qapi/error.h"

#include "mce/mce.h"

/* ---- Pages -------------------------------------------------------------- */

uint64_t mmrig_poison_sources_of(const PoisonPage *page, unsigned granule)
{
    uint64_t sources = 0;

    for (unsigned i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        sources |= (page->bad[i] >> granule & 1) << i;
    }
    return sources;
}

uint64_t mmrig_poison_forget(PoisonPage *page, unsigned source, uint64_t mask)
{
    uint64_t changed = page->bad[source] & mask;

    page->bad[source] &= ~mask;
    return changed;
}

void mmrig_poison_sum(MmrigPoison *p, PoisonPage *page)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        any |= page->bad[i];
    }
    /* What was stored into a line counts for nothing when it is bad again. */
    for (uint64_t good = page->any & ~any; good; good &= good - 1) {
        page->stored[ctz64(good)] = 0;
    }
    p->counters.granules += ctpop64(any);
    p->counters.granules -= ctpop64(page->any);
    p->counters.pages += !!any;
    p->counters.pages -= !!page->any;
    page->any = any;
}

void mmrig_poison_tell_cleared(MmrigPoison *p, unsigned source,
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

/* ---- The map ------------------------------------------------------------ */

PoisonPage *mmrig_poison_page(MmrigPoison *p, hwaddr gpa)
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

        done = mmrig_poison_page(p, at) || mmrig_poison_lay(p, at, errp);
    }
    for (uint64_t i = 0; i < pages; i++) {
        hwaddr at = first + i * PAGE_SIZE_;
        PoisonPage *page = mmrig_poison_page(p, at);

        if (page && done) {
            uint64_t mask = poison_part(at, gpa, last);

            page->bad[source] |= mask;
            mmrig_poison_sum(p, page);
            mmrig_poison_laid(page);
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
                mmrig_poison_forget(page, s, mask);
            } else if (source < 0) {
                mmrig_poison_tell_cleared(p, s, page,
                                          mmrig_poison_forget(page, s, mask),
                                          MMRIG_POISON_CLEARED_BY_CALL);
            }
        }
        mmrig_poison_sum(p, page);
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

GPtrArray *mmrig_poison_sorted(MmrigPoison *p)
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
    g_autoptr(GPtrArray) sorted = mmrig_poison_sorted(p);
    hwaddr from = 0;
    uint64_t length = 0;
    uint64_t sources = 0;

    for (guint i = 0; i < sorted->len; i++) {
        const PoisonPage *page = g_ptr_array_index(sorted, i);

        for (unsigned g = 0; g < PAGE_GRANULES; g++) {
            hwaddr at = page->gpa + (hwaddr)g * MMRIG_POISON_GRANULE;
            uint64_t now = mmrig_poison_sources_of(page, g);

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
    sorted = mmrig_poison_sorted(p);
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
    g_strlcpy(p->sources[found].name, name, MMRIG_POISON_SOURCE_BYTES);
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

void mmrig_poison_set_backing(MmrigPoison *p, bool backing)
{
    p->backing = backing;
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

/* ---- The object --------------------------------------------------------- */

static void poison_instance_init(Object *object)
{
    MmrigPoison *p = MMRIG_POISON(object);

    p->pages = g_hash_table_new(g_int64_hash, g_int64_equal);
    p->spaces = g_ptr_array_new();
    p->unused = g_ptr_array_new();
    p->leaving = g_ptr_array_new();
    p->batches = g_ptr_array_new();
    p->sweep = qemu_bh_new(mmrig_poison_enforce, p);
    p->stopped = !runstate_is_running();
    qemu_add_vm_change_state_handler(mmrig_poison_run_state, p);
    object_property_add_uint64_ptr(object, "regions", &p->regions,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(object, "waiting", &p->waiting,
                                   OBJ_PROP_FLAG_READ);
    p->listener.name = TYPE_MMRIG_POISON;
    p->listener.commit = mmrig_poison_look_for_spaces;
    memory_listener_register(&p->listener, &address_space_memory);
    /*
     * Devices that map their buffers reach bad pages, which are I/O regions, by
     * a buffer of QEMU's, of 4 KiB unless more is allowed: a virtio device that
     * asks for two such pages would be broken for good. PCI devices whose DMA
     * goes by their bus master's address space have a property for it.
     */
    address_space_memory.max_bounce_buffer_size =
        MAX(address_space_memory.max_bounce_buffer_size, BOUNCE_BYTES);
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
    vmstate_register(NULL, 0, &mmrig_poison_vmstate, object);
    return MMRIG_POISON(object);
}
