/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "firmware.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "base/error.h"

/* As libvirt and others look for them: the user's come first, then the administrator's. */
static GStrv usual_folders(void)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autofree char *own = g_build_filename(g_get_user_config_dir(), "qemu", "firmware", NULL);

    g_strv_builder_add_many(builder, own, "/etc/qemu/firmware",
                            "/usr/local/share/qemu/firmware", "/usr/share/qemu/firmware", NULL);
    return g_strv_builder_end(builder);
}

void mmrig_firmware_free(MmrigFirmware *firmware)
{
    if (!firmware)
        return;
    g_free(firmware->code);
    g_free(firmware->variables);
    g_free(firmware);
}

/* The member of an object if it is of that kind, else NULL; object may be NULL. */
static JsonNode *firmware_member(JsonObject *object, const char *name, JsonNodeType type)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;

    return node && JSON_NODE_TYPE(node) == type ? node : NULL;
}

static JsonObject *member_object(JsonObject *object, const char *name)
{
    JsonNode *node = firmware_member(object, name, JSON_NODE_OBJECT);

    return node ? json_node_get_object(node) : NULL;
}

static const char *firmware_member_text(JsonObject *object, const char *name)
{
    JsonNode *node = firmware_member(object, name, JSON_NODE_VALUE);

    return node ? json_node_get_string(node) : NULL;
}

/* Whether the list has the text; glob: its entries are patterns for it. */
static gboolean list_has(JsonObject *object, const char *name, const char *text, gboolean glob)
{
    JsonNode *node = firmware_member(object, name, JSON_NODE_ARRAY);
    JsonArray *list = node ? json_node_get_array(node) : NULL;

    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonNode *element = json_array_get_element(list, i);
        const char *entry =
            JSON_NODE_HOLDS_VALUE(element) ? json_node_get_string(element) : NULL;
        if (entry && (glob ? g_pattern_match_simple(entry, text) : strcmp(entry, text) == 0))
            return TRUE;
    }
    return FALSE;
}

static gboolean has_target(JsonObject *root, const char *machine)
{
    JsonNode *node = firmware_member(root, "targets", JSON_NODE_ARRAY);
    JsonArray *targets = node ? json_node_get_array(node) : NULL;

    for (guint i = 0; targets && i < json_array_get_length(targets); i++) {
        JsonNode *element = json_array_get_element(targets, i);
        JsonObject *target =
            JSON_NODE_HOLDS_OBJECT(element) ? json_node_get_object(element) : NULL;
        if (g_strcmp0(firmware_member_text(target, "architecture"), "x86_64") == 0 &&
            list_has(target, "machines", machine, TRUE))
            return TRUE;
    }
    return FALSE;
}

/* A raw image that is there, or NULL. */
static const char *firmware_image(JsonObject *mapping, const char *name)
{
    JsonObject *file = member_object(mapping, name);
    const char *path = firmware_member_text(file, "filename");

    if (!path || g_strcmp0(firmware_member_text(file, "format"), "raw") != 0 ||
        !g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return NULL;
    return path;
}

static MmrigFirmware *read_descriptor(const char *path, const char *machine)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *node;

    /* A file that is not one is passed over; an empty one is there to hide another. */
    if (!json_parser_load_from_file(parser, path, NULL))
        return NULL;
    node = json_parser_get_root(parser);
    JsonObject *root = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonObject *mapping = member_object(root, "mapping");
    const char *mode = firmware_member_text(mapping, "mode");

    /* System management mode would have to be turned on, and keys refuse our driver. */
    if (!list_has(root, "interface-types", "uefi", FALSE) || !has_target(root, machine) ||
        list_has(root, "features", "requires-smm", FALSE) ||
        list_has(root, "features", "enrolled-keys", FALSE) ||
        g_strcmp0(firmware_member_text(mapping, "device"), "flash") != 0 ||
        (mode && strcmp(mode, "split") != 0))
        return NULL;
    const char *code = firmware_image(mapping, "executable"),
               *vars = firmware_image(mapping, "nvram-template");
    if (!code || !vars)
        return NULL;
    MmrigFirmware *firmware = g_new0(MmrigFirmware, 1);
    firmware->code = g_strdup(code);
    firmware->variables = g_strdup(vars);
    return firmware;
}

/* Name to path, of the first folder that has the name. */
static GTree *list_descriptors(const char *const *folders)
{
    GTree *found =
        g_tree_new_full((GCompareDataFunc)(void (*)(void))strcmp, NULL, g_free, g_free);

    for (; *folders; folders++) {
        g_autoptr(GDir) folder = g_dir_open(*folders, 0, NULL);
        const char *name;
        while (folder && (name = g_dir_read_name(folder)))
            if (g_str_has_suffix(name, ".json") && !g_tree_lookup(found, name))
                g_tree_insert(found, g_strdup(name), g_build_filename(*folders, name, NULL));
    }
    return found;
}

MmrigFirmware *mmrig_firmware_find(const char *const *folders, const char *machine,
                                   GError **error)
{
    /* The descriptors' patterns are of names with a version: pc-q35-*. */
    g_autofree char *versioned = g_strdup_printf("pc-%s-0", machine);
    g_auto(GStrv) usual = folders ? NULL : usual_folders();
    g_autoptr(GTree) found = list_descriptors(folders ? folders : (const char *const *)usual);

    for (GTreeNode *node = g_tree_node_first(found); node; node = g_tree_node_next(node)) {
        MmrigFirmware *firmware = read_descriptor(g_tree_node_value(node), versioned);
        if (firmware)
            return firmware;
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET,
                "there is no UEFI firmware for QEMU's %s (descriptors in "
                "/usr/share/qemu/firmware); Debian's package is ovmf",
                machine);
    return NULL;
}
