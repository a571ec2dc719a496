/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "action-private.h"

#include <string.h>

/*
 * How long QEMU may take to answer a command, in milliseconds. The slowest is a machine check
 * under TCG, which waits for the CPU to leave the code it runs.
 */
enum { COMMAND_TIMEOUT = 30000 };

/* Bytes in one KEY=VALUE from the guest. */
enum { ARGUMENT_MAX = 256 };

static const MmrigAction *const actions[] = {
    &mmrig_action_mce_inject,
    &mmrig_action_balloon_set,
    &mmrig_action_balloon_query,
    &mmrig_action_virtio_mem_set,
    &mmrig_action_virtio_mem_query,
    &mmrig_action_host_rss,
    &mmrig_action_ras_inject,
    &mmrig_action_ras_clear,
    &mmrig_action_ras_count,
    &mmrig_action_ras_last,
    &mmrig_action_pmem_inject,
    &mmrig_action_pmem_clear,
    &mmrig_action_pmem_count,
    &mmrig_action_cxl_poison,
    &mmrig_action_cxl_event,
    &mmrig_action_mirror_spoil,
    &mmrig_action_meet,
};

static const MmrigAction *find_action(const char *verb)
{
    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
        if (strcmp(actions[i]->verb, verb) == 0)
            return actions[i];
    return NULL;
}

gboolean mmrig_action_exists(const char *verb)
{
    return find_action(verb) != NULL;
}

const char *mmrig_action_nearest(const char *verb)
{
    const char *verbs[G_N_ELEMENTS(actions) + 1] = {NULL};

    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
        verbs[i] = actions[i]->verb;
    return mmrig_nearest(verbs, verb);
}

gboolean mmrig_action_has_address(const char *verb)
{
    const MmrigAction *action = find_action(verb);

    for (gsize i = 0; action && i < MMRIG_ACTION_KEYS_MAX && action->keys[i].key; i++)
        if (action->keys[i].address)
            return TRUE;
    return FALSE;
}

gboolean mmrig_action_joins_machines(const char *verb)
{
    const MmrigAction *action = find_action(verb);

    return action && action->joins_machines;
}

gboolean mmrig_action_exists_on(const MmrigArch *arch, const char *verb)
{
    const MmrigAction *action = find_action(verb);

    return action && (!action->exists_on || action->exists_on(arch));
}

const char *const *mmrig_action_commands(const char *verb)
{
    const MmrigAction *action = find_action(verb);

    return action ? action->commands : NULL;
}

const char *mmrig_request_text(const MmrigRequest *request, const char *key)
{
    return g_hash_table_lookup(request->values, key);
}

gboolean mmrig_request_number(const MmrigRequest *request, const char *key, guint64 min,
                              guint64 max, guint64 *number, GError **error)
{
    const char *text = mmrig_request_text(request, key);

    if (!text)
        return TRUE;
    gboolean hex = g_str_has_prefix(text, "0x");
    if (g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, min, max, number,
                                   NULL))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                "%s: %s=%s is not a number of %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                request->verb, key, text, min, max);
    return FALSE;
}

const MmrigDevice *mmrig_request_device(const MmrigRequest *request,
                                        const MmrigDeviceClass *class, const char *id,
                                        GError **error)
{
    const GPtrArray *devices = request->spec->devices;

    for (guint i = 0; i < devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(devices, i);
        if (device->class == class && (!id || strcmp(device->id, id) == 0))
            return device;
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: the machine has no such device%s%s",
                request->verb, id ? ": " : "", id ? id : "");
    return NULL;
}

gboolean mmrig_request_property(const MmrigRequest *request, const char *type,
                                const char *property, const char *value, JsonObject **arguments,
                                GError **error)
{
    const MmrigDevice *device = mmrig_spec_pack_device(request->spec, type);

    if (!device) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                    "%s: the machine has no %s; add a section [pack ID] with type = %s",
                    request->verb, type, type);
        return FALSE;
    }
    g_autofree char *path = g_strconcat("/machine/peripheral/", device->id, NULL);
    *arguments = json_object_new();
    json_object_set_string_member(*arguments, "path", path);
    json_object_set_string_member(*arguments, "property", property);
    if (value)
        json_object_set_string_member(*arguments, "value", value);
    return TRUE;
}

GStrv mmrig_reply_count(const MmrigRequest *request, G_GNUC_UNUSED pid_t pid, JsonNode *answer,
                        GError **error)
{
    if (!JSON_NODE_HOLDS_VALUE(answer) || json_node_get_value_type(answer) != G_TYPE_INT64 ||
        json_node_get_int(answer) < 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "%s: qom-get did not return a number",
                    request->verb);
        return NULL;
    }
    GStrv reply = g_new0(char *, 2);
    reply[0] = g_strdup_printf("count=%" G_GINT64_FORMAT, json_node_get_int(answer));
    return reply;
}

gboolean mmrig_answer_number(JsonObject *object, const char *member, guint64 *number,
                             GError **error)
{
    JsonNode *node = json_object_get_member(object, member);

    if (node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64 &&
        json_node_get_int(node) >= 0) {
        *number = (guint64)json_node_get_int(node);
        return TRUE;
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "QEMU's answer has no number %s", member);
    return FALSE;
}

static const MmrigActionKey *find_key(const MmrigAction *action, const char *key)
{
    for (gsize i = 0; i < MMRIG_ACTION_KEYS_MAX && action->keys[i].key; i++)
        if (strcmp(action->keys[i].key, key) == 0)
            return &action->keys[i];
    return NULL;
}

/*
 * Whether an argument may be repeated in a message: a guest must not be able to fill a log, or
 * to send control codes to a terminal.
 */
