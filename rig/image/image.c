/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The entries of an image: which paths, no two things under one, and the key of it all. */
#include "image-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/paths.h"
#include "base/store.h"

/* Part of every key: to be raised when the same entries come to be written differently. */
#define FORMAT "image 1"

/* The guest kernel silently skips entries whose name is longer (init/initramfs.c). */
#define GUEST_PATH_MAX 1024

#define KEEP_SECONDS (7 * 24 * 3600)

/* /usr is merged: each of these is a link to the same name under usr. */
static const char *const merged[] = {"/bin", "/sbin", "/lib", "/lib64"};

static void image_entry_free(gpointer data)
{
    MmrigEntry *entry = data;

    g_free(entry->path);
    g_free(entry->host);
    g_free(entry->target);
    g_clear_pointer(&entry->bytes, g_bytes_unref);
    g_free(entry);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigEntry, image_entry_free)

static gint compare_paths(gconstpointer a, gconstpointer b, G_GNUC_UNUSED gpointer data)
{
    return g_strcmp0(a, b);
}

MmrigImage *mmrig_image_new(void)
{
    MmrigImage *image = g_new0(MmrigImage, 1);

    /* By bytes, a folder's path comes before all paths in it. */
    image->entries = g_tree_new_full(compare_paths, NULL, NULL, image_entry_free);
    return image;
}

void mmrig_image_free(MmrigImage *image)
{
    if (!image)
        return;
    g_tree_unref(image->entries);
    g_free(image);
}

/* ---- Paths ---------------------------------------------------------------------------- */

static gboolean image_check_path(const char *path, GError **error)
{
    const char *problem = NULL;

    if (path[0] != '/')
        problem = "is not absolute";
    else if (strlen(path) > GUEST_PATH_MAX)
        problem = "is too long";
    for (const char *at = path; !problem && *at != '\0'; at++) {
        if (*at < 0x20 || *at > 0x7e) {
            problem = "has a character that is not printable ASCII";
        } else if (*at == '/') {
            gsize length = strcspn(at + 1, "/");
            if (length == 0)
                problem = "has an empty part";
            else if (at[1] == '.' && (length == 1 || (length == 2 && at[2] == '.')))
                problem = "has a part '.' or '..'";
        }
    }
    if (!problem)
        return TRUE;
    g_autofree char *shown = g_strescape(path, NULL);
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "guest path '%.200s' %s", shown,
                problem);
    return FALSE;
}

/* Where the path leads once /usr is merged. */
static char *merge_path(const char *path)
{
    for (gsize i = 0; i < G_N_ELEMENTS(merged); i++) {
        gsize length = strlen(merged[i]);
        if (g_str_has_prefix(path, merged[i]) && path[length] == '/')
            return g_strconcat("/usr", path, NULL);
    }
    return g_strdup(path);
}

static const char *kind_name(const MmrigEntry *entry)
{
    static const char *const names[] = {
        [MMRIG_ENTRY_FOLDER] = "a folder", [MMRIG_ENTRY_FILE] = "a file",
        [MMRIG_ENTRY_BYTES] = "a file",    [MMRIG_ENTRY_LINK] = "a link",
        [MMRIG_ENTRY_DEVICE] = "a device",
    };
    return names[entry->kind];
}

/* ---- Entries -------------------------------------------------------------------------- */

static MmrigEntry *entry_new(MmrigEntryKind kind, const char *path, guint mode)
{
    MmrigEntry *entry = g_new0(MmrigEntry, 1);

    entry->kind = kind;
    entry->path = merge_path(path);
    entry->mode = mode;
    return entry;
}

static gboolean same_entry(const MmrigEntry *a, const MmrigEntry *b)
{
    return a->kind == b->kind && a->mode == b->mode && a->packed == b->packed &&
           a->major == b->major && a->minor == b->minor && g_strcmp0(a->host, b->host) == 0 &&
           g_strcmp0(a->target, b->target) == 0 &&
           (!a->bytes || g_bytes_equal(a->bytes, b->bytes));
}

static gboolean make_parents(MmrigImage *image, const char *path, GError **error);

