/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UEFI driver in mmrig-mirror's option ROM: UEFI calls around mirror.c.
 *
 * Firmware runs it once, when it finds the device (UEFI 2.10, 14.4.2). It reads from the
 * device's registers what is asked for, from the variable MirrorRequest what the operating
 * system wants instead, and sets the capabilities of memory space accordingly (PI 1.7, volume
 * 2, 7.2.4), which GetMemoryMap reports as attributes. What it did goes to the device and to
 * MirrorCurrent. It stays out of the way otherwise: whatever it cannot do, the machine boots.
 */
#include <efi.h>

#include "dxe.h"
#include "mirror.h"

#define CHANGES_MAX 256

static const EFI_GUID pci_io_guid = EFI_PCI_IO_PROTOCOL_GUID;
static const EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static const EFI_GUID dxe_services_guid = DXE_SERVICES_TABLE_GUID;
/* Address range mirroring (Intel, "Address Range Partial Memory Mirroring", 2016). */
static const EFI_GUID variables_guid = {
    0x7b9be2e0, 0xe28a, 0x4197, {0xad, 0x3e, 0x32, 0xf0, 0x62, 0xf9, 0x46, 0x2c}};

#define VARIABLE_ATTRIBUTES                                                                    \
    (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)

struct driver {
    EFI_BOOT_SERVICES *boot;
    EFI_RUNTIME_SERVICES *runtime;
    struct dxe_services *dxe;
    EFI_PCI_IO_PROTOCOL *pci;
    bool broken; /* a register could not be read or written */
    struct mirror_request request;
};

/* The compiler may call these for copies of structures, and nobody else here has them. */
void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);

void *memset(void *to, int value, size_t size)
{
    volatile unsigned char *at = to;

    while (size--)
        *at++ = (unsigned char)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
    volatile unsigned char *at = to;
    const unsigned char *source = from;

    while (size--)
        *at++ = *source++;
    return to;
}

/* ---- The device's registers ---------------------------------------------------------------
 */

static uint32_t get(struct driver *driver, uint32_t reg)
{
    uint32_t value = 0;

    if (EFI_ERROR(driver->pci->Mem.Read(driver->pci, EfiPciIoWidthUint32, MMRIG_MIRROR_BAR_REGS,
                                        reg, 1, &value)))
        driver->broken = true;
    return value;
}

static uint64_t get64(struct driver *driver, uint32_t reg)
{
    return get(driver, reg) | (uint64_t)get(driver, reg + 4) << 32;
}

static void set(struct driver *driver, uint32_t reg, uint32_t value)
{
    if (EFI_ERROR(driver->pci->Mem.Write(driver->pci, EfiPciIoWidthUint32,
                                         MMRIG_MIRROR_BAR_REGS, reg, 1, &value)))
        driver->broken = true;
}

static void set64(struct driver *driver, uint32_t reg, uint64_t value)
{
    set(driver, reg, (uint32_t)value);
    set(driver, reg + 4, (uint32_t)(value >> 32));
}

static bool read_request(struct driver *driver)
{
    struct mirror_request *request = &driver->request;

    if (get(driver, MMRIG_MIRROR_ID) != MMRIG_MIRROR_ID_VALUE ||
        get(driver, MMRIG_MIRROR_VERSION) >> 16 != MMRIG_MIRROR_VERSION_MAJOR)
        return false;
    request->percent = get(driver, MMRIG_MIRROR_PERCENT);
    request->below_4g = get(driver, MMRIG_MIRROR_BELOW_4G) != 0;
    request->range_count = get(driver, MMRIG_MIRROR_RANGE_COUNT);
    request->node_count = get(driver, MMRIG_MIRROR_NODE_COUNT);
    if (request->range_count > MMRIG_MIRROR_RANGES_MAX ||
        request->node_count > MMRIG_MIRROR_NODES_MAX)
        return false;
    for (uint32_t i = 0; i < request->range_count; i++) {
        uint32_t entry = MMRIG_MIRROR_RANGE_TABLE(i);
        request->ranges[i].base = get64(driver, entry + MMRIG_MIRROR_ENTRY_BASE_LO);
        request->ranges[i].size = get64(driver, entry + MMRIG_MIRROR_ENTRY_SIZE_LO);
        request->ranges[i].attributes = get(driver, entry + MMRIG_MIRROR_ENTRY_ATTRIBUTES);
    }
    for (uint32_t i = 0; i < request->node_count; i++) {
        uint32_t entry = MMRIG_MIRROR_NODE_TABLE(i);
        request->nodes[i].base = get64(driver, entry + MMRIG_MIRROR_ENTRY_BASE_LO);
        request->nodes[i].size = get64(driver, entry + MMRIG_MIRROR_ENTRY_SIZE_LO);
        request->nodes[i].node = get(driver, entry + MMRIG_MIRROR_ENTRY_NODE);
    }
    return !driver->broken;
}

