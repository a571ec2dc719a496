/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel modules of an image. Which files they are follows from the names asked for and
 * the indexes in the modules folder, so the answer is kept beside the images, behind its own
 * checksum. What is in the files is not part of it: the image's key looks at each.
 */
#include "image-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/paths.h"
#include "base/store.h"
#include "mmrig-guest-protocol.h"

/* Part of the name: to be raised when the same indexes come to be read differently. */
#define PURPOSE "module list 1"

#define DIGEST_DIGITS 64 /* of SHA-256 */

/* All that libkmod, of whatever version, reads of a modules folder to find modules in it. */
static const char *const indexes[] = {
    "modules.alias.bin",       "modules.builtin.alias.bin", "modules.builtin.bin",
    "modules.builtin.modinfo", "modules.dep.bin",           "modules.softdep",
    "modules.symbols.bin",     "modules.weakdep",
};

static void module_list_add_names(MmrigKey *key, const char *const *names)
{
    for (; names && *names; names++)
        mmrig_key_add(key, *names);
    mmrig_key_add(key, NULL);
}

/* What the answer depends on. */
static gboolean add_question(MmrigKey *key, const char *folder, const char *const *boot,
                             const char *const *wanted, GError **error)
{
    module_list_add_names(key, boot);
    module_list_add_names(key, wanted);
    mmrig_key_add(key, folder);
    for (gsize i = 0; folder && i < G_N_ELEMENTS(indexes); i++) {
        g_autofree char *path = g_build_filename(folder, indexes[i], NULL);
        if (!g_file_test(path, G_FILE_TEST_EXISTS))
            mmrig_key_add(key, NULL);
        else if (!mmrig_key_add_stat(key, path, error))
            return FALSE;
    }
    return TRUE;
}

typedef struct {
    const char *folder;
    const char *const *boot, *const *wanted;
    GVariant *answer; /* NULL: not asked for yet */
} Asking;

static gboolean module_list_write_bytes(int fd, const char *bytes, gsize size, GError **error)
{
    if (mmrig_io_write_all(fd, bytes, size))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write: %s", g_strerror(errno));
    return FALSE;
}

static gboolean module_list_write_answer(int fd, gpointer data, GError **error)
{
    Asking *asking = data;

    asking->answer = mmrig_image_resolve(asking->folder, asking->boot, asking->wanted, error);
    if (!asking->answer)
        return FALSE;
    g_variant_ref_sink(asking->answer);
    g_autoptr(GBytes) bytes = g_variant_get_data_as_bytes(asking->answer);
    g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
    gsize size;
    const char *content = g_bytes_get_data(bytes, &size);
    return module_list_write_bytes(fd, digest, DIGEST_DIGITS, error) &&
           module_list_write_bytes(fd, content, size, error);
}

/* NULL if it is not what write_answer() writes. */
static GVariant *module_list_read_answer(const char *path)
{
    g_autofree char *content = NULL;
    gsize size;

    if (!g_file_get_contents(path, &content, &size, NULL) || size <= DIGEST_DIGITS)
        return NULL;
    g_autoptr(GBytes) bytes = g_bytes_new(content + DIGEST_DIGITS, size - DIGEST_DIGITS);
    g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
    if (strncmp(digest, content, DIGEST_DIGITS) != 0)
        return NULL;
    g_autoptr(GVariant) answer = g_variant_ref_sink(
        g_variant_new_from_bytes(G_VARIANT_TYPE(MMRIG_MODULES_TYPE), bytes, FALSE));
    return g_variant_is_normal_form(answer) ? g_steal_pointer(&answer) : NULL;
}

/* The kept answer, or a new one, as of mmrig_image_resolve(). */
static GVariant *module_list_find(const char *folder, const char *const *boot,
                                  const char *const *wanted, GError **error)
{
    Asking asking = {folder, boot, wanted, NULL};
    g_autoptr(MmrigKey) key = mmrig_key_new(PURPOSE);
    g_autofree char *store = mmrig_path_cache("images", error);

    if (!store || !add_question(key, folder, boot, wanted, error))
        return NULL;
    g_autofree char *name = g_strconcat(mmrig_key_digest(key), MMRIG_MODULES_SUFFIX, NULL);
    for (guint attempt = 0; attempt < 2; attempt++) {
        g_autofree char *path =
            mmrig_store_file(store, name, module_list_write_answer, &asking, error);
        if (!path) {
            g_clear_pointer(&asking.answer, g_variant_unref);
            return NULL;
        }
        GVariant *answer = asking.answer ? asking.answer : module_list_read_answer(path);
        if (answer)
            return answer;
        /* The kept answer is damaged, so it is asked for again. */
        unlink(path);
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                "%s/%s: what was written there cannot be read back", store, name);
    return NULL;
}

/*
 * Tools in the guest (daxctl) load modules by themselves, or ask whether they are built in:
 * libkmod there reads the same indexes.
 */
static gboolean add_indexes(MmrigImage *image, const char *folder, GError **error)
{
    static const char *const needed[] = {"modules.builtin.bin", "modules.dep.bin"};
    g_autofree char *release = g_path_get_basename(folder);

    for (gsize i = 0; i < G_N_ELEMENTS(needed); i++) {
        g_autofree char *host = g_build_filename(folder, needed[i], NULL);
        g_autofree char *guest = g_build_filename("/lib/modules", release, needed[i], NULL);
        if (!g_file_test(host, G_FILE_TEST_EXISTS)) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                        "%s is missing; mend it with: depmod (from package kmod)", host);
            return FALSE;
        }
        if (!mmrig_image_add_file(image, guest, host, 0644, error))
            return FALSE;
    }
    return TRUE;
}

gboolean mmrig_image_add_modules(MmrigImage *image, const char *modules_folder,
                                 const char *const *boot, const char *const *wanted,
                                 GError **error)
{
    g_autofree char *folder =
        modules_folder ? g_canonicalize_filename(modules_folder, NULL) : NULL;
    g_autoptr(GVariantIter) files = NULL;
    const char *list, *boot_list, *guest, *host;
    gboolean packed;

    if (folder && !add_indexes(image, folder, error))
        return FALSE;
    g_autoptr(GVariant) answer = module_list_find(folder, boot, wanted, error);
    if (!answer)
        return FALSE;
    g_variant_get(answer, "(a(ssb)&s&s)", &files, &list, &boot_list);
    while (g_variant_iter_next(files, "(&s&sb)", &guest, &host, &packed))
        if (packed ? !mmrig_image_add_packed_file(image, guest, host, 0644, error)
                   : !mmrig_image_add_file(image, guest, host, 0644, error))
            return FALSE;
    return mmrig_image_add_bytes(image, MMRIG_GUEST_MODULES, list, strlen(list), 0644, error) &&
           mmrig_image_add_bytes(image, MMRIG_GUEST_BOOT, boot_list, strlen(boot_list), 0644,
                                 error);
}
