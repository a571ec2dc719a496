/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interrupt.h"

#include <glib-unix.h>
#include <signal.h>

static const int interrupt_signals[] = {SIGINT, SIGTERM, SIGHUP};

struct MmrigInterrupt {
    void (*func)(gpointer data);
    gpointer data;
    guint sources[G_N_ELEMENTS(interrupt_signals)]; /* 0: it stays ignored */
};

static gboolean interrupt_on_signal(gpointer data)
{
    const MmrigInterrupt *interrupt = data;

    interrupt->func(interrupt->data);
    return G_SOURCE_CONTINUE;
}

static gboolean interrupt_is_ignored(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

MmrigInterrupt *mmrig_interrupt_new(void (*func)(gpointer data), gpointer data)
{
    MmrigInterrupt *interrupt = g_new0(MmrigInterrupt, 1);

    interrupt->func = func;
    interrupt->data = data;
    for (gsize i = 0; i < G_N_ELEMENTS(interrupt_signals); i++)
        /* A shell ignores SIGINT for what runs behind it, which is to end by it nevertheless.
         */
        if (interrupt_signals[i] != SIGHUP || !interrupt_is_ignored(SIGHUP))
            interrupt->sources[i] =
                g_unix_signal_add(interrupt_signals[i], interrupt_on_signal, interrupt);
    return interrupt;
}

void mmrig_interrupt_free(MmrigInterrupt *interrupt)
{
    if (!interrupt)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(interrupt_signals); i++)
        g_clear_handle_id(&interrupt->sources[i], g_source_remove);
    g_free(interrupt);
}
