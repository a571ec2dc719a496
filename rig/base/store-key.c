/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of the store. Every part goes in with its kind and length before it, so that two
 * different lists of parts never give the same bytes.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

struct MmrigKey {
    GChecksum *checksum;
};

static void key_part(MmrigKey *key, char kind, const char *text)
{
    g_autofree char *head = g_strdup_printf("%c%zu:", kind, strlen(text));

    g_checksum_update(key->checksum, (const guchar *)head, -1);
    g_checksum_update(key->checksum, (const guchar *)text, -1);
}

MmrigKey *mmrig_key_new(const char *purpose)
{
    MmrigKey *key = g_new0(MmrigKey, 1);

    key->checksum = g_checksum_new(G_CHECKSUM_SHA256);
    key_part(key, 'P', purpose);
    return key;
}

void mmrig_key_free(MmrigKey *key)
{
    if (!key)
        return;
    g_checksum_free(key->checksum);
    g_free(key);
}

void mmrig_key_add(MmrigKey *key, const char *text)
{
    key_part(key, text ? 'T' : 'N', text ? text : "");
}

static gboolean key_error(GError **error, const char *path, int cause)
{
    g_set_error(error, MMRIG_ERROR,
                cause == ENOENT || cause == ENOTDIR || cause == EACCES || cause == EPERM ||
                        cause == EISDIR
                    ? MMRIG_ERROR_INPUT
                    : MMRIG_ERROR_RIG,
                "%s: cannot read: %s", path, g_strerror(cause));
    return FALSE;
}

gboolean mmrig_key_add_content(MmrigKey *key, const char *path, GError **error)
{
    g_autoptr(GChecksum) content = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree guchar *buffer = g_malloc(64 * 1024);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gssize size;
    int cause;

    if (fd < 0)
        return key_error(error, path, errno);
    while ((size = read(fd, buffer, 64 * 1024)) != 0) {
        if (size > 0)
            g_checksum_update(content, buffer, size);
        else if (errno != EINTR)
            break;
    }
    cause = errno;
    close(fd);
    if (size < 0)
        return key_error(error, path, cause);
    key_part(key, 'C', g_checksum_get_string(content));
    return TRUE;
}

gboolean mmrig_key_add_stat(MmrigKey *key, const char *path, GError **error)
{
    struct stat status;
    g_autofree char *text = NULL;

    if (stat(path, &status) != 0)
        return key_error(error, path, errno);
    text = g_strdup_printf("%lld %lld.%09ld %lld.%09ld %llu %s", (long long)status.st_size,
                           (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                           (long long)status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
                           (unsigned long long)status.st_ino, path);
    key_part(key, 'S', text);
    return TRUE;
}

const char *mmrig_key_digest(MmrigKey *key)
{
    return g_checksum_get_string(key->checksum);
}
