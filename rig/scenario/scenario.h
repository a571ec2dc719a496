/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scenario: which machines to build, which guest tests to run on them, what the tests may ask
 * of the rig, and how it should end. One .ini file each; docs/adding-a-scenario.md lists
 * every key. An unknown section or key, or a value out of bounds, is an INPUT error of the
 * form "FILE: [section] key: what is wrong; what would be right".
 *
 * A twin is the same scenario with something broken on purpose ([twin NAME]); it must fail,
 * and so proves that the scenario can.
 */
#pragma once

#include "actions/actions.h"
#include "machine/spec.h"

#define MMRIG_SCENARIO_FILE_MAX     (64 * 1024)
#define MMRIG_SCENARIO_TWINS_MAX    16
#define MMRIG_SCENARIO_MACHINES_MAX 4

typedef enum {
    MMRIG_EXPECT_PASS,
    MMRIG_EXPECT_PANIC,
} MmrigExpect;

/* What the rig does wrong on purpose ([fault]); set by twins. */
typedef struct {
    MmrigActionFault request;
    char *cut;      /* this link is in both machines, and joins nothing; or NULL */
    char *truncate; /* the backing file of this device is emptied between boots, or NULL */
} MmrigFault;

/* [test]: what runs on one machine. */
typedef struct {
    char *test;     /* name of the guest test program */
    GStrv args;     /* its arguments */
    GStrv boots;    /* NULL, or one word for each boot, given as the first argument */
    GStrv requests; /* what the test may ask of the rig */
    MmrigExpect expect;
    char *panic; /* PANIC: regular expression that the panic's text must match */
} MmrigTest;

typedef struct {
    /* [scenario] */
    char *name; /* from the file's name */
    char *twin; /* NULL for the scenario itself */
    char *path; /* the file it came from */
    char *summary;
    char *area;
    guint timeout; /* seconds for one boot's test, not counting the boot itself */
    char *cold;    /* why it must be booted, not forked, or NULL */
    char *forked;  /* why it must be forked, not booted, or NULL */

    GPtrArray *machines; /* of MmrigMachineSpec; one at least */
    GPtrArray *tests;    /* of MmrigTest, that of each machine */
    MmrigFault fault;

    GStrv twins; /* names of the twins that the file defines; NULL-terminated */
    /* twin only: cause (see result.h) by which it must fail; "assertion" unless said */
    char *twin_cause;
} MmrigScenario;

/* The machine of this number (from 0), and the test that runs on it. The scenario's. */
MmrigMachineSpec *mmrig_scenario_machine(const MmrigScenario *scenario, guint number);
MmrigTest *mmrig_scenario_test(const MmrigScenario *scenario, guint number);
/*
 * Makes it a scenario of one machine, the one of this name; NULL is right if there is one only.
 * INPUT error.
 */
gboolean mmrig_scenario_choose_machine(MmrigScenario *scenario, const char *name,
                                       GError **error);
/* How many times its machines are booted, one after the other. */
guint mmrig_scenario_boots(const MmrigScenario *scenario);
/* Why its machines are booted and never forked, or NULL. The scenario's, or static text. */
const char *mmrig_scenario_unforkable(const MmrigScenario *scenario);
/* As mmrig_spec_add_pack_device(), for each machine. INPUT error. */
gboolean mmrig_scenario_add_pack_device(MmrigScenario *scenario, const char *device,
                                        GError **error);
/* Puts another test in the place of a test: one without arguments, boots and requests. */
void mmrig_test_replace(MmrigTest *test, const char *name);
/* Whether the test may make the request. */
gboolean mmrig_test_may(const MmrigTest *test, const char *verb);

/*
 * Reads a scenario from text; name is its name, path is used in messages only. twin is NULL
 * or one of its twins. Free with mmrig_scenario_free().
 */
MmrigScenario *mmrig_scenario_parse(const char *text, gsize size, const char *name,
                                    const char *path, const char *twin, GError **error);

/* Reads FOLDER/NAME.ini. */
MmrigScenario *mmrig_scenario_load(const char *folder, const char *name, const char *twin,
                                   GError **error);

/* Names of all scenarios in the folder, sorted. Free with g_strfreev(). */
GStrv mmrig_scenario_names(const char *folder, GError **error);

/*
 * Adds to words what the agent's "run" names: the test, the word of the given boot (from 0) if
 * there are several, and the arguments; and a NULL. They stay the test's.
 */
void mmrig_test_words(const MmrigTest *test, guint boot, GPtrArray *words);

void mmrig_scenario_free(MmrigScenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigScenario, mmrig_scenario_free)
