/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device for the tests of common/dma.h. "run" is told "read|write ADDRESS
 * LENGTH DONE" and makes one map of it; what it writes are bytes 0x5a. What
 * became of it is in the other properties.
 */
#include "compat.h"

#include "hw/core/qdev.h"
#include "plugins/qemu-plugin.h"
#include "qapi/error.h"
#include "system/address-spaces.h"

#include "common/dma.h"

#define TYPE_DMA_PROBE "mmrig-dma-probe"
#define PROBE_EXPORT __attribute__((visibility("default")))

OBJECT_DECLARE_SIMPLE_TYPE(DmaProbe, DMA_PROBE)

struct DmaProbe {
    DeviceState parent_obj;
    uint64_t result;
    uint64_t fault;
    uint64_t bytes;
    uint64_t parts;
    uint64_t gathered;
    uint64_t sum; /* of the bytes that were read */
};

static void probe_touch(DmaProbe *s, const MmrigDmaMap *map)
{
    for (unsigned i = 0; i < map->count; i++) {
        const MmrigDmaPart *part = &map->parts[i];

        if (map->write) {
            memset(part->host, 0x5a, part->size);
            continue;
        }
        for (hwaddr k = 0; k < part->size; k++) {
            s->sum += ((const uint8_t *)part->host)[k];
        }
    }
}

static void probe_run(Object *object, const char *value, Error **errp)
{
    DmaProbe *s = DMA_PROBE(object);
    MmrigDmaMap map;
    uint64_t address;
    uint64_t length;
    uint64_t done;
    char way[8];

    if (sscanf(value, "%7s %" SCNx64 " %" SCNx64 " %" SCNx64, way, &address,
               &length, &done) != 4) {
        error_setg(errp, "'%s' is not WAY ADDRESS LENGTH DONE", value);
        return;
    }
    s->fault = s->bytes = s->parts = s->gathered = s->sum = 0;
    s->result = mmrig_dma_map(&map, &address_space_memory, address, length,
                              strcmp(way, "write") == 0, &s->fault);
    if (s->result != MMRIG_DMA_OK) {
        return;
    }
    s->bytes = map.bytes;
    s->parts = map.count;
    s->gathered = map.gathered;
    probe_touch(s, &map);
    s->result = mmrig_dma_unmap(&map, done, &s->fault);
}

static void probe_init(Object *object)
{
    DmaProbe *s = DMA_PROBE(object);

    object_property_add_str(object, "run", NULL, probe_run);
    object_property_add_uint64_ptr(object, "result", &s->result,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(object, "fault", &s->fault,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(object, "bytes", &s->bytes,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(object, "parts", &s->parts,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(object, "gathered", &s->gathered,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(object, "sum", &s->sum, OBJ_PROP_FLAG_READ);
}

static void probe_class_init(ObjectClass *klass, MMRIG_CLASS_DATA *data)
{
    DEVICE_CLASS(klass)->user_creatable = true;
}

static const TypeInfo probe_info = {
    .name = TYPE_DMA_PROBE,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(DmaProbe),
    .instance_init = probe_init,
    .class_init = probe_class_init,
};

PROBE_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

PROBE_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                     const qemu_info_t *info, int argc,
                                     char **argv)
{
    type_register_static(&probe_info);
    return 0;
}
