/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-ras: the error controller of a machine. It has no registers and no bus;
 * QOM properties work it (docs/devices/ras.md), and the guest meets it as
 * poison (poison.c) and machine checks (mce.c).
 */
#include "compat.h"

#include "hw/core/qdev.h"
#include "hw/core/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/module.h"
#include "qom/object.h"
#include "system/kvm.h"
#include "system/reset.h"

#include "common/device.h"
#include "cxl/cxl-poison.h"
#include "mce/mce.h"
#include "mmrig-ras-regs.h"
#include "poison/poison.h"
#include "ras-request.h"

#define TYPE_MMRIG_RAS "mmrig-ras"
OBJECT_DECLARE_SIMPLE_TYPE(MmrigRas, MMRIG_RAS)

QEMU_BUILD_BUG_ON(MMRIG_RAS_GRANULE != MMRIG_POISON_GRANULE);
QEMU_BUILD_BUG_ON(MMRIG_RAS_PAGES_MAX != MMRIG_POISON_PAGES_MAX);

/* The last use of poison. A processor may go, so it is known by its index. */
typedef struct RasLast {
    bool any; /* the rest is of something */
    uint32_t kind;
    uint64_t gpa;
    uint32_t size;
    int32_t cpu; /* -1: a device */
} RasLast;

struct MmrigRas {
    DeviceState parent_obj;

    char *store_text;
    char *reset_text;
    char *kvm_text;
    bool cxl_poison;
    bool debug;

    MmrigPoison *poison;
    int source;
    uint8_t reset_clears; /* as migration compares it */

    /* These migrate. */
    uint64_t injected; /* events */
    RasLast last;
};

static const char *const store_names[] = {
    [MMRIG_POISON_STORE_FULL_LINE] = "full-line",
    [MMRIG_POISON_STORE_ANY] = "any",
    [MMRIG_POISON_STORE_NEVER] = "never",
};

static const char *const access_names[] = {
    [MMRIG_POISON_LOAD] = "load",
    [MMRIG_POISON_FETCH] = "fetch",
    [MMRIG_POISON_DMA] = "dma",
};

static void G_GNUC_PRINTF(2, 3)
    ras_debug(const MmrigRas *s, const char *format, ...)
{
    va_list values;

    if (!s->debug) {
        return;
    }
    va_start(values, format);
    mmrig_device_log(DEVICE(s), format, values);
    va_end(values);
}

/* ---- Injection ---------------------------------------------------------- */

static bool ras_tell(MmrigRas *s, const RasRequest *request, Error **errp)
{
    CPUState *target = mmrig_mce_cpu(request->cpu);

    if (!target) {
        error_setg(errp, "there is no processor %u", request->cpu);
        return false;
    }
    if (!mmrig_mce_report(target, request->kind, request->gpa,
                          request->broadcast, request->count, errp)) {
        return false;
    }
    s->injected++;
    return true;
}

static void ras_inject(Object *object, const char *text, Error **errp)
{
    MmrigRas *s = MMRIG_RAS(object);
    RasRequest request;
    g_autofree char *why = NULL;

    if (!s->poison) {
        error_setg(errp, "the device is not realized");
        return;
    }
    why = mmrig_ras_request_parse(text, mmrig_mce_cpus(), &request);
    if (why) {
        error_setg(errp, "inject: %s", why);
        return;
    }
    if (request.poison) {
        bool laid = mmrig_poison_add(s->poison, s->source, request.gpa,
                                     request.length, errp);

        /* It is in force before anybody is told. */
        mmrig_poison_wait(s->poison);
        if (!laid) {
            return;
        }
    }
    if (request.event && !ras_tell(s, &request, errp)) {
        return;
    }
    ras_debug(s, "inject %s", text);
}

