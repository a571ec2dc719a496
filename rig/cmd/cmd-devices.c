/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/json-text.h"
#include "base/paths.h"
#include "command-private.h"
#include "qemu/pack.h"

static gboolean devices_parse_arguments(int argc, char **argv, gboolean *json, GError **error)
{
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, json, "Print the list as JSON", NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(
        context, "Lists the devices that mmrig's device pack adds to QEMU, with their "
                 "properties.");
    g_option_context_set_description(
        context, "QEMU is started and asked; so it says as well whether it takes the pack.\n"
                 "See mmrig-devices(1).");
    return mmrig_command_options("devices", context, entries, argc, argv, error);
}

static void print_device(const MmrigPackDevice *device)
{
    gsize names = 0, types = 0;

    mmrig_print("\n%s%s%s%s%s\n", device->name, device->bus ? " (bus " : "",
                device->bus ? device->bus : "", device->bus ? "): " : ": ",
                device->description ? device->description : "no description");
    for (guint i = 0; i < device->properties->len; i++) {
        const MmrigPackProperty *property = g_ptr_array_index(device->properties, i);
        names = MAX(names, strlen(property->name));
        types = MAX(types, strlen(property->type));
    }
    for (guint i = 0; i < device->properties->len; i++) {
        const MmrigPackProperty *property = g_ptr_array_index(device->properties, i);
        g_autoptr(GString) line = g_string_new(NULL);
        g_string_append_printf(line, "  %-*s  %-*s", (int)names, property->name, (int)types,
                               property->type);
        if (property->description)
            g_string_append_printf(line, "  %s", property->description);
        if (property->value)
            g_string_append_printf(line, " (default %s)", property->value);
        mmrig_print("%s\n", g_strchomp(line->str));
    }
}

static void devices_print_text(const MmrigQemu *qemu, const MmrigPack *pack)
{
    mmrig_print("%s, built for QEMU %s, in QEMU %s: %u device%s\n", pack->path, pack->version,
                qemu->version, pack->devices->len, pack->devices->len == 1 ? "" : "s");
    for (guint i = 0; i < pack->devices->len; i++)
        print_device(g_ptr_array_index(pack->devices, i));
}

static JsonObject *device_json(const MmrigPackDevice *device)
{
    JsonObject *object = json_object_new();
    JsonArray *properties = json_array_new();

    for (guint i = 0; i < device->properties->len; i++) {
        const MmrigPackProperty *property = g_ptr_array_index(device->properties, i);
        JsonObject *item = json_object_new();
        mmrig_json_set_text(item, "name", property->name);
        mmrig_json_set_text(item, "type", property->type);
        mmrig_json_set_text(item, "default", property->value);
        mmrig_json_set_text(item, "description", property->description);
        json_array_add_object_element(properties, item);
    }
    mmrig_json_set_text(object, "name", device->name);
    mmrig_json_set_text(object, "bus", device->bus);
    mmrig_json_set_text(object, "description", device->description);
    json_object_set_array_member(object, "properties", properties);
    return object;
}

static void devices_print_json(const MmrigQemu *qemu, const MmrigPack *pack)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();
    JsonArray *devices = json_array_new();

    for (guint i = 0; i < pack->devices->len; i++)
        json_array_add_object_element(devices,
                                      device_json(g_ptr_array_index(pack->devices, i)));
    json_object_set_int_member(object, "schema", 1);
    mmrig_json_set_text(object, "pack", pack->path);
    mmrig_json_set_text(object, "built-for", pack->version);
    mmrig_json_set_text(object, "qemu", qemu->version);
    json_object_set_array_member(object, "devices", devices);
    json_node_take_object(node, object);
    mmrig_command_print_json(node);
}

MmrigExit mmrig_cmd_devices(int argc, char **argv)
{
    gboolean json = FALSE;
    g_autoptr(GError) error = NULL;

    if (!devices_parse_arguments(argc, argv, &json, &error))
        return mmrig_error_report(error);
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(NULL, &error);
    g_autoptr(MmrigPack) pack = qemu ? mmrig_pack_load(qemu, mmrig_path_pack(), &error) : NULL;
    if (!pack)
        return mmrig_error_report(error);
    (json ? devices_print_json : devices_print_text)(qemu, pack);
    return MMRIG_EXIT_PASS;
}
