/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's end: how `mmrig inject` finds a keeper and asks it. */
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "keeper-private.h"
#include "mmrig-line.h"

/* In /proc/net/unix (Linux net/unix/af_unix.c, unix_seq_show): one that listens has this flag.
 */
#define FLAG_LISTENS 0x10000 /* __SO_ACCEPTCON */

/*
 * The name of the run if a line of /proc/net/unix is about a keeper of this user's, else NULL.
 */
static char *run_of_line(const char *line, const char *prefix)
{
    guint64 flags = 0;
    const char *at = strstr(line, prefix);
    g_auto(GStrv) words = g_strsplit(line, " ", 5);

    if (!at || g_strv_length(words) < 4 ||
        !g_ascii_string_to_unsigned(words[3], 16, 0, G_MAXUINT32, &flags, NULL) ||
        !(flags & FLAG_LISTENS))
        return NULL;
    return g_strdup(at + strlen(prefix));
}

/*
 * A connection to the keeper of that user's run, or NULL. Anybody can take a name, so a socket
 * that another user listens on does not count.
 */
static GSocketConnection *ask_reach(uid_t user, const char *run, GError **error)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    char name[108];

    if (!mmrig_keeper_socket_name(user, run, name, sizeof(name))) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no run has such a name");
        return NULL;
    }
    g_autoptr(GSocketAddress) address =
        g_unix_socket_address_new_with_type(name, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, error);
    if (!connection)
        return NULL;
    g_autoptr(GCredentials) other =
        g_socket_get_credentials(g_socket_connection_get_socket(connection), error);
    if (!other)
        return NULL;
    if (g_credentials_get_unix_user(other, NULL) != user) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                    "it is kept by another user");
        return NULL;
    }
    return g_steal_pointer(&connection);
}

GStrv mmrig_keeper_list(uid_t user)
{
    g_autofree char *prefix = g_strdup_printf("@mmrig/%u/", (guint)user);
    g_autofree char *text = NULL;
    g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func(g_free);

    if (g_file_get_contents("/proc/net/unix", &text, NULL, NULL)) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
            g_autofree char *run = run_of_line(*line, prefix);
            g_autoptr(GSocketConnection) connection = run ? ask_reach(user, run, NULL) : NULL;
            if (connection)
                g_ptr_array_add(runs, g_steal_pointer(&run));
        }
    }
    g_ptr_array_sort(runs, mmrig_text_compare);
    g_ptr_array_add(runs, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&runs), FALSE);
}

gboolean mmrig_keeper_name_free(const char *name, GError **error)
{
    g_auto(GStrv) runs = mmrig_keeper_list(getuid());
    char socket_name[108];

    if (!mmrig_keeper_socket_name(getuid(), name, socket_name, sizeof(socket_name)))
        g_set_error(
            error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
            "--name \"%.80s\": a name has lower-case letters, digits and hyphens, at most "
            "80",
            name);
    else if (g_strv_contains((const char *const *)runs, name))
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "--name %s: another machine is kept by this name", name);
    else
        return TRUE;
    return FALSE;
}

/* The error for a run that is not there; it lists those that are. */
static void set_unknown(uid_t user, const char *run, GError **error)
{
    g_auto(GStrv) runs = mmrig_keeper_list(user);
    g_autofree char *names = g_strjoinv(", ", runs);

    if (*runs)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "no machine is kept as \"%.80s\"; there are: %s", run, names);
    else
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "no machine is kept as \"%.80s\", nor any other; `mmrig run --keep` and "
                    "`mmrig shell` keep one",
                    run);
}

/* The request as a line. NULL with error. */
static char *make_line(const char *const *words, GError **error)
{
    char line[MMRIG_INJECT_REQUEST_MAX];
    gsize used = 0;
    gboolean good = TRUE;

    for (; good && *words; words++)
        good = mmrig_line_add(line, sizeof(line), &used, *words, strlen(*words));
    if (!good) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "the request is too long: at most %d bytes", MMRIG_INJECT_REQUEST_MAX);
        return NULL;
    }
    return g_strdup_printf("%.*s\n", (int)used, line);
}

/* The whole answer, up to its end. NULL with error. */
static char *ask_read_answer(GInputStream *stream, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char bytes[4096];
    gssize got;

    while ((got = g_input_stream_read(stream, bytes, sizeof(bytes), NULL, error)) > 0) {
        g_string_append_len(text, bytes, got);
        if (text->len > MMRIG_INJECT_ANSWER_MAX) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "the keeper's answer has no end");
            return NULL;
        }
    }
    if (got < 0)
        return NULL;
    if (text->len == 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "the machine went away before it answered");
        return NULL;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* An object in which "ok" is true, or the error that the answer tells. */
static JsonNode *check_answer(JsonNode *node, GError **error)
{
    JsonObject *object =
        node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;

    if (object && json_object_get_boolean_member_with_default(object, "ok", FALSE))
        return json_node_ref(node);
    if (object)
        g_set_error_literal(
            error, MMRIG_ERROR,
            mmrig_keeper_class_code(
                json_object_get_string_member_with_default(object, "class", "rig")),
            json_object_get_string_member_with_default(object, "error", "it failed"));
    else
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "the keeper's answer is not JSON");
    return NULL;
}

JsonNode *mmrig_keeper_ask(uid_t user, const char *run, const char *const *words,
                           GError **error)
{
    g_autofree char *line = make_line(words, error);
    g_autoptr(GError) cause = NULL;

    if (!line)
        return NULL;
    g_autoptr(GSocketConnection) connection = ask_reach(user, run, &cause);
    if (!connection) {
        if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "%s: %s", run, cause->message);
        else
            set_unknown(user, run, error);
        return NULL;
    }
    GIOStream *stream = G_IO_STREAM(connection);
    if (!g_output_stream_write_all(g_io_stream_get_output_stream(stream), line, strlen(line),
                                   NULL, NULL, error))
        return NULL;
    g_autofree char *text = ask_read_answer(g_io_stream_get_input_stream(stream), error);
    if (!text)
        return NULL;
    g_autoptr(JsonNode) node = json_from_string(text, NULL);
    return check_answer(node, error);
}