/* Takes the entry, also on failure. */
static gboolean image_put(MmrigImage *image, MmrigEntry *taken, GError **error)
{
    g_autoptr(MmrigEntry) entry = taken;
    MmrigEntry *there = g_tree_lookup(image->entries, entry->path);

    if (!there) {
        if (!make_parents(image, entry->path, error))
            return FALSE;
    } else if (entry->kind == MMRIG_ENTRY_FOLDER && there->kind == MMRIG_ENTRY_FOLDER &&
               (there->implied || entry->implied)) {
        if (!entry->implied) {
            there->mode = entry->mode;
            there->implied = FALSE;
        }
        return TRUE;
    } else if (same_entry(entry, there)) {
        there->weak = there->weak && entry->weak;
        return TRUE;
    } else if (entry->weak && !there->weak) {
        return TRUE;
    } else if (entry->weak || !there->weak) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "two different things for %s in the image: %s (%s) and %s (%s)",
                    entry->path, kind_name(there), there->host ? there->host : "given",
                    kind_name(entry), entry->host ? entry->host : "given");
        return FALSE;
    }
    char *key = entry->path;
    g_tree_replace(image->entries, key, g_steal_pointer(&entry));
    return TRUE;
}

/* Makes the folders above path; where one of them is merged into /usr, also its link. */
static gboolean make_parents(MmrigImage *image, const char *path, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(path);
    MmrigEntry *there = g_tree_lookup(image->entries, parent);

    for (gsize i = 0; i < G_N_ELEMENTS(merged); i++) {
        if (g_str_has_prefix(path, "/usr") &&
            g_strcmp0(path + strlen("/usr"), merged[i]) == 0) {
            MmrigEntry *link = entry_new(MMRIG_ENTRY_LINK, merged[i], 0777);
            link->target = g_strdup(path + 1);
            if (!image_put(image, link, error))
                return FALSE;
        }
    }
    if (g_strcmp0(parent, "/") == 0)
        return TRUE;
    if (there && there->kind != MMRIG_ENTRY_FOLDER) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "cannot put %s in the image: %s is %s there", path, parent,
                    kind_name(there));
        return FALSE;
    }
    if (there)
        return TRUE;
    MmrigEntry *folder = entry_new(MMRIG_ENTRY_FOLDER, parent, 0755);
    folder->implied = TRUE;
    return image_put(image, folder, error);
}

static gboolean check_mode(const char *path, guint mode, GError **error)
{
    if (mode <= 07777)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "mode 0%o of guest path %s is over 07777", mode, path);
    return FALSE;
}

gboolean mmrig_image_add_folder(MmrigImage *image, const char *guest_path, guint mode,
                                GError **error)
{
    if (!image_check_path(guest_path, error) || !check_mode(guest_path, mode, error))
        return FALSE;
    /* A folder /bin is the folder that the link leads to. */
    g_autofree char *inside = g_strconcat(guest_path, "/", NULL);
    g_autofree char *led = merge_path(inside);
    led[strlen(led) - 1] = '\0';
    return image_put(image, entry_new(MMRIG_ENTRY_FOLDER, led, mode), error);
}

static gboolean image_add_file(MmrigImage *image, const char *guest_path, const char *host_path,
                               guint mode, gboolean packed, GError **error)
{
    struct stat info;

    if (!image_check_path(guest_path, error) || !check_mode(guest_path, mode, error))
        return FALSE;
    /* Resolved, so that one file reached by two paths is one file. */
    char *resolved = realpath(host_path, NULL);
    if (!resolved || stat(resolved, &info) != 0 || access(resolved, R_OK) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "cannot read %s for the image: %s",
                    host_path, g_strerror(errno));
        free(resolved);
        return FALSE;
    }
    g_autofree char *host = g_strdup(resolved);
    free(resolved);
    if (!S_ISREG(info.st_mode)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "cannot put %s in the image: it is not a regular file", host_path);
        return FALSE;
    }
    MmrigEntry *entry = entry_new(MMRIG_ENTRY_FILE, guest_path, mode);
    entry->host = g_steal_pointer(&host);
    entry->packed = packed;
    return image_put(image, entry, error);
}

gboolean mmrig_image_add_file(MmrigImage *image, const char *guest_path, const char *host_path,
                              guint mode, GError **error)
{
    return image_add_file(image, guest_path, host_path, mode, FALSE, error);
}

gboolean mmrig_image_add_packed_file(MmrigImage *image, const char *guest_path,
                                     const char *host_path, guint mode, GError **error)
{
    return image_add_file(image, guest_path, host_path, mode, TRUE, error);
}

gboolean mmrig_image_add_bytes(MmrigImage *image, const char *guest_path, const char *data,
                               gsize size, guint mode, GError **error)
{
    if (!image_check_path(guest_path, error) || !check_mode(guest_path, mode, error))
        return FALSE;
    MmrigEntry *entry = entry_new(MMRIG_ENTRY_BYTES, guest_path, mode);
    entry->bytes = g_bytes_new(data, size);
    return image_put(image, entry, error);
}

