/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line on a terminal that tells what runs now. */
#pragma once

#include "run.h"

/* One run under way. */
typedef struct {
    char *title;
    MmrigStage stage;
    gint64 since; /* monotonic time */
} MmrigLiveItem;

/*
 * Pure: "  ....  3/40  a testing 1.2 s, b booting 0.3 s", in fewer columns than width. items is
 * of MmrigLiveItem; done of planned runs are over. Free with g_free().
 */
char *mmrig_live_line(const GPtrArray *items, guint done, guint planned, gint64 now,
                      guint width);

typedef struct MmrigLive MmrigLive;

/* Draws on standard output, by the default main context. */
MmrigLive *mmrig_live_new(guint planned);
void mmrig_live_free(MmrigLive *live);

/* Erases the line, so that something else can be printed. The next redraw shows it again. */
void mmrig_live_hide(MmrigLive *live);

/* live is NULL where nothing is drawn. The item is NULL then too, and the calls do nothing. */
MmrigLiveItem *mmrig_live_begin(MmrigLive *live, const char *title);
void mmrig_live_end(MmrigLive *live, MmrigLiveItem *item);

/*
 * One more of the planned runs is over. It has to be said, since items do not tell: a template
 * that is being made has one, and a run that is skipped has none.
 */
void mmrig_live_count(MmrigLive *live);

/* The line as it would be drawn now; "" for NULL. Free with g_free(). */
char *mmrig_live_text(const MmrigLive *live, guint width);

/* For MmrigRunOptions. data is the item. */
void mmrig_live_stage(const MmrigScenario *scenario, MmrigStage stage, gpointer data);
