/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the entries of an image as a newc archive. */
#include "image-private.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "error.h"

#define COPY_SIZE (1024 * 1024)

/* No kernel module is nearly as large: stops a file that unpacks without end. */
#define UNPACK_MAX (256 * 1024 * 1024)

typedef struct archive Archive;
typedef struct archive_entry ArchiveEntry;
static void archive_read_clear(Archive *archive)
{
    archive_read_free(archive);
}
static void archive_write_clear(Archive *archive)
{
    /* Marked as failed, it is freed without writing the end of the archive. */
    archive_write_fail(archive);
    archive_write_free(archive);
}
typedef Archive ReadArchive;
typedef Archive WriteArchive;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReadArchive, archive_read_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WriteArchive, archive_write_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchiveEntry, archive_entry_free)

static gboolean write_failed(Archive *archive, const char *path, GError **error)
{
    const char *problem = archive_error_string(archive);
    int code = archive_errno(archive);

    /* libarchive says "Write error" where the system knows why. */
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write the image%s%s: %s",
                path ? " at " : "", path ? path : "",
                code > 0  ? g_strerror(code)
                : problem ? problem
                          : "unknown error");
    return FALSE;
}

static gboolean write_data(Archive *archive, const char *path, const void *data, gsize size,
                           GError **error)
{
    la_ssize_t written = archive_write_data(archive, data, size);

    return (written >= 0 && (gsize)written == size) || write_failed(archive, path, error);
}

static gboolean read_failed(const char *host, const char *why, GError **error)
{
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "cannot read %s for the image: %s", host,
                why);
    return FALSE;
}

static gboolean copy_data(Archive *archive, const MmrigEntry *entry, ArchiveEntry *header,
                          int fd, char *buffer, GError **error)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return read_failed(entry->host, g_strerror(errno), error);
    archive_entry_set_size(header, info.st_size);
    if (archive_write_header(archive, header) != ARCHIVE_OK)
        return write_failed(archive, entry->path, error);
    for (goffset left = info.st_size; left > 0;) {
        gssize got = read(fd, buffer, (gsize)MIN(left, COPY_SIZE));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return read_failed(entry->host, g_strerror(errno), error);
        if (got == 0)
            return read_failed(entry->host, "it became shorter meanwhile", error);
        if (!write_data(archive, entry->path, buffer, (gsize)got, error))
            return FALSE;
        left -= got;
    }
    return TRUE;
}

static gboolean copy_file(Archive *archive, const MmrigEntry *entry, ArchiveEntry *header,
                          char *buffer, GError **error)
{
    int fd = open(entry->host, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return read_failed(entry->host, g_strerror(errno), error);
    gboolean ok = copy_data(archive, entry, header, fd, buffer, error);
    close(fd);
    return ok;
}

/* The unpacked content of a host file. */
static GByteArray *unpack(const char *host, char *buffer, GError **error)
{
    g_autoptr(ReadArchive) archive = archive_read_new();
    g_autoptr(GByteArray) content = g_byte_array_new();
    ArchiveEntry *header;
    la_ssize_t got;

    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_raw(archive);
    if (archive_read_open_filename(archive, host, COPY_SIZE) != ARCHIVE_OK ||
        archive_read_next_header(archive, &header) != ARCHIVE_OK) {
        read_failed(host, archive_error_string(archive), error);
        return NULL;
    }
    /* Without a filter's magic bytes the raw format would take the file as it is. */
    if (archive_filter_code(archive, 0) == ARCHIVE_FILTER_NONE) {
        read_failed(host, "it is not compressed as its name says", error);
        return NULL;
    }
    while ((got = archive_read_data(archive, buffer, COPY_SIZE)) > 0) {
        if (content->len + (gsize)got > UNPACK_MAX) {
            read_failed(host, "it unpacks to more than 256 MiB", error);
            return NULL;
        }
        g_byte_array_append(content, (const guint8 *)buffer, (guint)got);
    }
    if (got < 0) {
        read_failed(host, archive_error_string(archive), error);
        return NULL;
    }
    return g_steal_pointer(&content);
}

static gboolean write_bytes(Archive *archive, const MmrigEntry *entry, ArchiveEntry *header,
                            const void *data, gsize size, GError **error)
{
    archive_entry_set_size(header, (la_int64_t)size);
    if (archive_write_header(archive, header) != ARCHIVE_OK)
        return write_failed(archive, entry->path, error);
    return write_data(archive, entry->path, data, size, error);
}

static gboolean write_entry(Archive *archive, const MmrigEntry *entry, guint number,
                            char *buffer, GError **error)
{
    static const unsigned types[] = {
        [MMRIG_ENTRY_FOLDER] = AE_IFDIR, [MMRIG_ENTRY_FILE] = AE_IFREG,
        [MMRIG_ENTRY_BYTES] = AE_IFREG,  [MMRIG_ENTRY_LINK] = AE_IFLNK,
        [MMRIG_ENTRY_DEVICE] = 0, /* in the mode */
    };
    g_autoptr(ArchiveEntry) header = archive_entry_new();

    archive_entry_set_pathname(header, entry->path + 1);
    archive_entry_set_mode(header, (mode_t)(types[entry->kind] | entry->mode));
    archive_entry_set_mtime(header, 0, 0);
    archive_entry_set_uid(header, 0);
    archive_entry_set_gid(header, 0);
    /* Every number once and a link count of 1: nothing is taken for a hard link. */
    archive_entry_set_ino(header, number);
    archive_entry_set_nlink(header, 1);
    archive_entry_set_size(header, 0);
    switch (entry->kind) {
    case MMRIG_ENTRY_FILE:
        if (entry->packed) {
            g_autoptr(GByteArray) content = unpack(entry->host, buffer, error);
            return content &&
                   write_bytes(archive, entry, header, content->data, content->len, error);
        }
        return copy_file(archive, entry, header, buffer, error);
    case MMRIG_ENTRY_BYTES: {
        gsize size;
        const void *data = g_bytes_get_data(entry->bytes, &size);
        return write_bytes(archive, entry, header, data, size, error);
    }
    case MMRIG_ENTRY_LINK:
        archive_entry_set_symlink(header, entry->target);
        break;
    case MMRIG_ENTRY_DEVICE:
        archive_entry_set_rdev(header, makedev(entry->major, entry->minor));
        break;
    case MMRIG_ENTRY_FOLDER:
        break;
    }
    return archive_write_header(archive, header) == ARCHIVE_OK ||
           write_failed(archive, entry->path, error);
}

gboolean mmrig_image_write(MmrigImage *image, int fd, GError **error)
{
    g_autoptr(WriteArchive) archive = archive_write_new();
    g_autofree char *buffer = g_malloc(COPY_SIZE);
    guint number = 0;

    if (archive_write_set_format_cpio_newc(archive) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(archive, COPY_SIZE) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK ||
        archive_write_open_fd(archive, fd) != ARCHIVE_OK)
        return write_failed(archive, NULL, error);
    for (GTreeNode *at = g_tree_node_first(image->entries); at; at = g_tree_node_next(at))
        if (!write_entry(archive, g_tree_node_value(at), ++number, buffer, error))
            return FALSE;
    return archive_write_close(archive) == ARCHIVE_OK || write_failed(archive, NULL, error);
}
