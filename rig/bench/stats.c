/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats.h"

static int stats_compare(gconstpointer left, gconstpointer right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* The value below which the given part of the sorted values lies, by linear interpolation. */
static double stats_quantile(const GArray *sorted, double part)
{
    double place = part * (sorted->len - 1);
    guint below = (guint)place;
    guint above = MIN(below + 1, sorted->len - 1);
    double low = g_array_index(sorted, double, below);
    double high = g_array_index(sorted, double, above);

    return low + (high - low) * (place - below);
}

MmrigStats mmrig_stats(const GArray *values)
{
    g_autoptr(GArray) sorted = g_array_copy((GArray *)values);

    g_return_val_if_fail(values->len > 0, (MmrigStats){0});
    g_array_sort(sorted, stats_compare);
    return (MmrigStats){
        .count = sorted->len,
        .median = stats_quantile(sorted, 0.5),
        .low = stats_quantile(sorted, 0.25),
        .high = stats_quantile(sorted, 0.75),
        .least = g_array_index(sorted, double, 0),
        .most = g_array_index(sorted, double, sorted->len - 1),
    };
}
