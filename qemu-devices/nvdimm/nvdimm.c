/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-nvdimm: what QEMU's NVDIMMs lack to fail like real ones. The calls are
 * in abi/mmrig-nvdimm-regs.h, the behaviour in docs/devices/nvdimm.md.
 *
 * Theory of operation. QEMU's AML passes any function of the root device and of
 * the NVDIMMs to a port, as the address of a page. Our region lies over that
 * port. What we answer is worked out from a copy of the page (nvdimm-dsm.c,
 * nvdimm-health.c), all else goes on to QEMU's region below. The errors that
 * the media have (nvdimm-media.c) are poison in the machine's map (poison.h),
 * so that reading them takes a machine check; they are in a file beside the
 * backing file (nvdimm-store.c) when they change. All is under the big lock.
 */
#include "compat.h"

#include "system/address-spaces.h"
#include "system/memory.h"
#include "hw/core/boards.h"
#include "hw/mem/memory-device.h"
#include "hw/core/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qapi/qapi-types-machine.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qom/object.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/system.h"

#include "common/device.h"
#include "nvdimm-acpi.h"
#include "common/bytes.h"
#include "nvdimm-device.h"

/* What QEMU calls its own region at the port. */
#define QEMU_REGION "nvdimm-acpi-io"
#define OVER_QEMU 10

#define RATE_MAX (1 * TiB)
#define TIME_MAX_MS 3600000

static void G_GNUC_PRINTF(2, 3)
    nvdimm_debug(const MmrigNvdimm *s, const char *format, ...)
{
    va_list values;

    if (!s->debug) {
        return;
    }
    va_start(values, format);
    mmrig_device_log(DEVICE(s), format, values);
    va_end(values);
}

/* ---- Poison ------------------------------------------------------------- */

static bool nvdimm_changed(void *opaque, NvdimmModule *module, uint64_t offset,
                           uint64_t length, bool bad)
{
    MmrigNvdimm *s = opaque;
    uint64_t gpa = module->base + offset;
    Error *err = NULL;

    if (!bad) {
        mmrig_poison_remove(s->poison, s->source, gpa, length);
        return true;
    }
    if (!mmrig_poison_add(s->poison, s->source, gpa, length, &err)) {
        nvdimm_debug(s, "%s", error_get_pretty(err));
        error_free(err);
        return false;
    }
    return true;
}

/* Its contents are gone, as on a module that had to give them up. */
static void nvdimm_wipe(void *opaque, NvdimmModule *module, uint64_t offset,
                        uint64_t length)
{
    static const uint8_t zeroes[NVDIMM_UNIT_MAX];
    MmrigNvdimm *s = opaque;

    /* Whoever else has laid poison there: the memory is good again. */
    mmrig_poison_remove(s->poison, -1, module->base + offset, length);
    while (length > 0) {
        uint64_t part = MIN(length, sizeof(zeroes));

        address_space_write(&address_space_memory, module->base + offset,
                            MEMTXATTRS_UNSPECIFIED, zeroes, part);
        offset += part;
        length -= part;
    }
}

/* ---- The machine's NVDIMMs ---------------------------------------------- */

static NvdimmModule *nvdimm_module_of(MmrigNvdimm *s,
                                      const PCDIMMDeviceInfo *info)
{
    g_autofree char *name = info->id
                                ? g_strdup(info->id)
                                : g_strdup_printf("slot%" PRId64, info->slot);
    NvdimmModule *module = mmrig_nvdimm_media_module(&s->dsm.media, name);

    if (!module && !s->crowded) {
        warn_report("mmrig-nvdimm: %s is left alone: more than %d NVDIMMs, or"
                    " a name of more than %d bytes",
                    name, NVDIMM_MAX, NVDIMM_NAME_MAX);
        s->crowded = true;
    }
    return module;
}

/* They can be plugged at any time, so they are looked up at every call. */
void mmrig_nvdimm_refresh(MmrigNvdimm *s)
{
    MemoryDeviceInfoList *list = qmp_memory_device_list();

    for (const MemoryDeviceInfoList *i = list; i; i = i->next) {
        const PCDIMMDeviceInfo *info;
        NvdimmModule *module;

        if (i->value->type != MEMORY_DEVICE_INFO_KIND_NVDIMM) {
            continue;
        }
        info = i->value->u.nvdimm.data;
        module = nvdimm_module_of(s, info);
        if (!module || module->present) {
            continue;
        }
        module->present = true;
        module->base = info->addr;
        module->size = info->size;
        module->slot = info->slot;
        /* QEMU's hw/acpi/nvdimm.c: slot 0 has handle 1. */
        module->handle = info->slot + 1;
        nvdimm_debug(s, "%s at 0x%" PRIx64 ", 0x%" PRIx64 " bytes",
                     module->name, module->base, module->size);
        mmrig_nvdimm_media_replay(&s->dsm.media, module, true);
    }
    qapi_free_MemoryDeviceInfoList(list);
}

