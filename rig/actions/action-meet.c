/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request by which the tests of several machines wait for each other. It has no command, as
 * the run answers it, which has all machines.
 */
#include "action-private.h"

static const char *const meet_commands[] = {NULL};

const MmrigAction mmrig_action_meet = {
    .verb = "meet",
    .commands = meet_commands,
    .joins_machines = TRUE,
    .keys = {{"name", FALSE, FALSE}, {"value", TRUE, FALSE}},
};
