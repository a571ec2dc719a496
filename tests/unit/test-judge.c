/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From evidence to verdict: every way that a boot can end. */
#include <signal.h>
#include <string.h>

#include "run/judge-private.h"

#define KTAP_PASS "KTAP version 1\n1..1\nok 1 works\n"
#define KTAP_FAIL "KTAP version 1\n1..2\nok 1 works\nnot ok 2 breaks\n"
#define KTAP_SKIP "KTAP version 1\n1..1\nok 1 works # SKIP no such device\n"
#define KTAP_HALF "KTAP version 1\n1..2\nok 1 works\n"

typedef struct {
    const char *name;
    MmrigExpect expect;
    const char *ktap; /* "" if the test said nothing */
    MmrigEvidence evidence;
    MmrigVerdict verdict;
    MmrigCause cause;
    const char *message; /* part of it */
} Case;

#define ENDED(status)                                                                          \
    .started = TRUE, .done = TRUE, .how = MMRIG_DONE_BY_EXIT, .number = (status)

static const Case cases[] = {
    {"fails",
     MMRIG_EXPECT_PASS,
     KTAP_FAIL,
     {ENDED(1)},
     MMRIG_FAIL,
     MMRIG_CAUSE_ASSERTION,
     "1 failed: breaks"},
    {"fails-but-exits-0",
     MMRIG_EXPECT_PASS,
     KTAP_FAIL,
     {ENDED(0)},
     MMRIG_FAIL,
     MMRIG_CAUSE_ASSERTION,
     "breaks"},
    {"passes-but-exits-1",
     MMRIG_EXPECT_PASS,
     KTAP_PASS,
     {ENDED(1)},
     MMRIG_FAIL,
     MMRIG_CAUSE_ASSERTION,
     "status 1"},
    {"passes-but-exits-skip",
     MMRIG_EXPECT_PASS,
     KTAP_PASS,
     {ENDED(4)},
     MMRIG_FAIL,
     MMRIG_CAUSE_ASSERTION,
     "status 4"},
    {"half",
     MMRIG_EXPECT_PASS,
     KTAP_HALF,
     {ENDED(0)},
     MMRIG_FAIL,
     MMRIG_CAUSE_ASSERTION,
     "not whole"},
    {"says-nothing",
     MMRIG_EXPECT_PASS,
     "",
     {ENDED(0)},
     MMRIG_FAIL,
     MMRIG_CAUSE_ASSERTION,
     "not whole"},
    {"skips",
     MMRIG_EXPECT_PASS,
     KTAP_SKIP,
     {ENDED(4)},
     MMRIG_SKIP,
     MMRIG_CAUSE_TEST_SKIP,
     "no such device"},
    {"skips-all-but-exits-0",
     MMRIG_EXPECT_PASS,
     KTAP_SKIP,
     {ENDED(0)},
     MMRIG_FAIL,
     MMRIG_CAUSE_ASSERTION,
     "no result"},
    {"oops",
     MMRIG_EXPECT_PASS,
     KTAP_PASS,
     {ENDED(0), .oops = "BUG: bad page"},
     MMRIG_FAIL,
     MMRIG_CAUSE_OOPS,
     "BUG: bad page"},
    {"abort",
     MMRIG_EXPECT_PASS,
     KTAP_HALF,
     {ENDED(1), .abort = "t.c:7: no page"},
     MMRIG_FAIL,
     MMRIG_CAUSE_ABORT,
     "t.c:7: no page"},
    {"signal",
     MMRIG_EXPECT_PASS,
     KTAP_HALF,
     {.started = TRUE, .done = TRUE, .how = MMRIG_DONE_BY_SIGNAL, .number = SIGSEGV},
     MMRIG_FAIL,
     MMRIG_CAUSE_SIGNAL,
     "signal 11"},
    {"agents-limit",
     MMRIG_EXPECT_PASS,
     KTAP_HALF,
     {.started = TRUE, .done = TRUE, .how = MMRIG_DONE_BY_TIMEOUT, .number = 2500},
     MMRIG_FAIL,
     MMRIG_CAUSE_TIME_LIMIT,
     "2.5 s"},
    {"rigs-limit",
     MMRIG_EXPECT_PASS,
     KTAP_HALF,
     {.started = TRUE, .time_limit = "too long", .obituary = "killed"},
     MMRIG_FAIL,
     MMRIG_CAUSE_TIME_LIMIT,
     "too long"},
    {"panic",
     MMRIG_EXPECT_PASS,
     KTAP_HALF,
     {.started = TRUE, .panic = "Fatal exception", .guest_end = "powered off"},
     MMRIG_FAIL,
     MMRIG_CAUSE_PANIC,
     "Fatal exception"},
    {"panic-after-done",
     MMRIG_EXPECT_PASS,
     KTAP_PASS,
     {ENDED(0), .panic = "Fatal"},
     MMRIG_FAIL,
     MMRIG_CAUSE_PANIC,
     "Fatal"},
    {"lost",
     MMRIG_EXPECT_PASS,
     KTAP_HALF,
     {.started = TRUE, .guest_end = "powered off"},
     MMRIG_FAIL,
     MMRIG_CAUSE_CHANNEL_LOST,
     "before the test was done"},
    {"lost-early",
     MMRIG_EXPECT_PASS,
     "",
     {.guest_end = "powered off"},
     MMRIG_FAIL,
     MMRIG_CAUSE_CHANNEL_LOST,
     "before its agent was ready"},
    {"protocol",
     MMRIG_EXPECT_PASS,
     "",
     {.started = TRUE, .protocol_error = "a bad line", .obituary = "killed"},
     MMRIG_FAIL,
     MMRIG_CAUSE_CHANNEL_LOST,
     "a bad line"},
    {"qemu-died",
     MMRIG_EXPECT_PASS,
     "",
     {.obituary = "QEMU ended with status 1: no CPU"},
     MMRIG_FAIL,
     MMRIG_CAUSE_QEMU_DIED,
     "no CPU"},
    {"agent-failed",
     MMRIG_EXPECT_PASS,
     "",
     {.agent_failure = "no module x"},
     MMRIG_BROKEN,
     MMRIG_CAUSE_RIG,
     "no module x"},
    {"panic-wanted",
     MMRIG_EXPECT_PANIC,
     KTAP_HALF,
     {.started = TRUE, .panic = "Fatal machine check", .guest_end = "powered off"},
     MMRIG_PASS,
     MMRIG_CAUSE_NONE,
     "Fatal machine check"},
    {"other-panic",
     MMRIG_EXPECT_PANIC,
     KTAP_HALF,
     {.started = TRUE, .panic = "Attempted to kill init!", .guest_end = "powered off"},
     MMRIG_FAIL,
     MMRIG_CAUSE_NO_PANIC,
     "Attempted to kill init!"},
    {"wanted-panic-too-early",
     MMRIG_EXPECT_PANIC,
     "",
     {.panic = "Fatal machine check"},
     MMRIG_FAIL,
     MMRIG_CAUSE_PANIC,
     "Fatal machine check"},
    {"survived",
     MMRIG_EXPECT_PANIC,
     KTAP_PASS,
     {ENDED(0)},
     MMRIG_FAIL,
     MMRIG_CAUSE_NO_PANIC,
     "survived"},
    {"survived-too-long",
     MMRIG_EXPECT_PANIC,
     KTAP_HALF,
     {.started = TRUE, .time_limit = "too long", .obituary = "killed"},
     MMRIG_FAIL,
     MMRIG_CAUSE_NO_PANIC,
     "too long"},
};

