/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache of guest kernels: what is in it, and what puts it there. */
#pragma once

#include "kernel.h"

/*
 * An entry of the cache: a folder with the kernel's files and INFO_NAME, a key file that
 * says what they are. All paths in it are relative to the folder.
 */
#define MMRIG_KERNEL_INFO "kernel.ini"
/* Beside it, where it could be had: what modules are compiled against. */
#define MMRIG_KERNEL_EXTMOD "extmod"

typedef struct {
    char *source;  /* "distro", "tree" */
    char *origin;  /* what it was made from, for people: a package and version, a tree */
    char *version; /* by which the newest is found, or "" */
    char *release;
    char *image; /* relative, as are the next two */
    char *modules;
    char *config;
    char *id;
    char *folder; /* not in the file: where the entry is */
    guint64 size; /* bytes on the disk */
} MmrigKernelInfo;

void mmrig_kernel_info_free(MmrigKernelInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigKernelInfo, mmrig_kernel_info_free)

/* The folder of all kernels in the cache; free with g_free(). */
char *mmrig_kernel_cache(GError **error);

/*
 * All kernels in the cache, of MmrigKernelInfo, by source and newest first. Makes nothing. An
 * entry that cannot be read is passed over: damaged, if not NULL, gets the reason (char *, to
 * be freed).
 */
GPtrArray *mmrig_kernel_list(GPtrArray *damaged, GError **error);

/* Which of the distribution's kernels. */
typedef struct {
    /*
     * NULL or empty: the package that depends on the current one. Else one package, as NAME or
     * NAME=VERSION, or paths of .deb files and of folders with such files.
     */
    const char *const *wanted;
    gboolean newest;  /* of the versions that apt knows, and not the one it would install */
    gboolean headers; /* also what our modules are compiled against */
} MmrigKernelFetch;

/* Downloads or unpacks the kernel unless it is in the cache. */
MmrigKernel *mmrig_kernel_distro_fetch(const MmrigKernelFetch *fetch, GError **error);
/*
 * The kernel of a source tree, built unless it is in the cache; tree NULL: the distribution's
 * source package. jobs 0: as many as there are CPUs.
 */
MmrigKernel *mmrig_kernel_tree_build(const char *tree, guint jobs, GError **error);
