/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes can be learned from a running QEMU without its help.
 *
 * Of object types: every class leads to its TypeImpl, which holds the sizes of
 * class and instance. TypeImpl is private, so where in it they are is found out
 * by registering two types of our own with sizes that nothing else has.
 *
 * Of structures that QEMU has an exported variable of: the size of that symbol.
 *
 * Of some others, by what QEMU's functions make of them (guard-probe.c).
 */
#include "compat.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>

#include "hw/core/boards.h"
#include "hw/core/cpu.h"
#include "hw/i386/x86.h"
#include "hw/pci/pci_bridge.h"
#include "hw/cxl/cxl.h"
#include "hw/cxl/cxl_device.h"
#include "hw/pci/pci_device.h"
#include "hw/core/qdev.h"
#include "hw/core/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-types-control.h"
#include "qom/object.h"
#include "system/hostmem.h"
#include "system/memory.h"

#include "guard-probe.h"
#include "guard.h"

#define REBUILD                                                                \
    "rebuild the pack for it: cmake -D MMRIG_QEMU_SOURCE=<its source> (see"    \
    " docs/adding-a-device.md)"

typedef struct SizedType {
    const char *type;
    const char *structure;
    size_t size;
    bool class;
} SizedType;

#define INSTANCE(type, structure)                                              \
    {                                                                          \
        type, #structure, sizeof(structure), false                             \
    }
#define CLASS(type, structure)                                                 \
    {                                                                          \
        type, #structure, sizeof(structure), true                              \
    }

static const SizedType sized_types[] = {
    INSTANCE(TYPE_OBJECT, Object),
    CLASS(TYPE_OBJECT, ObjectClass),
    INSTANCE(TYPE_DEVICE, DeviceState),
    CLASS(TYPE_DEVICE, DeviceClass),
    INSTANCE(TYPE_PCI_DEVICE, PCIDevice),
    CLASS(TYPE_PCI_DEVICE, PCIDeviceClass),
    INSTANCE(TYPE_BUS, BusState),
    CLASS(TYPE_BUS, BusClass),
    CLASS(TYPE_RESETTABLE_INTERFACE, ResettableClass),
    INSTANCE(TYPE_MEMORY_REGION, MemoryRegion),
    INSTANCE(TYPE_IOMMU_MEMORY_REGION, IOMMUMemoryRegion),
    CLASS(TYPE_IOMMU_MEMORY_REGION, IOMMUMemoryRegionClass),
    INSTANCE(TYPE_MEMORY_BACKEND, HostMemoryBackend),
    CLASS(TYPE_MEMORY_BACKEND, HostMemoryBackendClass),
    INSTANCE(TYPE_CPU, CPUState),
    CLASS(TYPE_CPU, CPUClass),
    INSTANCE(TYPE_MACHINE, MachineState),
    CLASS(TYPE_MACHINE, MachineClass),
    INSTANCE(TYPE_X86_MACHINE, X86MachineState),
    CLASS(TYPE_X86_MACHINE, X86MachineClass),
    INSTANCE(TYPE_CXL_TYPE3, CXLType3Dev),
    INSTANCE(TYPE_PXB_CXL_DEV, PXBCXLDev),
#ifdef TYPE_CXL_FMW
    INSTANCE(TYPE_CXL_FMW, CXLFixedWindow),
#endif
};

typedef struct SizedSymbol {
    const char *name;
    const char *structure;
    size_t size;
} SizedSymbol;

static const SizedSymbol sized_symbols[] = {
    {"vmstate_pci_device", "VMStateDescription", sizeof(VMStateDescription)},
    {"vmstate_info_uint32", "VMStateInfo", sizeof(VMStateInfo)},
    {"qdev_prop_uint32", "PropertyInfo", sizeof(PropertyInfo)},
    {"address_space_memory", "AddressSpace", sizeof(AddressSpace)},
    {"unassigned_mem_ops", "MemoryRegionOps", sizeof(MemoryRegionOps)},
};

/* The pack of the guard's test is wrong about the row that it is told, or else
 * about PCIDevice. */
#ifdef MMRIG_GUARD_LIES
static void guard_list_rows(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(sized_types); i++) {
        fprintf(stderr, "%s\n", sized_types[i].structure);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sized_symbols); i++) {
        fprintf(stderr, "%s\n", sized_symbols[i].structure);
    }
    for (size_t i = 0; mmrig_guard_probes[i].structure; i++) {
        fprintf(stderr, "%s\n", mmrig_guard_probes[i].structure);
    }
    exit(0);
}

static size_t guard_lie(const char *row)
{
    const char *lie = g_getenv("MMRIG_GUARD_LIE");

    return strcmp(lie ? lie : "PCIDevice", row) == 0 ? 8 : 0;
}
#else
#define guard_list_rows() ((void)0)
#define guard_lie(row) 0
#endif

/* Words of TypeImpl that are searched: its sizes come first. */
#define TYPE_WORDS 8

typedef struct Layout {
    size_t instance; /* index of a word */
    size_t class;
} Layout;

