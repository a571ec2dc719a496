/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packer of the expansion ROM, byte for byte; and the ROM that the build made with it. */
#include <glib.h>
#include <string.h>

#include "mmrig-mirror-regs.h"
#include "rom.h"

static const struct rom_device device = {
    .vendor = 0x1234, .device = 0x6d72, .class_code = 0x088001};

/* The smallest that passes for a UEFI driver, and a pattern behind it. */
static GByteArray *image_new(gsize size)
{
    GByteArray *image = g_byte_array_new();

    g_byte_array_set_size(image, (guint)size);
    for (guint i = 0; i < size; i++)
        image->data[i] = (guint8)(i * 7);
    memcpy(image->data, "MZ", 2);
    memcpy(image->data + 0x3c, "\x40\0\0\0", 4);
    memcpy(image->data + 0x40, "PE\0\0\x64\x86", 6);
    memcpy(image->data + 0x40 + 0x5c, "\x0b\0", 2);
    return image;
}

static void test_bytes(void)
{
    static const guint8 head[ROM_IMAGE_OFFSET] = {
        0x55, 0xaa,                                                /* signature */
        0x02, 0x00,                                                /* 2 units of 512 bytes */
        0xf1, 0x0e, 0x00, 0x00,                                    /* EFI signature */
        0x0b, 0x00,                                                /* boot service driver */
        0x64, 0x86,                                                /* x86-64 */
        0x00, 0x00,                                                /* not compressed */
        0,    0,    0,    0,    0,    0,   0,    0,    0x40, 0x00, /* where the image begins */
        0x1c, 0x00, /* where the PCI data structure begins */
        0x00, 0x00, 'P',  'C',  'I',  'R', 0x34, 0x12, 0x72, 0x6d, /* vendor, device */
        0x00, 0x00,                                                /* no list of devices */
        0x1c, 0x00,                                                /* length of the structure */
        0x03,                                                      /* its revision */
        0x01, 0x80, 0x08,                                          /* class */
        0x02, 0x00,                                                /* image length */
        0x01, 0x00,                                                /* revision of the code */
        0x03,                                                      /* EFI */
        0x80,                                                      /* the last image */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
    /* One byte into the second unit. */
    g_autoptr(GByteArray) image = image_new(512 - ROM_IMAGE_OFFSET + 1);
    guint8 rom[1024];

    memset(rom, 0xee, sizeof(rom));
    g_assert_cmpuint(rom_size(image->len), ==, sizeof(rom));
    g_assert_cmpuint(rom_size(image->len - 1), ==, 512);
    g_assert_cmpstr(rom_pack(image->data, image->len, &device, rom), ==, NULL);
    g_assert_cmpmem(rom, sizeof(head), head, sizeof(head));
    g_assert_cmpmem(rom + sizeof(head), image->len, image->data, image->len);
    for (gsize i = sizeof(head) + image->len; i < sizeof(rom); i++)
        g_assert_cmphex(rom[i], ==, 0);
}

static void test_refused(void)
{
    static const struct {
        guint at;
        guint8 byte;
        const char *expected;
    } cases[] = {
        {0, 'Z', "no PE image"},        {0x3f, 0x80, "no PE image"},
        {0x3c, 0xf0, "no PE image"},    {0x41, 'F', "no PE image"},
        {0x44, 0x4c, "not for x86-64"}, {0x40 + 0x5c, 10, "no UEFI boot service driver"},
    };
    guint8 rom[512];

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) image = image_new(256);
        image->data[cases[i].at] = cases[i].byte;
        g_assert_cmpstr(rom_pack(image->data, image->len, &device, rom), ==, cases[i].expected);
    }
    g_autoptr(GByteArray) small = image_new(256);
    g_assert_cmpstr(rom_pack(small->data, 0x3f, &device, rom), ==, "no PE image");
    g_assert_cmpstr(rom_pack(small->data, 0x40 + 0x5d, &device, rom), ==, "no PE image");
    g_autoptr(GByteArray) smallest = image_new(0x40 + 0x5e);
    g_assert_cmpstr(rom_pack(smallest->data, smallest->len, &device, rom), ==, NULL);
    g_autoptr(GByteArray) largest = image_new(ROM_MAX - ROM_IMAGE_OFFSET);
    g_autofree guint8 *whole = g_malloc(ROM_MAX);
    g_assert_cmpuint(rom_size(largest->len), ==, ROM_MAX);
    g_assert_cmpstr(rom_pack(largest->data, largest->len, &device, whole), ==, NULL);
    g_autoptr(GByteArray) large = image_new(ROM_MAX);
    g_assert_cmpstr(rom_pack(large->data, large->len, &device, rom), ==,
                    "too large for an expansion ROM");
}

/* What QEMU is given. */
static void test_built(void)
{
    g_autofree char *rom = NULL, *image = NULL;
    gsize rom_bytes, image_bytes;
    const struct rom_device mirror = {MMRIG_MIRROR_PCI_VENDOR, MMRIG_MIRROR_PCI_DEVICE,
                                      MMRIG_MIRROR_PCI_CLASS << 8};

    g_assert_true(g_file_get_contents(MMRIG_TEST_ROM, &rom, &rom_bytes, NULL));
    g_assert_true(g_file_get_contents(MMRIG_TEST_ROM_IMAGE, &image, &image_bytes, NULL));
    g_autofree guint8 *again = g_malloc(rom_size(image_bytes));
    g_assert_cmpstr(rom_pack((const guint8 *)image, image_bytes, &mirror, again), ==, NULL);
    g_assert_cmpmem(rom, rom_bytes, again, rom_size(image_bytes));
    /* It goes into a BAR below 4 GiB of every machine that has the device. */
    g_assert_cmpuint(rom_bytes, <=, 64 * 1024);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rom/bytes", test_bytes);
    g_test_add_func("/rom/refused", test_refused);
    g_test_add_func("/rom/built", test_built);
    return g_test_run();
}
