/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QMP client against a scripted peer on the other end of a socket pair. */
#include "qmp.h"

#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "error.h"
#include "qmp-codec.h"

#define GREETING  "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define NEGOTIATE "{\"execute\":\"qmp_capabilities\",\"id\":1}\n"
#define AGREED    "{\"return\": {}, \"id\": 1}\r\n"
/* No step of the peer and no wait of a test may take longer: something hangs. */
#define PATIENCE_S 10

/* --- the peer --- */

typedef enum {
    SEND,       /* text, in one write */
    DRIP,       /* text, byte by byte, each only when the one before it has been read */
    SEND_BYTES, /* size times the byte text[0]; stops quietly when nobody reads any more */
    EXPECT,     /* exactly text arrives */
    WAIT,       /* until the test says go */
    HANG_UP,    /* close; also happens at the end of the script */
    EXPECT_END, /* the client closes */
} Do;

typedef struct {
    Do what;
    const char *text;
    gsize size;
} Step;

typedef struct {
    int fd;
    const Step *steps;
    gsize count;
    GAsyncQueue *go;
    GThread *thread;
} Peer;

static void send_all(int fd, const char *text, gsize size)
{
    while (size > 0) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        g_assert_cmpint(sent, >, 0);
        text += sent;
        size -= (gsize)sent;
    }
}

static void wait_until_read(int fd)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_S * G_USEC_PER_SEC;
    int unread = 1;

    while (unread > 0) {
        g_assert_cmpint(ioctl(fd, SIOCOUTQ, &unread), ==, 0);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_thread_yield();
    }
}

static void expect(int fd, const char *text)
{
    gsize size = strlen(text);
    g_autofree char *got = g_malloc0(size + 1);

    for (gsize have = 0; have < size;) {
        ssize_t part = recv(fd, got + have, size - have, 0);
        if (part <= 0 || memcmp(got + have, text + have, (gsize)part) != 0)
            g_error("the peer expected '%s' and got '%s'", text, got);
        have += (gsize)part;
    }
}

static void send_bytes(int fd, char byte, gsize size)
{
    char block[65536];

    memset(block, byte, sizeof block);
    while (size > 0) {
        ssize_t sent = send(fd, block, MIN(size, sizeof block), MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        size -= (gsize)sent;
    }
}

static gpointer peer_run(gpointer data)
{
    Peer *peer = data;
    char byte;
    gpointer went;

    for (gsize i = 0; i < peer->count; i++) {
        const Step *step = &peer->steps[i];
        switch (step->what) {
        case SEND:
            send_all(peer->fd, step->text, strlen(step->text));
            break;
        case DRIP:
            for (const char *at = step->text; *at; at++) {
                send_all(peer->fd, at, 1);
                wait_until_read(peer->fd);
            }
            break;
        case SEND_BYTES:
            send_bytes(peer->fd, step->text[0], step->size);
            break;
        case EXPECT:
            expect(peer->fd, step->text);
            break;
        case WAIT:
            went = g_async_queue_timeout_pop(peer->go, PATIENCE_S * G_USEC_PER_SEC);
            g_assert_nonnull(went);
            break;
        case HANG_UP:
            close(g_steal_fd(&peer->fd));
            break;
        case EXPECT_END:
            /* Closing with bytes unread shows as a reset on the other end. */
            g_assert_cmpint(recv(peer->fd, &byte, 1, 0), <=, 0);
            g_assert_true(errno != EAGAIN);
            break;
        }
    }
    if (peer->fd >= 0)
        close(peer->fd);
    return NULL;
}

/* --- the client's side of a test --- */

typedef struct {
    Peer peer;
    MmrigQmp *qmp;
    GString *events;
    guint closed;
    GError *why;
    GOutputStream *log;
} Talk;

static void on_event(MmrigQmp *qmp, const char *name, JsonObject *data, Talk *talk)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    g_assert_true(qmp == talk->qmp);
    json_node_set_object(node, data);
    text = json_to_string(node, FALSE);
    g_string_append_printf(talk->events, "%s%s ", name, text);
}

static void on_closed(MmrigQmp *qmp, const GError *error, Talk *talk)
{
    g_assert_true(qmp == talk->qmp);
    talk->closed++;
    talk->why = error ? g_error_copy(error) : NULL;
}

