/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels built from source: which entry of the cache, and how it is filled. */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/child.h"
#include "base/error.h"
#include "base/input.h"
#include "base/io.h"
#include "base/paths.h"
#include "kernel-private.h"

#define SOURCE_PACKAGE "linux-source-6.12"
#define SOURCE_ARCHIVE "/usr/src/" SOURCE_PACKAGE ".tar.xz"

/* To be changed when the way of building changes what comes out of it. */
#define RECIPE "2"

/* An unpacked source (1.7 GB) and its objects (0.3 GB), with some room. */
#define BUILD_BYTES ((guint64)3 * 1024 * 1024 * 1024)

typedef struct {
    const char *tree; /* the user's, or NULL */
    guint jobs;
    char *fragments;
    char *digest; /* what names the entry */
    char *note;   /* what the user should know of that, or NULL */
} Plan;

static void plan_clear(Plan *plan)
{
    g_free(plan->fragments);
    g_free(plan->digest);
    g_free(plan->note);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plan, plan_clear)

static const char *plan_source(const Plan *plan)
{
    return plan->tree ? plan->tree : SOURCE_ARCHIVE;
}

/* What kbuild itself refuses in a source tree that is to be built out of tree. */
static gboolean check_tree(const char *tree, GError **error)
{
    const MmrigArch *guest = mmrig_arch_default();
    g_autofree char *generated =
        g_build_filename("arch", guest->kernel_folder, "include", "generated", NULL);
    const char *const built[] = {".config", "include/config", generated};
    g_autofree char *strange = NULL;
    g_autofree char *kconfig = g_build_filename(tree, "Kconfig", NULL);
    g_autofree char *arch =
        g_build_filename(tree, "arch", guest->kernel_folder, "Kconfig", NULL);

    if (!mmrig_input_check_folder(tree, "the source tree", error))
        return FALSE;
    if (!g_file_test(kconfig, G_FILE_TEST_IS_REGULAR) ||
        !g_file_test(arch, G_FILE_TEST_IS_REGULAR)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: not a Linux source tree (no arch/%s/Kconfig in it)", tree,
                    guest->kernel_folder);
        return FALSE;
    }
    strange = mmrig_kernel_path_strange(tree);
    if (strange) {
        g_set_error(
            error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
            "%s: a kernel cannot be built in a folder with %s in its path; move or bind "
            "the tree elsewhere",
            tree, strange);
        return FALSE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(built); i++) {
        g_autofree char *path = g_build_filename(tree, built[i], NULL);

        if (!g_file_test(path, G_FILE_TEST_EXISTS))
            continue;
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: a kernel was configured or built in this folder (%s), so none can be "
                    "built from it elsewhere; save what you need and run 'make mrproper' there",
                    tree, built[i]);
        return FALSE;
    }
    return TRUE;
}

static gboolean check_source(const Plan *plan, GError **error)
{
    if (plan->tree)
        return check_tree(plan->tree, error);
    if (g_file_test(SOURCE_ARCHIVE, G_FILE_TEST_IS_REGULAR))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "%s is not there; install the package %s, or give a tree with --tree DIR",
                SOURCE_ARCHIVE, SOURCE_PACKAGE);
    return FALSE;
}

/* Writes the first line of what the program says of its version. */
static gboolean write_version(int fd, gpointer data, GError **error)
{
    const char *const argv[] = {data, "--version", NULL};
    g_autofree char *text = NULL;

    if (!mmrig_child_run(argv, NULL, &text, error))
        return FALSE;
    gsize size = strcspn(text, "\n");
    if (mmrig_io_write_all(fd, text, size))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot keep the version of %s: %s",
                argv[0], g_strerror(errno));
    return FALSE;
}

/*
 * Adds the program's version, which is asked for once and then remembered by what stat says of
 * the program: it is wanted at each start of the rig, and asking takes longer than the rest.
 */
