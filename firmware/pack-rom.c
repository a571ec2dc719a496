/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pack-rom DRIVER.efi ROM: what the build makes mmrig-mirror's expansion ROM with. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmrig-mirror-regs.h"
#include "rom.h"

static const struct rom_device device = {
    .vendor = MMRIG_MIRROR_PCI_VENDOR,
    .device = MMRIG_MIRROR_PCI_DEVICE,
    .class_code = MMRIG_MIRROR_PCI_CLASS << 8,
};

static int fail(const char *path, const char *what)
{
    fprintf(stderr, "pack-rom: %s: %s\n", path, what);
    return 1;
}

int main(int argc, char **argv)
{
    static uint8_t image[ROM_MAX], rom[ROM_MAX];

    if (argc != 3) {
        fprintf(stderr, "usage: pack-rom DRIVER.efi ROM\n");
        return 2;
    }
    FILE *from = fopen(argv[1], "rb");
    if (!from)
        return fail(argv[1], strerror(errno));
    size_t size = fread(image, 1, sizeof(image), from);
    int bad = ferror(from);
    fclose(from);
    if (bad)
        return fail(argv[1], "cannot be read");

    const char *wrong = rom_pack(image, size, &device, rom);
    if (wrong)
        return fail(argv[1], wrong);
    FILE *to = fopen(argv[2], "wb");
    if (!to)
        return fail(argv[2], strerror(errno));
    bad = fwrite(rom, rom_size(size), 1, to) != 1;
    if (fclose(to) != 0 || bad)
        return fail(argv[2], "cannot be written");
    return 0;
}
