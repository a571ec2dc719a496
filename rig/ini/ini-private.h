/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files that read values. */
#pragma once

#include "ini.h"

/* The letters of names. */
#define MMRIG_LOWER  "abcdefghijklmnopqrstuvwxyz"
#define MMRIG_UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define MMRIG_DIGITS "0123456789"

/* first, then any of others; at most max bytes. */
gboolean mmrig_ini_made_of(const char *text, gsize max, const char *first, const char *others);

/* The bounds of a size key in words ("2M to 1T, a multiple of 2M"). g_free(). */
char *mmrig_ini_size_bounds(const MmrigIniKey *key);
/* Whether the bytes are within the key's bounds. */
gboolean mmrig_ini_size_fits(const MmrigIniKey *key, guint64 bytes);
