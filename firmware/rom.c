/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rom.h"

#include <string.h>

/* The ROM header. */
enum {
    HEADER_SIGNATURE = 0x00,      /* 16 bits */
    HEADER_UNITS = 0x02,          /* 16 bits: the image's size, header included */
    HEADER_EFI_SIGNATURE = 0x04,  /* 32 bits */
    HEADER_EFI_SUBSYSTEM = 0x08,  /* 16 bits, as in the PE header */
    HEADER_EFI_MACHINE = 0x0a,    /* 16 bits, as in the PE header */
    HEADER_EFI_COMPRESSED = 0x0c, /* 16 bits: 0 */
    HEADER_EFI_IMAGE = 0x16,      /* 16 bits: where it begins */
    HEADER_PCI_DATA = 0x18,       /* 16 bits: where that begins */
};

/* The PCI data structure, of revision 3. */
enum {
    DATA = 0x1c,
    DATA_VENDOR = DATA + 0x04,
    DATA_DEVICE = DATA + 0x06,
    DATA_LENGTH = DATA + 0x0a,
    DATA_REVISION = DATA + 0x0c,
    DATA_CLASS = DATA + 0x0d, /* 24 bits */
    DATA_UNITS = DATA + 0x10,
    DATA_CODE_REVISION = DATA + 0x12,
    DATA_CODE_TYPE = DATA + 0x14,
    DATA_INDICATOR = DATA + 0x15,
    DATA_SIZE = 0x1c,
};

#define CODE_TYPE_EFI  3
#define INDICATOR_LAST 0x80

/* The PE image: the offset of its header, and what stands there (the PE format's "COFF file
 * header" and "optional header"). */
#define PE_OFFSET               0x3c
#define PE_MACHINE              0x04
#define PE_SUBSYSTEM            0x5c
#define PE_HEADER_SIZE          0x5e
#define PE_MACHINE_X64          0x8664
#define PE_SUBSYSTEM_EFI_DRIVER 11 /* boot service driver */

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value);
    put16(at + 2, value >> 16);
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) | get16(at + 2) << 16;
}

size_t rom_size(size_t image_size)
{
    return (ROM_IMAGE_OFFSET + image_size + ROM_UNIT - 1) / ROM_UNIT * ROM_UNIT;
}

static const char *check_image(const uint8_t *image, size_t size)
{
    if (size > ROM_MAX - ROM_IMAGE_OFFSET)
        return "too large for an expansion ROM";
    if (size < PE_OFFSET + 4 || memcmp(image, "MZ", 2) != 0)
        return "no PE image";
    size_t pe = get32(image + PE_OFFSET);
    if (pe > size || size - pe < PE_HEADER_SIZE || memcmp(image + pe, "PE\0\0", 4) != 0)
        return "no PE image";
    if (get16(image + pe + PE_MACHINE) != PE_MACHINE_X64)
        return "not for x86-64";
    if (get16(image + pe + PE_SUBSYSTEM) != PE_SUBSYSTEM_EFI_DRIVER)
        return "no UEFI boot service driver";
    return NULL;
}

const char *rom_pack(const uint8_t *image, size_t size, const struct rom_device *device,
                     uint8_t *rom)
{
    const char *wrong = check_image(image, size);
    uint32_t units = (uint32_t)(rom_size(size) / ROM_UNIT);

    if (wrong)
        return wrong;
    memset(rom, 0, rom_size(size));
    put16(rom + HEADER_SIGNATURE, 0xaa55);
    put16(rom + HEADER_UNITS, units);
    put32(rom + HEADER_EFI_SIGNATURE, 0x0ef1);
    put16(rom + HEADER_EFI_SUBSYSTEM, PE_SUBSYSTEM_EFI_DRIVER);
    put16(rom + HEADER_EFI_MACHINE, PE_MACHINE_X64);
    put16(rom + HEADER_EFI_IMAGE, ROM_IMAGE_OFFSET);
    put16(rom + HEADER_PCI_DATA, DATA);

    memcpy(rom + DATA, "PCIR", 4);
    put16(rom + DATA_VENDOR, device->vendor);
    put16(rom + DATA_DEVICE, device->device);
    put16(rom + DATA_LENGTH, DATA_SIZE);
    rom[DATA_REVISION] = 3;
    rom[DATA_CLASS] = (uint8_t)device->class_code;
    put16(rom + DATA_CLASS + 1, device->class_code >> 8);
    put16(rom + DATA_UNITS, units);
    put16(rom + DATA_CODE_REVISION, 1);
    rom[DATA_CODE_TYPE] = CODE_TYPE_EFI;
    rom[DATA_INDICATOR] = INDICATOR_LAST;

    memcpy(rom + ROM_IMAGE_OFFSET, image, size);
    return NULL;
}
