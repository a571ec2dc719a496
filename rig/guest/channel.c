/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "channel.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

/* More than any conversation needs; a guest that stops reading must not cost memory. */
#define QUEUE_MAX (1024 * 1024)

struct MmrigChannel {
    int fd;
    gatomicrefcount refs;
    GSource *in, *out; /* out: only while something waits to be sent */
    char line[MMRIG_LINE_MAX];
    gsize used;
    GByteArray *queue;
    gboolean dead; /* closed was called, or the owner has freed it */
    const MmrigChannelCalls *calls;
    gpointer data;
};

static void channel_unref(MmrigChannel *channel)
{
    if (!g_atomic_ref_count_dec(&channel->refs))
        return;
    g_byte_array_unref(channel->queue);
    close(channel->fd);
    g_free(channel);
}

static void channel_stop(GSource **source)
{
    if (!*source)
        return;
    g_source_destroy(*source);
    g_source_unref(*source);
    *source = NULL;
}

static void channel_die(MmrigChannel *channel, const GError *error)
{
    if (channel->dead)
        return;
    channel->dead = TRUE;
    channel_stop(&channel->in);
    channel_stop(&channel->out);
    channel->calls->closed(error, channel->data);
}

/* Hands over every whole line. The caller holds a reference. */
static void take_lines(MmrigChannel *channel, const char *bytes, gsize size)
{
    while (size > 0 && !channel->dead) {
        const char *end = memchr(bytes, '\n', size);
        gsize part = end ? (gsize)(end - bytes) : size;
        MmrigGuestMessage message;
        g_autoptr(GError) error = NULL;

        if (channel->used + part >= sizeof(channel->line)) {
            g_set_error(&error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                        "the guest broke the protocol with a line of over %d bytes",
                        MMRIG_LINE_MAX);
            channel_die(channel, error);
            return;
        }
        memcpy(channel->line + channel->used, bytes, part);
        channel->used += part;
        if (!end)
            return;
        bytes = end + 1;
        size -= part + 1;
        gsize length = channel->used;
        channel->used = 0;
        if (mmrig_guest_message_parse(channel->line, length, &message, &error))
            channel->calls->message(&message, channel->data);
        else
            channel_die(channel, error);
    }
}

/* Reads once; FALSE if there is nothing more now. */
static gboolean channel_read_some(MmrigChannel *channel)
{
    char buffer[16 * 1024];
    ssize_t got = recv(channel->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (got > 0) {
        take_lines(channel, buffer, (gsize)got);
        return !channel->dead;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR))
        channel_die(channel, NULL);
    return got < 0 && errno == EINTR && !channel->dead;
}

static gboolean channel_on_readable(int fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
                                    gpointer data)
{
    MmrigChannel *channel = data;

    g_atomic_ref_count_inc(&channel->refs);
    channel_read_some(channel);
    gboolean more = !channel->dead;
    channel_unref(channel);
    return more;
}

/* Sends what the socket takes. A closed socket is noticed by the reading side. */
static gboolean on_writable(int fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
                            gpointer data)
{
    MmrigChannel *channel = data;
    ssize_t sent = send(channel->fd, channel->queue->data, channel->queue->len,
                        MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent > 0)
        g_byte_array_remove_range(channel->queue, 0, (guint)sent);
    else if (sent < 0 && errno != EAGAIN && errno != EINTR)
        g_byte_array_set_size(channel->queue, 0);
    if (channel->queue->len > 0)
        return G_SOURCE_CONTINUE;
    channel_stop(&channel->out);
    return G_SOURCE_REMOVE;
}

static GSource *add_source(MmrigChannel *channel, GIOCondition condition,
                           GUnixFDSourceFunc function)
{
    GSource *source = g_unix_fd_source_new(channel->fd, condition);

    g_source_set_callback(source, G_SOURCE_FUNC(function), channel, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    return source;
}

MmrigChannel *mmrig_channel_new(int fd, const MmrigChannelCalls *calls, gpointer data,
                                GError **error)
{
    if (!g_unix_set_fd_nonblocking(fd, TRUE, error)) {
        close(fd);
        return NULL;
    }
    MmrigChannel *channel = g_new0(MmrigChannel, 1);
    g_atomic_ref_count_init(&channel->refs);
    channel->fd = fd;
    channel->queue = g_byte_array_new();
    channel->calls = calls;
    channel->data = data;
    channel->in = add_source(channel, G_IO_IN | G_IO_HUP, channel_on_readable);
    return channel;
}

void mmrig_channel_free(MmrigChannel *channel)
{
    if (!channel)
        return;
    channel->dead = TRUE;
    channel_stop(&channel->in);
    channel_stop(&channel->out);
    channel_unref(channel);
}

static gboolean channel_enqueue(MmrigChannel *channel, const char *line, gsize size,
                                GError **error)
{
    if (channel->dead)
        return TRUE; /* the owner is being told of the end, or was told */
    if (channel->queue->len + size + 1 > QUEUE_MAX) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                    "the guest has stopped reading the control port");
        return FALSE;
    }
    g_byte_array_append(channel->queue, (const guint8 *)line, (guint)size);
    g_byte_array_append(channel->queue, (const guint8 *)"\n", 1);
    if (!channel->out)
        channel->out = add_source(channel, G_IO_OUT, on_writable);
    return TRUE;
}

gboolean mmrig_channel_send(MmrigChannel *channel, const char *const *words, GError **error)
{
    char line[MMRIG_LINE_MAX];
    gsize used = 0, count = 0;

    for (; words[count]; count++) {
        if (count == MMRIG_WORDS_MAX ||
            !mmrig_line_add(line, sizeof(line), &used, words[count], strlen(words[count]))) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "a \"%s\" line for the guest would be too long", words[0]);
            return FALSE;
        }
    }
    return channel_enqueue(channel, line, used, error);
}

gboolean mmrig_channel_send_input(MmrigChannel *channel, guint64 id, const char *bytes,
                                  gsize size, GError **error)
{
    char line[MMRIG_LINE_MAX], number[24];
    gsize used = 0;

    g_snprintf(number, sizeof(number), "%" G_GUINT64_FORMAT, id);
    gboolean fits = mmrig_line_add(line, sizeof(line), &used, "stdin", 5) &&
                    mmrig_line_add(line, sizeof(line), &used, number, strlen(number)) &&
                    mmrig_line_add(line, sizeof(line), &used, bytes, size);
    g_return_val_if_fail(fits, FALSE);
    return channel_enqueue(channel, line, used, error);
}

gsize mmrig_channel_queued(const MmrigChannel *channel)
{
    return channel->queue->len;
}

void mmrig_channel_drain(MmrigChannel *channel)
{
    g_atomic_ref_count_inc(&channel->refs);
    while (!channel->dead && channel_read_some(channel))
        ;
    channel_unref(channel);
}
