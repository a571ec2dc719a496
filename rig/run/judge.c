/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "judge-private.h"

/* At most this many failed subtests are named in the message. */
#define NAMED_MAX 3

static void judge_panic(const MmrigTest *test, const MmrigEvidence *evidence,
                        MmrigResult *result)
{
    if (test->expect != MMRIG_EXPECT_PANIC || !evidence->started) {
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_PANIC, "the guest panicked: %s",
                            evidence->panic);
    } else if (!g_regex_match_simple(test->panic, evidence->panic, 0, 0)) {
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_NO_PANIC,
                            "the guest panicked, but with \"%s\", which does not match /%s/",
                            evidence->panic, test->panic);
    } else {
        mmrig_result_settle(result, MMRIG_PASS, MMRIG_CAUSE_NONE, "panicked as expected: %s",
                            evidence->panic);
    }
}

static void judge_failures(const MmrigEvidence *evidence, MmrigResult *result)
{
    const GPtrArray *tests = mmrig_ktap_tests(evidence->ktap);
    guint failed = mmrig_ktap_count(evidence->ktap, MMRIG_KTAP_NOT_OK), named = 0;
    g_autoptr(GString) names = g_string_new(NULL);

    for (guint i = 0; i < tests->len && named < NAMED_MAX; i++) {
        const MmrigKtapTest *test = g_ptr_array_index(tests, i);
        if (test->outcome != MMRIG_KTAP_NOT_OK || test->group)
            continue;
        g_string_append_printf(names, "%s%s", named++ ? ", " : "", test->name);
    }
    mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_ASSERTION, "%u failed: %s%s", failed,
                        names->str, failed > named ? ", ..." : "");
}

static void judge_skip(const MmrigEvidence *evidence, MmrigResult *result)
{
    const GPtrArray *tests = mmrig_ktap_tests(evidence->ktap);
    const char *reason = NULL;

    for (guint i = 0; i < tests->len && !reason; i++) {
        const MmrigKtapTest *test = g_ptr_array_index(tests, i);
        if (test->outcome == MMRIG_KTAP_SKIP)
            reason = test->reason;
    }
    mmrig_result_settle(result, MMRIG_SKIP, MMRIG_CAUSE_TEST_SKIP, "%s",
                        reason ? reason : "the test gave no reason");
}

static void judge_exit(const MmrigEvidence *evidence, MmrigResult *result)
{
    guint64 status = evidence->number;
    guint passed = mmrig_ktap_count(evidence->ktap, MMRIG_KTAP_OK);

    if (mmrig_ktap_count(evidence->ktap, MMRIG_KTAP_NOT_OK) > 0)
        judge_failures(evidence, result);
    else if (evidence->ktap_problem)
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_ASSERTION,
                            "the test's KTAP is not whole: %s", evidence->ktap_problem);
    else if (status == MMRIG_TEST_SKIP && passed == 0)
        judge_skip(evidence, result);
    else if (status != MMRIG_TEST_PASS)
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_ASSERTION,
                            "the test reported no failure but ended with status "
                            "%" G_GUINT64_FORMAT,
                            status);
    else if (passed == 0)
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_ASSERTION,
                            "the test ended well but reported no result");
}

static void judge_done(const MmrigEvidence *evidence, MmrigResult *result)
{
    switch (evidence->how) {
    case MMRIG_DONE_BY_TIMEOUT:
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_TIME_LIMIT,
                            "the test did not end within %.1f s", evidence->number / 1000.0);
        return;
    case MMRIG_DONE_BY_SIGNAL:
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_SIGNAL,
                            "the test was killed by signal %d (%s)", (int)evidence->number,
                            g_strsignal((int)evidence->number));
        return;
    case MMRIG_DONE_BY_EXIT:
        break;
    }
    if (evidence->abort)
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_ABORT, "the test gave up at %s",
                            evidence->abort);
    if (evidence->oops)
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_OOPS, "the guest's kernel said: %s",
                            evidence->oops);
    judge_exit(evidence, result);
}

/* Its test was done, and well; but the others' tests may still need the machine. */
static void judge_early(const MmrigEvidence *evidence, MmrigResult *result)
{
    if (evidence->guest_end)
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST,
                            "the guest %s when its test was done, but not those of the other "
                            "machines",
                            evidence->guest_end);
    else
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_QEMU_DIED,
                            "when its test was done, but not those of the other machines, %s",
                            evidence->obituary);
}

