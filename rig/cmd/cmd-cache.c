/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig cache: what the rig has kept, whether it is whole, and getting rid of it. */
#include <errno.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json-text.h"
#include "base/paths.h"
#include "command-private.h"
#include "kernel/kernel-cache.h"
#include "template/template-cache.h"

static const char summary[] = "Shows, checks and clears what the rig has kept.\n\n"
                              "Actions:\n"
                              "  list     show templates, kernels and images\n"
                              "  prune    remove templates that are old, damaged or too many\n"
                              "  verify   check the templates";

typedef struct {
    gboolean all, json;
} Options;

/* The initramfs images: what is in their folder. */
typedef struct {
    char *folder;
    GPtrArray *paths;
    guint64 size;
    gint64 used; /* seconds since the epoch; 0 if there is none */
} Images;

static void images_clear(Images *images)
{
    g_free(images->folder);
    g_clear_pointer(&images->paths, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Images, images_clear)

static gboolean find_images(Images *images, GError **error)
{
    images->folder = mmrig_path_cache_peek("images");
    images->paths = g_ptr_array_new_with_free_func(g_free);
    if (!g_file_test(images->folder, G_FILE_TEST_EXISTS))
        return TRUE;
    g_autoptr(GDir) dir = mmrig_path_cache_check(images->folder, error)
                              ? g_dir_open(images->folder, 0, error)
                              : NULL;
    const char *name;

    if (!dir)
        return FALSE;
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(images->folder, name, NULL);
        struct stat status;
        /* Names with a dot are what is being made. */
        if (name[0] == '.' || lstat(path, &status) != 0 || !S_ISREG(status.st_mode))
            continue;
        images->size += (guint64)status.st_blocks * 512;
        images->used = MAX(images->used, (gint64)status.st_mtim.tv_sec);
        g_ptr_array_add(images->paths, g_steal_pointer(&path));
    }
    return TRUE;
}

static GPtrArray *find_templates(GError **error)
{
    g_auto(GStrv) stores = mmrig_template_stores(error);

    return stores ? mmrig_template_list((const char *const *)stores, error) : NULL;
}

/* ---- JSON ----------------------------------------------------------------------------- */

/* null for 0, which stands for "not known". */
static void add_time(JsonBuilder *builder, const char *name, gint64 value)
{
    json_builder_set_member_name(builder, name);
    if (value)
        json_builder_add_int_value(builder, value);
    else
        json_builder_add_null_value(builder);
}

static JsonBuilder *begin_json(void)
{
    JsonBuilder *builder = json_builder_new();

    json_builder_begin_object(builder);
    mmrig_json_add_number(builder, "schema", 1);
    return builder;
}

static void end_json(JsonBuilder *builder)
{
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    mmrig_command_print_json(root);
}

/* Left open, for members to be added. */
static void begin_template(JsonBuilder *builder, const MmrigTemplateEntry *entry)
{
    json_builder_begin_object(builder);
    mmrig_json_add_text(builder, "folder", entry->folder);
    mmrig_json_add_text(builder, "title", entry->title);
    mmrig_json_add_number(builder, "size", (gint64)entry->size);
    add_time(builder, "made", entry->made);
    add_time(builder, "used", entry->used);
}

static void add_templates(JsonBuilder *builder, const char *name, const GPtrArray *entries)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_array(builder);
    for (guint i = 0; i < entries->len; i++) {
        begin_template(builder, g_ptr_array_index(entries, i));
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void add_images(JsonBuilder *builder, const char *name, const Images *images)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_object(builder);
    mmrig_json_add_text(builder, "folder", images->folder);
    mmrig_json_add_number(builder, "count", images->paths->len);
    mmrig_json_add_number(builder, "size", (gint64)images->size);
    add_time(builder, "used", images->used);
    json_builder_end_object(builder);
}

/* ---- list ----------------------------------------------------------------------------- */

