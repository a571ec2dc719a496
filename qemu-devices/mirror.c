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
#include "compat.h"

#include <dlfcn.h>

#include "hw/boards.h"
#include "hw/i386/x86.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qom/object.h"
#include "system/numa.h"

#include "mirror-copies.h"
#include "mmrig-mirror-regs.h"

#define TYPE_MMRIG_MIRROR "mmrig-mirror"
OBJECT_DECLARE_SIMPLE_TYPE(MmrigMirror, MMRIG_MIRROR)

#define ROM_NAME "mmrig-mirror.rom"
#define PAGE 4096u
#define ATTRIBUTES                                                             \
    (MMRIG_MIRROR_ATTRIBUTE_MIRROR | MMRIG_MIRROR_ATTRIBUTE_SPECIFIC)

/* An entry of a table. */
typedef struct MirrorEntry {
    uint64_t base;
    uint64_t size;
    uint32_t word; /* attributes, or the node */
} MirrorEntry;

struct MmrigMirror {
    PCIDevice parent_obj;

    /* Properties, and what they say. */
    char *percent_text;
    char *mirror_text;
    char *specific_text;
    bool below_4g;
    bool debug;
    uint32_t percent;
    MirrorEntry ranges[MMRIG_MIRROR_RANGES_MAX];
    uint32_t range_count;
    MirrorEntry nodes[MMRIG_MIRROR_NODES_MAX];
    uint32_t node_count;

    MemoryRegion regs;
    MirrorCopies *copies; /* NULL: no memory errors on this machine */

    /* What the guest wrote; migrated. */
    MirrorEntry apply;
    MirrorEntry applied[MMRIG_MIRROR_APPLIED_MAX];
    uint32_t applied_count;
    uint32_t status;
    uint64_t status_detail;
    uint32_t source;
    uint32_t error;
    uint32_t error_detail;
    MirrorCopiesState errors; /* migrated as well */
};

static void G_GNUC_PRINTF(2, 3)
    mirror_debug(const MmrigMirror *s, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list values;

    if (!s->debug) {
        return;
    }
    va_start(values, format);
    text = g_strdup_vprintf(format, values);
    va_end(values);
    qemu_log("mmrig-mirror: %s\n", text);
}

static void mirror_error(MmrigMirror *s, uint32_t error, uint32_t detail)
{
    s->error = error;
    s->error_detail = detail;
    mirror_debug(s, "error 0x%02x detail 0x%x", error, detail);
}

static void mirror_reset(MmrigMirror *s)
{
    s->apply = (MirrorEntry){0};
    memset(s->applied, 0, sizeof(s->applied));
    s->applied_count = 0;
    s->status = MMRIG_MIRROR_STATUS_NONE;
    s->status_detail = 0;
    s->source = MMRIG_MIRROR_SOURCE_DEVICE;
    s->error = MMRIG_MIRROR_OK;
    s->error_detail = 0;
    s->errors = (MirrorCopiesState){0};
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

/* ---- Registers ---------------------------------------------------------- */

static uint32_t mirror_entry_word(const MirrorEntry *entry, hwaddr offset)
{
    switch (offset) {
    case MMRIG_MIRROR_ENTRY_BASE_LO:
        return entry->base;
    case MMRIG_MIRROR_ENTRY_BASE_HI:
        return entry->base >> 32;
    case MMRIG_MIRROR_ENTRY_SIZE_LO:
        return entry->size;
    case MMRIG_MIRROR_ENTRY_SIZE_HI:
        return entry->size >> 32;
    case MMRIG_MIRROR_ENTRY_ATTRIBUTES:
        return entry->word;
    default:
        return 0;
    }
}

static bool mirror_read_tables(const MmrigMirror *s, hwaddr offset,
                               uint32_t *value)
{
    const struct {
        const MirrorEntry *entries;
        hwaddr first;
        uint32_t max;
    } tables[] = {
        {s->ranges, MMRIG_MIRROR_RANGE_TABLE(0), MMRIG_MIRROR_RANGES_MAX},
        {s->nodes, MMRIG_MIRROR_NODE_TABLE(0), MMRIG_MIRROR_NODES_MAX},
        {s->applied, MMRIG_MIRROR_APPLIED_TABLE(0), MMRIG_MIRROR_APPLIED_MAX},
    };
    const uint32_t size =
        MMRIG_MIRROR_RANGE_TABLE(1) - MMRIG_MIRROR_RANGE_TABLE(0);

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        hwaddr at = offset - tables[i].first;

        if (offset < tables[i].first || at / size >= tables[i].max) {
            continue;
        }
        *value = mirror_entry_word(&tables[i].entries[at / size], at % size);
        return true;
    }
    return false;
}