static void ras_clear(Object *object, const char *text, Error **errp)
{
    MmrigRas *s = MMRIG_RAS(object);
    RasClear clear;
    g_autofree char *why = mmrig_ras_clear_parse(text, &clear);

    if (!s->poison) {
        error_setg(errp, "the device is not realized");
    } else if (why) {
        error_setg(errp, "clear: %s", why);
    } else {
        uint64_t granules = mmrig_poison_remove(
            s->poison, clear.all ? -1 : s->source, clear.gpa, clear.length);

        /* The pages' places are free again before anybody is told. */
        mmrig_poison_wait(s->poison);
        ras_debug(s, "clear %s: %" PRIu64 " granules", text, granules);
    }
}

/* ---- Looking ------------------------------------------------------------ */

typedef struct RasListing {
    MmrigRas *ras;
    Visitor *visitor;
    Error **errp;
} RasListing;

static bool ras_list_range(void *opaque, hwaddr gpa, uint64_t length,
                           uint64_t sources)
{
    RasListing *listing = opaque;
    g_autoptr(GString) names = g_string_new(NULL);
    uint64_t address = gpa;
    char *text;
    bool done;

    for (int i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        if (sources >> i & 1) {
            g_string_append_printf(
                names, "%s%s", names->len ? " " : "",
                mmrig_poison_source_name(listing->ras->poison, i));
        }
    }
    text = names->str;
    if (!visit_start_struct(listing->visitor, NULL, NULL, 0, listing->errp)) {
        return false;
    }
    done =
        visit_type_uint64(listing->visitor, "gpa", &address, listing->errp) &&
        visit_type_uint64(listing->visitor, "length", &length, listing->errp) &&
        visit_type_str(listing->visitor, "source", &text, listing->errp);
    visit_end_struct(listing->visitor, NULL);
    return done;
}

static void ras_list(Object *object, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    MmrigRas *s = MMRIG_RAS(object);
    RasListing listing = {s, v, errp};

    if (!visit_start_list(v, name, NULL, 0, errp)) {
        return;
    }
    if (s->poison) {
        mmrig_poison_foreach(s->poison, ras_list_range, &listing);
    }
    visit_end_list(v, NULL);
}

/* A counter; opaque is its place in MmrigPoisonCounters. */
static void ras_counter(Object *object, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    MmrigRas *s = MMRIG_RAS(object);
    MmrigPoisonCounters counters = {0};
    uint64_t value;

    if (s->poison) {
        mmrig_poison_get_counters(s->poison, &counters);
    }
    memcpy(&value, (const uint8_t *)&counters + (uintptr_t)opaque,
           sizeof(value));
    visit_type_uint64(v, name, &value, errp);
}

static char *ras_last(Object *object, Error **errp)
{
    MmrigRas *s = MMRIG_RAS(object);

    if (!s->last.any) {
        return g_strdup("");
    }
    return g_strdup_printf("access=%s,gpa=0x%" PRIx64 ",size=%u,cpu=%d",
                           access_names[s->last.kind], s->last.gpa,
                           s->last.size, s->last.cpu);
}

static void ras_consumed(void *opaque, const MmrigPoisonAccess *access)
{
    MmrigRas *s = opaque;

    s->last = (RasLast){
        .any = true,
        .kind = access->kind,
        .gpa = access->gpa,
        .size = access->size,
        .cpu = access->cpu ? access->cpu->cpu_index : -1,
    };
    ras_debug(s, "%s of poison at 0x%" HWADDR_PRIx, access_names[access->kind],
              access->gpa);
}

static const MmrigPoisonOps ras_poison_ops = {
    .consumed = ras_consumed,
};

/* ---- The device --------------------------------------------------------- */

