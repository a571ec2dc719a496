/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel that the user gives: is it one, which, and how was it configured? */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/error.h"
#include "base/input.h"
#include "kernel-private.h"

/* A configuration beside the image, or NULL. */
static char *config_beside(const MmrigKernel *kernel)
{
    g_autofree char *folder = g_path_get_dirname(kernel->image);
    g_autofree char *release =
        kernel->release ? g_strconcat("config-", kernel->release, NULL) : NULL;
    const char *const names[] = {release, ".config", "config"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = names[i] ? g_build_filename(folder, names[i], NULL) : NULL;

        if (path && g_file_test(path, G_FILE_TEST_IS_REGULAR))
            return g_steal_pointer(&path);
    }
    return NULL;
}

/* The build folder that the image lies in, or NULL. */
static char *tree_around(const char *image)
{
    char *real = realpath(image, NULL);
    g_autofree char *folder = real ? g_path_get_dirname(real) : NULL;

    free(real);
    /* kbuild puts its images there, in a build folder. */
    g_autofree char *below = g_path_get_dirname(mmrig_arch_default()->kernel_image_path);
    g_autofree char *boot = g_strconcat("/", below, NULL);
    if (folder && g_str_has_suffix(folder, boot))
        folder[strlen(folder) - strlen(boot)] = '\0';
    g_autofree char *config = folder ? g_build_filename(folder, ".config", NULL) : NULL;
    return config && g_file_test(config, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer(&folder)
                                                                 : NULL;
}

/* The folder must be whole, and of the kernel's release. */
static gboolean check_modules(const MmrigKernel *kernel, const char *folder, GError **error)
{
    g_autofree char *list = g_build_filename(folder, "modules.dep.bin", NULL);
    g_autofree char *depmod = mmrig_kernel_depmod_command(folder);
    g_autofree char *missing = NULL;

    if (!mmrig_input_check_folder(folder, "the modules folder", error))
        return FALSE;
    if (!g_file_test(list, G_FILE_TEST_EXISTS)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "modules=%s: no modules.dep.bin there; give the folder "
                    "lib/modules/RELEASE, and run %s",
                    folder, depmod);
        return FALSE;
    }
    if (!mmrig_input_check(list, "the modules' index", error))
        return FALSE;
    g_autofree char *release = mmrig_kernel_modules_release(folder, &missing);
    if (missing) {
        g_set_error(
            error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
            "modules=%s: modules.dep there is of other modules (there is no %s); run %s",
            folder, missing, depmod);
        return FALSE;
    }
    if (release && kernel->release && strcmp(release, kernel->release) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "modules=%s: these modules are of %s, and the kernel %s is %s; give the "
                    "folder lib/modules/%s",
                    folder, release, kernel->image, kernel->release, kernel->release);
        return FALSE;
    }
    return TRUE;
}

/* lib/modules/RELEASE of a folder, if there is one. */
static char *modules_below(const MmrigKernel *kernel, const char *root)
{
    g_autofree char *folder = g_build_filename(root, "lib", "modules", kernel->release, NULL);
    g_autofree char *list = g_build_filename(folder, "modules.dep.bin", NULL);

    return g_file_test(list, G_FILE_TEST_EXISTS) ? g_steal_pointer(&folder) : NULL;
}

/*
 * The modules that belong to an image that is named alone: installed into the build folder, or
 * beside the image, or beside the folder boot. tree may be NULL.
 */
