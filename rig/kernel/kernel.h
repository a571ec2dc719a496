/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest kernels: three sources behind one interface.
 *
 *   distro[:RELEASE] the distribution's kernel packages, unpacked into the cache: the newest
 *                   there, or the newest of which the release is or begins with RELEASE
 *   tree[:DIR]      built from the distribution's linux-source-6.12 package, or from the
 *                   user's tree DIR, with the fragments in guest-kernel/config
 *   path:FILE[,modules=DIR][,config=FILE] (or just a path that holds a '/')
 *                   an image the user gives; behind "path:" a comma in a path is written twice
 */
#pragma once

#include <glib.h>

typedef enum {
    MMRIG_KERNEL_DISTRO,
    MMRIG_KERNEL_TREE,
    MMRIG_KERNEL_PATH,
} MmrigKernelSource;

/* What the user asked for: "distro", "distro:RELEASE", "tree", "tree:DIR", "path:FILE,...". */
typedef struct {
    MmrigKernelSource source;
    char *path;    /* tree: DIR or NULL; path: the image; distro: RELEASE or NULL */
    char *modules; /* path: a lib/modules/RELEASE folder, or NULL */
    char *config;  /* path: a .config, or NULL */
} MmrigKernelSpec;

/* A kernel that can be booted. All strings are owned by it; NULL where not known. */
typedef struct {
    char *spec;         /* as the user would name it: "distro", "tree", ... */
    char *image;        /* absolute path of what QEMU starts */
    char *modules;      /* absolute path of lib/modules/RELEASE with modules.dep, or NULL */
    char *extmod;       /* what modules for it are compiled against, or NULL */
    char *release;      /* as uname -r, or NULL */
    char *id;           /* hash of what it was made from */
    GHashTable *config; /* "CONFIG_X" -> "y", "m" or a value; NULL if not known */
    GPtrArray *notes;   /* of char *: what the user should know of how it was found; or NULL */
} MmrigKernel;

MmrigKernelSpec *mmrig_kernel_spec_parse(const char *text, GError **error);
void mmrig_kernel_spec_free(MmrigKernelSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigKernelSpec, mmrig_kernel_spec_free)

/*
 * The kernel if it is in the cache (or, for path, readable), else an INPUT error that names
 * the command that gets it. Never downloads or builds.
 */
MmrigKernel *mmrig_kernel_find(const MmrigKernelSpec *spec, GError **error);

/*
 * The kernel that is meant where none is named: "tree" where that is in the cache, else
 * "distro". A tree kernel that was built and cannot be used is told in the notes.
 */
MmrigKernel *mmrig_kernel_find_default(GError **error);

/* Prints the notes on standard error, a line each. */
void mmrig_kernel_tell(const MmrigKernel *kernel);

void mmrig_kernel_free(MmrigKernel *kernel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigKernel, mmrig_kernel_free)

/*
 * The first of options ("CONFIG_X", or "CONFIG_X=value") that the kernel does not have: as
 * y or m, or with that value. NULL if it has all, or if its configuration is not known.
 */
const char *mmrig_kernel_lacks(const MmrigKernel *kernel, const char *const *options);

/*
 * The first file that modules.dep of the folder lists and that is not there, or NULL. Free with
 * g_free().
 */
char *mmrig_kernel_modules_missing(const char *folder);

/* How depmod is called for a folder of modules, for people. Free with g_free(). */
char *mmrig_kernel_depmod_command(const char *folder);

/* Whether a module is one of ours (guest-kernel/modules), by either spelling of its name. */
gboolean mmrig_kernel_module_is_ours(const char *name);

/*
 * As kernel->modules, with our modules among the kernel's: compiled if they are not in the
 * cache as their sources are now, which takes some seconds and not a kernel's build. UNMET
 * error if nothing was kept that modules could be compiled against. Free with g_free().
 */
char *mmrig_kernel_modules_ensure(const MmrigKernel *kernel, GError **error);
