/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig image: builds the image that a machine boots, and shows what is in it. */
#include "command-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "image/guest-image.h"
#include "image/initramfs.h"

#define COPY_SIZE (1024 * 1024)

typedef struct {
    char *kernel;
    char **manifests;
    char **tests;
    char **modules;
    char *output;
    gboolean list;
} Options;

static void options_clear(Options *options)
{
    g_free(options->kernel);
    g_strfreev(options->manifests);
    g_strfreev(options->tests);
    g_strfreev(options->modules);
    g_free(options->output);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static gboolean parse(Options *options, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"kernel", 'k', 0, G_OPTION_ARG_STRING, &options->kernel,
         "Take modules from this kernel: distro, tree, tree:DIR, path:FILE,modules=DIR",
         "SPEC"},
        {"manifest", 'm', 0, G_OPTION_ARG_FILENAME_ARRAY, &options->manifests,
         "Add what images/NAME.manifest, or the file of that path, lists (repeatable)", "NAME"},
        {"test", 't', 0, G_OPTION_ARG_STRING_ARRAY, &options->tests,
         "Add this guest test (repeatable)", "NAME"},
        {"module", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->modules,
         "Add this kernel module and what it needs (repeatable)", "NAME"},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->output,
         "Copy the image to FILE and print that path", "FILE"},
        {"list", 'l', 0, G_OPTION_ARG_NONE, &options->list,
         "After the path, list the contents: mode, size, path", NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- build a guest image");
    g_autoptr(GError) problem = NULL;

    g_option_context_set_summary(
        context,
        "Builds the initramfs that a machine boots, unless it is in the cache already, "
        "and prints its path.\nThe same parts give the same bytes.");
    g_option_context_set_description(
        context, "Examples:\n"
                 "  mmrig image --kernel distro --manifest shell --list\n"
                 "  mmrig image -k tree -t boot-smoke -o initrd.cpio\n\n"
                 "Exit status: 0 built, 2 wrong arguments or a missing part, 77 the kernel\n"
                 "lacks a module, 99 mmrig itself failed.\n");
    if (!mmrig_command_parse(context, entries, &argc, &argv, &problem))
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "image: %s; see mmrig image --help",
                    problem->message);
    else if (argc > 1)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "image: what is '%s'? See mmrig image --help", argv[1]);
    else if (options->modules && !options->kernel)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "image: --module needs --kernel, to know whose module");
    else
        return TRUE;
    return FALSE;
}

/* ---- Copying -------------------------------------------------------------------------- */

static gboolean image_command_failed(GError **error, MmrigErrorCode code, const char *path,
                                     int number)
{
    g_set_error(error, MMRIG_ERROR, (int)code, "image: %s: %s", path, g_strerror(number));
    return FALSE;
}

static gboolean image_command_copy_data(const char *from_path, int from, const char *to_path,
                                        int to, GError **error)
{
    g_autofree char *buffer = g_malloc(COPY_SIZE);

    for (;;) {
        gssize got = read(from, buffer, COPY_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return image_command_failed(error, MMRIG_ERROR_RIG, from_path, errno);
        if (got == 0)
            return TRUE;
        if (!mmrig_io_write_all(to, buffer, (gsize)got))
            return image_command_failed(error, MMRIG_ERROR_RIG, to_path, errno);
    }
}

/*
 * The target is emptied only once it is known not to be the image itself. A file that could
 * not be written whole is removed; a device or pipe is left alone.
 */
static gboolean image_command_replace(const char *from_path, int from, const char *to_path,
                                      int to, GError **error)
{
    struct stat source, target;

    if (fstat(from, &source) != 0)
        return image_command_failed(error, MMRIG_ERROR_RIG, from_path, errno);
    if (fstat(to, &target) != 0)
        return image_command_failed(error, MMRIG_ERROR_RIG, to_path, errno);
    if (source.st_dev == target.st_dev && source.st_ino == target.st_ino)
        return TRUE;
    gboolean regular = S_ISREG(target.st_mode);
    if (regular && ftruncate(to, 0) != 0)
        return image_command_failed(error, MMRIG_ERROR_RIG, to_path, errno);
    if (image_command_copy_data(from_path, from, to_path, to, error))
        return TRUE;
    if (regular)
        unlink(to_path);
    return FALSE;
}

static gboolean image_command_copy(const char *from_path, const char *to_path, GError **error)
{
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return image_command_failed(error, MMRIG_ERROR_RIG, from_path, errno);
    int to = open(to_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (to < 0) {
        image_command_failed(error, MMRIG_ERROR_INPUT, to_path, errno);
        close(from);
        return FALSE;
    }
    gboolean ok = image_command_replace(from_path, from, to_path, to, error);
    close(from);
    if (close(to) != 0 && ok)
        ok = image_command_failed(error, MMRIG_ERROR_RIG, to_path, errno);
    return ok;
}

/* ---- The command ---------------------------------------------------------------------- */

static void print_line(const char *line, G_GNUC_UNUSED gpointer data)
{
    mmrig_print("%s\n", line);
}

static gboolean image_command_run(const Options *options, GError **error)
{
    g_autoptr(MmrigKernelSpec) spec = NULL;
    g_autoptr(MmrigKernel) kernel = NULL;

    if (options->kernel) {
        spec = mmrig_kernel_spec_parse(options->kernel, error);
        kernel = spec ? mmrig_kernel_find(spec, error) : NULL;
        if (!kernel)
            return FALSE;
        mmrig_kernel_tell(kernel);
    }
    g_autofree char *image = mmrig_guest_image_ensure(
        kernel, (const char *const *)options->tests, (const char *const *)options->manifests,
        (const char *const *)options->modules, error);
    if (!image || (options->output && !image_command_copy(image, options->output, error)))
        return FALSE;
    mmrig_print("%s\n", options->output ? options->output : image);
    if (options->list && !mmrig_image_list(image, print_line, NULL, error))
        return FALSE;
    return TRUE;
}

MmrigExit mmrig_cmd_image(int argc, char **argv)
{
    g_auto(Options) options = {0};
    g_autoptr(GError) error = NULL;

    if (!parse(&options, argc, argv, &error) || !image_command_run(&options, &error))
        return mmrig_error_report(error);
    return MMRIG_EXIT_PASS;
}