static Talk *talk_begin(const Step *steps, gsize count)
{
    Talk *talk = g_new0(Talk, 1);
    int fds[2];
    struct timeval patience = {.tv_sec = PATIENCE_S};
    g_autoptr(GSocket) socket = NULL;
    g_autoptr(GSocketConnection) connection = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_cmpint(setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), ==,
                    0);
    socket = g_socket_new_from_fd(fds[0], &error);
    g_assert_no_error(error);
    connection = g_socket_connection_factory_create_connection(socket);

    talk->events = g_string_new(NULL);
    talk->log = g_memory_output_stream_new_resizable();
    talk->qmp = mmrig_qmp_new(G_IO_STREAM(connection), talk->log);
    g_signal_connect(talk->qmp, "event", G_CALLBACK(on_event), talk);
    g_signal_connect(talk->qmp, "closed", G_CALLBACK(on_closed), talk);

    talk->peer.fd = fds[1];
    talk->peer.steps = steps;
    talk->peer.count = count;
    talk->peer.go = g_async_queue_new();
    talk->peer.thread = g_thread_new("peer", peer_run, &talk->peer);
    return talk;
}
#define TALK(steps) talk_begin(steps, G_N_ELEMENTS(steps))

static void talk_go(Talk *talk)
{
    g_async_queue_push(talk->peer.go, talk);
}

static void talk_join(Talk *talk)
{
    if (talk->peer.thread)
        g_thread_join(g_steal_pointer(&talk->peer.thread));
}

static gboolean out_of_patience(gpointer data)
{
    (void)data;
    g_error("the test waited more than %d s", PATIENCE_S);
    return G_SOURCE_REMOVE;
}

/* Iterates until *flag is not 0. */
static void until(const guint *flag)
{
    guint source = g_timeout_add_seconds(PATIENCE_S, out_of_patience, NULL);

    while (*flag == 0)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(source);
}

static void talk_end(Talk *talk)
{
    gpointer gone = talk->qmp;

    if (gone) {
        g_object_add_weak_pointer(gone, &gone);
        mmrig_qmp_close(talk->qmp);
        mmrig_qmp_close(talk->qmp);
        g_assert_cmpuint(talk->closed, ==, 1);
        g_clear_object(&talk->qmp);
    }
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_null(gone);
    talk_join(talk);
    g_async_queue_unref(talk->peer.go);
    g_string_free(talk->events, TRUE);
    g_clear_error(&talk->why);
    g_object_unref(talk->log);
    g_free(talk);
}

static void talk_connect(Talk *talk)
{
    g_autoptr(GError) error = NULL;

    mmrig_qmp_connect(talk->qmp, PATIENCE_S * 1000, &error);
    g_assert_no_error(error);
}

/* Runs a command that must succeed and compares its answer. */
static void talk_ask(Talk *talk, const char *command, const char *answer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node =
        mmrig_qmp_execute(talk->qmp, command, NULL, PATIENCE_S * 1000, &error);
    g_autofree char *text = NULL;

    g_assert_no_error(error);
    text = json_to_string(node, FALSE);
    g_assert_cmpstr(text, ==, answer);
}

/* One command under way. */
typedef struct {
    guint done;
    char *answer; /* JSON text */
    GError *error;
} Call;

static void call_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(JsonNode) node =
        mmrig_qmp_execute_finish(MMRIG_QMP(source), result, &call->error);

    call->done++;
    if (node)
        call->answer = json_to_string(node, FALSE);
}

static void call_clear(Call *call)
{
    g_free(call->answer);
    g_clear_error(&call->error);
}

static void call_begin(Talk *talk, Call *call, const char *command, guint timeout,
                       GCancellable *cancellable)
{
    mmrig_qmp_execute_async(talk->qmp, command, NULL, timeout, cancellable, call_done, call);
}

/* --- the tests --- */

static void test_command(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"query-x\",\"id\":2}\n", 0},
        {SEND, "{\"return\": {\"a\": [1, null]}, \"id\": 2}\r\n", 0},
        {EXPECT, "{\"execute\":\"set\",\"arguments\":{\"value\":5},\"id\":3}\n", 0},
        {SEND, "{\"return\": {}, \"id\": 3}\r\n", 0},
    };
    Talk *talk = TALK(steps);
    JsonObject *arguments = json_object_new();
    g_autoptr(JsonNode) node = NULL;
    g_autoptr(GError) error = NULL;

    talk_connect(talk);
    talk_ask(talk, "query-x", "{\"a\":[1,null]}");
    json_object_set_int_member(arguments, "value", 5);
    node = mmrig_qmp_execute(talk->qmp, "set", arguments, 0, &error);
    g_assert_no_error(error);
    g_assert_true(JSON_NODE_HOLDS_OBJECT(node));

    /* The peer hangs up with nothing pending: an orderly end. */
    until(&talk->closed);
    g_assert_no_error(talk->why);
    talk_end(talk);
}

