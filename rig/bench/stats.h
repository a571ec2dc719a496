/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of repeated measurements. */
#pragma once

#include <glib.h>

typedef struct {
    guint count;
    double median, low, high; /* low and high: first and third quartile */
    double least, most;
} MmrigStats;

/* values (of double, at least one) may be in any order and are not changed. */
MmrigStats mmrig_stats(const GArray *values);
