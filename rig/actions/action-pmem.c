/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Media errors of NVDIMMs by mmrig-nvdimm, a device of the pack, which checks ranges itself
 * (docs/devices/nvdimm.md): its properties are set as the guest's test asks.
 */
#include "action-private.h"

#include <string.h>

#define DEVICE "mmrig-nvdimm"

/* "MODULE OFFSET LENGTH" of the scenario's NVDIMM. Free with g_free(). */
static char *range_text(const MmrigRequest *request, GError **error)
{
    const MmrigDevice *device = mmrig_request_device(request, &mmrig_device_nvdimm,
                                                     mmrig_request_text(request, "id"), error);
    guint64 offset = 0, length = 0;

    if (!device || !mmrig_request_number(request, "offset", 0, G_MAXUINT64, &offset, error) ||
        !mmrig_request_number(request, "length", 1, G_MAXUINT64, &length, error))
        return NULL;
    return g_strdup_printf("%s 0x%" G_GINT64_MODIFIER "x 0x%" G_GINT64_MODIFIER "x", device->id,
                           offset, length);
}

static gboolean pmem_prepare_inject(const MmrigRequest *request, JsonObject **arguments,
                                    GError **error)
{
    g_autofree char *range = range_text(request, error);
    guint64 notify = 0;

    if (!range || !mmrig_request_number(request, "notify", 0, 1, &notify, error))
        return FALSE;
    g_autofree char *value = g_strconcat(range, notify ? " notify" : "", NULL);
    return mmrig_request_property(request, DEVICE, "inject", value, arguments, error);
}

static gboolean pmem_prepare_clear(const MmrigRequest *request, JsonObject **arguments,
                                   GError **error)
{
    g_autofree char *range = range_text(request, error);

    return range && mmrig_request_property(request, DEVICE, "clear", range, arguments, error);
}

static const char *const counters[] = {
    "calls",   "refused",  "scrubs",   "overflows", "injected",
    "cleared", "consumed", "notified", NULL,
};

static gboolean pmem_prepare_count(const MmrigRequest *request, JsonObject **arguments,
                                   GError **error)
{
    const char *of = mmrig_request_text(request, "of");

    if (!g_strv_contains(counters, of)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: there is no counter %s",
                    request->verb, of);
        return FALSE;
    }
    g_autofree char *property = g_strconcat("count-", of, NULL);
    return mmrig_request_property(request, DEVICE, property, NULL, arguments, error);
}

static const char *const set_commands[] = {"qom-set", NULL};
static const char *const get_commands[] = {"qom-get", NULL};

const MmrigAction mmrig_action_pmem_inject = {
    .verb = "pmem-inject",
    .commands = set_commands,
    .keys = {{"id", FALSE, FALSE},
             {"offset", FALSE, TRUE},
             {"length", FALSE, FALSE},
             {"notify", TRUE, FALSE}},
    .prepare = pmem_prepare_inject,
};

const MmrigAction mmrig_action_pmem_clear = {
    .verb = "pmem-clear",
    .commands = set_commands,
    .keys = {{"id", FALSE, FALSE}, {"offset", FALSE, TRUE}, {"length", FALSE, FALSE}},
    .prepare = pmem_prepare_clear,
};

const MmrigAction mmrig_action_pmem_count = {
    .verb = "pmem-count",
    .commands = get_commands,
    .keys = {{"of", FALSE, FALSE}},
    .prepare = pmem_prepare_count,
    .reply = mmrig_reply_count,
};
