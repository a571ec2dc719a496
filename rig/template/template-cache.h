/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stores that templates are kept in: MMRIG_TEMPLATES if that is set, else
 * /dev/shm/mmrig-UID where that is a tmpfs, and the cache. A template can be removed at any
 * time: who has loaded it holds its files, who is about to makes it again.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *store;  /* the folder that it is in */
    char *name;   /* its own */
    char *folder; /* both */
    char *title;  /* the scenario that it was made for, or NULL if it does not say */
    gint64 made;  /* seconds since the epoch; 0 if it does not say */
    gint64 used;  /* the same; when a run last took it */
    guint64 size; /* bytes that it takes in the store */
} MmrigTemplateEntry;

/*
 * The store that has the template, else the one for a new one of a guest with so much memory:
 * in memory as long as there is room, then on disk. Free with g_free().
 */
char *mmrig_template_store(const char *name, guint64 memory, GError **error);

/*
 * Why templates are not kept in /dev/shm, however much room it has, in words that follow on
 * "/dev/shm: "; NULL if nothing is in the way. Free with g_free().
 */
char *mmrig_template_shm_problem(void);

/* All stores that there are. Free with g_strfreev(). */
GStrv mmrig_template_stores(GError **error);

/* All templates in the stores, of MmrigTemplateEntry; the longest unused first. */
GPtrArray *mmrig_template_list(const char *const *stores, GError **error);

/* Whether it is as it was saved; a RIG error if not. */
gboolean mmrig_template_verify(const MmrigTemplateEntry *entry, GError **error);

/* What is too much. */
typedef struct {
    gint64 before;     /* not used since then, in seconds since the epoch */
    guint64 memory;    /* bytes of a store that is in memory (tmpfs) */
    guint64 disk;      /* bytes of a store that is not */
    guint64 share;     /* bytes of a store: its file system's size divided by this */
    gboolean verify;   /* damaged ones go as well */
    const char *spare; /* the folder of the one that stays whatever it is, or NULL */
} MmrigTemplateLimits;

/* A week, 4 GiB in memory, 16 GiB on disk, and a quarter of the file system. */
void mmrig_template_limits(MmrigTemplateLimits *limits);

/* Removes what is too much, the longest unused first. Returns what was removed. */
GPtrArray *mmrig_template_prune(const char *const *stores, const MmrigTemplateLimits *limits,
                                GError **error);

/* Prunes all stores by the usual limits but for the folder, which was just made. */
void mmrig_template_tidy(const char *folder);
