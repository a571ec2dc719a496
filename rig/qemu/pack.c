/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pack.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"
#include "base/paths.h"
#include "base/store.h"
#include "qemu-session.h"

/* What the pack's guard (qemu-devices/pack/guard.c) begins its line with. */
#define GUARD "mmrig-devices.so: "
#define MEND  "rebuild the pack for this QEMU (see docs/adding-a-device.md)"
/* A sound QEMU answers with far less. */
#define DEVICES_MAX    1000
#define PROPERTIES_MAX 1000

static void property_free(gpointer data)
{
    MmrigPackProperty *property = data;

    g_free(property->name);
    g_free(property->type);
    g_free(property->value);
    g_free(property->description);
    g_free(property);
}

static void pack_device_free(gpointer data)
{
    MmrigPackDevice *device = data;

    g_free(device->name);
    g_free(device->bus);
    g_free(device->description);
    g_ptr_array_unref(device->properties);
    g_free(device);
}

void mmrig_pack_free(MmrigPack *pack)
{
    if (!pack)
        return;
    g_free(pack->path);
    g_free(pack->version);
    g_ptr_array_unref(pack->devices);
    g_free(pack);
}

/* Both MmrigPackDevice and MmrigPackProperty begin with their name. */
static int pack_compare_names(gconstpointer left, gconstpointer right)
{
    const char *const *const *a = left, *const *const *b = right;

    return strcmp(**a, **b);
}

static const char *text_member(JsonObject *object, const char *name)
{
    JsonNode *node = mmrig_session_member(object, name, G_TYPE_STRING);

    return node ? json_node_get_string(node) : NULL;
}

static JsonArray *ask_list(MmrigSession *session, const char *command, JsonObject *arguments,
                           guint most, JsonNode **node, GError **error)
{
    *node = mmrig_session_ask(session, command, arguments, JSON_NODE_ARRAY, error);
    if (!*node)
        return NULL;
    JsonArray *list = json_node_get_array(*node);
    gboolean good = json_array_get_length(list) <= most;
    for (guint i = 0; good && i < json_array_get_length(list); i++) {
        JsonNode *item = json_array_get_element(list, i);
        good = JSON_NODE_HOLDS_OBJECT(item) && text_member(json_node_get_object(item), "name");
    }
    if (good)
        return list;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "its answer to '%s' makes no sense",
                command);
    return NULL;
}

/* The default as a user would type it for -device. */
static char *value_text(JsonNode *node)
{
    if (!node || json_node_is_null(node))
        return NULL;
    if (json_node_get_value_type(node) == G_TYPE_BOOLEAN)
        return g_strdup(json_node_get_boolean(node) ? "on" : "off");
    if (json_node_get_value_type(node) == G_TYPE_STRING)
        return g_strdup(json_node_get_string(node));
    return json_to_string(node, FALSE);
}

static void add_property(MmrigPackDevice *device, JsonObject *object)
{
    MmrigPackProperty *property = g_new0(MmrigPackProperty, 1);
    const char *type = text_member(object, "type");

    property->name = g_strdup(text_member(object, "name"));
    property->type = g_strdup(type ? type : "unknown");
    property->value = value_text(json_object_get_member(object, "default-value"));
    property->description = g_strdup(text_member(object, "description"));
    g_ptr_array_add(device->properties, property);
}

/* The names of what every device of the parent's type has. */
static GHashTable *ask_inherited(MmrigSession *session, const char *parent, GError **error)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(JsonNode) node = NULL;
    JsonObject *arguments = json_object_new();
    JsonArray *list;

    json_object_set_string_member(arguments, "typename", parent);
    list = ask_list(session, "qom-list-properties", arguments, PROPERTIES_MAX, &node, error);
    if (!list)
        return NULL;
    for (guint i = 0; i < json_array_get_length(list); i++)
        g_hash_table_add(names,
                         g_strdup(text_member(json_array_get_object_element(list, i), "name")));
    return g_steal_pointer(&names);
}

