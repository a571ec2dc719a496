/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QMP codec on any bytes. The first byte says in pieces of what size the rest arrives:
 * the messages that come out must not depend on it.
 */
#include <stdint.h>

#include "qmp/qmp-codec-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MESSAGE_MAX 4096

/* All messages that the codec finds, each as text, then the error if there is one. */
static char *decode(const uint8_t *data, size_t size, size_t piece)
{
    g_autoptr(MmrigQmpCodec) codec = mmrig_qmp_codec_new(MESSAGE_MAX);
    g_autoptr(GString) line = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    GString *all = g_string_new(NULL);

    for (size_t at = 0; at < size && !error; at += piece) {
        mmrig_qmp_codec_feed(codec, data + at, MIN(piece, size - at));
        for (;;) {
            g_autoptr(JsonObject) message = mmrig_qmp_codec_next(codec, line, &error);
            if (!message)
                break;
            g_assert_cmpuint(line->len, <=, MESSAGE_MAX);
            g_autoptr(GBytes) bytes = mmrig_qmp_encode(message);
            g_string_append_len(all, g_bytes_get_data(bytes, NULL),
                                (gssize)g_bytes_get_size(bytes));
        }
    }
    g_string_append(all, error ? error->message : "no error");
    if (mmrig_qmp_codec_partial(codec))
        g_string_append(all, ", partial");
    return g_string_free(all, FALSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    g_autofree char *whole = decode(data + 1, size - 1, size);
    g_autofree char *pieces = decode(data + 1, size - 1, (size_t)data[0] % 64 + 1);

    g_assert_cmpstr(whole, ==, pieces);
    return 0;
}
