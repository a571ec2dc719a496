/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rig may do on a terminal: colours, width. Nothing here prints. */
#pragma once

#include <glib.h>

typedef enum {
    MMRIG_STYLE_PLAIN, /* back to normal */
    MMRIG_STYLE_BOLD,
    MMRIG_STYLE_DIM,
    MMRIG_STYLE_RED,
    MMRIG_STYLE_GREEN,
    MMRIG_STYLE_YELLOW,
    MMRIG_STYLE_BLUE,
} MmrigStyle;

/* Whether the descriptor is a terminal. */
gboolean mmrig_term_is_terminal(int fd);

/*
 * Whether to colour what goes to the descriptor: it is a terminal that knows colours (TERM
 * is set and not "dumb"), and NO_COLOR is not set or empty (https://no-color.org).
 */
gboolean mmrig_term_colours(int fd);

/*
 * The escape sequence that switches to the style; "" if colours is FALSE. Never freed.
 *
 *   gboolean colours = mmrig_term_colours(STDOUT_FILENO);
 *   mmrig_print("%sfail%s\n", mmrig_term_style(colours, MMRIG_STYLE_RED),
 *               mmrig_term_style(colours, MMRIG_STYLE_PLAIN));
 */
const char *mmrig_term_style(gboolean colours, MmrigStyle style);

/* Columns of the terminal behind the descriptor, else $COLUMNS, else 80; at least 20. */
guint mmrig_term_width(int fd);
