/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries of the kernel cache. */
#include <errno.h>
#include <ftw.h>
#include <string.h>

#include "base/error.h"
#include "base/input.h"
#include "base/paths.h"
#include "kernel-private.h"

#define GROUP "kernel"

/* An entry's description has some 300 bytes. */
#define INFO_SIZE_MAX (64 * 1024)

void mmrig_kernel_info_free(MmrigKernelInfo *info)
{
    if (!info)
        return;
    g_free(info->source);
    g_free(info->origin);
    g_free(info->version);
    g_free(info->release);
    g_free(info->image);
    g_free(info->modules);
    g_free(info->config);
    g_free(info->id);
    g_free(info->folder);
    g_free(info);
}

typedef struct {
    const char *key;
    gsize offset;
} Field;

static const Field fields[] = {
    {"source", G_STRUCT_OFFSET(MmrigKernelInfo, source)},
    {"origin", G_STRUCT_OFFSET(MmrigKernelInfo, origin)},
    {"version", G_STRUCT_OFFSET(MmrigKernelInfo, version)},
    {"release", G_STRUCT_OFFSET(MmrigKernelInfo, release)},
    {"image", G_STRUCT_OFFSET(MmrigKernelInfo, image)},
    {"modules", G_STRUCT_OFFSET(MmrigKernelInfo, modules)},
    {"config", G_STRUCT_OFFSET(MmrigKernelInfo, config)},
    {"id", G_STRUCT_OFFSET(MmrigKernelInfo, id)},
};

MmrigKernelInfo *mmrig_kernel_info_load(const char *folder, GError **error)
{
    g_autoptr(MmrigKernelInfo) info = g_new0(MmrigKernelInfo, 1);
    g_autofree char *path = g_build_filename(folder, MMRIG_KERNEL_INFO, NULL);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) cause = NULL;
    gsize size;
    g_autofree char *text =
        mmrig_input_read(path, "the cache's entry", INFO_SIZE_MAX, &size, error);

    if (!text)
        return NULL;
    info->folder = g_strdup(folder);
    if (g_key_file_load_from_data(file, text, size, G_KEY_FILE_NONE, &cause))
        info->size = g_key_file_get_uint64(file, GROUP, "size", &cause);
    for (guint i = 0; i < G_N_ELEMENTS(fields) && !cause; i++)
        G_STRUCT_MEMBER(char *, info, fields[i].offset) =
            g_key_file_get_string(file, GROUP, fields[i].key, &cause);
    if (cause) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: %s; remove the folder it is in, and get the kernel again", path,
                    cause->message);
        return NULL;
    }
    return g_steal_pointer(&info);
}

/* nftw() has no argument for its callback. */
static _Thread_local guint64 counted;

static int count_size(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)path;
    (void)type;
    (void)ftw;
    counted += (guint64)status->st_blocks * 512;
    return 0;
}

gboolean mmrig_kernel_info_save(MmrigKernelInfo *info, const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, MMRIG_KERNEL_INFO, NULL);
    g_autoptr(GKeyFile) file = g_key_file_new();

    counted = 0;
    if (nftw(folder, count_size, 16, FTW_PHYS) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: cannot read: %s", folder,
                    g_strerror(errno));
        return FALSE;
    }
    info->size = counted;
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
        g_key_file_set_string(file, GROUP, fields[i].key,
                              G_STRUCT_MEMBER(char *, info, fields[i].offset));
    g_key_file_set_uint64(file, GROUP, "size", info->size);
    return g_key_file_save_to_file(file, path, error);
}

MmrigKernel *mmrig_kernel_from_info(const MmrigKernelInfo *info, const char *spec,
                                    GError **error)
{
    g_autoptr(MmrigKernel) kernel = g_new0(MmrigKernel, 1);
    g_autofree char *config = g_build_filename(info->folder, info->config, NULL);

    kernel->extmod = mmrig_kernel_extmod(info->folder);
    kernel->spec = g_strdup(spec);
    kernel->image = g_build_filename(info->folder, info->image, NULL);
    kernel->modules = g_build_filename(info->folder, info->modules, NULL);
    kernel->release = g_strdup(info->release);
    kernel->id = g_strdup(info->id);
    kernel->config = mmrig_kernel_config_load(config, error);
    if (!kernel->config)
        return NULL;
    return g_steal_pointer(&kernel);
}

char *mmrig_kernel_cache(GError **error)
{
    return mmrig_path_cache("kernels", error);
}

static int compare_infos(gconstpointer a, gconstpointer b)
{
    const MmrigKernelInfo *left = *(const MmrigKernelInfo *const *)a;
    const MmrigKernelInfo *right = *(const MmrigKernelInfo *const *)b;
    int order = strcmp(left->source, right->source);

    if (order == 0)
        order = strverscmp(right->version, left->version);
    return order ? order : strcmp(left->folder, right->folder);
}

GPtrArray *mmrig_kernel_list(GPtrArray *damaged, GError **error)
{
    g_autoptr(GPtrArray) infos =
        g_ptr_array_new_with_free_func((GDestroyNotify)mmrig_kernel_info_free);
    g_autofree char *cache = mmrig_path_cache_peek("kernels");
    g_autoptr(GDir) dir = NULL;
    const char *name;

    if (!g_file_test(cache, G_FILE_TEST_EXISTS))
        return g_steal_pointer(&infos);
    if (!mmrig_path_cache_check(cache, error))
        return NULL;
    dir = g_dir_open(cache, 0, error);
    if (!dir)
        return NULL;
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *folder = g_build_filename(cache, name, NULL);
        g_autoptr(GError) cause = NULL;
        MmrigKernelInfo *info;

        if (name[0] == '.' || !g_file_test(folder, G_FILE_TEST_IS_DIR))
            continue;
        info = mmrig_kernel_info_load(folder, &cause);
        if (info)
            g_ptr_array_add(infos, info);
        else if (damaged)
            g_ptr_array_add(damaged, g_strdup(cause->message));
    }
    g_ptr_array_sort(infos, compare_infos);
    return g_steal_pointer(&infos);
}