static gboolean image_add_link(MmrigImage *image, const char *guest_path, const char *target,
                               gboolean weak, GError **error)
{
    if (!image_check_path(guest_path, error))
        return FALSE;
    if (target[0] == '\0' || strlen(target) > GUEST_PATH_MAX) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "the target of link %s is empty or too long", guest_path);
        return FALSE;
    }
    MmrigEntry *entry = entry_new(MMRIG_ENTRY_LINK, guest_path, 0777);
    entry->target = g_strdup(target);
    entry->weak = weak;
    return image_put(image, entry, error);
}

gboolean mmrig_image_add_link(MmrigImage *image, const char *guest_path, const char *target,
                              GError **error)
{
    return image_add_link(image, guest_path, target, FALSE, error);
}

gboolean mmrig_image_add_weak_link(MmrigImage *image, const char *guest_path,
                                   const char *target, GError **error)
{
    return image_add_link(image, guest_path, target, TRUE, error);
}

gboolean mmrig_image_add_device(MmrigImage *image, const char *guest_path, guint mode,
                                guint major, guint minor, GError **error)
{
    if (!image_check_path(guest_path, error))
        return FALSE;
    if ((!S_ISCHR(mode) && !S_ISBLK(mode)) || (mode & ~(guint)S_IFMT) > 07777) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "mode 0%o of guest path %s is not that of a device", mode, guest_path);
        return FALSE;
    }
    /* The kernel's device numbers have 12 and 20 bits (include/linux/kdev_t.h). */
    if (major >= 1 << 12 || minor >= 1 << 20) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "device number %u:%u of guest path %s is out of bounds (4095:1048575)",
                    major, minor, guest_path);
        return FALSE;
    }
    MmrigEntry *entry = entry_new(MMRIG_ENTRY_DEVICE, guest_path, mode);
    entry->major = major;
    entry->minor = minor;
    return image_put(image, entry, error);
}

/* ---- Key and cache -------------------------------------------------------------------- */

static gboolean add_to_key(MmrigKey *key, const MmrigEntry *entry, GError **error)
{
    g_autofree char *numbers = g_strdup_printf("%d %o %u %u %d", entry->kind, entry->mode,
                                               entry->major, entry->minor, entry->packed);

    mmrig_key_add(key, entry->path);
    mmrig_key_add(key, numbers);
    mmrig_key_add(key, entry->target);
    if (entry->bytes) {
        g_autofree char *sum = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, entry->bytes);
        mmrig_key_add(key, sum);
    }
    return !entry->host || mmrig_key_add_stat(key, entry->host, error);
}

char *mmrig_image_key(MmrigImage *image, GError **error)
{
    g_autoptr(MmrigKey) key = mmrig_key_new(FORMAT);

    for (GTreeNode *at = g_tree_node_first(image->entries); at; at = g_tree_node_next(at))
        if (!add_to_key(key, g_tree_node_value(at), error))
            return NULL;
    return g_strdup(mmrig_key_digest(key));
}

typedef struct {
    MmrigImage *image;
    gboolean written;
} EnsureContext;

static gboolean image_write_entry(int fd, gpointer data, GError **error)
{
    EnsureContext *context = data;

    context->written = TRUE;
    return mmrig_image_write(context->image, fd, error);
}

/*
 * Drops images that nobody used for long. Only a tidying: what cannot be removed stays. An
 * image about to be booted is safe, as asking for it has just made it young.
 */
static void image_drop_old(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        struct stat info;
        if ((g_str_has_suffix(name, ".cpio") || g_str_has_suffix(name, MMRIG_MODULES_SUFFIX)) &&
            lstat(path, &info) == 0 && info.st_mtim.tv_sec < now - KEEP_SECONDS)
            unlink(path);
    }
}

char *mmrig_image_ensure(MmrigImage *image, GError **error)
{
    EnsureContext context = {.image = image};
    g_autofree char *folder = mmrig_path_cache("images", error);
    g_autofree char *key = folder ? mmrig_image_key(image, error) : NULL;

    if (!key)
        return NULL;
    g_autofree char *name = g_strconcat(key, ".cpio", NULL);
    g_autofree char *path = mmrig_store_file(folder, name, image_write_entry, &context, error);
    if (!path)
        return NULL;
    if (context.written)
        image_drop_old(folder);
    else if (utimensat(AT_FDCWD, path, NULL, 0) != 0 && errno == ENOENT) {
        /* Another mmrig has removed it between the two lines above. */
        g_free(g_steal_pointer(&path));
        path = mmrig_store_file(folder, name, image_write_entry, &context, error);
    }
    return g_steal_pointer(&path);
}
