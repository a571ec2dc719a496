/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scripted QMP peer in a thread of its own, on the other end of a socket pair, and the
 * client that talks to it.
 */
#pragma once

#include "qmp/qmp.h"

#define GREETING  "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define NEGOTIATE "{\"execute\":\"qmp_capabilities\",\"id\":1}\n"
#define AGREED    "{\"return\": {}, \"id\": 1}\r\n"
/* No step of the peer and no wait of a test may take longer: something hangs. */
#define PATIENCE_S 10

typedef enum {
    SEND,       /* text, in one write */
    DRIP,       /* text, byte by byte, each only when the one before it has been read */
    SEND_BYTES, /* size times the byte text[0]; stops quietly when nobody reads any more */
    EXPECT,     /* exactly text arrives */
    WAIT,       /* until the test says go */
    HANG_UP,    /* close; also happens at the end of the script */
    EXPECT_END, /* the client closes */
} Do;

typedef struct {
    Do what;
    const char *text;
    gsize size;
} Step;

typedef struct {
    int fd;
    const Step *steps;
    gsize count;
    GAsyncQueue *go;
    GThread *thread;
} Peer;

typedef struct {
    Peer peer;
    MmrigQmp *qmp;
    GString *events;
    guint closed;
    GError *why;
    GOutputStream *log;
} Talk;

Talk *talk_begin(const Step *steps, gsize count);
#define TALK(steps) talk_begin(steps, G_N_ELEMENTS(steps))

/* Lets a WAIT of the peer end. */
void talk_go(Talk *talk);
/* Waits until the script has ended. */
void talk_join(Talk *talk);
/* Iterates until *flag is not 0. */
void until(const guint *flag);
/* Closes what is still open, checks that nothing is left, and frees all. */
void talk_end(Talk *talk);
void talk_connect(Talk *talk);
/* Runs a command that must succeed and compares its answer. */
void talk_ask(Talk *talk, const char *command, const char *answer);

/* One command under way. */
typedef struct {
    guint done;
    char *answer; /* JSON text */
    GError *error;
} Call;

void call_begin(Talk *talk, Call *call, const char *command, guint timeout,
                GCancellable *cancellable);
/* For mmrig_qmp_execute_async(); data is the Call. */
void call_done(GObject *source, GAsyncResult *result, gpointer data);
void call_clear(Call *call);
