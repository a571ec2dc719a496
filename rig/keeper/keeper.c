/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "keeper.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "keeper-private.h"
#include "mmrig-line.h"

/* How many machines of one title are given numbers before there is something wrong. */
#define NUMBERS_MAX 1000

G_STATIC_ASSERT(MMRIG_INJECT_REQUEST_MAX <= MMRIG_LINE_MAX);

struct MmrigKeeper {
    MmrigKeeperState state;
    GSocketService *service;
    char *name;
    GHashTable *clients; /* of Client */
};

/* One connection. It lives as long as something of it is under way. */
typedef struct {
    MmrigKeeper *keeper; /* NULL once that is gone */
    GSocketConnection *connection;
    GCancellable *over;
    guint timer;
    char bytes[MMRIG_INJECT_REQUEST_MAX + 1];
    gsize used;
    char *answer;
} Client;

const char *mmrig_keeper_name(const MmrigKeeper *keeper)
{
    return keeper->name;
}

gboolean mmrig_keeper_socket_name(uid_t user, const char *run, char *name, gsize size)
{
    gsize length = strlen(run);

    if (length == 0 || length > 80 ||
        strspn(run, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
        return FALSE;
    return g_snprintf(name, size, "mmrig/%u/%s", (guint)user, run) < (gint)size;
}

static const struct {
    const char *name;
    int code;
} classes[] = {
    {"input", MMRIG_ERROR_INPUT}, {"unmet", MMRIG_ERROR_UNMET},
    {"rig", MMRIG_ERROR_RIG},     {"qemu", MMRIG_ERROR_QEMU},
    {"guest", MMRIG_ERROR_GUEST}, {"timeout", MMRIG_ERROR_TIMEOUT},
};

static const char *keeper_class_name(const GError *error)
{
    for (gsize i = 0; error->domain == MMRIG_ERROR && i < G_N_ELEMENTS(classes); i++)
        if (classes[i].code == error->code)
            return classes[i].name;
    return "rig";
}

int mmrig_keeper_class_code(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(classes); i++)
        if (strcmp(classes[i].name, name) == 0)
            return classes[i].code;
    return MMRIG_ERROR_RIG;
}

/* ---- One client ------------------------------------------------------------------------ */

static void client_end(Client *client)
{
    if (client->keeper)
        g_hash_table_remove(client->keeper->clients, client);
    g_clear_handle_id(&client->timer, g_source_remove);
    g_object_unref(client->connection);
    g_object_unref(client->over);
    g_free(client->answer);
    g_free(client);
}

/* Cancels what is under way, whose error then ends the client. */
static gboolean on_patience(gpointer data)
{
    Client *client = data;

    client->timer = 0;
    g_cancellable_cancel(client->over);
    return G_SOURCE_REMOVE;
}

static void be_patient(Client *client)
{
    g_clear_handle_id(&client->timer, g_source_remove);
    client->timer = g_timeout_add(MMRIG_KEEPER_PATIENCE, on_patience, client);
}

static void on_answered(GObject *source, GAsyncResult *result, gpointer data)
{
    g_output_stream_write_all_finish(G_OUTPUT_STREAM(source), result, NULL, NULL);
    client_end(data);
}

/* Takes node. */
static void keeper_answer(Client *client, JsonNode *node)
{
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autofree char *text = NULL;

    json_generator_set_root(generator, node);
    text = json_generator_to_data(generator, NULL);
    json_node_unref(node);
    client->answer = g_strconcat(text, "\n", NULL);
    be_patient(client);
    g_output_stream_write_all_async(
        g_io_stream_get_output_stream(G_IO_STREAM(client->connection)), client->answer,
        strlen(client->answer), G_PRIORITY_DEFAULT, client->over, on_answered, client);
}

static void answer_error(Client *client, const GError *error)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();

    json_object_set_boolean_member(object, "ok", FALSE);
    json_object_set_string_member(object, "class", keeper_class_name(error));
    json_object_set_string_member(object, "error", error->message);
    json_node_take_object(node, object);
    keeper_answer(client, node);
}

static void on_performed(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
    Client *client = data;
    g_autoptr(GError) error = NULL;
    JsonNode *node = mmrig_keeper_perform_finish(result, &error);

    if (!client->keeper) {
        g_clear_pointer(&node, json_node_unref);
        client_end(client);
        return;
    }
    if (node)
        keeper_answer(client, node);
    else
        answer_error(client, error);
}

/* The line is whole: size bytes, without its LF. */
static void keeper_perform(Client *client, gsize size)
{
    const char *words[MMRIG_WORDS_MAX + 1];
    struct mmrig_line line;

    g_clear_handle_id(&client->timer, g_source_remove);
    gboolean good = mmrig_line_parse(client->bytes, size, &line);
    for (gsize i = 0; good && i < line.count; i++) {
        words[i] = line.words[i].data;
        good = strlen(words[i]) == line.words[i].size;
    }
    if (!good) {
        g_autoptr(GError) error = g_error_new(MMRIG_ERROR, MMRIG_ERROR_INPUT,
                                              "that is no line of words as a request is");
        answer_error(client, error);
        return;
    }
    words[line.count] = NULL;
    mmrig_keeper_perform_async(&client->keeper->state, words, on_performed, client);
}

static void keeper_receive(Client *client);

