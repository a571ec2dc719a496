/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interface in front of the three sources. */
#include "kernel-private.h"

void mmrig_kernel_free(MmrigKernel *kernel)
{
    if (!kernel)
        return;
    g_free(kernel->spec);
    g_free(kernel->image);
    g_free(kernel->modules);
    g_free(kernel->extmod);
    g_free(kernel->release);
    g_free(kernel->id);
    g_clear_pointer(&kernel->config, g_hash_table_unref);
    g_free(kernel);
}

MmrigKernel *mmrig_kernel_find(const MmrigKernelSpec *spec, GError **error)
{
    switch (spec->source) {
    case MMRIG_KERNEL_DISTRO:
        return mmrig_kernel_distro_find(error);
    case MMRIG_KERNEL_TREE:
        return mmrig_kernel_tree_find(spec->path, error);
    case MMRIG_KERNEL_PATH:
        return mmrig_kernel_path_find(spec, error);
    }
    g_assert_not_reached();
}

/* Only a kernel that is missing is got; a cache that cannot be read is an error. */
MmrigKernel *mmrig_kernel_obtain(const MmrigKernelSpec *spec, GError **error)
{
    MmrigKernel *kernel;

    switch (spec->source) {
    case MMRIG_KERNEL_DISTRO:
        kernel = mmrig_kernel_distro_find(NULL);
        return kernel ? kernel : mmrig_kernel_distro_fetch(error);
    case MMRIG_KERNEL_TREE:
        return mmrig_kernel_tree_build(spec->path, 0, error);
    case MMRIG_KERNEL_PATH:
        return mmrig_kernel_path_find(spec, error);
    }
    g_assert_not_reached();
}