static bool mirror_read_any(const MmrigMirror *s, hwaddr offset,
                            uint32_t *value)
{
    switch (offset) {
    case MMRIG_MIRROR_ID:
        *value = MMRIG_MIRROR_ID_VALUE;
        break;
    case MMRIG_MIRROR_VERSION:
        *value = MMRIG_MIRROR_VERSION_MAJOR << 16 | MMRIG_MIRROR_VERSION_MINOR;
        break;
    case MMRIG_MIRROR_FEATURES:
        *value = MMRIG_MIRROR_FEATURE_VARIABLES |
                 (s->copies ? MMRIG_MIRROR_FEATURE_COPIES : 0);
        break;
    case MMRIG_MIRROR_PERCENT:
        *value = s->percent;
        break;
    case MMRIG_MIRROR_BELOW_4G:
        *value = s->below_4g;
        break;
    case MMRIG_MIRROR_RANGE_COUNT:
        *value = s->range_count;
        break;
    case MMRIG_MIRROR_NODE_COUNT:
        *value = s->node_count;
        break;
    case MMRIG_MIRROR_APPLY_BASE_LO:
        *value = s->apply.base;
        break;
    case MMRIG_MIRROR_APPLY_BASE_HI:
        *value = s->apply.base >> 32;
        break;
    case MMRIG_MIRROR_APPLY_SIZE_LO:
        *value = s->apply.size;
        break;
    case MMRIG_MIRROR_APPLY_SIZE_HI:
        *value = s->apply.size >> 32;
        break;
    case MMRIG_MIRROR_APPLY_ATTRIBUTES:
        *value = s->apply.word;
        break;
    case MMRIG_MIRROR_APPLY:
        *value = 0;
        break;
    case MMRIG_MIRROR_APPLIED_COUNT:
        *value = s->applied_count;
        break;
    case MMRIG_MIRROR_STATUS:
        *value = s->status;
        break;
    case MMRIG_MIRROR_STATUS_DETAIL_LO:
        *value = s->status_detail;
        break;
    case MMRIG_MIRROR_STATUS_DETAIL_HI:
        *value = s->status_detail >> 32;
        break;
    case MMRIG_MIRROR_SOURCE:
        *value = s->source;
        break;
    case MMRIG_MIRROR_ERROR:
        *value = s->error;
        break;
    case MMRIG_MIRROR_ERROR_DETAIL:
        *value = s->error_detail;
        break;
    case MMRIG_MIRROR_CORRECTED:
        *value = s->errors.corrected;
        break;
    case MMRIG_MIRROR_FAILOVERS:
        *value = s->errors.failovers;
        break;
    case MMRIG_MIRROR_LAST_LO:
        *value = s->errors.last;
        break;
    case MMRIG_MIRROR_LAST_HI:
        *value = s->errors.last >> 32;
        break;
    default:
        return mirror_read_tables(s, offset, value);
    }
    return true;
}

static uint64_t mirror_read(void *opaque, hwaddr offset, unsigned size)
{
    MmrigMirror *s = opaque;
    uint32_t value = 0;

    if (size != 4 || offset % 4 != 0) {
        mirror_error(s, MMRIG_MIRROR_ERR_ACCESS, offset);
        return UINT64_MAX;
    }
    mirror_read_any(s, offset, &value);
    return value;
}

static bool mirror_range_valid(const MirrorEntry *entry)
{
    return entry->size != 0 && entry->base % PAGE == 0 &&
           entry->size % PAGE == 0 &&
           entry->base <= UINT64_MAX - (entry->size - 1);
}

