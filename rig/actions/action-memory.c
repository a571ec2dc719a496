/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory given and taken (balloon, virtio-mem), and what it costs the host. */
#include "action-private.h"
#include "machine/device-virtio-mem.h"

#include <string.h>

/* No guest can run with less, so a request for it is a mistake. */
#define BALLOON_MIN (G_GUINT64_CONSTANT(16) << 20)

static GStrv reply_with(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* A reply of fields that are separated by one blank. */
static GStrv reply_with(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return g_strsplit(text, " ", -1);
}

static gboolean prepare_balloon_set(const MmrigRequest *request, JsonObject **arguments,
                                    GError **error)
{
    guint64 bytes = 0;

    if (!mmrig_request_device(request, &mmrig_device_balloon, NULL, error) ||
        !mmrig_request_number(request, "bytes", BALLOON_MIN, request->spec->memory, &bytes,
                              error))
        return FALSE;
    *arguments = json_object_new();
    json_object_set_int_member(*arguments, "value", (gint64)bytes);
    return TRUE;
}

static gboolean prepare_balloon_query(const MmrigRequest *request,
                                      G_GNUC_UNUSED JsonObject **arguments, GError **error)
{
    return mmrig_request_device(request, &mmrig_device_balloon, NULL, error) != NULL;
}

static GStrv reply_balloon_query(const MmrigRequest *request, G_GNUC_UNUSED pid_t pid,
                                 JsonNode *answer, GError **error)
{
    guint64 actual;

    if (!JSON_NODE_HOLDS_OBJECT(answer)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU,
                    "%s: query-balloon did not return an object", request->verb);
        return NULL;
    }
    if (!mmrig_answer_number(json_node_get_object(answer), "actual", &actual, error))
        return NULL;
    return reply_with("actual=%" G_GUINT64_FORMAT, actual);
}

static const char *const balloon_set_commands[] = {"balloon", NULL};

const MmrigAction mmrig_action_balloon_set = {
    .verb = "balloon-set",
    .commands = balloon_set_commands,
    .keys = {{"bytes", FALSE, FALSE}},
    .prepare = prepare_balloon_set,
};

static const char *const balloon_query_commands[] = {"query-balloon", NULL};

const MmrigAction mmrig_action_balloon_query = {
    .verb = "balloon-query",
    .commands = balloon_query_commands,
    .prepare = prepare_balloon_query,
    .reply = reply_balloon_query,
};

static gboolean prepare_virtio_mem_set(const MmrigRequest *request, JsonObject **arguments,
                                       GError **error)
{
    const char *id = mmrig_request_text(request, "id");
    const MmrigDevice *device =
        mmrig_request_device(request, &mmrig_device_virtio_mem, id, error);
    const MmrigVirtioMem *memory = (const MmrigVirtioMem *)device;
    g_autofree char *path = NULL;
    guint64 requested = 0;

    if (!device ||
        !mmrig_request_number(request, "requested", 0, memory->size, &requested, error))
        return FALSE;
    if (requested % memory->block_size != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                    "%s: requested=%" G_GUINT64_FORMAT " is not a multiple of the block size "
                    "of %s, %" G_GUINT64_FORMAT,
                    request->verb, requested, id, memory->block_size);
        return FALSE;
    }
    path = g_strconcat("/machine/peripheral/", device->id, NULL);
    *arguments = json_object_new();
    json_object_set_string_member(*arguments, "path", path);
    json_object_set_string_member(*arguments, "property", "requested-size");
    json_object_set_int_member(*arguments, "value", (gint64)requested);
    return TRUE;
}

static gboolean prepare_virtio_mem_query(const MmrigRequest *request,
                                         G_GNUC_UNUSED JsonObject **arguments, GError **error)
{
    return mmrig_request_device(request, &mmrig_device_virtio_mem,
                                mmrig_request_text(request, "id"), error) != NULL;
}

