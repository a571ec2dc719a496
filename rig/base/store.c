/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks: every lock is one byte of FOLDER/.lock, taken with fcntl's open-file-description
 * locks. They exclude threads and processes alike, end with their holder, leave no file
 * of their own behind, and work on network file systems. The byte's offset is a hash of what
 * is locked: an entry's name (held while it is made), a partial's name (held while its maker
 * lives, so a maker's death can be told without trusting process numbers), or nothing for
 * the gate, which keeps a partial from being taken for abandoned before it is locked.
 * Order: entry, gate, partial; the gate is given back at once.
 */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "error.h"
#include "paths.h"
#include "store-janitor-private.h"

#define PARTIAL_PREFIX ".partial-"
#define LOCK_NAME      ".lock"

/* Less than this free on a disk is called full when a write has failed. */
#define DISK_FULL_BYTES (1024 * 1024)

typedef struct {
    int folder; /* descriptor of the store's folder */
    int lock;   /* descriptor of its lock file */
    const char *path;
    const char *name;
} Maker;

static void set_errno(GError **error, int cause, const char *what, const char *folder,
                      const char *name)
{
    gboolean mendable = cause == EACCES || cause == EPERM || cause == EROFS ||
                        cause == ENOENT || cause == ENOTDIR;
    gboolean full = cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
    g_autofree char *hint =
        cause == EACCES && *folder ? mmrig_path_denied_hint(folder) : g_strdup("");

    g_set_error(error, MMRIG_ERROR, mendable ? MMRIG_ERROR_INPUT : MMRIG_ERROR_RIG,
                "%s%s%s: %s: %s%s", folder, *folder && *name ? "/" : "", name, what,
                g_strerror(cause),
                full ? "; free some space, or set XDG_CACHE_HOME to a folder elsewhere" : hint);
}

static off_t lock_offset(const char *name)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize size = sizeof(digest);
    guint64 offset = 0;

    g_checksum_update(checksum, (const guchar *)name, -1);
    g_checksum_get_digest(checksum, digest, &size);
    memcpy(&offset, digest, sizeof(offset));
    /* Byte 0 is the gate's; the last byte of a file is at G_MAXINT64 - 1. */
    return (off_t)(1 + offset % (G_MAXINT64 - 2));
}

/*
 * Locks the entry; name NULL locks the gate. FALSE with errno; EAGAIN if wait is FALSE and
 * another holds it.
 */
static gboolean lock_set(int fd, const char *name, short type, gboolean wait)
{
    struct flock lock = {
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = name ? lock_offset(name) : 0,
        .l_len = 1,
    };
    int result;

    do {
        result = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno == EACCES && !wait)
        errno = EAGAIN;
    return result == 0;
}

