/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One machine under way: one boot (or fork) of a plan, from the start of its QEMU to its end.
 *
 * An instance owns QEMU's process, its control connection (QMP), the guest's channel, the
 * test's output, the console, QEMU's own messages and a time limit. What goes wrong it writes
 * down as evidence and ends the machine; it judges nothing. The end is told once, after QEMU
 * is dead and all that it and its guest had said was read: no evidence comes a moment too
 * late, in whichever order the rig notices things.
 *
 * Everything happens on the thread-default main context. An instance may be freed from within
 * its ended callback and from outside, not from within another of its callbacks.
 */
#pragma once

#include "guest/channel.h"
#include "launcher.h"
#include "qmp/qmp.h"

/* Seconds; a guest that is not ready by then is taken for hung. Generous: TCG on a loaded host.
 */
#define MMRIG_BOOT_TIMEOUT 120

typedef struct MmrigInstance MmrigInstance;

/* Each may be NULL. */
typedef struct {
    /* QEMU takes commands. */
    void (*connected)(MmrigInstance *instance, gpointer data);
    /*
     * QEMU takes commands and the agent waits for work: it said so, or the fork became a
     * machine of its own. Called once; the time limit is off. Not called for a machine that
     * is ending.
     */
    void (*ready)(MmrigInstance *instance, const char *boot_id, gpointer data);
    /*
     * What the agent says besides what the instance deals with itself (that it is ready, that
     * it cannot go on). The message is borrowed.
     */
    void (*message)(MmrigInstance *instance, const MmrigGuestMessage *message, gpointer data);
    /* Bytes of the test's output; size is never 0. They are counted already. */
    void (*output)(MmrigInstance *instance, const char *bytes, gsize size, gpointer data);
    /* QEMU tells of something; event may be empty, never NULL. */
    void (*event)(MmrigInstance *instance, const char *name, JsonObject *event, gpointer data);
    /* It is over, and all is read. */
    void (*ended)(MmrigInstance *instance, gpointer data);
} MmrigInstanceCalls;

/* Borrowed during mmrig_instance_start() only. */
typedef struct {
    const MmrigPlan *plan;
    const GArray *backings;  /* backing.h's for this plan */
    MmrigStart kind;         /* as the plan's */
    const char *nonce;       /* of a FORK: by which its agent shows whose fork it is */
    const char *folder;      /* gets qemu.argv and the logs, appended to; NULL for none */
    guint boot_timeout;      /* seconds until ready; 0: MMRIG_BOOT_TIMEOUT */
    const MmrigLauncher *by; /* NULL: the direct one */
} MmrigInstanceOptions;

/*
 * What was seen so far. Texts are safe to print, the first of their kind, and the instance's;
 * NULL is: did not happen.
 */
typedef struct {
    gboolean agent_ready;  /* it said so, whether or not the machine then went on */
    gboolean silent;       /* the console never had a byte */
    gboolean died_of_race; /* QEMU died of its issue 1921; see MMRIG_INSTANCE_RACE */
    const char *guest_end; /* how the guest ended the machine: "powered off", "reset", ... */
    const char *panic;     /* "Kernel panic - not syncing: " left off */
    const char *agent_failure;  /* why the agent could not go on */
    const char *protocol_error; /* how the guest broke the protocol */
    const char *time_limit;     /* which limit was enforced */
    const char *rig_error;      /* what the rig itself could not do */
    const char *end;            /* after the end: in what way, in plain words */
} MmrigInstanceEvidence;

/*
 * QEMU's issue 1921: a race under TCG between a vCPU that changes the memory map and another
 * that enters its loop (tcg_commit() in QEMU's system/physmem.c). The guest has no part in it,
 * and one machine in a few thousand with more than one CPU dies of it while it boots.
 */
#define MMRIG_INSTANCE_RACE "QEMU died of a race of its own (its issue 1921)"

/*
 * Starts the machine. calls must outlive the instance. NULL with error (INPUT, RIG) if it
 * cannot be started or a log not be opened; no call was made then.
 */
MmrigInstance *mmrig_instance_start(const MmrigInstanceOptions *options,
                                    const MmrigInstanceCalls *calls, gpointer data,
                                    GError **error);
/* Kills QEMU if it runs, waits for its end, and frees everything. No call follows. */
void mmrig_instance_free(MmrigInstance *instance);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigInstance, mmrig_instance_free)

/* Kills the machine; ended follows. Requests under way are cancelled. */
void mmrig_instance_end(MmrigInstance *instance);
/* The same, with the reason: the guest broke a rule, or the rig itself cannot go on. */
void mmrig_instance_blame_guest(MmrigInstance *instance, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
void mmrig_instance_blame_rig(MmrigInstance *instance, const GError *error);
/* Whether it is over or about to be. */
gboolean mmrig_instance_is_ending(const MmrigInstance *instance);

/*
 * A new time limit instead of the one before; 0 is none. The text says which it is, for the
 * evidence.
 */
void mmrig_instance_limit(MmrigInstance *instance, guint seconds, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/*
 * Says a line of words (NULL-terminated) to the agent. A guest that does not take its lines is
 * to blame itself, and the machine ends.
 */
void mmrig_instance_send(MmrigInstance *instance, const char *const *words);

/*
 * For a caller that has nothing else to do: iterates until *what holds. FALSE with error
 * (mmrig_instance_failure()) if the machine ends before.
 */
gboolean mmrig_instance_wait(MmrigInstance *instance, const gboolean *what, GError **error);

const MmrigInstanceEvidence *mmrig_instance_evidence(MmrigInstance *instance);
/*
 * What went wrong, in one line: GUEST (a panic, a broken protocol, an agent that gave up, a
 * guest that ended the machine), TIMEOUT, QEMU, QEMU_RACE or RIG. After the end only.
 */
GError *mmrig_instance_failure(MmrigInstance *instance);

/* QEMU's process, 0 after its end. */
pid_t mmrig_instance_pid(const MmrigInstance *instance);
MmrigQmp *mmrig_instance_qmp(const MmrigInstance *instance);
MmrigChannel *mmrig_instance_channel(const MmrigInstance *instance);
/* Cancelled when the machine ends, for what is done to it meanwhile. */
GCancellable *mmrig_instance_over(const MmrigInstance *instance);
/* Bytes of output seen so far. */
guint64 mmrig_instance_output_total(const MmrigInstance *instance);
/* The last lines of the guest's console, safe to print. Free with g_free(). */
char *mmrig_instance_console(const MmrigInstance *instance, guint lines);
