/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The templates of many runs: one for each key, whatever number of scenarios fork it. It is
 * loaded for the first fork that needs it and let go after the last, so that what is held open
 * is of the runs under way and a few beside them. What makes a template is not here (batch.c).
 */
#pragma once

#include "template/template.h"

typedef struct MmrigShare {
    char *name;              /* the template's */
    MmrigTemplate *template; /* held open, or NULL */
    char *why;               /* it cannot be forked, or NULL */
    char *silent;            /* how every boot of the machine ends, or NULL: it has a verdict */
    gboolean making;         /* just now */
    gboolean made;           /* since it was found missing */
    guint generation;        /* grows when QEMU refused to load it, and it is made again */
    guint users;             /* forks under way */
    guint left;              /* runs that are not over */
} MmrigShare;

/* How many templates stay open that no fork uses at the moment. */
#define MMRIG_SHARES_IDLE 4

/* Templates that may be needed again, as MmrigShare by their names. */
typedef struct {
    GHashTable *by_name;
    guint idle;
} MmrigShares;

void mmrig_shares_init(MmrigShares *shares);
void mmrig_shares_clear(MmrigShares *shares);

/* The one of that name, for so many more runs. Owned by shares. */
MmrigShare *mmrig_shares_get(MmrigShares *shares, const char *name, guint runs);

/* A fork begins: it holds the template, which is given back with mmrig_shares_end(). */
MmrigTemplate *mmrig_shares_begin(MmrigShares *shares, MmrigShare *share);

/* Puts a template that was loaded (taken), which nobody uses yet. */
void mmrig_shares_put(MmrigShares *shares, MmrigShare *share, MmrigTemplate *template);

/* A fork ended; its template is taken. last: it was its run's last. */
void mmrig_shares_end(MmrigShares *shares, MmrigShare *share, MmrigTemplate *template,
                      gboolean last);

/* A run that did not fork the template after all is over. */
void mmrig_shares_skip(MmrigShares *shares, MmrigShare *share);

/*
 * QEMU refused to load a template of this generation. TRUE if it is to be removed and made
 * again, which is so once; else it is known already, or share->why says from now on that it
 * cannot be forked.
 */
gboolean mmrig_shares_refused(MmrigShares *shares, MmrigShare *share, guint generation,
                              const char *reason);
