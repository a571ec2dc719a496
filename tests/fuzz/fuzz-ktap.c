/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes from a guest as KTAP. The first byte says in pieces of what size the rest comes:
 * what is read must not depend on it, and all of it is safe to show.
 */
#include <stdint.h>
#include <string.h>

#include "verdict/ktap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, gboolean lines)
{
    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_null(strchr(text, '\033'));
    if (!lines)
        g_assert_null(strchr(text, '\n'));
}

static void append_test(GString *out, const MmrigKtapTest *test)
{
    check_text(test->name, FALSE);
    g_assert_cmpuint(test->depth, <, MMRIG_KTAP_DEPTH_MAX);
    if (test->reason)
        check_text(test->reason, FALSE);
    if (test->diagnostics)
        check_text(test->diagnostics, TRUE);
    g_string_append_printf(out, "%u %u %d %d %s %s %s\n", test->depth, test->number,
                           test->group, test->outcome, test->name,
                           test->reason ? test->reason : "-",
                           test->diagnostics ? test->diagnostics : "-");
}

static char *read_all(const uint8_t *data, size_t size, size_t piece)
{
    g_autoptr(MmrigKtap) ktap = mmrig_ktap_new();
    GString *out = g_string_new(NULL);
    const char *problem;

    for (size_t at = 0; at < size; at += piece)
        mmrig_ktap_feed(ktap, (const char *)data + at, MIN(piece, size - at));
    if (!mmrig_ktap_end(ktap, &problem)) {
        check_text(problem, FALSE);
        g_string_append_printf(out, "%s\n", problem);
    }
    const GPtrArray *tests = mmrig_ktap_tests(ktap);
    for (guint i = 0; i < tests->len; i++)
        append_test(out, g_ptr_array_index(tests, i));
    return g_string_free(out, FALSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    g_autofree char *whole = read_all(data + 1, size - 1, size);
    g_autofree char *pieces = read_all(data + 1, size - 1, (size_t)data[0] % 64 + 1);

    g_assert_cmpstr(whole, ==, pieces);
    return 0;
}
