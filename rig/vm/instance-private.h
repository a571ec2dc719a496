/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An instance's end, told in words. Pure. */
#pragma once

#include "instance.h"

/*
 * How QEMU ended, as a person would say it. by_rig: the rig killed it. said: QEMU's last words,
 * safe to print; "" for none. Free with g_free().
 */
char *mmrig_instance_describe_end(int wait_status, gboolean by_rig, const char *said);

/* Whether QEMU died of its issue 1921. */
gboolean mmrig_instance_was_race(int wait_status, const char *said);

/* Makes the error that mmrig_instance_failure() returns. */
GError *mmrig_instance_evidence_error(const MmrigInstanceEvidence *seen);
