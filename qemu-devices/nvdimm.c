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
 * backing file (nvdimm-store.c) whenever they change. Everything runs under the
 * big lock.
 */
#include "compat.h"

#if MMRIG_QEMU_AT_LEAST(10, 1)
#include "system/address-spaces.h"
#include "system/memory.h"
#else
#include "exec/address-spaces.h"
#include "exec/memory.h"
#endif
#include "hw/boards.h"
#include "hw/mem/memory-device.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qapi/qapi-types-machine.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qom/object.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/system.h"

#include "nvdimm-acpi.h"
#include "nvdimm-bytes.h"
#include "nvdimm-dsm.h"
#include "nvdimm-store.h"
#include "poison.h"

#define TYPE_MMRIG_NVDIMM "mmrig-nvdimm"
OBJECT_DECLARE_SIMPLE_TYPE(MmrigNvdimm, MMRIG_NVDIMM)

/* What QEMU calls its own region at the port. */
#define QEMU_REGION "nvdimm-acpi-io"
#define OVER_QEMU 10

#define RATE_MAX (1 * TiB)
#define TIME_MAX_MS 3600000

/* In the store: the machine has not been shut down. */
#define STORE_RUNNING 1u

struct MmrigNvdimm {
    DeviceState parent_obj;

    char *store_path;
    uint32_t unit;
    uint32_t buffer;
    uint64_t rate;
    uint32_t least_ms;
    bool notify;
    bool debug;

    MemoryRegion region;
    MemoryRegion *below; /* QEMU's; a reference is held */
    MmrigPoison *poison;
    int source;
    NvdimmStore store;
    bool store_failed;
    bool crowded; /* it was said that there are too many modules */
    Notifier ready;
    Notifier shutdown;

    NvdimmDsm dsm;
    uint32_t events;
    uint64_t consumed;
    uint64_t notified;

    /* For migration: nvdimm_media_pack(). */
    uint8_t *packed;
    uint32_t packed_size;
};

static void G_GNUC_PRINTF(2, 3)
    nvdimm_debug(const MmrigNvdimm *s, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    if (!s->debug) {
        return;
    }
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    qemu_log("mmrig-nvdimm: %s\n", text);
}

static int64_t nvdimm_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
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

/* ---- The store ---------------------------------------------------------- */

static void nvdimm_save(MmrigNvdimm *s, uint32_t flags)
{
    g_autoptr(GByteArray) pack = NULL;

    if (s->store.fd < 0) {
        return;
    }
    pack = nvdimm_media_pack(&s->dsm.media);
    if (!nvdimm_store_write(&s->store, flags, pack) && !s->store_failed) {
        warn_report("mmrig-nvdimm: cannot write %s: %s; errors will not outlive"
                    " this machine",
                    s->store_path, g_strerror(errno));
        s->store_failed = true;
    }
}

static void nvdimm_save_running(void *opaque)
{
    nvdimm_save(opaque, STORE_RUNNING);
}

static bool nvdimm_load(MmrigNvdimm *s, Error **errp)
{
    bool incoming = runstate_check(RUN_STATE_INMIGRATE);
    g_autoptr(GByteArray) pack = NULL;
    g_autofree char *text = NULL;
    const char *why = NULL;
    uint32_t flags = 0;

    s->store.fd = -1;
    if (!s->store_path) {
        return true;
    }
    if (nvdimm_store_open(&s->store, s->store_path, !incoming, &text) < 0) {
        error_setg(errp, "store: %s", text);
        return false;
    }
    pack = nvdimm_store_read(&s->store, &flags, &text);
    if (text) {
        error_setg(errp, "store: %s %s", s->store_path, text);
        return false;
    }
    if (!pack) {
        return true;
    }
    if (!nvdimm_media_unpack(&s->dsm.media, pack->data, pack->len, &why)) {
        error_setg(errp, "store: %s: %s is wrong", s->store_path, why);
        return false;
    }
    if (incoming) {
        return true;
    }
    for (guint i = 0; i < s->dsm.media.modules->len; i++) {
        NvdimmModule *module = g_ptr_array_index(s->dsm.media.modules, i);
        NvdimmHealth *health = &module->health;

        health->dirty = (flags & STORE_RUNNING) ||
                        (health->injected & MMRIG_NVD_SMART_INJECT_SHUTDOWN);
        health->shutdown_count += health->dirty;
        health->injected &= ~MMRIG_NVD_SMART_INJECT_SHUTDOWN;
    }
    return true;
}

