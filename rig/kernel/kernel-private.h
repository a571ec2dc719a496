/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share. */
#pragma once

#include "arch/arch.h"
#include "base/store.h"
#include "kernel-cache.h"
#include "kernel-packages.h"

MmrigKernelInfo *mmrig_kernel_info_load(const char *folder, GError **error);
/* Writes the file; size is counted here. */
gboolean mmrig_kernel_info_save(MmrigKernelInfo *info, const char *folder, GError **error);

/* The kernel in an entry, with its configuration read. */
MmrigKernel *mmrig_kernel_from_info(const MmrigKernelInfo *info, const char *spec,
                                    GError **error);

/* Reads "CONFIG_X=..." lines; what is not set is not in the table. */
GHashTable *mmrig_kernel_config_parse(const char *text);
GHashTable *mmrig_kernel_config_load(const char *path, GError **error);

/*
 * Compares what fragments ask for with a final .config: an INPUT error that names every
 * option that came out otherwise. wanted is the fragments' text; "# CONFIG_X is not set" and
 * "CONFIG_X=n" ask for an option to be off, and "CONFIG_X=y or CONFIG_Y=y" asks for one of
 * them, for an option that has another name in other trees.
 */
gboolean mmrig_kernel_config_verify(const char *wanted, GHashTable *config, GError **error);

/* Fragments as kconfig takes them: of options of which one is enough each is asked for. */
char *mmrig_kernel_config_expand(const char *fragments);

/* All fragments of a folder (*.config, by name) in one text. */
char *mmrig_kernel_fragments(const char *folder, GError **error);

/*
 * The newest distro kernel in the cache; INPUT error if there is none. release, unless NULL: of
 * that release, or one that begins with that ("7.3").
 */
MmrigKernel *mmrig_kernel_distro_find(const char *release, GError **error);

/* Puts the packages' headers into a distro kernel's entry, unless they are there. */
gboolean mmrig_kernel_headers_ensure(const char *entry, const MmrigKernelPackages *packages,
                                     GError **error);

/*
 * What modules of an entry's kernel are compiled against: a folder for make, or NULL. Free with
 * g_free().
 */
char *mmrig_kernel_extmod(const char *entry);
/* The same for one that was built already; INPUT error if there is none. */
MmrigKernel *mmrig_kernel_tree_find(const char *tree, GError **error);
/* Whether it was built from the distribution's source, and not from a user's tree. */
gboolean mmrig_kernel_tree_is_own(const MmrigKernelInfo *info);

/*
 * What a kernel source (archive or folder) is, as 64 hex digits, for the tree's key. note is
 * set to what the user should know of how that was found out (free with g_free()), or to NULL.
 */
char *mmrig_kernel_source_digest(const char *source, char **note, GError **error);

/*
 * Whether the bytes of the file at path are a kernel that a machine of arch can boot: an INPUT
 * error says what they are instead, or what is wrong, and how to mend it. release and config
 * are set to what the image says of itself, or to NULL; the caller frees both.
 */
gboolean mmrig_kernel_image_inspect(const MmrigArch *arch, const char *path, const char *bytes,
                                    gsize size, char **release, GHashTable **config,
                                    GError **error);

/*
 * The release that the modules in a folder were built for, as one of them says, or else as the
 * folder's name does; NULL if neither does. missing is set to a module that modules.dep lists
 * and that is not there, or to NULL. Free both with g_free().
 */
char *mmrig_kernel_modules_release(const char *folder, char **missing);

/* "path:FILE" as mmrig_kernel_spec_parse() reads it. Free with g_free(). */
char *mmrig_kernel_spec_path(const char *path);

/* Adds to what the user is to be told of the kernel (kernel.h). */
void mmrig_kernel_note(MmrigKernel *kernel, const char *format, ...) G_GNUC_PRINTF(2, 3);

MmrigKernel *mmrig_kernel_path_find(const MmrigKernelSpec *spec, GError **error);

/*
 * Whether this host has what building a kernel takes: compiler, tools, headers and, unless
 * archive is NULL, that source, which package brings. If not, an INPUT error that names all
 * that is missing and the command that installs it.
 */
gboolean mmrig_kernel_build_needs(const char *archive, const char *package, GError **error);

/*
 * Compiles source (a folder, never written to) with fragments in objects, and puts the
 * kernel's files into target. release is set (free with g_free()).
 */
gboolean mmrig_kernel_compile(const char *source, const char *objects, const char *target,
                              const char *fragments, guint jobs, char **release,
                              GError **error);

/*
 * Compiles the modules in sources (a Kbuild file's folder, written to) against extmod, and puts
 * them into target/lib/modules/RELEASE/mmrig.
 */
gboolean mmrig_kernel_compile_modules(const char *extmod, const char *sources,
                                      const char *target, GError **error);

/*
 * The first character in the path that kbuild's rules or the shell below them take apart, in
 * words
 * ("a blank", "the character ':'"), or NULL. Free with g_free().
 */
char *mmrig_kernel_path_strange(const char *path);

/* Whether things can be compiled below the cache's folder: an INPUT error if not. */
gboolean mmrig_kernel_build_place(const char *cache, GError **error);

/* Makes modules.dep and the like for BASE/lib/modules/RELEASE; BASE/usr/lib becomes a link to
 * it. */
gboolean mmrig_kernel_depmod(const char *base, const char *release, GError **error);

/*
 * Progress for people, on standard error: on a terminal one line that is written over,
 * else a line every half minute.
 */
typedef struct {
    const char *what;
    gint64 start, last; /* monotonic time, us */
    guint count;
    gboolean terminal;
    gboolean open; /* the line on the terminal is not ended yet */
} MmrigProgress;

void mmrig_progress_start(MmrigProgress *progress, const char *what);
void mmrig_progress_step(MmrigProgress *progress, guint count);
void mmrig_progress_end(MmrigProgress *progress);
