/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

char *mmrig_path_cache_peek(const char *part)
{
    const char *xdg = g_getenv("XDG_CACHE_HOME");

    /* A relative path is invalid and to be ignored (XDG Base Directory Specification). */
    if (xdg && g_path_is_absolute(xdg))
        return g_build_filename(xdg, "mmrig", part, NULL);
    return g_build_filename(g_get_home_dir(), ".cache", "mmrig", part, NULL);
}

/*
 * The folder that stands in this user's way to the path: the outermost that may not be entered,
 * else the innermost that is there.
 */
static char *denied_folder(const char *path)
{
    g_autofree char *whole = g_canonicalize_filename(path, NULL);
    g_autofree char *innermost = g_strdup("/");

    for (char *slash = strchr(whole + 1, '/');; slash = strchr(slash + 1, '/')) {
        g_autofree char *folder = slash ? g_strndup(whole, (gsize)(slash - whole)) : NULL;
        const char *at = folder ? folder : whole;

        if (!g_file_test(at, G_FILE_TEST_IS_DIR))
            return g_steal_pointer(&innermost);
        g_free(innermost);
        innermost = g_strdup(at);
        if (!slash || access(at, X_OK) != 0)
            return g_steal_pointer(&innermost);
    }
}

char *mmrig_path_denied_hint(const char *path)
{
    g_autofree char *folder = denied_folder(path);
    struct stat status;

    if (stat(folder, &status) != 0)
        return g_strdup("");
    if (status.st_uid == geteuid()) {
        if ((status.st_mode & S_IRWXU) == S_IRWXU)
            return g_strdup("");
        return g_strdup_printf(" (the mode of %s is %04o; 'chmod u+rwx %s' mends it)", folder,
                               (guint)status.st_mode & 07777, folder);
    }
    const struct passwd *owner = getpwuid(status.st_uid);
    g_autofree char *name =
        owner ? g_strdup(owner->pw_name) : g_strdup_printf("user %u", (guint)status.st_uid);
    return g_strdup_printf(" (%s belongs to %s; set XDG_CACHE_HOME to a folder of your own)",
                           folder, name);
}

gboolean mmrig_path_cache_check(const char *path, GError **error)
{
    if (access(path, R_OK | X_OK) == 0)
        return TRUE;
    int cause = errno;
    g_autofree char *hint = cause == EACCES ? mmrig_path_denied_hint(path) : g_strdup("");
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "%s: cannot read the cache: %s%s", path,
                g_strerror(cause), hint);
    return FALSE;
}

char *mmrig_path_cache(const char *part, GError **error)
{
    g_autofree char *path = mmrig_path_cache_peek(part);

    if (g_mkdir_with_parents(path, 0755) != 0) {
        int cause = errno;
        g_autofree char *hint = cause == EACCES ? mmrig_path_denied_hint(path) : g_strdup("");

        g_set_error(error, MMRIG_ERROR, (int)mmrig_error_of_errno(cause),
                    "%s: cannot make the cache folder: %s%s", path, g_strerror(cause),
                    *hint ? hint : "; set XDG_CACHE_HOME to a folder that can be written");
        return NULL;
    }
    return g_steal_pointer(&path);
}