static void cache_list_json(const GPtrArray *templates, const GPtrArray *kernels,
                            const Images *images)
{
    g_autoptr(JsonBuilder) builder = begin_json();

    add_templates(builder, "templates", templates);
    json_builder_set_member_name(builder, "kernels");
    json_builder_begin_array(builder);
    for (guint i = 0; i < kernels->len; i++) {
        const MmrigKernelInfo *info = g_ptr_array_index(kernels, i);
        json_builder_begin_object(builder);
        mmrig_json_add_text(builder, "folder", info->folder);
        mmrig_json_add_text(builder, "source", info->source);
        mmrig_json_add_text(builder, "release", info->release);
        mmrig_json_add_number(builder, "size", (gint64)info->size);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    add_images(builder, "images", images);
    end_json(builder);
}

static void cache_print_row(const char *kind, guint64 size, gint64 used, const char *title,
                            const char *folder)
{
    g_autoptr(GDateTime) time = used ? g_date_time_new_from_unix_local(used) : NULL;
    g_autofree char *when = time ? g_date_time_format(time, "%Y-%m-%d %H:%M") : NULL;

    mmrig_print("%-8s %7.1f MiB  %-16s  %s\n%40s%s\n", kind, (double)size / (1 << 20),
                when ? when : "-", title, "", folder);
}

static void cache_list_table(const GPtrArray *templates, const GPtrArray *kernels,
                             const Images *images)
{
    g_autofree char *count = g_strdup_printf("%u of them", images->paths->len);

    mmrig_print("%-8s %11s  %-16s  %s\n", "KIND", "SIZE", "LAST USE", "WHAT, WHERE");
    for (guint i = 0; i < templates->len; i++) {
        const MmrigTemplateEntry *entry = g_ptr_array_index(templates, i);
        cache_print_row("template", entry->size, entry->used,
                        entry->title ? entry->title : "(damaged)", entry->folder);
    }
    for (guint i = 0; i < kernels->len; i++) {
        const MmrigKernelInfo *info = g_ptr_array_index(kernels, i);
        cache_print_row("kernel", info->size, 0, info->release, info->folder);
    }
    cache_print_row("images", images->size, images->used, count, images->folder);
}

/* If a part of the cache cannot be read, the error is printed and the part is shown as empty.
 */
static void cache_tell_unread(GError **cause, MmrigExit *status)
{
    *status = mmrig_error_report(*cause);
    g_clear_error(cause);
}

static gboolean cache_do_list(const Options *options, MmrigExit *status,
                              GError **error G_GNUC_UNUSED)
{
    g_auto(Images) images = {0};
    g_autoptr(GError) cause = NULL;
    g_autoptr(GPtrArray) damaged = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) templates = find_templates(&cause);

    if (!templates) {
        cache_tell_unread(&cause, status);
        templates = g_ptr_array_new();
    }
    g_autoptr(GPtrArray) kernels = mmrig_kernel_list(damaged, &cause);
    if (!kernels) {
        cache_tell_unread(&cause, status);
        kernels = g_ptr_array_new();
    }
    mmrig_command_passed_over(damaged);
    if (!find_images(&images, &cause))
        cache_tell_unread(&cause, status);
    if (options->json)
        cache_list_json(templates, kernels, &images);
    else
        cache_list_table(templates, kernels, &images);
    return TRUE;
}

/* ---- prune ---------------------------------------------------------------------------- */

static gboolean remove_images(const Images *images, GError **error)
{
    for (guint i = 0; i < images->paths->len; i++) {
        const char *path = g_ptr_array_index(images->paths, i);
        if (unlink(path) != 0 && errno != ENOENT) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot remove %s: %s", path,
                        g_strerror(errno));
            return FALSE;
        }
    }
    return TRUE;
}

static void prune_text(const GPtrArray *removed, const Images *images)
{
    guint64 size = images->size;
    guint count = removed->len + (images->paths ? images->paths->len : 0);

    for (guint i = 0; i < removed->len; i++) {
        const MmrigTemplateEntry *entry = g_ptr_array_index(removed, i);
        mmrig_print("removed %s\n", entry->folder);
        size += entry->size;
    }
    if (images->paths)
        mmrig_print("removed %u images from %s\n", images->paths->len, images->folder);
    if (count)
        mmrig_print("%.1f MiB freed\n", (double)size / (1 << 20));
    else
        mmrig_print("nothing to remove\n");
}