static void report_status(struct driver *driver, uint32_t status, uint64_t detail)
{
    set64(driver, MMRIG_MIRROR_STATUS_DETAIL_LO, detail);
    set(driver, MMRIG_MIRROR_STATUS, status);
}

/* Tells the device of changes, those that lie side by side as one. */
static void report_changes(struct driver *driver, const struct mirror_change *changes,
                           size_t count)
{
    for (size_t i = 0; i < count;) {
        uint64_t base = changes[i].base, end = base;
        uint32_t attributes = changes[i].attributes;

        for (; i < count && changes[i].base == end && changes[i].attributes == attributes; i++)
            end += changes[i].size;
        if (attributes == 0)
            continue;
        set64(driver, MMRIG_MIRROR_APPLY_BASE_LO, base);
        set64(driver, MMRIG_MIRROR_APPLY_SIZE_LO, end - base);
        set(driver, MMRIG_MIRROR_APPLY_ATTRIBUTES, attributes);
        set(driver, MMRIG_MIRROR_APPLY, 1);
    }
}

/* ---- The variables ------------------------------------------------------------------------
 */

/* What the operating system asked for, if it did. A variable of another size is not ours. */
static bool read_variable(struct driver *driver, struct mirror_variable *variable)
{
    uint8_t bytes[MIRROR_VARIABLE_SIZE];
    UINTN size = sizeof(bytes);
    EFI_STATUS status = driver->runtime->GetVariable(
        (CHAR16 *)L"MirrorRequest", (EFI_GUID *)&variables_guid, NULL, &size, bytes);

    return !EFI_ERROR(status) && mirror_variable_read(bytes, size, variable);
}

/* A variable that already says this is left alone: flash wears. */
static void write_variable(struct driver *driver, const CHAR16 *name,
                           const struct mirror_variable *variable)
{
    uint8_t bytes[MIRROR_VARIABLE_SIZE], there[MIRROR_VARIABLE_SIZE];
    UINTN size = sizeof(there);
    EFI_STATUS status;
    bool same;

    mirror_variable_write(variable, bytes);
    status = driver->runtime->GetVariable((CHAR16 *)name, (EFI_GUID *)&variables_guid, NULL,
                                          &size, there);
    same = !EFI_ERROR(status) && size == sizeof(there);
    for (size_t i = 0; same && i < sizeof(there); i++)
        same = there[i] == bytes[i];
    if (!same)
        driver->runtime->SetVariable((CHAR16 *)name, (EFI_GUID *)&variables_guid,
                                     VARIABLE_ATTRIBUTES, sizeof(bytes), bytes);
}

/* ---- The memory map -----------------------------------------------------------------------
 */

/* The firmware's memory space, as mirror.c wants it. Free with FreePool. */
static EFI_STATUS read_map(struct driver *driver, struct mirror_descriptor **map, size_t *count)
{
    struct dxe_memory_space_descriptor *space = NULL;
    UINTN spaces = 0;
    EFI_STATUS status = driver->dxe->GetMemorySpaceMap(&spaces, &space);

    if (EFI_ERROR(status))
        return status;
    status =
        driver->boot->AllocatePool(EfiBootServicesData, spaces * sizeof(**map), (VOID **)map);
    if (!EFI_ERROR(status)) {
        for (UINTN i = 0; i < spaces; i++) {
            (*map)[i].base = space[i].BaseAddress;
            (*map)[i].size = space[i].Length;
            (*map)[i].capabilities = space[i].Capabilities;
            (*map)[i].attributes = space[i].Attributes;
            (*map)[i].memory = space[i].GcdMemoryType == DXE_MEMORY_SYSTEM ||
                               space[i].GcdMemoryType == DXE_MEMORY_MORE_RELIABLE;
        }
        *count = spaces;
    }
    driver->boot->FreePool(space);
    return status;
}

