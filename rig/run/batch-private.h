/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is prepared for a batch and used while it runs. */
#pragma once

#include "batch.h"

MmrigBootInputs mmrig_batch_template_inputs(const MmrigSetup *setup, const char *image);

/* Says why the machine is not forked; one that is of use as a fork only cannot run then. */
void mmrig_batch_boot_instead(MmrigBatchItem *item, const char *why);
