/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shows what is in an archive. */
#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"
#include "initramfs.h"

#define READ_SIZE (1024 * 1024)

static char *image_list_describe(struct archive_entry *entry)
{
    g_autofree char *size = NULL;
    const char *target = archive_entry_symlink(entry);

    if (archive_entry_filetype(entry) == AE_IFCHR || archive_entry_filetype(entry) == AE_IFBLK)
        size = g_strdup_printf("%u,%u", (guint)archive_entry_rdevmajor(entry),
                               (guint)archive_entry_rdevminor(entry));
    else
        size = g_strdup_printf("%" G_GINT64_FORMAT, (gint64)archive_entry_size(entry));
    /* strmode's form, which archive_entry_strmode() gives with a blank at its end. */
    return g_strdup_printf("%s%10s /%s%s%s", archive_entry_strmode(entry), size,
                           archive_entry_pathname(entry), target ? " -> " : "",
                           target ? target : "");
}

gboolean mmrig_image_list(const char *path, MmrigImageLine line, gpointer data, GError **error)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    int code;

    archive_read_support_format_cpio(archive);
    code = archive_read_open_filename(archive, path, READ_SIZE);
    while (code == ARCHIVE_OK &&
           (code = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
        g_autofree char *text = image_list_describe(entry);
        line(text, data);
    }
    if (code != ARCHIVE_EOF)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: %s", path,
                    archive_error_string(archive));
    archive_read_free(archive);
    return code == ARCHIVE_EOF;
}
