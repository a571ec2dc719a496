/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors in the second copy of mirrored memory, by mmrig-mirror, which checks the range itself.
 */
#include "action.h"

#include <string.h>

static char *find_path(const MmrigRequest *request, GError **error)
{
    const GPtrArray *devices = request->scenario->devices;

    for (guint i = 0; devices && i < devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(devices, i);
        if (device->kind == MMRIG_DEVICE_PACK && g_strcmp0(device->type, "mmrig-mirror") == 0)
            return g_strconcat("/machine/peripheral/", device->id, NULL);
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                "%s: the machine has no mmrig-mirror; add a section [pack mirror0] with "
                "type = mmrig-mirror",
                request->verb);
    return NULL;
}

static gboolean prepare_spoil(const MmrigRequest *request, JsonObject **arguments,
                              GError **error)
{
    g_autofree char *path = find_path(request, error);
    guint64 address, length;

    if (!path || !mmrig_request_number(request, "gpa", 0, G_MAXUINT64, &address, error) ||
        !mmrig_request_number(request, "len", 1, G_MAXUINT32, &length, error))
        return FALSE;
    g_autofree char *value =
        g_strdup_printf("0x%" G_GINT64_MODIFIER "x+%" G_GUINT64_FORMAT, address, length);
    *arguments = json_object_new();
    json_object_set_string_member(*arguments, "path", path);
    json_object_set_string_member(*arguments, "property", "spoil");
    json_object_set_string_member(*arguments, "value", value);
    return TRUE;
}

static const char *const commands[] = {"qom-set", NULL};

const MmrigAction mmrig_action_mirror_spoil = {
    .verb = "mirror-spoil",
    .commands = commands,
    .keys = {{"gpa", FALSE}, {"len", FALSE}},
    .prepare = prepare_spoil,
};