/* ---- Notification ------------------------------------------------------- */

void mmrig_nvdimm_event(void *opaque, uint32_t event)
{
    MmrigNvdimm *s = opaque;
    Error *err = NULL;

    if (!s->notify) {
        return;
    }
    s->events |= event;
    s->notified++;
    if (!mmrig_nvdimm_acpi_raise(&err)) {
        warn_report_err(err);
        s->notify = false;
    }
}

/* ---- The port ----------------------------------------------------------- */

/* A page of RAM that the guest may have its answers in; never a device. */
static bool nvdimm_is_ram(hwaddr address)
{
    hwaddr length = MMRIG_NVD_PAGE_SIZE;
    hwaddr offset;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&address_space_memory, address, &offset,
                                 &length, true, MEMTXATTRS_UNSPECIFIED);
    return length == MMRIG_NVD_PAGE_SIZE &&
           memory_access_is_direct(mr, true, MEMTXATTRS_UNSPECIFIED);
}

static void nvdimm_forward(MmrigNvdimm *s, uint64_t value, MemTxAttrs attrs)
{
    memory_region_dispatch_write(s->below, 0, value, MO_32 | MO_LE, attrs);
}

/* QEMU has answered function 0 for a module: adds what we have. */
static void nvdimm_add_mask(hwaddr address, uint32_t mask)
{
    uint8_t answer[MMRIG_NVD_OUT_DATA + 4];

    address_space_read(&address_space_memory, address, MEMTXATTRS_UNSPECIFIED,
                       answer, sizeof(answer));
    if (nvdimm_get(answer, 4) < sizeof(answer)) {
        nvdimm_put(answer + MMRIG_NVD_OUT_DATA, 0, 4);
        nvdimm_put(answer, sizeof(answer), 4);
    }
    mask |= nvdimm_get(answer + MMRIG_NVD_OUT_DATA, 4);
    nvdimm_put(answer + MMRIG_NVD_OUT_DATA, mask, 4);
    address_space_write(&address_space_memory, address, MEMTXATTRS_UNSPECIFIED,
                        answer, sizeof(answer));
}

static MemTxResult nvdimm_write(void *opaque, hwaddr offset, uint64_t value,
                                unsigned size, MemTxAttrs attrs)
{
    MmrigNvdimm *s = opaque;
    uint8_t in[MMRIG_NVD_PAGE_SIZE];
    uint8_t out[MMRIG_NVD_PAGE_SIZE] = {0};
    uint32_t handle;
    uint32_t mask = 0;
    NvdimmModule *module;

    if (!nvdimm_is_ram(value)) {
        s->dsm.refused++;
        nvdimm_debug(s, "a page at 0x%" PRIx64 " is no RAM", value);
        return MEMTX_OK;
    }
    address_space_read(&address_space_memory, value, MEMTXATTRS_UNSPECIFIED, in,
                       sizeof(in));
    handle = nvdimm_get(in + MMRIG_NVD_IN_HANDLE, 4);
    nvdimm_debug(s, "handle 0x%x revision %u function %u", handle,
                 (unsigned)nvdimm_get(in + MMRIG_NVD_IN_REVISION, 4),
                 (unsigned)nvdimm_get(in + MMRIG_NVD_IN_FUNCTION, 4));
    mmrig_nvdimm_refresh(s);
    if (handle == MMRIG_NVD_HANDLE_ROOT) {
        mmrig_nvdimm_dsm_root(&s->dsm, nvdimm_now(), in, out);
    } else {
        module = mmrig_nvdimm_media_by_handle(&s->dsm.media, handle);
        if (!module || handle == MMRIG_NVD_HANDLE_QEMU ||
            !mmrig_nvdimm_dsm_module(&s->dsm, module, in, out, &mask)) {
            nvdimm_forward(s, value, attrs);
            if (mask) {
                nvdimm_add_mask(value, mask);
            }
            return MEMTX_OK;
        }
    }
    nvdimm_debug(s, "answer of %u bytes, status 0x%x",
                 (unsigned)nvdimm_get(out, 4),
                 (unsigned)nvdimm_get(out + MMRIG_NVD_OUT_DATA, 4));
    address_space_write(&address_space_memory, value, MEMTXATTRS_UNSPECIFIED,
                        out, nvdimm_get(out, 4));
    return MEMTX_OK;
}

static MemTxResult nvdimm_read(void *opaque, hwaddr offset, uint64_t *value,
                               unsigned size, MemTxAttrs attrs)
{
    MmrigNvdimm *s = opaque;

    *value = s->events;
    s->events = 0;
    return MEMTX_OK;
}

