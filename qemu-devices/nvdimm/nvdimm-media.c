/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nvdimm-media.h"

#include <string.h>

#include "common/crc32c.h"
#include "common/bytes.h"

/* What mmrig_nvdimm_media_pack() makes: a header, the modules, their units. */
#define PACK_MAGIC 0x6d6e6476u /* "vdnm" in memory */
#define PACK_VERSION 1
#define PACK_HEADER 24 /* magic, version, unit, modules, units, CRC32C */
#define PACK_MODULE (NVDIMM_NAME_MAX + 1 + 32)
#define PACK_UNIT 12 /* module, offset with the lowest bit for "known" */

void mmrig_nvdimm_health_init(NvdimmHealth *health)
{
    *health = (NvdimmHealth){
        .media_temperature = MMRIG_NVD_DEGREES(23),
        .ctrl_temperature = MMRIG_NVD_DEGREES(25),
        .media_threshold = MMRIG_NVD_DEGREES(40),
        .ctrl_threshold = MMRIG_NVD_DEGREES(30),
        .alarms = MMRIG_NVD_ALARM_ALL,
        .spares = 75,
        .spares_threshold = 5,
    };
}

static void module_free(gpointer data)
{
    NvdimmModule *module = data;

    g_array_unref(module->units);
    g_free(module);
}

void mmrig_nvdimm_media_init(NvdimmMedia *media, uint32_t unit)
{
    *media = (NvdimmMedia){
        .unit = unit,
        .modules = g_ptr_array_new_with_free_func(module_free),
    };
}

void mmrig_nvdimm_media_free(NvdimmMedia *media)
{
    g_clear_pointer(&media->modules, g_ptr_array_unref);
    media->bad = 0;
}

NvdimmModule *mmrig_nvdimm_media_find(NvdimmMedia *media, const char *name)
{
    for (guint i = 0; i < media->modules->len; i++) {
        NvdimmModule *module = g_ptr_array_index(media->modules, i);

        if (strcmp(module->name, name) == 0) {
            return module;
        }
    }
    return NULL;
}

NvdimmModule *mmrig_nvdimm_media_module(NvdimmMedia *media, const char *name)
{
    NvdimmModule *module = mmrig_nvdimm_media_find(media, name);

    if (module) {
        return module;
    }
    if (media->modules->len == NVDIMM_MAX || strlen(name) > NVDIMM_NAME_MAX) {
        return NULL;
    }
    module = g_new0(NvdimmModule, 1);
    g_strlcpy(module->name, name, sizeof(module->name));
    module->units = g_array_new(FALSE, FALSE, sizeof(NvdimmUnit));
    mmrig_nvdimm_health_init(&module->health);
    g_ptr_array_add(media->modules, module);
    return module;
}

NvdimmModule *mmrig_nvdimm_media_by_handle(NvdimmMedia *media, uint32_t handle)
{
    for (guint i = 0; i < media->modules->len; i++) {
        NvdimmModule *module = g_ptr_array_index(media->modules, i);

        if (module->present && module->handle == handle) {
            return module;
        }
    }
    return NULL;
}

NvdimmModule *mmrig_nvdimm_media_at(NvdimmMedia *media, uint64_t address,
                                    uint64_t length)
{
    for (guint i = 0; i < media->modules->len; i++) {
        NvdimmModule *module = g_ptr_array_index(media->modules, i);

        if (module->present && length > 0 && address >= module->base &&
            address - module->base < module->size &&
            length <= module->size - (address - module->base)) {
            return module;
        }
    }
    return NULL;
}

#define UNIT(module, i) (&g_array_index((module)->units, NvdimmUnit, i))

