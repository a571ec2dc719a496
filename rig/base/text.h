/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small things done to text. */
#pragma once

#include <glib.h>

/* text with what is not UTF-8 in it replaced (U+FFFD); NULL stays NULL. Free with g_free(). */
char *mmrig_text_utf8(const char *text);
