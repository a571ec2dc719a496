/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The distribution's kernel: its packages, unpacked into the cache and not installed. What
 * modules are compiled against comes later and into the same entry, so that one without it need
 * not be fetched anew.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/child.h"
#include "base/error.h"
#include "kernel-packages.h"
#include "kernel-private.h"

static gboolean rename_error(GError **error, const char *path)
{
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: %s", path, g_strerror(errno));
    return FALSE;
}

/* Debian 12's packages have lib/modules, Debian 13's usr/lib/modules: the cache has the first.
 */
static gboolean unmerge_usr(const char *path, GError **error)
{
    g_autofree char *lib = g_build_filename(path, "lib", NULL);
    g_autofree char *usr_lib = g_build_filename(path, "usr", "lib", NULL);

    if (!g_file_test(lib, G_FILE_TEST_EXISTS) && g_rename(usr_lib, lib) != 0)
        return rename_error(error, usr_lib);
    return TRUE;
}

gboolean mmrig_kernel_depmod(const char *base, const char *release, GError **error)
{
    g_autofree char *usr = g_build_filename(base, "usr", NULL);
    g_autofree char *usr_lib = g_build_filename(base, "usr", "lib", NULL);
    g_autofree char *depmod = mmrig_child_find("depmod", "kmod", error);
    const char *const argv[] = {depmod, "-b", base, release, NULL};

    if (!depmod)
        return FALSE;
    /* depmod looks where its distribution has modules: both names lead to the same folder. */
    if (g_mkdir_with_parents(usr, 0755) != 0)
        return rename_error(error, usr);
    if (!g_file_test(usr_lib, G_FILE_TEST_EXISTS) && symlink("../lib", usr_lib) != 0)
        return rename_error(error, usr_lib);
    return mmrig_child_run(argv, NULL, NULL, error);
}

/* The only name in a folder that starts with prefix, or NULL. */
static char *name_with_prefix(const char *folder, const char *prefix)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_prefix(name, prefix))
            return g_strdup(name);
    }
    return NULL;
}

/* Where the packages put the files, relative to path: in boot, or beside the modules. */
static gboolean distro_find_files(const char *path, const MmrigKernelPackages *packages,
                                  MmrigKernelInfo *info, GError **error)
{
    g_autofree char *boot = g_build_filename(path, "boot", NULL);
    g_autofree char *folders = g_build_filename(path, "lib", "modules", NULL);
    g_autofree char *image = name_with_prefix(boot, "vmlinuz-");

    info->release =
        image ? g_strdup(image + strlen("vmlinuz-")) : name_with_prefix(folders, "");
    if (!info->release) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s and what belongs to it hold neither a kernel nor modules",
                    packages->package);
        return FALSE;
    }
    info->modules = g_build_filename("lib", "modules", info->release, NULL);
    info->image = image ? g_build_filename("boot", image, NULL)
                        : g_build_filename(info->modules, "vmlinuz", NULL);
    info->config = image ? g_strdup_printf("boot/config-%s", info->release)
                         : g_build_filename(info->modules, "config", NULL);
    const struct {
        const char *what, *file;
    } needed[] = {{"kernel image", info->image},
                  {"configuration", info->config},
                  {"modules' folder", info->modules}};
    for (guint i = 0; i < G_N_ELEMENTS(needed); i++) {
        g_autofree char *file = g_build_filename(path, needed[i].file, NULL);

        if (g_file_test(file, G_FILE_TEST_EXISTS))
            continue;
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s and what belongs to it hold no %s (%s)", packages->package,
                    needed[i].what, needed[i].file);
        return FALSE;
    }
    return TRUE;
}

/* What the packages are: by name and version, and for files by what is in them. */
static gboolean distro_key(const MmrigKernelPackages *packages, MmrigKey *key, GError **error)
{
    g_autofree char *wanted = g_strdup_printf("%s=%s", packages->package, packages->version);

    mmrig_key_add(key, wanted);
    for (guint i = 0; packages->files && i < packages->kernel->len; i++)
        if (!mmrig_key_add_content(key, g_ptr_array_index(packages->kernel, i), error))
            return FALSE;
    return TRUE;
}

static gboolean distro_fill(const char *path, gpointer data, GError **error)
{
    const MmrigKernelPackages *packages = data;
    g_autoptr(MmrigKernelInfo) info = g_new0(MmrigKernelInfo, 1);
    g_autoptr(MmrigKey) key = mmrig_key_new("kernel-distro");

    if (!mmrig_kernel_packages_unpack(packages, packages->kernel, path, error) ||
        !unmerge_usr(path, error) || !distro_find_files(path, packages, info, error) ||
        !distro_key(packages, key, error))
        return FALSE;
    info->source = g_strdup("distro");
    info->origin = g_strdup_printf("%s %s", packages->package, packages->version);
    info->version = g_strdup(packages->version);
    info->id = g_strdup(mmrig_key_digest(key));
    return mmrig_kernel_depmod(path, info->release, error) &&
           mmrig_kernel_info_save(info, path, error);
}

