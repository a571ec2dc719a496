/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the files that read a scenario: scenario.c and scenario-check.c. */
#pragma once

#include "scenario.h"

/* What the parts of the parser share. */
typedef struct {
    GKeyFile *file;
    const char *path;
    const char *twin; /* or NULL */
    MmrigScenario *scenario;
} MmrigParser;

/* "nvdimm" and so on. */
const char *mmrig_device_section(MmrigDeviceKind kind);

/* The scenario's device of that id, or NULL. */
const MmrigDevice *mmrig_scenario_find_device(const MmrigScenario *scenario, const char *id);

/* Sets an INPUT error that says where the user wrote the value; key may be NULL. Returns FALSE.
 */
gboolean mmrig_parser_wrong(MmrigParser *parser, GError **error, const char *group,
                            const char *key, const char *format, ...) G_GNUC_PRINTF(5, 6);

/* Checks the values, each of which is possible by itself, against each other. */
gboolean mmrig_parser_check(MmrigParser *parser, GError **error);