static void test_log(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED "{\"event\": \"E\"}\r\n", 0},
        {WAIT, NULL, 0},
        {SEND, "bad \\ \x01 line\r\n", 0},
    };
    static const char *const expected[] = {
        "^[0-9]+\\.[0-9]{6} < {\"QMP\": {\"version\": {}, \"capabilities\": \\[\"oob\"\\]}}$",
        "^[0-9]+\\.[0-9]{6} > {\"execute\":\"qmp_capabilities\",\"id\":1}$",
        "^[0-9]+\\.[0-9]{6} < {\"return\": {}, \"id\": 1}$",
        "^[0-9]+\\.[0-9]{6} < {\"event\": \"E\"}$",
        "^[0-9]+\\.[0-9]{6} < \\(broken\\) bad \\\\x5c \\\\x01 line$",
        "^$",
    };
    Talk *talk = TALK(steps);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    talk_connect(talk);
    talk_go(talk);
    until(&talk->closed);
    g_assert_true(g_output_stream_write_all(talk->log, "", 1, NULL, NULL, NULL));
    text = g_strdup(g_memory_output_stream_get_data(G_MEMORY_OUTPUT_STREAM(talk->log)));
    lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, G_N_ELEMENTS(expected));
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++)
        if (!g_regex_match_simple(expected[i], lines[i], 0, 0))
            g_error("log line '%s' does not match '%s'", lines[i], expected[i]);
    talk_end(talk);
}

/* A log that cannot be written must not harm the conversation. */
static void test_log_fails(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"query-x\",\"id\":2}\n", 0},
        {SEND, "{\"return\": {}, \"id\": 2}\r\n", 0},
    };
    Talk *talk = TALK(steps);

    g_output_stream_close(talk->log, NULL, NULL);
    talk_connect(talk);
    talk_ask(talk, "query-x", "{}");
    talk_end(talk);
}

static void test_byte_by_byte(void)
{
    static const Step steps[] = {
        {DRIP, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {DRIP, AGREED, 0},
        {EXPECT, "{\"execute\":\"query-x\",\"id\":2}\n", 0},
        {DRIP, "{\"event\": \"E\", \"data\": {\"x\": \"\\u00e9\xc3\xa9\"}}\r\n", 0},
        {DRIP, "{\"return\": [], \"id\": 2}\r\n", 0},
    };
    Talk *talk = TALK(steps);

    talk_connect(talk);
    talk_ask(talk, "query-x", "[]");
    g_assert_cmpstr(talk->events->str, ==, "E{\"x\":\"\xc3\xa9\xc3\xa9\"} ");
    talk_end(talk);
}

static void test_many_in_one_read(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"a\",\"id\":2}\n{\"execute\":\"b\",\"id\":3}\n", 0},
        {SEND,
         "{\"event\": \"A\"}\r\n\r\n{\"return\": 1, \"id\": 2}\r\n{\"event\": \"B\", \"data\": "
         "{}}\r\n{\"return\": 2, \"id\": 3}\n",
         0},
    };
    Talk *talk = TALK(steps);
    Call a = {0}, b = {0};

    talk_connect(talk);
    call_begin(talk, &a, "a", 0, NULL);
    call_begin(talk, &b, "b", 0, NULL);
    until(&a.done);
    until(&b.done);
    g_assert_cmpstr(a.answer, ==, "1");
    g_assert_cmpstr(b.answer, ==, "2");
    g_assert_cmpstr(talk->events->str, ==, "A{} B{} ");
    call_clear(&a);
    call_clear(&b);
    talk_end(talk);
}

static void test_out_of_order(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT,
         "{\"execute\":\"a\",\"id\":2}\n{\"execute\":\"b\",\"id\":3}\n"
         "{\"execute\":\"c\",\"id\":4}\n",
         0},
        {SEND, "{\"id\": 4, \"return\": \"c\"}\r\n{\"event\": \"E\"}\r\n", 0},
        {SEND, "{\"return\": \"a\", \"id\": 2}\r\n", 0},
        {SEND, "{\"return\": \"b\", \"id\": 3}\r\n", 0},
    };
    Talk *talk = TALK(steps);
    Call calls[3] = {0};
    static const char *const names[] = {"a", "b", "c"};

    talk_connect(talk);
    for (gsize i = 0; i < 3; i++)
        call_begin(talk, &calls[i], names[i], 0, NULL);
    for (gsize i = 0; i < 3; i++) {
        g_autofree char *answer = g_strdup_printf("\"%s\"", names[i]);
        until(&calls[i].done);
        g_assert_cmpstr(calls[i].answer, ==, answer);
        call_clear(&calls[i]);
    }
    talk_end(talk);
}

/* An event that comes after the last answer, just before the end. */
static void test_late_event(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"quit\",\"id\":2}\n", 0},
        {SEND, "{\"return\": {}, \"id\": 2}\r\n", 0},
        {WAIT, NULL, 0},
        {SEND, "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": false}}\r\n", 0},
    };
    Talk *talk = TALK(steps);

    talk_connect(talk);
    talk_ask(talk, "quit", "{}");
    talk_go(talk);
    until(&talk->closed);
    g_assert_no_error(talk->why);
    g_assert_cmpstr(talk->events->str, ==, "SHUTDOWN{\"guest\":false} ");
    talk_end(talk);
}