static gboolean ask_properties(MmrigSession *session, MmrigPackDevice *device,
                               const char *parent, GError **error)
{
    g_autoptr(GHashTable) inherited = ask_inherited(session, parent, error);
    g_autoptr(JsonNode) node = NULL;
    JsonObject *arguments;
    JsonArray *list;

    if (!inherited)
        return FALSE;
    arguments = json_object_new();
    json_object_set_string_member(arguments, "typename", device->name);
    list = ask_list(session, "device-list-properties", arguments, PROPERTIES_MAX, &node, error);
    if (!list)
        return FALSE;
    for (guint i = 0; i < json_array_get_length(list); i++) {
        JsonObject *object = json_array_get_object_element(list, i);
        if (!g_hash_table_contains(inherited, text_member(object, "name")))
            add_property(device, object);
    }
    g_ptr_array_sort(device->properties, pack_compare_names);
    return TRUE;
}

/* The text after a label and up to an end, or NULL. */
static char *pack_cut(const char *text, const char *label, const char *end)
{
    const char *start = strstr(text, label);
    const char *stop = start ? strstr(start + strlen(label), end) : NULL;

    return stop ? g_strndup(start + strlen(label), (gsize)(stop - start - strlen(label)))
                : NULL;
}

/*
 * Bus and description are told by the monitor's "info qdm" only, one line a device:
 *   name "edu", bus PCI, alias "x", desc "..."
 */
static void pack_describe(MmrigPackDevice *device, const char *text)
{
    g_autofree char *label = g_strdup_printf("name \"%s\"", device->name);
    g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", -1);

    for (char **line = lines; *line; line++) {
        if (!g_str_has_prefix(*line, label))
            continue;
        const char *rest = *line + strlen(label);
        device->description = pack_cut(rest, ", desc \"", "\"");
        g_autofree char *before = pack_cut(rest, "", ", desc");
        g_auto(GStrv) words = g_strsplit(before ? before : rest, ", ", -1);
        for (char **word = words; *word; word++)
            if (g_str_has_prefix(*word, "bus "))
                device->bus = g_strdup(*word + strlen("bus "));
    }
}

static gboolean ask_descriptions(MmrigSession *session, MmrigPack *pack, GError **error)
{
    JsonObject *arguments = json_object_new();
    g_autoptr(JsonNode) node = NULL;

    json_object_set_string_member(arguments, "command-line", "info qdm");
    node =
        mmrig_session_ask(session, "human-monitor-command", arguments, JSON_NODE_VALUE, error);
    if (!node)
        return FALSE;
    for (guint i = 0; json_node_get_value_type(node) == G_TYPE_STRING && i < pack->devices->len;
         i++)
        pack_describe(g_ptr_array_index(pack->devices, i), json_node_get_string(node));
    return TRUE;
}

static gboolean pack_ask_version(MmrigSession *session, MmrigPack *pack, GError **error)
{
    JsonObject *arguments = json_object_new();
    g_autoptr(JsonNode) node = NULL;

    json_object_set_string_member(arguments, "path", "/mmrig-pack");
    json_object_set_string_member(arguments, "property", "qemu-version");
    node = mmrig_session_ask(session, "qom-get", arguments, JSON_NODE_VALUE, error);
    if (!node)
        return FALSE;
    pack->version = g_strdup(json_node_get_string(node));
    if (!pack->version)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "the pack does not say which QEMU it was built for");
    return pack->version != NULL;
}

static gboolean ask_devices(MmrigSession *session, const MmrigQemu *qemu, MmrigPack *pack,
                            GError **error)
{
    JsonObject *arguments = json_object_new();
    g_autoptr(JsonNode) node = NULL;
    JsonArray *types;

    json_object_set_string_member(arguments, "implements", "device");
    types = ask_list(session, "qom-list-types", arguments, G_MAXUINT, &node, error);
    for (guint i = 0; types && i < json_array_get_length(types); i++) {
        JsonObject *object = json_array_get_object_element(types, i);
        const char *name = text_member(object, "name"), *parent = text_member(object, "parent");
        if (g_hash_table_contains(qemu->types, name))
            continue;
        MmrigPackDevice *device = g_new0(MmrigPackDevice, 1);
        device->name = g_strdup(name);
        device->properties = g_ptr_array_new_with_free_func(property_free);
        g_ptr_array_add(pack->devices, device);
        if (pack->devices->len > DEVICES_MAX) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "it has over %d types that it lacks without the pack", DEVICES_MAX);
            return FALSE;
        }
        if (!ask_properties(session, device, parent ? parent : "device", error))
            return FALSE;
    }
    return types != NULL;
}

