/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "esp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"

#define SECTOR 512
#define MIB    (G_GUINT64_CONSTANT(1) << 20)
/*
 * FAT32, which firmware must know (UEFI 2.10, 13.3), is what a file system of at least 65525
 * clusters is. With clusters of one sector that takes 33 MiB; the file has holes where nothing
 * is.
 */
#define SIZE_MIN (64 * MIB)
/* What the file system itself needs is two tables, of 4 bytes for each cluster of 512. */
#define OVERHEAD(content) ((content) / 32 + 4 * MIB)
/* Where the one partition starts, and what is left behind it: there lie the tables. */
#define MARGIN MIB
/* The largest file that FAT can hold. */
#define FILE_MAX ((guint64)G_MAXUINT32)

/* Where each part is: on the disk, and for mtools. */
#define KERNEL "/linux"
#define INITRD "/initrd"
#define CONFIG "/loader/loader.conf"
#define ENTRY  "/loader/entries/mmrig.conf"

static const char config_text[] = "timeout 0\n"
                                  "default mmrig.conf\n"
                                  "console-mode keep\n"
                                  "editor no\n";

/* The type is that of an EFI system partition (UEFI 2.10, table 5.7). */
static const char table_text[] =
    "label: gpt\n"
    "start=2048, size=%" G_GUINT64_FORMAT ", "
    "type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, "
    "uuid=" MMRIG_ESP_PARTITION ", name=\"EFI system partition\"\n";

static const struct {
    const char *name, *package;
} tools[] = {
    {"mformat", "mtools"}, {"mmd", "mtools"}, {"mcopy", "mtools"}, {"sfdisk", "fdisk"}};

static char *entry_text(const MmrigEsp *esp)
{
    return g_strdup_printf("title mmrig\nlinux %s\ninitrd %s\noptions %s\n", KERNEL, INITRD,
                           esp->options);
}

char *mmrig_esp_unmet(const MmrigArch *arch, const char *loader)
{
    if (!g_file_test(loader, G_FILE_TEST_IS_REGULAR))
        return g_strdup_printf("there is no boot loader at %s; install the package "
                               "%s",
                               loader, arch->boot_loader_package);
    for (gsize i = 0; i < G_N_ELEMENTS(tools); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = mmrig_child_find(tools[i].name, tools[i].package, &error);
        if (!path)
            return g_strdup(error->message);
    }
    return NULL;
}

char *mmrig_esp_describe(const MmrigEsp *esp, const char *indent)
{
    return g_strdup_printf("%s%s is %s\n%s" KERNEL " is %s\n%s" INITRD " is %s\n"
                           "%s" ENTRY " has the options %s\n",
                           indent, esp->arch->efi_loader, esp->loader, indent, esp->kernel,
                           indent, esp->initrd, indent, esp->options);
}

static gboolean add_size(const char *path, guint64 *sum, GError **error)
{
    struct stat status;
    const char *problem = NULL;

    if (stat(path, &status) != 0)
        problem = g_strerror(errno);
    else if (!S_ISREG(status.st_mode))
        problem = "it is no regular file";
    else if ((guint64)status.st_size > FILE_MAX)
        problem = "files on an EFI system partition are smaller than 4 GiB";
    else
        *sum += (guint64)status.st_size;
    if (problem)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "cannot boot from %s: %s", path,
                    problem);
    return !problem;
}

/* The name by which another program opens a file that this one has open. */
static char *open_name(int fd)
{
    return g_strdup_printf("/proc/%d/fd/%d", getpid(), fd);
}

/* A file without a name that holds the text, to be read from its start; -1 with error. */
static int text_file(const char *text, GError **error)
{
    gsize size = strlen(text);
    int fd = memfd_create("mmrig-esp-text", MFD_CLOEXEC);

    if (fd >= 0 && write(fd, text, size) == (gssize)size && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make an EFI system partition: %s",
                g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static gboolean run_tool(const char *const *argv, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (mmrig_child_run(argv, NULL, NULL, &cause))
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&cause),
                               "cannot make an EFI system partition: ");
    return FALSE;
}

