/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A memory map as a table, and as JSON. */
#include <json-glib/json-glib.h>

#include "base/json-text.h"
#include "memmap.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

/* "512 MiB", "640 KiB": exact, in the largest unit that has no fraction. */
static char *memmap_print_size_text(guint64 bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    guint unit = 0;

    while (unit + 1 < G_N_ELEMENTS(units) && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    return g_strdup_printf("%" G_GUINT64_FORMAT " %s", bytes, units[unit]);
}

static const char *memmap_print_attributes(const MmrigMemmapEntry *entry)
{
    if (entry->mirrored)
        return entry->specific ? "mirrored, specific" : "mirrored";
    return entry->specific ? "specific" : "";
}

static void add_entries(const MmrigMemmap *map, GString *text)
{
    guint64 mirrored = 0, usable = 0;

    g_string_append_printf(text, "  %-18s %-18s %12s %4s  %-18s %s\n", "first byte",
                           "last byte", "size", "node", "attributes", "type");
    for (guint i = 0; i < map->entries->len; i++) {
        const MmrigMemmapEntry *entry = g_ptr_array_index(map->entries, i);
        g_autofree char *size = memmap_print_size_text(entry->size);
        g_autofree char *node =
            entry->node < 0 ? g_strdup("-") : g_strdup_printf("%d", entry->node);
        g_string_append_printf(text,
                               "  0x%016" G_GINT64_MODIFIER "x 0x%016" G_GINT64_MODIFIER
                               "x %12s %4s  %-18s %s\n",
                               entry->base, entry->base + (entry->size - 1), size, node,
                               memmap_print_attributes(entry), entry->type);
        if (entry->usable)
            usable += entry->size;
        if (entry->mirrored)
            mirrored += entry->size;
    }
    g_string_append_printf(text, "usable %.1f MiB, mirrored %.1f MiB\n",
                           (double)usable / (1 << 20), (double)mirrored / (1 << 20));
}

char *mmrig_memmap_table(const MmrigMemmap *map, const char *title)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s: the firmware's memory map\n", title);
    add_entries(map, text);
    g_string_append(text, "zones\n");
    g_string_append_printf(text, "  %4s %-8s %-18s %12s %12s\n", "node", "zone", "first byte",
                           "spans", "has");
    for (guint i = 0; i < map->zones->len; i++) {
        const MmrigMemmapZone *zone = g_ptr_array_index(map->zones, i);
        g_autofree char *spanned = memmap_print_size_text(zone->spanned);
        g_autofree char *present = memmap_print_size_text(zone->present);
        g_string_append_printf(text, "  %4u %-8s 0x%016" G_GINT64_MODIFIER "x %12s %12s\n",
                               zone->node, zone->name, zone->start, spanned, present);
    }
    for (guint i = 0; i < map->sayings->len; i++)
        g_string_append_printf(text, "Linux says: %s\n",
                               (const char *)g_ptr_array_index(map->sayings, i));
    return g_string_free(text, FALSE);
}

/* JSON's numbers lose digits in many readers; addresses are text. */
static void member_hex(JsonBuilder *builder, const char *name, guint64 value)
{
    g_autofree char *text = g_strdup_printf(HEX, value);

    mmrig_json_add_text(builder, name, text);
}

static void memmap_print_add_entry(JsonBuilder *builder, const MmrigMemmapEntry *entry)
{
    json_builder_begin_object(builder);
    member_hex(builder, "base", entry->base);
    member_hex(builder, "size", entry->size);
    json_builder_set_member_name(builder, "node");
    if (entry->node < 0)
        json_builder_add_null_value(builder);
    else
        json_builder_add_int_value(builder, entry->node);
    json_builder_set_member_name(builder, "mirrored");
    json_builder_add_boolean_value(builder, entry->mirrored);
    json_builder_set_member_name(builder, "specific");
    json_builder_add_boolean_value(builder, entry->specific);
    json_builder_set_member_name(builder, "usable");
    json_builder_add_boolean_value(builder, entry->usable);
    mmrig_json_add_text(builder, "type", entry->type);
    json_builder_end_object(builder);
}

static void memmap_print_add_zone(JsonBuilder *builder, const MmrigMemmapZone *zone)
{
    json_builder_begin_object(builder);
    mmrig_json_add_number(builder, "node", zone->node);
    mmrig_json_add_text(builder, "zone", zone->name);
    member_hex(builder, "start", zone->start);
    member_hex(builder, "spanned", zone->spanned);
    member_hex(builder, "present", zone->present);
    member_hex(builder, "managed", zone->managed);
    json_builder_end_object(builder);
}

char *mmrig_memmap_json(const MmrigMemmap *map, const char *title)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    mmrig_json_add_number(builder, "schema", 1);
    mmrig_json_add_text(builder, "scenario", title);
    json_builder_set_member_name(builder, "efi");
    json_builder_begin_array(builder);
    for (guint i = 0; i < map->entries->len; i++)
        memmap_print_add_entry(builder, g_ptr_array_index(map->entries, i));
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "zones");
    json_builder_begin_array(builder);
    for (guint i = 0; i < map->zones->len; i++)
        memmap_print_add_zone(builder, g_ptr_array_index(map->zones, i));
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "iomem");
    json_builder_begin_array(builder);
    for (guint i = 0; i < map->iomem->len; i++) {
        const MmrigMemmapEntry *entry = g_ptr_array_index(map->iomem, i);
        json_builder_begin_object(builder);
        member_hex(builder, "base", entry->base);
        member_hex(builder, "size", entry->size);
        mmrig_json_add_text(builder, "name", entry->type);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "linux-says");
    json_builder_begin_array(builder);
    for (guint i = 0; i < map->sayings->len; i++)
        json_builder_add_string_value(builder, g_ptr_array_index(map->sayings, i));
    json_builder_end_array(builder);
    json_builder_end_object(builder);

    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, TRUE);
    return g_strconcat(text, "\n", NULL);
}