static gboolean maker_begin(Maker *maker, const char *folder, const char *name, GError **error)
{
    g_assert(name[0] != '\0' && name[0] != '.' && !strchr(name, '/'));

    *maker = (Maker){.folder = -1, .lock = -1, .path = folder, .name = name};
    maker->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (maker->folder < 0) {
        set_errno(error, errno, "cannot open the folder", folder, name);
        return FALSE;
    }
    maker->lock = openat(maker->folder, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (maker->lock < 0) {
        set_errno(error, errno, "cannot open the lock file", folder, LOCK_NAME);
        return FALSE;
    }
    if (!lock_set(maker->lock, name, F_WRLCK, TRUE)) {
        set_errno(error, errno, "cannot lock", folder, name);
        return FALSE;
    }
    return TRUE;
}

static void maker_end(Maker *maker)
{
    /* Closing drops the locks. */
    if (maker->lock >= 0)
        close(maker->lock);
    if (maker->folder >= 0)
        close(maker->folder);
}

static gboolean remove_at(int folder, const char *name, dev_t device, const char *path,
                          GError **error);

/* Takes fd. */
static gboolean remove_content(int fd, dev_t device, const char *path, GError **error)
{
    DIR *stream = fdopendir(fd);
    struct dirent *entry;
    gboolean done = TRUE;

    if (!stream) {
        set_errno(error, errno, "cannot read", path, "");
        close(fd);
        return FALSE;
    }
    while (done && (errno = 0, entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            done = remove_at(dirfd(stream), entry->d_name, device, path, error);
    }
    if (done && errno != 0) {
        set_errno(error, errno, "cannot read", path, "");
        done = FALSE;
    }
    closedir(stream);
    return done;
}

static gboolean remove_at(int folder, const char *name, dev_t device, const char *path,
                          GError **error)
{
    g_autofree char *inner = NULL;
    struct stat status;
    int fd;

    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return TRUE;
    /* Linux says EISDIR, POSIX EPERM. */
    if (errno != EISDIR && errno != EPERM) {
        set_errno(error, errno, "cannot remove", path, name);
        return FALSE;
    }
    fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        set_errno(error, errno, "cannot remove", path, name);
        if (fd >= 0)
            close(fd);
        return FALSE;
    }
    if (status.st_dev != device) {
        set_errno(error, EXDEV, "cannot remove what is mounted there", path, name);
        close(fd);
        return FALSE;
    }
    /* A package may unpack folders that even their owner may not write to; where this
     * fails, so does the removal below, with the better message. */
    if ((status.st_mode & S_IRWXU) != S_IRWXU && fchmod(fd, 0700) != 0)
        g_debug("%s/%s: chmod: %s", path, name, g_strerror(errno));
    inner = *path ? g_build_filename(path, name, NULL) : g_strdup(name);
    if (!remove_content(fd, device, inner, error))
        return FALSE;
    if (unlinkat(folder, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        set_errno(error, errno, "cannot remove", path, name);
        return FALSE;
    }
    return TRUE;
}

gboolean mmrig_remove_tree(const char *path, GError **error)
{
    struct stat status;

    if (lstat(path, &status) != 0) {
        if (errno == ENOENT)
            return TRUE;
        set_errno(error, errno, "cannot remove", path, "");
        return FALSE;
    }
    return remove_at(AT_FDCWD, path, status.st_dev, "", error);
}

/* Removes what dead makers have left. Called with the gate held. */
static void remove_abandoned(const Maker *maker)
{
    g_autoptr(GDir) folder = g_dir_open(maker->path, 0, NULL);
    const char *name;

    while (folder && (name = g_dir_read_name(folder))) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = NULL;

        if (!g_str_has_prefix(name, PARTIAL_PREFIX))
            continue;
        if (!lock_set(maker->lock, name, F_WRLCK, FALSE))
            continue; /* its maker lives */
        path = g_build_filename(maker->path, name, NULL);
        /* What cannot be removed now will be tried again by the next maker. */
        if (!mmrig_remove_tree(path, &error))
            g_debug("%s", error->message);
        lock_set(maker->lock, name, F_UNLCK, FALSE);
    }
}

/*
 * Makes an empty, locked partial: a folder, or with fd not NULL a file that is open for
 * writing. Returns its name, or NULL with error.
 */
static char *partial_make(const Maker *maker, int *fd, GError **error)
{
    g_autofree char *name = NULL;
    gboolean made = FALSE;
    int cause = 0;

    if (!lock_set(maker->lock, NULL, F_WRLCK, TRUE)) {
        set_errno(error, errno, "cannot lock", maker->path, maker->name);
        return NULL;
    }
    remove_abandoned(maker);
    for (guint attempt = 0; attempt < 100 && !made; attempt++) {
        g_free(name);
        name = g_strdup_printf(PARTIAL_PREFIX "%ld-%06x", (long)getpid(),
                               g_random_int_range(0, 1 << 24));
        if (fd) {
            *fd = openat(maker->folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
            made = *fd >= 0;
        } else {
            made = mkdirat(maker->folder, name, 0755) == 0;
        }
        cause = errno;
        if (!made && cause != EEXIST)
            break;
    }
    if (made && !lock_set(maker->lock, name, F_WRLCK, FALSE)) {
        cause = errno;
        unlinkat(maker->folder, name, fd ? 0 : AT_REMOVEDIR);
        if (fd)
            close(*fd);
        made = FALSE;
    }
    lock_set(maker->lock, NULL, F_UNLCK, FALSE);
    if (!made) {
        set_errno(error, cause, "cannot make", maker->path, name);
        return NULL;
    }
    return g_steal_pointer(&name);
}

/* Says which entry could not be made, and that the disk is full if it is. */
static void store_explain(const Maker *maker, GError **error)
{
    struct statvfs status;
    const char *hint = "";

    if (!error || !*error)
        return;
    if (fstatvfs(maker->folder, &status) == 0 &&
        (guint64)status.f_bavail * status.f_frsize < DISK_FULL_BYTES &&
        !strstr((*error)->message, "XDG_CACHE_HOME"))
        hint = " (the disk is full; free some space, or set XDG_CACHE_HOME to a folder "
               "elsewhere)";
    if (*hint) {
        char *message = g_strconcat((*error)->message, hint, NULL);

        g_free((*error)->message);
        (*error)->message = message;
    }
}

static gboolean entry_exists(const char *path, mode_t kind)
{
    struct stat status;

    return lstat(path, &status) == 0 && (status.st_mode & S_IFMT) == kind;
}

static gboolean file_write(const Maker *maker, int fd, MmrigStoreWrite write, gpointer data,
                           GError **error)
{
    if (!write(fd, data, error)) {
        store_explain(maker, error);
        return FALSE;
    }
    /* Some file systems find out only now that there is no room. */
    if (fdatasync(fd) != 0) {
        set_errno(error, errno, "cannot write", maker->path, maker->name);
        return FALSE;
    }
    return TRUE;
}

static gboolean file_make(const Maker *maker, MmrigStoreWrite write, gpointer data,
                          GError **error)
{
    g_autofree char *partial = NULL;
    gboolean done;
    int fd = openat(maker->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

    if (fd >= 0) {
        g_autofree char *proc = g_strdup_printf("/proc/self/fd/%d", fd);

        done = file_write(maker, fd, write, data, error);
        if (done &&
            linkat(AT_FDCWD, proc, maker->folder, maker->name, AT_SYMLINK_FOLLOW) != 0) {
            set_errno(error, errno, "cannot put into place", maker->path, maker->name);
            done = FALSE;
        }
        close(fd);
        return done;
    }
    /* open(2), O_TMPFILE: what file systems without it say, and kernels without it. */
    if (errno != EOPNOTSUPP && errno != EISDIR) {
        set_errno(error, errno, "cannot write", maker->path, maker->name);
        return FALSE;
    }
    partial = partial_make(maker, &fd, error);
    if (!partial)
        return FALSE;
    done = file_write(maker, fd, write, data, error);
    if (done && renameat(maker->folder, partial, maker->folder, maker->name) != 0) {
        set_errno(error, errno, "cannot put into place", maker->path, maker->name);
        done = FALSE;
    }
    close(fd);
    if (!done)
        unlinkat(maker->folder, partial, 0);
    return done;
}

static gboolean folder_make(const Maker *maker, MmrigStoreFill fill, gpointer data,
                            GError **error)
{
    g_autofree char *partial = partial_make(maker, NULL, error);
    g_autofree char *path = NULL;
    MmrigJanitor janitor;
    gboolean done;

    if (!partial)
        return FALSE;
    path = g_build_filename(maker->path, partial, NULL);
    if (!mmrig_janitor_start(&janitor, path, maker->lock, error)) {
        unlinkat(maker->folder, partial, AT_REMOVEDIR);
        return FALSE;
    }
    done = fill(path, data, error);
    if (!done) {
        store_explain(maker, error);
    } else if (syncfs(maker->folder) != 0 ||
               renameat(maker->folder, partial, maker->folder, maker->name) != 0) {
        set_errno(error, errno, "cannot put into place", maker->path, maker->name);
        done = FALSE;
    }
    if (!done) {
        g_autoptr(GError) ignored = NULL;

        /* The error that is reported is the first; the next maker tries again to remove. */
        if (!mmrig_remove_tree(path, &ignored))
            g_debug("%s", ignored->message);
    }
    mmrig_janitor_dismiss(&janitor);
    return done;
}

char *mmrig_store_file(const char *folder, const char *name, MmrigStoreWrite write,
                       gpointer data, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) cause = NULL;
    Maker maker;
    gboolean done;

    if (entry_exists(path, S_IFREG))
        return g_steal_pointer(&path);
    done = maker_begin(&maker, folder, name, &cause) &&
           (entry_exists(path, S_IFREG) || file_make(&maker, write, data, &cause));
    maker_end(&maker);
    if (!done) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    return g_steal_pointer(&path);
}

char *mmrig_store_folder(const char *folder, const char *name, MmrigStoreFill fill,
                         gpointer data, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) cause = NULL;
    Maker maker;
    gboolean done;

    if (entry_exists(path, S_IFDIR))
        return g_steal_pointer(&path);
    done = maker_begin(&maker, folder, name, &cause) &&
           (entry_exists(path, S_IFDIR) || folder_make(&maker, fill, data, &cause));
    maker_end(&maker);
    if (!done) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    return g_steal_pointer(&path);
}

static gboolean scratch_use(const Maker *maker, MmrigStoreFill use, gpointer data,
                            GError **error)
{
    g_autofree char *partial = partial_make(maker, NULL, error);
    MmrigJanitor janitor;

    if (!partial)
        return FALSE;
    g_autofree char *path = g_build_filename(maker->path, partial, NULL);
    if (!mmrig_janitor_start(&janitor, path, maker->lock, error)) {
        unlinkat(maker->folder, partial, AT_REMOVEDIR);
        return FALSE;
    }
    gboolean used = use(path, data, error);
    /* The error that is reported is the first; the next maker tries again to remove. */
    gboolean removed = mmrig_remove_tree(path, used ? error : NULL);
    mmrig_janitor_dismiss(&janitor);
    return used && removed;
}

gboolean mmrig_store_scratch(const char *folder, MmrigStoreFill use, gpointer data,
                             GError **error)
{
    g_autofree char *name = g_strdup_printf("scratch-%ld", (long)getpid());
    Maker maker;
    gboolean done =
        maker_begin(&maker, folder, name, error) && scratch_use(&maker, use, data, error);

    maker_end(&maker);
    return done;
}

/*
 * Called with the entry's lock held. The entry is moved over an empty partial, and removed from
 * there.
 */
static gboolean drop_locked(const Maker *maker, GError **error)
{
    g_autofree char *partial = partial_make(maker, NULL, error);

    if (!partial)
        return FALSE;
    g_autofree char *path = g_build_filename(maker->path, partial, NULL);
    if (renameat(maker->folder, maker->name, maker->folder, partial) != 0 && errno != ENOENT) {
        set_errno(error, errno, "cannot remove", maker->path, maker->name);
        unlinkat(maker->folder, partial, AT_REMOVEDIR);
        return FALSE;
    }
    return mmrig_remove_tree(path, error);
}

gboolean mmrig_store_drop(const char *folder, const char *name, GError **error)
{
    Maker maker;
    gboolean done = maker_begin(&maker, folder, name, error) && drop_locked(&maker, error);

    maker_end(&maker);
    return done;
}
