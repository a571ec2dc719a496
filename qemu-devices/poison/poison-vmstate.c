/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the map migrates. The stream comes from outside, and is not trusted. */
#include "poison-internal.h"

#include "qapi/error.h"
#include "qemu/log.h"

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
    g_autoptr(GPtrArray) sorted = mmrig_poison_sorted(p);
    g_autoptr(GArray) partials =
        g_array_new(FALSE, FALSE, sizeof(PoisonPartial));

    poison_drop_stream(p);
    for (int i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        memcpy(p->names[i].name, p->sources[i].name, sizeof(p->names[i].name));
    }
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

static MMRIG_POST_SAVE_RESULT poison_post_save(void *opaque)
{
    poison_drop_stream(opaque);
    return MMRIG_POST_SAVED;
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

static const char *poison_stream_name(const MmrigPoison *p, int i)
{
    return (const char *)p->names[i].name;
}

/* Names of an incoming stream: each ends, and none is there twice. */
static bool poison_names_are_good(const MmrigPoison *p)
{
    for (int i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        const char *name = poison_stream_name(p, i);

        if (!memchr(name, '\0', MMRIG_POISON_SOURCE_BYTES)) {
            return false;
        }
        for (int j = 0; j < i; j++) {
            if (name[0] && strcmp(poison_stream_name(p, j), name) == 0) {
                return false;
            }
        }
    }
    return true;
}

static int poison_find_source(const MmrigPoison *p, const char *name)
{
    for (int i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        if (strcmp(poison_name(p, i), name) == 0) {
            return i;
        }
    }
    return -1;
}

/*
 * Devices join in the order in which a machine is made, which need not be that
 * of the other: a source is who it is by its name. One that nobody has joined
 * as keeps its place for whoever does. numbers is by the stream's.
 */
static bool poison_number_sources(MmrigPoison *p, int *numbers)
{
    for (int i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        const char *name = poison_stream_name(p, i);

        numbers[i] = -1;
        if (!name[0]) {
            continue;
        }
        numbers[i] = poison_find_source(p, name);
        if (numbers[i] < 0) {
            numbers[i] = poison_find_source(p, "");
        }
        if (numbers[i] < 0) {
            return false;
        }
        g_strlcpy(p->sources[numbers[i]].name, name, MMRIG_POISON_SOURCE_BYTES);
    }
    return true;
}

/* False if the record is of a source that has no name. */
static bool poison_load_bad(const PoisonRecord *record, const int *numbers,
                            PoisonPage *page)
{
    for (int i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        if (record->bad[i] && numbers[i] < 0) {
            return false;
        }
        if (numbers[i] >= 0) {
            page->bad[numbers[i]] = record->bad[i];
        }
    }
    return true;
}

static int poison_post_load(void *opaque, int version)
{
    MmrigPoison *p = opaque;
    Error *error = NULL;
    int numbers[MMRIG_POISON_SOURCES_MAX];
    int result = 0;

    if (!poison_names_are_good(p) || p->store > MMRIG_POISON_STORE_NEVER ||
        !poison_number_sources(p, numbers)) {
        poison_drop_stream(p);
        return -EINVAL;
    }
    mmrig_poison_begin(p);
    for (int s = 0; s < MMRIG_POISON_SOURCES_MAX; s++) {
        mmrig_poison_remove(p, s, 0, UINT64_MAX);
    }
    mmrig_poison_commit(p);
    mmrig_poison_begin(p);
    for (int32_t i = 0; i < p->record_count && result == 0; i++) {
        const PoisonRecord *record = &p->records[i];
        PoisonPage *page = NULL;

        if (record->gpa % PAGE_SIZE_ == 0 &&
            !mmrig_poison_page(p, record->gpa)) {
            page = mmrig_poison_lay(p, record->gpa, &error);
        }
        if (!page || !poison_load_bad(record, numbers, page)) {
            result = -EINVAL;
            break;
        }
        mmrig_poison_sum(p, page);
        mmrig_poison_laid(page);
    }
    for (int32_t i = 0; i < p->partial_count && result == 0; i++) {
        const PoisonPartial *partial = &p->partials[i];
        PoisonPage *page =
            mmrig_poison_page(p, partial->gpa & ~(PAGE_SIZE_ - 1));

        unsigned granule = partial->gpa % PAGE_SIZE_ / MMRIG_POISON_GRANULE;

        if (!page || partial->gpa % MMRIG_POISON_GRANULE ||
            !(page->any >> granule & 1)) {
            result = -EINVAL;
            break;
        }
        page->stored[granule] = partial->stored;
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
            VMSTATE_UINT8_ARRAY(name, PoisonStreamName,
                                MMRIG_POISON_SOURCE_BYTES),
            VMSTATE_END_OF_LIST(),
        },
};

const VMStateDescription mmrig_poison_vmstate = {
    .name = TYPE_MMRIG_POISON,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = poison_pre_save,
    .post_save = poison_post_save,
    .pre_load = poison_pre_load,
    .post_load = poison_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT_ARRAY(names, MmrigPoison, MMRIG_POISON_SOURCES_MAX,
                                 1, poison_vmstate_source, PoisonStreamName),
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