void mmrig_judge(const MmrigTest *test, const MmrigEvidence *evidence, MmrigResult *result)
{
    gboolean wants_panic = test->expect == MMRIG_EXPECT_PANIC && evidence->started;

    if (evidence->rig_error) {
        mmrig_result_settle(result, MMRIG_BROKEN, MMRIG_CAUSE_RIG, "%s", evidence->rig_error);
    } else if (evidence->panic) {
        judge_panic(test, evidence, result);
    } else if (evidence->agent_failure) {
        mmrig_result_settle(result, MMRIG_BROKEN, MMRIG_CAUSE_RIG,
                            "the agent could not go on: %s", evidence->agent_failure);
    } else if (evidence->protocol_error) {
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST, "%s",
                            evidence->protocol_error);
    } else if (wants_panic && evidence->time_limit) {
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_NO_PANIC, "no panic came; %s",
                            evidence->time_limit);
    } else if (evidence->time_limit) {
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_TIME_LIMIT, "%s",
                            evidence->time_limit);
    } else if (wants_panic && evidence->done) {
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_NO_PANIC,
                            "no panic came: the guest survived");
    } else if (evidence->done) {
        judge_done(evidence, result);
        if (evidence->early)
            judge_early(evidence, result);
    } else if (evidence->guest_end) {
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_CHANNEL_LOST, "the guest %s %s, %s",
                            evidence->guest_end,
                            evidence->started ? "before the test was done"
                            : evidence->ready ? "before the tests began"
                                              : "before its agent was ready",
                            evidence->silent ? "and the kernel said nothing on its console"
                                             : "with no panic on its console");
    } else if (!evidence->stopped) {
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_QEMU_DIED, "%s",
                            evidence->obituary);
    }
}

void mmrig_judge_end(const MmrigScenario *scenario, MmrigResult *result)
{
    if (!result->settled) {
        result->settled = TRUE;
        result->verdict = MMRIG_PASS;
        result->cause = MMRIG_CAUSE_NONE;
    }
    if (scenario->twin)
        mmrig_judge_twin(scenario, result);
}

void mmrig_judge_unmet(const char *reason, MmrigResult *result)
{
    mmrig_result_settle(result, MMRIG_SKIP, MMRIG_CAUSE_UNMET, "%s", reason);
}

void mmrig_judge_by_machine(const char *name, const MmrigResult *alone, MmrigResult *result)
{
    mmrig_result_settle(result, alone->verdict, alone->cause, "%s%s%s%s",
                        name ? "machine " : "", name ? name : "", name ? ": " : "",
                        alone->message);
}

void mmrig_judge_silent(const MmrigScenario *scenario, const char *limit, MmrigResult *result)
{
    const MmrigEvidence evidence = {.time_limit = limit, .silent = TRUE};

    mmrig_judge(mmrig_scenario_test(scenario, 0), &evidence, result);
    mmrig_judge_end(scenario, result);
    /* It was looked at, and there was nothing. */
    result->console_tail = g_strdup("");
}

void mmrig_judge_twin(const MmrigScenario *scenario, MmrigResult *result)
{
    g_autofree char *message = g_steal_pointer(&result->message);
    MmrigCause must, cause = result->cause;
    MmrigVerdict verdict = result->verdict;

    if (!mmrig_cause_from_name(scenario->twin_cause, &must))
        must = MMRIG_CAUSE_ASSERTION; /* scenario.c lets no other name through */
    if (verdict == MMRIG_SKIP || verdict == MMRIG_BROKEN) {
        result->message = g_steal_pointer(&message);
        return;
    }
    result->settled = FALSE;
    if (verdict == MMRIG_PASS) {
        mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_NO_FAILURE,
                            "passed although something is broken on purpose: "
                            "the scenario proves nothing");
    } else if (cause != must) {
        mmrig_result_settle(result, MMRIG_FAIL, cause, "failed, but by %s instead of %s: %s",
                            mmrig_cause_name(cause), mmrig_cause_name(must), message);
    } else {
        mmrig_result_settle(result, MMRIG_PASS, MMRIG_CAUSE_NONE, "failed as it must: %s",
                            message);
    }
}
