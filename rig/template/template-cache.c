/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "template-cache.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/paths.h"
#include "base/store.h"
#include "template-meta-private.h"

#define GIB (G_GUINT64_CONSTANT(1) << 30)

/* What a tmpfs must have free besides the whole of a guest's memory. */
#define TMPFS_RESERVE (GIB / 2)

#define KEEP_SECONDS (7 * 24 * 3600)
#define KEEP_MEMORY  (4 * GIB)
#define KEEP_DISK    (16 * GIB)
#define KEEP_SHARE   4

/* A template takes some 50 to 200 MiB, whatever its guest's memory. */
#define USUAL_SIZE (GIB / 5)

static void template_cache_entry_free(gpointer data)
{
    MmrigTemplateEntry *entry = data;

    g_free(entry->store);
    g_free(entry->name);
    g_free(entry->folder);
    g_free(entry->title);
    g_free(entry);
}

/* Anybody can make a folder in /dev/shm, so one of another user is not used. */
static gboolean template_cache_is_ours(const char *folder)
{
    struct stat status;

    return lstat(folder, &status) == 0 && S_ISDIR(status.st_mode) &&
           status.st_uid == getuid() && (status.st_mode & 077) == 0;
}

/* /dev/shm/mmrig-UID. */
static char *tmpfs_folder(void)
{
    return g_strdup_printf("/dev/shm/mmrig-%u", (unsigned)getuid());
}

char *mmrig_template_shm_problem(void)
{
    g_autofree char *folder = tmpfs_folder();
    struct statfs system;
    struct stat status;

    if (statfs("/dev/shm", &system) != 0)
        return g_strdup(g_strerror(errno));
    if (system.f_type != TMPFS_MAGIC)
        return g_strdup("it is no tmpfs");
    if (lstat(folder, &status) == 0 && !template_cache_is_ours(folder))
        return g_strdup_printf("%s there is another user's, or open to others", folder);
    return NULL;
}

/*
 * The store in /dev/shm, if that is a tmpfs with room for size more bytes and the folder is
 * ours; else NULL.
 */
static char *tmpfs_store(guint64 size)
{
    g_autofree char *problem = mmrig_template_shm_problem();
    g_autofree char *folder = tmpfs_folder();
    struct statfs system;

    if (problem || statfs("/dev/shm", &system) != 0 ||
        (guint64)system.f_bavail * (guint64)system.f_bsize < size + TMPFS_RESERVE)
        return NULL;
    /* Somebody else may have been faster. */
    if ((mkdir(folder, 0700) != 0 && errno != EEXIST) || !template_cache_is_ours(folder))
        return NULL;
    return g_steal_pointer(&folder);
}

/*
 * The user's own store, made if it is not there; NULL without error if none is named. What is
 * in it is loaded into QEMU, so nobody else may put anything there.
 */
static char *named_store(GError **error)
{
    const char *named = g_getenv("MMRIG_TEMPLATES");
    const char *problem = NULL;
    MmrigErrorCode code = MMRIG_ERROR_INPUT;
    struct stat status;

    if (!named || !*named)
        return NULL;
    if (g_mkdir_with_parents(named, 0700) != 0 || stat(named, &status) != 0) {
        code = mmrig_error_of_errno(errno);
        problem = g_strerror(errno);
    } else if (status.st_uid != getuid())
        problem = "the folder is another user's; name one of your own";
    else if ((status.st_mode & 022) != 0)
        problem = "others may write to the folder; `chmod go-w` it, or name another";
    if (!problem)
        return g_canonicalize_filename(named, NULL);
    g_set_error(error, MMRIG_ERROR, (int)code, "MMRIG_TEMPLATES=%s: %s", named, problem);
    return NULL;
}

GStrv mmrig_template_stores(GError **error)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autoptr(GError) cause = NULL;
    g_autofree char *named = named_store(&cause);

    if (cause) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    if (named) {
        g_strv_builder_add(builder, named);
        return g_strv_builder_end(builder);
    }
    g_autofree char *tmpfs = tmpfs_folder();
    g_autofree char *cache = mmrig_path_cache_peek("templates");
    if (template_cache_is_ours(tmpfs))
        g_strv_builder_add(builder, tmpfs);
    if (g_file_test(cache, G_FILE_TEST_IS_DIR))
        g_strv_builder_add(builder, cache);
    return g_strv_builder_end(builder);
}

/* What the files of a folder take; RAM files are sparse. */
static guint64 folder_size(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint64 size = 0;
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        struct stat status;
        if (lstat(file, &status) == 0)
            size += (guint64)status.st_blocks * 512;
    }
    return size;
}

static void template_cache_add_entry(GPtrArray *entries, const char *store, const char *name)
{
    g_autofree char *folder = g_build_filename(store, name, NULL);
    struct stat status;

    /* Another process may remove the template while this one looks at it. */
    if (lstat(folder, &status) != 0 || !S_ISDIR(status.st_mode))
        return;
    g_autoptr(MmrigTemplateMeta) meta = mmrig_template_meta_read(folder, NULL);
    MmrigTemplateEntry *entry = g_new0(MmrigTemplateEntry, 1);
    entry->store = g_strdup(store);
    entry->name = g_strdup(name);
    entry->size = folder_size(folder);
    entry->folder = g_steal_pointer(&folder);
    entry->used = status.st_mtim.tv_sec;
    if (meta) {
        entry->title = g_steal_pointer(&meta->title);
        entry->made = meta->made;
    }
    g_ptr_array_add(entries, entry);
}

