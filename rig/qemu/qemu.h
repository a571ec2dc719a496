/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a QEMU binary can do, as it says itself over QMP (qom-list-types, query-commands,
 * query-machines, ...). The answer is kept in the cache, keyed by what stat says of the
 * binary, so that a run pays for it once; it is taken again if a file changes that QEMU is made
 * of. A wrapper is asked each time, since it may start another QEMU.
 */
#pragma once

#include "machine/plan.h"

typedef struct {
    char *path;    /* absolute */
    char *version; /* "10.0.2" and the packager's suffix */
    char *id;      /* a digest of all files that it is made of (qemu-files.h) */
    guint major, minor, micro;
    GHashTable *types;    /* set of QOM type names */
    GHashTable *commands; /* set of QMP command names */
    GHashTable *machines; /* set of machine names and aliases */
    gboolean kvm_built;   /* built with KVM; says nothing of the host */
} MmrigQemu;

/*
 * Looks for QEMU: path if not NULL, else $MMRIG_QEMU, else the default
 * architecture's in PATH. INPUT error if there is none, it does not answer, or is older
 * than 10.0 (with how to mend it).
 */
MmrigQemu *mmrig_qemu_find(const char *path, GError **error);
void mmrig_qemu_free(MmrigQemu *qemu);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigQemu, mmrig_qemu_free)

/* The first of names that is not in the set, or NULL. */
const char *mmrig_qemu_lacks(GHashTable *set, const char *const *names);

/* Whether KVM works here, and if not, why. */
