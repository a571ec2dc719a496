/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who brings a planned machine to life: starts its QEMU, kills it, and says when it is dead.
 * What is said over the machine's channels is the business of instance.h.
 *
 * The direct launcher makes QEMU a child of the rig. QEMU inherits all it talks through
 * (machine.h), so there is no socket with a name, and it dies with the rig (child.h).
 */
#pragma once

#include "machine/plan.h"

/* A machine that was started. */
typedef struct MmrigLaunch MmrigLaunch;

/* Our ends of what the machine talks through. The caller owns them; -1 is none. */
typedef struct {
    int qmp;      /* socket */
    int control;  /* socket, the guest's agent */
    int ktap;     /* socket, the guest's test */
    int console;  /* socket, the serial console */
    int messages; /* pipe, QEMU's standard output and error */
} MmrigLaunchEnds;

/* Closes those that are open. */
void mmrig_launch_ends_close(MmrigLaunchEnds *ends);

/*
 * QEMU is dead and reaped, and so is what it had started: nobody writes to the channels any
 * more, but what was written may still be unread. wait_status is waitpid()'s. May free the
 * launch.
 */
typedef void (*MmrigLaunchEnded)(int wait_status, gpointer data);

typedef struct {
    /*
     * Starts the plan's machine; backings is backing.h's for this plan (borrowed). Fills ends.
     * ended, which may be NULL, is called once, from the thread-default main context. NULL
     * with an INPUT error if QEMU cannot be started, or a RIG error.
     */
    MmrigLaunch *(*start)(const MmrigPlan *plan, const GArray *backings, MmrigLaunchEnds *ends,
                          MmrigLaunchEnded ended, gpointer data, GError **error);
    /* QEMU's process, 0 once it is reaped. */
    pid_t (*pid)(const MmrigLaunch *launch);
    /* Sends SIGKILL; ended follows. */
    void (*kill)(MmrigLaunch *launch);
    /* Kills QEMU if it runs and waits for its end; ended is not called any more. */
    void (*free)(MmrigLaunch *launch);
} MmrigLauncher;

extern const MmrigLauncher mmrig_launcher_direct;
