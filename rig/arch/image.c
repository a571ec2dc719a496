/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel images by what they begin with: of all processors, so that one for another than the
 * machine's is told by its name.
 */
#include <string.h>

#include "arch-private.h"

gboolean mmrig_arch_image_has(const char *bytes, gsize size, gsize offset, const char *text)
{
    gsize length = strlen(text);

    return size >= offset + length && memcmp(bytes + offset, text, length) == 0;
}

guint64 mmrig_arch_image_field(const char *bytes, gsize offset, gsize size)
{
    guint64 number = 0;

    memcpy(&number, bytes + offset, size);
    return GUINT64_FROM_LE(number);
}

const char *mmrig_arch_image_name(const char *bytes, gsize size)
{
    static const struct {
        gsize offset;
        const char *text;
        const char *name;
    } heads[] = {
        {0x202, "HdrS", "an x86 bzImage"},
        {0x38, "ARM\x64", "an arm64 Image"},
        {0x38, "RSC\x05", "a RISC-V Image"},
        {4, "zimg", "an EFI zboot image"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(heads); i++)
        if (mmrig_arch_image_has(bytes, size, heads[i].offset, heads[i].text))
            return heads[i].name;
    return NULL;
}
