/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <unistd.h>

gboolean mmrig_io_write_all(int fd, const void *bytes, gsize size)
{
    const char *at = bytes;

    while (size > 0) {
        gssize wrote = write(fd, at, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote == 0)
            errno = ENOSPC;
        if (wrote <= 0)
            return FALSE;
        at += wrote;
        size -= (gsize)wrote;
    }
    return TRUE;
}
