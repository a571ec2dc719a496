/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a test measured along the way: a table of all points, and a picture of them. The picture
 * is an SVG without any script or outside reference, so that every browser shows it.
 */
#include "report.h"

#include <math.h>
#include <string.h>

#include "report-private.h"

#define WIDTH  760.0
#define HEIGHT 420.0
#define LEFT   80.0
#define RIGHT  20.0
#define TOP    60.0
#define BOTTOM 60.0
/* About so many lines across the picture either way. */
#define GRID 6

/* Told apart by people who do not see all colours, too (Okabe and Ito). */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73",
                                      "#cc79a7", "#e69f00", "#56b4e9"};

/* A guest may send any number; beyond these the picture's arithmetic would overflow. */
#define MOST  1e100
#define LEAST 1e-100

typedef struct {
    double least, most, step;
} Axis;

static void add_number(GString *out, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(out, g_ascii_formatd(text, sizeof text, MMRIG_REPORT_NUMBER, value));
}

/* A place in the picture, to a tenth of a dot. */
static void add_place(GString *out, const char *before, double value, const char *after)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(out, "%s%s%s", before,
                           g_ascii_formatd(text, sizeof text, "%.1f", value), after);
}

char *mmrig_report_series_csv(const MmrigResult *result)
{
    g_autoptr(GString) out = g_string_new("series,x,x_unit,y,y_unit\n");

    /* Names and units have no comma, no quotation mark and no blank (guest-message.c). */
    for (guint i = 0; i < result->points->len; i++) {
        const MmrigPoint *point = g_ptr_array_index(result->points, i);

        g_string_append_printf(out, "%s,", point->series);
        add_number(out, point->x);
        g_string_append_printf(out, ",%s,", point->x_unit);
        add_number(out, point->y);
        g_string_append_printf(out, ",%s\n", point->y_unit);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Widens the axis to whole steps of 1, 2 or 5 times a power of ten; it always has the zero. */
static void round_axis(Axis *axis)
{
    double rough = (axis->most - axis->least) / GRID;
    double power = rough > LEAST ? pow(10, floor(log10(rough))) : 1;
    double times = rough / power;

    axis->step = power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
    axis->least = floor(axis->least / axis->step) * axis->step;
    axis->most = ceil(axis->most / axis->step) * axis->step;
    if (axis->most <= axis->least)
        axis->most = axis->least + axis->step;
}

static void find_axes(const GPtrArray *points, Axis *x, Axis *y)
{
    *x = *y = (Axis){0};
    for (guint i = 0; i < points->len; i++) {
        const MmrigPoint *point = g_ptr_array_index(points, i);

        x->least = CLAMP(point->x, -MOST, x->least);
        x->most = CLAMP(point->x, x->most, MOST);
        y->least = CLAMP(point->y, -MOST, y->least);
        y->most = CLAMP(point->y, y->most, MOST);
    }
    round_axis(x);
    round_axis(y);
}

static double place_x(const Axis *axis, double value)
{
    return LEFT + (CLAMP(value, axis->least, axis->most) - axis->least) /
                      (axis->most - axis->least) * (WIDTH - LEFT - RIGHT);
}

static double place_y(const Axis *axis, double value)
{
    return HEIGHT - BOTTOM -
           (CLAMP(value, axis->least, axis->most) - axis->least) / (axis->most - axis->least) *
               (HEIGHT - TOP - BOTTOM);
}

static void draw_line(GString *out, double x1, double y1, double x2, double y2)
{
    add_place(out, "<line x1=\"", x1, "\"");
    add_place(out, " y1=\"", y1, "\"");
    add_place(out, " x2=\"", x2, "\"");
    add_place(out, " y2=\"", y2, "\" stroke=\"#cccccc\"/>\n");
}

static void begin_text(GString *out, double x, double y, const char *anchor)
{
    add_place(out, "<text x=\"", x, "\"");
    add_place(out, " y=\"", y, "\"");
    g_string_append_printf(out, " text-anchor=\"%s\">", anchor);
}

static void draw_axes(GString *out, const Axis *x, const Axis *y, const MmrigPoint *first)
{
    /*
     * The lines are counted, since adding up the step would miss the last one by a rounding
     * error.
     */
    int columns = (int)lround((x->most - x->least) / x->step);
    int rows = (int)lround((y->most - y->least) / y->step);

    for (int i = 0; i <= columns; i++) {
        double value = x->least + i * x->step;

        draw_line(out, place_x(x, value), TOP, place_x(x, value), HEIGHT - BOTTOM);
        begin_text(out, place_x(x, value), HEIGHT - BOTTOM + 18, "middle");
        add_number(out, value);
        g_string_append(out, "</text>\n");
    }
    for (int i = 0; i <= rows; i++) {
        double value = y->least + i * y->step;

        draw_line(out, LEFT, place_y(y, value), WIDTH - RIGHT, place_y(y, value));
        begin_text(out, LEFT - 8, place_y(y, value) + 4, "end");
        add_number(out, value);
        g_string_append(out, "</text>\n");
    }
    begin_text(out, LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 14, "middle");
    g_string_append_printf(out, "%s</text>\n", first->x_unit);
    begin_text(out, 14, TOP - 14, "start");
    g_string_append_printf(out, "%s</text>\n", first->y_unit);
}

static void draw_series(GString *out, const Axis *x, const Axis *y, const GPtrArray *points,
                        const char *series, guint number)
{
    const char *colour = colours[number % G_N_ELEMENTS(colours)];

    g_string_append_printf(
        out, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"", colour);
    for (guint i = 0; i < points->len; i++) {
        const MmrigPoint *point = g_ptr_array_index(points, i);

        if (strcmp(point->series, series) != 0)
            continue;
        add_place(out, "", place_x(x, point->x), ",");
        add_place(out, "", place_y(y, point->y), " ");
    }
    g_string_append(out, "\"/>\n");
    g_string_append_printf(out, "<g fill=\"%s\">", colour);
    begin_text(out, LEFT + number * 160, TOP - 14, "start");
    g_string_append_printf(out, "%s</text></g>\n", series);
}

char *mmrig_report_series_svg(const MmrigResult *result)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *title = mmrig_result_title(result);
    Axis x, y;

    find_axes(result->points, &x, &y);
    g_string_append_printf(out,
                           "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
                           "height=\"%.0f\" font-family=\"sans-serif\" font-size=\"12\">\n"
                           "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                           WIDTH, HEIGHT);
    begin_text(out, WIDTH / 2, 20, "middle");
    g_string_append_printf(out, "%s</text>\n", title);
    if (result->points->len > 0)
        draw_axes(out, &x, &y, g_ptr_array_index(result->points, 0));
    for (guint i = 0; i < result->points->len; i++) {
        const MmrigPoint *point = g_ptr_array_index(result->points, i);

        if (g_ptr_array_find_with_equal_func(names, point->series, g_str_equal, NULL))
            continue;
        draw_series(out, &x, &y, result->points, point->series, names->len);
        g_ptr_array_add(names, point->series);
    }
    g_string_append(out, "</svg>\n");
    return g_string_free(g_steal_pointer(&out), FALSE);
}