/* What the peer said before it went is heard even if our next word comes too late. */
static void test_last_words(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {WAIT, NULL, 0},
        {SEND, "{\"event\": \"SHUTDOWN\"}\r\n", 0},
    };
    Talk *talk = TALK(steps);
    Call call = {0};

    talk_connect(talk);
    talk_go(talk);
    talk_join(talk);
    call_begin(talk, &call, "query-x", 0, NULL);
    until(&call.done);
    g_assert_error(call.error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_nonnull(strstr(call.error->message, "before it answered 'query-x'"));
    g_assert_cmpstr(talk->events->str, ==, "SHUTDOWN{} ");
    call_clear(&call);
    talk_end(talk);
}

/* --- a peer that breaks the rules, in place of its greeting and of an answer --- */

typedef struct {
    const char *name;
    const char *sent;
    const char *message; /* part of the error */
} Breach;

static const Breach breaches[] = {
    {"words", "QEMU 10.0.2 monitor - type 'help'\r\n", "not JSON"},
    {"list", "[]\r\n", "not a JSON object"},
    {"number", "5\r\n", "not a JSON object"},
    {"unfinished", "{\"QMP\": \r\n", "not JSON"},
    {"two-on-a-line", "{} {}\r\n", NULL},
    {"not-utf8", "{\"QMP\": \"\xff\xfe\"}\r\n", "not UTF-8"},
    {"comment", "{/*\"*/\"QMP\": {}}\r\n", "not JSON: byte 0x2f"},
    {"empty-object", "{}\r\n", NULL},
    {"cut-off", "{\"QMP\": {", "in the middle of a message"},
};