static bool guard_learn_layout(Layout *layout)
{
    static const TypeInfo probes[] = {
        {.name = "mmrig-guard-1",
         .parent = TYPE_OBJECT,
         .instance_size = sizeof(Object) + 0x5a30,
         .class_size = sizeof(ObjectClass) + 0x3c70},
        {.name = "mmrig-guard-2",
         .parent = TYPE_OBJECT,
         .instance_size = sizeof(Object) + 0x71d0,
         .class_size = sizeof(ObjectClass) + 0x4e90},
    };
    const size_t *words[ARRAY_SIZE(probes)];
    bool found_instance = false;
    bool found_class = false;

    for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
        ObjectClass *class;

        type_register_static(&probes[i]);
        class = object_class_by_name(probes[i].name);
        if (!class ||
            strcmp(object_class_get_name(class), probes[i].name) != 0) {
            return false;
        }
        /* ObjectClass has begun with its type since there is QOM. */
        words[i] = *(const size_t *const *)class;
        if (!words[i] || malloc_usable_size((void *)words[i]) <
                             TYPE_WORDS * sizeof(size_t)) {
            return false;
        }
    }
    for (size_t word = 0; word < TYPE_WORDS; word++) {
        bool instance = true;
        bool class = true;

        for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
            instance &= words[i][word] == probes[i].instance_size;
            class &= words[i][word] == probes[i].class_size;
        }
        if (instance) {
            layout->instance = word;
            found_instance = true;
        }
        if (class) {
            layout->class = word;
            found_class = true;
        }
    }
    return found_instance && found_class;
}

static char *guard_differs(const char *structure, size_t here, size_t there)
{
    return g_strdup_printf("%s has %zu bytes in this QEMU, and %zu in the"
                           " headers of QEMU %s that the pack was built with;"
                           " " REBUILD,
                           structure, there, here, MMRIG_QEMU_VERSION);
}

char *mmrig_guard_check_version(void)
{
    VersionInfo *info = qmp_query_version(NULL);
    int64_t major = info ? info->qemu->major : 0;
    int64_t minor = info ? info->qemu->minor : 0;
    int64_t micro = info ? info->qemu->micro : 0;

    qapi_free_VersionInfo(info);
    if (major == MMRIG_QEMU_MAJOR && minor == MMRIG_QEMU_MINOR &&
        !guard_lie("version")) {
        return NULL;
    }
    return g_strdup_printf("this is QEMU %" PRId64 ".%" PRId64 ".%" PRId64
                           ", and the pack was built with the headers of"
                           " QEMU %s; " REBUILD,
                           major, minor, micro, MMRIG_QEMU_VERSION);
}

static char *guard_check_types(void)
{
    Layout layout = {0};

    if (!guard_learn_layout(&layout)) {
        return g_strdup("the sizes of this QEMU's types cannot be read, so"
                        " whether the pack fits is unknown; " REBUILD);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sized_types); i++) {
        const SizedType *type = &sized_types[i];
        ObjectClass *class = object_class_by_name(type->type);
        size_t here = type->size - guard_lie(type->structure);
        size_t there;

        if (!class) {
            return g_strdup_printf("this QEMU has no type %s; " REBUILD,
                                   type->type);
        }
        there = (*(const size_t *const
                       *)class)[type->class ? layout.class : layout.instance];
        if (there != here) {
            return guard_differs(type->structure, here, there);
        }
    }
    return NULL;
}

static char *guard_check_symbols(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(sized_symbols); i++) {
        const SizedSymbol *symbol = &sized_symbols[i];
        void *address = dlsym(RTLD_DEFAULT, symbol->name);
        const ElfW(Sym) *entry = NULL;
        Dl_info info;

        if (!address ||
            !dladdr1(address, &info, (void **)&entry, RTLD_DL_SYMENT) ||
            !entry) {
            return g_strdup_printf("this QEMU has no %s; " REBUILD,
                                   symbol->name);
        }
        if (entry->st_size != symbol->size - guard_lie(symbol->structure)) {
            return guard_differs(symbol->structure,
                                 symbol->size - guard_lie(symbol->structure),
                                 entry->st_size);
        }
    }
    return NULL;
}

static char *guard_check_probes(void)
{
    for (size_t i = 0; mmrig_guard_probes[i].structure; i++) {
        const MmrigGuardProbe *probe = &mmrig_guard_probes[i];
        size_t here = probe->size - guard_lie(probe->structure);

        if (!probe->fits(here)) {
            return g_strdup_printf("%s is not in this QEMU what it is in the"
                                   " headers of QEMU %s that the pack was"
                                   " built with (%zu bytes); " REBUILD,
                                   probe->structure, MMRIG_QEMU_VERSION, here);
        }
    }
    return NULL;
}

char *mmrig_guard_check(void)
{
    char *reason;

    if (guard_lie("list")) {
        guard_list_rows();
    }
    reason = mmrig_guard_check_version();
    if (!reason) {
        reason = guard_check_types();
    }
    if (!reason) {
        reason = guard_check_symbols();
    }
    if (!reason) {
        reason = guard_check_probes();
    }
    return reason;
}