/* The first bad unit at or after the offset; units->len if there is none. */
static guint lower_bound(const NvdimmModule *module, uint64_t offset)
{
    guint low = 0;
    guint high = module->units->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (UNIT(module, middle)->offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The units that a range touches: from *first up to and without *end. */
static void round_out(const NvdimmMedia *media, uint64_t offset,
                      uint64_t length, uint64_t *first, uint64_t *end)
{
    uint64_t mask = media->unit - 1;

    *first = offset & ~mask;
    *end = (offset + length + mask) & ~mask;
}

static bool tell(const NvdimmMedia *media, NvdimmModule *module,
                 uint64_t offset, uint64_t length, bool bad)
{
    return !media->changed || !module->present ||
           media->changed(media->opaque, module, offset, length, bad);
}

/* Whether so many units more than are bad in the range can be. */
static bool has_room(const NvdimmMedia *media, const NvdimmModule *module,
                     uint64_t first, uint64_t end)
{
    guint there = lower_bound(module, end) - lower_bound(module, first);

    return (end - first) / media->unit <= NVDIMM_UNITS_MAX - media->bad + there;
}

bool mmrig_nvdimm_media_lay(NvdimmMedia *media, NvdimmModule *module,
                            uint64_t offset, uint64_t length, bool known)
{
    g_autoptr(GArray) fresh = NULL;
    uint64_t first;
    uint64_t end;
    guint count;
    guint low;
    guint there;

    round_out(media, offset, length, &first, &end);
    if (!has_room(media, module, first, end) ||
        !tell(media, module, first, end - first, true)) {
        return false;
    }
    /* The callback may have let others in. */
    if (!has_room(media, module, first, end)) {
        tell(media, module, first, end - first, false);
        mmrig_nvdimm_media_replay(media, module, true);
        return false;
    }
    low = lower_bound(module, first);
    there = lower_bound(module, end) - low;
    count = (end - first) / media->unit;
    fresh = g_array_sized_new(FALSE, FALSE, sizeof(NvdimmUnit), count);
    for (uint64_t at = first; at < end; at += media->unit) {
        NvdimmUnit unit = {.offset = at, .known = known};
        guint i = lower_bound(module, at);

        if (i < module->units->len && UNIT(module, i)->offset == at) {
            unit.known |= UNIT(module, i)->known;
        }
        g_array_append_val(fresh, unit);
    }
    if (there > 0) {
        g_array_remove_range(module->units, low, there);
    }
    g_array_insert_vals(module->units, low, fresh->data, count);
    media->bad += count - there;
    return true;
}

uint32_t mmrig_nvdimm_media_heal(NvdimmMedia *media, NvdimmModule *module,
                                 uint64_t offset, uint64_t length)
{
    uint64_t first;
    uint64_t end;
    guint low;
    guint count;

    round_out(media, offset, length, &first, &end);
    low = lower_bound(module, first);
    count = lower_bound(module, end) - low;
    if (count > 0) {
        g_array_remove_range(module->units, low, count);
        media->bad -= count;
        tell(media, module, first, end - first, false);
    }
    return count;
}

uint32_t mmrig_nvdimm_media_stored(NvdimmMedia *media, NvdimmModule *module,
                                   uint64_t offset, uint64_t length)
{
    const unsigned parts = media->unit / NVDIMM_UNIT_MIN;
    const uint64_t all = UINT64_MAX >> (64 - parts);
    uint32_t healed = 0;
    guint i = lower_bound(module, offset & ~(uint64_t)(media->unit - 1));

    while (i < module->units->len &&
           UNIT(module, i)->offset < offset + length) {
        NvdimmUnit *unit = UNIT(module, i);

        for (unsigned part = 0; part < parts; part++) {
            uint64_t at = unit->offset + part * NVDIMM_UNIT_MIN;

            if (at >= offset && at < offset + length) {
                unit->stored |= UINT64_C(1) << part;
            }
        }
        if (unit->stored == all) {
            g_array_remove_index(module->units, i);
            media->bad--;
            healed++;
        } else {
            i++;
        }
    }
    return healed;
}

void mmrig_nvdimm_media_learn(NvdimmMedia *media, NvdimmModule *module,
                              uint64_t offset, uint64_t length)
{
    uint64_t first;
    uint64_t end;

    round_out(media, offset, length, &first, &end);
    for (guint i = lower_bound(module, first);
         i < module->units->len && UNIT(module, i)->offset < end; i++) {
        UNIT(module, i)->known = true;
    }
}

bool mmrig_nvdimm_media_next(const NvdimmMedia *media,
                             const NvdimmModule *module, bool known_only,
                             uint64_t end, uint64_t *offset, uint64_t *length,
                             bool *known)
{
    guint i = lower_bound(module, *offset & ~(uint64_t)(media->unit - 1));

    while (i < module->units->len && known_only && !UNIT(module, i)->known) {
        i++;
    }
    if (i >= module->units->len || UNIT(module, i)->offset >= end) {
        return false;
    }
    *offset = UNIT(module, i)->offset;
    *known = UNIT(module, i)->known;
    *length = 0;
    for (; i < module->units->len && UNIT(module, i)->offset < end &&
           UNIT(module, i)->offset == *offset + *length &&
           UNIT(module, i)->known == *known;
         i++) {
        *length += media->unit;
    }
    return true;
}

void mmrig_nvdimm_media_replay(NvdimmMedia *media, NvdimmModule *module,
                               bool bad)
{
    uint64_t offset = 0;
    uint64_t length;
    bool known;

    while (mmrig_nvdimm_media_next(media, module, false, module->size, &offset,
                                   &length, &known)) {
        tell(media, module, offset, length, bad);
        offset += length;
    }
}

/* ---- Bytes -------------------------------------------------------------- */

/* The fields of a module's health, in the order of their bytes. */
static void health_pack(uint8_t *to, const NvdimmHealth *health)
{
    nvdimm_put(to, health->media_temperature, 2);
    nvdimm_put(to + 2, health->ctrl_temperature, 2);
    nvdimm_put(to + 4, health->media_threshold, 2);
    nvdimm_put(to + 6, health->ctrl_threshold, 2);
    nvdimm_put(to + 8, health->alarms, 2);
    to[10] = health->spares;
    to[11] = health->spares_threshold;
    to[12] = health->injected;
    to[13] = health->latched;
    to[14] = health->dirty;
    nvdimm_put(to + 16, health->shutdown_count, 4);
}

static bool health_unpack(NvdimmHealth *health, const uint8_t *from)
{
    *health = (NvdimmHealth){
        .media_temperature = nvdimm_get(from, 2),
        .ctrl_temperature = nvdimm_get(from + 2, 2),
        .media_threshold = nvdimm_get(from + 4, 2),
        .ctrl_threshold = nvdimm_get(from + 6, 2),
        .alarms = nvdimm_get(from + 8, 2),
        .spares = from[10],
        .spares_threshold = from[11],
        .injected = from[12],
        .latched = from[13],
        .dirty = from[14],
        .shutdown_count = nvdimm_get(from + 16, 4),
    };
    return health->spares <= 100 && health->spares_threshold <= 100 &&
           (health->injected & ~MMRIG_NVD_SMART_INJECT_ALL) == 0 &&
           (health->alarms & ~MMRIG_NVD_ALARM_ALL) == 0 &&
           health->latched <= 1 && health->dirty <= 1;
}

GByteArray *mmrig_nvdimm_media_pack(const NvdimmMedia *media)
{
    GByteArray *pack = g_byte_array_new();
    uint8_t *to;

    g_byte_array_set_size(pack, PACK_HEADER +
                                    media->modules->len * PACK_MODULE +
                                    media->bad * PACK_UNIT);
    memset(pack->data, 0, pack->len);
    nvdimm_put(pack->data, PACK_MAGIC, 4);
    nvdimm_put(pack->data + 4, PACK_VERSION, 4);
    nvdimm_put(pack->data + 8, media->unit, 4);
    nvdimm_put(pack->data + 12, media->modules->len, 4);
    nvdimm_put(pack->data + 16, media->bad, 4);
    to = pack->data + PACK_HEADER;
    for (guint i = 0; i < media->modules->len; i++, to += PACK_MODULE) {
        const NvdimmModule *module = g_ptr_array_index(media->modules, i);

        memcpy(to, module->name, sizeof(module->name));
        health_pack(to + sizeof(module->name), &module->health);
    }
    for (guint i = 0; i < media->modules->len; i++) {
        const NvdimmModule *module = g_ptr_array_index(media->modules, i);

        for (guint j = 0; j < module->units->len; j++, to += PACK_UNIT) {
            const NvdimmUnit *unit = UNIT(module, j);

            nvdimm_put(to, i, 4);
            nvdimm_put(to + 4, unit->offset | unit->known, 8);
        }
    }
    nvdimm_put(pack->data + 20,
               ~mmrig_crc32c_update(CRC32C_INIT, pack->data, pack->len), 4);
    return pack;
}

static const char *unpack_modules(NvdimmMedia *media, const uint8_t *from,
                                  uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, from += PACK_MODULE) {
        char name[NVDIMM_NAME_MAX + 1];
        NvdimmModule *module;

        memcpy(name, from, sizeof(name));
        if (name[0] == '\0' || !memchr(name, '\0', sizeof(name)) ||
            mmrig_nvdimm_media_find(media, name)) {
            return "a module's name";
        }
        module = mmrig_nvdimm_media_module(media, name);
        if (!module) {
            return "the number of modules";
        }
        if (!health_unpack(&module->health, from + sizeof(name))) {
            return "a module's health";
        }
    }
    return NULL;
}

static const char *unpack_units(NvdimmMedia *media, const uint8_t *from,
                                uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, from += PACK_UNIT) {
        uint32_t number = nvdimm_get(from, 4);
        uint64_t offset = nvdimm_get(from + 4, 8);
        NvdimmUnit unit = {.offset = offset & ~UINT64_C(1),
                           .known = offset & 1};
        NvdimmModule *module;

        if (number >= media->modules->len) {
            return "an error's module";
        }
        module = g_ptr_array_index(media->modules, number);
        if (unit.offset % media->unit != 0 || unit.offset > INT64_MAX ||
            (module->units->len > 0 &&
             UNIT(module, module->units->len - 1)->offset >= unit.offset)) {
            return "an error's offset";
        }
        g_array_append_val(module->units, unit);
        media->bad++;
    }
    return NULL;
}

