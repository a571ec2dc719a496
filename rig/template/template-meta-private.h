/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a template says of itself, in its folder's meta.json. */
#pragma once

#include <glib.h>

typedef struct {
    char *title;    /* the scenario that it was made for */
    char *nonce;    /* MMRIG_NONCE_DIGITS hex digits */
    char *digest;   /* SHA-256 of the device state */
    guint64 memory; /* bytes of the guest's memory */
    gint64 made;    /* seconds since the epoch */
} MmrigTemplateMeta;

/* Writes the file; the device state is in the folder already, and digest is taken here. */
gboolean mmrig_template_meta_write(const char *folder, const char *title, const char *nonce,
                                   guint64 memory, GError **error);

/* RIG error if it is not there or not whole. */
MmrigTemplateMeta *mmrig_template_meta_read(const char *folder, GError **error);

/* Whether the files are as they were saved: the state by its checksum, the memory by its size.
 */
gboolean mmrig_template_meta_verify(const MmrigTemplateMeta *meta, const char *folder,
                                    GError **error);

void mmrig_template_meta_free(MmrigTemplateMeta *meta);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigTemplateMeta, mmrig_template_meta_free)
