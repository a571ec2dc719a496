/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory errors by mmrig-ras, a device of the pack, which checks everything itself
 * (docs/devices/ras.md): its properties are set as the guest's test asks.
 */
#include "action-private.h"

#include <string.h>

#define DEVICE "mmrig-ras"

/* The request's own KEY=VALUE, for the device to judge; only the address is looked at here. */
static gboolean ras_join(const MmrigRequest *request, const char *const *keys, char **text,
                         GError **error)
{
    g_autoptr(GString) joined = g_string_new(NULL);
    guint64 address = 0;

    if (!mmrig_request_number(request, "gpa", 0, G_MAXUINT64, &address, error))
        return FALSE;
    g_string_append_printf(joined, "gpa=0x%" G_GINT64_MODIFIER "x", address);
    for (; *keys; keys++) {
        const char *value = mmrig_request_text(request, *keys);
        if (!value)
            continue;
        if (strchr(value, ',')) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: %s=%s has a comma",
                        request->verb, *keys, value);
            return FALSE;
        }
        g_string_append_printf(joined, ",%s=%s", *keys, value);
    }
    *text = g_string_free(g_steal_pointer(&joined), FALSE);
    return TRUE;
}

static gboolean ras_prepare_inject(const MmrigRequest *request, JsonObject **arguments,
                                   GError **error)
{
    static const char *const keys[] = {"kind",      "len",   "cpu", "poison",
                                       "broadcast", "count", NULL};
    g_autofree char *text = NULL;

    return ras_join(request, keys, &text, error) &&
           mmrig_request_property(request, DEVICE, "inject", text, arguments, error);
}

static gboolean ras_prepare_clear(const MmrigRequest *request, JsonObject **arguments,
                                  GError **error)
{
    static const char *const keys[] = {"len", "source", NULL};
    g_autofree char *text = NULL;

    return ras_join(request, keys, &text, error) &&
           mmrig_request_property(request, DEVICE, "clear", text, arguments, error);
}

/* Those of the device's properties that are numbers. */
static const char *const counters[] = {
    "poisoned",     "pages",    "injected", "consumed-loads", "consumed-fetches",
    "consumed-dma", "filtered", "stores",   "cleared",        NULL,
};

static gboolean ras_prepare_count(const MmrigRequest *request, JsonObject **arguments,
                                  GError **error)
{
    const char *of = mmrig_request_text(request, "of");

    if (!g_strv_contains(counters, of)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: there is no counter %s",
                    request->verb, of);
        return FALSE;
    }
    return mmrig_request_property(request, DEVICE, of, NULL, arguments, error);
}

static gboolean prepare_last(const MmrigRequest *request, JsonObject **arguments,
                             GError **error)
{
    const char *of = mmrig_request_text(request, "of");

    if (strcmp(of, "consumed") != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: of=%s is not of=consumed",
                    request->verb, of);
        return FALSE;
    }
    return mmrig_request_property(request, DEVICE, "last", NULL, arguments, error);
}

/* The value of the property is KEY=VALUE,... as well. */
static GStrv reply_last(const MmrigRequest *request, G_GNUC_UNUSED pid_t pid, JsonNode *answer,
                        GError **error)
{
    if (!JSON_NODE_HOLDS_VALUE(answer) || json_node_get_value_type(answer) != G_TYPE_STRING) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "%s: qom-get did not return text",
                    request->verb);
        return NULL;
    }
    return g_strsplit(json_node_get_string(answer), ",", -1);
}

static const char *const set_commands[] = {"qom-set", NULL};
static const char *const get_commands[] = {"qom-get", NULL};

const MmrigAction mmrig_action_ras_inject = {
    .verb = "ras-inject",
    .commands = set_commands,
    .keys = {{"kind", FALSE, FALSE},
             {"gpa", FALSE, TRUE},
             {"len", TRUE, FALSE},
             {"cpu", TRUE, FALSE},
             {"poison", TRUE, FALSE},
             {"broadcast", TRUE, FALSE},
             {"count", TRUE, FALSE}},
    .prepare = ras_prepare_inject,
};

const MmrigAction mmrig_action_ras_clear = {
    .verb = "ras-clear",
    .commands = set_commands,
    .keys = {{"gpa", FALSE, TRUE}, {"len", TRUE, FALSE}, {"source", TRUE, FALSE}},
    .prepare = ras_prepare_clear,
};

const MmrigAction mmrig_action_ras_count = {
    .verb = "ras-count",
    .commands = get_commands,
    .keys = {{"of", FALSE, FALSE}},
    .prepare = ras_prepare_count,
    .reply = mmrig_reply_count,
};

const MmrigAction mmrig_action_ras_last = {
    .verb = "ras-last",
    .commands = get_commands,
    .keys = {{"of", FALSE, FALSE}},
    .prepare = prepare_last,
    .reply = reply_last,
};
