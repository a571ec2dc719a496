/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the DXE services table (PI 1.7, volume 2, 7) that the driver uses; gnu-efi's
 * headers stop at UEFI. Services that are not called have a place only.
 */
#ifndef MMRIG_FIRMWARE_DXE_H
#define MMRIG_FIRMWARE_DXE_H

#include <efi.h>

#define DXE_SERVICES_TABLE_GUID                                                                \
    {                                                                                          \
        0x05ad34ba, 0x6f02, 0x4214,                                                            \
        {                                                                                      \
            0x95, 0x2e, 0x4d, 0xa0, 0x39, 0x8e, 0x2b, 0xb9                                     \
        }                                                                                      \
    }

/* EFI_GCD_MEMORY_TYPE. */
#define DXE_MEMORY_SYSTEM        2
#define DXE_MEMORY_MORE_RELIABLE 5

struct dxe_memory_space_descriptor {
    EFI_PHYSICAL_ADDRESS BaseAddress;
    UINT64 Length;
    UINT64 Capabilities;
    UINT64 Attributes;
    UINT32 GcdMemoryType;
    EFI_HANDLE ImageHandle;
    EFI_HANDLE DeviceHandle;
};

struct dxe_services {
    EFI_TABLE_HEADER Hdr;
    VOID *AddMemorySpace;
    VOID *AllocateMemorySpace;
    VOID *FreeMemorySpace;
    VOID *RemoveMemorySpace;
    VOID *GetMemorySpaceDescriptor;
    VOID *SetMemorySpaceAttributes;
    /* The map is the caller's, to be freed with FreePool. */
    EFI_STATUS(EFIAPI *GetMemorySpaceMap)
    (UINTN *count, struct dxe_memory_space_descriptor **map);
    VOID *AddIoSpace;
    VOID *AllocateIoSpace;
    VOID *FreeIoSpace;
    VOID *RemoveIoSpace;
    VOID *GetIoSpaceDescriptor;
    VOID *GetIoSpaceMap;
    VOID *Dispatch;
    VOID *Schedule;
    VOID *Trust;
    VOID *ProcessFirmwareVolume;
    EFI_STATUS(EFIAPI *SetMemorySpaceCapabilities)
    (EFI_PHYSICAL_ADDRESS base, UINT64 length, UINT64 capabilities);
};

#endif
