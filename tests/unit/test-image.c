/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images: what is in them, that the same parts give the same bytes, and what is refused. */
#include "image-fixture.h"

/* ---- Entries -------------------------------------------------------------------------- */

static void test_read_back(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *host = make_file(fixture, "host", "from the host");
    MmrigImage *image = fixture->image;

    g_assert_true(mmrig_image_add_bytes(image, "/etc/words", "a few", 5, 0640, &error));
    g_assert_true(mmrig_image_add_bytes(image, "/etc/none", NULL, 0, 0644, &error));
    g_assert_true(mmrig_image_add_file(image, "/sbin/tool", host, 0755, &error));
    g_assert_true(mmrig_image_add_link(image, "/etc/link", "words", &error));
    g_assert_true(mmrig_image_add_folder(image, "/tmp", 01777, &error));
    g_assert_true(mmrig_image_add_device(image, "/dev/console", S_IFCHR | 0600, 5, 1, &error));
    g_assert_no_error(error);

    g_autofree char *text = contents(image);
    g_assert_cmpstr(text, ==,
                    "40755 0 0 0 1 dev\n"
                    "20600 0 0 0 1 dev/console 5:1\n"
                    "40755 0 0 0 1 etc\n"
                    "120777 0 0 0 1 etc/link -> words\n"
                    "100644 0 0 0 1 etc/none\n"
                    "100640 0 0 0 1 etc/words = a few\n"
                    "120777 0 0 0 1 sbin -> usr/sbin\n"
                    "41777 0 0 0 1 tmp\n"
                    "40755 0 0 0 1 usr\n"
                    "40755 0 0 0 1 usr/sbin\n"
                    "100755 0 0 0 1 usr/sbin/tool = from the host\n");
}

/* A large file passes through whole. */
static void test_large_file(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(fixture->folder, "large", NULL);
    gsize size = 5 * 1024 * 1024 + 3;
    g_autofree char *bytes = g_malloc(size);

    for (gsize i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 4096);
    g_file_set_contents(path, bytes, (gssize)size, &error);
    g_assert_no_error(error);
    g_assert_true(mmrig_image_add_file(fixture->image, "/large", path, 0644, &error));

    g_autoptr(GBytes) archive = written(fixture->image);
    g_assert_nonnull(g_bytes_get_data(archive, NULL));
    g_assert_nonnull(
        memmem(g_bytes_get_data(archive, NULL), g_bytes_get_size(archive), bytes, size));
    g_assert_cmpuint(g_bytes_get_size(archive), <, size + 1024);
}

