/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

char *mmrig_text_utf8(const char *text)
{
    return text ? g_utf8_make_valid(text, -1) : NULL;
}
