/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "verdict/ktap.h"

static const char *const outcomes[] = {
    [MMRIG_KTAP_OK] = "ok",
    [MMRIG_KTAP_NOT_OK] = "not-ok",
    [MMRIG_KTAP_SKIP] = "skip",
    [MMRIG_KTAP_XFAIL] = "xfail",
};

/* One test as "DEPTH NUMBER[*] OUTCOME NAME (REASON) {DIAGNOSTICS}", '*' for a group. */
static void describe(GString *out, const MmrigKtapTest *test)
{
    g_string_append_printf(out, "%u %u%s %s %s", test->depth, test->number,
                           test->group ? "*" : "", outcomes[test->outcome], test->name);
    if (test->reason)
        g_string_append_printf(out, " (%s)", test->reason);
    if (test->diagnostics)
        g_string_append_printf(out, " {%s}", test->diagnostics);
    g_string_append_c(out, '\n');
}

/* All tests, then the problem; fed in pieces of the given size. */
static char *read_all(const char *text, gsize size, gsize piece)
{
    g_autoptr(MmrigKtap) ktap = mmrig_ktap_new();
    GString *out = g_string_new(NULL);
    const char *problem = "not set";

    for (gsize at = 0; at < size; at += piece)
        mmrig_ktap_feed(ktap, text + at, MIN(piece, size - at));
    gboolean whole = mmrig_ktap_end(ktap, &problem);
    g_assert_cmpint(whole, ==, problem == NULL);
    const GPtrArray *tests = mmrig_ktap_tests(ktap);
    for (guint i = 0; i < tests->len; i++)
        describe(out, g_ptr_array_index(tests, i));
    g_string_append_printf(out, "%s", whole ? "whole" : problem);
    return g_string_free(out, FALSE);
}

typedef struct {
    const char *name;
    const char *text;
    const char *expected;
} Case;

#define V "KTAP version 1\n"

