/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of images share: a folder for each test, and a look into an image. */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/store.h"
#include "image/initramfs.h"
#include "mmrig-guest-protocol.h"

/* A folder that is empty at the start of each test; the cache is in it. */
typedef struct {
    char *folder;
    MmrigImage *image;
} Fixture;

static inline void set_up(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    fixture->folder = g_strdup(g_getenv("XDG_CACHE_HOME"));
    g_assert_cmpint(g_mkdir(fixture->folder, 0700), ==, 0);
    fixture->image = mmrig_image_new();
}

static inline void tear_down(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    mmrig_image_free(fixture->image);
    mmrig_remove_tree(fixture->folder, &error);
    g_assert_no_error(error);
    g_free(fixture->folder);
}

static inline char *make_file(Fixture *fixture, const char *name, const char *text)
{
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(fixture->folder, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    return path;
}

/* The archive of an image, as written. */
static inline GBytes *written(MmrigImage *image)
{
    g_autoptr(GError) error = NULL;
    char name[] = "/tmp/mmrig-image-XXXXXX";
    int fd = g_mkstemp(name);
    char *text;
    gsize size;

    g_assert_cmpint(fd, >=, 0);
    mmrig_image_write(image, fd, &error);
    g_assert_no_error(error);
    close(fd);
    g_file_get_contents(name, &text, &size, &error);
    g_assert_no_error(error);
    unlink(name);
    return g_bytes_new_take(text, size);
}

/* One line for each entry: "MODE UID GID MTIME NLINK PATH [-> TARGET] [MAJOR:MINOR] [= DATA]".
 */
static inline char *described(GBytes *bytes)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    GString *text = g_string_new(NULL);
    int code;

    archive_read_support_format_cpio(archive);
    g_assert_cmpint(archive_read_open_memory(archive, g_bytes_get_data(bytes, NULL),
                                             g_bytes_get_size(bytes)),
                    ==, ARCHIVE_OK);
    while ((code = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
        g_string_append_printf(text, "%o %d %d %d %u %s", (guint)archive_entry_mode(entry),
                               (int)archive_entry_uid(entry), (int)archive_entry_gid(entry),
                               (int)archive_entry_mtime(entry), archive_entry_nlink(entry),
                               archive_entry_pathname(entry));
        if (archive_entry_symlink(entry))
            g_string_append_printf(text, " -> %s", archive_entry_symlink(entry));
        if (S_ISCHR(archive_entry_mode(entry)) || S_ISBLK(archive_entry_mode(entry)))
            g_string_append_printf(text, " %u:%u", (guint)archive_entry_rdevmajor(entry),
                                   (guint)archive_entry_rdevminor(entry));
        if (S_ISREG(archive_entry_mode(entry)) && archive_entry_size(entry) > 0 &&
            archive_entry_size(entry) < 4096) {
            char data[4096] = "";
            g_assert_cmpint(archive_read_data(archive, data, sizeof(data) - 1), ==,
                            archive_entry_size(entry));
            g_string_append_printf(text, " = %s", data);
        }
        g_string_append_c(text, '\n');
    }
    g_assert_cmpint(code, ==, ARCHIVE_EOF);
    archive_read_free(archive);
    return g_string_free(text, FALSE);
}

static inline char *contents(MmrigImage *image)
{
    g_autoptr(GBytes) bytes = written(image);

    return described(bytes);
}

/* Runs the tests with a cache of their own. */
static inline int image_tests_run(void)
{
    g_autofree char *parent = g_dir_make_tmp("mmrig-image-XXXXXX", NULL);
    g_autofree char *folder = g_build_filename(parent, "test", NULL);

    g_setenv("XDG_CACHE_HOME", folder, TRUE);
    int status = g_test_run();
    g_assert_cmpint(g_rmdir(parent), ==, 0);
    return status;
}

#define TEST(name) g_test_add("/image/" #name, Fixture, NULL, set_up, test_##name, tear_down)
