/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memmap.h"

#include <string.h>

#include "base/error.h"

#define PREFIX "# memmap "

static void memmap_entry_free(gpointer data)
{
    MmrigMemmapEntry *entry = data;

    g_free(entry->type);
    g_free(entry);
}

static void zone_free(gpointer data)
{
    MmrigMemmapZone *zone = data;

    g_free(zone->name);
    g_free(zone);
}

void mmrig_memmap_free(MmrigMemmap *map)
{
    if (!map)
        return;
    g_ptr_array_unref(map->entries);
    g_array_unref(map->nodes);
    g_ptr_array_unref(map->zones);
    g_ptr_array_unref(map->iomem);
    g_ptr_array_unref(map->sayings);
    g_free(map);
}

/* The words of a line; what is behind the last that is wanted stays whole. */
typedef struct {
    GStrv words;
    guint count, next;
} Line;

static const char *memmap_word(Line *line)
{
    return line->next < line->count ? line->words[line->next++] : "";
}

static gboolean memmap_number(Line *line, guint base, guint64 max, guint64 *value)
{
    const char *text = memmap_word(line);

    if (base == 16) {
        if (!g_str_has_prefix(text, "0x"))
            return FALSE;
        text += 2;
    }
    return g_ascii_string_to_unsigned(text, base, 0, max, value, NULL);
}

/* The rest of the line: printable, not empty, bounded. */
static char *memmap_text(Line *line)
{
    const char *rest = memmap_word(line);
    gsize size = strlen(rest);

    if (size == 0 || size > MMRIG_MEMMAP_TEXT_MAX)
        return NULL;
    for (const char *at = rest; *at; at++)
        if (!g_ascii_isprint(*at))
            return NULL;
    return g_strdup(rest);
}

static gboolean memmap_range(Line *line, guint64 *base, guint64 *size)
{
    return memmap_number(line, 16, G_MAXUINT64, base) &&
           memmap_number(line, 16, G_MAXUINT64, size) && *size > 0 &&
           *base <= G_MAXUINT64 - (*size - 1);
}

static gboolean add_efi(MmrigMemmap *map, Line *line)
{
    g_autofree MmrigMemmapEntry *entry = g_new0(MmrigMemmapEntry, 1);

    if (!memmap_range(line, &entry->base, &entry->size))
        return FALSE;
    const char *flags = memmap_word(line);
    if (!*flags || strspn(flags, "msu-") != strlen(flags))
        return FALSE;
    entry->mirrored = strchr(flags, 'm') != NULL;
    entry->specific = strchr(flags, 's') != NULL;
    entry->usable = strchr(flags, 'u') != NULL;
    entry->node = -1;
    entry->type = memmap_text(line);
    if (!entry->type)
        return FALSE;
    g_ptr_array_add(map->entries, g_steal_pointer(&entry));
    return TRUE;
}

static gboolean add_iomem(MmrigMemmap *map, Line *line)
{
    g_autofree MmrigMemmapEntry *entry = g_new0(MmrigMemmapEntry, 1);

    entry->node = -1;
    if (!memmap_range(line, &entry->base, &entry->size) || !(entry->type = memmap_text(line)))
        return FALSE;
    g_ptr_array_add(map->iomem, g_steal_pointer(&entry));
    return TRUE;
}

static gboolean add_node(MmrigMemmap *map, Line *line)
{
    MmrigMemmapNode node;
    guint64 value;

    if (!memmap_number(line, 10, 1023, &value) || !memmap_range(line, &node.base, &node.size))
        return FALSE;
    node.node = (guint)value;
    g_array_append_val(map->nodes, node);
    return TRUE;
}

static gboolean memmap_add_zone(MmrigMemmap *map, Line *line)
{
    g_autofree MmrigMemmapZone *zone = g_new0(MmrigMemmapZone, 1);
    guint64 value;

    if (!memmap_number(line, 10, 1023, &value) ||
        !memmap_range(line, &zone->start, &zone->spanned) ||
        !memmap_number(line, 16, zone->spanned, &zone->present) ||
        !memmap_number(line, 16, zone->present, &zone->managed) ||
        !(zone->name = memmap_text(line)))
        return FALSE;
    zone->node = (guint)value;
    g_ptr_array_add(map->zones, g_steal_pointer(&zone));
    return TRUE;
}

static gboolean add_saying(MmrigMemmap *map, Line *line)
{
    char *saying = memmap_text(line);

    if (!saying)
        return FALSE;
    g_ptr_array_add(map->sayings, saying);
    return TRUE;
}

static const struct {
    const char *kind;
    guint words; /* with the kind; the last takes the rest of the line */
    gboolean (*add)(MmrigMemmap *map, Line *line);
} kinds[] = {
    {"efi", 5, add_efi},     {"node", 4, add_node},   {"zone", 7, memmap_add_zone},
    {"iomem", 4, add_iomem}, {"says", 2, add_saying},
};

