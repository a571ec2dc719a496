/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "template-meta-private.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json-text.h"
#include "machine/plan.h"
#include "mmrig-guest-protocol.h"

#define META_NAME "meta.json"
#define SCHEMA    1

void mmrig_template_meta_free(MmrigTemplateMeta *meta)
{
    if (!meta)
        return;
    g_free(meta->title);
    g_free(meta->nonce);
    g_free(meta->digest);
    g_free(meta);
}

static char *state_digest(const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, MMRIG_BACKING_STATE, NULL);
    g_autofree char *bytes = NULL;
    gsize size;

    if (!g_file_get_contents(path, &bytes, &size, error))
        return NULL;
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)bytes, size);
}

gboolean mmrig_template_meta_write(const char *folder, const char *title, const char *nonce,
                                   guint64 memory, GError **error)
{
    g_autofree char *path = g_build_filename(folder, META_NAME, NULL);
    g_autofree char *digest = state_digest(folder, error);
    g_autoptr(JsonBuilder) builder = json_builder_new();

    if (!digest)
        return FALSE;
    json_builder_begin_object(builder);
    mmrig_json_add_number(builder, "schema", SCHEMA);
    mmrig_json_add_text(builder, "title", title);
    mmrig_json_add_number(builder, "made", g_get_real_time() / G_USEC_PER_SEC);
    mmrig_json_add_text(builder, "nonce", nonce);
    mmrig_json_add_number(builder, "memory", (gint64)memory);
    mmrig_json_add_text(builder, "state-sha256", digest);
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, TRUE);
    return mmrig_io_set_text(path, text, 0600, error);
}

/* The member's text, or "" if it is not there or not a string. */
static char *get_string(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return g_strdup(node && JSON_NODE_HOLDS_VALUE(node) &&
                            json_node_get_value_type(node) == G_TYPE_STRING
                        ? json_node_get_string(node)
                        : "");
}

MmrigTemplateMeta *mmrig_template_meta_read(const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, META_NAME, NULL);
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) cause = NULL;

    if (!json_parser_load_from_file(parser, path, &cause)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: %s", path, cause->message);
        return NULL;
    }
    JsonNode *root = json_parser_get_root(parser);
    JsonObject *object =
        root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    if (!object || json_object_get_int_member_with_default(object, "schema", 0) != SCHEMA) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: not of this version of mmrig",
                    path);
        return NULL;
    }
    g_autoptr(MmrigTemplateMeta) meta = g_new0(MmrigTemplateMeta, 1);
    meta->title = get_string(object, "title");
    meta->nonce = get_string(object, "nonce");
    meta->digest = get_string(object, "state-sha256");
    gint64 memory = json_object_get_int_member_with_default(object, "memory", 0);
    meta->made = json_object_get_int_member_with_default(object, "made", 0);
    if (strlen(meta->nonce) == MMRIG_NONCE_DIGITS && *meta->title && memory > 0) {
        meta->memory = (guint64)memory;
        return g_steal_pointer(&meta);
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: something is missing in it", path);
    return NULL;
}

gboolean mmrig_template_meta_verify(const MmrigTemplateMeta *meta, const char *folder,
                                    GError **error)
{
    g_autofree char *ram = g_build_filename(folder, MMRIG_BACKING_RAM, NULL);
    g_autofree char *digest = state_digest(folder, error);
    struct stat status;

    if (!digest)
        return FALSE;
    if (strcmp(digest, meta->digest) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "%s: the device state is not what was saved", folder);
        return FALSE;
    }
    if (stat(ram, &status) != 0 || !S_ISREG(status.st_mode) ||
        (guint64)status.st_size != meta->memory) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "%s: the memory is missing or not of its size", folder);
        return FALSE;
    }
    return TRUE;
}