/* ---- The machine's NVDIMMs ---------------------------------------------- */

static NvdimmModule *nvdimm_module_of(MmrigNvdimm *s,
                                      const PCDIMMDeviceInfo *info)
{
    g_autofree char *name = info->id
                                ? g_strdup(info->id)
                                : g_strdup_printf("slot%" PRId64, info->slot);
    NvdimmModule *module = nvdimm_media_module(&s->dsm.media, name);

    if (!module && !s->crowded) {
        warn_report("mmrig-nvdimm: %s is left alone: more than %d NVDIMMs, or"
                    " a name of more than %d bytes",
                    name, NVDIMM_MAX, NVDIMM_NAME_MAX);
        s->crowded = true;
    }
    return module;
}

/* They can be plugged at any time, so they are looked up at every call. */
static void nvdimm_refresh(MmrigNvdimm *s)
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
        nvdimm_media_replay(&s->dsm.media, module, true);
    }
    qapi_free_MemoryDeviceInfoList(list);
}

/* ---- Notification ------------------------------------------------------- */

static void nvdimm_event(void *opaque, uint32_t event)
{
    MmrigNvdimm *s = opaque;
    Error *err = NULL;

    if (!s->notify) {
        return;
    }
    s->events |= event;
    s->notified++;
    if (!nvdimm_acpi_raise(&err)) {
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
    nvdimm_refresh(s);
    if (handle == MMRIG_NVD_HANDLE_ROOT) {
        nvdimm_dsm_root(&s->dsm, nvdimm_now(), in, out);
    } else {
        module = nvdimm_media_by_handle(&s->dsm.media, handle);
        if (!module || handle == MMRIG_NVD_HANDLE_QEMU ||
            !nvdimm_dsm_module(&s->dsm, module, in, out, &mask)) {
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
    module = nvdimm_media_at(&s->dsm.media, access->gpa, 1);
    if (module) {
        nvdimm_media_learn(&s->dsm.media, module, access->gpa - module->base,
                           1);
        nvdimm_save(s, STORE_RUNNING);
    }
}

/* A unit is good once stores have made all of it good. */
static void nvdimm_poison_cleared(void *opaque, hwaddr gpa, uint64_t length,
                                  MmrigPoisonClear why)
{
    MmrigNvdimm *s = opaque;
    NvdimmMedia *media = &s->dsm.media;
    NvdimmModule *module = nvdimm_media_at(media, gpa, length);

    if (!module) {
        return;
    }
    nvdimm_dsm_poll(&s->dsm, nvdimm_now());
    s->dsm.cleared +=
        nvdimm_media_stored(media, module, gpa - module->base, length);
    nvdimm_save(s, STORE_RUNNING);
}

static const MmrigPoisonOps nvdimm_poison_ops = {
    .consumed = nvdimm_poison_consumed,
    .cleared = nvdimm_poison_cleared,
};

/* ---- Properties at run time --------------------------------------------- */

/* The machine sees what has changed before anybody is told that it has. */
static void nvdimm_settle(MmrigNvdimm *s)
{
    if (s->poison && !current_cpu) {
        mmrig_poison_wait(s->poison);
    }
}

/* "MODULE OFFSET LENGTH" with words behind; offset and length are checked. */
static NvdimmModule *nvdimm_parse(MmrigNvdimm *s, const char *text,
                                  uint64_t *offset, uint64_t *length,
                                  char **rest, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 4);
    NvdimmModule *module;

    if (!s->below) {
        error_setg(errp, "the machine is not there yet");
        return NULL;
    }
    nvdimm_refresh(s);
    nvdimm_dsm_poll(&s->dsm, nvdimm_now());
    if (g_strv_length(words) < 3 ||
        qemu_strtou64(words[1], NULL, 0, offset) < 0 ||
        qemu_strtou64(words[2], NULL, 0, length) < 0) {
        error_setg(errp, "'%s' is not MODULE OFFSET LENGTH", text);
        return NULL;
    }
    module = nvdimm_media_find(&s->dsm.media, words[0]);
    if (!module || !module->present) {
        error_setg(errp, "there is no NVDIMM '%s'", words[0]);
        return NULL;
    }
    if (*length == 0 || *offset >= module->size ||
        *length > module->size - *offset) {
        error_setg(errp,
                   "%s has 0x%" PRIx64 " bytes; 0x%" PRIx64 " at 0x%" PRIx64
                   " are not in it",
                   module->name, module->size, *length, *offset);
        return NULL;
    }
    *rest = g_strdup(words[3]);
    return module;
}

static void nvdimm_set_inject(Object *object, const char *text, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);
    g_autofree char *rest = NULL;
    uint64_t offset;
    uint64_t length;
    NvdimmModule *module = nvdimm_parse(s, text, &offset, &length, &rest, errp);

    if (!module) {
        return;
    }
    if (rest && strcmp(rest, "notify") != 0) {
        error_setg(errp, "'%s' is not 'notify'", rest);
        return;
    }
    if (!nvdimm_dsm_inject(&s->dsm, module, offset, length, rest != NULL)) {
        error_setg(errp,
                   "too many errors: at most %d units of %u bytes, and %d"
                   " pages with poison in the machine",
                   NVDIMM_UNITS_MAX, s->unit, MMRIG_POISON_PAGES_MAX);
    }
    nvdimm_settle(s);
}

static void nvdimm_set_clear(Object *object, const char *text, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);
    g_autofree char *rest = NULL;
    uint64_t offset;
    uint64_t length;
    NvdimmModule *module;

    if (strcmp(text, "all") == 0) {
        nvdimm_dsm_poll(&s->dsm, nvdimm_now());
        for (guint i = 0; i < s->dsm.media.modules->len; i++) {
            module = g_ptr_array_index(s->dsm.media.modules, i);
            s->dsm.cleared +=
                nvdimm_media_heal(&s->dsm.media, module, 0, INT64_MAX);
        }
        nvdimm_save(s, STORE_RUNNING);
        nvdimm_settle(s);
        return;
    }
    module = nvdimm_parse(s, text, &offset, &length, &rest, errp);
    if (!module) {
        return;
    }
    if (rest) {
        error_setg(errp, "'%s' is too much", rest);
        return;
    }
    s->dsm.cleared += nvdimm_media_heal(&s->dsm.media, module, offset, length);
    nvdimm_save(s, STORE_RUNNING);
    nvdimm_settle(s);
}

