/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI expansion ROM with one UEFI image in it (PCI Firmware 3.3, 5.1; UEFI 2.10, 14.4.2),
 * made on the host when the driver is built.
 */
#ifndef MMRIG_FIRMWARE_ROM_H
#define MMRIG_FIRMWARE_ROM_H

#include <stddef.h>
#include <stdint.h>

struct rom_device {
    uint16_t vendor;
    uint16_t device;
    uint32_t class_code; /* 24 bits: class, subclass, interface */
};

/* A ROM's size is told in units of this, in 16 bits. */
#define ROM_UNIT 512
#define ROM_MAX  (0xffffu * ROM_UNIT)

/* Where the image begins: behind the ROM header and the PCI data structure. */
#define ROM_IMAGE_OFFSET 0x40

/* Bytes of a ROM with an image of this size. */
size_t rom_size(size_t image_size);

/*
 * Writes the ROM with this PE image to rom, which has room for rom_size(). NULL, or what is
 * wrong with the image.
 */
const char *rom_pack(const uint8_t *image, size_t size, const struct rom_device *device,
                     uint8_t *rom);

#endif
