/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

/* The outermost folder above the path that this user may not enter, or NULL. */
static char *input_closed_folder(const char *path)
{
    g_autofree char *whole = g_canonicalize_filename(path, NULL);

    for (const char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        g_autofree char *folder = g_strndup(whole, (gsize)(slash - whole));
        if (access(folder, X_OK) != 0 && errno == EACCES)
            return g_steal_pointer(&folder);
    }
    return NULL;
}

/* Always FALSE, for the callers' return. */
static gboolean input_refuse(GError **error, const char *path, const char *what, int cause)
{
    g_autofree char *closed = cause == EACCES ? input_closed_folder(path) : NULL;

    g_set_error(error, MMRIG_ERROR, (int)mmrig_error_of_errno(cause),
                "cannot read %s %s: %s%s%s%s", what, path, g_strerror(cause),
                closed ? " (this user may not enter " : "", closed ? closed : "",
                closed ? ")" : "");
    return FALSE;
}

static const char *input_kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a folder";
    case S_IFIFO:
        return "a FIFO";
    case S_IFSOCK:
        return "a socket";
    case S_IFREG:
        return "a file";
    default:
        return "a device";
    }
}

/* Always FALSE, for the callers' return. */
static gboolean input_refuse_kind(GError **error, const char *path, const char *what,
                                  const char *wanted, mode_t mode)
{
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "cannot use %s as %s: it is %s, and %s is wanted", path, what, input_kind(mode),
                wanted);
    return FALSE;
}

int mmrig_input_open(const char *path, const char *what, GError **error)
{
    /* Without O_NONBLOCK this would wait for a FIFO's writer, or for a serial line. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int cause = errno;
    struct stat status;

    /* A socket cannot be opened, so it is looked at by its name. */
    gboolean known = (fd >= 0 ? fstat(fd, &status) : stat(path, &status)) == 0;
    if (known && S_ISREG(status.st_mode) && fd >= 0)
        return fd;
    if (known && !S_ISREG(status.st_mode))
        input_refuse_kind(error, path, what, "a file", status.st_mode);
    else
        input_refuse(error, path, what, fd >= 0 ? errno : cause);
    if (fd >= 0)
        close(fd);
    return -1;
}

gboolean mmrig_input_check(const char *path, const char *what, GError **error)
{
    int fd = mmrig_input_open(path, what, error);

    if (fd < 0)
        return FALSE;
    close(fd);
    return TRUE;
}

/* Up to most + 1 bytes, so that one can see that there are too many. Negative with errno. */
static gssize input_fill(int fd, GByteArray *bytes, gsize most)
{
    guint8 buffer[64 * 1024];

    while (bytes->len <= most) {
        gssize got = read(fd, buffer, MIN(sizeof(buffer), most + 1 - bytes->len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got;
        g_byte_array_append(bytes, buffer, (guint)got);
    }
    return 0;
}

char *mmrig_input_read(const char *path, const char *what, gsize most, gsize *size,
                       GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int fd = mmrig_input_open(path, what, error);

    if (fd < 0)
        return NULL;
    gssize got = input_fill(fd, bytes, most);
    int cause = errno;
    close(fd);
    if (got < 0) {
        input_refuse(error, path, what, cause);
        return NULL;
    }
    if (bytes->len > most) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "cannot use %s as %s: it has more than %zu bytes", path, what, most);
        return NULL;
    }
    if (size)
        *size = bytes->len;
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

gboolean mmrig_input_check_folder(const char *path, const char *what, GError **error)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return input_refuse(error, path, what, errno);
    if (!S_ISDIR(status.st_mode))
        return input_refuse_kind(error, path, what, "a folder", status.st_mode);
    if (access(path, R_OK | X_OK) != 0)
        return input_refuse(error, path, what, errno);
    return TRUE;
}
