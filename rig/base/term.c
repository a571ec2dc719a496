/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "term.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_MIN     20
#define WIDTH_MAX     10000
#define WIDTH_UNKNOWN 80

gboolean mmrig_term_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

gboolean mmrig_term_colours(int fd)
{
    const char *no_color = g_getenv("NO_COLOR");
    const char *term = g_getenv("TERM");

    if (no_color && *no_color)
        return FALSE;
    if (!term || !*term || g_str_equal(term, "dumb"))
        return FALSE;
    return mmrig_term_is_terminal(fd);
}

/* Select Graphic Rendition: ECMA-48, 8.3.117. */
static const char *const sequences[] = {
    [MMRIG_STYLE_PLAIN] = "\033[0m",  [MMRIG_STYLE_BOLD] = "\033[1m",
    [MMRIG_STYLE_DIM] = "\033[2m",    [MMRIG_STYLE_RED] = "\033[31m",
    [MMRIG_STYLE_GREEN] = "\033[32m", [MMRIG_STYLE_YELLOW] = "\033[33m",
    [MMRIG_STYLE_BLUE] = "\033[34m",
};

const char *mmrig_term_style(gboolean colours, MmrigStyle style)
{
    g_return_val_if_fail((guint)style < G_N_ELEMENTS(sequences), "");
    return colours ? sequences[style] : "";
}

guint mmrig_term_width(int fd)
{
    const char *columns = g_getenv("COLUMNS");
    struct winsize size = {0};
    guint64 width = 0;

    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return MAX(size.ws_col, WIDTH_MIN);
    if (columns && g_ascii_string_to_unsigned(columns, 10, WIDTH_MIN, WIDTH_MAX, &width, NULL))
        return (guint)width;
    return WIDTH_UNKNOWN;
}