static gboolean add_version(MmrigKey *key, const char *program, const char *package,
                            GError **error)
{
    g_autofree char *path = mmrig_child_find(program, package, error);
    g_autofree char *cache = path ? mmrig_path_cache("digests", error) : NULL;
    g_autoptr(MmrigKey) memory = mmrig_key_new("program-version");
    g_autofree char *text = NULL;

    if (!cache || !mmrig_key_add_stat(memory, path, error))
        return FALSE;
    g_autofree char *file =
        mmrig_store_file(cache, mmrig_key_digest(memory), write_version, path, error);
    if (!file || !g_file_get_contents(file, &text, NULL, error))
        return FALSE;
    mmrig_key_add(key, text);
    return TRUE;
}

/*
 * Adds the options of the fragments. Comments in them do not change the kernel. Of options of
 * which one is enough the first counts: a tree that has neither makes no kernel at all, and
 * names that are added for newer trees do not change an older one's.
 */
static void add_options(MmrigKey *key, const char *fragments)
{
    g_auto(GStrv) lines = g_strsplit(fragments, "\n", -1);

    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "CONFIG_") || g_str_has_prefix(*line, "# CONFIG_")) {
            char *choice = strstr(*line, " or CONFIG_");

            if (choice)
                *choice = '\0';
            mmrig_key_add(key, *line);
        }
}

/* Everything that the kernel is made from. */
static gboolean plan_make(Plan *plan, const char *tree, guint jobs, GError **error)
{
    g_autoptr(MmrigKey) key = mmrig_key_new("kernel-tree");
    g_autofree char *folder =
        g_build_filename(mmrig_path_data(), "guest-kernel", "config", NULL);
    g_autofree char *source = NULL;

    plan->tree = tree;
    plan->jobs = jobs;
    if (!check_source(plan, error))
        return FALSE;
    plan->fragments = mmrig_kernel_fragments(folder, error);
    source = plan->fragments ? mmrig_kernel_source_digest(plan_source(plan), &plan->note, error)
                             : NULL;
    if (!source)
        return FALSE;
    mmrig_key_add(key, RECIPE);
    mmrig_key_add(key, source);
    add_options(key, plan->fragments);
    if (!add_version(key, "gcc", "gcc", error) || !add_version(key, "ld", "binutils", error))
        return FALSE;
    plan->digest = g_strdup(mmrig_key_digest(key));
    return TRUE;
}

static char *plan_name(const Plan *plan)
{
    return g_strdup_printf("tree-%.32s", plan->digest);
}

static char *plan_spec(const Plan *plan)
{
    return plan->tree ? g_strconcat("tree:", plan->tree, NULL) : g_strdup("tree");
}

static gboolean build_check_needs(const char *tree, GError **error)
{
    return mmrig_kernel_build_needs(tree ? NULL : SOURCE_ARCHIVE, SOURCE_PACKAGE, error);
}

/*
 * Works out what is to be built. If the first thing is missing, all that is missing is told at
 * once.
 */
static gboolean build_plan(Plan *plan, const char *tree, guint jobs, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (tree && !check_tree(tree, error))
        return FALSE;
    if (plan_make(plan, tree, jobs, &cause))
        return TRUE;
    if (build_check_needs(tree, error))
        g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* Checks what the build needs, so that it does not fail after minutes. */
static gboolean tree_check_tools(const char *tree, const char *cache, GError **error)
{
    struct statvfs status;

    if (!build_check_needs(tree, error))
        return FALSE;
    if (statvfs(cache, &status) == 0 &&
        (guint64)status.f_bavail * status.f_frsize < BUILD_BYTES) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "%s: building a kernel takes %u GiB, and only %.1f are free; free some "
                    "space, or set XDG_CACHE_HOME to a folder elsewhere",
                    cache, (guint)(BUILD_BYTES >> 30),
                    (double)status.f_bavail * (double)status.f_frsize / (1 << 30));
        return FALSE;
    }
    return TRUE;
}

/* Unpacks the distribution's source into folder; free the result with g_free(). */
static char *unpack_source(const char *folder, GError **error)
{
    const char *const argv[] = {"tar", "-xJf", SOURCE_ARCHIVE, "-C", folder, "--no-same-owner",
                                NULL};
    MmrigProgress progress;
    gboolean done;

    mmrig_progress_start(&progress, "unpacking " SOURCE_ARCHIVE);
    done = mmrig_child_run(argv, NULL, NULL, error);
    mmrig_progress_end(&progress);
    return done ? g_build_filename(folder, SOURCE_PACKAGE, NULL) : NULL;
}

