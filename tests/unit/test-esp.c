/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk that firmware boots from: its partition table as sfdisk reads it, the file system as
 * mtools do, and what is said where it cannot be made.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"
#include "base/store.h"
#include "vm/backing.h"
#include "vm/esp.h"

#define SECTOR 512

typedef struct {
    char *folder;
    MmrigEsp esp;
    int fd;
    char *drive; /* the file system, for mtools */
} Fixture;

static char *make_file(const Fixture *fixture, const char *name, gsize size, char letter)
{
    char *path = g_build_filename(fixture->folder, name, NULL);
    g_autofree char *contents = g_malloc(size + 1);

    memset(contents, letter, size);
    contents[size] = '\n';
    g_assert_true(g_file_set_contents(path, contents, (gssize)size + 1, NULL));
    return path;
}

static void set_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    fixture->folder = g_dir_make_tmp("mmrig-esp-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->esp.arch = mmrig_arch_default();
    fixture->esp.loader = make_file(fixture, "loader", 1000, 'l');
    /* Names that another program could misread. */
    fixture->esp.kernel = make_file(fixture, "k:ern el,*[a]", 3 << 20, 'k');
    fixture->esp.initrd = make_file(fixture, "initrd", 5 << 20, 'i');
    fixture->esp.options = g_strdup("console=ttyS0 a=\"b c\" d=\\e,%f");
    fixture->fd = memfd_create("test-esp", MFD_CLOEXEC);
    g_assert_cmpint(fixture->fd, >=, 0);
    fixture->drive = g_strdup_printf("/proc/%d/fd/%d@@1M", getpid(), fixture->fd);
}

static void tear_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    close(fixture->fd);
    g_assert_true(mmrig_remove_tree(fixture->folder, &error));
    g_free(fixture->folder);
    g_free(fixture->drive);
    g_free(fixture->esp.loader);
    g_free(fixture->esp.kernel);
    g_free(fixture->esp.initrd);
    g_free(fixture->esp.options);
}

static gboolean can_make(void)
{
    g_autofree char *copier = mmrig_child_find("mcopy", NULL, NULL);
    g_autofree char *partitioner = mmrig_child_find("sfdisk", NULL, NULL);

    if (!copier || !partitioner)
        g_test_skip("mtools or sfdisk are not installed");
    return copier && partitioner;
}

static void fill(const Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(mmrig_esp_fill(&fixture->esp, fixture->fd, &error));
    g_assert_no_error(error);
}

static guint64 size_of(int fd)
{
    struct stat status;

    g_assert_cmpint(fstat(fd, &status), ==, 0);
    return (guint64)status.st_size;
}

static void get(int fd, guint64 at, guint8 *bytes, gsize size)
{
    g_assert_cmpint(pread(fd, bytes, size, (off_t)at), ==, (gssize)size);
}

static guint64 number(const guint8 *at, guint bytes)
{
    guint64 value = 0;

    for (guint i = 0; i < bytes; i++)
        value |= (guint64)at[i] << 8 * i;
    return value;
}

/* sfdisk reads what it made, and finds nothing to say against it. */
static void check_table(const Fixture *fixture, guint64 sectors)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/fd/%d", getpid(), fixture->fd);
    g_autofree char *program = mmrig_child_find("sfdisk", NULL, NULL);
    const char *dump[] = {program, "--dump", file, NULL};
    const char *verify[] = {program, "--verify", file, NULL};
    g_autofree char *text = NULL, *verdict = NULL;
    g_autofree char *id = g_ascii_strup(MMRIG_ESP_PARTITION, -1);
    g_autofree char *wanted =
        g_strdup_printf("start=        2048, size=%12" G_GUINT64_FORMAT
                        ", type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=%s",
                        sectors - 4096, id);
    g_autoptr(GError) error = NULL;

    g_assert_true(mmrig_child_run(dump, NULL, &text, &error));
    g_assert_no_error(error);
    g_assert_true(mmrig_child_run(verify, NULL, &verdict, &error));
    g_assert_no_error(error);
    g_assert_nonnull(strstr(text, "label: gpt\n"));
    g_assert_nonnull(strstr(text, wanted));
    g_assert_null(strstr(strstr(text, wanted) + 1, "start="));
    g_assert_nonnull(strstr(verdict, "No errors detected."));
}