static gboolean memmap_add_line(MmrigMemmap *map, const char *told)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_auto(GStrv) words = g_strsplit(told, " ", (gint)kinds[i].words);
        Line line = {words, g_strv_length(words), 1};
        if (line.count > 0 && strcmp(words[0], kinds[i].kind) == 0)
            return line.count == kinds[i].words && kinds[i].add(map, &line);
    }
    return FALSE;
}

static int by_base(gconstpointer a, gconstpointer b)
{
    const MmrigMemmapEntry *one = *(const MmrigMemmapEntry *const *)a;
    const MmrigMemmapEntry *other = *(const MmrigMemmapEntry *const *)b;

    return (one->base > other->base) - (one->base < other->base);
}

static guint64 memmap_last(guint64 base, guint64 size)
{
    return base + (size - 1);
}

/* The node at the address (-1: none), and the last address of which the same can be said. */
static int node_at(const MmrigMemmap *map, guint64 address, guint64 *end)
{
    *end = G_MAXUINT64;
    for (guint i = 0; i < map->nodes->len; i++) {
        const MmrigMemmapNode *node = &g_array_index(map->nodes, MmrigMemmapNode, i);
        if (address < node->base)
            *end = MIN(*end, node->base - 1);
        else if (address <= memmap_last(node->base, node->size)) {
            *end = memmap_last(node->base, node->size);
            return (int)node->node;
        }
    }
    return -1;
}

static gboolean memmap_joins(const MmrigMemmapEntry *one, const MmrigMemmapEntry *other)
{
    return one->base + one->size == other->base && one->node == other->node &&
           one->mirrored == other->mirrored && one->specific == other->specific &&
           strcmp(one->type, other->type) == 0;
}

/* Sorts the entries, gives each its node, and joins those that differ in nothing. */
static gboolean memmap_arrange(MmrigMemmap *map)
{
    g_autoptr(GPtrArray) told = g_steal_pointer(&map->entries);

    map->entries = g_ptr_array_new_with_free_func(memmap_entry_free);
    g_ptr_array_sort(told, by_base);
    for (guint i = 0; i < told->len; i++) {
        const MmrigMemmapEntry *whole = g_ptr_array_index(told, i);
        guint64 at = whole->base, end = memmap_last(whole->base, whole->size), piece;

        if (i > 0) {
            const MmrigMemmapEntry *before = g_ptr_array_index(told, i - 1);
            if (memmap_last(before->base, before->size) >= whole->base)
                return FALSE;
        }
        for (;; at = piece + 1) {
            int node = node_at(map, at, &piece);
            piece = MIN(piece, end);
            MmrigMemmapEntry *entry = g_new(MmrigMemmapEntry, 1);
            *entry = *whole;
            entry->type = g_strdup(whole->type);
            entry->base = at;
            entry->size = piece - at + 1;
            entry->node = node;
            MmrigMemmapEntry *before =
                map->entries->len ? g_ptr_array_index(map->entries, map->entries->len - 1)
                                  : NULL;
            if (before && memmap_joins(before, entry)) {
                before->size += entry->size;
                memmap_entry_free(entry);
            } else {
                g_ptr_array_add(map->entries, entry);
            }
            if (piece == end)
                break;
        }
    }
    return TRUE;
}

static MmrigMemmap *memmap_new(void)
{
    MmrigMemmap *map = g_new0(MmrigMemmap, 1);

    map->entries = g_ptr_array_new_with_free_func(memmap_entry_free);
    map->nodes = g_array_new(FALSE, FALSE, sizeof(MmrigMemmapNode));
    map->zones = g_ptr_array_new_with_free_func(zone_free);
    map->iomem = g_ptr_array_new_with_free_func(memmap_entry_free);
    map->sayings = g_ptr_array_new_with_free_func(g_free);
    return map;
}

MmrigMemmap *mmrig_memmap_parse(const char *output, gsize size, GError **error)
{
    g_autoptr(MmrigMemmap) map = memmap_new();
    const char *end = output + size;
    guint lines = 0;

    while (output < end) {
        const char *stop = memchr(output, '\n', (gsize)(end - output));
        gsize length = (gsize)((stop ? stop : end) - output);
        g_autofree char *line = g_strndup(output, length);
        char *start = line + strspn(line, " ");

        output += length + 1;
        if (!g_str_has_prefix(start, PREFIX))
            continue;
        if (++lines > MMRIG_MEMMAP_LINES_MAX || !memmap_add_line(map, start + strlen(PREFIX))) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                        "the guest's memory map makes no sense at line %u: %.80s", lines,
                        start);
            return NULL;
        }
        if (!stop)
            break;
    }
    if (map->entries->len == 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "the guest told no memory map");
        return NULL;
    }
    if (!memmap_arrange(map)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                    "two entries of the guest's memory map overlap");
        return NULL;
    }
    return g_steal_pointer(&map);
}