/* Changes the map and returns how it went, as a MMRIG_MIRROR_STATUS_*. */
static uint32_t change_map(struct driver *driver, uint64_t *detail)
{
    struct mirror_descriptor *map = NULL;
    struct mirror_change *changes = NULL;
    struct mirror_plan plan;
    size_t count = 0, done = 0;
    EFI_STATUS status;

    status = read_map(driver, &map, &count);
    if (!EFI_ERROR(status))
        status = driver->boot->AllocatePool(EfiBootServicesData, CHANGES_MAX * sizeof(*changes),
                                            (VOID **)&changes);
    if (!EFI_ERROR(status)) {
        mirror_plan(map, count, &driver->request, changes, CHANGES_MAX, &plan);
        while (done < plan.count && !EFI_ERROR(status)) {
            status = driver->dxe->SetMemorySpaceCapabilities(
                changes[done].base, changes[done].size, changes[done].capabilities);
            if (!EFI_ERROR(status))
                done++;
        }
        /* The device is to know what is in force, also if that is not all. */
        report_changes(driver, changes, done);
    }
    if (changes)
        driver->boot->FreePool(changes);
    if (map)
        driver->boot->FreePool(map);
    if (EFI_ERROR(status)) {
        *detail = status;
        return MMRIG_MIRROR_STATUS_FIRMWARE;
    }
    *detail = plan.detail;
    return plan.status;
}

/* Sees to a request of the operating system's, the map, and what is told of both. */
static void mirror(struct driver *driver)
{
    struct mirror_variable asked = {.version = MIRROR_VARIABLE_VERSION}, current;
    bool variable = read_variable(driver, &asked);
    enum mirror_variable_status answer = MIRROR_VARIABLE_OK;
    uint64_t detail;
    uint32_t status;

    if (variable)
        answer = mirror_request_override(&driver->request, &asked);
    set(driver, MMRIG_MIRROR_SOURCE,
        variable && answer == MIRROR_VARIABLE_OK ? MMRIG_MIRROR_SOURCE_VARIABLE
                                                 : MMRIG_MIRROR_SOURCE_DEVICE);
    status = change_map(driver, &detail);
    if (answer == MIRROR_VARIABLE_OK && status != MMRIG_MIRROR_STATUS_DONE)
        answer = MIRROR_VARIABLE_OTHER;

    /* With a status MirrorCurrent holds what could not be had, as efibootmgr reads it. */
    current.version = MIRROR_VARIABLE_VERSION;
    current.below_4g = driver->request.below_4g;
    current.percent = (uint16_t)driver->request.percent;
    current.status = (uint8_t)answer;
    if (variable && answer != MIRROR_VARIABLE_OK) {
        current.below_4g = asked.below_4g;
        current.percent = asked.percent;
    }
    write_variable(driver, (const CHAR16 *)L"MirrorCurrent", &current);
    if (variable) {
        asked.status = (uint8_t)answer;
        write_variable(driver, (const CHAR16 *)L"MirrorRequest", &asked);
    }
    report_status(driver, status, detail);
}

/* ---- Start --------------------------------------------------------------------------------
 */

static bool same_guid(const EFI_GUID *a, const EFI_GUID *b)
{
    const unsigned char *one = (const unsigned char *)a, *other = (const unsigned char *)b;

    for (size_t i = 0; i < sizeof(*a); i++)
        if (one[i] != other[i])
            return false;
    return true;
}

static struct dxe_services *find_dxe(const EFI_SYSTEM_TABLE *system)
{
    for (UINTN i = 0; i < system->NumberOfTableEntries; i++)
        if (same_guid(&system->ConfigurationTable[i].VendorGuid, &dxe_services_guid))
            return system->ConfigurationTable[i].VendorTable;
    return NULL;
}

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
    static struct driver driver; /* a page of stack is not to be taken for granted */
    EFI_LOADED_IMAGE_PROTOCOL *loaded;
    UINT64 decoding = EFI_PCI_IO_ATTRIBUTE_MEMORY, before = 0;
    EFI_STATUS status;

    driver.boot = system->BootServices;
    driver.runtime = system->RuntimeServices;
    driver.dxe = find_dxe(system);
    if (!driver.dxe)
        return EFI_UNSUPPORTED;
    /* The image was loaded from the device's ROM, so that is where it came from. */
    status =
        driver.boot->HandleProtocol(image, (EFI_GUID *)&loaded_image_guid, (VOID **)&loaded);
    if (EFI_ERROR(status))
        return status;
    status = driver.boot->HandleProtocol(loaded->DeviceHandle, (EFI_GUID *)&pci_io_guid,
                                         (VOID **)&driver.pci);
    if (EFI_ERROR(status))
        return status;
    status = driver.pci->Attributes(driver.pci, EfiPciIoAttributeOperationGet, 0, &before);
    if (!EFI_ERROR(status))
        status = driver.pci->Attributes(driver.pci, EfiPciIoAttributeOperationEnable, decoding,
                                        NULL);
    if (EFI_ERROR(status))
        return status;
    if (read_request(&driver))
        mirror(&driver);
    else
        report_status(&driver, MMRIG_MIRROR_STATUS_DEVICE, 0);
    driver.pci->Attributes(driver.pci, EfiPciIoAttributeOperationSet, before, NULL);
    return EFI_SUCCESS;
}