/* The output of an mtools program on the file system. */
static char *mtools(const Fixture *fixture, const char *program, const char *option,
                    const char *path)
{
    const char *argv[] = {program, "-i", fixture->drive, option, path, NULL};
    g_autoptr(GError) error = NULL;
    char *output = NULL;

    g_assert_true(mmrig_child_run(argv, NULL, &output, &error));
    g_assert_no_error(error);
    return output;
}

/* mtype ends a text with a new line of its own where it has none. */
static void check_file(const Fixture *fixture, const char *path, const char *source)
{
    g_autofree char *target = g_build_filename(fixture->folder, "got", NULL);
    const char *argv[] = {"mcopy", "-n", "-o", "-i", fixture->drive, path, target, NULL};
    g_autofree char *got = NULL, *wanted = NULL;
    g_autoptr(GError) error = NULL;
    gsize got_size, wanted_size;

    g_assert_true(mmrig_child_run(argv, NULL, NULL, &error));
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(target, &got, &got_size, NULL));
    g_assert_true(g_file_get_contents(source, &wanted, &wanted_size, NULL));
    g_assert_cmpmem(got, got_size, wanted, wanted_size);
}

static void test_content(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    if (!can_make())
        return;
    fill(fixture);
    g_autofree char *list = mtools(fixture, "mdir", "-/b", "::/");
    g_autofree char *all = mtools(fixture, "mdir", "-/", "::/");
    g_autofree char *entry = mtools(fixture, "mtype", "-t", "::/loader/entries/mmrig.conf");
    g_autofree char *config = mtools(fixture, "mtype", "-t", "::/loader/loader.conf");
    guint8 start[SECTOR];

    g_assert_nonnull(strstr(list, "::/linux\n"));
    g_assert_nonnull(strstr(list, "::/initrd\n"));
    g_assert_nonnull(strstr(all, "BOOTX64  EFI"));
    g_assert_cmpstr(entry, ==,
                    "title mmrig\nlinux /linux\ninitrd /initrd\n"
                    "options console=ttyS0 a=\"b c\" d=\\e,%f\n");
    g_assert_true(g_str_has_prefix(config, "timeout 0\n"));
    check_file(fixture, "::/EFI/BOOT/BOOTX64.EFI", fixture->esp.loader);
    check_file(fixture, "::/linux", fixture->esp.kernel);
    check_file(fixture, "::/initrd", fixture->esp.initrd);

    /* It is FAT32, begins where the table says, and fills the partition. */
    guint64 sectors = size_of(fixture->fd) / SECTOR;
    check_table(fixture, sectors);
    get(fixture->fd, 1 << 20, start, sizeof(start));
    g_assert_cmpmem(start + 82, 8, "FAT32   ", 8);
    g_assert_cmpuint(number(start + 28, 4), ==, 2048);
    g_assert_cmpuint(number(start + 32, 4), ==, sectors - 4096);
    g_assert_cmpuint((sectors - 4096) / start[13], >=, 65525);
}

/* A second time: nothing of the first is left. */
static void test_again(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    const MmrigBacking backing = {.device = (char *)"rig.esp", .esp = &fixture->esp};
    g_autoptr(GError) error = NULL;

    if (!can_make())
        return;
    g_assert_true(mmrig_backing_empty(&backing, fixture->fd, &error));
    g_assert_no_error(error);
    const char *remove[] = {"mdel", "-i", fixture->drive, "::/linux", NULL};
    g_assert_true(mmrig_child_run(remove, NULL, NULL, &error));
    g_assert_no_error(error);
    g_assert_true(mmrig_backing_empty(&backing, fixture->fd, &error));
    g_assert_no_error(error);
    check_file(fixture, "::/linux", fixture->esp.kernel);
}

/* More than the least size. */
static void test_large(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    if (!can_make())
        return;
    g_free(fixture->esp.initrd);
    fixture->esp.initrd = make_file(fixture, "large", 100 << 20, 'L');
    fill(fixture);
    g_assert_cmpuint(size_of(fixture->fd), >, 103 << 20);
    check_file(fixture, "::/initrd", fixture->esp.initrd);
}

static void test_unreadable(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) folder = NULL;

    if (!can_make())
        return;
    g_free(fixture->esp.kernel);
    fixture->esp.kernel = g_strdup("/nonexistent/bzImage");
    g_assert_false(mmrig_esp_fill(&fixture->esp, fixture->fd, &missing));
    g_assert_error(missing, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_cmpstr(missing->message, ==,
                    "cannot boot from /nonexistent/bzImage: No such file or directory");
    g_free(fixture->esp.kernel);
    fixture->esp.kernel = g_strdup(fixture->folder);
    g_assert_false(mmrig_esp_fill(&fixture->esp, fixture->fd, &folder));
    g_assert_error(folder, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(folder->message, ": it is no regular file"));
}

