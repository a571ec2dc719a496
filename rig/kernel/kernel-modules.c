/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our own kernel modules. An entry of the cache is a modules folder that is complete: the
 * kernel's own modules, ours beside them, and the indexes over both. It is named by the kernel
 * and the modules' sources, so that an edit of a driver costs some seconds; what it is compiled
 * against was kept when the kernel was built (kernel-compile.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/child.h"
#include "base/error.h"
#include "base/paths.h"
#include "base/text.h"
#include "kernel-private.h"

/* Where the sources are, below the data folder: the modules, and the registers they share. */
#define SOURCES "guest-kernel/modules"
#define HEADERS "abi"

/* The file that makes a folder of SOURCES a module of that name. */
#define KBUILD "Kbuild"

/* Not used for so long, an entry goes when a new one is made. */
#define KEEP_SECONDS (7 * 24 * 3600)

gboolean mmrig_kernel_module_is_ours(const char *name)
{
    gsize size = strlen(name);
    /* With a '?' behind it the kernel may lack it; '_' and '-' are the same to modprobe. */
    g_autofree char *plain = g_strndup(name, g_str_has_suffix(name, "?") ? size - 1 : size);
    g_autofree char *file = g_build_filename(mmrig_path_data(), SOURCES,
                                             g_strdelimit(plain, "_", '-'), KBUILD, NULL);

    return *plain && g_file_test(file, G_FILE_TEST_IS_REGULAR);
}

/* Not what a build by hand left there, and of the headers only those that modules share. */
static gboolean is_source(const char *path)
{
    if (g_str_has_prefix(path, HEADERS "/"))
        return g_str_has_suffix(path, "-regs.h") || g_str_has_suffix(path, "-uapi.h");
    return (g_str_has_suffix(path, ".c") && !g_str_has_suffix(path, ".mod.c")) ||
           g_str_has_suffix(path, ".h") || g_str_has_suffix(path, "/" KBUILD);
}

/* All files that modules are made from, below the folder, relative to the data folder. */
static gboolean list_sources(const char *below, GPtrArray *paths, GError **error)
{
    g_autofree char *here = g_build_filename(mmrig_path_data(), below, NULL);
    g_autoptr(GDir) dir = g_dir_open(here, 0, error);
    const char *name;

    if (!dir)
        return FALSE;
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(below, name, NULL);
        g_autofree char *host = g_build_filename(here, name, NULL);

        if (g_file_test(host, G_FILE_TEST_IS_DIR)) {
            if (name[0] != '.' && !list_sources(path, paths, error))
                return FALSE;
        } else if (is_source(path)) {
            g_ptr_array_add(paths, g_steal_pointer(&path));
        }
    }
    return TRUE;
}

static GPtrArray *all_sources(GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    if (!list_sources(SOURCES, paths, error) || !list_sources(HEADERS, paths, error)) {
        g_prefix_error(error, "the sources of mmrig's kernel modules are not there: ");
        return NULL;
    }
    g_ptr_array_sort(paths, mmrig_text_compare);
    return g_steal_pointer(&paths);
}

typedef struct {
    const MmrigKernel *kernel;
    const GPtrArray *sources;
} Making;

static gboolean copy_sources(const GPtrArray *sources, const char *work, GError **error)
{
    for (guint i = 0; i < sources->len; i++) {
        const char *path = g_ptr_array_index(sources, i);
        g_autofree char *from = g_build_filename(mmrig_path_data(), path, NULL);
        g_autofree char *to = g_build_filename(work, path, NULL);
        g_autofree char *folder = g_path_get_dirname(to);
        g_autoptr(GFile) source = g_file_new_for_path(from);
        g_autoptr(GFile) copy = g_file_new_for_path(to);

        if (g_mkdir_with_parents(folder, 0755) != 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make %s: %s", folder,
                        g_strerror(errno));
            return FALSE;
        }
        if (!g_file_copy(source, copy, G_FILE_COPY_TARGET_DEFAULT_PERMS, NULL, NULL, NULL,
                         error))
            return FALSE;
    }
    return TRUE;
}