static int ras_find_name(const char *const *names, size_t count,
                         const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static void ras_realize(DeviceState *device, Error **errp)
{
    MmrigRas *s = MMRIG_RAS(device);
    int store =
        ras_find_name(store_names, ARRAY_SIZE(store_names), s->store_text);

    if (store < 0) {
        error_setg(errp, "store-clears: '%s' is none of full-line, any, never",
                   s->store_text);
        return;
    }
    if (strcmp(s->reset_text, "keep") != 0 &&
        strcmp(s->reset_text, "clear") != 0) {
        error_setg(errp, "reset: '%s' is neither keep nor clear",
                   s->reset_text);
        return;
    }
    if (strcmp(s->kvm_text, "overlay") != 0 &&
        (strcmp(s->kvm_text, "hwpoison") != 0 || !kvm_enabled())) {
        error_setg(errp,
                   "kvm-poison: '%s' is neither overlay nor, under KVM only,"
                   " hwpoison",
                   s->kvm_text);
        return;
    }
    s->reset_clears = strcmp(s->reset_text, "clear") == 0;
    s->poison = mmrig_poison_get(errp);
    if (!s->poison) {
        return;
    }
    s->source = mmrig_poison_join(s->poison, "ras", &ras_poison_ops, s, errp);
    if (s->source < 0) {
        s->poison = NULL;
        return;
    }
    if (s->cxl_poison && !mmrig_cxl_poison_start(s->poison, errp)) {
        mmrig_poison_leave(s->poison, s->source);
        s->poison = NULL;
        return;
    }
    mmrig_poison_set_store(s->poison, store);
    mmrig_poison_set_backing(s->poison, strcmp(s->kvm_text, "hwpoison") == 0);
    /* Without a bus, nothing else resets it. */
    qemu_register_resettable(OBJECT(s));
}

static void ras_unrealize(DeviceState *device)
{
    MmrigRas *s = MMRIG_RAS(device);

    qemu_unregister_resettable(OBJECT(s));
    mmrig_poison_remove(s->poison, s->source, 0, UINT64_MAX);
    mmrig_poison_leave(s->poison, s->source);
    s->poison = NULL;
}

static void ras_reset_hold(Object *object, ResetType type)
{
    MmrigRas *s = MMRIG_RAS(object);

    s->last = (RasLast){0};
    s->injected = 0;
    if (s->poison && s->reset_clears) {
        mmrig_poison_remove(s->poison, s->source, 0, UINT64_MAX);
    }
}

/* The stream comes from outside, and is not trusted. */
static int ras_post_load(void *opaque, int version)
{
    const RasLast *last = &((const MmrigRas *)opaque)->last;

    return last->kind < ARRAY_SIZE(access_names) && last->size <= 8 &&
                   last->cpu >= -1
               ? 0
               : -EINVAL;
}

static const VMStateDescription ras_vmstate = {
    .name = TYPE_MMRIG_RAS,
    .version_id = 3, /* 1 has no last use, 2 no reset */
    .minimum_version_id = 1,
    .post_load = ras_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(injected, MmrigRas),
            VMSTATE_BOOL_V(last.any, MmrigRas, 2),
            VMSTATE_UINT32_V(last.kind, MmrigRas, 2),
            VMSTATE_UINT64_V(last.gpa, MmrigRas, 2),
            VMSTATE_UINT32_V(last.size, MmrigRas, 2),
            VMSTATE_INT32_V(last.cpu, MmrigRas, 2),
            VMSTATE_SINGLE(reset_clears, MmrigRas, 3, vmstate_info_uint8_equal,
                           uint8_t),
            VMSTATE_END_OF_LIST(),
        },
};

static const Property ras_properties[] = {
    DEFINE_PROP_STRING("store-clears", MmrigRas, store_text),
    DEFINE_PROP_STRING("reset", MmrigRas, reset_text),
    DEFINE_PROP_STRING("kvm-poison", MmrigRas, kvm_text),
    DEFINE_PROP_BOOL("cxl-poison", MmrigRas, cxl_poison, true),
    DEFINE_PROP_BOOL("debug", MmrigRas, debug, false),
};

