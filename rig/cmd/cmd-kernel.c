/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig kernel: the guest kernels in the cache, and getting more of them. */
#include <json-glib/json-glib.h>
#include <string.h>

#include "base/json-text.h"
#include "command-private.h"
#include "kernel/kernel-cache.h"

static const char summary[] =
    "Actions:\n"
    "  list           show the kernels in the cache\n"
    "  fetch          get a kernel of the distribution's: its current one, or packages\n"
    "  build          build a kernel from source\n"
    "  path KERNEL    say where a kernel is: distro[:RELEASE], tree[:DIR], path:FILE,...\n"
    "  modules KERNEL compile mmrig's own modules for a kernel\n"
    "\n"
    "'mmrig kernel ACTION --help' tells the options of each.";

/* Prints what was built. */
static void kernel_command_print_json(JsonBuilder *builder)
{
    g_autoptr(JsonNode) root = json_builder_get_root(builder);

    mmrig_command_print_json(root);
}

/* Parses the options of one action; FALSE if the exit status is to be returned at once. */
static gboolean parse_options(const char *usage, const char *help, const GOptionEntry *entries,
                              int *argc, char ***argv, MmrigExit *status)
{
    g_autoptr(GOptionContext) context = g_option_context_new(usage);
    g_autoptr(GError) error = NULL;

    g_option_context_set_summary(context, help);
    if (mmrig_command_parse(context, entries, argc, argv, &error))
        return TRUE;
    *status = mmrig_error_report(error);
    return FALSE;
}

static MmrigExit usage_error(const char *action, const char *what)
{
    g_printerr("mmrig: kernel %s: %s; 'mmrig kernel %s --help' tells how to use it\n", action,
               what, action);
    return MMRIG_EXIT_USAGE;
}

static void kernel_command_list_json(const GPtrArray *infos)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_array(builder);
    for (guint i = 0; i < infos->len; i++) {
        const MmrigKernelInfo *info = g_ptr_array_index(infos, i);
        g_autofree char *image = g_build_filename(info->folder, info->image, NULL);

        json_builder_begin_object(builder);
        mmrig_json_add_text(builder, "source", info->source);
        mmrig_json_add_text(builder, "release", info->release);
        mmrig_json_add_text(builder, "origin", info->origin);
        mmrig_json_add_text(builder, "image", image);
        mmrig_json_add_text(builder, "id", info->id);
        mmrig_json_add_number(builder, "size", (gint64)info->size);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    kernel_command_print_json(builder);
}

static void kernel_command_list_table(const GPtrArray *infos)
{
    int width = (int)strlen("RELEASE");

    for (guint i = 0; i < infos->len; i++) {
        const MmrigKernelInfo *info = g_ptr_array_index(infos, i);

        width = MAX(width, (int)strlen(info->release));
    }
    mmrig_print("%-7s %-*s %9s  %s\n", "SOURCE", width, "RELEASE", "SIZE", "IMAGE, MADE FROM");
    for (guint i = 0; i < infos->len; i++) {
        const MmrigKernelInfo *info = g_ptr_array_index(infos, i);

        mmrig_print("%-7s %-*s %5.1f MiB  %s/%s\n%-7s %-*s %9s  %s\n", info->source, width,
                    info->release, (double)info->size / (1 << 20), info->folder, info->image,
                    "", width, "", "", info->origin);
    }
}

static MmrigExit kernel_command_do_list(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GPtrArray) damaged = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) infos = NULL;
    g_autoptr(GError) error = NULL;
    MmrigExit status;

    if (!parse_options("- show the kernels in the cache", NULL, entries, &argc, &argv, &status))
        return status;
    if (argc > 1)
        return usage_error("list", "it takes no arguments");
    infos = mmrig_kernel_list(damaged, &error);
    if (!infos)
        return mmrig_error_report(error);
    mmrig_command_passed_over(damaged);
    if (json)
        kernel_command_list_json(infos);
    else if (infos->len > 0)
        kernel_command_list_table(infos);
    else
        mmrig_print(
            "No kernels yet; get one with 'mmrig kernel fetch' or 'mmrig kernel build'.\n");
    return MMRIG_EXIT_PASS;
}

/* kernel NULL: error says why. */
static MmrigExit print_image(const MmrigKernel *kernel, const GError *error)
{
    if (!kernel)
        return mmrig_error_report(error);
    mmrig_kernel_tell(kernel);
    mmrig_print("%s\n", kernel->image);
    return MMRIG_EXIT_PASS;
}

