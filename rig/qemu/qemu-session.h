/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QEMU that is started to be asked, and that no guest runs on: it lives from start to free,
 * speaks QMP in between, and its last word is at hand if it dies.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "qmp/qmp.h"

typedef struct MmrigSession MmrigSession;

/* The descriptor in QEMU of the further line, see below. */
#define MMRIG_SESSION_LINE_FD 4

/*
 * Starts the program at path with the arguments (NULL-terminated) that make up a machine; those
 * for QMP come from here. line, if not NULL, gets our end of a further socket, which the caller
 * closes. Pushes a main context of its own, so that nothing else of the rig runs in the
 * meantime; INPUT error if the program cannot be started.
 */
MmrigSession *mmrig_session_start(const char *path, const char *const *arguments, int *line,
                                  GError **error);
/* Kills QEMU if it still runs, and waits for its end. */
void mmrig_session_free(MmrigSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigSession, mmrig_session_free)

/*
 * The first thing to do: waits until QEMU answers. INPUT error if another process answers than
 * the one that was started: it would not die with the rig (child.h).
 */
gboolean mmrig_session_connect(MmrigSession *session, GError **error);

/* The process that is QEMU, once it is connected. */
pid_t mmrig_session_pid(const MmrigSession *session);

/*
 * Executes a command (arguments are taken; may be NULL), whose answer must be of the type. Free
 * with json_node_unref().
 */
JsonNode *mmrig_session_ask(MmrigSession *session, const char *command, JsonObject *arguments,
                            JsonNodeType type, GError **error);

/* Ends it, for its last word to be complete. Only free and the next can follow. */
void mmrig_session_stop(MmrigSession *session);
/* The last line that QEMU printed, or NULL. Free with g_free(). */
char *mmrig_session_output(const MmrigSession *session);

/* A member of the given type in an answer, or NULL. */
JsonNode *mmrig_session_member(JsonObject *object, const char *name, GType type);