static const struct {
    const char *name;
    size_t offset;
} ras_counters[] = {
    {"poisoned", offsetof(MmrigPoisonCounters, granules)},
    {"pages", offsetof(MmrigPoisonCounters, pages)},
    {"consumed-loads", offsetof(MmrigPoisonCounters, loads)},
    {"consumed-fetches", offsetof(MmrigPoisonCounters, fetches)},
    {"consumed-dma", offsetof(MmrigPoisonCounters, dma)},
    {"filtered", offsetof(MmrigPoisonCounters, filtered)},
    {"stores", offsetof(MmrigPoisonCounters, stores)},
    {"cleared", offsetof(MmrigPoisonCounters, cleared)},
};

/* What `mmrig devices` says of each property. */
static const struct {
    const char *name;
    const char *text;
} ras_help[] = {
    {"store-clears", "stores that make a bad line good: full-line, any, never "
                     "(default full-line)"},
    {"reset", "what a reset does to bad memory: keep, clear (default keep)"},
    {"kvm-poison", "how memory goes bad under KVM: overlay, hwpoison "
                   "(default overlay)"},
    {"cxl-poison", "whether what is on CXL devices' lists of poison is bad "
                   "(default on)"},
    {"debug", "tell in QEMU's log what it does"},
    {"inject", "write only: kind=KIND,gpa=ADDR[,len=N][,cpu=N]..."},
    {"clear", "write only: gpa=ADDR[,len=N][,source=ras], or all"},
    {"poison", "read only: the bad ranges"},
    {"last", "read only: the last use of bad memory"},
    {"injected", "read only: errors reported since the last reset"},
    {"poisoned", "read only: bad lines of 64 bytes"},
    {"pages", "read only: pages that they are in"},
    {"consumed-loads", "read only: loads of bad data"},
    {"consumed-fetches", "read only: fetches of bad instructions"},
    {"consumed-dma", "read only: reads of bad data by devices"},
    {"filtered", "read only: uses that another device made good"},
    {"stores", "read only: stores into bad lines"},
    {"cleared", "read only: lines that stores made good"},
};

static void ras_instance_init(Object *object)
{
    MmrigRas *s = MMRIG_RAS(object);

    s->store_text = g_strdup(store_names[MMRIG_POISON_STORE_FULL_LINE]);
    s->reset_text = g_strdup("keep");
    s->kvm_text = g_strdup("overlay");
    object_property_add_str(object, "inject", NULL, ras_inject);
    object_property_add_str(object, "clear", NULL, ras_clear);
    object_property_add_str(object, "last", ras_last, NULL);
    object_property_add(object, "poison", "list", ras_list, NULL, NULL, NULL);
    object_property_add_uint64_ptr(object, "injected", &s->injected,
                                   OBJ_PROP_FLAG_READ);
    for (size_t i = 0; i < ARRAY_SIZE(ras_counters); i++) {
        object_property_add(object, ras_counters[i].name, "uint64", ras_counter,
                            NULL, NULL,
                            (void *)(uintptr_t)ras_counters[i].offset);
    }
    for (size_t i = 0; i < ARRAY_SIZE(ras_help); i++) {
        object_property_set_description(object, ras_help[i].name,
                                        ras_help[i].text);
    }
}

static void ras_class_init(ObjectClass *klass, MMRIG_CLASS_DATA *data)
{
    DeviceClass *device = DEVICE_CLASS(klass);
    ResettableClass *reset = RESETTABLE_CLASS(klass);

    device->desc = "memory errors: poison and machine checks (mmrig)";
    device->user_creatable = true;
    device->hotpluggable = false;
    device->realize = ras_realize;
    device->unrealize = ras_unrealize;
    device->vmsd = &ras_vmstate;
    set_bit(DEVICE_CATEGORY_MISC, device->categories);
    device_class_set_props(device, ras_properties);
    reset->phases.hold = ras_reset_hold;
}

static const TypeInfo ras_info = {
    .name = TYPE_MMRIG_RAS,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(MmrigRas),
    .instance_init = ras_instance_init,
    .class_init = ras_class_init,
};

MMRIG_DEVICE(ras, ras_info);
