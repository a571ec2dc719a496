/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "esp-store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/paths.h"
#include "base/store.h"
#include "esp.h"
#include "private-copy.h"

/* Changes with what is put on the disk. */
#define PURPOSE "esp 1"

static gboolean esp_store_write(int fd, gpointer data, GError **error)
{
    return mmrig_esp_fill(data, fd, error);
}

char *mmrig_esp_ensure(const MmrigEsp *esp, GError **error)
{
    g_autoptr(MmrigKey) key = mmrig_key_new(PURPOSE);
    g_autofree char *folder = NULL;
    g_autofree char *unmet = mmrig_esp_unmet(esp->arch, esp->loader);
    struct stat status;

    if (unmet) {
        g_set_error_literal(error, MMRIG_ERROR, MMRIG_ERROR_UNMET, unmet);
        return NULL;
    }
    /* An initramfs is named by a hash of its contents, and its times tell of its use. */
    if (stat(esp->initrd, &status) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "cannot boot from %s: %s",
                    esp->initrd, g_strerror(errno));
        return NULL;
    }
    if (!mmrig_key_add_stat(key, esp->loader, error) ||
        !mmrig_key_add_stat(key, esp->kernel, error))
        return NULL;
    g_autofree char *size = g_strdup_printf("%lld", (long long)status.st_size);
    mmrig_key_add(key, esp->arch->efi_loader);
    mmrig_key_add(key, esp->initrd);
    mmrig_key_add(key, size);
    mmrig_key_add(key, esp->options);
    folder = mmrig_path_cache("images", error);
    if (!folder)
        return NULL;
    g_autofree char *name = g_strdup_printf("esp-%s.img", mmrig_key_digest(key));
    return mmrig_store_file(folder, name, esp_store_write, (gpointer)esp, error);
}

gboolean mmrig_esp_copy(const MmrigEsp *esp, int fd, GError **error)
{
    g_autofree char *path = mmrig_esp_ensure(esp, error);
    int from = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    gboolean copied = from >= 0 && mmrig_copy_file(from, fd, mmrig_reflink);

    if (path && !copied)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot copy the disk %s: %s", path,
                    g_strerror(errno));
    if (from >= 0)
        close(from);
    return copied;
}
