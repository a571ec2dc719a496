/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "live-private.h"

#include <unistd.h>

#include "base/print.h"
#include "base/term.h"

/* How often the line is drawn again. */
#define TICK_MS 100

struct MmrigLive {
    guint planned, done;
    GPtrArray *items; /* of MmrigLiveItem */
    guint tick;
    gboolean shown;
};

char *mmrig_live_line(const GPtrArray *items, guint done, guint planned, gint64 now,
                      guint width)
{
    static const char *const words[] = {"booting", "testing", "kept", "ending"};
    static const char cut[] = "...";
    g_autoptr(GString) line = g_string_new("  ....  ");

    if (planned > 1)
        g_string_append_printf(line, "%u/%u  ", done, planned);
    for (guint i = 0; i < items->len; i++) {
        const MmrigLiveItem *item = g_ptr_array_index(items, i);
        g_string_append_printf(line, "%s%s %s %.1f s", i > 0 ? ", " : "", item->title,
                               words[item->stage],
                               (double)(now - item->since) / G_USEC_PER_SEC);
    }
    /* A terminal may go to the next line once its last column is written. */
    glong room = MAX((glong)width - 1, 0), marks = MIN(room, (glong)sizeof(cut) - 1);
    if (g_utf8_strlen(line->str, -1) > room) {
        const char *end = g_utf8_offset_to_pointer(line->str, room - marks);
        g_string_truncate(line, (gsize)(end - line->str));
        g_string_append_len(line, cut, marks);
    }
    return g_string_free(g_steal_pointer(&line), FALSE);
}

char *mmrig_live_text(const MmrigLive *live, guint width)
{
    return live ? mmrig_live_line(live->items, live->done, live->planned,
                                  g_get_monotonic_time(), width)
                : g_strdup("");
}

static gboolean on_tick(gpointer data)
{
    MmrigLive *live = data;
    g_autofree char *line = mmrig_live_text(live, mmrig_term_width(STDOUT_FILENO));

    mmrig_print("\r%s\033[K", line);
    live->shown = TRUE;
    return G_SOURCE_CONTINUE;
}

static void live_item_free(gpointer data)
{
    MmrigLiveItem *item = data;

    g_free(item->title);
    g_free(item);
}

MmrigLive *mmrig_live_new(guint planned)
{
    MmrigLive *live = g_new0(MmrigLive, 1);

    live->planned = planned;
    live->items = g_ptr_array_new_with_free_func(live_item_free);
    return live;
}

void mmrig_live_free(MmrigLive *live)
{
    if (!live)
        return;
    mmrig_live_hide(live);
    g_clear_handle_id(&live->tick, g_source_remove);
    g_ptr_array_unref(live->items);
    g_free(live);
}

void mmrig_live_hide(MmrigLive *live)
{
    if (!live || !live->shown)
        return;
    live->shown = FALSE;
    mmrig_print("\r\033[K");
}

MmrigLiveItem *mmrig_live_begin(MmrigLive *live, const char *title)
{
    if (!live)
        return NULL;
    MmrigLiveItem *item = g_new0(MmrigLiveItem, 1);
    item->title = g_strdup(title);
    item->since = g_get_monotonic_time();
    g_ptr_array_add(live->items, item);
    if (!live->tick)
        live->tick = g_timeout_add(TICK_MS, on_tick, live);
    return item;
}

void mmrig_live_end(MmrigLive *live, MmrigLiveItem *item)
{
    if (!live)
        return;
    g_ptr_array_remove(live->items, item);
    if (live->items->len > 0)
        return;
    g_clear_handle_id(&live->tick, g_source_remove);
    mmrig_live_hide(live);
}

void mmrig_live_count(MmrigLive *live)
{
    if (live)
        live->done++;
}

void mmrig_live_stage(const MmrigScenario *scenario G_GNUC_UNUSED, MmrigStage stage,
                      gpointer data)
{
    MmrigLiveItem *item = data;

    if (item)
        item->stage = stage;
}