/* The "data" of the memory device that is the virtio-mem device of this id, or NULL. */
static JsonObject *find_virtio_mem(JsonArray *devices, const char *id)
{
    for (guint i = 0; i < json_array_get_length(devices); i++) {
        JsonNode *node = json_array_get_element(devices, i);
        if (!JSON_NODE_HOLDS_OBJECT(node))
            continue;
        JsonObject *device = json_node_get_object(node);
        JsonNode *data = json_object_get_member(device, "data");
        if (g_strcmp0(json_object_get_string_member_with_default(device, "type", NULL),
                      "virtio-mem") == 0 &&
            data && JSON_NODE_HOLDS_OBJECT(data) &&
            g_strcmp0(json_object_get_string_member_with_default(json_node_get_object(data),
                                                                 "id", NULL),
                      id) == 0)
            return json_node_get_object(data);
    }
    return NULL;
}

static GStrv reply_virtio_mem_query(const MmrigRequest *request, G_GNUC_UNUSED pid_t pid,
                                    JsonNode *answer, GError **error)
{
    const char *id = mmrig_request_text(request, "id");
    guint64 requested, plugged, block, max;

    JsonObject *data =
        JSON_NODE_HOLDS_ARRAY(answer) ? find_virtio_mem(json_node_get_array(answer), id) : NULL;
    if (!data) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU,
                    "%s: query-memory-devices does not tell of %s", request->verb, id);
        return NULL;
    }
    if (!mmrig_answer_number(data, "requested-size", &requested, error) ||
        !mmrig_answer_number(data, "size", &plugged, error) ||
        !mmrig_answer_number(data, "block-size", &block, error) ||
        !mmrig_answer_number(data, "max-size", &max, error))
        return NULL;
    return reply_with("requested=%" G_GUINT64_FORMAT " plugged=%" G_GUINT64_FORMAT
                      " block=%" G_GUINT64_FORMAT " max=%" G_GUINT64_FORMAT,
                      requested, plugged, block, max);
}

static const char *const virtio_mem_set_commands[] = {"qom-set", NULL};

const MmrigAction mmrig_action_virtio_mem_set = {
    .verb = "virtio-mem-set",
    .commands = virtio_mem_set_commands,
    .keys = {{"id", FALSE, FALSE}, {"requested", FALSE, FALSE}},
    .prepare = prepare_virtio_mem_set,
};

static const char *const virtio_mem_query_commands[] = {"query-memory-devices", NULL};

const MmrigAction mmrig_action_virtio_mem_query = {
    .verb = "virtio-mem-query",
    .commands = virtio_mem_query_commands,
    .keys = {{"id", FALSE, FALSE}},
    .prepare = prepare_virtio_mem_query,
    .reply = reply_virtio_mem_query,
};

/* VmRSS in the text of /proc/PID/status (Linux Documentation/filesystems/proc.rst). */
static gboolean find_rss(const char *status, guint64 *bytes)
{
    const char *line = strstr(status, "\nVmRSS:");

    if (!line)
        return FALSE;
    char *end;
    guint64 kib = g_ascii_strtoull(line + strlen("\nVmRSS:"), &end, 10);
    if (!g_str_has_prefix(end, " kB\n") || kib > G_MAXUINT64 / 1024)
        return FALSE;
    *bytes = kib * 1024;
    return TRUE;
}

static GStrv reply_host_rss(const MmrigRequest *request, pid_t pid,
                            G_GNUC_UNUSED JsonNode *answer, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *status = NULL;
    guint64 bytes;

    if (!g_file_get_contents(path, &status, NULL, error)) {
        g_prefix_error(error, "%s: ", request->verb);
        return NULL;
    }
    if (!find_rss(status, &bytes)) {
        /* The line is missing if the process has ended and was not waited for yet. */
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "%s: %s has no VmRSS line",
                    request->verb, path);
        return NULL;
    }
    return reply_with("rss=%" G_GUINT64_FORMAT, bytes);
}

static const char *const no_commands[] = {NULL};

const MmrigAction mmrig_action_host_rss = {
    .verb = "host-rss",
    .commands = no_commands,
    .reply = reply_host_rss,
};
