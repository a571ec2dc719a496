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

#include "base/error.h"
#include "base/io.h"

#define COPY_SIZE (1024 * 1024)

/* A limit for a file that unpacks without end; no kernel module is nearly as large. */
#define UNPACK_MAX (256 * 1024 * 1024)

typedef struct archive Archive;
typedef struct archive_entry ArchiveEntry;

static void close_reader(Archive *archive)
{
    archive_read_free(archive);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Archive, close_reader)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchiveEntry, archive_entry_free)

typedef struct {
    Archive *archive;
    int fd;
    int failure; /* errno of the write that failed, or 0; nothing is written after it */
    char *buffer;
} Writer;

/*
 * libarchive (3.6) leaks its buffers once a write has failed, so it is not told; whoever
 * calls it looks at writer->failure afterwards.
 */
static la_ssize_t write_block(G_GNUC_UNUSED Archive *archive, void *data, const void *block,
                              size_t size)
{
    Writer *writer = data;

    if (writer->failure == 0 && !mmrig_io_write_all(writer->fd, block, size))
        writer->failure = errno;
    return (la_ssize_t)size;
}

/* What became of a call of libarchive at an entry (NULL: the whole). */
static gboolean archive_check(const Writer *writer, gboolean ok, const MmrigEntry *entry,
                              GError **error)
{
    if (ok && writer->failure == 0)
        return TRUE;
    const char *problem =
        writer->failure ? g_strerror(writer->failure) : archive_error_string(writer->archive);
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write the image%s%s: %s",
                entry ? " at " : "", entry ? entry->path : "",
                problem ? problem : "unknown error");
    return FALSE;
}

static gboolean write_header(Writer *writer, const MmrigEntry *entry, ArchiveEntry *header,
                             gint64 size, GError **error)
{
    archive_entry_set_size(header, size);
    return archive_check(writer, archive_write_header(writer->archive, header) == ARCHIVE_OK,
                         entry, error);
}

static gboolean write_data(Writer *writer, const MmrigEntry *entry, const void *data,
                           gsize size, GError **error)
{
    la_ssize_t written = archive_write_data(writer->archive, data, size);

    return archive_check(writer, written >= 0 && (gsize)written == size, entry, error);
}

static gboolean read_failed(const char *host, const char *why, GError **error)
{
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "cannot read %s for the image: %s", host,
                why);
    return FALSE;
}

static gboolean archive_copy_data(Writer *writer, const MmrigEntry *entry, ArchiveEntry *header,
                                  int fd, GError **error)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return read_failed(entry->host, g_strerror(errno), error);
    if (!write_header(writer, entry, header, info.st_size, error))
        return FALSE;
    for (goffset left = info.st_size; left > 0;) {
        gssize got = read(fd, writer->buffer, (gsize)MIN(left, COPY_SIZE));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return read_failed(entry->host, g_strerror(errno), error);
        if (got == 0)
            return read_failed(entry->host, "it became shorter meanwhile", error);
        if (!write_data(writer, entry, writer->buffer, (gsize)got, error))
            return FALSE;
        left -= got;
    }
    return TRUE;
}

static gboolean copy_file(Writer *writer, const MmrigEntry *entry, ArchiveEntry *header,
                          GError **error)
{
    int fd = open(entry->host, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return read_failed(entry->host, g_strerror(errno), error);
    gboolean ok = archive_copy_data(writer, entry, header, fd, error);
    close(fd);
    return ok;
}

/* The unpacked content of a host file. */
static GByteArray *archive_unpack(const char *host, char *buffer, GError **error)
{
    g_autoptr(Archive) archive = archive_read_new();
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

static gboolean archive_write_bytes(Writer *writer, const MmrigEntry *entry,
                                    ArchiveEntry *header, const void *data, gsize size,
                                    GError **error)
{
    return write_header(writer, entry, header, (gint64)size, error) &&
           write_data(writer, entry, data, size, error);
}

static gboolean archive_write_entry(Writer *writer, const MmrigEntry *entry, guint number,
                                    GError **error)
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
    /*
     * Each entry has a number of its own and a link count of 1, so that none is taken for a
     * hard link.
     */
    archive_entry_set_ino(header, number);
    archive_entry_set_nlink(header, 1);
    switch (entry->kind) {
    case MMRIG_ENTRY_FILE:
        if (entry->packed) {
            g_autoptr(GByteArray) content = archive_unpack(entry->host, writer->buffer, error);
            return content && archive_write_bytes(writer, entry, header, content->data,
                                                  content->len, error);
        }
        return copy_file(writer, entry, header, error);
    case MMRIG_ENTRY_BYTES: {
        gsize size;
        const void *data = g_bytes_get_data(entry->bytes, &size);
        return archive_write_bytes(writer, entry, header, data, size, error);
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
    return write_header(writer, entry, header, 0, error);
}

static gboolean archive_write_all(Writer *writer, MmrigImage *image, GError **error)
{
    Archive *archive = writer->archive;
    guint number = 0;

    if (!archive_check(
            writer,
            archive_write_set_format_cpio_newc(archive) == ARCHIVE_OK &&
                archive_write_set_bytes_per_block(archive, COPY_SIZE) == ARCHIVE_OK &&
                archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK &&
                archive_write_open(archive, writer, NULL, write_block, NULL) == ARCHIVE_OK,
            NULL, error))
        return FALSE;
    for (GTreeNode *at = g_tree_node_first(image->entries); at; at = g_tree_node_next(at))
        if (!archive_write_entry(writer, g_tree_node_value(at), ++number, error))
            return FALSE;
    return archive_check(writer, archive_write_close(archive) == ARCHIVE_OK, NULL, error);
}

gboolean mmrig_image_write(MmrigImage *image, int fd, GError **error)
{
    g_autofree char *buffer = g_malloc(COPY_SIZE);
    Writer writer = {.archive = archive_write_new(), .fd = fd, .buffer = buffer};
    gboolean ok = archive_write_all(&writer, image, error);

    /* Freeing writes what is left, which is of no use to an image that is given up. */
    if (!ok)
        writer.failure = ECANCELED;
    archive_write_free(writer.archive);
    return ok;
}
