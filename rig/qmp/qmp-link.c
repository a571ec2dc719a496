/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qmp-link-private.h"

#include "base/error.h"

#define READ_SIZE (64 * 1024)

struct MmrigQmpLink {
    GIOStream *stream;
    GCancellable *cancellable;
    GQueue queue; /* of GBytes, to be written; the head is under way if writing */
    gboolean reading, writing, closing;
    GWeakRef owner;
    const MmrigQmpLinkCalls *calls;
};

static void link_clear(gpointer data)
{
    MmrigQmpLink *link = data;

    g_clear_object(&link->stream);
    g_clear_object(&link->cancellable);
    g_queue_clear_full(&link->queue, (GDestroyNotify)g_bytes_unref);
    g_weak_ref_clear(&link->owner);
}

void mmrig_qmp_link_unref(MmrigQmpLink *link)
{
    g_rc_box_release_full(link, link_clear);
}

static void link_closed(GObject *source, GAsyncResult *result, gpointer data)
{
    (void)data;
    /* If closing the stream fails there is nothing left to do about it. */
    g_io_stream_close_finish(G_IO_STREAM(source), result, NULL);
}

/* A stream refuses to be closed under a read or write, so the last one to end does it. */
static void link_close_if_idle(MmrigQmpLink *link)
{
    if (link->closing && !link->reading && !link->writing &&
        !g_io_stream_is_closed(link->stream))
        g_io_stream_close_async(link->stream, G_PRIORITY_DEFAULT, NULL, link_closed, NULL);
}

void mmrig_qmp_link_close(MmrigQmpLink *link)
{
    if (link->closing)
        return;
    link->closing = TRUE;
    g_cancellable_cancel(link->cancellable);
    link_close_if_idle(link);
}

static void link_read(MmrigQmpLink *link);

static void link_did_read(GObject *source, GAsyncResult *result, gpointer data)
{
    MmrigQmpLink *link = data;
    g_autoptr(GObject) owner = g_weak_ref_get(&link->owner);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes =
        g_input_stream_read_bytes_finish(G_INPUT_STREAM(source), result, &error);

    link->reading = FALSE;
    /* A reset is how a socket ends whose peer died with something of ours unread. */
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
        bytes = g_bytes_new(NULL, 0);
    if (owner && !link->closing) {
        if (bytes)
            link->calls->input(owner, bytes);
        else
            link->calls->broken(owner,
                                g_error_new(MMRIG_ERROR, MMRIG_ERROR_RIG,
                                            "reading from QEMU's control connection (QMP): %s",
                                            error->message));
    }
    if (!link->closing)
        link_read(link);
    link_close_if_idle(link);
    mmrig_qmp_link_unref(link);
}

static void link_read(MmrigQmpLink *link)
{
    link->reading = TRUE;
    g_input_stream_read_bytes_async(g_io_stream_get_input_stream(link->stream), READ_SIZE,
                                    G_PRIORITY_DEFAULT, link->cancellable, link_did_read,
                                    g_rc_box_acquire(link));
}

static void link_write(MmrigQmpLink *link);

static void link_did_write(GObject *source, GAsyncResult *result, gpointer data)
{
    MmrigQmpLink *link = data;
    g_autoptr(GObject) owner = g_weak_ref_get(&link->owner);
    g_autoptr(GError) error = NULL;
    gboolean written =
        g_output_stream_write_all_finish(G_OUTPUT_STREAM(source), result, NULL, &error);

    link->writing = FALSE;
    g_bytes_unref(g_queue_pop_head(&link->queue));
    if (!link->closing) {
        if (written) {
            link_write(link);
        } else {
            /*
             * The peer no longer listens, but what it said before may still be unread, its
             * last words most likely. So end the incoming side and leave the verdict to
             * the reader, which finds the end of file after those.
             */
            g_queue_clear_full(&link->queue, (GDestroyNotify)g_bytes_unref);
            if (!G_IS_SOCKET_CONNECTION(link->stream) ||
                !g_socket_shutdown(
                    g_socket_connection_get_socket(G_SOCKET_CONNECTION(link->stream)), TRUE,
                    TRUE, NULL)) {
                if (owner)
                    link->calls->broken(
                        owner, g_error_new(MMRIG_ERROR, MMRIG_ERROR_RIG,
                                           "writing to QEMU's control connection (QMP): %s",
                                           error->message));
            }
        }
    }
    link_close_if_idle(link);
    mmrig_qmp_link_unref(link);
}

static void link_write(MmrigQmpLink *link)
{
    GBytes *bytes = g_queue_peek_head(&link->queue);
    gsize size;
    const void *data;

    if (!bytes || link->writing)
        return;
    link->writing = TRUE;
    data = g_bytes_get_data(bytes, &size);
    g_output_stream_write_all_async(g_io_stream_get_output_stream(link->stream), data, size,
                                    G_PRIORITY_DEFAULT, link->cancellable, link_did_write,
                                    g_rc_box_acquire(link));
}

MmrigQmpLink *mmrig_qmp_link_new(GIOStream *stream, GObject *owner,
                                 const MmrigQmpLinkCalls *calls)
{
    MmrigQmpLink *link = g_rc_box_new0(MmrigQmpLink);

    link->stream = g_object_ref(stream);
    link->cancellable = g_cancellable_new();
    g_queue_init(&link->queue);
    g_weak_ref_init(&link->owner, owner);
    link->calls = calls;
    link_read(link);
    return link;
}

void mmrig_qmp_link_send(MmrigQmpLink *link, GBytes *bytes)
{
    g_queue_push_tail(&link->queue, bytes);
    link_write(link);
}