static gboolean fill_info(const Plan *plan, const char *path, const char *release,
                          GError **error)
{
    g_autoptr(MmrigKernelInfo) info = g_new0(MmrigKernelInfo, 1);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();

    info->source = g_strdup("tree");
    info->origin = g_strdup(plan_source(plan));
    /* The time of the build, by which lists put the newest first. */
    info->version = g_date_time_format_iso8601(now);
    info->release = g_strdup(release);
    info->image = g_strdup(mmrig_arch_default()->kernel_direct);
    info->config = g_strdup("config");
    info->modules = g_build_filename("lib", "modules", release, NULL);
    info->id = g_strdup(plan->digest);
    return mmrig_kernel_info_save(info, path, error);
}

static gboolean tree_fill(const char *path, gpointer data, GError **error)
{
    const Plan *plan = data;
    g_autofree char *work = g_build_filename(path, "build", NULL);
    g_autofree char *objects = g_build_filename(work, "objects", NULL);
    g_autofree char *source = NULL;
    g_autofree char *release = NULL;

    if (g_mkdir_with_parents(objects, 0755) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: %s", objects, g_strerror(errno));
        return FALSE;
    }
    source = plan->tree ? g_strdup(plan->tree) : unpack_source(work, error);
    return source &&
           mmrig_kernel_compile(source, objects, path, plan->fragments, plan->jobs, &release,
                                error) &&
           mmrig_remove_tree(work, error) && fill_info(plan, path, release, error);
}

static MmrigKernel *tree_load(const Plan *plan, const char *folder, GError **error)
{
    g_autoptr(MmrigKernelInfo) info = mmrig_kernel_info_load(folder, error);
    g_autofree char *spec = plan_spec(plan);
    MmrigKernel *kernel = info ? mmrig_kernel_from_info(info, spec, error) : NULL;

    if (kernel && plan->note)
        mmrig_kernel_note(kernel, "%s", plan->note);
    return kernel;
}

gboolean mmrig_kernel_tree_is_own(const MmrigKernelInfo *info)
{
    return strcmp(info->source, "tree") == 0 && strcmp(info->origin, SOURCE_ARCHIVE) == 0;
}

MmrigKernel *mmrig_kernel_tree_find(const char *tree, GError **error)
{
    g_auto(Plan) plan = {0};
    g_autofree char *cache = mmrig_path_cache_peek("kernels");
    g_autofree char *name = NULL;
    g_autofree char *folder = NULL;

    if (!plan_make(&plan, tree, 0, error))
        return NULL;
    name = plan_name(&plan);
    folder = g_build_filename(cache, name, NULL);
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        g_set_error(
            error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
            "no kernel built from %s as it is now, with the compiler as it is now, is in "
            "the cache; build it with 'mmrig kernel build%s%s'%s%s%s",
            plan_source(&plan), tree ? " --tree " : "", tree ? tree : "", plan.note ? " (" : "",
            plan.note ? plan.note : "", plan.note ? ")" : "");
        return NULL;
    }
    return tree_load(&plan, folder, error);
}

MmrigKernel *mmrig_kernel_tree_build(const char *tree, guint jobs, GError **error)
{
    g_auto(Plan) plan = {0};
    g_autofree char *cache = mmrig_kernel_cache(error);
    g_autofree char *name = NULL;
    g_autofree char *folder = NULL;

    if (!cache || !build_plan(&plan, tree, jobs, error))
        return NULL;
    name = plan_name(&plan);
    folder = g_build_filename(cache, name, NULL);
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        g_clear_pointer(&folder, g_free);
        if (!mmrig_kernel_build_place(cache, error) || !tree_check_tools(tree, cache, error))
            return NULL;
        folder = mmrig_store_folder(cache, name, tree_fill, &plan, error);
        if (!folder)
            return NULL;
    }
    return tree_load(&plan, folder, error);
}
