/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QMP client (QEMU docs/interop/qmp-spec.rst) on GIO: asynchronous, any number of commands
 * in flight, replies matched by id. The peer is not trusted to be QEMU in good health: a
 * message over MMRIG_QMP_MESSAGE_MAX bytes, one that is not a JSON object, or a reply to
 * nothing closes the connection with an error, and every pending command fails.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#define MMRIG_QMP_MESSAGE_MAX (16 * 1024 * 1024)

/* Bytes of its log: a guest that makes QEMU tell of events must not fill the disk. */
#define MMRIG_QMP_LOG_MAX (4 * 1024 * 1024)

/* Milliseconds that QEMU in good health answers in, on a loaded host too. */
#define MMRIG_QMP_TIMEOUT (30 * 1000)

#define MMRIG_TYPE_QMP (mmrig_qmp_get_type())
G_DECLARE_FINAL_TYPE(MmrigQmp, mmrig_qmp, MMRIG, QMP, GObject)

/*
 * Signals:
 *   "event" (const char *name, JsonObject *data)  data may be empty, never NULL
 *   "closed" (const GError *error)                once; error is NULL after
 *                                                 mmrig_qmp_close(), and at an orderly end
 *                                                 of file with no command pending
 */

/*
 * Speaks over stream, on the thread-default main context of the caller. log, if not NULL,
 * gets every message as "> {...}" or "< {...}" with the time in seconds before it, up to
 * MMRIG_QMP_LOG_MAX bytes, and then a line that says that it was cut; that, or a failed write
 * to it, stops the logging, not the conversation.
 */
MmrigQmp *mmrig_qmp_new(GIOStream *stream, GOutputStream *log);

/* Waits for the greeting and leaves negotiation mode. timeout in ms, 0 for none. Call once. */
void mmrig_qmp_connect_async(MmrigQmp *qmp, guint timeout, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer data);
gboolean mmrig_qmp_connect_finish(MmrigQmp *qmp, GAsyncResult *result, GError **error);

/*
 * arguments is taken (NULL for none). Errors: QEMU (the command's own, "CLASS: text"),
 * TIMEOUT, RIG (connection lost), G_IO_ERROR_CANCELLED. A reply that comes after its
 * timeout is dropped without harm.
 */
void mmrig_qmp_execute_async(MmrigQmp *qmp, const char *command, JsonObject *arguments,
                             guint timeout, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer data);
/* The "return" member; free with json_node_unref(). */
JsonNode *mmrig_qmp_execute_finish(MmrigQmp *qmp, GAsyncResult *result, GError **error);

/*
 * The same two, run to their end by iterating the thread-default main context. For probes
 * and set-up, not from within callbacks.
 */
gboolean mmrig_qmp_connect(MmrigQmp *qmp, guint timeout, GError **error);
JsonNode *mmrig_qmp_execute(MmrigQmp *qmp, const char *command, JsonObject *arguments,
                            guint timeout, GError **error);

/*
 * The member of that name if it is there and an object (a string); else NULL. QEMU may send
 * anything in its place, for which json-glib's own calls may give NULL where a default is
 * named.
 */
JsonObject *mmrig_qmp_member_object(JsonObject *object, const char *name);
const char *mmrig_qmp_member_string(JsonObject *object, const char *name);

/* Ends the conversation; pending commands fail. Safe to call twice. Iterate to let it finish.
 */
void mmrig_qmp_close(MmrigQmp *qmp);