static const MemoryRegionOps nvdimm_ops = {
    .read_with_attrs = nvdimm_read,
    .write_with_attrs = nvdimm_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 4, .max_access_size = 4},
    .impl = {.min_access_size = 4, .max_access_size = 4},
};

/* ---- What befalls the poison -------------------------------------------- */

static void nvdimm_poison_consumed(void *opaque,
                                   const MmrigPoisonAccess *access)
{
    MmrigNvdimm *s = opaque;
    NvdimmModule *module;

    if (!(access->source & UINT64_C(1) << s->source)) {
        return;
    }
    s->consumed++;
    module = mmrig_nvdimm_media_at(&s->dsm.media, access->gpa, 1);
    if (module) {
        mmrig_nvdimm_media_learn(&s->dsm.media, module,
                                 access->gpa - module->base, 1);
        mmrig_nvdimm_save_soon(s);
    }
}

/* A unit is good once stores have made all of it good. */
static void nvdimm_poison_cleared(void *opaque, hwaddr gpa, uint64_t length,
                                  MmrigPoisonClear why)
{
    MmrigNvdimm *s = opaque;
    NvdimmMedia *media = &s->dsm.media;
    NvdimmModule *module = mmrig_nvdimm_media_at(media, gpa, length);

    if (!module) {
        return;
    }
    mmrig_nvdimm_dsm_poll(&s->dsm, nvdimm_now());
    s->dsm.cleared +=
        mmrig_nvdimm_media_stored(media, module, gpa - module->base, length);
    mmrig_nvdimm_save_soon(s);
}

static const MmrigPoisonOps nvdimm_poison_ops = {
    .consumed = nvdimm_poison_consumed,
    .cleared = nvdimm_poison_cleared,
};

/* ---- State -------------------------------------------------------------- */

static void nvdimm_reset(void *opaque)
{
    MmrigNvdimm *s = opaque;

    mmrig_nvdimm_dsm_poll(&s->dsm, nvdimm_now());
    mmrig_nvdimm_dsm_reset(&s->dsm);
    s->events = 0;
    /* A machine that waits behind its shutdown is started anew. */
    if (s->store_flags == 0) {
        s->store_flags = STORE_RUNNING;
        mmrig_nvdimm_save(s);
    }
}

/* ---- The device --------------------------------------------------------- */

static void nvdimm_machine_ready(Notifier *notifier, void *data)
{
    MmrigNvdimm *s = container_of(notifier, MmrigNvdimm, ready);

    mmrig_nvdimm_refresh(s);
    if (!runstate_check(RUN_STATE_INMIGRATE)) {
        mmrig_nvdimm_save(s);
    }
}

/*
 * The guest that switches its machine off, or on anew, has done so cleanly.
 * Whatever changes behind this, by another notifier or by hand, is written down
 * and leaves it so.
 */
static void nvdimm_machine_shutdown(Notifier *notifier, void *data)
{
    MmrigNvdimm *s = container_of(notifier, MmrigNvdimm, shutdown);
    ShutdownCause cause = *(ShutdownCause *)data;

    if (cause == SHUTDOWN_CAUSE_GUEST_SHUTDOWN ||
        cause == SHUTDOWN_CAUSE_GUEST_RESET) {
        mmrig_nvdimm_dsm_poll(&s->dsm, nvdimm_now());
        s->store_flags = 0;
        mmrig_nvdimm_save(s);
    }
    mmrig_nvdimm_save_due(s);
}

static bool nvdimm_check(MmrigNvdimm *s, Error **errp)
{
    if (!mmrig_device_in_range("unit", s->unit, NVDIMM_UNIT_MIN,
                               NVDIMM_UNIT_MAX, errp) ||
        !mmrig_device_in_range("ars-buffer", s->buffer,
                               MMRIG_NVD_ARS_STATUS_HEADER +
                                   MMRIG_NVD_ARS_RECORD,
                               MMRIG_NVD_OUT_MAX, errp) ||
        !mmrig_device_in_range("ars-rate", s->rate, 0, RATE_MAX, errp) ||
        !mmrig_device_in_range("ars-time-ms", s->least_ms, 0, TIME_MAX_MS,
                               errp)) {
        return false;
    }
    if (!is_power_of_2(s->unit)) {
        error_setg(errp, "unit: %u is no power of two", s->unit);
        return false;
    }
    return true;
}

/* QEMU's region at the port; the caller has a reference to it. */
static MemoryRegion *nvdimm_find_below(Error **errp)
{
    MemoryRegionSection section = memory_region_find(
        get_system_io(), MMRIG_NVD_PORT, MMRIG_NVD_PORT_SIZE);

    if (section.mr &&
        strcmp(memory_region_name(section.mr), TYPE_MMRIG_NVDIMM) == 0) {
        error_setg(errp, "a machine can have one only");
    } else if (!section.mr ||
               strcmp(memory_region_name(section.mr), QEMU_REGION) != 0) {
        error_setg(errp, "the machine has no NVDIMMs; say nvdimm=on");
    } else {
        return section.mr;
    }
    if (section.mr) {
        memory_region_unref(section.mr);
    }
    return NULL;
}

