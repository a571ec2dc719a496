/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define PACK "mmrig-devices.so"

typedef struct {
    char *data;
    char *guest;
    char *pack;
} Parts;

/* MMRIG_BUILD_DIR as the kernel sees it, so that it compares with /proc/self/exe. */
static gboolean is_within_build(const char *exe)
{
    char *build = realpath(MMRIG_BUILD_DIR, NULL);
    gboolean within = FALSE;

    if (build) {
        gsize length = strlen(build);

        within = strncmp(exe, build, length) == 0 && exe[length] == '/';
    }
    free(build);
    return within;
}

/*
 * Installed is looked for first: a trial installation may well lie inside the build folder,
 * but no build folder has share/mmrig beside a program.
 */
static Parts *parts_find(void)
{
    Parts *parts = g_new0(Parts, 1);
    char *exe = realpath("/proc/self/exe", NULL);
    g_autofree char *bin = exe ? g_path_get_dirname(exe) : g_strdup("/usr/bin");
    g_autofree char *prefix = g_path_get_dirname(bin);
    const char *data = g_getenv("MMRIG_DATA_DIR");
    const char *guest = g_getenv("MMRIG_GUEST_DIR");
    const char *pack = g_getenv("MMRIG_PACK");

    parts->data = g_build_filename(prefix, "share", "mmrig", NULL);
    parts->guest = g_build_filename(prefix, "libexec", "mmrig", NULL);
    parts->pack = g_build_filename(prefix, MMRIG_LIBDIR, "mmrig", PACK, NULL);
    if (exe && !g_file_test(parts->data, G_FILE_TEST_IS_DIR) && is_within_build(exe)) {
        g_free(parts->data);
        g_free(parts->guest);
        parts->data = g_strdup(MMRIG_SOURCE_DIR);
        parts->guest = g_strdup(MMRIG_BUILD_GUEST_DIR);
        g_free(parts->pack);
        parts->pack = g_build_filename(MMRIG_BUILD_DIR, "qemu-devices", PACK, NULL);
    }
    if (data && *data) {
        g_free(parts->data);
        parts->data = g_canonicalize_filename(data, NULL);
    }
    if (guest && *guest) {
        g_free(parts->guest);
        parts->guest = g_canonicalize_filename(guest, NULL);
    }
    if (pack && *pack) {
        g_free(parts->pack);
        parts->pack = g_canonicalize_filename(pack, NULL);
    }
    free(exe);
    return parts;
}

static const Parts *parts_get(void)
{
    static gsize once;
    static Parts *parts;

    if (g_once_init_enter(&once)) {
        parts = parts_find();
        g_once_init_leave(&once, 1);
    }
    return parts;
}

const char *mmrig_path_data(void)
{
    return parts_get()->data;
}

const char *mmrig_path_guest(void)
{
    return parts_get()->guest;
}

const char *mmrig_path_pack(void)
{
    return parts_get()->pack;
}

char *mmrig_path_cache(const char *part, GError **error)
{
    const char *xdg = g_getenv("XDG_CACHE_HOME");
    g_autofree char *path = NULL;

    /* A relative path is invalid and to be ignored (XDG Base Directory Specification). */
    if (xdg && g_path_is_absolute(xdg))
        path = g_build_filename(xdg, "mmrig", part, NULL);
    else
        path = g_build_filename(g_get_home_dir(), ".cache", "mmrig", part, NULL);

    if (g_mkdir_with_parents(path, 0755) != 0) {
        int cause = errno;

        g_set_error(error, MMRIG_ERROR,
                    cause == ENOSPC || cause == EDQUOT || cause == EIO ? MMRIG_ERROR_RIG
                                                                       : MMRIG_ERROR_INPUT,
                    "%s: cannot make the cache folder: %s; set XDG_CACHE_HOME to a folder "
                    "that can be written",
                    path, g_strerror(cause));
        return NULL;
    }
    return g_steal_pointer(&path);
}