static void test_broken_greeting(gconstpointer data)
{
    const Breach *breach = data;
    const Step steps[] = {{SEND, breach->sent, 0}};
    Talk *talk = TALK(steps);
    g_autoptr(GError) error = NULL;

    g_assert_false(mmrig_qmp_connect(talk->qmp, PATIENCE_S * 1000, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    if (breach->message)
        g_assert_nonnull(strstr(error->message, breach->message));
    g_assert_cmpuint(talk->closed, ==, 1);
    g_assert_cmpstr(talk->why->message, ==, error->message);
    talk_end(talk);
}

static const Breach answer_breaches[] = {
    {"unknown-id", "{\"return\": {}, \"id\": 7}\r\n", "command 7"},
    {"no-id", "{\"return\": {}}\r\n", "without an id"},
    {"error-no-id", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"bad JSON\"}}\r\n",
     "GenericError: bad JSON"},
    {"text-id", "{\"return\": {}, \"id\": \"2\"}\r\n", "without an id"},
    {"answered-twice", "{\"return\": {}, \"id\": 1}\r\n", "command 1"},
    {"return-and-error",
     "{\"return\": {}, \"error\": {\"class\": \"A\", \"desc\": \"b\"}, \"id\": 2}\r\n",
     "neither a reply nor an event"},
    {"error-malformed", "{\"error\": {\"class\": 1}, \"id\": 2}\r\n", "malformed error"},
    {"error-text", "{\"error\": \"no\", \"id\": 2}\r\n", "malformed error"},
    {"event-number", "{\"event\": 3}\r\n", "malformed event"},
    {"event-data-list", "{\"event\": \"E\", \"data\": []}\r\n", "malformed event"},
    {"greeting-again", GREETING, "neither a reply nor an event"},
};

static void test_broken_answer(gconstpointer data)
{
    const Breach *breach = data;
    const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"a\",\"id\":2}\n{\"execute\":\"b\",\"id\":3}\n", 0},
        {SEND, breach->sent, 0},
        {EXPECT_END, NULL, 0},
    };
    Talk *talk = TALK(steps);
    Call a = {0}, b = {0};

    talk_connect(talk);
    call_begin(talk, &a, "a", 0, NULL);
    call_begin(talk, &b, "b", 5000, NULL);
    until(&a.done);
    until(&b.done);
    g_assert_error(a.error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_error(b.error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_nonnull(strstr(a.error->message, breach->message));
    g_assert_cmpuint(talk->closed, ==, 1);
    g_assert_cmpstr(talk->why->message, ==, a.error->message);
    call_clear(&a);
    call_clear(&b);
    talk_end(talk);
}

static void test_event_before_greeting(void)
{
    static const Step steps[] = {{SEND, "{\"event\": \"E\"}\r\n", 0}, {EXPECT_END, NULL, 0}};
    Talk *talk = TALK(steps);
    g_autoptr(GError) error = NULL;

    g_assert_false(mmrig_qmp_connect(talk->qmp, 0, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_cmpstr(talk->events->str, ==, "");
    talk_end(talk);
}

/* Messages that would exhaust the parser's stack or the memory. */
static void test_bomb(gconstpointer data)
{
    const Step steps[] = {
        {SEND_BYTES, data, 2 * 1000 * 1000},
        {SEND_BYTES, "\n", 1},
        {EXPECT_END, NULL, 0},
    };
    Talk *talk = TALK(steps);
    g_autoptr(GError) error = NULL;

    g_assert_false(mmrig_qmp_connect(talk->qmp, 0, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    if (*(const char *)data == ',')
        g_assert_nonnull(strstr(error->message, "values"));
    else
        g_assert_nonnull(strstr(error->message, "levels deep"));
    talk_end(talk);
}

static void test_huge_reply(void)
{
    const gsize size = 8 * 1024 * 1024;
    const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"a\",\"id\":2}\n", 0},
        {SEND, "{\"return\": \"", 0},
        {SEND_BYTES, "x", size},
        {SEND, "\", \"id\": 2}\r\n", 0},
        {EXPECT, "{\"execute\":\"b\",\"id\":3}\n", 0},
        {SEND, "{\"return\": {}, \"id\": 3}\r\n", 0},
    };
    Talk *talk = TALK(steps);
    g_autoptr(JsonNode) node = NULL;
    g_autoptr(GError) error = NULL;

    talk_connect(talk);
    node = mmrig_qmp_execute(talk->qmp, "a", NULL, 0, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(strlen(json_node_get_string(node)), ==, size);
    talk_ask(talk, "b", "{}");
    talk_end(talk);
}

static void test_too_long_reply(void)
{
    const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"a\",\"id\":2}\n", 0},
        {SEND, "{\"return\": \"", 0},
        /* Endless: only the client's closing ends this. */
        {SEND_BYTES, "x", G_MAXSIZE},
    };
    Talk *talk = TALK(steps);
    g_autoptr(JsonNode) node = NULL;
    g_autoptr(GError) error = NULL;

    talk_connect(talk);
    node = mmrig_qmp_execute(talk->qmp, "a", NULL, 0, &error);
    g_assert_null(node);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_nonnull(strstr(error->message, "longer than 16777216 bytes"));
    talk_end(talk);
}

static void test_huge_command(void)
{
    g_autofree char *blob = g_strnfill(3 * 1024 * 1024, 'y');
    g_autofree char *line =
        g_strdup_printf("{\"execute\":\"put\",\"arguments\":{\"blob\":\"%s\"},\"id\":2}\n"
                        "{\"execute\":\"a\",\"id\":3}\n",
                        blob);
    const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, line, 0},
        {SEND, "{\"return\": {}, \"id\": 2}\r\n{\"return\": {}, \"id\": 3}\r\n", 0},
    };
    Talk *talk = TALK(steps);
    JsonObject *arguments = json_object_new();
    Call put = {0};

    talk_connect(talk);
    json_object_set_string_member(arguments, "blob", blob);
    mmrig_qmp_execute_async(talk->qmp, "put", arguments, 0, NULL, call_done, &put);
    talk_ask(talk, "a", "{}");
    until(&put.done);
    g_assert_no_error(put.error);
    call_clear(&put);
    talk_end(talk);
}

/* --- the peer goes --- */

static void test_gone_before_greeting(void)
{
    static const Step steps[] = {{HANG_UP, NULL, 0}};
    Talk *talk = TALK(steps);
    g_autoptr(GError) error = NULL;

    g_assert_false(mmrig_qmp_connect(talk->qmp, 0, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_nonnull(strstr(error->message, "before its greeting"));
    talk_end(talk);
}

static void test_gone_in_negotiation(void)
{
    static const Step steps[] = {{SEND, GREETING, 0}, {EXPECT, NEGOTIATE, 0}};
    Talk *talk = TALK(steps);
    g_autoptr(GError) error = NULL;

    g_assert_false(mmrig_qmp_connect(talk->qmp, 0, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_nonnull(strstr(error->message, "before it answered 'qmp_capabilities'"));
    talk_end(talk);
}

static void gone_with_pending(const char *last, const char *message)
{
    const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"a\",\"id\":2}\n{\"execute\":\"b\",\"id\":3}\n", 0},
        {SEND, last, 0},
    };
    Talk *talk = TALK(steps);
    Call a = {0}, b = {0}, after = {0};

    talk_connect(talk);
    call_begin(talk, &a, "a", 0, NULL);
    call_begin(talk, &b, "b", PATIENCE_S * 1000, NULL);
    until(&a.done);
    until(&b.done);
    g_assert_error(a.error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_error(b.error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_nonnull(strstr(a.error->message, message));
    g_assert_cmpuint(talk->closed, ==, 1);
    g_assert_error(talk->why, MMRIG_ERROR, MMRIG_ERROR_RIG);

    call_begin(talk, &after, "c", 0, NULL);
    until(&after.done);
    g_assert_error(after.error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_nonnull(strstr(after.error->message, "'c'"));
    call_clear(&a);
    call_clear(&b);
    call_clear(&after);
    talk_end(talk);
}

static void test_gone_with_pending(void)
{
    gone_with_pending("{\"event\": \"SHUTDOWN\"}\r\n", "before it answered 'a'");
}

static void test_gone_mid_message(void)
{
    gone_with_pending("{\"return\": {}, \"id\": 2", "in the middle of a message");
}

/* A peer that dies with our command unread, which resets the connection. */
static void test_gone_unread(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0}, {EXPECT, NEGOTIATE, 0}, {SEND, AGREED, 0}, {WAIT, NULL, 0}};
    Talk *talk = TALK(steps);
    gint64 end = g_get_monotonic_time() + PATIENCE_S * G_USEC_PER_SEC;
    int unread = 0;
    Call call = {0};

    talk_connect(talk);
    call_begin(talk, &call, "a", 0, NULL);
    while (unread == 0) {
        g_main_context_iteration(NULL, FALSE);
        g_assert_cmpint(ioctl(talk->peer.fd, SIOCINQ, &unread), ==, 0);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    talk_go(talk);
    until(&call.done);
    g_assert_error(call.error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_nonnull(strstr(call.error->message, "before it answered 'a'"));
    call_clear(&call);
    talk_end(talk);
}

/* --- time limits, cancelling, errors --- */

static void test_connect_timeout(void)
{
    static const Step steps[] = {{WAIT, NULL, 0}};
    Talk *talk = TALK(steps);
    g_autoptr(GError) error = NULL;

    g_assert_false(mmrig_qmp_connect(talk->qmp, 30, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT);
    talk_go(talk);
    talk_end(talk);
}

static void test_negotiation_timeout(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0}, {EXPECT, NEGOTIATE, 0}, {WAIT, NULL, 0}, {EXPECT_END, NULL, 0}};
    Talk *talk = TALK(steps);
    g_autoptr(GError) error = NULL;

    g_assert_false(mmrig_qmp_connect(talk->qmp, 200, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT);
    talk_go(talk);
    talk_end(talk);
}

static void test_reply_after_timeout(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"slow\",\"id\":2}\n", 0},
        {WAIT, NULL, 0},
        {SEND, "{\"return\": \"too late\", \"id\": 2}\r\n", 0},
        {EXPECT, "{\"execute\":\"next\",\"id\":3}\n", 0},
        {SEND, "{\"return\": \"next\", \"id\": 3}\r\n", 0},
        /* A second late answer is an answer to nothing. */
        {SEND, "{\"return\": \"too late\", \"id\": 2}\r\n", 0},
        {EXPECT_END, NULL, 0},
    };
    Talk *talk = TALK(steps);
    g_autoptr(JsonNode) node = NULL;
    g_autoptr(GError) error = NULL;

    talk_connect(talk);
    node = mmrig_qmp_execute(talk->qmp, "slow", NULL, 30, &error);
    g_assert_null(node);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT);
    g_assert_cmpstr(error->message, ==, "QEMU did not answer 'slow' within 30 ms");
    talk_go(talk);
    talk_ask(talk, "next", "\"next\"");
    until(&talk->closed);
    g_assert_error(talk->why, MMRIG_ERROR, MMRIG_ERROR_RIG);
    talk_end(talk);
}

static void test_cancel(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"slow\",\"id\":2}\n", 0},
        {WAIT, NULL, 0},
        {SEND, "{\"error\": {\"class\": \"A\", \"desc\": \"late\"}, \"id\": 2}\r\n", 0},
        {EXPECT, "{\"execute\":\"next\",\"id\":3}\n", 0},
        {SEND, "{\"return\": {}, \"id\": 3}\r\n", 0},
    };
    Talk *talk = TALK(steps);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Call call = {0}, never = {0};

    talk_connect(talk);
    call_begin(talk, &call, "slow", 0, cancellable);
    g_cancellable_cancel(cancellable);
    until(&call.done);
    g_assert_error(call.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

    /* One that was cancelled before it began is not even sent. */
    call_begin(talk, &never, "never", 0, cancellable);
    until(&never.done);
    g_assert_error(never.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    talk_go(talk);
    talk_ask(talk, "next", "{}");
    g_assert_cmpuint(call.done, ==, 1);
    call_clear(&call);
    call_clear(&never);
    talk_end(talk);
}

static void connect_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;

    mmrig_qmp_connect_finish(MMRIG_QMP(source), result, &call->error);
    call->done++;
}

static void test_cancel_connect(void)
{
    static const Step steps[] = {{WAIT, NULL, 0}};
    Talk *talk = TALK(steps);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Call call = {0};

    mmrig_qmp_connect_async(talk->qmp, 0, cancellable, connect_done, &call);
    g_cancellable_cancel(cancellable);
    until(&call.done);
    g_assert_error(call.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    call_clear(&call);
    talk_go(talk);
    talk_end(talk);
}

static void test_error_reply(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"bad\",\"id\":2}\n", 0},
        {SEND,
         "{\"id\": 2, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command bad "
         "has not been found\"}}\r\n",
         0},
        {EXPECT, "{\"execute\":\"good\",\"id\":3}\n", 0},
        {SEND, "{\"return\": {}, \"id\": 3}\r\n", 0},
    };
    Talk *talk = TALK(steps);
    g_autoptr(JsonNode) node = NULL;
    g_autoptr(GError) error = NULL;

    talk_connect(talk);
    node = mmrig_qmp_execute(talk->qmp, "bad", NULL, 0, &error);
    g_assert_null(node);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU);
    g_assert_cmpstr(error->message, ==, "CommandNotFound: The command bad has not been found");
    talk_ask(talk, "good", "{}");
    talk_end(talk);
}

