/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-probe.h"

#include <string.h>

#include "arch/arch.h"
#include "base/error.h"
#include "qemu-files.h"
#include "qemu-session.h"

#define VERSION_MAJOR_MIN 10

static JsonNode *probe_query(MmrigSession *session, const char *command, JsonNodeType type,
                             GError **error)
{
    return mmrig_session_ask(session, command, NULL, type, error);
}

static gboolean probe_ask_version(MmrigSession *session, JsonObject *answer, GError **error)
{
    static const char *const names[] = {"major", "minor", "micro"};
    g_autoptr(JsonNode) node = probe_query(session, "query-version", JSON_NODE_OBJECT, error);
    g_autoptr(GString) version = g_string_new(NULL);
    JsonNode *numbers, *package;

    if (!node)
        return FALSE;
    numbers = json_object_get_member(json_node_get_object(node), "qemu");
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        JsonNode *number =
            numbers && JSON_NODE_HOLDS_OBJECT(numbers)
                ? mmrig_session_member(json_node_get_object(numbers), names[i], G_TYPE_INT64)
                : NULL;
        if (!number || json_node_get_int(number) < 0 || json_node_get_int(number) > G_MAXINT) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "its answer to 'query-version' makes no sense");
            return FALSE;
        }
        json_object_set_int_member(answer, names[i], json_node_get_int(number));
        g_string_append_printf(version, "%s%" G_GINT64_FORMAT, i > 0 ? "." : "",
                               json_node_get_int(number));
    }
    package = mmrig_session_member(json_node_get_object(node), "package", G_TYPE_STRING);
    if (package && *json_node_get_string(package))
        g_string_append_printf(version, " (%s)", json_node_get_string(package));
    json_object_set_string_member(answer, "version", version->str);
    return TRUE;
}

static gboolean ask_target(MmrigSession *session, char **target, GError **error)
{
    g_autoptr(JsonNode) node = probe_query(session, "query-target", JSON_NODE_OBJECT, error);
    JsonNode *arch =
        node ? mmrig_session_member(json_node_get_object(node), "arch", G_TYPE_STRING) : NULL;

    *target = g_strdup(arch ? json_node_get_string(arch) : "unknown");
    return node != NULL;
}

static gboolean ask_kvm(MmrigSession *session, JsonObject *answer, GError **error)
{
    g_autoptr(JsonNode) node = probe_query(session, "query-kvm", JSON_NODE_OBJECT, error);
    JsonNode *present =
        node ? mmrig_session_member(json_node_get_object(node), "present", G_TYPE_BOOLEAN)
             : NULL;

    json_object_set_boolean_member(answer, "kvm", present && json_node_get_boolean(present));
    return node != NULL;
}

/* Asks for a list of objects and keeps their names (and aliases, where they have any). */
static gboolean ask_names(MmrigSession *session, JsonObject *answer, const char *command,
                          const char *list, GError **error)
{
    g_autoptr(JsonNode) node = probe_query(session, command, JSON_NODE_ARRAY, error);
    g_autoptr(JsonArray) names = json_array_new();

    if (!node)
        return FALSE;
    JsonArray *items = json_node_get_array(node);
    for (guint i = 0; i < json_array_get_length(items); i++) {
        JsonNode *item = json_array_get_element(items, i);
        for (guint key = 0; JSON_NODE_HOLDS_OBJECT(item) && key < 2; key++) {
            JsonNode *name = mmrig_session_member(json_node_get_object(item),
                                                  key == 0 ? "name" : "alias", G_TYPE_STRING);
            if (name)
                json_array_add_string_element(names, json_node_get_string(name));
        }
    }
    json_object_set_array_member(answer, list, g_steal_pointer(&names));
    return TRUE;
}

static gboolean probe_add_files(MmrigSession *session, const char *path, JsonObject *answer,
                                GError **error)
{
    g_auto(GStrv) files = mmrig_qemu_files(mmrig_session_pid(session), path, error);
    g_autofree char *digest =
        files ? mmrig_qemu_files_digest((const char *const *)files) : NULL;
    g_autoptr(JsonArray) list = json_array_new();

    if (!files)
        return FALSE;
    for (char **file = files; *file; file++)
        json_array_add_string_element(list, *file);
    json_object_set_array_member(answer, "files", g_steal_pointer(&list));
    json_object_set_string_member(answer, "files-digest", digest);
    return TRUE;
}

/* INPUT errors are the verdict on the program; others say only what failed. */
static gboolean probe_ask(MmrigSession *session, const char *path, JsonObject *answer,
                          GError **error)
{
    const MmrigArch *arch = mmrig_arch_default();
    g_autofree char *target = NULL;

    if (!mmrig_session_connect(session, error) || !probe_ask_version(session, answer, error))
        return FALSE;
    if (json_object_get_int_member(answer, "major") < VERSION_MAJOR_MIN) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: QEMU %s is too old, %d.0 is the oldest that will do; %s", path,
                    json_object_get_string_member(answer, "version"), VERSION_MAJOR_MIN,
                    arch->qemu_mend);
        return FALSE;
    }
    if (!ask_target(session, &target, error))
        return FALSE;
    if (strcmp(target, arch->name) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: a QEMU for %s machines, not for %s ones; %s", path, target, arch->name,
                    arch->qemu_mend);
        return FALSE;
    }
    return ask_kvm(session, answer, error) &&
           ask_names(session, answer, "qom-list-types", "types", error) &&
           ask_names(session, answer, "query-commands", "commands", error) &&
           ask_names(session, answer, "query-machines", "machines", error) &&
           probe_add_files(session, path, answer, error);
}

/* Why QEMU has ended, as far as its last line is understood; FALSE if it is not. */
static gboolean probe_explain(const char *path, const char *output, GError **error)
{
    if (strstr(output, "-sandbox support is not enabled")) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: is built without seccomp, so that nothing would hold a guest that has "
                    "broken out: configure it with --enable-seccomp; %s",
                    path, mmrig_arch_default()->qemu_mend);
        return TRUE;
    }
    if (strstr(output, "seccomp")) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: cannot hold a guest that has broken out (it printed: %s); the host's "
                    "kernel needs CONFIG_SECCOMP_FILTER, and a container must allow seccomp(2)",
                    path, output);
        return TRUE;
    }
    return FALSE;
}

JsonNode *mmrig_qemu_probe(const char *path, GError **error)
{
    static const char *const arguments[] = {"-machine", "none", "-S", NULL};
    g_autoptr(MmrigSession) session = mmrig_session_start(path, arguments, NULL, error);
    g_autoptr(JsonObject) answer = json_object_new();
    g_autofree char *output = NULL;
    g_autoptr(GError) cause = NULL;
    JsonNode *node;

    if (!session)
        return NULL;
    if (probe_ask(session, path, answer, &cause)) {
        node = json_node_new(JSON_NODE_OBJECT);
        json_node_set_object(node, answer);
        return node;
    }
    mmrig_session_stop(session);
    if (g_error_matches(cause, MMRIG_ERROR, MMRIG_ERROR_INPUT)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    output = mmrig_session_output(session);
    if (output && probe_explain(path, output, error))
        return NULL;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "%s: does not answer as QEMU does (%s%s); %s", path,
                output ? "it printed: " : "", output ? output : cause->message,
                mmrig_arch_default()->qemu_mend);
    return NULL;
}
