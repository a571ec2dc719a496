/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory behind a machine's NVDIMMs: files without a name (memfd), which last as long as
 * the rig holds them, so that a machine can be killed and started again on the same contents,
 * and which no killed rig leaves behind.
 */
#pragma once

#include "link.h"
#include "machine/plan.h"

/* An empty array of descriptors (int), which are closed when it is freed. */
GArray *mmrig_backing_array(void);

/*
 * One descriptor for each of machine->backings, in their order, as they are at first. Closed
 * when the array is freed (g_array_unref()). links joins it to other machines of its run; NULL:
 * it stands alone.
 */
GArray *mmrig_backings_new(const MmrigPlan *machine, MmrigLinks *links, GError **error);

/*
 * The same for a machine that goes on with what another one had: the descriptors of backings of
 * the same device. What the other one lacks is a RIG error.
 */
GArray *mmrig_backings_inherit(const MmrigPlan *machine, const MmrigPlan *other,
                               const GArray *fds, GError **error);

/*
 * Makes the file what it was at first: all zeroes, a copy of its source, or a disk to boot
 * from. A link is as new when nothing is under way on it.
 */
gboolean mmrig_backing_empty(const MmrigBacking *backing, int fd, GError **error);
