/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the parts of machine.h: what a machine has, what it boots, and from where. */
#pragma once

#include "machine.h"

/* Whether all is there that the scenario's machine is made of, else an INPUT error. */
gboolean mmrig_machine_check(const MmrigScenario *scenario, const MmrigBootInputs *inputs,
                             GError **error);

/* Whether it has a device of that kind. */
gboolean mmrig_machine_has(const MmrigScenario *scenario, MmrigDeviceKind kind);

/* The kernel's command line. Free with g_free(). */
char *mmrig_machine_kernel_line(const MmrigScenario *scenario);

/* What is on the disk that the machine boots from. */
MmrigEsp *mmrig_machine_esp(const MmrigScenario *scenario, const MmrigBootInputs *inputs);
