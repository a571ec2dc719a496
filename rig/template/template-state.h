/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a template's device state is written and read, which maker and fork must agree on. */
#pragma once

#include <json-glib/json-glib.h>

#include "machine/plan.h"

/* The arguments of QMP's migrate and migrate-incoming for the machine's state file. */
char *mmrig_template_uri(const MmrigPlan *machine);

/* The capabilities that both sides set, for migrate-set-capabilities. Free with unref. */
JsonObject *mmrig_template_capabilities(void);
