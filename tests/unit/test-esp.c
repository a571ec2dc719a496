/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk that firmware boots from: its partition table byte by byte, the file system as
 * mtools read it, and what is said where it cannot be made.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backing.h"
#include "child.h"
#include "error.h"
#include "esp.h"
#include "gpt.h"
#include "store.h"

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
    g_autofree char *tool = mmrig_child_find("mcopy", NULL, NULL);

    if (!tool)
        g_test_skip("mtools are not installed");
    return tool != NULL;
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

/* The check value that the polynomial's catalogues give. */
static void test_crc(void)
{
    g_assert_cmphex(mmrig_gpt_crc((const guint8 *)"123456789", 9), ==, 0xcbf43926);
    g_assert_cmphex(mmrig_gpt_crc(NULL, 0), ==, 0);
}

static void check_header(int fd, guint64 here, guint64 there, guint64 sectors)
{
    guint8 header[SECTOR], entries[128 * 128];

    get(fd, here * SECTOR, header, sizeof(header));
    g_assert_cmpmem(header, 8, "EFI PART", 8);
    g_assert_cmphex(number(header + 8, 4), ==, 0x10000);
    g_assert_cmpuint(number(header + 12, 4), ==, 92);
    g_assert_cmpuint(number(header + 24, 8), ==, here);
    g_assert_cmpuint(number(header + 32, 8), ==, there);
    g_assert_cmpuint(number(header + 40, 8), ==, 34);
    g_assert_cmpuint(number(header + 48, 8), ==, sectors - 34);
    g_assert_cmpuint(number(header + 80, 4), ==, 128);
    g_assert_cmpuint(number(header + 84, 4), ==, 128);
    get(fd, number(header + 72, 8) * SECTOR, entries, sizeof(entries));
    g_assert_cmphex(number(header + 88, 4), ==, mmrig_gpt_crc(entries, sizeof(entries)));
    guint32 crc = (guint32)number(header + 16, 4);
    memset(header + 16, 0, 4);
    g_assert_cmphex(crc, ==, mmrig_gpt_crc(header, 92));

    /* The type's first part is a number, and the partition's name is UTF-16. */
    g_assert_cmphex(number(entries, 4), ==, 0xc12a7328);
    g_assert_cmphex(number(entries + 4, 2), ==, 0xf81f);
    g_autofree char *id =
        g_strdup_printf("%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                        (guint)number(entries + 16, 4), (guint)number(entries + 20, 2),
                        (guint)number(entries + 22, 2), entries[24], entries[25], entries[26],
                        entries[27], entries[28], entries[29], entries[30], entries[31]);
    g_assert_cmpstr(id, ==, MMRIG_GPT_PARTITION_ID);
    g_assert_cmpuint(number(entries + 32, 8), ==, 2048);
    g_assert_cmpuint(number(entries + 40, 8), ==, sectors - 2048 - 1);
    g_assert_cmpmem(entries + 56, 6, "E\0F\0I\0", 6);
    g_assert_cmpuint(number(entries + 128, 8), ==, 0);
}

static void test_table(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    const guint64 size = 8 << 20, sectors = size / SECTOR;
    g_autoptr(GError) error = NULL;
    guint8 record[SECTOR];

    g_assert_cmpint(ftruncate(fixture->fd, (off_t)size), ==, 0);
    g_assert_true(mmrig_gpt_write(fixture->fd, size, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(size_of(fixture->fd), ==, size);
    get(fixture->fd, 0, record, sizeof(record));
    g_assert_cmphex(record[450], ==, 0xee);
    g_assert_cmpuint(number(record + 454, 4), ==, 1);
    g_assert_cmpuint(number(record + 458, 4), ==, sectors - 1);
    g_assert_cmphex(number(record + 510, 2), ==, 0xaa55);
    check_header(fixture->fd, 1, sectors - 1, sectors);
    check_header(fixture->fd, sectors - 1, 1, sectors);
}

static void test_table_not_writable(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    int ends[2];

    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_false(mmrig_gpt_write(ends[1], 8 << 20, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    close(ends[0]);
    close(ends[1]);
    g_assert_cmpint(fixture->fd, >=, 0);
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
    check_header(fixture->fd, 1, sectors - 1, sectors);
    get(fixture->fd, MMRIG_GPT_MARGIN, start, sizeof(start));
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

/* A tool that fails is quoted. */
static void test_tool_fails(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *tool = g_build_filename(fixture->folder, "mcopy", NULL);
    g_autofree char *path = g_strdup(g_getenv("PATH"));
    g_autofree char *own = g_strconcat(fixture->folder, ":", path, NULL);
    g_autoptr(GError) error = NULL;

    if (!can_make())
        return;
    g_assert_true(
        g_file_set_contents(tool, "#!/bin/sh\necho Disk full >&2\nexit 1\n", -1, NULL));
    g_assert_cmpint(g_chmod(tool, 0755), ==, 0);
    g_setenv("PATH", own, TRUE);
    gboolean made = mmrig_esp_fill(&fixture->esp, fixture->fd, &error);
    g_setenv("PATH", path, TRUE);
    g_assert_false(made);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_true(g_str_has_prefix(error->message, "cannot make an EFI system partition: "));
    g_assert_nonnull(strstr(error->message, "Disk full"));
}

static void test_unmet(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *path = g_strdup(g_getenv("PATH"));
    g_autofree char *loader = mmrig_esp_unmet("/nonexistent/loader.efi");

    g_assert_cmpstr(loader, ==,
                    "there is no boot loader at /nonexistent/loader.efi; install the package "
                    "systemd-boot-efi");
    g_setenv("PATH", fixture->folder, TRUE);
    g_autofree char *tools = mmrig_esp_unmet(fixture->esp.loader);
    g_setenv("PATH", path, TRUE);
    g_assert_cmpstr(tools, ==, "mformat: no such program; install the package mtools");
    if (!can_make())
        return;
    g_autofree char *none = mmrig_esp_unmet(fixture->esp.loader);
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
        {"/esp/table", test_table},
        {"/esp/table-not-writable", test_table_not_writable},
        {"/esp/content", test_content},
        {"/esp/again", test_again},
        {"/esp/large", test_large},
        {"/esp/unreadable", test_unreadable},
        {"/esp/too-large", test_too_large},
        {"/esp/no-room", test_no_room},
        {"/esp/tool-fails", test_tool_fails},
        {"/esp/unmet", test_unmet},
        {"/esp/describe", test_describe},
    };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/esp/crc", test_crc);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_test_add(cases[i].path, Fixture, NULL, set_up, cases[i].run, tear_down);
    return g_test_run();
}
