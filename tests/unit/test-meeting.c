/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "run/meeting-private.h"

/* Every answer as a line: "MACHINE REQUEST FIELD... " or "MACHINE REQUEST !PROBLEM". */
static void note_answer(guint machine, guint64 request, const char *const *fields,
                        const char *problem, gpointer data)
{
    GString *said = data;

    g_string_append_printf(said, "%u %u", machine, (guint)request);
    for (; fields && *fields; fields++)
        g_string_append_printf(said, " %s", *fields);
    if (problem)
        g_string_append_printf(said, " !%s", problem);
    g_string_append_c(said, '\n');
}

static const char *const names[] = {"a", "b", "c", NULL};

static void test_waits_for_all(void)
{
    g_autoptr(GString) said = g_string_new(NULL);
    g_autoptr(MmrigMeeting) meeting = mmrig_meeting_new(names, note_answer, said);

    mmrig_meeting_ask(meeting, 2, 7, "here", "z");
    mmrig_meeting_ask(meeting, 0, 8, "here", NULL);
    g_assert_cmpstr(said->str, ==, "");
    mmrig_meeting_ask(meeting, 1, 9, "here", "y");
    g_assert_cmpstr(said->str, ==, "0 8 b=y c=z\n1 9 c=z\n2 7 b=y\n");

    /* What was told once is not told again. */
    g_string_truncate(said, 0);
    for (guint i = 0; i < 3; i++)
        mmrig_meeting_ask(meeting, i, 10 + i, "again", NULL);
    g_assert_cmpstr(said->str, ==, "0 10\n1 11\n2 12\n");
}

static void test_different_points(void)
{
    g_autoptr(GString) said = g_string_new(NULL);
    g_autoptr(MmrigMeeting) meeting = mmrig_meeting_new(names, note_answer, said);

    mmrig_meeting_ask(meeting, 0, 1, "x", "secret");
    mmrig_meeting_ask(meeting, 1, 1, "x", NULL);
    mmrig_meeting_ask(meeting, 2, 1, "y", NULL);
    g_assert_cmpstr(said->str, ==,
                    "0 1 !machine a waits at \"x\" and machine c at \"y\"\n"
                    "1 1 !machine a waits at \"x\" and machine c at \"y\"\n"
                    "2 1 !machine a waits at \"x\" and machine c at \"y\"\n");
}

static void test_who_left(void)
{
    g_autoptr(GString) said = g_string_new(NULL);
    g_autoptr(MmrigMeeting) meeting = mmrig_meeting_new(names, note_answer, said);

    mmrig_meeting_ask(meeting, 0, 1, "x", NULL);
    mmrig_meeting_leave(meeting, 1);
    g_assert_cmpstr(said->str, ==, "0 1 !machine b has ended its test\n");
    g_string_truncate(said, 0);
    mmrig_meeting_ask(meeting, 2, 5, "x", NULL);
    g_assert_cmpstr(said->str, ==, "2 5 !machine b has ended its test\n");
    /* One that leaves while it waits is not answered. */
    g_string_truncate(said, 0);
    mmrig_meeting_leave(meeting, 2);
    mmrig_meeting_leave(meeting, 0);
    g_assert_cmpstr(said->str, ==, "");
}

static void test_asks_twice(void)
{
    g_autoptr(GString) said = g_string_new(NULL);
    g_autoptr(MmrigMeeting) meeting = mmrig_meeting_new(names, note_answer, said);

    mmrig_meeting_ask(meeting, 0, 1, "x", "first");
    mmrig_meeting_ask(meeting, 0, 2, "x", "second");
    g_assert_cmpstr(said->str, ==, "0 2 !this machine waits for a meeting already\n");
    g_string_truncate(said, 0);
    mmrig_meeting_ask(meeting, 1, 3, "x", NULL);
    mmrig_meeting_ask(meeting, 2, 4, "x", NULL);
    g_assert_cmpstr(said->str, ==, "0 1\n1 3 a=first\n2 4 a=first\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/meeting/waits-for-all", test_waits_for_all);
    g_test_add_func("/meeting/different-points", test_different_points);
    g_test_add_func("/meeting/who-left", test_who_left);
    g_test_add_func("/meeting/asks-twice", test_asks_twice);
    return g_test_run();
}