static char *nvdimm_get_errors(Object *object, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);
    GString *text = g_string_new(NULL);

    nvdimm_dsm_poll(&s->dsm, nvdimm_now());
    for (guint i = 0; i < s->dsm.media.modules->len; i++) {
        const NvdimmModule *module = g_ptr_array_index(s->dsm.media.modules, i);
        uint64_t offset = 0;
        uint64_t length;
        bool known;

        while (nvdimm_media_next(&s->dsm.media, module, false, UINT64_MAX,
                                 &offset, &length, &known)) {
            g_string_append_printf(text, "%s 0x%" PRIx64 " 0x%" PRIx64 " %s\n",
                                   module->name, offset, length,
                                   known ? "known" : "unknown");
            offset += length;
        }
    }
    return g_string_free(text, FALSE);
}

static char *nvdimm_get_modules(Object *object, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);
    GString *text = g_string_new(NULL);

    if (s->below) {
        nvdimm_refresh(s);
    }
    for (guint i = 0; i < s->dsm.media.modules->len; i++) {
        const NvdimmModule *module = g_ptr_array_index(s->dsm.media.modules, i);

        if (module->present) {
            g_string_append_printf(
                text, "%s 0x%" PRIx64 " 0x%" PRIx64 " handle %u\n",
                module->name, module->base, module->size, module->handle);
        }
    }
    return g_string_free(text, FALSE);
}

