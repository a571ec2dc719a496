/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debian's packages of one kernel. Until Linux 6.18 there was one, linux-image-RELEASE; since
 * then that is empty, and depends on linux-binary-RELEASE, linux-modules-RELEASE and
 * linux-base-RELEASE. What modules are compiled against is in linux-headers-RELEASE and what
 * that depends on. They come from apt, or from files that the user gives.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *package; /* the one that names the kernel: linux-image-RELEASE or linux-binary-RELEASE
                    */
    char *version;
    char *release;      /* of its name; the files decide */
    GPtrArray *kernel;  /* of char *: NAME=VERSION for apt, or the paths of .deb files */
    GPtrArray *headers; /* the same; empty if there are none */
    gboolean files;     /* which of the two they are */
    char *note;         /* what the user should know, or NULL */
} MmrigKernelPackages;

void mmrig_kernel_packages_free(MmrigKernelPackages *packages);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigKernelPackages, mmrig_kernel_packages_free)

/*
 * The packages of a kernel that apt knows: wanted is NAME or NAME=VERSION, of a kernel or of a
 * package that depends on the current one. newest: of all versions that apt knows the highest,
 * and not the one that it would install.
 */
MmrigKernelPackages *mmrig_kernel_packages_apt(const char *wanted, gboolean newest,
                                               GError **error);

/* The packages of the one kernel that is in these files, and folders of files. */
MmrigKernelPackages *mmrig_kernel_packages_files(const char *const *paths, GError **error);

/* Puts what is in the packages of list (kernel or headers) into the folder. */
gboolean mmrig_kernel_packages_unpack(const MmrigKernelPackages *packages,
                                      const GPtrArray *list, const char *folder,
                                      GError **error);
