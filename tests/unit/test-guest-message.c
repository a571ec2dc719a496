/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines from the guest's control port: what is taken, and what is not. */
#include <glib.h>
#include <string.h>

#include "base/error.h"
#include "guest/guest-message.h"

#define BOOT_ID "0123456789abcdef0123456789ABCDEF"

/* Parses a copy of text, which stays valid until the next call. */
static gboolean parse(const char *text, gsize size, MmrigGuestMessage *message, GError **error)
{
    static char line[2 * MMRIG_LINE_MAX];

    g_assert_cmpuint(size, <, sizeof(line));
    memcpy(line, text, size);
    return mmrig_guest_message_parse(line, size, message, error);
}

static MmrigGuestMessage good(const char *text)
{
    g_autoptr(GError) error = NULL;
    MmrigGuestMessage message;

    parse(text, strlen(text), &message, &error);
    g_assert_no_error(error);
    return message;
}

static void test_good(void)
{
    MmrigGuestMessage message = good("ready 1 " BOOT_ID " 6.12.1-mm%20rig");
    g_assert_cmpint(message.kind, ==, MMRIG_GUEST_READY);
    g_assert_cmpstr(message.ready.boot_id, ==, BOOT_ID);
    g_assert_cmpstr(message.ready.release, ==, "6.12.1-mm rig");

    message = good("request 18446744073709551615 mce-inject gpa=0x1000 kind=srao");
    g_assert_cmpint(message.kind, ==, MMRIG_GUEST_REQUEST);
    g_assert_cmpuint(message.number, ==, G_MAXUINT64);
    g_assert_cmpstr(message.request.verb, ==, "mce-inject");
    g_assert_cmpstr(message.request.args[0], ==, "gpa=0x1000");
    g_assert_cmpstr(message.request.args[1], ==, "kind=srao");
    g_assert_null(message.request.args[2]);

    message = good("request 1 host-rss");
    g_assert_null(message.request.args[0]);

    message = good("metric inflate-time -1.5e3 ms");
    g_assert_cmpfloat(message.metric.value, ==, -1500.0);
    g_assert_cmpstr(message.metric.unit, ==, "ms");

    message = good("point free 12 MiB-taken 0.5 MiB");
    g_assert_cmpstr(message.point.series, ==, "free");
    g_assert_cmpfloat(message.point.x, ==, 12.0);
    g_assert_cmpstr(message.point.x_unit, ==, "MiB-taken");
    g_assert_cmpfloat(message.point.y, ==, 0.5);
    g_assert_cmpstr(message.point.y_unit, ==, "MiB");

    message = good("kernel oops BUG:%20bad");
    g_assert_cmpint(message.kernel.kind, ==, MMRIG_KLOG_OOPS);
    g_assert_cmpstr(message.kernel.text, ==, "BUG: bad");

    message = good("stderr 7 a%00b%ff");
    g_assert_cmpuint(message.err.size, ==, 4);
    g_assert_cmpmem(message.err.bytes, message.err.size, "a\0b\377", 4);

    message = good("abort 7 test.c 12 no%0apage");
    g_assert_cmpstr(message.abort.text, ==, "no?page");

    message = good("done 7 signal 11 4096");
    g_assert_cmpint(message.done.how, ==, MMRIG_DONE_BY_SIGNAL);
    g_assert_cmpuint(message.done.number, ==, 11);
    g_assert_cmpuint(message.done.output_bytes, ==, 4096);

    message = good("kept");
    g_assert_cmpint(message.kind, ==, MMRIG_GUEST_KEPT);

    message = good("translated 7 ok 8192");
    g_assert_cmpint(message.kind, ==, MMRIG_GUEST_TRANSLATED);
    g_assert_cmpuint(message.number, ==, 7);
    g_assert_cmpuint(message.translated.address, ==, 8192);
    g_assert_null(message.translated.problem);

    message = good("translated 8 error no%20such%0aprocess");
    g_assert_cmpstr(message.translated.problem, ==, "no such?process");

    message = good("forked " BOOT_ID " fedcba9876543210fedcba9876543210");
    g_assert_cmpint(message.kind, ==, MMRIG_GUEST_FORKED);
    g_assert_cmpstr(message.forked.nonce, ==, "fedcba9876543210fedcba9876543210");

    message = good("clock 2 18446744073709551615");
    g_assert_cmpint(message.kind, ==, MMRIG_GUEST_CLOCK);
    g_assert_cmpuint(message.number, ==, 2);
    g_assert_cmpuint(message.clock_ns, ==, G_MAXUINT64);

    message = good("fail no%20such%20module");
    g_assert_cmpstr(message.fail, ==, "no such module");
}