static void nvdimm_set_notify(Object *object, const char *text, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);
    NvdimmModule *module;

    if (!s->notify || !s->below) {
        error_setg(errp, "the device was made with notify=off");
        return;
    }
    if (strcmp(text, "error") == 0) {
        nvdimm_event(s, MMRIG_NVD_EVENT_ERROR);
        return;
    }
    nvdimm_refresh(s);
    module = nvdimm_media_find(&s->dsm.media, text);
    if (!module || !module->present ||
        module->slot >= MMRIG_NVD_EVENT_HEALTH_MAX) {
        error_setg(errp,
                   "'%s' is neither 'error' nor an NVDIMM that can notify",
                   text);
        return;
    }
    nvdimm_event(s, MMRIG_NVD_EVENT_HEALTH(module->slot));
}

/* ---- State -------------------------------------------------------------- */

static void nvdimm_reset(void *opaque)
{
    MmrigNvdimm *s = opaque;

    nvdimm_dsm_poll(&s->dsm, nvdimm_now());
    nvdimm_dsm_reset(&s->dsm);
    s->events = 0;
}

static int nvdimm_pre_save(void *opaque)
{
    MmrigNvdimm *s = opaque;
    GByteArray *pack = nvdimm_media_pack(&s->dsm.media);

    g_free(s->packed);
    s->packed_size = pack->len;
    s->packed = g_byte_array_free(pack, FALSE);
    return 0;
}

static int nvdimm_post_save(void *opaque)
{
    MmrigNvdimm *s = opaque;

    g_clear_pointer(&s->packed, g_free);
    return 0;
}

static bool nvdimm_size_valid(void *opaque, int version)
{
    MmrigNvdimm *s = opaque;

    return s->packed_size > 0 && s->packed_size <= NVDIMM_PACK_MAX;
}

static int nvdimm_pre_load(void *opaque)
{
    MmrigNvdimm *s = opaque;

    g_clear_pointer(&s->packed, g_free);
    return 0;
}

static int nvdimm_post_load(void *opaque, int version)
{
    MmrigNvdimm *s = opaque;
    const char *why = NULL;
    bool good;

    nvdimm_refresh(s);
    good = nvdimm_scrub_valid(&s->dsm.scrub) &&
           nvdimm_media_unpack(&s->dsm.media, s->packed, s->packed_size, &why);
    g_clear_pointer(&s->packed, g_free);
    if (!good) {
        error_report("mmrig-nvdimm: the incoming state's %s is wrong",
                     why ? why : "scrub");
        return -EINVAL;
    }
    nvdimm_save(s, STORE_RUNNING);
    return 0;
}

