/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qmp-codec-private.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "qmp.h"

struct MmrigQmpCodec {
    gsize max;
    GByteArray *bytes;
    gsize taken;   /* of bytes: messages that were handed out */
    gsize scanned; /* of bytes: holds no line end between taken and here */
    gboolean broken;
};

MmrigQmpCodec *mmrig_qmp_codec_new(gsize max)
{
    MmrigQmpCodec *codec = g_new0(MmrigQmpCodec, 1);

    codec->max = max;
    codec->bytes = g_byte_array_sized_new(4096); /* so that its data is never NULL */
    return codec;
}

void mmrig_qmp_codec_free(MmrigQmpCodec *codec)
{
    g_byte_array_unref(codec->bytes);
    g_free(codec);
}

void mmrig_qmp_codec_feed(MmrigQmpCodec *codec, const void *bytes, gsize size)
{
    if (codec->broken)
        return;
    if (codec->taken > 0) {
        g_byte_array_remove_range(codec->bytes, 0, (guint)codec->taken);
        codec->scanned -= codec->taken;
        codec->taken = 0;
    }
    g_byte_array_append(codec->bytes, bytes, (guint)size);
}

static gboolean is_blank(const char *text, gsize size)
{
    for (gsize i = 0; i < size; i++)
        if (!strchr(" \t\r", text[i]) || text[i] == '\0')
            return FALSE;
    return TRUE;
}

/*
 * Whether the text is safe for json-glib's parser: no deeper and no more values than
 * allowed, and outside strings only characters that JSON has there. The last point
 * matters for the first two: json-glib also reads comments and other quotes, in which a
 * string's begin or end could be hidden from this count.
 */
static gboolean check_bounds(const char *text, gsize size, GError **error)
{
    gboolean in_string = FALSE;
    guint depth = 0, values = 1;
    gboolean whole = FALSE;

    for (gsize i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = FALSE;
            continue;
        }
        /* json-glib 1.10 aborts on a second value behind the first. */
        if (whole && !is_blank(&c, 1)) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "a QMP message is not JSON: more than one value on a line");
            return FALSE;
        }
        if (c == '"') {
            in_string = TRUE;
        } else if (c == '{' || c == '[') {
            depth++;
            values++;
        } else if (c == '}' || c == ']') {
            if (depth > 0)
                depth--;
            whole = depth == 0;
        } else if (c == ',') {
            values++;
        } else if (!g_ascii_isalnum(c) && !(c != '\0' && strchr(" \t\r:+-.", c))) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "a QMP message is not JSON: byte 0x%02x at offset %" G_GSIZE_FORMAT,
                        (guchar)c, i);
            return FALSE;
        }
        if (depth > MMRIG_QMP_DEPTH_MAX) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "a QMP message is nested more than %d levels deep",
                        MMRIG_QMP_DEPTH_MAX);
            return FALSE;
        }
        if (values > MMRIG_QMP_VALUES_MAX) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "a QMP message has more than %d values", MMRIG_QMP_VALUES_MAX);
            return FALSE;
        }
    }
    return TRUE;
}

static JsonObject *codec_parse(const char *text, gsize size, GError **error)
{
    g_autoptr(JsonParser) parser = NULL;
    g_autoptr(GError) cause = NULL;
    JsonNode *root;

    if (!check_bounds(text, size, error))
        return NULL;
    /* No other value gets as far as json-glib, so that it never sees two scalars either. */
    while (size > 0 && is_blank(text, 1)) {
        text++;
        size--;
    }
    if (*text != '{') {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "a QMP message is not a JSON object");
        return NULL;
    }
    if (!g_utf8_validate_len(text, size, NULL)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "a QMP message is not UTF-8");
        return NULL;
    }
    parser = json_parser_new_immutable();
    if (!json_parser_load_from_data(parser, text, (gssize)size, &cause)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "a QMP message is not JSON: %s",
                    cause->message);
        return NULL;
    }
    root = json_parser_get_root(parser);
    return json_object_ref(json_node_get_object(root));
}

/* How much of a message that is too long is worth showing. */
#define SHOWN_MAX 256

JsonObject *mmrig_qmp_codec_next(MmrigQmpCodec *codec, GString *line, GError **error)
{
    if (line)
        g_string_truncate(line, 0);
    while (!codec->broken) {
        const char *start = (const char *)codec->bytes->data + codec->taken;
        gsize left = codec->bytes->len - codec->taken;
        gsize seen = codec->scanned - codec->taken;
        const char *end = left > seen ? memchr(start + seen, '\n', left - seen) : NULL;
        gsize size = end ? (gsize)(end - start) : left;

        if (end && size > 0 && start[size - 1] == '\r')
            size--;
        if (size > codec->max && !(!end && size == codec->max + 1 && start[size - 1] == '\r')) {
            codec->broken = TRUE;
            if (line)
                g_string_append_len(line, start, (gssize)MIN(size, SHOWN_MAX));
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "a QMP message is longer than %" G_GSIZE_FORMAT " bytes", codec->max);
            return NULL;
        }
        if (!end) {
            codec->scanned = codec->bytes->len;
            return NULL;
        }
        codec->taken += (gsize)(end - start) + 1;
        codec->scanned = codec->taken;
        if (is_blank(start, size))
            continue;

        if (line)
            g_string_append_len(line, start, (gssize)size);
        JsonObject *message = codec_parse(start, size, error);
        if (!message)
            codec->broken = TRUE;
        return message;
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "the QMP connection broke down earlier");
    return NULL;
}

gboolean mmrig_qmp_codec_partial(const MmrigQmpCodec *codec)
{
    return !codec->broken && !is_blank((const char *)codec->bytes->data + codec->taken,
                                       codec->bytes->len - codec->taken);
}

JsonObject *mmrig_qmp_member_object(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

const char *mmrig_qmp_member_string(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && JSON_NODE_HOLDS_VALUE(node) &&
                   json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : NULL;
}

gboolean mmrig_qmp_message_id(JsonObject *object, gint64 *id)
{
    JsonNode *node = json_object_get_member(object, "id");

    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64)
        return FALSE;
    *id = json_node_get_int(node);
    return TRUE;
}

GError *mmrig_qmp_message_error(JsonObject *message)
{
    JsonObject *error = mmrig_qmp_member_object(message, "error");
    const char *class = error ? mmrig_qmp_member_string(error, "class") : NULL;
    const char *text = error ? mmrig_qmp_member_string(error, "desc") : NULL;

    if (!class || !text)
        return NULL;
    g_autofree char *said = g_strconcat(class, ": ", text, NULL);
    g_autofree char *clean = mmrig_text_clean(said, strlen(said));
    return g_error_new_literal(MMRIG_ERROR, MMRIG_ERROR_QEMU, clean);
}

GBytes *mmrig_qmp_encode(JsonObject *message)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;
    GString *line;

    json_node_set_object(node, message);
    text = json_to_string(node, FALSE);
    line = g_string_new(text);
    g_string_append_c(line, '\n');
    return g_string_free_to_bytes(line);
}
