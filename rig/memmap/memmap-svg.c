/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memory map as a picture: addresses go from left to right in one scale, with what is not
 * memory cut out; one strip each for the kind of memory, its attributes, the node and the zone.
 */
#include <string.h>

#include "memmap.h"

#define WIDTH      1000.0
#define LEFT       96.0
#define TOP        56.0
#define STRIP      34.0
#define STRIP_STEP 46.0
#define GAP        14.0 /* where addresses are left out */
/* Less than this between two pieces of memory is drawn, not cut out. */
#define SMALL_HOLE (G_GUINT64_CONSTANT(16) << 20)
#define PIECES_MAX 64

/* What is drawn without a cut. */
typedef struct {
    guint64 base, end; /* end: the last byte */
    double at;         /* where it begins */
} Piece;

typedef struct {
    Piece pieces[PIECES_MAX];
    guint count;
    double scale; /* of a byte */
    GString *svg;
} Picture;

typedef enum {
    LOOK_USABLE,
    LOOK_FIRMWARE,
    LOOK_MIRROR,
    LOOK_SPECIFIC,
    LOOK_ONE,
    LOOK_OTHER
} Look;

static const char *const colours[] = {
    [LOOK_USABLE] = "#9ecae1",   [LOOK_FIRMWARE] = "#bdbdbd", [LOOK_MIRROR] = "#74c476",
    [LOOK_SPECIFIC] = "#d95f0e", [LOOK_ONE] = "#c6b9dd",      [LOOK_OTHER] = "#f2d9a0",
};

static gboolean is_memory(const MmrigMemmapEntry *entry)
{
    /* What is neither usable nor marked can be anything at any address, so it is not drawn. */
    return entry->usable || entry->mirrored || entry->specific;
}

static void find_pieces(Picture *picture, const MmrigMemmap *map)
{
    guint64 bytes = 0;

    for (guint i = 0; i < map->entries->len; i++) {
        const MmrigMemmapEntry *entry = g_ptr_array_index(map->entries, i);
        Piece *piece = picture->count ? &picture->pieces[picture->count - 1] : NULL;
        guint64 end = entry->base + (entry->size - 1);

        if (!is_memory(entry))
            continue;
        if (piece && (entry->base - piece->end <= SMALL_HOLE || picture->count == PIECES_MAX))
            piece->end = end;
        else
            picture->pieces[picture->count++] = (Piece){entry->base, end, 0};
    }
    for (guint i = 0; i < picture->count; i++)
        bytes += picture->pieces[i].end - picture->pieces[i].base + 1;
    picture->scale = (WIDTH - GAP * MAX(picture->count, 1)) / MAX((double)bytes, 1);
    double at = LEFT;
    for (guint i = 0; i < picture->count; i++) {
        Piece *piece = &picture->pieces[i];
        piece->at = at;
        at += (double)(piece->end - piece->base + 1) * picture->scale + GAP;
    }
}

/* A box over what the picture has of the range, labelled where there is room. */
static void svg_box(Picture *picture, guint strip, guint64 base, guint64 end, Look look,
                    const char *label)
{
    double top = TOP + strip * STRIP_STEP;
    g_autofree char *quoted = g_markup_escape_text(label, -1);

    for (guint i = 0; i < picture->count; i++) {
        const Piece *piece = &picture->pieces[i];
        guint64 from = MAX(base, piece->base), to = MIN(end, piece->end);
        char x[G_ASCII_DTOSTR_BUF_SIZE], width[G_ASCII_DTOSTR_BUF_SIZE],
            middle[G_ASCII_DTOSTR_BUF_SIZE];

        if (from > to)
            continue;
        double left = piece->at + (double)(from - piece->base) * picture->scale;
        double wide = (double)(to - from + 1) * picture->scale;
        g_ascii_formatd(x, sizeof(x), "%.2f", left);
        g_ascii_formatd(width, sizeof(width), "%.2f", MAX(wide, 0.4));
        g_ascii_formatd(middle, sizeof(middle), "%.2f", left + wide / 2);
        g_string_append_printf(picture->svg,
                               "<rect x=\"%s\" y=\"%.0f\" width=\"%s\" height=\"%.0f\" "
                               "fill=\"%s\"><title>%s 0x%" G_GINT64_MODIFIER
                               "x to 0x%" G_GINT64_MODIFIER "x</title></rect>\n",
                               x, top, width, STRIP, colours[look], quoted, from, to);
        if (wide > 8.0 * (double)strlen(label))
            g_string_append_printf(
                picture->svg, "<text x=\"%s\" y=\"%.0f\" text-anchor=\"middle\">%s</text>\n",
                middle, top + STRIP / 2 + 4, quoted);
    }
}

