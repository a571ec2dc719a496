/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that removes a half-made folder if its maker dies, however it dies. It starts
 * to remove only when the maker and every command that it ran (child.h) are gone, and holds
 * the store's locks until it has finished.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
    pid_t pid;
    int life;  /* held by the maker and by its watchers; its end tells the janitor that all are
                  gone */
    int outer; /* what was held before */
} MmrigJanitor;

/* lock stays open in the janitor. path is the folder. */
gboolean mmrig_janitor_start(MmrigJanitor *janitor, const char *path, int lock, GError **error);

/* The maker has put the folder into place, or removed it itself. */
void mmrig_janitor_dismiss(MmrigJanitor *janitor);
