/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last step of reading a scenario: the values are checked against each other. */
#include <string.h>

#include "base/error.h"
#include "scenario-private.h"

/* A request that a fault breaks must be one that a test may make. */
static gboolean check_fault_verb(MmrigParser *parser, const char *key, const char *verb,
                                 GError **error)
{
    for (guint i = 0; verb && i < parser->scenario->tests->len; i++)
        if (mmrig_test_may(mmrig_scenario_test(parser->scenario, i), verb))
            return TRUE;
    return !verb ||
           mmrig_parser_wrong(
               parser, error, "fault", key,
               "'%s' is not among the requests that the test may make ([test] requests)", verb);
}

/* A link that a fault cuts must be one that there is. */
static gboolean check_fault_cut(MmrigParser *parser, GError **error)
{
    const char *id = parser->scenario->fault.cut;

    for (guint i = 0; id && i < parser->scenario->machines->len; i++) {
        const MmrigDevice *device =
            mmrig_spec_device(mmrig_scenario_machine(parser->scenario, i), id);
        if (device && device->class->joins_machines)
            return TRUE;
    }
    return !id ||
           mmrig_parser_wrong(parser, error, "fault", "cut", "there is no [link %s]", id);
}

static gboolean check_fault_truncate(MmrigParser *parser, GError **error)
{
    const char *id = parser->scenario->fault.truncate;
    gboolean found = FALSE;

    for (guint i = 0; id && i < parser->scenario->machines->len; i++) {
        const MmrigDevice *device =
            mmrig_spec_device(mmrig_scenario_machine(parser->scenario, i), id);
        found |= device && mmrig_device_keeps(device);
    }
    if (id && !found)
        return mmrig_parser_wrong(parser, error, "fault", "truncate",
                                  "there is no [nvdimm %s], and only those have a backing file "
                                  "(and a [pack] with type = mmrig-nvdimm)",
                                  id);
    if (id && mmrig_scenario_boots(parser->scenario) < 2)
        return mmrig_parser_wrong(parser, error, "fault", "truncate",
                                  "happens between two boots, and there is one ([test] boots)");
    return TRUE;
}

/* Only requests that there are, and that a fault can do to them what it is to do. */
static gboolean check_requests(MmrigParser *parser, guint number, GError **error)
{
    const MmrigScenario *scenario = parser->scenario;
    const char *machine = mmrig_scenario_machine(scenario, number)->name;
    g_autofree char *group = mmrig_parser_group(parser, "test", machine, "requests");

    for (char **verb = mmrig_scenario_test(scenario, number)->requests; verb && *verb; verb++) {
        if (!mmrig_action_exists(*verb)) {
            const char *near = mmrig_action_nearest(*verb);
            return mmrig_parser_wrong(
                parser, error, group, "requests", "there is no request '%s'%s%s%s", *verb,
                near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        }
        if (mmrig_action_joins_machines(*verb) && scenario->machines->len < 2)
            return mmrig_parser_wrong(parser, error, group, "requests",
                                      "'%s' is for several machines, and there is one; add "
                                      "[machine NAME] sections",
                                      *verb);
    }
    return TRUE;
}

static gboolean check_fault_shift(MmrigParser *parser, GError **error)
{
    const char *verb = parser->scenario->fault.request.shift;

    return !verb || mmrig_action_has_address(verb) ||
           mmrig_parser_wrong(parser, error, "fault", "shift",
                              "'%s' takes no address that could be moved", verb);
}

static gboolean check_test(MmrigParser *parser, guint number, GError **error)
{
    const MmrigScenario *scenario = parser->scenario;
    const MmrigTest *test = mmrig_scenario_test(scenario, number);
    const MmrigMachineSpec *spec = mmrig_scenario_machine(scenario, number);
    g_autofree char *panic = mmrig_parser_group(parser, "test", spec->name, "panic");
    g_autofree char *boots = mmrig_parser_group(parser, "test", spec->name, "boots");
    g_autofree char *variables =
        mmrig_parser_group(parser, "firmware", spec->name, "keep-variables");

    if ((test->expect == MMRIG_EXPECT_PANIC) != (test->panic != NULL))
        return mmrig_parser_wrong(parser, error, panic, "panic",
                                  test->panic
                                      ? "only with expect = panic; remove it"
                                      : "missing; write what the text of the panic must match");
    if (test->expect == MMRIG_EXPECT_PANIC && test->boots)
        return mmrig_parser_wrong(parser, error, boots, "boots",
                                  "a scenario that expects a panic has one boot; remove it");
    if (test->boots && scenario->machines->len > 1)
        return mmrig_parser_wrong(parser, error, boots, "boots",
                                  "a scenario of several machines has one boot; remove it");
    if (scenario->forked && test->boots)
        return mmrig_parser_wrong(
            parser, error, "scenario", "forked",
            "a scenario with boots is never forked; remove this or boots");
    if (spec->keep_variables && !test->boots)
        return mmrig_parser_wrong(parser, error, variables, "keep-variables",
                                  "from one boot to the next, and there is one ([test] boots)");
    return TRUE;
}

static gboolean check_spec(MmrigParser *parser, const MmrigMachineSpec *spec, GError **error)
{
    g_auto(MmrigSpecProblem) problem = {0};

    if (mmrig_spec_check(spec, &problem))
        return TRUE;
    g_autofree char *group =
        mmrig_parser_group(parser, problem.section, spec->name, problem.key);
    return mmrig_parser_wrong(parser, error, group, problem.key, "%s", problem.text);
}

/* A scenario that is only run in a fork must be one that can be forked. */
static gboolean check_forked(MmrigParser *parser, GError **error)
{
    const MmrigScenario *scenario = parser->scenario;
    const char *reason = mmrig_scenario_unforkable(scenario);

    if (!scenario->forked || !reason)
        return TRUE;
    if (scenario->cold)
        return mmrig_parser_wrong(
            parser, error, "scenario", "forked",
            "it cannot be told to be booted as well; remove this or cold");
    return mmrig_parser_wrong(parser, error, "scenario", "forked",
                              "it is never forked: %s; remove this", reason);
}

gboolean mmrig_parser_check(MmrigParser *parser, GError **error)
{
    const MmrigScenario *scenario = parser->scenario;

    if (!check_forked(parser, error))
        return FALSE;
    for (guint i = 0; i < scenario->machines->len; i++)
        if (!check_test(parser, i, error) || !check_requests(parser, i, error) ||
            !check_spec(parser, mmrig_scenario_machine(scenario, i), error))
            return FALSE;
    return check_fault_verb(parser, "drop", scenario->fault.request.drop, error) &&
           check_fault_verb(parser, "shift", scenario->fault.request.shift, error) &&
           check_fault_shift(parser, error) && check_fault_truncate(parser, error) &&
           check_fault_cut(parser, error);
}
