/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What mmrig-image.so has for mmrig: the part of the image library that needs libarchive and
 * libkmod. on-demand.c loads it when one of these is called, and only then.
 */
#pragma once

#include "image-private.h"

typedef struct {
    const char *version; /* mmrig's: the two halves share structures */
    gboolean (*write)(MmrigImage *image, int fd, GError **error);
    gboolean (*list)(const char *path, MmrigImageLine line, gpointer data, GError **error);
    GVariant *(*resolve)(const char *folder, const char *const *boot, const char *const *wanted,
                         GError **error);
} MmrigImageLibrary;

#define MMRIG_IMAGE_LIBRARY "mmrig_image_library"

extern const MmrigImageLibrary mmrig_image_library;
