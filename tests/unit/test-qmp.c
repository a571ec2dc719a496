/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QMP client in conversation with a peer that keeps to the rules. */
#include <string.h>

#include "base/error.h"
#include "qmp-peer.h"

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
        {EXPECT, "{\"execute\":\"worse\",\"id\":4}\n", 0},
        {SEND,
         "{\"id\": 4, \"error\": {\"class\": \"\\u0007A\", \"desc\": "
         "\"\\u001b[2J\\u009bm\\n\"}}\r\n",
         0},
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
    /* A QEMU that a guest has broken into does not speak to the user's terminal. */
    g_clear_error(&error);
    node = mmrig_qmp_execute(talk->qmp, "worse", NULL, 0, &error);
    g_assert_null(node);
    g_assert_cmpstr(error->message, ==,
                    "\357\277\275A: \357\277\275[2J\357\277\275m\357\277\275");
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
    return g_test_run();
}