static MmrigResult *judge(const Case *one, const char *twin, const char *twin_cause)
{
    MmrigScenario scenario = {
        .name = (char *)one->name,
        .twin = (char *)twin,
        .twin_cause = (char *)twin_cause,
    };
    const MmrigTest test = {.expect = one->expect, .panic = (char *)"machine check"};
    g_autoptr(MmrigKtap) ktap = mmrig_ktap_new();
    MmrigEvidence evidence = one->evidence;
    MmrigResult *result = mmrig_result_new();

    mmrig_ktap_feed(ktap, one->ktap, strlen(one->ktap));
    mmrig_ktap_end(ktap, &evidence.ktap_problem);
    evidence.ktap = ktap;
    mmrig_judge(&test, &evidence, result);
    if (twin)
        mmrig_judge_twin(&scenario, result);
    return result;
}

static void test_case(gconstpointer data)
{
    const Case *one = data;
    g_autoptr(MmrigResult) result = judge(one, NULL, NULL);

    g_assert_true(result->settled);
    g_assert_cmpstr(mmrig_verdict_name(result->verdict), ==, mmrig_verdict_name(one->verdict));
    g_assert_cmpstr(mmrig_cause_name(result->cause), ==, mmrig_cause_name(one->cause));
    g_assert_nonnull(result->message);
    g_assert_nonnull(strstr(result->message, one->message));
}

/* A boot that went well leaves the verdict open: there may be another boot. */
static void test_well(void)
{
    const Case well = {"well", MMRIG_EXPECT_PASS, KTAP_PASS, {ENDED(0)}, 0, 0, NULL};
    g_autoptr(MmrigResult) result = judge(&well, NULL, NULL);

    g_assert_false(result->settled);
}

static void test_twin(void)
{
    const Case fails = {"f", MMRIG_EXPECT_PASS, KTAP_FAIL, {ENDED(1)}, 0, 0, NULL};
    const Case panics = {"p", MMRIG_EXPECT_PASS, "", {.panic = "Fatal"}, 0, 0, NULL};
    const Case skips = {"s", MMRIG_EXPECT_PASS, KTAP_SKIP, {ENDED(4)}, 0, 0, NULL};
    const Case wanted = {
        "w", MMRIG_EXPECT_PANIC, "", {.started = TRUE, .panic = "machine check"}, 0, 0, NULL};
    g_autoptr(MmrigResult) as_it_must = judge(&fails, "t", "assertion");
    g_autoptr(MmrigResult) otherwise = judge(&panics, "t", "assertion");
    g_autoptr(MmrigResult) skipped = judge(&skips, "t", "assertion");
    g_autoptr(MmrigResult) passed = judge(&wanted, "t", "no-panic");

    g_assert_cmpint(as_it_must->verdict, ==, MMRIG_PASS);
    g_assert_cmpint(otherwise->verdict, ==, MMRIG_FAIL);
    g_assert_cmpint(otherwise->cause, ==, MMRIG_CAUSE_PANIC);
    g_assert_cmpint(skipped->verdict, ==, MMRIG_SKIP);
    g_assert_cmpint(passed->verdict, ==, MMRIG_FAIL);
    g_assert_cmpint(passed->cause, ==, MMRIG_CAUSE_NO_FAILURE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/judge/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/judge/well", test_well);
    g_test_add_func("/judge/twin", test_twin);
    return g_test_run();
}