static MmrigExit do_fetch(int argc, char **argv)
{
    gboolean newest = FALSE, bare = FALSE;
    const GOptionEntry entries[] = {
        {"newest", 0, 0, G_OPTION_ARG_NONE, &newest,
         "Get the newest that apt knows, backports among them", NULL},
        {"no-headers", 0, 0, G_OPTION_ARG_NONE, &bare,
         "Go without what mmrig's own modules are compiled against", NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(MmrigKernel) kernel = NULL;
    g_autoptr(GError) error = NULL;
    MmrigExit status;

    if (!parse_options(
            "[distro | PACKAGE[=VERSION] | PATH...] - get a kernel of the distribution's",
            "Downloads the packages of the kernel that apt would install, or of "
            "PACKAGE, or\ntakes those in PATH, a folder or .deb files, and unpacks "
            "them into the cache;\nnothing is installed.",
            entries, &argc, &argv, &status))
        return status;
    gboolean named = argc > 1 && !(argc == 2 && strcmp(argv[1], "distro") == 0);
    const MmrigKernelFetch fetch = {
        .wanted = named ? (const char *const *)argv + 1 : NULL,
        .newest = newest,
        .headers = !bare,
    };
    kernel = mmrig_kernel_distro_fetch(&fetch, &error);
    return print_image(kernel, error);
}

static MmrigExit do_build(int argc, char **argv)
{
    g_autoptr(MmrigKernel) kernel = NULL;
    g_autofree char *tree = NULL;
    g_autofree char *path = NULL;
    int jobs = G_MININT; /* not said */
    const GOptionEntry entries[] = {
        {"tree", 0, 0, G_OPTION_ARG_FILENAME, &tree,
         "Build this source tree, which is not written to", "DIR"},
        {"jobs", 'j', 0, G_OPTION_ARG_INT, &jobs, "Compile this many files at once", "N"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GError) error = NULL;
    MmrigExit status;

    if (!parse_options("- build a kernel from source",
                       "Builds the source of the package linux-source-6.12, or a tree of your "
                       "own,\nwith the options that the scenarios need. Takes some minutes, "
                       "once.",
                       entries, &argc, &argv, &status))
        return status;
    if (argc > 1)
        return usage_error("build", "it takes no arguments besides options");
    if (jobs != G_MININT && (jobs < 1 || jobs > 4096))
        return usage_error("build", "--jobs is from 1 to 4096");
    if (tree)
        path = g_canonicalize_filename(tree, NULL);
    kernel = mmrig_kernel_tree_build(path, jobs == G_MININT ? 0 : (guint)jobs, &error);
    return print_image(kernel, error);
}

static MmrigExit do_path(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print all that is known of it as JSON", NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(MmrigKernelSpec) spec = NULL;
    g_autoptr(MmrigKernel) kernel = NULL;
    g_autoptr(JsonBuilder) builder = NULL;
    g_autoptr(GError) error = NULL;
    MmrigExit status;

    if (!parse_options("KERNEL - say where a kernel is",
                       "KERNEL is distro, distro:RELEASE, tree, tree:DIR, "
                       "path:FILE[,modules=DIR][,config=FILE] "
                       "or a\npath with a '/'. Nothing is downloaded or built.",
                       entries, &argc, &argv, &status))
        return status;
    if (argc != 2)
        return usage_error("path", "it takes one kernel");
    spec = mmrig_kernel_spec_parse(argv[1], &error);
    kernel = spec ? mmrig_kernel_find(spec, &error) : NULL;
    if (!kernel || !json)
        return print_image(kernel, error);
    mmrig_kernel_tell(kernel);
    builder = json_builder_new();
    json_builder_begin_object(builder);
    mmrig_json_add_text(builder, "kernel", kernel->spec);
    mmrig_json_add_text(builder, "image", kernel->image);
    mmrig_json_add_text(builder, "modules", kernel->modules);
    mmrig_json_add_text(builder, "release", kernel->release);
    mmrig_json_add_text(builder, "id", kernel->id);
    json_builder_set_member_name(builder, "config");
    if (kernel->config) {
        g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(kernel->config),
                                             (GCompareFunc)(void (*)(void))strcmp);

        json_builder_begin_object(builder);
        for (GList *link = names; link; link = link->next)
            mmrig_json_add_text(builder, link->data,
                                g_hash_table_lookup(kernel->config, link->data));
        json_builder_end_object(builder);
    } else {
        json_builder_add_null_value(builder);
    }
    json_builder_end_object(builder);
    kernel_command_print_json(builder);
    return MMRIG_EXIT_PASS;
}

static MmrigExit kernel_command_do_modules(int argc, char **argv)
{
    const GOptionEntry none[] = {G_OPTION_ENTRY_NULL};
    g_autoptr(MmrigKernelSpec) spec = NULL;
    g_autoptr(MmrigKernel) kernel = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = NULL;
    MmrigExit status;

    if (!parse_options("KERNEL - compile mmrig's own modules for a kernel",
                       "Compiles them unless they are in the cache, and prints the folder in "
                       "which they\nlie among the kernel's. Scenarios that want them do so by "
                       "themselves.",
                       none, &argc, &argv, &status))
        return status;
    if (argc != 2)
        return usage_error("modules", "it takes one kernel");
    spec = mmrig_kernel_spec_parse(argv[1], &error);
    kernel = spec ? mmrig_kernel_find(spec, &error) : NULL;
    folder = kernel ? mmrig_kernel_modules_ensure(kernel, &error) : NULL;
    if (!folder)
        return mmrig_error_report(error);
    mmrig_kernel_tell(kernel);
    mmrig_print("%s\n", folder);
    return MMRIG_EXIT_PASS;
}

MmrigExit mmrig_cmd_kernel(int argc, char **argv)
{
    static const struct {
        const char *name;
        MmrigExit (*run)(int argc, char **argv);
    } actions[] = {
        {"list", kernel_command_do_list},
        {"fetch", do_fetch},
        {"build", do_build},
        {"path", do_path},
        {"modules", kernel_command_do_modules},
    };

    for (guint i = 0; argc > 1 && i < G_N_ELEMENTS(actions); i++) {
        g_autofree char *program = g_strconcat("mmrig kernel ", actions[i].name, NULL);

        if (strcmp(argv[1], actions[i].name) != 0)
            continue;
        g_set_prgname(program); /* for the action's --help */
        return actions[i].run(argc - 1, argv + 1);
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        mmrig_print("Usage:\n  mmrig kernel ACTION [OPTION...]\n\n%s\n", summary);
        return MMRIG_EXIT_PASS;
    }
    if (argc > 1)
        g_printerr("mmrig: kernel: no action '%s'; 'mmrig kernel --help' lists them\n",
                   argv[1]);
    else
        g_printerr("mmrig: kernel: which action? 'mmrig kernel --help' lists them\n");
    return MMRIG_EXIT_USAGE;
}
