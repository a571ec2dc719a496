/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two copies of mirrored memory, on top of poison.h: an error in one of
 * them is corrected from the other.
 */
#ifndef MMRIG_MIRROR_COPIES_H
#define MMRIG_MIRROR_COPIES_H

#include "exec/hwaddr.h"

typedef struct MirrorCopies MirrorCopies;

/* Whether the address is in mirrored memory. */
typedef bool MirrorHolds(void *opaque, hwaddr gpa);

/* What happened so far; migrates with the device. */
typedef struct MirrorCopiesState {
    uint32_t corrected; /* reads that the other copy answered */
    uint32_t failovers; /* reads that found both bad */
    uint64_t last;      /* address of the latest of either */
} MirrorCopiesState;

/*
 * NULL where there is no poison: the processors report no memory errors. state
 * and opaque must stay until the end.
 */
MirrorCopies *mmrig_mirror_copies_new(const char *name, MirrorHolds *holds,
                                      void *opaque, MirrorCopiesState *state);
void mmrig_mirror_copies_free(MirrorCopies *copies);

/* Makes the second copy of the range bad; all of it must be mirrored. */
bool mmrig_mirror_copies_spoil(MirrorCopies *copies, hwaddr gpa,
                               uint64_t length, Error **errp);

#endif