static int compare_use(gconstpointer a, gconstpointer b)
{
    const MmrigTemplateEntry *left = *(const MmrigTemplateEntry *const *)a;
    const MmrigTemplateEntry *right = *(const MmrigTemplateEntry *const *)b;

    if (left->used != right->used)
        return left->used < right->used ? -1 : 1;
    return strcmp(left->name, right->name);
}

GPtrArray *mmrig_template_list(const char *const *stores, GError **error)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(template_cache_entry_free);

    for (; *stores; stores++) {
        g_autoptr(GDir) dir = g_dir_open(*stores, 0, error);
        const char *name;
        if (!dir)
            return NULL;
        while ((name = g_dir_read_name(dir)))
            /* Names with a dot are the store's own: locks, and what is being made. */
            if (name[0] != '.')
                template_cache_add_entry(entries, *stores, name);
    }
    g_ptr_array_sort(entries, compare_use);
    return g_steal_pointer(&entries);
}

gboolean mmrig_template_verify(const MmrigTemplateEntry *entry, GError **error)
{
    g_autoptr(MmrigTemplateMeta) meta = mmrig_template_meta_read(entry->folder, error);

    return meta && mmrig_template_meta_verify(meta, entry->folder, error);
}

void mmrig_template_limits(MmrigTemplateLimits *limits)
{
    *limits = (MmrigTemplateLimits){
        .before = g_get_real_time() / G_USEC_PER_SEC - KEEP_SECONDS,
        .memory = KEEP_MEMORY,
        .disk = KEEP_DISK,
        .share = KEEP_SHARE,
    };
}

/* Bytes of all entries, or of those in a store. */
static guint64 template_cache_sum(const GPtrArray *entries, const char *store)
{
    guint64 size = 0;

    for (guint i = 0; i < entries->len; i++) {
        const MmrigTemplateEntry *entry = g_ptr_array_index(entries, i);
        if (!store || g_str_equal(entry->store, store))
            size += entry->size;
    }
    return size;
}

static gboolean template_cache_has(const char *store, const char *name)
{
    g_autofree char *folder = store ? g_build_filename(store, name, NULL) : NULL;

    return folder && g_file_test(folder, G_FILE_TEST_IS_DIR);
}

/* Whether the store has room for one more template without removing others. */
static gboolean has_room(const char *store)
{
    const char *const stores[] = {store, NULL};
    g_autoptr(GPtrArray) entries = mmrig_template_list(stores, NULL);

    return entries && template_cache_sum(entries, NULL) + USUAL_SIZE <= KEEP_MEMORY;
}

char *mmrig_template_store(const char *name, guint64 memory, GError **error)
{
    g_autoptr(GError) cause = NULL;
    char *store = named_store(&cause);

    if (cause) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    if (store)
        return store;
    g_autofree char *own = tmpfs_folder();
    g_autofree char *in_memory = tmpfs_store(memory);
    if (template_cache_is_ours(own) && template_cache_has(own, name))
        return g_steal_pointer(&own);
    /* The cache may be one that nobody can write to: it is made only where it is used. */
    g_autofree char *cache = mmrig_path_cache_peek("templates");
    if (!template_cache_has(cache, name) && in_memory && has_room(in_memory))
        return g_steal_pointer(&in_memory);
    return mmrig_path_cache("templates", error);
}

static gboolean store_is_over(const GPtrArray *entries, const char *store,
                              const MmrigTemplateLimits *limits)
{
    guint64 size = template_cache_sum(entries, store);
    struct statfs system;

    if (statfs(store, &system) != 0)
        return FALSE;
    return size > (system.f_type == TMPFS_MAGIC ? limits->memory : limits->disk) ||
           size > (guint64)system.f_blocks * (guint64)system.f_bsize / limits->share;
}

/* Whether the entry, which is the longest unused one, is to be removed. */
static gboolean is_too_much(const GPtrArray *entries, const MmrigTemplateEntry *entry,
                            const MmrigTemplateLimits *limits)
{
    if (limits->spare && g_str_equal(entry->folder, limits->spare))
        return FALSE;
    return entry->used < limits->before || store_is_over(entries, entry->store, limits) ||
           (limits->verify && !mmrig_template_verify(entry, NULL));
}

GPtrArray *mmrig_template_prune(const char *const *stores, const MmrigTemplateLimits *limits,
                                GError **error)
{
    g_autoptr(GPtrArray) entries = mmrig_template_list(stores, error);
    g_autoptr(GPtrArray) removed = g_ptr_array_new_with_free_func(template_cache_entry_free);

    if (!entries)
        return NULL;
    for (guint i = 0; i < entries->len;) {
        const MmrigTemplateEntry *entry = g_ptr_array_index(entries, i);
        if (!is_too_much(entries, entry, limits)) {
            i++;
            continue;
        }
        if (!mmrig_store_drop(entry->store, entry->name, error))
            return NULL;
        g_ptr_array_add(removed, g_ptr_array_steal_index(entries, i));
    }
    return g_steal_pointer(&removed);
}

void mmrig_template_tidy(const char *folder)
{
    g_auto(GStrv) stores = mmrig_template_stores(NULL);
    MmrigTemplateLimits limits;

    if (!stores)
        return;
    mmrig_template_limits(&limits);
    limits.spare = folder;
    /* This only tidies up: what cannot be removed now is tried again next time. */
    GPtrArray *removed = mmrig_template_prune((const char *const *)stores, &limits, NULL);
    if (removed)
        g_ptr_array_unref(removed);
}
