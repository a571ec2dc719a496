/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP's wire format, apart from any connection: bytes in, JSON objects out. Each message is
 * one line (QEMU ends it with CR LF), and bytes may come in pieces of any size.
 *
 * The bytes are not trusted. Besides its size, a message is bounded in depth and in the
 * number of its values before it is given to json-glib, whose parser calls itself for each
 * level and makes some hundred bytes of each value.
 */
#pragma once

#include <json-glib/json-glib.h>

/* QEMU's own reader stops at 1024 levels (qobject/json-parser.c); its replies need about 20. */
#define MMRIG_QMP_DEPTH_MAX 128
/* The largest reply of QEMU 10, query-qmp-schema, has some 20,000 values. */
#define MMRIG_QMP_VALUES_MAX 1000000

typedef struct MmrigQmpCodec MmrigQmpCodec;

/* max: bytes in a message, its line end not counted. */
MmrigQmpCodec *mmrig_qmp_codec_new(gsize max);
void mmrig_qmp_codec_free(MmrigQmpCodec *codec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigQmpCodec, mmrig_qmp_codec_free)

/* Adds bytes. What has been added must be taken with next before more is. */
void mmrig_qmp_codec_feed(MmrigQmpCodec *codec, const void *bytes, gsize size);

/*
 * The next message; free with json_object_unref(). NULL without error: more bytes are needed
 * for it. NULL with error (RIG): the stream is broken here, and stays so. line, if not NULL,
 * is overwritten with the text that the message or the error came from, without its line
 * end; any bytes in case of an error.
 */
JsonObject *mmrig_qmp_codec_next(MmrigQmpCodec *codec, GString *line, GError **error);

/* Whether a message has begun and not ended. */
gboolean mmrig_qmp_codec_partial(const MmrigQmpCodec *codec);

/* FALSE if the message has no id, or not one of ours: a number. */
gboolean mmrig_qmp_message_id(JsonObject *message, gint64 *id);
/* The error (QEMU) that an error reply stands for, safe to print, or NULL if it is malformed.
 */
GError *mmrig_qmp_message_error(JsonObject *message);

/* The object as one line with its line end. */
GBytes *mmrig_qmp_encode(JsonObject *message);
