/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-mirror: a PCI device whose option ROM has the firmware call memory
 * mirrored, or set aside for a specific purpose. The registers are in
 * abi/mmrig-mirror-regs.h, the behaviour in docs/devices/mirror.md.
 *
 * Theory of operation. The properties become tables that the UEFI driver in the
 * ROM reads, beside where each NUMA node's memory lies. What the driver did it
 * writes back. The device does not judge the request: whether ranges overlap or
 * are memory is for the firmware to say, as it is on a server.
 */
#include "mirror.h"

#include <dlfcn.h>

#include "hw/core/qdev-properties.h"
#include "qapi/error.h"
#include "qemu/module.h"

#include "common/device.h"

#define ROM_NAME "mmrig-mirror.rom"

void mmrig_mirror_debug(const MmrigMirror *s, const char *format, ...)
{
    va_list values;

    if (!s->debug) {
        return;
    }
    va_start(values, format);
    mmrig_device_log(DEVICE(s), format, values);
    va_end(values);
}

void mmrig_mirror_error(MmrigMirror *s, uint32_t error, uint32_t detail)
{
    s->error = error;
    s->error_detail = detail;
    mmrig_mirror_debug(s, "error 0x%02x detail 0x%x", error, detail);
}

static void mirror_reset(MmrigMirror *s)
{
    mmrig_registers_reset(&mmrig_mirror_registers, s);
    memset(s->applied, 0, sizeof(s->applied));
}

/* Whether the firmware has called it mirrored. */
static bool mirror_holds(void *opaque, hwaddr gpa)
{
    const MmrigMirror *s = opaque;

    for (uint32_t i = 0; i < s->applied_count; i++) {
        const MirrorEntry *entry = &s->applied[i];

        if (entry->word & MMRIG_MIRROR_ATTRIBUTE_MIRROR && gpa >= entry->base &&
            gpa - entry->base < entry->size) {
            return true;
        }
    }
    return false;
}

static void mirror_realize(PCIDevice *pci, Error **errp)
{
    MmrigMirror *s = MMRIG_MIRROR(pci);

    if (!mmrig_mirror_parse_properties(s, errp) ||
        !mmrig_mirror_place_nodes(s, errp)) {
        return;
    }
    memory_region_init_io(&s->regs, OBJECT(s), &mmrig_mirror_ops, s,
                          "mmrig-mirror-regs", MMRIG_MIRROR_REGS_SIZE);
    pci_register_bar(pci, MMRIG_MIRROR_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
    s->copies = mmrig_mirror_copies_new("mirror", mirror_holds, s, &s->errors);
    mirror_reset(s);
}

static void mirror_exit(PCIDevice *pci)
{
    MmrigMirror *s = MMRIG_MIRROR(pci);

    mmrig_mirror_copies_free(s->copies);
    s->copies = NULL;
}

/* BASE+SIZE: the second copy of it goes bad. */
static void mirror_spoil(Object *object, const char *value, Error **errp)
{
    MmrigMirror *s = MMRIG_MIRROR(object);
    MirrorEntry entry;

    if (!mmrig_mirror_parse_range(value, &entry)) {
        error_setg(errp, "'%s' is not BASE+SIZE", value);
        return;
    }
    mmrig_mirror_copies_spoil(s->copies, entry.base, entry.size, errp);
}

static void mirror_reset_hold(Object *object, ResetType type)
{
    mirror_reset(MMRIG_MIRROR(object));
}

static const Property mirror_properties[] = {
    DEFINE_PROP_STRING("percent", MmrigMirror, percent_text),
    DEFINE_PROP_BOOL("below-4g", MmrigMirror, below_4g, false),
    DEFINE_PROP_STRING("mirror", MmrigMirror, mirror_text),
    DEFINE_PROP_STRING("specific", MmrigMirror, specific_text),
    DEFINE_PROP_BOOL("debug", MmrigMirror, debug, false),
};

/* What `mmrig devices` says of each property. */
static const struct {
    const char *name;
    const char *text;
} mirror_help[] = {
    {"percent", "share of each node's memory from 4 GiB on (default 0)"},
    {"below-4g", "mirror all memory below 4 GiB as well"},
    {"mirror", "ranges to mirror instead, BASE+SIZE:..."},
    {"specific", "ranges for a specific purpose, BASE+SIZE:..."},
    {"debug", "tell in QEMU's log what it does"},
    {"status", "read only: what the firmware said of the request"},
    {"status-detail", "read only: the address that this is about"},
    {"corrected", "read only: errors that the second copy made good"},
    {"failovers", "read only: how often both copies were bad"},
    {"spoil", "write only: BASE+SIZE whose second copy goes bad"},
};

static void mirror_instance_init(Object *object)
{
    MmrigMirror *s = MMRIG_MIRROR(object);

    object_property_add_uint32_ptr(object, "status", &s->status,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(object, "status-detail", &s->status_detail,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint32_ptr(object, "corrected", &s->errors.corrected,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint32_ptr(object, "failovers", &s->errors.failovers,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_str(object, "spoil", NULL, mirror_spoil);
    for (size_t i = 0; i < ARRAY_SIZE(mirror_help); i++) {
        object_property_set_description(object, mirror_help[i].name,
                                        mirror_help[i].text);
    }
}

/*
 * The ROM lies beside the pack. If it is not known where that is, QEMU searches
 * its own folders for the bare name.
 */
static const char *mirror_rom(void)
{
    Dl_info info;

    if (dladdr(mirror_rom, &info) && info.dli_fname) {
        g_autofree char *folder = g_path_get_dirname(info.dli_fname);

        /* As long as the class, which is as long as QEMU. */
        return g_build_filename(folder, ROM_NAME, NULL);
    }
    return ROM_NAME;
}

static void mirror_class_init(ObjectClass *klass, MMRIG_CLASS_DATA *data)
{
    DeviceClass *device = DEVICE_CLASS(klass);
    PCIDeviceClass *pci = PCI_DEVICE_CLASS(klass);
    ResettableClass *reset = RESETTABLE_CLASS(klass);

    pci->realize = mirror_realize;
    pci->exit = mirror_exit;
    pci->romfile = mirror_rom();
    pci->vendor_id = MMRIG_MIRROR_PCI_VENDOR;
    pci->device_id = MMRIG_MIRROR_PCI_DEVICE;
    pci->revision = MMRIG_MIRROR_PCI_REVISION;
    pci->class_id = MMRIG_MIRROR_PCI_CLASS;
    device->desc = "firmware that calls memory mirrored (mmrig)";
    device->vmsd = &mmrig_mirror_vmstate;
    /* Where memory lies was fixed when the machine was made. */
    device->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, device->categories);
    device_class_set_props(device, mirror_properties);
    reset->phases.hold = mirror_reset_hold;
    mmrig_registers_describe(klass, &mmrig_mirror_registers);
}

static const TypeInfo mirror_info = {
    .name = TYPE_MMRIG_MIRROR,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(MmrigMirror),
    .instance_init = mirror_instance_init,
    .class_init = mirror_class_init,
    .interfaces =
        (MMRIG_INTERFACE_INFO[]){
            {INTERFACE_CONVENTIONAL_PCI_DEVICE},
            {},
        },
};

MMRIG_DEVICE(mirror, mirror_info);
