/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors in the second copy of mirrored memory, by mmrig-mirror, which checks the range itself.
 */
#include "action-private.h"

static gboolean prepare_spoil(const MmrigRequest *request, JsonObject **arguments,
                              GError **error)
{
    guint64 address, length;

    if (!mmrig_request_number(request, "gpa", 0, G_MAXUINT64, &address, error) ||
        !mmrig_request_number(request, "len", 1, G_MAXUINT32, &length, error))
        return FALSE;
    g_autofree char *value =
        g_strdup_printf("0x%" G_GINT64_MODIFIER "x+%" G_GUINT64_FORMAT, address, length);
    return mmrig_request_property(request, "mmrig-mirror", "spoil", value, arguments, error);
}

static const char *const commands[] = {"qom-set", NULL};

const MmrigAction mmrig_action_mirror_spoil = {
    .verb = "mirror-spoil",
    .commands = commands,
    .keys = {{"gpa", FALSE, TRUE}, {"len", FALSE, FALSE}},
    .prepare = prepare_spoil,
};
