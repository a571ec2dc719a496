/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Whatever makes memory bad (mmrig-ras) is taken for an
 * error of the first copy. Errors of the second are poison too, under a name of
 * the mirror's own. A read of a bad granule asks the filter: as long as one
 * copy is good, it is answered from that, and the processor that reads is left
 * a corrected error in the bank of its memory controller, which its kernel
 * finds when it polls. When both are bad, nobody is asked: the read is a
 * machine check as if there were no mirror.
 */
#include "compat.h"

#include "qapi/error.h"

#include "mce/mce.h"
#include "mirror-copies.h"
#include "poison/poison.h"

struct MirrorCopies {
    MmrigPoison *poison;
    int source; /* the second copy's errors */
    MirrorHolds *holds;
    void *opaque;
    MirrorCopiesState *state;
};

static void mirror_copies_tell(const MmrigPoisonAccess *access)
{
    /* A device's read is the concern of whichever processor looks first. */
    CPUState *cpu = access->cpu ? access->cpu : mmrig_mce_cpu(0);

    mmrig_mce_report_later(cpu, MMRIG_MCE_CE, access->gpa);
}

static bool mirror_copies_filter(void *opaque, const MmrigPoisonAccess *access)
{
    MirrorCopies *c = opaque;
    uint64_t second = UINT64_C(1) << c->source;

    if (!c->holds(c->opaque, access->gpa)) {
        return false;
    }
    if (!(access->source & ~second)) {
        /* The first copy is the one that is read, and it is good. */
        return true;
    }
    c->state->last = access->gpa;
    if (access->source & second) {
        c->state->failovers++;
        return false;
    }
    c->state->corrected++;
    mirror_copies_tell(access);
    return true;
}

static const MmrigPoisonOps mirror_copies_ops = {
    .filter = mirror_copies_filter,
};

MirrorCopies *mmrig_mirror_copies_new(const char *name, MirrorHolds *holds,
                                      void *opaque, MirrorCopiesState *state)
{
    MmrigPoison *poison = mmrig_poison_get(NULL);
    MirrorCopies *c;
    int source;

    if (!poison) {
        return NULL;
    }
    c = g_new0(MirrorCopies, 1);
    source = mmrig_poison_join(poison, name, &mirror_copies_ops, c, NULL);
    if (source < 0) {
        g_free(c);
        return NULL;
    }
    *c = (MirrorCopies){poison, source, holds, opaque, state};
    return c;
}

void mmrig_mirror_copies_free(MirrorCopies *c)
{
    if (!c) {
        return;
    }
    mmrig_poison_leave(c->poison, c->source);
    g_free(c);
}

bool mmrig_mirror_copies_spoil(MirrorCopies *c, hwaddr gpa, uint64_t length,
                               Error **errp)
{
    hwaddr end = gpa + length - 1;

    if (!c) {
        error_setg(errp, "this machine's processors report no memory errors");
        return false;
    }
    if (length == 0 || end < gpa) {
        error_setg(errp, "the range is empty or wraps");
        return false;
    }
    /* Before it is walked: a guest may have called all addresses mirrored. */
    if (length > (uint64_t)MMRIG_POISON_PAGES_MAX * 4096) {
        error_setg(errp, "the range is of more than %d pages",
                   MMRIG_POISON_PAGES_MAX);
        return false;
    }
    /* What is mirrored is so by pages. */
    for (hwaddr page = gpa & ~UINT64_C(0xfff);; page += 4096) {
        if (!c->holds(c->opaque, page)) {
            error_setg(errp, "0x%" HWADDR_PRIx " is not mirrored", page);
            return false;
        }
        if (end - page < 4096) {
            break;
        }
    }
    if (!mmrig_poison_add(c->poison, c->source, gpa, length, errp)) {
        return false;
    }
    /* In force when the request is answered; it comes from the monitor. */
    mmrig_poison_wait(c->poison);
    return true;
}
