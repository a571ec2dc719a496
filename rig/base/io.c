/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

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

gboolean mmrig_io_set_text(const char *path, const char *text, guint mode, GError **error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    gboolean written = fd >= 0 && mmrig_io_write_all(fd, text, strlen(text));
    int failure = errno;

    if (fd >= 0 && close(fd) != 0 && written) {
        written = FALSE;
        failure = errno;
    }
    if (!written)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write %s: %s", path,
                    g_strerror(failure));
    return written;
}
