/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the parts of keeper.h: the socket, and one request carried out. */
#pragma once

#include "inject.h"
#include "keeper.h"

/* Milliseconds that a client may take to send its line, or to take its answer. */
#define MMRIG_KEEPER_PATIENCE 10000
#define MMRIG_KEEPER_CLIENTS  8

/* What is remembered from one request to the next. */
typedef struct {
    MmrigKept kept;
    GCancellable *over;
    guint64 next_question;
    GHashTable *questions; /* number of a "translate" that is not answered -> GTask */
    JsonArray *cxl;        /* what was injected: QEMU does not tell */
} MmrigKeeperState;

/* Carries out a request. The answer is a JSON object. */
void mmrig_keeper_perform_async(MmrigKeeperState *state, const char *const *words,
                                GAsyncReadyCallback callback, gpointer data);
JsonNode *mmrig_keeper_perform_finish(GAsyncResult *result, GError **error);

/* The guest's answer to a question, or to nothing. */
void mmrig_keeper_guest_answered(MmrigKeeperState *state, const MmrigGuestMessage *message);
/* Fails all questions that are not answered yet. */
void mmrig_keeper_drop_questions(MmrigKeeperState *state);

/* The name of the socket of a user's run; FALSE if the name is too long or no name. */
gboolean mmrig_keeper_socket_name(uid_t user, const char *run, char *name, gsize size);

/* "input", "qemu", ...: how an error crosses the socket. */
int mmrig_keeper_class_code(const char *name);