static const VMStateDescription nvdimm_vmstate = {
    .name = TYPE_MMRIG_NVDIMM,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = nvdimm_pre_save,
    .post_save = nvdimm_post_save,
    .pre_load = nvdimm_pre_load,
    .post_load = nvdimm_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT32(packed_size, MmrigNvdimm),
            VMSTATE_VALIDATE("packed_size", nvdimm_size_valid),
            VMSTATE_VBUFFER_ALLOC_UINT32(packed, MmrigNvdimm, 1, NULL,
                                         packed_size),
            VMSTATE_UINT32(dsm.scrub.state, MmrigNvdimm),
            VMSTATE_UINT32(dsm.scrub.type, MmrigNvdimm),
            VMSTATE_UINT32(dsm.scrub.overflow, MmrigNvdimm),
            VMSTATE_UINT32(dsm.scrub.records, MmrigNvdimm),
            VMSTATE_UINT64(dsm.scrub.start, MmrigNvdimm),
            VMSTATE_UINT64(dsm.scrub.length, MmrigNvdimm),
            VMSTATE_UINT64(dsm.scrub.restart, MmrigNvdimm),
            VMSTATE_UINT64(dsm.scrub.restart_length, MmrigNvdimm),
            VMSTATE_INT64(dsm.scrub.end_ns, MmrigNvdimm),
            VMSTATE_UINT64_ARRAY(dsm.scrub.record_start, MmrigNvdimm,
                                 NVDIMM_RECORDS_MAX),
            VMSTATE_UINT64_ARRAY(dsm.scrub.record_length, MmrigNvdimm,
                                 NVDIMM_RECORDS_MAX),
            VMSTATE_UINT32_ARRAY(dsm.scrub.record_handle, MmrigNvdimm,
                                 NVDIMM_RECORDS_MAX),
            VMSTATE_UINT32(events, MmrigNvdimm),
            VMSTATE_UINT64(dsm.calls, MmrigNvdimm),
            VMSTATE_UINT64(dsm.refused, MmrigNvdimm),
            VMSTATE_UINT64(dsm.scrubs, MmrigNvdimm),
            VMSTATE_UINT64(dsm.overflows, MmrigNvdimm),
            VMSTATE_UINT64(dsm.injected, MmrigNvdimm),
            VMSTATE_UINT64(dsm.cleared, MmrigNvdimm),
            VMSTATE_UINT64(consumed, MmrigNvdimm),
            VMSTATE_UINT64(notified, MmrigNvdimm),
            VMSTATE_END_OF_LIST(),
        },
};

/* ---- The device --------------------------------------------------------- */

static void nvdimm_machine_ready(Notifier *notifier, void *data)
{
    MmrigNvdimm *s = container_of(notifier, MmrigNvdimm, ready);

    nvdimm_refresh(s);
    if (!runstate_check(RUN_STATE_INMIGRATE)) {
        nvdimm_save(s, STORE_RUNNING);
    }
}

/* The guest that switches its machine off, or on anew, has done so cleanly. */
static void nvdimm_machine_shutdown(Notifier *notifier, void *data)
{
    MmrigNvdimm *s = container_of(notifier, MmrigNvdimm, shutdown);
    ShutdownCause cause = *(ShutdownCause *)data;

    if (cause == SHUTDOWN_CAUSE_GUEST_SHUTDOWN ||
        cause == SHUTDOWN_CAUSE_GUEST_RESET) {
        nvdimm_dsm_poll(&s->dsm, nvdimm_now());
        nvdimm_save(s, 0);
    }
}

static bool nvdimm_in_range(const char *name, uint64_t value, uint64_t least,
                            uint64_t most, Error **errp)
{
    if (value < least || value > most) {
        error_setg(errp, "%s: %" PRIu64 " is not from %" PRIu64 " to %" PRIu64,
                   name, value, least, most);
        return false;
    }
    return true;
}

