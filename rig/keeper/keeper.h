/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes a machine that runs reachable for `mmrig inject`, and reaches one.
 *
 * The process that keeps the machine listens on a socket in Linux's abstract namespace, named
 * after user and run, so that there is never a file that a killed process could leave behind: a
 * name that is there has a process behind it. Such a name has no permissions; both sides look
 * at who the other is instead (SO_PEERCRED), and speak to the same user and to root only.
 *
 * A client sends one line of words as in inject.h, encoded as in mmrig-line.h, and gets one
 * line of JSON: {"ok": true, ...} or {"ok": false, "class": "input", "error": "..."}. Both are
 * bounded, and one that sends nothing is let go after a while.
 */
#pragma once

#include "guest/channel.h"
#include "machine/spec.h"
#include "qmp/qmp.h"

/* Borrowed; all of it must outlive the keeper. */
typedef struct {
    const MmrigMachineSpec *spec;
    MmrigQmp *qmp; /* connected */
    pid_t pid;     /* QEMU's */
    MmrigChannel *channel;
    const char *name; /* what it is to be called; NULL: by its title */
} MmrigKept;

typedef struct MmrigKeeper MmrigKeeper;

MmrigKeeper *mmrig_keeper_new(const MmrigKept *kept, GError **error);
/* Serves nobody any more; requests under way fail. */
void mmrig_keeper_free(MmrigKeeper *keeper);

/* RUN: the name it was given, or the machine's title with a number behind it if others are
 * kept. */
const char *mmrig_keeper_name(const MmrigKeeper *keeper);

/* The owner of the channel passes on MMRIG_GUEST_TRANSLATED messages. */
void mmrig_keeper_translated(MmrigKeeper *keeper, const MmrigGuestMessage *message);

/* Whether a machine can be given this name now; an INPUT error if not. */
gboolean mmrig_keeper_name_free(const char *name, GError **error);

/* The names of all runs that the user keeps, sorted. Free with g_strfreev(). */
GStrv mmrig_keeper_list(uid_t user);

/*
 * Asks the keeper of a user's run, which answers to that user and to root. Free the answer with
 * json_node_unref(); it is an object in which "ok" is true. An INPUT error lists the runs that
 * there are if there is none of that name.
 */
JsonNode *mmrig_keeper_ask(uid_t user, const char *run, const char *const *words,
                           GError **error);
