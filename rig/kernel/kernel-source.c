/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kernel source is, in one hash. Of an archive, its bytes (remembered by what stat
 * says, since reading 150 MB takes a second); of a git tree, its commit with all
 * changes; of any other folder, what stat says of every file.
 */
#include <errno.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"
#include "base/input.h"
#include "base/io.h"
#include "base/paths.h"
#include "base/text.h"
#include "kernel-private.h"

typedef struct {
    const char *path;
} Remember;

static gboolean write_digest(int fd, gpointer data, GError **error)
{
    const Remember *remember = data;
    g_autoptr(MmrigKey) key = mmrig_key_new("kernel-archive");
    const char *digest;

    if (!mmrig_key_add_content(key, remember->path, error))
        return FALSE;
    digest = mmrig_key_digest(key);
    if (mmrig_io_write_all(fd, digest, strlen(digest)))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write the digest of %s: %s",
                remember->path, g_strerror(errno));
    return FALSE;
}

static char *archive_digest(const char *path, GError **error)
{
    g_autoptr(MmrigKey) key = mmrig_key_new("kernel-archive-stat");
    g_autofree char *cache = mmrig_path_cache("digests", error);
    g_autofree char *file = NULL;
    char *digest = NULL;
    Remember remember = {path};

    if (!cache || !mmrig_key_add_stat(key, path, error))
        return NULL;
    file = mmrig_store_file(cache, mmrig_key_digest(key), write_digest, &remember, error);
    if (file)
        g_file_get_contents(file, &digest, NULL, error);
    return digest;
}

static gboolean source_git(const char *tree, MmrigKey *key, char **output, GError **error,
                           const char *const *arguments)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *text = NULL;

    g_ptr_array_add(argv, (gpointer) "git");
    g_ptr_array_add(argv, (gpointer) "-C");
    g_ptr_array_add(argv, (gpointer)tree);
    for (guint i = 0; arguments[i]; i++)
        g_ptr_array_add(argv, (gpointer)arguments[i]);
    g_ptr_array_add(argv, NULL);
    if (!mmrig_child_run((const char *const *)argv->pdata, NULL, &text, error))
        return FALSE;
    mmrig_key_add(key, text);
    if (output)
        *output = g_steal_pointer(&text);
    return TRUE;
}

/* FALSE with error if git cannot tell: the caller then walks the tree. */
static gboolean git_tree(const char *tree, MmrigKey *key, GError **error)
{
    static const char *const head[] = {"rev-parse", "HEAD", NULL};
    static const char *const changes[] = {"diff", "--binary", "HEAD", NULL};
    static const char *const others[] = {"ls-files", "--others", "--exclude-standard", NULL};
    g_autofree char *untracked = NULL;
    g_auto(GStrv) names = NULL;

    if (!source_git(tree, key, NULL, error, head) ||
        !source_git(tree, key, NULL, error, changes) ||
        !source_git(tree, key, &untracked, error, others))
        return FALSE;
    names = g_strsplit(untracked, "\n", -1);
    for (guint i = 0; names[i]; i++) {
        g_autofree char *path = g_build_filename(tree, names[i], NULL);

        if (*names[i] && g_file_test(path, G_FILE_TEST_IS_REGULAR) &&
            !mmrig_key_add_stat(key, path, error))
            return FALSE;
    }
    return TRUE;
}

/* nftw() has no argument for its callback. */
static _Thread_local GPtrArray *walked;

static int walk_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    if (type == FTW_D && strcmp(path + ftw->base, ".git") == 0)
        return FTW_SKIP_SUBTREE;
    if (type == FTW_F)
        g_ptr_array_add(
            walked, g_strdup_printf("%s %lld %lld.%09ld %llu", path, (long long)status->st_size,
                                    (long long)status->st_mtim.tv_sec, status->st_mtim.tv_nsec,
                                    (unsigned long long)status->st_ino));
    return FTW_CONTINUE;
}

static gboolean walk_tree(const char *tree, MmrigKey *key, GError **error)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    walked = lines;
    if (nftw(tree, walk_one, 32, FTW_PHYS | FTW_ACTIONRETVAL) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "%s: cannot read: %s", tree,
                    g_strerror(errno));
        return FALSE;
    }
    g_ptr_array_sort(lines, mmrig_text_compare);
    for (guint i = 0; i < lines->len; i++)
        mmrig_key_add(key, g_ptr_array_index(lines, i));
    return TRUE;
}

/*
 * Why git was not asked, and what comes of that. git does not work on a tree of another user's,
 * because the tree's own configuration can name programs to run.
 */
static char *source_git_note(const char *source, const char *why)
{
    /* What git proposes in every language, when the owner is its reason. */
    if (strstr(why, "safe.directory"))
        return g_strdup_printf(
            "%s belongs to another user, so git says nothing of it, and the "
            "times of its files count instead of its commit; if you trust it: "
            "'git config --global --add safe.directory %s'",
            source, source);
    return g_strdup_printf("%s: git says nothing of it (%s), and the times of its files count "
                           "instead of its commit",
                           source, why);
}

char *mmrig_kernel_source_digest(const char *source, char **note, GError **error)
{
    g_autofree char *repository = g_build_filename(source, ".git", NULL);
    g_autoptr(MmrigKey) key = mmrig_key_new("kernel-folder");
    g_autoptr(GError) cause = NULL;

    *note = NULL;
    if (!g_file_test(source, G_FILE_TEST_IS_DIR))
        return archive_digest(source, error);
    mmrig_key_add(key, source);
    if (g_file_test(repository, G_FILE_TEST_EXISTS)) {
        if (git_tree(source, key, &cause))
            return g_strdup(mmrig_key_digest(key));
        *note = source_git_note(source, cause->message);
        mmrig_key_free(key);
        key = mmrig_key_new("kernel-folder-walked");
    }
    if (!walk_tree(source, key, error))
        return NULL;
    return g_strdup(mmrig_key_digest(key));
}