static void look_for_modules(MmrigKernel *kernel, const char *tree)
{
    g_autofree char *beside = g_path_get_dirname(kernel->image);
    g_autofree char *above =
        g_str_has_suffix(beside, "/boot") ? g_path_get_dirname(beside) : NULL;
    const char *const roots[] = {tree, beside, above};
    g_autoptr(GError) error = NULL;
    struct stat status;

    for (guint i = 0; kernel->release && !kernel->modules && i < G_N_ELEMENTS(roots); i++)
        kernel->modules = roots[i] ? modules_below(kernel, roots[i]) : NULL;
    if (kernel->modules && check_modules(kernel, kernel->modules, &error)) {
        mmrig_kernel_note(kernel, "%s: takes the modules in %s", kernel->image,
                          kernel->modules);
        return;
    }
    if (kernel->modules) {
        mmrig_kernel_note(kernel, "%s: goes without modules: %s", kernel->image,
                          error->message);
        g_clear_pointer(&kernel->modules, g_free);
        return;
    }
    g_autofree char *order = tree ? g_build_filename(tree, "modules.order", NULL) : NULL;
    if (order && stat(order, &status) == 0 && status.st_size > 0)
        mmrig_kernel_note(kernel,
                          "%s: goes without modules: those of %s are not installed; 'make "
                          "modules_install INSTALL_MOD_PATH=%s' there puts them where they are "
                          "found",
                          kernel->image, tree, tree);
}

/* Looks at the image: what it is, its release, and the configuration if it holds that. */
static gboolean path_inspect(MmrigKernel *kernel, GError **error)
{
    g_autoptr(GError) cause = NULL;
    int fd = mmrig_input_open(kernel->image, "the kernel", error);

    if (fd < 0)
        return FALSE;
    g_autoptr(GMappedFile) file = g_mapped_file_new_from_fd(fd, FALSE, &cause);
    close(fd);
    if (!file) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "cannot read the kernel %s: %s",
                    kernel->image, cause->message);
        return FALSE;
    }
    return mmrig_kernel_image_inspect(
        mmrig_arch_default(), kernel->image, g_mapped_file_get_contents(file),
        g_mapped_file_get_length(file), &kernel->release, &kernel->config, error);
}

/* Reads the configuration: the one that is named, else the image's own, else one that it finds.
 */
static gboolean path_configure(MmrigKernel *kernel, const char *named, const char *tree,
                               MmrigKey *key, GError **error)
{
    g_autofree char *config = NULL;

    if (!named && kernel->config)
        return TRUE;
    config = named ? g_strdup(named) : config_beside(kernel);
    if (!config && tree) {
        config = g_build_filename(tree, ".config", NULL);
        mmrig_kernel_note(kernel, "%s: takes the configuration %s", kernel->image, config);
    }
    if (!config)
        return TRUE;
    g_clear_pointer(&kernel->config, g_hash_table_unref);
    kernel->config = mmrig_kernel_config_load(config, error);
    return kernel->config && mmrig_key_add_stat(key, config, error);
}

MmrigKernel *mmrig_kernel_path_find(const MmrigKernelSpec *spec, GError **error)
{
    g_autoptr(MmrigKernel) kernel = g_new0(MmrigKernel, 1);
    g_autoptr(MmrigKey) key = mmrig_key_new("kernel-path");

    if (g_file_test(spec->path, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: is a folder; give the %s or vmlinux (or tree:DIR for a source "
                    "tree)",
                    spec->path, mmrig_arch_default()->kernel_image);
        return NULL;
    }
    kernel->image = g_strdup(spec->path);
    kernel->spec = mmrig_kernel_spec_path(spec->path);
    if (!path_inspect(kernel, error) || !mmrig_key_add_stat(key, kernel->image, error))
        return NULL;
    g_autofree char *tree = tree_around(kernel->image);
    if (!spec->modules)
        look_for_modules(kernel, tree);
    else if (check_modules(kernel, spec->modules, error))
        kernel->modules = g_strdup(spec->modules);
    else
        return NULL;
    if (kernel->modules) {
        g_autofree char *list = g_build_filename(kernel->modules, "modules.dep.bin", NULL);
        if (!mmrig_key_add_stat(key, list, error))
            return NULL;
    }
    if (!path_configure(kernel, spec->config, tree, key, error))
        return NULL;
    kernel->id = g_strdup(mmrig_key_digest(key));
    return g_steal_pointer(&kernel);
}
