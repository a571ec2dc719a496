/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

#include <string.h>

char *mmrig_text_utf8(const char *text)
{
    return text ? g_utf8_make_valid(text, -1) : NULL;
}

/* The one place that says what of a guest's words may be printed. */
static gboolean text_is_harmless(gunichar c)
{
    return c == '\t' || !g_unichar_iscntrl(c);
}

static char *text_clean(const char *bytes, gsize size, gboolean lines)
{
    /* NULs among the bytes are replaced like all that is not valid. */
    g_autofree char *valid = g_utf8_make_valid(bytes, (gssize)size);
    g_autoptr(GString) out = g_string_sized_new(size + 1);

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (lines && c == '\r')
            continue;
        g_string_append_unichar(out, text_is_harmless(c) || (lines && c == '\n') ? c : 0xfffd);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *mmrig_text_clean(const char *bytes, gsize size)
{
    return text_clean(bytes, size, FALSE);
}

char *mmrig_text_clean_lines(const char *bytes, gsize size)
{
    return text_clean(bytes, size, TRUE);
}

void mmrig_text_clean_in_place(char *bytes, gsize size)
{
    char *at = bytes, *end = bytes + size;

    while (at < end) {
        gunichar c = g_utf8_get_char_validated(at, end - at);
        if (c != (gunichar)-1 && c != (gunichar)-2 && c != 0 && text_is_harmless(c)) {
            at = g_utf8_next_char(at);
            continue;
        }
        /* A valid character is replaced as a whole, else a part of it would stay. */
        gsize bad = c != (gunichar)-1 && c != (gunichar)-2 && c != 0
                        ? (gsize)(g_utf8_next_char(at) - at)
                        : 1;
        memset(at, '?', bad);
        at += bad;
    }
}

int mmrig_text_compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}