static void mirror_apply(MmrigMirror *s)
{
    if (!mirror_range_valid(&s->apply) || s->apply.word == 0) {
        mirror_error(s, MMRIG_MIRROR_ERR_APPLY, s->applied_count);
        return;
    }
    if (s->applied_count == MMRIG_MIRROR_APPLIED_MAX) {
        mirror_error(s, MMRIG_MIRROR_ERR_APPLY_FULL, s->applied_count);
        return;
    }
    s->applied[s->applied_count++] = s->apply;
    mirror_debug(s, "0x%" PRIx64 " + 0x%" PRIx64 " attributes 0x%x",
                 s->apply.base, s->apply.size, s->apply.word);
}

/* Takes the value if it is at most max. */
static void mirror_take(MmrigMirror *s, uint32_t *to, uint32_t value,
                        uint32_t max)
{
    if (value > max) {
        mirror_error(s, MMRIG_MIRROR_ERR_VALUE, value);
        return;
    }
    *to = value;
}

static void mirror_write(void *opaque, hwaddr offset, uint64_t value,
                         unsigned size)
{
    MmrigMirror *s = opaque;
    uint32_t unused;

    if (size != 4 || offset % 4 != 0) {
        mirror_error(s, MMRIG_MIRROR_ERR_ACCESS, offset);
        return;
    }
    switch (offset) {
    case MMRIG_MIRROR_APPLY_BASE_LO:
        s->apply.base = deposit64(s->apply.base, 0, 32, value);
        break;
    case MMRIG_MIRROR_APPLY_BASE_HI:
        s->apply.base = deposit64(s->apply.base, 32, 32, value);
        break;
    case MMRIG_MIRROR_APPLY_SIZE_LO:
        s->apply.size = deposit64(s->apply.size, 0, 32, value);
        break;
    case MMRIG_MIRROR_APPLY_SIZE_HI:
        s->apply.size = deposit64(s->apply.size, 32, 32, value);
        break;
    case MMRIG_MIRROR_APPLY_ATTRIBUTES:
        mirror_take(s, &s->apply.word, value, ATTRIBUTES);
        break;
    case MMRIG_MIRROR_APPLY:
        mirror_apply(s);
        break;
    case MMRIG_MIRROR_STATUS:
        mirror_take(s, &s->status, value, MMRIG_MIRROR_STATUS_DEVICE);
        mirror_debug(s, "firmware's status %u detail 0x%" PRIx64, s->status,
                     s->status_detail);
        break;
    case MMRIG_MIRROR_STATUS_DETAIL_LO:
        s->status_detail = deposit64(s->status_detail, 0, 32, value);
        break;
    case MMRIG_MIRROR_STATUS_DETAIL_HI:
        s->status_detail = deposit64(s->status_detail, 32, 32, value);
        break;
    case MMRIG_MIRROR_SOURCE:
        mirror_take(s, &s->source, value, MMRIG_MIRROR_SOURCE_VARIABLE);
        break;
    case MMRIG_MIRROR_ERROR:
        s->error = MMRIG_MIRROR_OK;
        s->error_detail = 0;
        break;
    default:
        mirror_error(s,
                     mirror_read_any(s, offset, &unused)
                         ? MMRIG_MIRROR_ERR_READ_ONLY
                         : MMRIG_MIRROR_ERR_REGISTER,
                     offset);
        break;
    }
}

/* Every access reaches the handlers, so that a wrong one has its error code. */
static const MemoryRegionOps mirror_ops = {
    .read = mirror_read,
    .write = mirror_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};

/* ---- Migration ---------------------------------------------------------- */

/* The stream comes from outside: as little to be trusted as the guest. */
static int mirror_post_load(void *opaque, int version)
{
    MmrigMirror *s = opaque;
    bool good = s->applied_count <= MMRIG_MIRROR_APPLIED_MAX &&
                s->status <= MMRIG_MIRROR_STATUS_DEVICE &&
                s->source <= MMRIG_MIRROR_SOURCE_VARIABLE &&
                s->apply.word <= ATTRIBUTES;

    for (uint32_t i = 0; good && i < s->applied_count; i++) {
        good = mirror_range_valid(&s->applied[i]) && s->applied[i].word != 0 &&
               s->applied[i].word <= ATTRIBUTES;
    }
    return good ? 0 : -EINVAL;
}

