/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "esp-store.h"

static void close_fd(gpointer fd)
{
    close(*(int *)fd);
}

GArray *mmrig_backing_array(void)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));

    g_array_set_clear_func(fds, close_fd);
    return fds;
}

static gboolean copy_source(const MmrigBacking *backing, int fd, GError **error)
{
    g_autofree char *contents = NULL;
    g_autoptr(GError) cause = NULL;
    gsize size;

    if (!g_file_get_contents(backing->source, &contents, &size, &cause)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "cannot use %s: %s", backing->source,
                    cause->message);
        return FALSE;
    }
    for (gsize done = 0; done < size;) {
        gssize part = pwrite(fd, contents + done, size - done, (off_t)done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot copy %s: %s",
                        backing->source, g_strerror(errno));
            return FALSE;
        }
        done += (gsize)part;
    }
    return TRUE;
}

gboolean mmrig_backing_empty(const MmrigBacking *backing, int fd, GError **error)
{
    if (backing->link) {
        mmrig_link_drain(fd);
        return TRUE;
    }
    if (backing->esp)
        return mmrig_esp_copy(backing->esp, fd, error);
    if (ftruncate(fd, 0) == 0 && ftruncate(fd, (off_t)backing->size) == 0)
        return !backing->source || copy_source(backing, fd, error);
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                "cannot make %" G_GUINT64_FORMAT " bytes of backing for %s: %s", backing->size,
                backing->device, g_strerror(errno));
    return FALSE;
}

/* A file without a name, or -1. */
static int backing_make(const MmrigBacking *backing, GError **error)
{
    g_autofree char *name = g_strconcat("mmrig-", backing->device, NULL);
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd < 0)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make a backing for %s: %s",
                    backing->device, g_strerror(errno));
    return fd;
}

GArray *mmrig_backings_new(const MmrigPlan *machine, MmrigLinks *links, GError **error)
{
    g_autoptr(GArray) fds = mmrig_backing_array();

    for (guint i = 0; i < machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(machine->backings, i);
        int fd = backing->link ? mmrig_links_take(links, backing->device, error)
                               : backing_make(backing, error);
        if (fd < 0)
            return NULL;
        g_array_append_val(fds, fd);
        if (!mmrig_backing_empty(backing, fd, error))
            return NULL;
    }
    return g_steal_pointer(&fds);
}

/* A descriptor of its own for the file that fds has for the device, or -1. */
static int backing_inherit(const char *device, const MmrigPlan *other, const GArray *fds)
{
    for (guint i = 0; i < other->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(other->backings, i);
        if (strcmp(backing->device, device) == 0)
            return fcntl(g_array_index(fds, int, i), F_DUPFD_CLOEXEC, 0);
    }
    errno = ENOENT;
    return -1;
}

GArray *mmrig_backings_inherit(const MmrigPlan *machine, const MmrigPlan *other,
                               const GArray *fds, GError **error)
{
    g_autoptr(GArray) inherited = mmrig_backing_array();

    for (guint i = 0; i < machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(machine->backings, i);
        int fd = backing_inherit(backing->device, other, fds);
        if (fd < 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "cannot pass on the backing of %s: %s", backing->device,
                        g_strerror(errno));
            return NULL;
        }
        g_array_append_val(inherited, fd);
    }
    return g_steal_pointer(&inherited);
}
