/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the tests of several machines wait for each other. The run has the machines. */
#include "action-private.h"

static const char *const meet_commands[] = {NULL};

const MmrigAction mmrig_action_meet = {
    .verb = "meet",
    .commands = meet_commands,
    .joins_machines = TRUE,
    .keys = {{"name", FALSE, FALSE}, {"value", TRUE, FALSE}},
};