static void test_before_connect(void)
{
    static const Step steps[] = {{EXPECT_END, NULL, 0}};
    Talk *talk = TALK(steps);
    g_autoptr(JsonNode) node = NULL;
    g_autoptr(GError) error = NULL;

    node = mmrig_qmp_execute(talk->qmp, "query-x", NULL, 0, &error);
    g_assert_null(node);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    talk_end(talk);
}

/* --- ending it ourselves --- */

static void test_close_with_pending(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},   {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},     {EXPECT, "{\"execute\":\"a\",\"id\":2}\n", 0},
        {EXPECT_END, NULL, 0},
    };
    Talk *talk = TALK(steps);
    Call call = {0};

    talk_connect(talk);
    call_begin(talk, &call, "a", 0, NULL);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    mmrig_qmp_close(talk->qmp);
    until(&call.done);
    g_assert_error(call.error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_cmpuint(talk->closed, ==, 1);
    g_assert_no_error(talk->why);
    call_clear(&call);
    talk_end(talk);
}

static void close_on_event(MmrigQmp *qmp, const char *name, JsonObject *data, gpointer user)
{
    (void)name;
    (void)data;
    (void)user;
    mmrig_qmp_close(qmp);
}

/* Closing from within a handler: what follows in the same read is not delivered. */
static void test_close_in_handler(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"a\",\"id\":2}\n", 0},
        {SEND, "{\"event\": \"A\"}\r\n{\"event\": \"B\"}\r\n{\"return\": 1, \"id\": 2}\r\n", 0},
        {EXPECT_END, NULL, 0},
    };
    Talk *talk = TALK(steps);
    Call call = {0};

    talk_connect(talk);
    g_signal_connect(talk->qmp, "event", G_CALLBACK(close_on_event), NULL);
    call_begin(talk, &call, "a", 0, NULL);
    until(&call.done);
    g_assert_error(call.error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_cmpstr(talk->events->str, ==, "A{} ");
    call_clear(&call);
    talk_end(talk);
}