static gboolean is_plain(const char *argument)
{
    gsize i = 0;

    while (i <= ARGUMENT_MAX && g_ascii_isgraph(argument[i]))
        i++;
    return i <= ARGUMENT_MAX && argument[i] == '\0';
}

/* Puts KEY=VALUE strings in the order of the verb's keys, each of which may be given once. */
static gboolean sort_arguments(const MmrigAction *action, const char *const *args,
                               GHashTable *values, GError **error)
{
    for (; *args; args++) {
        if (!is_plain(*args)) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                        "%s: an argument is longer than %d bytes or not plain ASCII",
                        action->verb, ARGUMENT_MAX);
            return FALSE;
        }
        const char *equals = strchr(*args, '=');
        if (!equals) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: \"%s\" is not KEY=VALUE",
                        action->verb, *args);
            return FALSE;
        }
        g_autofree char *key = g_strndup(*args, (gsize)(equals - *args));
        const MmrigActionKey *known = find_key(action, key);
        if (!known) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: takes no \"%s\"",
                        action->verb, key);
            return FALSE;
        }
        if (!g_hash_table_insert(values, (gpointer)known->key, g_strdup(equals + 1))) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: %s is given twice",
                        action->verb, key);
            return FALSE;
        }
    }
    for (gsize i = 0; i < MMRIG_ACTION_KEYS_MAX && action->keys[i].key; i++) {
        if (!action->keys[i].optional && !g_hash_table_contains(values, action->keys[i].key)) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: %s= is missing",
                        action->verb, action->keys[i].key);
            return FALSE;
        }
    }
    return TRUE;
}

GHashTable *mmrig_action_arguments(const char *verb, const char *const *args, GError **error)
{
    g_autoptr(GHashTable) values = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);

    return sort_arguments(find_action(verb), args, values, error) ? g_steal_pointer(&values)
                                                                  : NULL;
}

typedef struct {
    const MmrigAction *action;
    MmrigRequest request;
    pid_t pid;
} Pending;

static void actions_pending_free(gpointer data)
{
    Pending *pending = data;

    g_hash_table_unref(pending->request.values);
    g_free(pending);
}

/* Ends the task with the reply to what QEMU answered (NULL if it was not asked). */
static void actions_finish(GTask *task, JsonNode *answer)
{
    const Pending *pending = g_task_get_task_data(task);
    GError *error = NULL;

    GStrv reply = pending->action->reply
                      ? pending->action->reply(&pending->request, pending->pid, answer, &error)
                      : g_new0(char *, 1);
    if (reply)
        g_task_return_pointer(task, reply, (GDestroyNotify)g_strfreev);
    else
        g_task_return_error(task, error);
}

static void actions_on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    const Pending *pending = g_task_get_task_data(task);
    GError *error = NULL;

    g_autoptr(JsonNode) answer = mmrig_qmp_execute_finish(MMRIG_QMP(source), result, &error);
    if (answer) {
        actions_finish(task, answer);
    } else {
        g_prefix_error(&error, "%s: ", pending->action->verb);
        g_task_return_error(task, error);
    }
}

/*
 * Checks the request and makes the command's arguments. A fault is applied after the check of
 * the numbers, which then wrap, as they should for a negative shift.
 */
static gboolean actions_prepare(const Pending *pending, const MmrigActionFault *fault,
                                JsonObject **arguments, GError **error)
{
    const MmrigAction *action = pending->action;
    const MmrigRequest *request = &pending->request;

    if (!action->prepare)
        return TRUE;
    if (!action->prepare(request, arguments, error))
        return FALSE;
    if (g_strcmp0(fault->shift, action->verb) != 0)
        return TRUE;
    g_clear_pointer(arguments, json_object_unref);
    for (gsize i = 0; i < MMRIG_ACTION_KEYS_MAX && action->keys[i].key; i++) {
        guint64 address = 0;
        if (!action->keys[i].address || !mmrig_request_text(request, action->keys[i].key) ||
            !mmrig_request_number(request, action->keys[i].key, 0, G_MAXUINT64, &address, NULL))
            continue;
        address += (guint64)fault->shift_bytes;
        g_hash_table_insert(request->values, (gpointer)action->keys[i].key,
                            g_strdup_printf("0x%" G_GINT64_MODIFIER "x", address));
    }
    g_autoptr(GError) cause = NULL;
    if (action->prepare(request, arguments, &cause))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "[fault] shift: %s", cause->message);
    return FALSE;
}

void mmrig_action_perform_async(const MmrigActionContext *context, const char *verb,
                                const char *const *args, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer data)
{
    const MmrigAction *action = find_action(verb);
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    JsonObject *arguments = NULL;
    GError *error = NULL;

    g_task_set_source_tag(task, mmrig_action_perform_async);
    if (!action || action->joins_machines) {
        g_task_return_new_error(task, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                                "there is no such request here");
        return;
    }
    Pending *pending = g_new0(Pending, 1);
    pending->action = action;
    pending->pid = context->pid;
    pending->request.verb = action->verb;
    pending->request.spec = context->spec;
    pending->request.values = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    g_task_set_task_data(task, pending, actions_pending_free);

    if (!sort_arguments(action, args, pending->request.values, &error) ||
        !actions_prepare(pending, context->fault, &arguments, &error)) {
        g_task_return_error(task, error);
    } else if (g_strcmp0(context->fault->drop, verb) == 0) {
        if (arguments)
            json_object_unref(arguments);
        g_task_return_pointer(task, g_new0(char *, 1), (GDestroyNotify)g_strfreev);
    } else if (!action->commands[0]) {
        actions_finish(task, NULL);
    } else {
        mmrig_qmp_execute_async(context->qmp, action->commands[0], arguments, COMMAND_TIMEOUT,
                                cancellable, actions_on_answer, g_steal_pointer(&task));
    }
}

GStrv mmrig_action_perform_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
