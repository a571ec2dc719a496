/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks to boot from are made once, and each machine gets a copy of its own. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/store.h"
#include "vm/backing.h"
#include "vm/esp-store.h"
#include "vm/esp.h"

typedef struct {
    char *folder, *path;
    MmrigEsp esp;
} Fixture;

static char *make_file(const Fixture *fixture, const char *name, gsize size, char byte)
{
    char *path = g_build_filename(fixture->folder, name, NULL);
    g_autofree char *bytes = g_malloc(size);

    memset(bytes, byte, size);
    g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
    return path;
}

static void set_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    fixture->folder = g_dir_make_tmp("mmrig-esp-XXXXXX", &error);
    g_assert_no_error(error);
    g_setenv("XDG_CACHE_HOME", fixture->folder, TRUE);
    fixture->path = g_strdup(g_getenv("PATH"));
    fixture->esp.arch = mmrig_arch_default();
    fixture->esp.loader = make_file(fixture, "loader", 1000, 'l');
    fixture->esp.kernel = make_file(fixture, "kernel", 100000, 'k');
    fixture->esp.initrd = make_file(fixture, "initrd", 100000, 'i');
    fixture->esp.options = g_strdup("console=ttyS0");
}

static void tear_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_setenv("PATH", fixture->path, TRUE);
    g_assert_true(mmrig_remove_tree(fixture->folder, &error));
    g_free(fixture->folder);
    g_free(fixture->path);
    g_free(fixture->esp.loader);
    g_free(fixture->esp.kernel);
    g_free(fixture->esp.initrd);
    g_free(fixture->esp.options);
}

/* Whether the tools are here that make one; else the test says what is missing. */
static gboolean have_tools(const Fixture *fixture)
{
    g_autofree char *unmet = mmrig_esp_unmet(fixture->esp.arch, fixture->esp.loader);

    if (unmet)
        g_test_skip(unmet);
    return !unmet;
}

/* Wraps mformat so that it counts: one byte in the file for each call. */
static char *count_mformat(const Fixture *fixture)
{
    g_autofree char *real = g_find_program_in_path("mformat");
    g_autofree char *bin = g_build_filename(fixture->folder, "bin", NULL);
    g_autofree char *tool = g_build_filename(bin, "mformat", NULL);
    char *count = g_build_filename(fixture->folder, "count", NULL);
    g_autofree char *script =
        g_strdup_printf("#!/bin/sh\nprintf x >>'%s'\nexec '%s' \"$@\"\n", count, real);
    g_autofree char *path = g_strdup_printf("%s:%s", bin, fixture->path);
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(real);
    g_assert_no_errno(g_mkdir(bin, 0700));
    g_file_set_contents_full(tool, script, -1, G_FILE_SET_CONTENTS_NONE, 0755, &error);
    g_assert_no_error(error);
    g_setenv("PATH", path, TRUE);
    return count;
}

static gsize counted(const char *count)
{
    g_autofree char *text = NULL;
    gsize size = 0;

    g_file_get_contents(count, &text, &size, NULL);
    return size;
}

static char *digest_of(int fd)
{
    struct stat status;

    g_assert_no_errno(fstat(fd, &status));
    g_assert_cmpint(status.st_size, >, 0);
    guchar *bytes = mmap(NULL, (gsize)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    g_assert_true(bytes != MAP_FAILED);
    char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, (gsize)status.st_size);
    munmap(bytes, (gsize)status.st_size);
    return digest;
}

static char *boot(const Fixture *fixture)
{
    const MmrigBacking backing = {.device = (char *)"disk", .esp = (MmrigEsp *)&fixture->esp};
    g_autoptr(GError) error = NULL;
    int fd = memfd_create("test-esp-store", MFD_CLOEXEC);

    g_assert_no_errno(fd);
    mmrig_backing_empty(&backing, fd, &error);
    g_assert_no_error(error);
    char *digest = digest_of(fd);
    /* What a machine writes to its disk is its own affair. */
    g_assert_cmpint(pwrite(fd, "written by a guest", 18, 2 << 20), ==, 18);
    close(fd);
    return digest;
}

static void test_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    if (!have_tools(fixture))
        return;
    g_autofree char *count = count_mformat(fixture);
    g_autofree char *first = boot(fixture);
    g_autofree char *second = boot(fixture);

    g_assert_cmpstr(first, ==, second);
    g_assert_cmpuint(counted(count), ==, 1);

    g_free(fixture->esp.options);
    fixture->esp.options = g_strdup("console=ttyS0 quiet");
    g_autofree char *quiet = boot(fixture);
    g_assert_cmpuint(counted(count), ==, 2);
    g_assert_cmpstr(first, !=, quiet);

    g_free(fixture->esp.kernel);
    fixture->esp.kernel = make_file(fixture, "kernel", 100000, 'K');
    g_autofree char *other = boot(fixture);
    g_assert_cmpuint(counted(count), ==, 3);
    g_assert_cmpstr(quiet, !=, other);
}

/* A file that holds a disk of another size is one of this size afterwards. */
static void test_renewed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    if (!have_tools(fixture))
        return;
    g_autofree char *first = boot(fixture);
    int fd = memfd_create("test-esp-store", MFD_CLOEXEC);
    g_assert_no_errno(ftruncate(fd, 1 << 30));
    g_assert_cmpint(pwrite(fd, "old", 3, 40 << 20), ==, 3);
    mmrig_esp_copy(&fixture->esp, fd, &error);
    g_assert_no_error(error);
    g_autofree char *renewed = digest_of(fd);
    g_assert_cmpstr(first, ==, renewed);
    close(fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/esp-store/once", Fixture, NULL, set_up, test_once, tear_down);
    g_test_add("/esp-store/renewed", Fixture, NULL, set_up, test_renewed, tear_down);
    return g_test_run();
}