/* Whether name is the release, or the beginning of it up to a '.', '-' or '+'. */
static gboolean release_is(const char *release, const char *name)
{
    gsize size = strlen(name);

    return g_str_has_prefix(release, name) && !g_ascii_isalnum(release[size]);
}

MmrigKernel *mmrig_kernel_distro_find(const char *release, GError **error)
{
    g_autoptr(GPtrArray) damaged = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) infos = mmrig_kernel_list(damaged, error);

    if (!infos)
        return NULL;
    for (guint i = 0; i < infos->len; i++) {
        const MmrigKernelInfo *info = g_ptr_array_index(infos, i);

        if (strcmp(info->source, "distro") != 0 ||
            (release && !release_is(info->release, release)))
            continue;
        g_autofree char *spec =
            release ? g_strconcat("distro:", release, NULL) : g_strdup("distro");
        MmrigKernel *kernel = mmrig_kernel_from_info(info, spec, error);
        for (guint j = 0; kernel && j < damaged->len; j++)
            mmrig_kernel_note(kernel, "passed over: %s",
                              (const char *)g_ptr_array_index(damaged, j));
        return kernel;
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "no distro kernel%s%s in the cache; get it with 'mmrig kernel fetch'%s%s%s%s",
                release ? " " : "", release ? release : "",
                release ? " and the name of its package" : "",
                damaged->len ? " (passed over: " : "",
                damaged->len ? (const char *)g_ptr_array_index(damaged, 0) : "",
                damaged->len ? ")" : "");
    return NULL;
}

/* What the user is to be told of the kernel that was fetched. */
static void distro_notes(MmrigKernel *kernel, const MmrigKernelPackages *packages)
{
    g_autoptr(MmrigKernel) newest = mmrig_kernel_distro_find(NULL, NULL);

    if (packages->note)
        mmrig_kernel_note(kernel, "%s: %s", packages->package, packages->note);
    if (newest && strcmp(newest->image, kernel->image) != 0)
        mmrig_kernel_note(
            kernel,
            "--kernel distro:%s is this one; --kernel distro is the newest in the "
            "cache, %s",
            kernel->release, newest->release);
}

static gboolean distro_check_programs(const MmrigKernelPackages *packages, GError **error)
{
    static const char *const programs[][2] = {
        {"apt-get", "apt"}, {"dpkg-deb", "dpkg"}, {"depmod", "kmod"}};

    for (guint i = packages && packages->files ? 1 : 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *found = mmrig_child_find(programs[i][0], programs[i][1], error);

        if (!found)
            return FALSE;
    }
    return TRUE;
}

/* The packages that are asked for: by name, or by path. */
static MmrigKernelPackages *distro_packages(const MmrigKernelFetch *fetch, GError **error)
{
    const char *const *wanted = fetch->wanted;

    if (!wanted || !*wanted)
        return mmrig_kernel_packages_apt(mmrig_arch_default()->kernel_package, fetch->newest,
                                         error);
    for (guint i = 0; wanted[i]; i++) {
        gboolean path = strchr(wanted[i], '/') || g_str_has_suffix(wanted[i], ".deb");

        if (path && !fetch->newest)
            continue;
        if (!path && i == 0 && !wanted[1])
            return mmrig_kernel_packages_apt(*wanted, fetch->newest, error);
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "'%s': give one package by its name, or folders and .deb files by paths "
                    "with a '/', of which none is the newest",
                    wanted[i]);
        return NULL;
    }
    return mmrig_kernel_packages_files(wanted, error);
}

/* The entry's name. One that came from files is another one. */
static char *distro_entry(const MmrigKernelPackages *packages, GError **error)
{
    g_autoptr(MmrigKey) key = mmrig_key_new("kernel-distro-files");

    if (!packages->files)
        return g_strdup_printf("distro-%s_%s", packages->package, packages->version);
    if (!distro_key(packages, key, error))
        return NULL;
    return g_strdup_printf("distro-%s_%s_%.16s", packages->package, packages->version,
                           mmrig_key_digest(key));
}

MmrigKernel *mmrig_kernel_distro_fetch(const MmrigKernelFetch *fetch, GError **error)
{
    g_autofree char *cache = mmrig_kernel_cache(error);
    g_autoptr(MmrigKernelPackages) packages = cache ? distro_packages(fetch, error) : NULL;

    if (!packages || !distro_check_programs(packages, error))
        return NULL;
    g_autofree char *name = distro_entry(packages, error);
    if (!name)
        return NULL;
    g_autofree char *path = g_build_filename(cache, name, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_printerr("mmrig: %s %s %s\n", packages->files ? "unpacking" : "fetching",
                   packages->package, packages->version);
    g_autofree char *folder = mmrig_store_folder(cache, name, distro_fill, packages, error);
    if (!folder)
        return NULL;
    g_autoptr(MmrigKernelInfo) info = mmrig_kernel_info_load(folder, error);
    if (!info || (fetch->headers && packages->headers->len > 0 &&
                  !mmrig_kernel_headers_ensure(folder, packages, error)))
        return NULL;
    MmrigKernel *kernel = mmrig_kernel_from_info(info, "distro", error);
    if (kernel)
        distro_notes(kernel, packages);
    return kernel;
}
