/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "firmware.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>

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
    g_free(firmware->descriptor);
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

/* machine NULL: for any machine of the architecture. */
static gboolean has_target(JsonObject *root, const MmrigArch *arch, const char *machine)
{
    JsonNode *node = firmware_member(root, "targets", JSON_NODE_ARRAY);
    JsonArray *targets = node ? json_node_get_array(node) : NULL;

    for (guint i = 0; targets && i < json_array_get_length(targets); i++) {
        JsonNode *element = json_array_get_element(targets, i);
        JsonObject *target =
            JSON_NODE_HOLDS_OBJECT(element) ? json_node_get_object(element) : NULL;
        if (g_strcmp0(firmware_member_text(target, "architecture"), arch->firmware_target) ==
                0 &&
            (!machine || list_has(target, "machines", machine, TRUE)))
            return TRUE;
    }
    return FALSE;
}

/* How near a descriptor came: what fits later outweighs what fits earlier. */
enum { NEAR_FILE, NEAR_UEFI, NEAR_TARGET, NEAR_FEATURES, NEAR_MAPPING, NEAR_IMAGES };

/* A raw image's path, or NULL with *reason. */
static const char *firmware_image(JsonObject *mapping, const char *name, char **reason)
{
    JsonObject *file = member_object(mapping, name);
    const char *path = firmware_member_text(file, "filename"),
               *format = firmware_member_text(file, "format");

    if (!path)
        *reason = g_strdup_printf("it names no %s", name);
    else if (g_strcmp0(format, "raw") != 0)
        *reason =
            g_strdup_printf("%s is of the format %s, not raw", path, format ? format : "none");
    else
        return path;
    return NULL;
}

/* Why the machine cannot have this firmware, images aside; NULL if it can. */
static char *firmware_unfit(JsonObject *root, const MmrigArch *arch, guint *nearness)
{
    *nearness = NEAR_UEFI;
    if (!list_has(root, "interface-types", "uefi", FALSE))
        return g_strdup("it is not of UEFI firmware");
    *nearness = NEAR_TARGET;
    if (!has_target(root, arch, NULL))
        return g_strdup("it is for another architecture");
    if (!has_target(root, arch, arch->firmware_machine))
        return g_strdup_printf("it is not for the machine %s", arch->firmware_machine);
    *nearness = NEAR_FEATURES;
    if (list_has(root, "features", "requires-smm", FALSE))
        return g_strdup("it is built for secure boot and needs SMM");
    if (list_has(root, "features", "enrolled-keys", FALSE))
        return g_strdup("its secure boot has keys, which refuse mmrig's driver");
    return NULL;
}

/* What is not a descriptor has no root, and *reason says so. */
static JsonObject *firmware_parse(JsonParser *parser, const char *path, char **reason)
{
    g_autoptr(GError) error = NULL;
    struct stat status;
    JsonNode *node;

    /* Special files are not read: one might never end. */
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        *reason = g_strdup("it is not a file");
        return NULL;
    }
    if (!json_parser_load_from_file(parser, path, &error)) {
        *reason = g_strdup(error->message);
        g_strdelimit(*reason, "\n", ' ');
        return NULL;
    }
    node = json_parser_get_root(parser);
    if (node && JSON_NODE_HOLDS_OBJECT(node))
        return json_node_get_object(node);
    *reason = g_strdup(node ? "it has no JSON object" : "it is empty");
    return NULL;
}