static void on_received(GObject *source, GAsyncResult *result, gpointer data)
{
    Client *client = data;
    gssize got = g_input_stream_read_finish(G_INPUT_STREAM(source), result, NULL);

    if (got <= 0 || !client->keeper) {
        client_end(client);
        return;
    }
    const char *stop = memchr(client->bytes + client->used, '\n', (gsize)got);
    client->used += (gsize)got;
    if (stop)
        keeper_perform(client, (gsize)(stop - client->bytes));
    else if (client->used < MMRIG_INJECT_REQUEST_MAX)
        keeper_receive(client);
    else
        client_end(client);
}

static void keeper_receive(Client *client)
{
    g_input_stream_read_async(g_io_stream_get_input_stream(G_IO_STREAM(client->connection)),
                              client->bytes + client->used,
                              MMRIG_INJECT_REQUEST_MAX - client->used, G_PRIORITY_DEFAULT,
                              client->over, on_received, client);
}

/* Who is at the other end: this user, or root? */
static gboolean keeper_is_ours(GSocketConnection *connection)
{
    g_autoptr(GCredentials) other =
        g_socket_get_credentials(g_socket_connection_get_socket(connection), NULL);
    uid_t user = other ? g_credentials_get_unix_user(other, NULL) : (uid_t)-1;

    return user != (uid_t)-1 && (user == getuid() || user == 0);
}

static gboolean on_incoming(GSocketService *service G_GNUC_UNUSED,
                            GSocketConnection *connection, GObject *source G_GNUC_UNUSED,
                            MmrigKeeper *keeper)
{
    if (!keeper_is_ours(connection) ||
        g_hash_table_size(keeper->clients) >= MMRIG_KEEPER_CLIENTS)
        return TRUE; /* which drops it */
    Client *client = g_new0(Client, 1);
    client->keeper = keeper;
    client->connection = g_object_ref(connection);
    client->over = g_cancellable_new();
    g_hash_table_add(keeper->clients, client);
    be_patient(client);
    keeper_receive(client);
    return TRUE;
}

/* ---- The keeper ------------------------------------------------------------------------ */

/* Takes the first name that is free. */
static gboolean listen_somewhere(MmrigKeeper *keeper, GError **error)
{
    const char *given = keeper->state.kept.name;
    const char *stem = given ? given : keeper->state.kept.spec->title;

    for (guint number = 1; number <= (given ? 1 : NUMBERS_MAX); number++) {
        g_autofree char *run =
            number == 1 ? g_strdup(stem) : g_strdup_printf("%s-%u", stem, number);
        g_autoptr(GSocketAddress) address = NULL;
        g_autoptr(GError) failure = NULL;
        char name[108];

        if (!mmrig_keeper_socket_name(getuid(), run, name, sizeof(name)))
            break;
        address = g_unix_socket_address_new_with_type(name, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
        if (g_socket_listener_add_address(G_SOCKET_LISTENER(keeper->service), address,
                                          G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL,
                                          NULL, &failure)) {
            keeper->name = g_steal_pointer(&run);
            return TRUE;
        }
        if (!g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE)) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "cannot listen for `mmrig inject`: %s", failure->message);
            return FALSE;
        }
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "another machine is kept as %s", stem);
    return FALSE;
}

MmrigKeeper *mmrig_keeper_new(const MmrigKept *kept, GError **error)
{
    MmrigKeeper *keeper = g_new0(MmrigKeeper, 1);

    keeper->state.kept = *kept;
    keeper->state.over = g_cancellable_new();
    keeper->state.questions = g_hash_table_new(g_int64_hash, g_int64_equal);
    keeper->state.cxl = json_array_new();
    keeper->clients = g_hash_table_new(NULL, NULL);
    keeper->service = g_socket_service_new();
    g_signal_connect(keeper->service, "incoming", G_CALLBACK(on_incoming), keeper);
    if (listen_somewhere(keeper, error))
        return keeper;
    mmrig_keeper_free(keeper);
    return NULL;
}

void mmrig_keeper_free(MmrigKeeper *keeper)
{
    GHashTableIter iter;
    gpointer client;

    if (!keeper)
        return;
    g_signal_handlers_disconnect_by_data(keeper->service, keeper);
    g_socket_service_stop(keeper->service);
    g_socket_listener_close(G_SOCKET_LISTENER(keeper->service));
    g_object_unref(keeper->service);
    /* Clients that have something under way outlive the keeper, and end with it. */
    g_hash_table_iter_init(&iter, keeper->clients);
    while (g_hash_table_iter_next(&iter, &client, NULL)) {
        Client *one = client;
        one->keeper = NULL;
        g_clear_handle_id(&one->timer, g_source_remove);
        g_cancellable_cancel(one->over);
    }
    g_hash_table_unref(keeper->clients);
    g_cancellable_cancel(keeper->state.over);
    mmrig_keeper_drop_questions(&keeper->state);
    g_object_unref(keeper->state.over);
    g_hash_table_unref(keeper->state.questions);
    json_array_unref(keeper->state.cxl);
    g_free(keeper->name);
    g_free(keeper);
}

void mmrig_keeper_translated(MmrigKeeper *keeper, const MmrigGuestMessage *message)
{
    mmrig_keeper_guest_answered(&keeper->state, message);
}
