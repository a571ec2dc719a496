/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qmp-peer.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* --- the peer --- */

static void send_all(int fd, const char *text, gsize size)
{
    while (size > 0) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        g_assert_cmpint(sent, >, 0);
        text += sent;
        size -= (gsize)sent;
    }
}

static void wait_until_read(int fd)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_S * G_USEC_PER_SEC;
    int unread = 1;

    while (unread > 0) {
        g_assert_cmpint(ioctl(fd, SIOCOUTQ, &unread), ==, 0);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_thread_yield();
    }
}

static void expect(int fd, const char *text)
{
    gsize size = strlen(text);
    g_autofree char *got = g_malloc0(size + 1);

    for (gsize have = 0; have < size;) {
        ssize_t part = recv(fd, got + have, size - have, 0);
        if (part <= 0 || memcmp(got + have, text + have, (gsize)part) != 0)
            g_error("the peer expected '%s' and got '%s'", text, got);
        have += (gsize)part;
    }
}

static void send_bytes(int fd, char byte, gsize size)
{
    char block[65536];

    memset(block, byte, sizeof block);
    while (size > 0) {
        ssize_t sent = send(fd, block, MIN(size, sizeof block), MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        size -= (gsize)sent;
    }
}

static gpointer peer_run(gpointer data)
{
    Peer *peer = data;
    char byte;
    gpointer went;
    gssize got;

    for (gsize i = 0; i < peer->count; i++) {
        const Step *step = &peer->steps[i];
        switch (step->what) {
        case SEND:
            send_all(peer->fd, step->text, strlen(step->text));
            break;
        case DRIP:
            for (const char *at = step->text; *at; at++) {
                send_all(peer->fd, at, 1);
                wait_until_read(peer->fd);
            }
            break;
        case SEND_BYTES:
            send_bytes(peer->fd, step->text[0], step->size);
            break;
        case EXPECT:
            expect(peer->fd, step->text);
            break;
        case WAIT:
            went = g_async_queue_timeout_pop(peer->go, PATIENCE_S * G_USEC_PER_SEC);
            g_assert_nonnull(went);
            break;
        case HANG_UP:
            close(g_steal_fd(&peer->fd));
            break;
        case EXPECT_END:
            /* Closing with bytes unread shows as a reset on the other end. */
            got = recv(peer->fd, &byte, 1, 0);
            g_assert_true(got == 0 || (got < 0 && errno != EAGAIN));
            break;
        }
    }
    if (peer->fd >= 0)
        close(peer->fd);
    return NULL;
}

/* --- the client's side of a test --- */

static void on_event(MmrigQmp *qmp, const char *name, JsonObject *data, Talk *talk)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    g_assert_true(qmp == talk->qmp);
    json_node_set_object(node, data);
    text = json_to_string(node, FALSE);
    g_string_append_printf(talk->events, "%s%s ", name, text);
}

static void on_closed(MmrigQmp *qmp, const GError *error, Talk *talk)
{
    g_assert_true(qmp == talk->qmp);
    talk->closed++;
    talk->why = error ? g_error_copy(error) : NULL;
}

Talk *talk_begin(const Step *steps, gsize count)
{
    Talk *talk = g_new0(Talk, 1);
    int fds[2];
    struct timeval patience = {.tv_sec = PATIENCE_S};
    g_autoptr(GSocket) socket = NULL;
    g_autoptr(GSocketConnection) connection = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_cmpint(setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), ==,
                    0);
    socket = g_socket_new_from_fd(fds[0], &error);
    g_assert_no_error(error);
    connection = g_socket_connection_factory_create_connection(socket);

    talk->events = g_string_new(NULL);
    talk->log = g_memory_output_stream_new_resizable();
    talk->qmp = mmrig_qmp_new(G_IO_STREAM(connection), talk->log);
    g_signal_connect(talk->qmp, "event", G_CALLBACK(on_event), talk);
    g_signal_connect(talk->qmp, "closed", G_CALLBACK(on_closed), talk);

    talk->peer.fd = fds[1];
    talk->peer.steps = steps;
    talk->peer.count = count;
    talk->peer.go = g_async_queue_new();
    talk->peer.thread = g_thread_new("peer", peer_run, &talk->peer);
    return talk;
}

void talk_go(Talk *talk)
{
    g_async_queue_push(talk->peer.go, talk);
}

void talk_join(Talk *talk)
{
    if (talk->peer.thread)
        g_thread_join(g_steal_pointer(&talk->peer.thread));
}

static gboolean out_of_patience(gpointer data)
{
    (void)data;
    g_error("the test waited more than %d s", PATIENCE_S);
    return G_SOURCE_REMOVE;
}

void until(const guint *flag)
{
    guint source = g_timeout_add_seconds(PATIENCE_S, out_of_patience, NULL);

    while (*flag == 0)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(source);
}

void talk_end(Talk *talk)
{
    gpointer gone = talk->qmp;

    if (gone) {
        g_object_add_weak_pointer(gone, &gone);
        mmrig_qmp_close(talk->qmp);
        mmrig_qmp_close(talk->qmp);
        g_assert_cmpuint(talk->closed, ==, 1);
        g_clear_object(&talk->qmp);
    }
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_null(gone);
    talk_join(talk);
    g_async_queue_unref(talk->peer.go);
    g_string_free(talk->events, TRUE);
    g_clear_error(&talk->why);
    g_object_unref(talk->log);
    g_free(talk);
}

void talk_connect(Talk *talk)
{
    g_autoptr(GError) error = NULL;

    mmrig_qmp_connect(talk->qmp, PATIENCE_S * 1000, &error);
    g_assert_no_error(error);
}

void talk_ask(Talk *talk, const char *command, const char *answer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node =
        mmrig_qmp_execute(talk->qmp, command, NULL, PATIENCE_S * 1000, &error);
    g_autofree char *text = NULL;

    g_assert_no_error(error);
    text = json_to_string(node, FALSE);
    g_assert_cmpstr(text, ==, answer);
}

void call_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(JsonNode) node =
        mmrig_qmp_execute_finish(MMRIG_QMP(source), result, &call->error);

    call->done++;
    if (node)
        call->answer = json_to_string(node, FALSE);
}

void call_clear(Call *call)
{
    g_free(call->answer);
    g_clear_error(&call->error);
}

void call_begin(Talk *talk, Call *call, const char *command, guint timeout,
                GCancellable *cancellable)
{
    mmrig_qmp_execute_async(talk->qmp, command, NULL, timeout, cancellable, call_done, call);
}
