/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two kinds of sizes can be learned from a running QEMU without its help.
 *
 * Of object types: every class leads to its TypeImpl, which holds the sizes of
 * class and instance. TypeImpl is private, so where in it they are is found out
 * by registering two types of our own with sizes that nothing else has.
 *
 * Of structures that QEMU has an exported variable of: the size of that symbol.
 */
#include "compat.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>

#include "hw/boards.h"
#include "hw/core/cpu.h"
#include "hw/i386/x86.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-types-control.h"
#include "qom/object.h"

#include "guard.h"

/* tests/ compiles a pack that is wrong about one thing. */
#ifndef MMRIG_GUARD_LIE_SIZE
#define MMRIG_GUARD_LIE_SIZE 0
#endif
#ifndef MMRIG_GUARD_LIE_SYMBOL
#define MMRIG_GUARD_LIE_SYMBOL 0
#endif
#ifndef MMRIG_GUARD_LIE_MINOR
#define MMRIG_GUARD_LIE_MINOR 0
#endif

#define REBUILD                                                                \
    "rebuild the pack for it: cmake -D MMRIG_QEMU_SOURCE=<its source> (see"    \
    " docs/adding-a-device.md)"

typedef struct SizedType {
    const char *name;
    const char *structure;
    size_t instance;
    size_t class;
} SizedType;

static const SizedType sized_types[] = {
    {TYPE_OBJECT, "Object", sizeof(Object), sizeof(ObjectClass)},
    {TYPE_DEVICE, "DeviceState", sizeof(DeviceState), sizeof(DeviceClass)},
    {TYPE_PCI_DEVICE, "PCIDevice", sizeof(PCIDevice) + MMRIG_GUARD_LIE_SIZE,
     sizeof(PCIDeviceClass)},
    {TYPE_BUS, "BusState", sizeof(BusState), sizeof(BusClass)},
    {TYPE_MEMORY_REGION, "MemoryRegion", sizeof(MemoryRegion), 0},
    {TYPE_CPU, "CPUState", sizeof(CPUState), sizeof(CPUClass)},
    {TYPE_MACHINE, "MachineState", sizeof(MachineState), sizeof(MachineClass)},
    {TYPE_X86_MACHINE, "X86MachineState", sizeof(X86MachineState),
     sizeof(X86MachineClass)},
};

typedef struct SizedSymbol {
    const char *name;
    const char *structure;
    size_t size;
} SizedSymbol;

static const SizedSymbol sized_symbols[] = {
    {"vmstate_pci_device", "VMStateDescription",
     sizeof(VMStateDescription) + MMRIG_GUARD_LIE_SYMBOL},
    {"vmstate_info_uint32", "VMStateInfo", sizeof(VMStateInfo)},
    {"qdev_prop_uint32", "PropertyInfo", sizeof(PropertyInfo)},
    {"address_space_memory", "AddressSpace", sizeof(AddressSpace)},
};

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

static char *guard_check_version(void)
{
    VersionInfo *info = qmp_query_version(NULL);
    int64_t major = info ? info->qemu->major : 0;
    int64_t minor = info ? info->qemu->minor : 0;
    int64_t micro = info ? info->qemu->micro : 0;

    qapi_free_VersionInfo(info);
    if (major == MMRIG_QEMU_MAJOR &&
        minor == MMRIG_QEMU_MINOR + MMRIG_GUARD_LIE_MINOR) {
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
        ObjectClass *class = object_class_by_name(type->name);
        const size_t *words;

        if (!class) {
            return g_strdup_printf("this QEMU has no type %s; " REBUILD,
                                   type->name);
        }
        words = *(const size_t *const *)class;
        if (words[layout.instance] != type->instance) {
            return guard_differs(type->structure, type->instance,
                                 words[layout.instance]);
        }
        if (type->class && words[layout.class] != type->class) {
            g_autofree char *name = g_strconcat("class of ", type->name, NULL);

            return guard_differs(name, type->class, words[layout.class]);
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
        if (entry->st_size != symbol->size) {
            return guard_differs(symbol->structure, symbol->size,
                                 entry->st_size);
        }
    }
    return NULL;
}

char *mmrig_guard_check(void)
{
    char *reason = guard_check_version();

    if (!reason) {
        reason = guard_check_types();
    }
    if (!reason) {
        reason = guard_check_symbols();
    }
    return reason;
}