static void let_go(GObject *source, GAsyncResult *result, gpointer data)
{
    Talk *talk = data;
    g_autoptr(JsonNode) node = mmrig_qmp_execute_finish(MMRIG_QMP(source), result, NULL);

    g_assert_nonnull(node);
    g_clear_object(&talk->qmp);
}

/* The last reference is dropped in a callback, with more to come in the same read. */
static void test_unref_in_callback(void)
{
    static const Step steps[] = {
        {SEND, GREETING, 0},
        {EXPECT, NEGOTIATE, 0},
        {SEND, AGREED, 0},
        {EXPECT, "{\"execute\":\"a\",\"id\":2}\n", 0},
        {SEND, "{\"return\": 1, \"id\": 2}\r\n", 0},
        {EXPECT_END, NULL, 0},
    };
    Talk *talk = TALK(steps);
    gpointer gone = talk->qmp;

    talk_connect(talk);
    g_object_add_weak_pointer(gone, &gone);
    mmrig_qmp_execute_async(talk->qmp, "a", NULL, 0, NULL, let_go, talk);
    while (gone)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(talk->closed, ==, 0);
    talk_end(talk);
}

/* --- the codec by itself --- */

static void test_codec_limits(void)
{
    g_autoptr(MmrigQmpCodec) codec = mmrig_qmp_codec_new(8);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) fits = NULL;
    g_autoptr(GString) line = g_string_new(NULL);

    /* Exactly the limit, its line end apart, in every possible piece. */
    for (const char *at = "{\"a\": 1}\r"; *at; at++) {
        mmrig_qmp_codec_feed(codec, at, 1);
        g_assert_null(mmrig_qmp_codec_next(codec, NULL, &error));
        g_assert_no_error(error);
        g_assert_true(mmrig_qmp_codec_partial(codec));
    }
    mmrig_qmp_codec_feed(codec, "\n", 1);
    fits = mmrig_qmp_codec_next(codec, line, &error);
    g_assert_no_error(error);
    g_assert_cmpint(json_object_get_int_member(fits, "a"), ==, 1);
    g_assert_cmpstr(line->str, ==, "{\"a\": 1}");
    g_assert_false(mmrig_qmp_codec_partial(codec));

    mmrig_qmp_codec_feed(codec, "{\"a\": 10}\r\n", 11);
    g_assert_null(mmrig_qmp_codec_next(codec, NULL, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_clear_error(&error);

    /* Broken once, broken for good. */
    mmrig_qmp_codec_feed(codec, "{}\n", 3);
    g_assert_null(mmrig_qmp_codec_next(codec, NULL, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
}

static void test_codec_depth(void)
{
    for (guint depth = MMRIG_QMP_DEPTH_MAX - 1; depth <= MMRIG_QMP_DEPTH_MAX; depth++) {
        g_autoptr(MmrigQmpCodec) codec = mmrig_qmp_codec_new(MMRIG_QMP_MESSAGE_MAX);
        g_autoptr(GError) error = NULL;
        g_autofree char *open = g_strnfill(depth, '[');
        g_autofree char *shut = g_strnfill(depth, ']');
        /* Brackets and quotes within strings do not count. */
        g_autofree char *text = g_strdup_printf("{\"[[\\\"[[\": %s%s}\n", open, shut);
        g_autoptr(JsonObject) message = NULL;

        mmrig_qmp_codec_feed(codec, text, strlen(text));
        message = mmrig_qmp_codec_next(codec, NULL, &error);
        if (depth < MMRIG_QMP_DEPTH_MAX) {
            g_assert_no_error(error);
            g_assert_true(json_object_has_member(message, "[[\"[["));
        } else {
            g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
            g_assert_null(message);
        }
    }
}

static void test_codec_nul(void)
{
    g_autoptr(MmrigQmpCodec) codec = mmrig_qmp_codec_new(MMRIG_QMP_MESSAGE_MAX);
    g_autoptr(GError) error = NULL;
    static const char in_string[] = "{\"a\": \"\0\"}\n";

    mmrig_qmp_codec_feed(codec, in_string, sizeof in_string - 1);
    g_assert_null(mmrig_qmp_codec_next(codec, NULL, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
}

static void add_breaches(const char *prefix, const Breach *table, gsize count,
                         GTestDataFunc function)
{
    for (gsize i = 0; i < count; i++) {
        g_autofree char *path = g_strdup_printf("/qmp/%s/%s", prefix, table[i].name);
        g_test_add_data_func(path, &table[i], function);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/command", test_command);
    g_test_add_func("/qmp/log", test_log);
    g_test_add_func("/qmp/log-fails", test_log_fails);
    g_test_add_func("/qmp/byte-by-byte", test_byte_by_byte);
    g_test_add_func("/qmp/many-in-one-read", test_many_in_one_read);
    g_test_add_func("/qmp/out-of-order", test_out_of_order);
    g_test_add_func("/qmp/late-event", test_late_event);
    g_test_add_func("/qmp/last-words", test_last_words);
    add_breaches("broken-greeting", breaches, G_N_ELEMENTS(breaches), test_broken_greeting);
    add_breaches("broken-answer", answer_breaches, G_N_ELEMENTS(answer_breaches),
                 test_broken_answer);
    g_test_add_func("/qmp/event-before-greeting", test_event_before_greeting);
    g_test_add_data_func("/qmp/bomb/lists", "[", test_bomb);
    g_test_add_data_func("/qmp/bomb/objects", "{", test_bomb);
    g_test_add_data_func("/qmp/bomb/values", ",", test_bomb);
    g_test_add_func("/qmp/huge-reply", test_huge_reply);
    g_test_add_func("/qmp/too-long-reply", test_too_long_reply);
    g_test_add_func("/qmp/huge-command", test_huge_command);
    g_test_add_func("/qmp/gone/before-greeting", test_gone_before_greeting);
    g_test_add_func("/qmp/gone/in-negotiation", test_gone_in_negotiation);
    g_test_add_func("/qmp/gone/with-pending", test_gone_with_pending);
    g_test_add_func("/qmp/gone/mid-message", test_gone_mid_message);
    g_test_add_func("/qmp/gone/unread", test_gone_unread);
    g_test_add_func("/qmp/timeout/connect", test_connect_timeout);
    g_test_add_func("/qmp/timeout/negotiation", test_negotiation_timeout);
    g_test_add_func("/qmp/timeout/late-reply", test_reply_after_timeout);
    g_test_add_func("/qmp/cancel/command", test_cancel);
    g_test_add_func("/qmp/cancel/connect", test_cancel_connect);
    g_test_add_func("/qmp/error-reply", test_error_reply);
    g_test_add_func("/qmp/before-connect", test_before_connect);
    g_test_add_func("/qmp/close/with-pending", test_close_with_pending);
    g_test_add_func("/qmp/close/in-handler", test_close_in_handler);
    g_test_add_func("/qmp/close/unref-in-callback", test_unref_in_callback);
    g_test_add_func("/qmp/codec/limits", test_codec_limits);
    g_test_add_func("/qmp/codec/depth", test_codec_depth);
    g_test_add_func("/qmp/codec/nul", test_codec_nul);
    return g_test_run();
}
