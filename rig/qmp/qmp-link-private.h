/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes to and from QMP's peer. Asynchronous reads and writes hold on to their stream until
 * they end, so a link lives on its own: it has at most one read and one write under way,
 * points back to its owner weakly, and outlives it until both have ended.
 */
#pragma once

#include <gio/gio.h>

typedef struct MmrigQmpLink MmrigQmpLink;

typedef struct {
    /* Bytes have come; none at the end of file. */
    void (*input)(GObject *owner, GBytes *bytes);
    /* The link has failed and is of no more use. error is taken. */
    void (*broken)(GObject *owner, GError *error);
} MmrigQmpLinkCalls;

/* Begins to read. calls must live as long as the program. */
MmrigQmpLink *mmrig_qmp_link_new(GIOStream *stream, GObject *owner,
                                 const MmrigQmpLinkCalls *calls);
/* Queues bytes, which are taken, to be written. */
void mmrig_qmp_link_send(MmrigQmpLink *link, GBytes *bytes);
/* Closes the stream as soon as what is under way has been cancelled. No call follows. */
void mmrig_qmp_link_close(MmrigQmpLink *link);
void mmrig_qmp_link_unref(MmrigQmpLink *link);