static const Case cases[] = {
    {"plain", V "1..2\nok 1 a\nnot ok 2 b\n", "0 1 ok a\n0 2 not-ok b\nwhole"},
    {"tap", "TAP version 13\n1..1\nok 1 - a b\n", "0 1 ok a b\nwhole"},
    {"plan-last", V "ok 1 a\n1..1\n", "0 1 ok a\nwhole"},
    {"crlf", V "1..1\r\nok 1 a\r\n", "0 1 ok a\nwhole"},
    {"no-name", V "1..2\nok 1\nok 2 -\n", "0 1 ok test 1\n0 2 ok test 2\nwhole"},
    {"none", V "1..0\n", "whole"},
    {"all-skipped", V "1..0 # SKIP no memory\n", "0 0 skip all (no memory)\nwhole"},
    {"skip", V "1..2\nok 1 a # SKIP no CONFIG_X\nnot ok 2 # skip\n",
     "0 1 skip a (no CONFIG_X)\n0 2 skip test 2\nwhole"},
    {"xfail",
     V "1..4\nok 1 a # XFAIL known\nnot ok 2 b # XFAIL\nnot ok 3 c # TODO later\n"
       "ok 4 d # TODO done\n",
     "0 1 xfail a (known)\n0 2 xfail b\n0 3 xfail c (later)\n0 4 ok d\nwhole"},
    {"timeout",
     V "1..3\nnot ok 1 a # TIMEOUT\nnot ok 2 b # TIMEOUT 30 seconds\n"
       "ok 3 c # ERROR\n",
     "0 1 not-ok a (timed out)\n0 2 not-ok b (30 seconds)\n"
     "0 3 not-ok c (the test could not run)\nwhole"},
    {"hash", V "1..3\nok 1 a#b\nok 2 a # 3 ms\nok 3 a \\# SKIP b\n",
     "0 1 ok a#b\n0 2 ok a\n0 3 ok a \\# SKIP b\nwhole"},
    {"not-a-directive", V "1..1\nnot ok 1 a # SKIPPED not\n", "0 1 not-ok a\nwhole"},
    {"diagnostics", V "1..3\n# before a\nok 1 a\n# one\n#two\nother\nnot ok 2 b\nnot ok 3 c\n",
     "0 1 ok a\n0 2 not-ok b {one\ntwo}\n0 3 not-ok c\nwhole"},
    {"noise", V "1..1\nhello\n\nokay 1 b\n  indented\nok 1 a\nnot okay\n", "0 1 ok a\nwhole"},

    {"nested",
     V "1..2\n  KTAP version 1\n  # Subtest: outer\n  1..2\n  ok 1 x\n  not ok 2 y\n"
       "not ok 1 outer\nok 2 last\n",
     "1 1 ok outer/x\n1 2 not-ok outer/y\n0 1* not-ok outer\n0 2 ok last\nwhole"},
    {"nested-twice",
     V "1..1\n  KTAP version 1\n  1..1\n    KTAP version 1\n    1..1\n    ok 1 x\n  ok 1 b\n"
       "ok 1 a\n",
     "2 1 ok a/b/x\n1 1* ok a/b\n0 1* ok a\nwhole"},
    {"nested-empty", V "1..1\n  KTAP version 1\n  1..0\nok 1 a\n", "0 1 ok a\nwhole"},
    {"nested-cut", V "1..1\n  KTAP version 1\n  # Subtest: a\n  1..2\n  ok 1 x\n",
     "1 1 ok a/x\nsubtests that no result follows"},
    {"nested-short", V "1..1\n  KTAP version 1\n  1..2\n  ok 1 x\nok 1 a\n",
     "1 1 ok a/x\n0 1* ok a\nline 6: planned 2 tests, got 1 among subtests"},
    {"nested-no-plan", V "1..1\n  KTAP version 1\n  ok 1 x\nok 1 a\n",
     "1 1 ok a/x\n0 1* ok a\nline 5: no plan (a line '1..N') among subtests"},
    {"nested-skips-level",
     V "1..1\n  KTAP version 1\n  1..1\n    KTAP version 1\n    1..1\n    ok 1 x\nok 1 a\n",
     "2 1 ok a/x\n0 1* ok a\nline 8: subtests that no result follows"},
    {"nested-wrong-indent", V "1..1\n  KTAP version 1\n  1..1\n ok 1 x\nok 1 a\n",
     "0 1 ok x\n0 1 ok a\nline 5: planned 1 tests, got 0 among subtests"},
    {"indented-without-version", V "1..1\n  ok 1 x\nok 1 a\n",
     "0 1 ok x\n0 1 ok a\nline 3: a result where no version line stands before it"},

    {"empty", "", "no version line"},
    {"only-noise", "hello\n", "no version line"},
    {"no-version", "1..1\nok 1 a\n",
     "0 1 ok a\nline 1: a plan where no version line stands before it"},
    {"indented-version", "  KTAP version 1\n", "line 1: the first version line is indented"},
    {"two-versions", V V "1..1\nok 1 a\n", "0 1 ok a\nline 2: a second version line"},
    {"no-plan", V "ok 1 a\n", "0 1 ok a\nno plan (a line '1..N')"},
    {"two-plans", V "1..1\n1..1\nok 1 a\n", "0 1 ok a\nline 3: a second plan"},
    {"too-few", V "1..2\nok 1 a\n", "0 1 ok a\nplanned 2 tests, got 1"},
    {"too-many", V "1..1\nok 1 a\nok 2 b\n", "0 1 ok a\n0 2 ok b\nplanned 1 tests, got 2"},
    {"order", V "1..2\nok 2 b\nok 1 a\n", "0 2 ok b\n0 1 ok a\nline 3: result 1 is numbered 2"},
    {"no-number", V "1..1\nok a\n", "line 3: a result without a number"},
    {"not-ok-no-number", V "1..0\nnot ok\n", "line 3: a result without a number"},
    {"number-glued", V "1..1\nok 1a\n", "line 3: a result without a number"},
    {"number-huge", V "1..1\nok 99999999999 a\n", "line 3: a result without a number"},
    {"plan-huge", V "1..100001\n", "line 2: a plan of no number from 0 to 100000"},
    {"bail-out", V "1..2\nok 1 a\nBail out! no memory\n",
     "0 1 ok a\nline 4: bail out: no memory"},
    {"cut", V "1..1\nok 1 a", "it ends in the middle of a line"},
    {"escapes", V "1..1\nok 1 \033[2Ja\001\177\n",
     "0 1 ok \357\277\275[2Ja\357\277\275\357\277\275\nwhole"},
    {"latin-1", V "1..1\nok 1 caf\351\n", "0 1 ok caf\357\277\275\nwhole"},
};

static void test_case(gconstpointer data)
{
    const Case *one = data;

    /* The result must not depend on how the bytes come. */
    for (gsize piece = 1; piece <= 64; piece *= 4) {
        g_autofree char *got = read_all(one->text, strlen(one->text), piece);
        g_assert_cmpstr(got, ==, one->expected);
    }
}

static void test_nul(void)
{
    static const char text[] = V "1..1\nok 1 a\0b # SKIP\n";
    g_autofree char *got = read_all(text, sizeof text - 1, sizeof text);

    /* What stands after the NUL counts too. */
    g_assert_cmpstr(got, ==, "0 1 skip a\357\277\275b\nwhole");
}

static void feed(MmrigKtap *ktap, const char *text)
{
    mmrig_ktap_feed(ktap, text, strlen(text));
}