static void test_text_is_made_safe(void)
{
    /* An escape sequence, a lone continuation byte, and a good two-byte character. */
    MmrigGuestMessage message = good("fail %1b[31m%80%c3%a9%00x");

    g_assert_cmpstr(message.fail, ==, "?[31m?\303\251?x");
    g_assert_true(g_utf8_validate(message.fail, -1, NULL));
}

static void test_hostile(void)
{
    static const char *const lines[] = {
        "",
        " ",
        "hello",
        "ready",
        "ready 2 " BOOT_ID " 6.12",
        "ready 1 0123 6.12",
        "ready 1 0123456789abcdef0123456789abcdeg 6.12",
        "ready 1 " BOOT_ID,
        "ready 1 " BOOT_ID " 6.12 more",
        "kept it",
        "clock 2",
        "clock 2 -1",
        "clock 2 18446744073709551616",
        "clock 2 3 4",
        "forked " BOOT_ID,
        "translated 7 ok",
        "translated 7 ok 0x2000",
        "translated 7 ok -1",
        "translated x ok 1",
        "translated 7 well 1",
        "translated 7 ok 1 2",
        "forked " BOOT_ID " 0123",
        "forked " BOOT_ID " 0123456789abcdef0123456789abcdeg",
        "request -1 mce-inject",
        "request 18446744073709551616 mce-inject",
        "request 1 %.",
        "request 1 mce%20inject",
        "request 1x mce-inject",
        "request 1%00 mce-inject",
        "point name 1 MiB nan MiB",
        "point name 1 MiB 2",
        "point name 1 Mi%20B 2 MiB",
        "metric name nan s",
        "metric name inf s",
        "metric name 1x s",
        "metric name %. s",
        "metric na%20me 1 s",
        "kernel nonsense text",
        "stderr x bytes",
        "done 1 exit 256 0",
        "done 1 signal 128 0",
        "done 1 vanished 0 0",
        "done 1 exit 0 -1",
        "done 1 exit 0",
        "fail a  b",
        "fail %4",
        "fail %zz",
        "fail \x01",
        "fail \xff",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GError) error = NULL;
        MmrigGuestMessage message;
        g_test_message("%s", lines[i]);
        g_assert_false(parse(lines[i], strlen(lines[i]), &message, &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
}

static void test_bounds(void)
{
    g_autoptr(GString) line = g_string_new("fail ");
    g_autoptr(GString) words = g_string_new("request 1 verb");
    g_autoptr(GError) error = NULL;
    MmrigGuestMessage message;

    while (line->len < MMRIG_LINE_MAX - 1)
        g_string_append_c(line, 'x');
    g_assert_true(parse(line->str, line->len, &message, NULL));
    g_string_append_c(line, 'x');
    g_assert_false(parse(line->str, line->len, &message, &error));

    for (int i = 3; i < MMRIG_WORDS_MAX; i++)
        g_string_append(words, " a");
    g_assert_true(parse(words->str, words->len, &message, NULL));
    g_assert_null(message.request.args[MMRIG_WORDS_MAX - 3]);
    g_string_append(words, " a");
    g_assert_false(parse(words->str, words->len, &message, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-message/good", test_good);
    g_test_add_func("/guest-message/text-is-made-safe", test_text_is_made_safe);
    g_test_add_func("/guest-message/hostile", test_hostile);
    g_test_add_func("/guest-message/bounds", test_bounds);
    return g_test_run();
}