static void nvdimm_realize(DeviceState *device, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(device);
    MemoryRegion *below;

    if (!nvdimm_check(s, errp)) {
        return;
    }
    below = nvdimm_find_below(errp);
    if (!below) {
        return;
    }
    s->poison = mmrig_poison_get(errp);
    if (!s->poison) {
        memory_region_unref(below);
        return;
    }
    s->source =
        mmrig_poison_join(s->poison, "nvdimm", &nvdimm_poison_ops, s, errp);
    if (s->source < 0) {
        memory_region_unref(below);
        return;
    }
    s->dsm = (NvdimmDsm){
        .buffer = s->buffer,
        .rate = s->rate,
        .least_ns = s->least_ms * (uint64_t)SCALE_MS,
        .changed = mmrig_nvdimm_save_soon,
        .event = mmrig_nvdimm_event,
        .wipe = nvdimm_wipe,
        .opaque = s,
    };
    s->notifies = s->notify;
    s->saver = qemu_bh_new(mmrig_nvdimm_save_due, s);
    mmrig_nvdimm_media_init(&s->dsm.media, s->unit);
    s->dsm.media.changed = nvdimm_changed;
    s->dsm.media.opaque = s;
    if (!mmrig_nvdimm_load(s, errp) ||
        (s->notify &&
         !mmrig_nvdimm_acpi_add_table(current_machine->ram_slots, errp))) {
        mmrig_nvdimm_store_close(&s->store);
        mmrig_nvdimm_media_free(&s->dsm.media);
        mmrig_poison_leave(s->poison, s->source);
        memory_region_unref(below);
        return;
    }
    s->below = below;
    memory_region_init_io(&s->region, OBJECT(s), &nvdimm_ops, s,
                          TYPE_MMRIG_NVDIMM, MMRIG_NVD_PORT_SIZE);
    memory_region_add_subregion_overlap(get_system_io(), MMRIG_NVD_PORT,
                                        &s->region, OVER_QEMU);
    qemu_register_reset(nvdimm_reset, s);
    s->ready.notify = nvdimm_machine_ready;
    qemu_add_machine_init_done_notifier(&s->ready);
    s->shutdown.notify = nvdimm_machine_shutdown;
    qemu_register_shutdown_notifier(&s->shutdown);
}

static void nvdimm_instance_init(Object *object)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);

    s->store.fd = -1;
    /* So that the properties can be read before the device is realized. */
    mmrig_nvdimm_media_init(&s->dsm.media, NVDIMM_UNIT_MIN);
    mmrig_nvdimm_add_properties(object);
}

static void nvdimm_instance_finalize(Object *object)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);

    if (s->dsm.media.modules) {
        mmrig_nvdimm_media_free(&s->dsm.media);
    }
    mmrig_nvdimm_store_close(&s->store);
    if (s->saver) {
        qemu_bh_delete(s->saver);
    }
    g_free(s->packed);
}

static const Property nvdimm_properties[] = {
    DEFINE_PROP_STRING("store", MmrigNvdimm, store_path),
    DEFINE_PROP_SIZE32("unit", MmrigNvdimm, unit, 256),
    DEFINE_PROP_UINT32("ars-buffer", MmrigNvdimm, buffer, MMRIG_NVD_OUT_MAX),
    DEFINE_PROP_SIZE("ars-rate", MmrigNvdimm, rate, 4 * GiB),
    DEFINE_PROP_UINT32("ars-time-ms", MmrigNvdimm, least_ms, 1),
    DEFINE_PROP_BOOL("notify", MmrigNvdimm, notify, true),
    DEFINE_PROP_BOOL("debug", MmrigNvdimm, debug, false),
};

static void nvdimm_class_init(ObjectClass *klass, MMRIG_CLASS_DATA *data)
{
    DeviceClass *device = DEVICE_CLASS(klass);

    device->realize = nvdimm_realize;
    device->desc = "media errors, scrubs and health of NVDIMMs (mmrig)";
    device->vmsd = &mmrig_nvdimm_vmstate;
    device->user_creatable = true;
    device->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, device->categories);
    device_class_set_props(device, nvdimm_properties);
    mmrig_nvdimm_class_add_properties(klass);
}

static const TypeInfo nvdimm_info = {
    .name = TYPE_MMRIG_NVDIMM,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(MmrigNvdimm),
    .instance_init = nvdimm_instance_init,
    .instance_finalize = nvdimm_instance_finalize,
    .class_init = nvdimm_class_init,
};

MMRIG_DEVICE(nvdimm, nvdimm_info);