/* A result is there as soon as its line is complete; its parents' names come with theirs. */
static void test_pieces(void)
{
    g_autoptr(MmrigKtap) ktap = mmrig_ktap_new();
    const GPtrArray *tests = mmrig_ktap_tests(ktap);
    const char *problem;

    feed(ktap, V "1..1\n  KTAP version 1\n  # Subtest: a\n  1..2\n  ok 1 x");
    g_assert_cmpuint(tests->len, ==, 0);
    feed(ktap, "\n");
    g_assert_cmpuint(tests->len, ==, 1);
    feed(ktap, "  not ok 2 y\nnot ok 1 b\n");
    g_assert_cmpuint(tests->len, ==, 3);
    g_assert_true(mmrig_ktap_end(ktap, &problem));
    /* The result's own name is the one that counts. */
    const MmrigKtapTest *first = g_ptr_array_index(tests, 0);
    g_assert_cmpstr(first->name, ==, "b/x");
    g_assert_cmpuint(mmrig_ktap_count(ktap, MMRIG_KTAP_OK), ==, 1);
    g_assert_cmpuint(mmrig_ktap_count(ktap, MMRIG_KTAP_NOT_OK), ==, 1);
    g_assert_cmpuint(mmrig_ktap_count(ktap, MMRIG_KTAP_SKIP), ==, 0);
}

static void assert_ends(const GString *text, guint tests, const char *expected)
{
    g_autoptr(MmrigKtap) ktap = mmrig_ktap_new();
    const char *problem;

    mmrig_ktap_feed(ktap, text->str, text->len);
    g_assert_false(mmrig_ktap_end(ktap, &problem));
    g_assert_cmpstr(problem, ==, expected);
    g_assert_cmpuint(mmrig_ktap_tests(ktap)->len, ==, tests);
}

static void test_bounds(void)
{
    g_autoptr(GString) text = g_string_new(V "1..1\n# ");

    for (guint i = 0; i < MMRIG_KTAP_LINE_MAX; i++)
        g_string_append_c(text, 'x');
    g_string_append(text, "\nok 1 a\n");
    assert_ends(text, 0, "line 3: a line of more than 8192 bytes");

    g_string_assign(text, V "1..100000\n");
    for (guint i = 1; i <= MMRIG_KTAP_TESTS_MAX + 1; i++)
        g_string_append_printf(text, "ok %u\n", i);
    assert_ends(text, MMRIG_KTAP_TESTS_MAX, "line 100003: more than 100000 results");

    g_string_truncate(text, 0);
    for (guint i = 0; i <= MMRIG_KTAP_DEPTH_MAX; i++)
        g_string_append_printf(text, "%*sKTAP version 1\n", (int)i, "");
    assert_ends(text, 0, "line 9: more than 8 levels of subtests");

    /* Text that is kept, by names, diagnostics and the names of parents. */
    g_string_assign(text, V "1..100000\n");
    for (guint i = 1; i <= 2200; i++) {
        for (guint line = 0; line < 8; line++)
            g_string_append_printf(text, "# %01000u\n", i);
        g_string_append_printf(text, "not ok %u\n", i);
    }
    assert_ends(text, 2093, "line 18848: more than 16777216 bytes of names and diagnostics");
}

static void test_long_texts(void)
{
    g_autoptr(GString) text = g_string_new(V "1..1\n");
    g_autoptr(MmrigKtap) ktap = mmrig_ktap_new();
    const char *problem;

    for (guint i = 0; i < 3; i++) {
        g_string_append(text, "# ");
        for (guint j = 0; j < 4000; j++)
            g_string_append_c(text, 'x');
        g_string_append_c(text, '\n');
    }
    g_string_append(text, "not ok 1 ");
    for (guint i = 0; i < 200; i++)
        g_string_append(text, "\303\251");
    g_string_append_c(text, '\n');
    mmrig_ktap_feed(ktap, text->str, text->len);
    g_assert_true(mmrig_ktap_end(ktap, &problem));
    const MmrigKtapTest *test = g_ptr_array_index(mmrig_ktap_tests(ktap), 0);
    /* Cut between characters, and with a mark where lines are missing. */
    g_assert_cmpuint(strlen(test->name), ==, 256);
    g_assert_true(g_utf8_validate(test->name, -1, NULL));
    g_assert_cmpuint(strlen(test->diagnostics), ==, 2 * 4000 + 1 + strlen("\n..."));
    g_assert_true(g_str_has_suffix(test->diagnostics, "x\n..."));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/ktap/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/ktap/nul", test_nul);
    g_test_add_func("/ktap/pieces", test_pieces);
    g_test_add_func("/ktap/bounds", test_bounds);
    g_test_add_func("/ktap/long-texts", test_long_texts);
    return g_test_run();
}
