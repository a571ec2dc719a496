/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interrupt.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Milliseconds that a reader has, after an interruption, to take what is written for it. */
#define GRACE_MS 1000

static const int interrupt_signals[] = {SIGINT, SIGTERM, SIGHUP};

struct MmrigInterrupt {
    void (*func)(gpointer data);
    gpointer data;
    GSource *source;
    gboolean caught[G_N_ELEMENTS(interrupt_signals)]; /* else it stays ignored */
    struct sigaction before[G_N_ELEMENTS(interrupt_signals)];
};

/* Readable once a signal came; nobody reads it, so that it stays so. -1: none are waited for.
 */
static int interrupt_fd = -1;

static void interrupt_handler(int number G_GNUC_UNUSED)
{
    static const guint64 one = 1;
    int cause = errno;
    gssize size = write(interrupt_fd, &one, sizeof(one));

    (void)size;
    errno = cause;
}

static gboolean interrupt_on_signal(int fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
                                    gpointer data)
{
    const MmrigInterrupt *interrupt = data;

    interrupt->func(interrupt->data);
    return G_SOURCE_REMOVE;
}

MmrigInterrupt *mmrig_interrupt_new(void (*func)(gpointer data), gpointer data)
{
    MmrigInterrupt *interrupt = g_new0(MmrigInterrupt, 1);
    struct sigaction action = {.sa_handler = interrupt_handler, .sa_flags = SA_RESTART};

    interrupt->func = func;
    interrupt->data = data;
    interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Without it they end the rig at once, which is safe, too. */
    if (interrupt_fd < 0)
        return interrupt;
    interrupt->source = g_unix_fd_source_new(interrupt_fd, G_IO_IN);
    g_source_set_callback(interrupt->source, G_SOURCE_FUNC(interrupt_on_signal), interrupt,
                          NULL);
    g_source_attach(interrupt->source, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(interrupt_signals); i++) {
        /* A shell ignores SIGINT for what runs behind it, which is to end by it nevertheless.
         */
        sigaction(interrupt_signals[i], NULL, &interrupt->before[i]);
        interrupt->caught[i] =
            interrupt_signals[i] != SIGHUP || interrupt->before[i].sa_handler != SIG_IGN;
        if (interrupt->caught[i])
            sigaction(interrupt_signals[i], &action, NULL);
    }
    return interrupt;
}

void mmrig_interrupt_free(MmrigInterrupt *interrupt)
{
    if (!interrupt)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(interrupt_signals); i++)
        if (interrupt->caught[i])
            sigaction(interrupt_signals[i], &interrupt->before[i], NULL);
    if (interrupt->source) {
        g_source_destroy(interrupt->source);
        g_source_unref(interrupt->source);
        close(interrupt_fd);
    }
    interrupt_fd = -1;
    g_free(interrupt);
}

gboolean mmrig_interrupt_await_room(int fd)
{
    struct pollfd waits[] = {{.fd = fd, .events = POLLOUT},
                             {.fd = interrupt_fd, .events = POLLIN}};
    int limit = -1;

    for (;;) {
        int ready = poll(waits, G_N_ELEMENTS(waits), limit);

        if (ready < 0 && errno == EINTR)
            continue;
        /* Also where something is wrong with it, of which a write tells more. */
        if (ready < 0 || waits[0].revents)
            return TRUE;
        if (ready == 0) {
            errno = EINTR;
            return FALSE;
        }
        waits[1].fd = -1;
        limit = GRACE_MS;
    }
}
