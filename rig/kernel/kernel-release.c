/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which release a folder of modules is for. */
#include <libkmod.h>
#include <string.h>

#include "base/input.h"
#include "kernel-private.h"

/* modules.dep of a distribution's kernel has some 500 KiB. */
#define DEP_SIZE_MAX (64 * 1024 * 1024)

/* If the file cannot be read there is no answer; why does not matter here. */
static void release_ignore(G_GNUC_UNUSED void *data, G_GNUC_UNUSED int priority,
                           G_GNUC_UNUSED const char *file, G_GNUC_UNUSED int line,
                           G_GNUC_UNUSED const char *function, G_GNUC_UNUSED const char *format,
                           G_GNUC_UNUSED va_list args)
{
}

/* The first word of the module's vermagic (linux/vermagic.h), or NULL. */
static char *release_of_module(const char *folder, const char *path)
{
    static const char *const no_config[] = {NULL};
    struct kmod_ctx *context = kmod_new(folder, no_config);
    struct kmod_module *module = NULL;
    struct kmod_list *info = NULL, *at;
    char *release = NULL;

    if (!context)
        return NULL;
    kmod_set_log_fn(context, release_ignore, NULL);
    if (kmod_module_new_from_path(context, path, &module) == 0 &&
        kmod_module_get_info(module, &info) >= 0) {
        kmod_list_foreach(at, info)
        {
            const char *value = kmod_module_info_get_value(at);
            if (!release && strcmp(kmod_module_info_get_key(at), "vermagic") == 0)
                release = g_strndup(value, strcspn(value, " "));
        }
    }
    kmod_module_info_free_list(info);
    kmod_module_unref(module);
    kmod_unref(context);
    return release;
}

/* The text of modules.dep, or NULL. */
static char *release_read_list(const char *folder)
{
    g_autofree char *list = g_build_filename(folder, "modules.dep", NULL);

    return mmrig_input_read(list, "modules.dep", DEP_SIZE_MAX, NULL, NULL);
}

/* The file that a line of modules.dep ("FILE: NEEDED...") is about, or NULL. */
static char *release_line_file(const char *folder, const char *line)
{
    gsize length = strcspn(line, ":\n");
    g_autofree char *name = g_strndup(line, length);

    if (length == 0 || line[length] != ':')
        return NULL;
    return g_path_is_absolute(name) ? g_steal_pointer(&name)
                                    : g_build_filename(folder, name, NULL);
}

char *mmrig_kernel_modules_missing(const char *folder)
{
    g_autofree char *text = release_read_list(folder);

    for (const char *line = text; line && *line;) {
        g_autofree char *file = release_line_file(folder, line);
        const char *end = strchr(line, '\n');
        if (file && !g_file_test(file, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&file);
        line = end ? end + 1 : NULL;
    }
    return NULL;
}

char *mmrig_kernel_modules_release(const char *folder, char **missing)
{
    g_autofree char *text = release_read_list(folder);
    g_autofree char *path = text ? release_line_file(folder, text) : NULL;
    g_autofree char *name = g_path_get_basename(folder);
    char *release = NULL;

    *missing = NULL;
    if (path && g_file_test(path, G_FILE_TEST_EXISTS))
        release = release_of_module(folder, path);
    else
        *missing = g_steal_pointer(&path);
    if (!release && g_ascii_isdigit(*name))
        release = g_steal_pointer(&name);
    return release;
}

char *mmrig_kernel_depmod_command(const char *folder)
{
    g_autofree char *parent = g_path_get_dirname(folder);
    g_autofree char *release = g_path_get_basename(folder);

    if (!g_str_has_suffix(parent, "/lib/modules"))
        return g_strdup_printf("depmod for %s", folder);
    parent[strlen(parent) - strlen("/lib/modules")] = '\0';
    return g_strdup_printf("'depmod -b %s %s'", *parent ? parent : "/", release);
}
