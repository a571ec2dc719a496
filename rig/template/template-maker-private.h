/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boots the machine that becomes a template, and saves it. */
#pragma once

#include "template.h"

/*
 * Boots machine (of kind TEMPLATE) on the given files, has its agent keep nonce and hold the
 * test, stops it, and writes its device state to the file of MMRIG_BACKING_STATE.
 * Iterates the thread-default main context. UNMET error if QEMU cannot save the machine, SILENT
 * if its kernel says nothing until the time limit; others if it does not get that far.
 */
gboolean mmrig_template_boot(const MmrigPlan *machine, const GArray *files,
                             const MmrigForkable *what, const char *nonce, GError **error);