static bool nvdimm_check(MmrigNvdimm *s, Error **errp)
{
    if (!nvdimm_in_range("unit", s->unit, NVDIMM_UNIT_MIN, NVDIMM_UNIT_MAX,
                         errp) ||
        !nvdimm_in_range("ars-buffer", s->buffer,
                         MMRIG_NVD_ARS_STATUS_HEADER + MMRIG_NVD_ARS_RECORD,
                         MMRIG_NVD_OUT_MAX, errp) ||
        !nvdimm_in_range("ars-rate", s->rate, 0, RATE_MAX, errp) ||
        !nvdimm_in_range("ars-time-ms", s->least_ms, 0, TIME_MAX_MS, errp)) {
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
        .changed = nvdimm_save_running,
        .event = nvdimm_event,
        .wipe = nvdimm_wipe,
        .opaque = s,
    };
    nvdimm_media_init(&s->dsm.media, s->unit);
    s->dsm.media.changed = nvdimm_changed;
    s->dsm.media.opaque = s;
    if (!nvdimm_load(s, errp) ||
        (s->notify &&
         !nvdimm_acpi_add_table(current_machine->ram_slots, errp))) {
        nvdimm_store_close(&s->store);
        nvdimm_media_free(&s->dsm.media);
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

static void nvdimm_add_counter(Object *object, const char *name,
                               const uint64_t *value)
{
    object_property_add_uint64_ptr(object, name, value, OBJ_PROP_FLAG_READ);
}

/* What `mmrig devices` says of each property. */
static const struct {
    const char *name;
    const char *text;
} nvdimm_help[] = {
    {"store", "file that keeps errors and health (default none)"},
    {"unit", "bytes that are lost and cleared together, a power of two"},
    {"ars-buffer", "bytes that Query ARS Status can answer"},
    {"ars-rate", "bytes that a scrub goes through in a second"},
    {"ars-time-ms", "how long a scrub takes at least"},
    {"notify", "give the guest the ACPI method that tells it of errors"},
    {"debug", "tell in QEMU's log what it does"},
    {"inject", "write only: MODULE OFFSET LENGTH [notify]"},
    {"clear", "write only: MODULE OFFSET LENGTH, or all; contents stay"},
    {"raise", "write only: error, or a module to be told of"},
    {"errors", "read only: module, offset, length, known or unknown"},
    {"modules", "read only: id, address, size and handle of each"},
    {"count-calls", "read only: calls by the guest"},
    {"count-refused", "read only: those whose status was not 0"},
    {"count-scrubs", "read only: scrubs that came to their end"},
    {"count-overflows", "read only: scrubs that the buffer stopped"},
    {"count-injected", "read only: units that went bad"},
    {"count-cleared", "read only: units that were made good"},
    {"count-consumed", "read only: reads of bad units"},
    {"count-notified", "read only: notifications"},
};

static void nvdimm_instance_init(Object *object)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);

    s->store.fd = -1;
    /* So that the properties can be read before the device is realized. */
    nvdimm_media_init(&s->dsm.media, NVDIMM_UNIT_MIN);
    nvdimm_add_counter(object, "count-calls", &s->dsm.calls);
    nvdimm_add_counter(object, "count-refused", &s->dsm.refused);
    nvdimm_add_counter(object, "count-scrubs", &s->dsm.scrubs);
    nvdimm_add_counter(object, "count-overflows", &s->dsm.overflows);
    nvdimm_add_counter(object, "count-injected", &s->dsm.injected);
    nvdimm_add_counter(object, "count-cleared", &s->dsm.cleared);
    nvdimm_add_counter(object, "count-consumed", &s->consumed);
    nvdimm_add_counter(object, "count-notified", &s->notified);
    for (size_t i = 0; i < ARRAY_SIZE(nvdimm_help); i++) {
        object_property_set_description(object, nvdimm_help[i].name,
                                        nvdimm_help[i].text);
    }
}

static void nvdimm_instance_finalize(Object *object)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);

    if (s->dsm.media.modules) {
        nvdimm_media_free(&s->dsm.media);
    }
    nvdimm_store_close(&s->store);
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
    device->vmsd = &nvdimm_vmstate;
    device->user_creatable = true;
    device->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, device->categories);
    device_class_set_props(device, nvdimm_properties);
    object_class_property_add_str(klass, "inject", NULL, nvdimm_set_inject);
    object_class_property_add_str(klass, "clear", NULL, nvdimm_set_clear);
    object_class_property_add_str(klass, "raise", NULL, nvdimm_set_notify);
    object_class_property_add_str(klass, "errors", nvdimm_get_errors, NULL);
    object_class_property_add_str(klass, "modules", nvdimm_get_modules, NULL);
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
