/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line of what runs now: what it says, and that it stays within the terminal. */
#include <string.h>

#include "run/live-private.h"

static const MmrigLiveItem items[] = {
    {(char *)"mce-srao-sigbus", MMRIG_STAGE_TESTING, 0},
    {(char *)"b\303\244r:twin", MMRIG_STAGE_BOOTING, 2 * G_USEC_PER_SEC},
    {(char *)"c#17", MMRIG_STAGE_ENDING, 3 * G_USEC_PER_SEC},
};

static char *line(guint count, guint planned, guint width)
{
    g_autoptr(GPtrArray) array = g_ptr_array_new();

    for (guint i = 0; i < count; i++)
        g_ptr_array_add(array, (gpointer)&items[i]);
    return mmrig_live_line(array, 3, planned, 35 * G_USEC_PER_SEC / 10, width);
}

static void assert_line(guint count, guint planned, guint width, const char *expected)
{
    g_autofree char *got = line(count, planned, width);

    g_assert_cmpstr(got, ==, expected);
}

static void test_line(void)
{
    assert_line(1, 1, 80, "  ....  mce-srao-sigbus testing 3.5 s");
    assert_line(3, 40, 80,
                "  ....  3/40  mce-srao-sigbus testing 3.5 s, b\303\244r:twin booting 1.5 s, "
                "c#17 en...");
    assert_line(3, 40, 90,
                "  ....  3/40  mce-srao-sigbus testing 3.5 s, b\303\244r:twin booting 1.5 s, "
                "c#17 ending 0.5 s");
    assert_line(0, 40, 80, "  ....  3/40  ");
}

static void test_width(void)
{
    /* 37 columns: they fit in front of the last one, and one less does not do. */
    assert_line(1, 1, 38, "  ....  mce-srao-sigbus testing 3.5 s");
    assert_line(1, 1, 37, "  ....  mce-srao-sigbus testing 3...");
    for (guint width = 0; width < 120; width++) {
        g_autofree char *got = line(3, 40, width);
        g_assert_true(g_utf8_validate(got, -1, NULL));
        g_assert_cmpint(g_utf8_strlen(got, -1), <=, width > 0 ? width - 1 : 0);
    }
}

static void assert_counts(const MmrigLive *live, const char *expected)
{
    g_autofree char *text = mmrig_live_text(live, 80);

    g_assert_true(g_str_has_prefix(text, expected));
}

/* Templates are made beside the runs, and runs that are skipped are never under way. */
static void test_count(void)
{
    MmrigLive *live = mmrig_live_new(4);

    assert_counts(live, "  ....  0/4  ");
    MmrigLiveItem *template = mmrig_live_begin(live, "the template of a");
    mmrig_live_end(live, template);
    assert_counts(live, "  ....  0/4  ");
    for (guint i = 1; i <= 2; i++) {
        MmrigLiveItem *run = mmrig_live_begin(live, i == 1 ? "a" : "a:twin");
        mmrig_live_count(live);
        mmrig_live_end(live, run);
    }
    assert_counts(live, "  ....  2/4  ");
    /* The last two are skipped. */
    mmrig_live_count(live);
    mmrig_live_end(live, NULL);
    mmrig_live_count(live);
    mmrig_live_end(live, NULL);
    assert_counts(live, "  ....  4/4  ");
    mmrig_live_free(live);
}

/* Where nobody watches, the calls are made all the same. */
static void test_nobody(void)
{
    MmrigLiveItem *item = mmrig_live_begin(NULL, "a");

    g_assert_null(item);
    mmrig_live_stage(NULL, MMRIG_STAGE_TESTING, item);
    mmrig_live_hide(NULL);
    mmrig_live_count(NULL);
    mmrig_live_end(NULL, item);
    g_autofree char *text = mmrig_live_text(NULL, 80);
    g_assert_cmpstr(text, ==, "");
    mmrig_live_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/live/line", test_line);
    g_test_add_func("/live/width", test_width);
    g_test_add_func("/live/count", test_count);
    g_test_add_func("/live/nobody", test_nobody);
    return g_test_run();
}