/* A folder made for what is in it takes the mode it is given later. */
static void test_folder_mode(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(mmrig_image_add_bytes(fixture->image, "/a/b", "x", 1, 0644, &error));
    g_assert_true(mmrig_image_add_folder(fixture->image, "/a", 0700, &error));
    g_assert_true(mmrig_image_add_bytes(fixture->image, "/a/c", "x", 1, 0644, &error));
    g_assert_true(mmrig_image_add_folder(fixture->image, "/a", 0700, &error));
    g_assert_false(mmrig_image_add_folder(fixture->image, "/a", 0755, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_autofree char *text = contents(fixture->image);
    g_assert_true(g_str_has_prefix(text, "40700 0 0 0 1 a\n"));
}

static void test_conflicts(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    static const char *const lines[] = {
        "folder /file",
        "folder /file/below",
        "link /file elsewhere",
        "link /link elsewhere",
        "folder /link/below",
        "link /folder elsewhere",
        "device /file char 1 2",
        "device /device block 1 3",
        "device /device char 1 4",
        "device /device char 1 3 mode=0666",
        "link /bin elsewhere",
        "folder /merged",
        "file /folder /etc/passwd",
        "file /usr/bin/tool /etc/passwd",
    };
    static const char same[] = "folder /folder\nlink /link there\ndevice /device char 1 3\n"
                               "link /bin usr/bin\nfolder /bin\n";

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(MmrigImage) image = mmrig_image_new();
        g_autoptr(GError) error = NULL;
        g_assert_true(mmrig_image_add_bytes(image, "/file", "x", 1, 0644, NULL));
        g_assert_true(mmrig_image_add_bytes(image, "/bin/tool", "x", 1, 0644, NULL));
        g_assert_true(mmrig_image_add_bytes(image, "/merged", "x", 1, 0644, NULL));
        for (guint again = 0; again < 2; again++)
            g_assert_true(
                mmrig_image_add_manifest_text(image, same, strlen(same), "same", NULL));
        g_autofree char *before = contents(image);
        g_test_message("%s", lines[i]);
        g_assert_false(
            mmrig_image_add_manifest_text(image, lines[i], strlen(lines[i]), "m", &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
        g_assert_null(strchr(error->message, '\n'));
        g_autofree char *after = contents(image);
        g_assert_cmpstr(before, ==, after);
    }
    g_autoptr(GError) error = NULL;
    g_assert_true(mmrig_image_add_bytes(fixture->image, "/file", "x", 1, 0644, &error));
    g_assert_true(mmrig_image_add_bytes(fixture->image, "/file", "x", 1, 0644, &error));
    g_assert_false(mmrig_image_add_bytes(fixture->image, "/file", "y", 1, 0644, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
}

/* An applet gives way to a tool of its name, whichever is added first. */
static void test_applets(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    static const char applets[] = "applets /usr/bin/busybox /bin ls mount\n";
    g_autoptr(MmrigImage) other = mmrig_image_new();
    g_autofree char *tool = make_file(fixture, "mount", "tool");

    g_assert_true(mmrig_image_add_file(fixture->image, "/bin/mount", tool, 0755, NULL));
    g_assert_true(
        mmrig_image_add_manifest_text(fixture->image, applets, strlen(applets), "m", NULL));
    g_assert_true(mmrig_image_add_manifest_text(other, applets, strlen(applets), "m", NULL));
    g_assert_true(mmrig_image_add_file(other, "/bin/mount", tool, 0755, NULL));

    g_autofree char *one = contents(fixture->image), *two = contents(other);
    g_assert_cmpstr(one, ==, two);
    g_assert_nonnull(strstr(one, "usr/bin/ls -> /usr/bin/busybox\n"));
    g_assert_nonnull(strstr(one, "usr/bin/mount = tool\n"));
}

/* ---- Same and different --------------------------------------------------------------- */

static void add_parts(MmrigImage *image, const char *const *paths, gboolean backwards)
{
    for (guint i = 0; i < 3; i++) {
        guint which = backwards ? 2 - i : i;
        g_autofree char *guest = g_strdup_printf("/part/%u/file", which);
        g_assert_true(mmrig_image_add_file(image, guest, paths[which], 0644, NULL));
        g_autofree char *folder = g_strdup_printf("/part/%u", 2 - which);
        g_assert_true(mmrig_image_add_folder(image, folder, 0700 + which, NULL));
    }
}

static void test_same_bytes(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autofree char *a = make_file(fixture, "a", "one"), *b = make_file(fixture, "b", "two"),
                    *c = make_file(fixture, "c", "three");
    const char *const paths[] = {a, b, c};
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    g_autoptr(MmrigImage) other = mmrig_image_new();

    add_parts(fixture->image, paths, FALSE);
    g_autoptr(GBytes) first = written(fixture->image);
    g_autofree char *first_key = mmrig_image_key(fixture->image, NULL);

    add_parts(other, paths, TRUE);
    g_autofree char *second_key = mmrig_image_key(other, NULL);
    g_assert_cmpstr(first_key, ==, second_key);

    for (guint i = 0; i < 3; i++) {
        g_assert_cmpint(utimensat(AT_FDCWD, paths[i], times, 0), ==, 0);
        g_assert_cmpint(chmod(paths[i], 0600), ==, 0);
    }
    g_autoptr(GBytes) second = written(other);
    g_assert_true(g_bytes_equal(first, second));
    /* Another modification time may mean other content, so it is another key. */
    g_autofree char *third_key = mmrig_image_key(other, NULL);
    g_assert_cmpstr(first_key, !=, third_key);
}

static void test_different_keys(G_GNUC_UNUSED Fixture *fixture,
                                G_GNUC_UNUSED gconstpointer data)
{
    static const char *const manifests[] = {
        "",
        "folder /a",
        "folder /a mode=0700",
        "folder /b",
        "link /a b",
        "link /a c",
        "link /b c",
        "file /a /etc/passwd",
        "file /b /etc/passwd",
        "file /a /etc/passwd mode=0755",
        "file /a /etc/group",
        "device /a char 1 2",
        "device /a block 1 2",
        "device /a char 2 2",
        "device /a char 1 3",
        "folder /a\nfolder /b",
    };
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(manifests); i++) {
        g_autoptr(MmrigImage) image = mmrig_image_new();
        g_autoptr(GError) error = NULL;
        mmrig_image_add_manifest_text(image, manifests[i], strlen(manifests[i]), "m", &error);
        g_assert_no_error(error);
        g_test_message("%s", manifests[i]);
        g_assert_true(g_hash_table_add(seen, mmrig_image_key(image, &error)));
        g_assert_no_error(error);
    }
    g_autoptr(MmrigImage) one = mmrig_image_new(), two = mmrig_image_new();
    g_assert_true(mmrig_image_add_bytes(one, "/a", "x\0y", 3, 0644, NULL));
    g_assert_true(mmrig_image_add_bytes(two, "/a", "x\0z", 3, 0644, NULL));
    g_assert_true(g_hash_table_add(seen, mmrig_image_key(one, NULL)));
    g_assert_true(g_hash_table_add(seen, mmrig_image_key(two, NULL)));
}

static void test_ensure(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *host = make_file(fixture, "host", "content");
    struct stat first, second;

    g_assert_true(mmrig_image_add_file(fixture->image, "/a", host, 0644, &error));
    g_autofree char *path = mmrig_image_ensure(fixture->image, &error);
    g_assert_no_error(error);
    g_assert_cmpint(stat(path, &first), ==, 0);
    g_autoptr(GBytes) expected = written(fixture->image);
    g_autofree char *text = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(path, &text, &size, NULL));
    g_assert_cmpmem(text, size, g_bytes_get_data(expected, NULL), g_bytes_get_size(expected));

    g_autofree char *again = mmrig_image_ensure(fixture->image, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(path, ==, again);
    g_assert_cmpint(stat(path, &second), ==, 0);
    g_assert_cmpuint(first.st_ino, ==, second.st_ino);
}

/* An image that was not used for long goes when another is made; a used one stays. */
static void test_drop_old(G_GNUC_UNUSED Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    MmrigImage *images[] = {mmrig_image_new(), mmrig_image_new(), mmrig_image_new()};
    g_autofree char *unused = NULL, *used = NULL;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 3; i++)
        g_assert_true(mmrig_image_add_bytes(images[i], "/a", &"123"[i], 1, 0644, NULL));
    unused = mmrig_image_ensure(images[0], &error);
    used = mmrig_image_ensure(images[1], &error);
    g_assert_no_error(error);
    g_assert_cmpint(utimensat(AT_FDCWD, unused, old, 0), ==, 0);
    g_assert_cmpint(utimensat(AT_FDCWD, used, old, 0), ==, 0);
    g_autofree char *again = mmrig_image_ensure(images[1], &error);
    g_assert_cmpstr(again, ==, used);
    g_assert_true(g_file_test(unused, G_FILE_TEST_EXISTS));
    g_autofree char *newest = mmrig_image_ensure(images[2], &error);
    g_assert_no_error(error);
    g_assert_false(g_file_test(unused, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(used, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(newest, G_FILE_TEST_EXISTS));
    for (guint i = 0; i < 3; i++)
        mmrig_image_free(images[i]);
}

static void test_full_disk(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    if (full < 0) {
        g_test_skip("there is no /dev/full");
        return;
    }
    g_assert_true(mmrig_image_add_bytes(fixture->image, "/a", "x", 1, 0644, &error));
    g_assert_false(mmrig_image_write(fixture->image, full, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_nonnull(strstr(error->message, "No space left on device"));
    g_assert_null(strchr(error->message, '\n'));
    close(full);
}

/* A host file that goes away between adding and writing leaves nothing in the cache. */
static void test_file_vanishes(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *host = make_file(fixture, "host", "content");
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    g_assert_true(mmrig_image_add_file(fixture->image, "/a", host, 0644, &error));
    g_assert_cmpint(unlink(host), ==, 0);
    g_assert_false(mmrig_image_write(fixture->image, fd, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_clear_error(&error);
    close(fd);
    g_assert_null(mmrig_image_ensure(fixture->image, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, host));
    g_autofree char *folder = g_build_filename(fixture->folder, "mmrig", "images", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));)
        g_assert_false(g_str_has_suffix(name, ".cpio"));
}

/* ---- Manifests ------------------------------------------------------------------------ */

static void test_hostile_manifests(G_GNUC_UNUSED Fixture *fixture,
                                   G_GNUC_UNUSED gconstpointer data)
{
    static const struct {
        const char *text;
        const char *said;
    } rows[] = {
        {"colour red", "m:1: unknown key 'colour'"},
        {"# fine\n\n  \t\nfolder relative", "m:4: guest path 'relative' is not absolute"},
        {"folder /a/../b", "has a part '.' or '..'"},
        {"folder /a/.", "has a part '.' or '..'"},
        {"folder /..", "has a part '.' or '..'"},
        {"folder /a//b", "has an empty part"},
        {"folder /a/", "has an empty part"},
        {"folder /", "has an empty part"},
        {"folder", "wrong number of words; right would be: folder PATH"},
        {"folder /a /b", "wrong number of words"},
        {"folder /a mode=8", "mode '8' is not an octal number"},
        {"folder /a mode=10000", "is not an octal number"},
        {"folder /a mode=-1", "is not an octal number"},
        {"folder /a mode=", "'mode=' has no value"},
        {"folder /a mode=0700 mode=0700", "second of its kind"},
        {"folder /a owner=0", "unknown option 'owner=0'"},
        {"folder /a package=x", "unknown option 'package=x'"},
        {"folder /a\x01", "not printable ASCII"},
        {"folder /\xc3\xa4", "not printable ASCII"},
        {"folder /a\r\n", "not printable ASCII"},
        {"file", "wrong number of words"},
        {"file /a", "cannot read /a for the image: No such file"},
        {"file /a etc/passwd", "host path 'etc/passwd' is not absolute"},
        {"file /a /etc/../etc/passwd", "would be written '/etc/passwd'"},
        {"file /a /etc", "it is not a regular file"},
        {"file /a /dev/zero", "it is not a regular file"},
        {"file /a /no/such/file package=some-package", "apt-get install some-package"},
        {"program", "wrong number of words"},
        {"program ../bin/sh", "neither a name nor an absolute path"},
        {"program /usr/bin/../bin/sh", "would be written '/usr/bin/sh'"},
        {"program no-such-program-here package=some-package", "apt-get install some-package"},
        {"program no-such-program-here", "no-such-program-here"},
        {"program /etc/passwd", "is not on this host"},
        {"link /a", "wrong number of words"},
        {"link a b", "is not absolute"},
        {"device /a char 1", "wrong number of words"},
        {"device /a pipe 1 2", "neither char nor block"},
        {"device /a char x 2", "is not a device number"},
        {"device /a char 1 -2", "is not a device number"},
        {"device /a char 4096 2", "is out of bounds"},
        {"device /a char 1 1048576", "is out of bounds"},
        {"device /a char 99999999999 2", "is not a device number"},
        {"applets /bin/busybox /bin", "wrong number of words"},
        {"applets /bin/busybox /bin ../ls", "is not a plain name"},
        {"applets /bin/busybox /bin ..", "has a part '.' or '..'"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(MmrigImage) image = mmrig_image_new();
        g_autoptr(GError) error = NULL;
        g_test_message("%s", rows[i].text);
        g_assert_false(mmrig_image_add_manifest_text(image, rows[i].text, strlen(rows[i].text),
                                                     "m", &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
        g_assert_true(g_str_has_prefix(error->message, "m:"));
        g_assert_null(strchr(error->message, '\n'));
        if (!strstr(error->message, rows[i].said))
            g_error("'%s' does not say '%s'", error->message, rows[i].said);
    }
}

static void test_manifest_bounds(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folders = g_strnfill(1000, 'a');
    g_autofree char *fits = g_strconcat("folder /", folders, NULL);
    g_autofree char *long_name = g_strconcat("folder /", folders, folders, NULL);
    g_autoptr(GString) words = g_string_new("applets /b /c");
    g_autoptr(GString) comments = g_string_new(NULL);

    g_assert_true(
        mmrig_image_add_manifest_text(fixture->image, fits, strlen(fits), "m", &error));
    g_assert_no_error(error);
    g_assert_false(mmrig_image_add_manifest_text(fixture->image, long_name, strlen(long_name),
                                                 "m", &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_clear_error(&error);

    for (guint i = 0; i < 255; i++)
        g_string_append_printf(words, " n%u", i);
    g_assert_false(
        mmrig_image_add_manifest_text(fixture->image, words->str, words->len, "m", &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_clear_error(&error);

    g_assert_false(
        mmrig_image_add_manifest_text(fixture->image, "folder /a\0b", 11, "m", &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_clear_error(&error);

    while (comments->len <= 256 * 1024)
        g_string_append(comments, "# and so on\n");
    g_assert_false(mmrig_image_add_manifest_text(fixture->image, comments->str, comments->len,
                                                 "m", &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_clear_error(&error);

    g_assert_false(mmrig_image_add_manifest(fixture->image, "/no/such.manifest", &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "/no/such.manifest"));
}

/* The manifests that mmrig comes with; those whose packages are not here must say so. */
static void test_own_manifests(G_GNUC_UNUSED Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autofree char *folder = g_build_filename(MMRIG_TEST_SOURCE, "..", "images", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    guint found = 0;
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autoptr(MmrigImage) image = mmrig_image_new();
        g_autoptr(GError) error = NULL;
        if (!g_str_has_suffix(name, ".manifest"))
            continue;
        found++;
        if (!mmrig_image_add_manifest(image, path, &error))
            g_assert_nonnull(strstr(error->message, "apt-get install "));
    }
    g_assert_cmpuint(found, >=, 3);
}

/* ---- Programs ------------------------------------------------------------------------- */

/* A program of the host, run from the unpacked image with nothing else around it. */
static void test_program(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    mmrig_image_add_program(fixture->image, "cat", "coreutils", &error);
    g_assert_no_error(error);
    mmrig_image_add_program(fixture->image, "/bin/cat", NULL, &error);
    g_assert_no_error(error);
    g_autofree char *text = contents(fixture->image);
    g_assert_nonnull(strstr(text, "100755 0 0 0 1 usr/bin/cat\n"));
    g_assert_nonnull(strstr(text, "120777 0 0 0 1 lib64 -> usr/lib64\n"));
    g_assert_nonnull(strstr(text, "100755 0 0 0 1 usr/lib64/ld-linux-x86-64.so.2\n"));
    g_assert_nonnull(strstr(text, "100755 0 0 0 1 usr/lib/x86_64-linux-gnu/libc.so.6\n"));

    /* What was remembered of its libraries gives the same image. */
    g_autoptr(MmrigImage) other = mmrig_image_new();
    g_assert_true(mmrig_image_add_program(other, "cat", NULL, &error));
    g_autofree char *again = contents(other);
    g_assert_cmpstr(text, ==, again);
}

static void test_program_refused(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    static const struct {
        const char *content;
        const char *said;
    } rows[] = {
        {"", "not an ELF program"},
        {"#!/bin/sh\necho\n", "not an ELF program"},
        {"\177ELF but not for long", "not an ELF program"},
        {"\177ELF\1\1\1 the first byte says 32 bits, and there are 64 bytes in all......",
         "not for x86-64"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = make_file(fixture, "program", rows[i].content);
        g_assert_cmpint(chmod(path, 0755), ==, 0);
        g_assert_false(mmrig_image_add_program(fixture->image, path, NULL, &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
        g_assert_nonnull(strstr(error->message, rows[i].said));
        g_assert_nonnull(strstr(error->message, path));
    }

    /* This test with a loader that is not the distribution's is not run to find out. */
    g_autoptr(GError) error = NULL;
    g_autofree char *self = NULL;
    gsize size;
    g_assert_true(g_file_get_contents("/bin/cat", &self, &size, &error));
    char *loader = memmem(self, size, "/lib64/ld-linux", 15);
    g_assert_nonnull(loader);
    loader[1] = 'L';
    g_autofree char *path = g_build_filename(fixture->folder, "strange", NULL);
    g_assert_true(g_file_set_contents_full(path, self, (gssize)size, G_FILE_SET_CONTENTS_NONE,
                                           0755, &error));
    g_assert_false(mmrig_image_add_program(fixture->image, path, NULL, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "its dynamic loader is not"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST(read_back);
    TEST(large_file);
    TEST(folder_mode);
    TEST(conflicts);
    TEST(applets);
    TEST(same_bytes);
    TEST(different_keys);
    TEST(ensure);
    TEST(drop_old);
    TEST(full_disk);
    TEST(file_vanishes);
    TEST(hostile_manifests);
    TEST(manifest_bounds);
    TEST(own_manifests);
    TEST(program);
    TEST(program_refused);
    return image_tests_run();
}