static const VMStateDescription mirror_vmstate_entry = {
    .name = "mmrig-mirror/entry",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(base, MirrorEntry),
            VMSTATE_UINT64(size, MirrorEntry),
            VMSTATE_UINT32(word, MirrorEntry),
            VMSTATE_END_OF_LIST(),
        },
};

static const VMStateDescription mirror_vmstate = {
    .name = TYPE_MMRIG_MIRROR,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = mirror_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_PCI_DEVICE(parent_obj, MmrigMirror),
            VMSTATE_STRUCT(apply, MmrigMirror, 1, mirror_vmstate_entry,
                           MirrorEntry),
            VMSTATE_STRUCT_ARRAY(applied, MmrigMirror, MMRIG_MIRROR_APPLIED_MAX,
                                 1, mirror_vmstate_entry, MirrorEntry),
            VMSTATE_UINT32(applied_count, MmrigMirror),
            VMSTATE_UINT32(status, MmrigMirror),
            VMSTATE_UINT64(status_detail, MmrigMirror),
            VMSTATE_UINT32(source, MmrigMirror),
            VMSTATE_UINT32(error, MmrigMirror),
            VMSTATE_UINT32(error_detail, MmrigMirror),
            VMSTATE_UINT32(errors.corrected, MmrigMirror),
            VMSTATE_UINT32(errors.failovers, MmrigMirror),
            VMSTATE_UINT64(errors.last, MmrigMirror),
            VMSTATE_END_OF_LIST(),
        },
};

/* ---- Properties --------------------------------------------------------- */

/* "25", "12.5" or "33.33", in hundredths. */
static bool mirror_parse_percent(MmrigMirror *s, Error **errp)
{
    const char *at = s->percent_text ? s->percent_text : "0";
    uint32_t scale = 100;
    uint32_t value = 0;
    int digits = 0;

    for (; g_ascii_isdigit(*at) && digits < 3; at++, digits++) {
        value = 10 * value + (*at - '0');
    }
    value *= 100;
    if (digits > 0 && *at == '.') {
        at++;
        for (digits = 0; g_ascii_isdigit(*at) && scale > 1; at++, digits++) {
            scale /= 10;
            value += scale * (*at - '0');
        }
    }
    if (digits == 0 || *at != '\0' || value > MMRIG_MIRROR_PERCENT_MAX) {
        error_setg(errp,
                   "percent: '%s' is not from 0 to 100 with at most two digits "
                   "behind the point",
                   s->percent_text);
        return false;
    }
    s->percent = value;
    return true;
}

/* BASE+SIZE, the size with K, M or G if it is not in bytes. */
static bool mirror_parse_range(const char *text, MirrorEntry *entry)
{
    const char *end;
    uint64_t size;

    if (!g_ascii_isdigit(text[0]) ||
        qemu_strtou64(text, &end, 0, &entry->base) < 0 || *end != '+' ||
        !g_ascii_isdigit(end[1]) ||
        qemu_strtou64(end + 1, &end, 0, &size) < 0) {
        return false;
    }
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (shift) {
        end++;
    }
    entry->size = size << shift;
    return *end == '\0' && entry->size >> shift == size;
}

static bool mirror_parse_ranges(MmrigMirror *s, const char *name,
                                const char *text, uint32_t attribute,
                                Error **errp)
{
    g_auto(GStrv) words = g_strsplit(text ? text : "", ":", -1);

    for (char **word = words; *word; word++) {
        MirrorEntry entry = {.word = attribute};

        if (!mirror_parse_range(*word, &entry)) {
            error_setg(errp,
                       "%s: '%s' is not BASE+SIZE (0x100000000+256M); ranges "
                       "are parted by colons",
                       name, *word);
            return false;
        }
        if (s->range_count == MMRIG_MIRROR_RANGES_MAX) {
            error_setg(errp, "%s: more than %u ranges in all", name,
                       MMRIG_MIRROR_RANGES_MAX);
            return false;
        }
        s->ranges[s->range_count++] = entry;
    }
    return true;
}

/* ---- Where the nodes' memory lies --------------------------------------- */