/* The kernel's own modules, into the folder where ours will lie beside them. */
static gboolean copy_kernels(const MmrigKernel *kernel, const char *path, GError **error)
{
    g_autofree char *parent = g_build_filename(path, "lib", "modules", NULL);
    const char *const argv[] = {"cp", "-a", kernel->modules, parent, NULL};

    if (g_mkdir_with_parents(parent, 0755) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make %s: %s", parent,
                    g_strerror(errno));
        return FALSE;
    }
    return mmrig_child_run(argv, NULL, NULL, error);
}

static gboolean kernel_modules_fill(const char *path, gpointer data, GError **error)
{
    const Making *making = data;
    g_autofree char *work = g_build_filename(path, "work", NULL);
    g_autofree char *modules = g_build_filename(work, SOURCES, NULL);

    return copy_kernels(making->kernel, path, error) &&
           copy_sources(making->sources, work, error) &&
           mmrig_kernel_compile_modules(making->kernel->extmod, modules, path, error) &&
           mmrig_remove_tree(work, error) &&
           mmrig_kernel_depmod(path, making->kernel->release, error);
}

/* Those that could not be removed are no reason to fail. */
static void kernel_modules_drop_old(const char *cache, const char *but)
{
    g_autoptr(GDir) dir = g_dir_open(cache, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(cache, name, NULL);
        g_autoptr(GError) cause = NULL;
        struct stat status;

        if (name[0] == '.' || strcmp(name, but) == 0 || stat(path, &status) != 0 ||
            time(NULL) - status.st_mtime < KEEP_SECONDS)
            continue;
        if (!mmrig_store_drop(cache, name, &cause))
            g_debug("%s: %s", path, cause->message);
    }
}

/* The entry's name, which says all that it is made from. */
static char *kernel_modules_entry_name(const MmrigKernel *kernel, const GPtrArray *sources,
                                       GError **error)
{
    g_autoptr(MmrigKey) key = mmrig_key_new("kernel-modules");

    mmrig_key_add(key, kernel->id);
    for (guint i = 0; i < sources->len; i++) {
        const char *path = g_ptr_array_index(sources, i);
        g_autofree char *host = g_build_filename(mmrig_path_data(), path, NULL);

        mmrig_key_add(key, path);
        if (!mmrig_key_add_content(key, host, error))
            return NULL;
    }
    return g_strndup(mmrig_key_digest(key), 32);
}

char *mmrig_kernel_modules_ensure(const MmrigKernel *kernel, GError **error)
{
    g_autoptr(GPtrArray) sources = NULL;
    g_autofree char *cache = NULL, *name = NULL, *folder = NULL, *present = NULL;

    if (!kernel->extmod || !kernel->modules) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET,
                    "mmrig's own modules cannot be compiled for kernel %s: use a kernel that "
                    "'mmrig kernel build' made, of Linux 6.6 or newer, or get the headers of "
                    "the distribution's with 'mmrig kernel fetch'",
                    kernel->spec);
        return NULL;
    }
    sources = all_sources(error);
    cache = sources ? mmrig_path_cache("modules", error) : NULL;
    name = cache ? kernel_modules_entry_name(kernel, sources, error) : NULL;
    if (!name)
        return NULL;
    Making making = {kernel, sources};
    present = g_build_filename(cache, name, NULL);
    gboolean found = g_file_test(present, G_FILE_TEST_IS_DIR);
    if (!found && !mmrig_kernel_build_place(cache, error))
        return NULL;
    folder = mmrig_store_folder(cache, name, kernel_modules_fill, &making, error);
    if (!folder)
        return NULL;
    if (!found)
        kernel_modules_drop_old(cache, name);
    else if (utimensat(AT_FDCWD, folder, NULL, 0) != 0)
        g_debug("%s: %s", folder, g_strerror(errno));
    return g_build_filename(folder, "lib", "modules", kernel->release, NULL);
}