static const char *unpack_all(NvdimmMedia *media, const uint8_t *bytes,
                              size_t size)
{
    g_autofree uint8_t *copy = NULL;
    uint32_t modules;
    uint32_t units;
    const char *why;

    if (size < PACK_HEADER || nvdimm_get(bytes, 4) != PACK_MAGIC) {
        return "the beginning";
    }
    if (nvdimm_get(bytes + 4, 4) != PACK_VERSION) {
        return "the version";
    }
    if (nvdimm_get(bytes + 8, 4) != media->unit) {
        return "the size of a unit";
    }
    modules = nvdimm_get(bytes + 12, 4);
    units = nvdimm_get(bytes + 16, 4);
    if (modules > NVDIMM_MAX || units > NVDIMM_UNITS_MAX ||
        size != PACK_HEADER + (size_t)modules * PACK_MODULE +
                    (size_t)units * PACK_UNIT) {
        return "the length";
    }
    copy = g_memdup2(bytes, size);
    nvdimm_put(copy + 20, 0, 4);
    if (nvdimm_get(bytes + 20, 4) !=
        (uint32_t)~mmrig_crc32c_update(CRC32C_INIT, copy, size)) {
        return "the checksum";
    }
    why = unpack_modules(media, bytes + PACK_HEADER, modules);
    if (!why) {
        why = unpack_units(
            media, bytes + PACK_HEADER + (size_t)modules * PACK_MODULE, units);
    }
    return why;
}

bool mmrig_nvdimm_media_unpack(NvdimmMedia *media, const uint8_t *bytes,
                               size_t size, const char **why)
{
    NvdimmMedia fresh;

    mmrig_nvdimm_media_init(&fresh, media->unit);
    *why = unpack_all(&fresh, bytes, size);
    if (*why) {
        mmrig_nvdimm_media_free(&fresh);
        return false;
    }
    /* Where the modules are in this machine stays as it is. */
    for (guint i = 0; i < media->modules->len; i++) {
        NvdimmModule *old = g_ptr_array_index(media->modules, i);
        NvdimmModule *module;

        mmrig_nvdimm_media_replay(media, old, false);
        if (!old->present) {
            continue;
        }
        module = mmrig_nvdimm_media_module(&fresh, old->name);
        if (module) {
            module->present = true;
            module->base = old->base;
            module->size = old->size;
            module->handle = old->handle;
            module->slot = old->slot;
        }
    }
    g_ptr_array_unref(media->modules);
    media->modules = fresh.modules;
    media->bad = fresh.bad;
    for (guint i = 0; i < media->modules->len; i++) {
        mmrig_nvdimm_media_replay(media, g_ptr_array_index(media->modules, i),
                                  true);
    }
    return true;
}
