/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words and lines of the guest protocol (abi/mmrig-line.h). */
#include <glib.h>

#include "mmrig-line.h"

/* Parses a copy that is exactly as large as promised, so that ASan sees any step outside. */
static gboolean parse(const void *text, gsize size, struct mmrig_line *line, char **copy)
{
    *copy = g_malloc(size + 1);
    if (size > 0)
        memcpy(*copy, text, size);
    return mmrig_line_parse(*copy, size, line);
}

static void check_bad(const char *text)
{
    struct mmrig_line line;
    g_autofree char *copy = NULL;

    g_test_message("'%s'", text);
    g_assert_false(parse(text, strlen(text), &line, &copy));
}

static void test_words(void)
{
    struct mmrig_line line;
    g_autofree char *copy = NULL;
    const char *text = "run 12 %. a%20b%00c %25 %C3%a4";

    g_assert_true(parse(text, strlen(text), &line, &copy));
    g_assert_cmpuint(line.count, ==, 6);
    g_assert_cmpstr(line.words[0].data, ==, "run");
    g_assert_cmpstr(line.words[1].data, ==, "12");
    g_assert_cmpuint(line.words[2].size, ==, 0);
    g_assert_cmpstr(line.words[2].data, ==, "");
    g_assert_cmpmem(line.words[3].data, line.words[3].size, "a b\0c", 5);
    g_assert_cmpint(line.words[3].data[5], ==, '\0');
    g_assert_cmpstr(line.words[4].data, ==, "%");
    g_assert_cmpstr(line.words[5].data, ==, "\xc3\xa4");
}

static void test_malformed(void)
{
    check_bad("");
    check_bad(" ");
    check_bad(" a");
    check_bad("a ");
    check_bad("a  b");
    check_bad("a\tb");
    check_bad("a\rb");
    check_bad("\x7f");
    check_bad("\xc3\xa4");
    check_bad("%");
    check_bad("a%");
    check_bad("a%2");
    check_bad("%2 0");
    check_bad("%g0");
    check_bad("%0g");
    check_bad("%.a");
    check_bad("a%.");
}

static void test_limits(void)
{
    struct mmrig_line line;
    g_autofree char *longest = g_strnfill(MMRIG_LINE_MAX, 'a');
    g_autoptr(GString) many = g_string_new("w");
    g_autofree char *first = NULL, *second = NULL, *third = NULL, *fourth = NULL;

    /* The limit includes the LF, which is not passed. */
    g_assert_true(parse(longest, MMRIG_LINE_MAX - 1, &line, &first));
    g_assert_cmpuint(line.words[0].size, ==, MMRIG_LINE_MAX - 1);
    g_assert_false(parse(longest, MMRIG_LINE_MAX, &line, &second));
    for (int i = 1; i < MMRIG_WORDS_MAX; i++)
        g_string_append(many, " w");
    g_assert_true(parse(many->str, many->len, &line, &third));
    g_assert_cmpuint(line.count, ==, MMRIG_WORDS_MAX);
    g_string_append(many, " w");
    g_assert_false(parse(many->str, many->len, &line, &fourth));
}

static void test_round_trip(void)
{
    char buffer[MMRIG_LINE_MAX], all[256];
    struct mmrig_line line;
    size_t used = 0;

    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    g_assert_true(mmrig_line_add(buffer, sizeof(buffer), &used, "stderr", 6));
    g_assert_true(mmrig_line_add(buffer, sizeof(buffer), &used, "", 0));
    g_assert_true(mmrig_line_add(buffer, sizeof(buffer), &used, all, sizeof(all)));
    g_assert_null(memchr(buffer, '\n', used));
    g_assert_true(mmrig_line_parse(buffer, used, &line));
    g_assert_cmpuint(line.count, ==, 3);
    g_assert_cmpstr(line.words[0].data, ==, "stderr");
    g_assert_cmpuint(line.words[1].size, ==, 0);
    g_assert_cmpmem(line.words[2].data, line.words[2].size, all, sizeof(all));
}

/* A chunk of the worst bytes fits in a line with what is around it. */
static void test_chunk_fits(void)
{
    char buffer[MMRIG_LINE_MAX], chunk[MMRIG_CHUNK_MAX];
    size_t used = 0;

    memset(chunk, 0xff, sizeof(chunk));
    g_assert_true(mmrig_line_add(buffer, sizeof(buffer), &used, "stderr", 6));
    g_assert_true(mmrig_line_add(buffer, sizeof(buffer), &used, "18446744073709551615", 20));
    g_assert_true(mmrig_line_add(buffer, sizeof(buffer), &used, chunk, sizeof(chunk)));
    g_assert_cmpuint(used, <, MMRIG_LINE_MAX);
}

/* For each size of buffer: what does not fit leaves the line as it was, with room for LF. */
static void test_no_room(void)
{
    for (size_t capacity = 1; capacity < 16; capacity++) {
        g_autofree char *buffer = g_malloc(capacity);
        size_t used = 0, before;

        if (!mmrig_line_add(buffer, capacity, &used, "ab", 2)) {
            g_assert_cmpuint(capacity, <, 3);
            g_assert_cmpuint(used, ==, 0);
            continue;
        }
        g_assert_cmpuint(used, ==, 2);
        before = used;
        if (mmrig_line_add(buffer, capacity, &used, "\n", 1)) {
            g_assert_cmpuint(capacity, >=, 7);
            g_assert_cmpmem(buffer, used, "ab %0a", 6);
        } else {
            g_assert_cmpuint(capacity, <, 7);
            g_assert_cmpuint(used, ==, before);
        }
        before = used;
        if (!mmrig_line_add(buffer, capacity, &used, "", 0))
            g_assert_cmpuint(used, ==, before);
        g_assert_cmpuint(used, <, capacity);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/line/words", test_words);
    g_test_add_func("/line/malformed", test_malformed);
    g_test_add_func("/line/limits", test_limits);
    g_test_add_func("/line/round-trip", test_round_trip);
    g_test_add_func("/line/chunk-fits", test_chunk_fits);
    g_test_add_func("/line/no-room", test_no_room);
    return g_test_run();
}
