/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this process may take of its host, and whether the host's OOM killer was about. A cgroup
 * (version 1 or 2, with all those above it), the CPU affinity and the rlimits all set bounds
 * that /proc/meminfo and the number of CPUs do not show.
 *
 * All is read from files below a root folder ("" for the real ones), so that a test can make up
 * a host. What cannot be read is no limit.
 */
#pragma once

#include <glib.h>

#define MMRIG_NO_LIMIT G_MAXUINT64

typedef struct {
    guint cpus;    /* how many may be kept busy; at least 1 */
    char *cpus_by; /* the cgroup with the quota, or NULL: the CPUs that it may run on */

    /* All in bytes. */
    guint64 memory;       /* can be had now without swapping or being killed; 0 if not known */
    char *memory_by;      /* the cgroup that leaves no more, or NULL: the host's MemAvailable */
    guint64 memory_limit; /* the smallest limit of a cgroup on the way up */
    char *memory_cgroup;  /* which that is, or NULL without limit */
    guint64 shared;       /* held by the host's tmpfs and shared memory (Shmem); 0: not known */

    guint64 tasks;  /* how many more may be started */
    char *tasks_by; /* what sets that, or NULL */

    guint64 files;         /* RLIMIT_NOFILE's hard limit, which the rig raises its own to */
    guint64 file_size;     /* RLIMIT_FSIZE, bytes */
    guint64 address_space; /* RLIMIT_AS, bytes */
    guint64 locked;        /* RLIMIT_MEMLOCK, bytes */
} MmrigHostLimits;

/* Never NULL. */
MmrigHostLimits *mmrig_host_limits_read(const char *root);
void mmrig_host_limits_free(MmrigHostLimits *limits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigHostLimits, mmrig_host_limits_free)

/* How often an OOM killer has killed since the start; the numbers only ever grow. */
typedef struct {
    guint64 host;   /* anywhere on the host (/proc/vmstat) */
    guint64 cgroup; /* in this process's cgroup */
} MmrigOomCount;

MmrigOomCount mmrig_oom_count(const char *root);

/*
 * Whether a child's death came from outside: by a signal that neither the rig sent nor the
 * child earned itself, or by a limit of the host. wait_status is waitpid()'s; by_rig says that
 * the rig killed it; before and after are the counts at its start and at its end. limits, which
 * may be NULL, tells which cgroup has the limit. Returns a phrase that follows on "QEMU was
 * killed", or NULL if the death is the child's own or the rig's. Free with g_free().
 */
char *mmrig_host_killed(int wait_status, gboolean by_rig, const MmrigOomCount *before,
                        const MmrigOomCount *after, const MmrigHostLimits *limits);