static void svg_label(Picture *picture, guint strip, const char *text)
{
    g_string_append_printf(picture->svg,
                           "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%s</text>\n",
                           LEFT - 10, TOP + strip * STRIP_STEP + STRIP / 2 + 4, text);
}

static void draw_entries(Picture *picture, const MmrigMemmap *map)
{
    for (guint i = 0; i < map->entries->len; i++) {
        const MmrigMemmapEntry *entry = g_ptr_array_index(map->entries, i);
        guint64 end = entry->base + (entry->size - 1);

        svg_box(picture, 0, entry->base, end, entry->usable ? LOOK_USABLE : LOOK_FIRMWARE,
                entry->type);
    }
}

/* What lies side by side with the same attribute is one box, whatever its types are. */
static void draw_attributes(Picture *picture, const MmrigMemmap *map)
{
    for (guint i = 0; i < map->entries->len;) {
        const MmrigMemmapEntry *first = g_ptr_array_index(map->entries, i);
        guint64 end = first->base + (first->size - 1);

        for (i++; i < map->entries->len; i++) {
            const MmrigMemmapEntry *next = g_ptr_array_index(map->entries, i);
            if (next->base != end + 1 || next->mirrored != first->mirrored ||
                next->specific != first->specific)
                break;
            end = next->base + (next->size - 1);
        }
        if (first->mirrored)
            svg_box(picture, 1, first->base, end, LOOK_MIRROR, "mirrored");
        if (first->specific)
            svg_box(picture, 1, first->base, end, LOOK_SPECIFIC, "specific");
    }
}

/*
 * The last byte of what the zone spans, up to where ZONE_MOVABLE of its node begins: the two
 * overlap, and the part behind is not the zone's in fact.
 */
static guint64 zone_end(const MmrigMemmap *map, const MmrigMemmapZone *zone)
{
    guint64 end = zone->start + (zone->spanned - 1);

    for (guint i = 0; i < map->zones->len; i++) {
        const MmrigMemmapZone *other = g_ptr_array_index(map->zones, i);
        if (other != zone && other->node == zone->node && strcmp(other->name, "Movable") == 0 &&
            other->start > zone->start)
            end = MIN(end, other->start - 1);
    }
    return end;
}

static void draw_kernel(Picture *picture, const MmrigMemmap *map)
{
    for (guint i = 0; i < map->nodes->len; i++) {
        const MmrigMemmapNode *node = &g_array_index(map->nodes, MmrigMemmapNode, i);
        g_autofree char *name = g_strdup_printf("node %u", node->node);
        svg_box(picture, 2, node->base, node->base + (node->size - 1),
                node->node % 2 ? LOOK_OTHER : LOOK_ONE, name);
    }
    for (guint i = 0; i < map->zones->len; i++) {
        const MmrigMemmapZone *zone = g_ptr_array_index(map->zones, i);
        gboolean movable = strcmp(zone->name, "Movable") == 0;
        svg_box(picture, 3, zone->start, zone_end(map, zone), movable ? LOOK_OTHER : LOOK_ONE,
                zone->name);
    }
}

static void draw_axis(Picture *picture)
{
    double top = TOP + 4 * STRIP_STEP;

    for (guint i = 0; i < picture->count; i++) {
        char x[G_ASCII_DTOSTR_BUF_SIZE];
        const Piece *piece = &picture->pieces[i];
        g_ascii_formatd(x, sizeof(x), "%.2f", piece->at);
        /* In two rows, since pieces can be narrow. */
        g_string_append_printf(picture->svg,
                               "<text x=\"%s\" y=\"%.0f\" class=\"axis\">0x%" G_GINT64_MODIFIER
                               "x</text>\n",
                               x, top + 8 + 14 * (i % 2), piece->base);
    }
}

char *mmrig_memmap_svg(const MmrigMemmap *map, const char *title)
{
    Picture picture = {.svg = g_string_new(NULL)};
    g_autofree char *quoted = g_markup_escape_text(title, -1);

    find_pieces(&picture, map);
    g_string_append_printf(
        picture.svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n"
        "<style>.axis{font-size:10px;fill:#555}</style>\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
        "<text x=\"%.0f\" y=\"28\" font-size=\"15\">%s: memory by address</text>\n",
        LEFT + WIDTH + 10, TOP + 4 * STRIP_STEP + 36, LEFT, quoted);
    svg_label(&picture, 0, "EFI type");
    svg_label(&picture, 1, "attribute");
    svg_label(&picture, 2, "node");
    svg_label(&picture, 3, "zone");
    draw_entries(&picture, map);
    draw_attributes(&picture, map);
    draw_kernel(&picture, map);
    draw_axis(&picture);
    g_string_append(picture.svg, "</svg>\n");
    return g_string_free(picture.svg, FALSE);
}