/* A file of 4 GiB, all hole, is one byte too large for FAT. */
static void test_too_large(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    if (!can_make())
        return;
    g_assert_cmpint(truncate(fixture->esp.initrd, (off_t)4 << 30), ==, 0);
    g_assert_false(mmrig_esp_fill(&fixture->esp, fixture->fd, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "smaller than 4 GiB"));
}

/* The limit of a file's size plays a full disk. */
static void test_no_room(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    struct rlimit before, limit;
    g_autoptr(GError) error = NULL;

    if (!can_make())
        return;
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    limit = before;
    limit.rlim_cur = 32 << 20;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    gboolean made = mmrig_esp_fill(&fixture->esp, fixture->fd, &error);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    g_assert_false(made);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_true(g_str_has_prefix(error->message, "cannot make a disk of 69206016 bytes to "));
    g_assert_null(strchr(error->message, '\n'));
}

static void assert_quoted(const Fixture *fixture, const char *name, const char *prefix)
{
    g_autofree char *tool = g_build_filename(fixture->folder, name, NULL);
    g_autofree char *path = g_strdup(g_getenv("PATH"));
    g_autofree char *own = g_strconcat(fixture->folder, ":", path, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(
        g_file_set_contents(tool, "#!/bin/sh\necho Disk full >&2\nexit 1\n", -1, NULL));
    g_assert_cmpint(g_chmod(tool, 0755), ==, 0);
    g_setenv("PATH", own, TRUE);
    gboolean made = mmrig_esp_fill(&fixture->esp, fixture->fd, &error);
    g_setenv("PATH", path, TRUE);
    g_assert_cmpint(g_unlink(tool), ==, 0);
    g_assert_false(made);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_true(g_str_has_prefix(error->message, prefix));
    g_assert_nonnull(strstr(error->message, "Disk full"));
    g_assert_null(strchr(error->message, '\n'));
}

/* A tool that fails is quoted. */
static void test_tool_fails(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    if (!can_make())
        return;
    assert_quoted(fixture, "mcopy", "cannot make an EFI system partition: ");
    assert_quoted(fixture, "sfdisk", "cannot make a partition table with ");
}

static void test_unmet(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *path = g_strdup(g_getenv("PATH"));
    g_autofree char *loader = mmrig_esp_unmet(fixture->esp.arch, "/nonexistent/loader.efi");

    g_assert_cmpstr(loader, ==,
                    "there is no boot loader at /nonexistent/loader.efi; install the package "
                    "systemd-boot-efi");
    g_setenv("PATH", fixture->folder, TRUE);
    g_autofree char *tools = mmrig_esp_unmet(fixture->esp.arch, fixture->esp.loader);
    g_setenv("PATH", path, TRUE);
    g_assert_cmpstr(tools, ==, "mformat: no such program; install the package mtools");
    if (!can_make())
        return;
    g_autofree char *none = mmrig_esp_unmet(fixture->esp.arch, fixture->esp.loader);
    g_assert_null(none);
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(g_unlink(fixture->esp.loader), ==, 0);
    g_assert_false(mmrig_esp_fill(&fixture->esp, fixture->fd, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET);
    g_assert_nonnull(strstr(error->message, "install the package systemd-boot-efi"));
}

static void test_describe(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *text = mmrig_esp_describe(&fixture->esp, "# ");

    g_assert_true(g_str_has_prefix(text, "# /EFI/BOOT/BOOTX64.EFI is "));
    g_assert_nonnull(strstr(text, fixture->esp.kernel));
    g_assert_true(
        g_str_has_suffix(text, " has the options console=ttyS0 a=\"b c\" d=\\e,%f\n"));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *, gconstpointer);
    } cases[] = {
        {"/esp/content", test_content},       {"/esp/again", test_again},
        {"/esp/large", test_large},           {"/esp/unreadable", test_unreadable},
        {"/esp/too-large", test_too_large},   {"/esp/no-room", test_no_room},
        {"/esp/tool-fails", test_tool_fails}, {"/esp/unmet", test_unmet},
        {"/esp/describe", test_describe},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_test_add(cases[i].path, Fixture, NULL, set_up, cases[i].run, tear_down);
    return g_test_run();
}
