/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What modules for a distribution's kernel are compiled against: its packages of headers, which
 * take themselves to lie in /usr/src. Here they lie in the kernel's entry of the cache.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"
#include "base/input.h"
#include "kernel-private.h"

/* A link to the folder that make is to be called in. */
#define BUILD "build"

/* The packages' home, which their makefiles name. */
#define HOME "/usr/src/"

/* A makefile of the packages has some lines. */
#define MAKEFILE_SIZE_MAX (64 * 1024)

char *mmrig_kernel_extmod(const char *entry)
{
    g_autofree char *kept = g_build_filename(entry, MMRIG_KERNEL_EXTMOD, NULL);
    g_autofree char *build = g_build_filename(kept, BUILD, NULL);

    if (g_file_test(build, G_FILE_TEST_IS_DIR))
        return g_steal_pointer(&build);
    return g_file_test(kept, G_FILE_TEST_IS_DIR) ? g_steal_pointer(&kept) : NULL;
}

/* Makes what the makefile names by its home relative to where the makefile is. */
static gboolean headers_move(const char *makefile, GError **error)
{
    g_autofree char *text =
        mmrig_input_read(makefile, "the headers' makefile", MAKEFILE_SIZE_MAX, NULL, error);

    if (!text)
        return FALSE;
    if (!strstr(text, HOME))
        return TRUE;
    g_auto(GStrv) parts = g_strsplit(text, HOME, -1);
    g_autofree char *rest = g_strjoinv("$(mmrig-here)../", parts);
    g_autofree char *moved = g_strconcat(
        "mmrig-here := $(dir $(realpath $(lastword $(MAKEFILE_LIST))))\n", rest, NULL);
    return g_file_set_contents(makefile, moved, -1, error);
}

static gboolean headers_fill(const char *path, gpointer data, GError **error)
{
    const MmrigKernelPackages *packages = data;
    g_autofree char *name = g_strconcat("linux-headers-", packages->release, NULL);
    g_autofree char *target = g_build_filename("usr", "src", name, NULL);
    g_autofree char *link = g_build_filename(path, BUILD, NULL);
    g_autofree char *makefile = g_build_filename(path, target, "Makefile", NULL);

    if (!mmrig_kernel_packages_unpack(packages, packages->headers, path, error))
        return FALSE;
    if (!g_file_test(makefile, G_FILE_TEST_IS_REGULAR)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "the packages of %s hold no %s/Makefile, so no modules can be compiled "
                    "against them; 'mmrig kernel fetch --no-headers' goes without",
                    name, target);
        return FALSE;
    }
    if (symlink(target, link) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: %s", link, g_strerror(errno));
        return FALSE;
    }
    return headers_move(makefile, error);
}

gboolean mmrig_kernel_headers_ensure(const char *entry, const MmrigKernelPackages *packages,
                                     GError **error)
{
    g_autofree char *path =
        mmrig_store_folder(entry, MMRIG_KERNEL_EXTMOD, headers_fill, (gpointer)packages, error);

    return path != NULL;
}
