/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest says of its memory map: read, and shown in every way. */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memmap/memmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(MmrigMemmap) map = mmrig_memmap_parse((const char *)data, size, NULL);

    if (!map)
        return 0;
    g_autofree char *table = mmrig_memmap_table(map, "x");
    g_autofree char *json = mmrig_memmap_json(map, "x");
    g_autofree char *svg = mmrig_memmap_svg(map, "x");
    /* Whatever was told, each of them says something of it. */
    if (!strstr(table, "usable") || !strstr(json, "\"efi\"") ||
        !g_str_has_suffix(svg, "</svg>\n"))
        abort();
    return 0;
}
