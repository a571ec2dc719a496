/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user may write for a kernel. */
#include <string.h>

#include "base/error.h"
#include "kernel-private.h"

/* The part of a "path:" specification after the image: KEY=VALUE, .... */
static gboolean parse_option(MmrigKernelSpec *spec, const char *option, const char *text,
                             GError **error)
{
    char **place = NULL;
    const char *value = strchr(option, '=');

    if (g_str_has_prefix(option, "modules="))
        place = &spec->modules;
    else if (g_str_has_prefix(option, "config="))
        place = &spec->config;
    if (!place) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "kernel '%s': unknown part '%s'; after the image come modules=DIR and "
                    "config=FILE, and a comma in a path is written twice",
                    text, option);
        return FALSE;
    }
    if (*place || !value[1]) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "kernel '%s': '%s' is %s", text,
                    option, *place ? "given twice" : "empty");
        return FALSE;
    }
    *place = g_canonicalize_filename(value + 1, NULL);
    return TRUE;
}

/* The parts between commas; of two commas that stand together the first is none, as for QEMU.
 */
static GStrv split_parts(const char *text)
{
    g_autoptr(GStrvBuilder) parts = g_strv_builder_new();
    g_autoptr(GString) part = g_string_new(NULL);

    for (; *text; text++) {
        if (*text == ',' && text[1] != ',') {
            g_strv_builder_add(parts, part->str);
            g_string_truncate(part, 0);
            continue;
        }
        g_string_append_c(part, *text);
        text += *text == ',';
    }
    g_strv_builder_add(parts, part->str);
    return g_strv_builder_end(parts);
}

char *mmrig_kernel_spec_path(const char *path)
{
    g_autoptr(GString) text = g_string_new("path:");

    for (; *path; path++) {
        if (*path == ',')
            g_string_append_c(text, ',');
        g_string_append_c(text, *path);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean parse_path(MmrigKernelSpec *spec, const char *rest, const char *text,
                           GError **error)
{
    g_auto(GStrv) parts = split_parts(rest);

    if (!*parts[0]) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "kernel '%s': no image; write path:FILE", text);
        return FALSE;
    }
    spec->source = MMRIG_KERNEL_PATH;
    spec->path = g_canonicalize_filename(parts[0], NULL);
    for (guint i = 1; parts[i]; i++) {
        if (!parse_option(spec, parts[i], text, error))
            return FALSE;
    }
    return TRUE;
}

MmrigKernelSpec *mmrig_kernel_spec_parse(const char *text, GError **error)
{
    g_autoptr(MmrigKernelSpec) spec = g_new0(MmrigKernelSpec, 1);

    if (strcmp(text, "distro") == 0) {
        spec->source = MMRIG_KERNEL_DISTRO;
    } else if (g_str_has_prefix(text, "distro:") && text[strlen("distro:")] &&
               !strchr(text, '/')) {
        spec->source = MMRIG_KERNEL_DISTRO;
        spec->path = g_strdup(text + strlen("distro:"));
    } else if (strcmp(text, "tree") == 0) {
        spec->source = MMRIG_KERNEL_TREE;
    } else if (g_str_has_prefix(text, "tree:") && text[strlen("tree:")]) {
        spec->source = MMRIG_KERNEL_TREE;
        spec->path = g_canonicalize_filename(text + strlen("tree:"), NULL);
    } else if (g_str_has_prefix(text, "path:")) {
        if (!parse_path(spec, text + strlen("path:"), text, error))
            return NULL;
    } else if (strchr(text, '/') && !g_str_has_prefix(text, "distro:") &&
               !g_str_has_prefix(text, "tree:")) {
        spec->source = MMRIG_KERNEL_PATH;
        spec->path = g_canonicalize_filename(text, NULL);
    } else {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "kernel '%s': not known; write distro, distro:RELEASE, tree, tree:DIR, "
                    "path:FILE[,modules=DIR][,config=FILE] or a path with a '/'",
                    text);
        return NULL;
    }
    return g_steal_pointer(&spec);
}

void mmrig_kernel_spec_free(MmrigKernelSpec *spec)
{
    if (!spec)
        return;
    g_free(spec->path);
    g_free(spec->modules);
    g_free(spec->config);
    g_free(spec);
}
