/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QMP client and its codec against peers that break the rules, exaggerate, or go. */
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "qmp-peer.h"
#include "qmp/qmp-codec-private.h"

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
    {"two-on-a-line", "{} {}\r\n", "more than one value"},
    {"two-numbers", "5 5\r\n", "not a JSON object"},
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
    g_test_add_func("/qmp/codec/limits", test_codec_limits);
    g_test_add_func("/qmp/codec/depth", test_codec_depth);
    g_test_add_func("/qmp/codec/nul", test_codec_nul);
    return g_test_run();
}
