/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ends a command from outside: SIGINT (Ctrl-C), SIGTERM, and SIGHUP (the terminal was
 * closed, the connection lost).
 */
#pragma once

#include <glib.h>

typedef struct MmrigInterrupt MmrigInterrupt;

/*
 * From now on the signals do not end the process; func is called once instead, by the
 * default main context. A SIGHUP that was ignored before stays so, as nohup(1) wants it.
 */
MmrigInterrupt *mmrig_interrupt_new(void (*func)(gpointer data), gpointer data);

/* The signals end the process again. NULL does nothing. */
void mmrig_interrupt_free(MmrigInterrupt *interrupt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigInterrupt, mmrig_interrupt_free)

/*
 * Waits until MMRIG_ROOM_BYTES can be written to the descriptor without waiting, or something
 * is wrong with it. FALSE with errno if an interruption came and its reader took nothing for a
 * second: who waits in write() itself cannot be interrupted.
 */
#define MMRIG_ROOM_BYTES 4096 /* Linux's PIPE_BUF */
gboolean mmrig_interrupt_await_room(int fd);
