/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arrival of a fork: QEMU, started to wait for a machine's state, loads the template's,
 * goes on, and the agent is told to become a machine of its own ("fork"). The agent's answer
 * ("forked") comes on the channel.
 */
#pragma once

#include "guest/channel.h"
#include "machine/plan.h"
#include "qmp/qmp.h"

/*
 * qmp is connected; machine is of kind FORK. All are borrowed: qmp until it is done, the others
 * until it is done or cancelled. work is the line that gives the agent its work, sent behind
 * "fork", so that it is woken once for both; it is copied. NULL for none. Errors: QEMU,
 * TIMEOUT, RIG, G_IO_ERROR_CANCELLED.
 */
void mmrig_arrival_async(MmrigQmp *qmp, const MmrigPlan *machine, MmrigChannel *channel,
                         const char *const *work, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
gboolean mmrig_arrival_finish(GAsyncResult *result, GError **error);
