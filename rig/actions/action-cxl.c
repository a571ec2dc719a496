/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors of CXL devices, by QEMU's own commands (qapi/cxl.json): the device puts an address on
 * its list of poison, or an event record in one of its logs. Neither changes what the memory
 * reads as.
 */
#include "action-private.h"

#include <string.h>

/* Poison goes by lines of this size (CXL 3.0, 8.2.9.8.4.1). */
#define GRANULE 64

static const MmrigDevice *cxl_find(const MmrigRequest *request, JsonObject **arguments,
                                   GError **error)
{
    const MmrigDevice *device = mmrig_request_device(request, &mmrig_device_cxl,
                                                     mmrig_request_text(request, "id"), error);

    if (device) {
        g_autofree char *path = g_strconcat("/machine/peripheral/", device->id, NULL);
        *arguments = json_object_new();
        json_object_set_string_member(*arguments, "path", path);
    }
    return device;
}

/* An address of the device's own, and so many bytes from there on. */
static gboolean read_range(const MmrigRequest *request, const MmrigDevice *device,
                           guint64 *address, guint64 *length, GError **error)
{
    guint64 size = mmrig_device_memory(device);

    if (!mmrig_request_number(request, "dpa", 0, size - GRANULE, address, error))
        return FALSE;
    if (*address % GRANULE || *address >= size) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                    "%s: dpa is not a multiple of %d within the device", request->verb,
                    GRANULE);
        return FALSE;
    }
    *length = GRANULE;
    if (!mmrig_request_number(request, "len", GRANULE, size - *address, length, error))
        return FALSE;
    if (*length % GRANULE == 0)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: len is not a multiple of %d",
                request->verb, GRANULE);
    return FALSE;
}

static gboolean prepare_poison(const MmrigRequest *request, JsonObject **arguments,
                               GError **error)
{
    const MmrigDevice *device = cxl_find(request, arguments, error);
    guint64 address = 0, length;

    if (!device)
        return FALSE;
    if (!read_range(request, device, &address, &length, error)) {
        g_clear_pointer(arguments, json_object_unref);
        return FALSE;
    }
    json_object_set_int_member(*arguments, "start", (gint64)address);
    json_object_set_int_member(*arguments, "length", (gint64)length);
    return TRUE;
}

/*
 * A general media event (CXL 3.0, 8.2.9.2.1.1): an uncorrectable error at an address, found by
 * a scrub. What is fixed here is there to be recognised.
 */
static gboolean prepare_event(const MmrigRequest *request, JsonObject **arguments,
                              GError **error)
{
    static const char *const logs[] = {"informational", "warning", "failure", "fatal", NULL};
    const char *log = mmrig_request_text(request, "log");
    const MmrigDevice *device = cxl_find(request, arguments, error);
    guint64 address = 0, length;

    if (!device)
        return FALSE;
    if (!g_strv_contains(logs, log)) {
        g_clear_pointer(arguments, json_object_unref);
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                    "%s: log=%s is none of informational, warning, failure and fatal",
                    request->verb, log);
        return FALSE;
    }
    if (!read_range(request, device, &address, &length, error)) {
        g_clear_pointer(arguments, json_object_unref);
        return FALSE;
    }
    json_object_set_string_member(*arguments, "log", log);
    json_object_set_int_member(*arguments, "flags", 1); /* permanent */
    json_object_set_int_member(*arguments, "dpa", (gint64)address);
    json_object_set_int_member(*arguments, "descriptor", 1);       /* uncorrectable */
    json_object_set_int_member(*arguments, "type", 0);             /* ECC */
    json_object_set_int_member(*arguments, "transaction-type", 5); /* media scrub */
    json_object_set_int_member(*arguments, "channel", 3);
    json_object_set_int_member(*arguments, "rank", 17);
    return TRUE;
}

static const char *const poison_commands[] = {"cxl-inject-poison", NULL};
static const char *const event_commands[] = {"cxl-inject-general-media-event", NULL};

const MmrigAction mmrig_action_cxl_poison = {
    .verb = "cxl-poison",
    .commands = poison_commands,
    .keys = {{"id", FALSE, FALSE}, {"dpa", FALSE, TRUE}, {"len", TRUE, FALSE}},
    .prepare = prepare_poison,
};

const MmrigAction mmrig_action_cxl_event = {
    .verb = "cxl-event",
    .commands = event_commands,
    .keys = {{"id", FALSE, FALSE}, {"log", FALSE, FALSE}, {"dpa", FALSE, TRUE}},
    .prepare = prepare_event,
};