/* The table, on a disk of size bytes: one partition, which has all but the margins. */
static gboolean esp_partition(const char *file, guint64 size, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = mmrig_child_launcher(
        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autofree char *program = mmrig_child_find("sfdisk", "fdisk", error);
    g_autofree char *table = g_strdup_printf(table_text, (size - 2 * MARGIN) / SECTOR);
    g_autofree char *said = NULL;
    g_autoptr(GError) cause = NULL;
    int input = program ? text_file(table, error) : -1;

    if (input < 0)
        return FALSE;
    /* A file and not a pipe: a program that ends without reading breaks nothing. */
    g_subprocess_launcher_take_stdin_fd(launcher, input);
    g_autoptr(GSubprocess) process = g_subprocess_launcher_spawn(
        launcher, &cause, program, "--quiet", "--no-reread", "--no-tell-kernel", file, NULL);
    if (process && g_subprocess_communicate_utf8(process, NULL, NULL, NULL, &said, &cause) &&
        g_subprocess_get_if_exited(process) && g_subprocess_get_exit_status(process) == 0)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                "cannot make a partition table with %s: %s", program,
                cause  ? cause->message
                : said ? g_strstrip(said)
                       : "it died");
    return FALSE;
}

/* drive is the file system: a file, and where in it. */
static gboolean esp_format(const char *drive, guint64 size, GError **error)
{
    g_autofree char *sectors = g_strdup_printf("%" G_GUINT64_FORMAT, size / SECTOR);
    g_autofree char *before = g_strdup_printf("%" G_GUINT64_FORMAT, MARGIN / SECTOR);
    /* A cylinder of 64 heads and 32 sectors is a MiB: mtools want whole cylinders. */
    const char *argv[] = {"mformat", "-i", drive, "-F", "-c",   "1",  "-T",    sectors, "-h",
                          "64",      "-s", "32",  "-H", before, "-v", "MMRIG", "::",    NULL};

    return run_tool(argv, error);
}

static gboolean esp_copy(const char *drive, const char *source, const char *target,
                         GError **error)
{
    const char *argv[] = {"mcopy", "-i", drive, source, target, NULL};

    return run_tool(argv, error);
}

static gboolean copy_text(const char *drive, const char *text, const char *target,
                          GError **error)
{
    int fd = text_file(text, error);
    g_autofree char *name = open_name(fd);
    gboolean good = fd >= 0 && esp_copy(drive, name, target, error);

    if (fd >= 0)
        close(fd);
    return good;
}

static gboolean esp_make_files(const MmrigEsp *esp, const char *drive, GError **error)
{
    const char *folders[] = {
        "mmd", "-i", drive, "::/EFI", "::/EFI/BOOT", "::/loader", "::/loader/entries", NULL};
    g_autofree char *entry = entry_text(esp);
    g_autofree char *loader = g_strconcat("::", esp->arch->efi_loader, NULL);

    return run_tool(folders, error) && esp_copy(drive, esp->loader, loader, error) &&
           esp_copy(drive, esp->kernel, "::" KERNEL, error) &&
           esp_copy(drive, esp->initrd, "::" INITRD, error) &&
           copy_text(drive, config_text, "::" CONFIG, error) &&
           copy_text(drive, entry, "::" ENTRY, error);
}

gboolean mmrig_esp_fill(const MmrigEsp *esp, int fd, GError **error)
{
    g_autofree char *file = open_name(fd);
    g_autofree char *drive = g_strdup_printf("%s@@%" G_GUINT64_FORMAT, file, MARGIN);
    g_autofree char *unmet = mmrig_esp_unmet(esp->arch, esp->loader);
    guint64 content = 0;

    if (unmet) {
        g_set_error_literal(error, MMRIG_ERROR, MMRIG_ERROR_UNMET, unmet);
        return FALSE;
    }
    if (!add_size(esp->loader, &content, error) || !add_size(esp->kernel, &content, error) ||
        !add_size(esp->initrd, &content, error))
        return FALSE;
    guint64 size = MAX(content + OVERHEAD(content), SIZE_MIN) / MIB * MIB;
    guint64 disk = size + 2 * MARGIN;
    if (ftruncate(fd, 0) != 0 || ftruncate(fd, (off_t)disk) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "cannot make a disk of %" G_GUINT64_FORMAT " bytes to boot from: %s", disk,
                    g_strerror(errno));
        return FALSE;
    }
    return esp_partition(file, disk, error) && esp_format(drive, size, error) &&
           esp_make_files(esp, drive, error);
}