static gboolean do_prune(const Options *options, MmrigExit *status G_GNUC_UNUSED,
                         GError **error)
{
    g_auto(GStrv) stores = mmrig_template_stores(error);
    g_auto(Images) images = {0};
    MmrigTemplateLimits limits;

    if (!stores)
        return FALSE;
    mmrig_template_limits(&limits);
    limits.verify = TRUE;
    if (options->all)
        limits.before = G_MAXINT64;
    g_autoptr(GPtrArray) removed =
        mmrig_template_prune((const char *const *)stores, &limits, error);
    if (!removed)
        return FALSE;
    if (options->all && (!find_images(&images, error) || !remove_images(&images, error)))
        return FALSE;
    if (!options->json) {
        prune_text(removed, &images);
        return TRUE;
    }
    g_autoptr(JsonBuilder) builder = begin_json();
    add_templates(builder, "removed", removed);
    if (images.paths)
        add_images(builder, "removed-images", &images);
    end_json(builder);
    return TRUE;
}

/* ---- verify --------------------------------------------------------------------------- */

static gboolean do_verify(const Options *options, MmrigExit *status, GError **error)
{
    g_autoptr(GPtrArray) templates = find_templates(error);
    g_autoptr(JsonBuilder) builder = begin_json();
    guint damaged = 0;

    if (!templates)
        return FALSE;
    json_builder_set_member_name(builder, "templates");
    json_builder_begin_array(builder);
    for (guint i = 0; i < templates->len; i++) {
        const MmrigTemplateEntry *entry = g_ptr_array_index(templates, i);
        g_autoptr(GError) cause = NULL;
        gboolean whole = mmrig_template_verify(entry, &cause);

        begin_template(builder, entry);
        mmrig_json_add_text(builder, "damage", whole ? NULL : cause->message);
        json_builder_end_object(builder);
        damaged += !whole;
        if (!whole && !options->json)
            mmrig_print("damaged: %s\n", cause->message);
    }
    json_builder_end_array(builder);
    if (options->json)
        end_json(builder);
    else if (damaged)
        mmrig_print("templates: %u damaged of %u; `mmrig cache prune` removes them, and a run "
                    "that needs one makes it again\n",
                    damaged, templates->len);
    else
        mmrig_print("templates: %u, all of them whole\n", templates->len);
    if (damaged)
        *status = MMRIG_EXIT_FAIL;
    return TRUE;
}

/* ---- The command ---------------------------------------------------------------------- */

typedef struct {
    const char *name;
    const char *help;
    gboolean takes_all;
    gboolean (*run)(const Options *options, MmrigExit *status, GError **error);
} Action;

static const Action actions[] = {
    {"list", "Shows the templates, kernels and images that the rig has kept.", FALSE,
     cache_do_list},
    {"prune",
     "Removes templates that are damaged, or were not used for a week, and the longest\n"
     "unused of those that take too much room.",
     TRUE, do_prune},
    {"verify", "Checks that every template is as it was saved; exit status 1 if not.", FALSE,
     do_verify},
};

static gboolean cache_parse(const Action *action, Options *options, int argc, char **argv,
                            GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    const GOptionEntry none = G_OPTION_ENTRY_NULL;
    const GOptionEntry all = {"all",
                              0,
                              0,
                              G_OPTION_ARG_NONE,
                              &options->all,
                              "Remove all templates and images; no kernels",
                              NULL};
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print JSON", NULL},
        action->takes_all ? all : none,
        none,
    };

    g_option_context_set_summary(context, action->help);
    g_autofree char *name = g_strconcat("cache ", action->name, NULL);
    return mmrig_command_options(name, context, entries, argc, argv, error);
}

MmrigExit mmrig_cmd_cache(int argc, char **argv)
{
    for (guint i = 0; argc > 1 && i < G_N_ELEMENTS(actions); i++) {
        g_autofree char *program = g_strconcat("mmrig cache ", actions[i].name, NULL);
        g_autoptr(GError) error = NULL;
        Options options = {0};
        MmrigExit status = MMRIG_EXIT_PASS;

        if (strcmp(argv[1], actions[i].name) != 0)
            continue;
        g_set_prgname(program); /* for the action's --help */
        if (!cache_parse(&actions[i], &options, argc - 1, argv + 1, &error) ||
            !actions[i].run(&options, &status, &error))
            return mmrig_error_report(error);
        return status;
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        mmrig_print("Usage:\n  mmrig cache ACTION [OPTION...]\n\n%s\n", summary);
        return MMRIG_EXIT_PASS;
    }
    if (argc > 1)
        g_printerr("mmrig: cache: no action '%s'; 'mmrig cache --help' lists them\n", argv[1]);
    else
        g_printerr("mmrig: cache: which action? 'mmrig cache --help' lists them\n");
    return MMRIG_EXIT_USAGE;
}
