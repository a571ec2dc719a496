/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The distribution's kernel: its package, unpacked into the cache and not installed. apt
 * knows which one is current and checks what it downloads against the signed lists; it does
 * so for any user.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/child.h"
#include "base/error.h"
#include "kernel-private.h"

typedef struct {
    char *package; /* linux-image-VERSION */
    char *version; /* 6.1.192-2 */
} Candidate;

static void candidate_clear(Candidate *candidate)
{
    g_free(candidate->package);
    g_free(candidate->version);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Candidate, candidate_clear)

/* The value of a field in the first stanza of apt-cache's answer, or NULL. */
static char *field_value(const char *text, const char *field)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *prefix = g_strconcat(field, ": ", NULL);

    for (guint i = 0; lines[i] && *lines[i]; i++) {
        if (g_str_has_prefix(lines[i], prefix))
            return g_strstrip(g_strdup(lines[i] + strlen(prefix)));
    }
    return NULL;
}

/* apt-cache's record of the version of a package that apt would install. */
static char *package_show(const char *package, GError **error)
{
    const char *const argv[] = {"apt-cache", "show", "--no-all-versions", package, NULL};
    g_autoptr(GError) cause = NULL;
    char *text = NULL;

    if (!mmrig_child_run(argv, NULL, &text, &cause)) {
        if (g_error_matches(cause, MMRIG_ERROR, MMRIG_ERROR_INPUT))
            g_propagate_error(error, g_steal_pointer(&cause));
        else
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                        "apt knows no package %s; its lists may be empty: run 'apt-get update' "
                        "as root, then try again",
                        package);
    }
    return text;
}

static gboolean candidate_find(Candidate *candidate, GError **error)
{
    const char *current = mmrig_arch_default()->kernel_package;
    g_autofree char *meta = package_show(current, error);
    g_autofree char *depends = NULL;
    g_autofree char *record = NULL;
    g_autoptr(GRegex) regex = g_regex_new("\\blinux-image-[0-9][a-z0-9.+-]*", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    if (!meta)
        return FALSE;
    depends = field_value(meta, "Depends");
    if (!depends || !g_regex_match(regex, depends, 0, &match)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s depends on no package linux-image-VERSION: it is not Debian's",
                    current);
        return FALSE;
    }
    candidate->package = g_match_info_fetch(match, 0);
    record = package_show(candidate->package, error);
    if (!record)
        return FALSE;
    candidate->version = field_value(record, "Version");
    if (!candidate->version || strchr(candidate->version, '/')) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "apt-cache: no version of %s",
                    candidate->package);
        return FALSE;
    }
    return TRUE;
}

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

/* The only name in a folder that starts with prefix. */
static char *name_with_prefix(const char *folder, const char *prefix, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, error);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_prefix(name, prefix))
            return g_strdup(name);
    }
    if (dir)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: no %s* in the package", folder,
                    prefix);
    return NULL;
}

static gboolean distro_unpack(const char *path, GError **error)
{
    g_autofree char *package = name_with_prefix(path, "linux-image-", error);
    g_autofree char *file = NULL;
    g_autofree char *documents = g_build_filename(path, "usr", "share", NULL);
    const char *argv[] = {"dpkg-deb", "-x", NULL, path, NULL};

    if (!package)
        return FALSE;
    file = g_build_filename(path, package, NULL);
    argv[2] = file;
    if (!mmrig_child_run(argv, NULL, NULL, error))
        return FALSE;
    if (g_unlink(file) != 0)
        return rename_error(error, file);
    return mmrig_remove_tree(documents, error);
}

static gboolean distro_fill(const char *path, gpointer data, GError **error)
{
    const Candidate *candidate = data;
    g_autofree char *wanted = g_strdup_printf("%s=%s", candidate->package, candidate->version);
    const char *const argv[] = {"apt-get", "download", "-q", wanted, NULL};
    g_autofree char *boot = g_build_filename(path, "boot", NULL);
    g_autoptr(MmrigKernelInfo) info = g_new0(MmrigKernelInfo, 1);
    g_autoptr(MmrigKey) key = mmrig_key_new("kernel-distro");
    g_autofree char *image = NULL;

    if (!mmrig_child_run(argv, path, NULL, error)) {
        g_prefix_error(error, "cannot download %s: ", wanted);
        return FALSE;
    }
    if (!distro_unpack(path, error) || !unmerge_usr(path, error))
        return FALSE;
    image = name_with_prefix(boot, "vmlinuz-", error);
    if (!image)
        return FALSE;
    mmrig_key_add(key, wanted);
    info->source = g_strdup("distro");
    info->origin = g_strdup_printf("%s %s", candidate->package, candidate->version);
    info->version = g_strdup(candidate->version);
    info->release = g_strdup(image + strlen("vmlinuz-"));
    info->image = g_build_filename("boot", image, NULL);
    info->config = g_strdup_printf("boot/config-%s", info->release);
    info->modules = g_build_filename("lib", "modules", info->release, NULL);
    info->id = g_strdup(mmrig_key_digest(key));
    return mmrig_kernel_depmod(path, info->release, error) &&
           mmrig_kernel_info_save(info, path, error);
}

MmrigKernel *mmrig_kernel_distro_find(GError **error)
{
    g_autoptr(GPtrArray) damaged = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) infos = mmrig_kernel_list(damaged, error);

    if (!infos)
        return NULL;
    for (guint i = 0; i < infos->len; i++) {
        const MmrigKernelInfo *info = g_ptr_array_index(infos, i);

        if (strcmp(info->source, "distro") != 0)
            continue;
        MmrigKernel *kernel = mmrig_kernel_from_info(info, "distro", error);
        for (guint j = 0; kernel && j < damaged->len; j++)
            mmrig_kernel_note(kernel, "passed over: %s",
                              (const char *)g_ptr_array_index(damaged, j));
        return kernel;
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "no distro kernel in the cache; get it with 'mmrig kernel fetch'%s%s%s",
                damaged->len ? " (passed over: " : "",
                damaged->len ? (const char *)g_ptr_array_index(damaged, 0) : "",
                damaged->len ? ")" : "");
    return NULL;
}

MmrigKernel *mmrig_kernel_distro_fetch(GError **error)
{
    static const char *const programs[][2] = {
        {"apt-get", "apt"}, {"dpkg-deb", "dpkg"}, {"depmod", "kmod"}};
    g_auto(Candidate) candidate = {0};
    g_autofree char *cache = mmrig_kernel_cache(error);
    g_autofree char *name = NULL;
    g_autofree char *path = NULL;
    g_autofree char *folder = NULL;
    g_autoptr(MmrigKernelInfo) info = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *found = mmrig_child_find(programs[i][0], programs[i][1], error);

        if (!found)
            return NULL;
    }
    if (!cache || !candidate_find(&candidate, error))
        return NULL;
    name = g_strdup_printf("distro-%s_%s", candidate.package, candidate.version);
    path = g_build_filename(cache, name, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_printerr("mmrig: fetching %s %s\n", candidate.package, candidate.version);
    folder = mmrig_store_folder(cache, name, distro_fill, &candidate, error);
    if (!folder)
        return NULL;
    info = mmrig_kernel_info_load(folder, error);
    return info ? mmrig_kernel_from_info(info, "distro", error) : NULL;
}
