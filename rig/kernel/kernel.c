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
    g_clear_pointer(&kernel->notes, g_ptr_array_unref);
    g_free(kernel);
}

void mmrig_kernel_note(MmrigKernel *kernel, const char *format, ...)
{
    va_list values;

    if (!kernel->notes)
        kernel->notes = g_ptr_array_new_with_free_func(g_free);
    va_start(values, format);
    g_ptr_array_add(kernel->notes, g_strdup_vprintf(format, values));
    va_end(values);
}

void mmrig_kernel_tell(const MmrigKernel *kernel)
{
    for (guint i = 0; kernel->notes && i < kernel->notes->len; i++)
        g_printerr("mmrig: %s\n", (const char *)g_ptr_array_index(kernel->notes, i));
}

/* Whether a kernel was built from the distribution's source at any time. */
static gboolean tree_was_built(void)
{
    g_autoptr(GPtrArray) infos = mmrig_kernel_list(NULL, NULL);

    for (guint i = 0; infos && i < infos->len; i++) {
        const MmrigKernelInfo *info = g_ptr_array_index(infos, i);
        if (mmrig_kernel_tree_is_own(info))
            return TRUE;
    }
    return FALSE;
}

MmrigKernel *mmrig_kernel_find_default(GError **error)
{
    g_autoptr(GError) cause = NULL;
    MmrigKernel *kernel = mmrig_kernel_tree_find(NULL, &cause);

    if (kernel)
        return kernel;
    kernel = mmrig_kernel_distro_find(NULL, error);
    if (kernel && tree_was_built())
        mmrig_kernel_note(
            kernel,
            "takes the distro kernel, since the tree kernel that was built cannot "
            "be used: %s",
            cause->message);
    return kernel;
}

MmrigKernel *mmrig_kernel_find(const MmrigKernelSpec *spec, GError **error)
{
    switch (spec->source) {
    case MMRIG_KERNEL_DISTRO:
        return mmrig_kernel_distro_find(spec->path, error);
    case MMRIG_KERNEL_TREE:
        return mmrig_kernel_tree_find(spec->path, error);
    case MMRIG_KERNEL_PATH:
        return mmrig_kernel_path_find(spec, error);
    }
    g_assert_not_reached();
}

/* Only a kernel that is missing is got; a cache that cannot be read is an error. */
