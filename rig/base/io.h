/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and writing of descriptors to the end, whatever signals and short counts come
 * between. */
#pragma once

#include <glib.h>

/*
 * Writes all bytes to the descriptor, in as many pieces as it takes. FALSE with errno if it
 * cannot: ENOSPC where the descriptor takes nothing and gives no reason.
 */
gboolean mmrig_io_write_all(int fd, const void *bytes, gsize size);
