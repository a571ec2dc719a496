/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rig's end of the control port: lines in, lines out, on the main loop. What comes in is
 * bounded and checked (guest-message.h); what goes out waits in a bounded queue until QEMU
 * takes it.
 */
#pragma once

#include "guest-message.h"

typedef struct MmrigChannel MmrigChannel;

typedef struct {
    /* The message is borrowed. May free the channel. */
    void (*message)(const MmrigGuestMessage *message, gpointer data);
    /*
     * Nothing more will come: error says how the guest broke the protocol, or is NULL if
     * the port was closed (QEMU ended). Called once. May free the channel.
     */
    void (*closed)(const GError *error, gpointer data);
} MmrigChannelCalls;

/* Makes a channel on fd, which it takes. calls must outlive the channel. */
MmrigChannel *mmrig_channel_new(int fd, const MmrigChannelCalls *calls, gpointer data,
                                GError **error);
void mmrig_channel_free(MmrigChannel *channel);

/*
 * Sends one line of the given words (NULL-terminated). FALSE with a RIG error if they do not
 * fit a line, or with a GUEST error if the queue is full because the guest does not read.
 */
gboolean mmrig_channel_send(MmrigChannel *channel, const char *const *words, GError **error);

/* Sends "stdin ID BYTES"; size is at most MMRIG_CHUNK_MAX. */
gboolean mmrig_channel_send_input(MmrigChannel *channel, guint64 id, const char *bytes,
                                  gsize size, GError **error);

/* Bytes waiting to be taken by QEMU. */
gsize mmrig_channel_queued(const MmrigChannel *channel);

/* Reads all there is now: for when QEMU is dead. May free the channel (see above). */
void mmrig_channel_drain(MmrigChannel *channel);