/* Why it did not load: in the words of the guard, of QEMU, or ours. */
static void pack_explain(MmrigSession *session, const char *path, const GError *cause,
                         GError **error)
{
    g_autofree char *output = NULL;

    mmrig_session_stop(session);
    output = mmrig_session_output(session);
    if (output && g_str_has_prefix(output, GUARD))
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "%s: %s", path,
                    output + strlen(GUARD));
    else
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: QEMU cannot use it as mmrig's device pack (%s%s); " MEND, path,
                    output ? "it printed: " : "", output ? output : cause->message);
}

MmrigPack *mmrig_pack_load(const MmrigQemu *qemu, const char *path, GError **error)
{
    g_autofree char *escaped = mmrig_argv_escape(path);
    g_autofree char *plugin = g_strconcat("file=", escaped, NULL);
    const char *const arguments[] = {"-machine", "none", "-S", "-plugin", plugin, NULL};
    g_autoptr(MmrigPack) pack = NULL;
    g_autoptr(GError) cause = NULL;

    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: mmrig's device pack is not there; build it (`cmake --build DIR "
                    "--target mmrig-devices`), or name it in MMRIG_PACK",
                    path);
        return NULL;
    }
    g_autoptr(MmrigSession) session = mmrig_session_start(qemu->path, arguments, NULL, error);
    if (!session)
        return NULL;
    pack = g_new0(MmrigPack, 1);
    pack->path = g_strdup(path);
    pack->devices = g_ptr_array_new_with_free_func(pack_device_free);
    if (!mmrig_session_connect(session, &cause) || !pack_ask_version(session, pack, &cause) ||
        !ask_devices(session, qemu, pack, &cause) || !ask_descriptions(session, pack, &cause)) {
        pack_explain(session, path, cause, error);
        return NULL;
    }
    g_ptr_array_sort(pack->devices, pack_compare_names);
    return g_steal_pointer(&pack);
}

typedef struct {
    const MmrigQemu *qemu;
    const char *path;
} PackQuestion;

/* For the store: nothing if QEMU takes the pack, or else why not. */
static gboolean pack_write_answer(int fd, gpointer data, GError **error)
{
    const PackQuestion *question = data;
    g_autofree char *escaped = mmrig_argv_escape(question->path);
    g_autofree char *plugin = g_strconcat("file=", escaped, NULL);
    const char *const arguments[] = {"-machine", "none", "-S", "-plugin", plugin, NULL};
    g_autoptr(MmrigSession) session = NULL;
    g_autoptr(GError) cause = NULL, why = NULL;

    session = mmrig_session_start(question->qemu->path, arguments, NULL, error);
    if (!session)
        return FALSE;
    if (mmrig_session_connect(session, &cause))
        return TRUE;
    pack_explain(session, question->path, cause, &why);
    if (mmrig_io_write_all(fd, why->message, strlen(why->message)))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write: %s", g_strerror(errno));
    return FALSE;
}

char *mmrig_pack_refused(const MmrigQemu *qemu, const char *path)
{
    PackQuestion question = {qemu, path};
    g_autoptr(MmrigKey) key = mmrig_key_new("pack");
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = mmrig_path_cache("qemu", &error), *entry = NULL, *answer = NULL;

    mmrig_key_add(key, qemu->id);
    if (folder && mmrig_key_add_stat(key, path, &error))
        entry = mmrig_store_file(folder, mmrig_key_digest(key), pack_write_answer, &question,
                                 &error);
    if (!entry || !g_file_get_contents(entry, &answer, NULL, &error))
        return g_strdup(error->message);
    return *answer ? g_steal_pointer(&answer) : NULL;
}
