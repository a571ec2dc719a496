/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private copies of a template's files, on file systems that can share data and on such that
 * cannot. MMRIG_TEST_REFLINK can name a folder on one that can (XFS, Btrfs); as hardly any host
 * of a test has one, the call that shares is played here as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/store.h"
#include "vm/private-copy.h"

#define SIZE (4 << 20)
#define AT   (1 << 20)

static const char data[] = "what the guest has written";

typedef struct {
    char *folder;
    int from;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer parent)
{
    g_autofree char *name =
        g_build_filename(parent ? (const char *)parent : g_get_tmp_dir(), "copy-XXXXXX", NULL);

    fixture->folder = g_strdup(g_mkdtemp(name));
    g_assert_nonnull(fixture->folder);
    g_autofree char *path = g_build_filename(fixture->folder, "from", NULL);
    fixture->from = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_assert_no_errno(fixture->from);
    g_assert_no_errno(ftruncate(fixture->from, SIZE));
    g_assert_cmpint(pwrite(fixture->from, data, sizeof(data), AT), ==, sizeof(data));
    g_assert_no_errno(fsync(fixture->from));
}

static void tear_down(Fixture *fixture, gconstpointer parent G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    close(fixture->from);
    g_assert_true(mmrig_remove_tree(fixture->folder, &error));
    g_free(fixture->folder);
}

static guint64 device_of(int fd)
{
    struct stat status;

    g_assert_no_errno(fstat(fd, &status));
    return status.st_dev;
}

static gboolean is_where_the_file_is(const Fixture *fixture, int copy)
{
    return device_of(copy) == device_of(fixture->from);
}

static void assert_holds(int fd, const char *text)
{
    char got[sizeof(data)] = "";

    g_assert_cmpint(pread(fd, got, sizeof(got), AT), ==, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), text, sizeof(data));
}

/* The same bytes, a file of its own, without a name, and no holes filled. */
static void assert_private(const Fixture *fixture, int copy)
{
    static const char other[sizeof(data)] = "what another one writes ..";
    struct stat status;

    g_assert_no_errno(copy);
    g_assert_no_errno(fstat(copy, &status));
    g_assert_cmpint(status.st_size, ==, SIZE);
    g_assert_cmpint(status.st_nlink, ==, 0);
    g_assert_cmpint(status.st_blocks * 512, <, SIZE / 2);
    assert_holds(copy, data);
    char before = 'x';
    g_assert_cmpint(pread(copy, &before, 1, AT - 1), ==, 1);
    g_assert_cmpint(before, ==, 0);

    g_assert_cmpint(pwrite(copy, other, sizeof(other), AT), ==, sizeof(other));
    assert_holds(copy, other);
    assert_holds(fixture->from, data);
}

static guint asked;

static int refuses(int to G_GNUC_UNUSED, int from G_GNUC_UNUSED)
{
    asked++;
    errno = EOPNOTSUPP;
    return -1;
}

/* What the ioctl does, less the sharing. */
static int plays_along(int to, int from)
{
    asked++;
    g_assert_true(device_of(to) == device_of(from));
    g_assert_no_errno(ftruncate(to, SIZE));
    g_assert_cmpint(pwrite(to, data, sizeof(data), AT), ==, sizeof(data));
    return 0;
}

static int is_not_asked(int to G_GNUC_UNUSED, int from G_GNUC_UNUSED)
{
    g_assert_not_reached();
}

static void test_shared(Fixture *fixture, gconstpointer parent G_GNUC_UNUSED)
{
    asked = 0;
    int copy = mmrig_private_copy(fixture->from, fixture->folder, "c", SIZE, plays_along);

    g_assert_cmpuint(asked, ==, 1);
    assert_private(fixture, copy);
    g_assert_true(is_where_the_file_is(fixture, copy));
    close(copy);
}

static void test_refused(Fixture *fixture, gconstpointer parent G_GNUC_UNUSED)
{
    asked = 0;
    int copy = mmrig_private_copy(fixture->from, fixture->folder, "c", SIZE, refuses);

    g_assert_cmpuint(asked, ==, 1);
    assert_private(fixture, copy);
    g_assert_false(is_where_the_file_is(fixture, copy));
    close(copy);
}

/* A store that is gone is no reason not to run. */
static void test_no_folder(Fixture *fixture, gconstpointer parent G_GNUC_UNUSED)
{
    int copy = mmrig_private_copy(fixture->from, "/nonexistent", "c", SIZE, is_not_asked);

    assert_private(fixture, copy);
    close(copy);
}

/* By the real call, wherever this runs. */
static void test_real(Fixture *fixture, gconstpointer parent G_GNUC_UNUSED)
{
    int copy = mmrig_private_copy(fixture->from, fixture->folder, "c", SIZE, mmrig_reflink);

    assert_private(fixture, copy);
    close(copy);
}

/* As test_real(), where it is known that data can be shared. */
static void test_known(Fixture *fixture, gconstpointer parent G_GNUC_UNUSED)
{
    int copy = mmrig_private_copy(fixture->from, fixture->folder, "c", SIZE, mmrig_reflink);

    assert_private(fixture, copy);
    g_assert_true(is_where_the_file_is(fixture, copy));
    close(copy);
}

static void test_unreadable(Fixture *fixture, gconstpointer parent G_GNUC_UNUSED)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    g_assert_no_errno(null);
    g_assert_cmpint(mmrig_private_copy(null, fixture->folder, "c", SIZE, mmrig_reflink), ==,
                    -1);
    g_assert_cmpint(errno, !=, 0);
    close(null);
}

int main(int argc, char **argv)
{
    const char *known = g_getenv("MMRIG_TEST_REFLINK");
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer parent);
    } tests[] = {
        {"/private-copy/shared", test_shared},         {"/private-copy/refused", test_refused},
        {"/private-copy/no-folder", test_no_folder},   {"/private-copy/real", test_real},
        {"/private-copy/unreadable", test_unreadable},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    if (known)
        g_test_add("/private-copy/known", Fixture, known, set_up, test_known, tear_down);
    return g_test_run();
}