static bool mirror_add_node(MmrigMirror *s, uint64_t base, uint64_t size,
                            uint32_t node, Error **errp)
{
    if (size == 0) {
        return true;
    }
    if (s->node_count == MMRIG_MIRROR_NODES_MAX) {
        error_setg(errp, "the machine has more than %u pieces of memory",
                   MMRIG_MIRROR_NODES_MAX);
        return false;
    }
    s->nodes[s->node_count++] = (MirrorEntry){base, size, node};
    return true;
}

/* A node's memory, from offset on in all of it, which has a hole below 4G. */
static bool mirror_place_node(MmrigMirror *s, X86MachineState *x86,
                              uint64_t offset, uint64_t size, uint32_t node,
                              Error **errp)
{
    uint64_t below = x86->below_4g_mem_size;
    uint64_t low = offset < below ? MIN(size, below - offset) : 0;

    return mirror_add_node(s, offset, low, node, errp) &&
           mirror_add_node(s, x86->above_4g_mem_start + (offset + low - below),
                           size - low, node, errp);
}

static bool mirror_place_nodes(MmrigMirror *s, Error **errp)
{
    Object *object = qdev_get_machine();
    MachineState *machine = MACHINE(object);
    NumaState *numa = machine->numa_state;
    X86MachineState *x86;
    uint64_t offset = 0;

    if (!object_dynamic_cast(object, TYPE_X86_MACHINE)) {
        error_setg(errp, "mmrig-mirror is for x86 machines");
        return false;
    }
    x86 = X86_MACHINE(object);
    if (!numa || numa->num_nodes == 0) {
        return mirror_place_node(s, x86, 0, machine->ram_size, 0, errp);
    }
    for (int i = 0; i < numa->num_nodes; i++) {
        if (!mirror_place_node(s, x86, offset, numa->nodes[i].node_mem, i,
                               errp)) {
            return false;
        }
        offset += numa->nodes[i].node_mem;
    }
    return true;
}

/* ---- The device --------------------------------------------------------- */

static void mirror_realize(PCIDevice *pci, Error **errp)
{
    MmrigMirror *s = MMRIG_MIRROR(pci);

    s->range_count = 0;
    s->node_count = 0;
    if (!mirror_parse_percent(s, errp) ||
        !mirror_parse_ranges(s, "mirror", s->mirror_text,
                             MMRIG_MIRROR_ATTRIBUTE_MIRROR, errp) ||
        !mirror_parse_ranges(s, "specific", s->specific_text,
                             MMRIG_MIRROR_ATTRIBUTE_SPECIFIC, errp) ||
        !mirror_place_nodes(s, errp)) {
        return;
    }
    memory_region_init_io(&s->regs, OBJECT(s), &mirror_ops, s,
                          "mmrig-mirror-regs", MMRIG_MIRROR_REGS_SIZE);
    pci_register_bar(pci, MMRIG_MIRROR_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
    s->copies = mirror_copies_new("mirror", mirror_holds, s, &s->errors);
    mirror_reset(s);
}

static void mirror_exit(PCIDevice *pci)
{
    MmrigMirror *s = MMRIG_MIRROR(pci);

    mirror_copies_free(s->copies);
    s->copies = NULL;
}

/* BASE+SIZE: the second copy of it goes bad. */
static void mirror_spoil(Object *object, const char *value, Error **errp)
{
    MmrigMirror *s = MMRIG_MIRROR(object);
    MirrorEntry entry;

    if (!mirror_parse_range(value, &entry)) {
        error_setg(errp, "'%s' is not BASE+SIZE", value);
        return;
    }
    mirror_copies_spoil(s->copies, entry.base, entry.size, errp);
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
 * The ROM lies beside the pack. In a QEMU tree there is no pack, and QEMU
 * searches its own folders for the bare name.
 */
static const char *mirror_rom(void)
{
#ifdef MMRIG_PACK
    Dl_info info;

    if (dladdr(mirror_rom, &info) && info.dli_fname) {
        g_autofree char *folder = g_path_get_dirname(info.dli_fname);

        /* As long as the class, which is as long as QEMU. */
        return g_build_filename(folder, ROM_NAME, NULL);
    }
#endif
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
    device->vmsd = &mirror_vmstate;
    /* Where memory lies was fixed when the machine was made. */
    device->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, device->categories);
    device_class_set_props(device, mirror_properties);
    reset->phases.hold = mirror_reset_hold;
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