/* NULL with *reason and *nearness. */
static MmrigFirmware *firmware_read(const char *path, const MmrigArch *arch, char **reason,
                                    guint *nearness)
{
    g_autoptr(JsonParser) parser = json_parser_new();

    *nearness = NEAR_FILE;
    JsonObject *root = firmware_parse(parser, path, reason);
    if (!root || (*reason = firmware_unfit(root, arch, nearness)))
        return NULL;
    *nearness = NEAR_MAPPING;
    JsonObject *mapping = member_object(root, "mapping");
    const char *mode = firmware_member_text(mapping, "mode");
    if (g_strcmp0(firmware_member_text(mapping, "device"), "flash") != 0 ||
        (mode && strcmp(mode, "split") != 0)) {
        *reason = g_strdup("its code and variables are not two images of flash");
        return NULL;
    }
    const char *code = firmware_image(mapping, "executable", reason),
               *variables = code ? firmware_image(mapping, "nvram-template", reason) : NULL;
    if (!variables)
        return NULL;
    *nearness = NEAR_IMAGES;
    *reason = mmrig_firmware_misfit(arch, code, variables);
    if (*reason)
        return NULL;
    MmrigFirmware *firmware = g_new0(MmrigFirmware, 1);
    firmware->code = g_strdup(code);
    firmware->variables = g_strdup(variables);
    firmware->descriptor = g_strdup(path);
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

static GTree *firmware_descriptors(const char *const *folders)
{
    g_auto(GStrv) usual = folders ? NULL : usual_folders();

    return list_descriptors(folders ? folders : (const char *const *)usual);
}

static void firmware_miss_free(gpointer data)
{
    MmrigFirmwareMiss *miss = data;

    g_free(miss->descriptor);
    g_free(miss->reason);
    g_free(miss);
}

MmrigFirmwareSearch *mmrig_firmware_search(const char *const *folders, const MmrigArch *arch)
{
    g_autoptr(GTree) found = firmware_descriptors(folders);
    MmrigFirmwareSearch *search = g_new0(MmrigFirmwareSearch, 1);

    search->passed = g_ptr_array_new_with_free_func(firmware_miss_free);
    for (GTreeNode *node = g_tree_node_first(found); node && !search->taken;
         node = g_tree_node_next(node)) {
        MmrigFirmwareMiss *miss = g_new0(MmrigFirmwareMiss, 1);
        search->taken =
            firmware_read(g_tree_node_value(node), arch, &miss->reason, &miss->nearness);
        if (search->taken) {
            firmware_miss_free(miss);
        } else {
            miss->descriptor = g_strdup(g_tree_node_value(node));
            g_ptr_array_add(search->passed, miss);
        }
    }
    return search;
}

void mmrig_firmware_search_free(MmrigFirmwareSearch *search)
{
    if (!search)
        return;
    mmrig_firmware_free(search->taken);
    g_ptr_array_unref(search->passed);
    g_free(search);
}

char *mmrig_firmware_search_unmet(const MmrigFirmwareSearch *search, const MmrigArch *arch)
{
    const MmrigFirmwareMiss *nearest = NULL;

    for (guint i = 0; i < search->passed->len; i++) {
        const MmrigFirmwareMiss *miss = g_ptr_array_index(search->passed, i);
        if (!nearest || miss->nearness > nearest->nearness)
            nearest = miss;
    }
    if (!nearest)
        return g_strdup_printf("there is no UEFI firmware for QEMU's %s (no descriptor in "
                               "/usr/share/qemu/firmware); Debian's package is %s",
                               arch->machine, arch->firmware_package);
    return g_strdup_printf(
        "there is no UEFI firmware for QEMU's %s: of %u descriptors none fits, "
        "the nearest is %s: %s; Debian's package is %s",
        arch->machine, search->passed->len, nearest->descriptor, nearest->reason,
        arch->firmware_package);
}

MmrigFirmware *mmrig_firmware_find(const char *const *folders, const MmrigArch *arch,
                                   GError **error)
{
    g_autoptr(MmrigFirmwareSearch) search = mmrig_firmware_search(folders, arch);

    if (search->taken)
        return g_steal_pointer(&search->taken);
    g_autofree char *unmet = mmrig_firmware_search_unmet(search, arch);
    g_set_error_literal(error, MMRIG_ERROR, MMRIG_ERROR_UNMET, unmet);
    return NULL;
}

static gboolean same_file(const char *one, const char *other)
{
    struct stat a, b;

    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

char *mmrig_firmware_named_misfit(const char *const *folders, const MmrigArch *arch,
                                  const char *code, const char *variables)
{
    g_autofree char *unfit = NULL;
    char *misfit = mmrig_firmware_misfit(arch, code, variables);

    if (misfit)
        return misfit;
    g_autoptr(GTree) found = firmware_descriptors(folders);
    for (GTreeNode *node = g_tree_node_first(found); node; node = g_tree_node_next(node)) {
        g_autoptr(JsonParser) parser = json_parser_new();
        g_autofree char *unread = NULL, *reason = NULL;
        guint nearness;
        JsonObject *root = firmware_parse(parser, g_tree_node_value(node), &unread);
        JsonObject *mapping = member_object(root, "mapping");
        JsonObject *executable = member_object(mapping, "executable");
        const char *path = firmware_member_text(executable, "filename");

        if (!path || !same_file(path, code))
            continue;
        reason = firmware_unfit(root, arch, &nearness);
        /* The reason of a descriptor for this machine says more than those of others. */
        if (!reason)
            return NULL;
        if (!unfit)
            unfit = g_strdup_printf("%s cannot start here: %s says that %s", code,
                                    (const char *)g_tree_node_value(node), reason);
    }
    return g_steal_pointer(&unfit);
}
