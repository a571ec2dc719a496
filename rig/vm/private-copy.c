/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "private-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

int mmrig_reflink(int to, int from)
{
    return ioctl(to, FICLONE, from);
}

/* Closes the descriptor and keeps errno. */
static int private_copy_give_up(int fd)
{
    int cause = errno;

    if (fd >= 0)
        close(fd);
    errno = cause;
    return -1;
}

static int shared_copy(int from, const char *folder, guint64 size, MmrigReflink reflink)
{
    int to = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

    if (to >= 0 && reflink(to, from) == 0 && ftruncate(to, (off_t)size) == 0)
        return to;
    return private_copy_give_up(to);
}

/* Copies only what is not a hole. */
static gboolean copy_sparse(int from, int to, off_t size)
{
    for (off_t at = 0; at < size;) {
        off_t start = lseek(from, at, SEEK_DATA);
        if (start < 0)
            return errno == ENXIO; /* nothing but holes from here on */
        off_t end = lseek(from, start, SEEK_HOLE);
        if (end < 0)
            return FALSE;
        if (end <= start) {
            errno = EIO; /* not a file with data and holes at all */
            return FALSE;
        }
        end = MIN(end, size);
        /* Not copy_file_range(), which does not go from one tmpfs to another. */
        if (lseek(to, start, SEEK_SET) != start)
            return FALSE;
        for (off_t in = start; in < end;) {
            ssize_t sent = sendfile(to, from, &in, (size_t)(end - in));
            if (sent > 0)
                continue;
            if (sent == 0)
                errno = EIO; /* the file became shorter */
            return FALSE;
        }
        at = end;
    }
    return TRUE;
}

gboolean mmrig_copy_file(int from, int to, MmrigReflink reflink)
{
    struct stat status;

    if (fstat(from, &status) != 0 || ftruncate(to, 0) != 0)
        return FALSE;
    return reflink(to, from) == 0 ||
           (ftruncate(to, status.st_size) == 0 && copy_sparse(from, to, status.st_size));
}

static int copy_in_memory(int from, const char *name, guint64 size)
{
    int to = memfd_create(name, MFD_CLOEXEC);

    if (to >= 0 && ftruncate(to, (off_t)size) == 0 && copy_sparse(from, to, (off_t)size))
        return to;
    return private_copy_give_up(to);
}

int mmrig_private_copy(int from, const char *folder, const char *name, guint64 size,
                       MmrigReflink reflink)
{
    int to = shared_copy(from, folder, size, reflink);

    /*
     * If sharing failed for any reason the data are copied, and an error of the copy is told
     * instead.
     */
    return to >= 0 ? to : copy_in_memory(from, name, size);
}
