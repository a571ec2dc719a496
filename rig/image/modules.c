/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel modules with all they depend on, by libkmod's reading of the kernel's own indexes
 * (made by depmod). The host's modprobe.d has no say in it.
 */
#include "image-private.h"

#include <libkmod.h>
#include <string.h>
#include <syslog.h>

#include "base/error.h"
#include "kernel/kernel.h"
#include "mmrig-guest-protocol.h"

typedef struct kmod_ctx KmodContext;
typedef struct kmod_module KmodModule;
typedef struct kmod_list KmodList;

static void unref_context(KmodContext *context)
{
    kmod_unref(context);
}
static void unref_modules(KmodList *list)
{
    kmod_module_unref_list(list);
}
static void unref_module(KmodModule *module)
{
    kmod_module_unref(module);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KmodContext, unref_context)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KmodModule, unref_module)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KmodList, unref_modules)

typedef struct {
    GVariantBuilder *files; /* of MMRIG_MODULES_TYPE */
    KmodContext *kmod;      /* NULL: all modules are built in */
    const char *folder;     /* on the host */
    char *guest_folder;     /* "/lib/modules/RELEASE" */
    GString *list;          /* MMRIG_GUEST_MODULES */
    GHashTable *listed;     /* set of names */
    char *message;          /* the first that libkmod had for us, or NULL */
} Adding;

/*
 * Keeps libkmod's first error message. It is the only sign of a dependency whose file is
 * missing: the list of them then looks empty.
 */
static void keep_message(void *data, int priority, G_GNUC_UNUSED const char *file,
                         G_GNUC_UNUSED int line, G_GNUC_UNUSED const char *function,
                         const char *format, va_list args) G_GNUC_PRINTF(6, 0);
static void keep_message(void *data, int priority, G_GNUC_UNUSED const char *file,
                         G_GNUC_UNUSED int line, G_GNUC_UNUSED const char *function,
                         const char *format, va_list args)
{
    Adding *adding = data;

    if (priority > LOG_ERR || adding->message)
        return;
    adding->message = g_strdup_vprintf(format, args);
    g_strdelimit(g_strstrip(adding->message), "\n", ' ');
}

/*
 * Where the module of a host path goes in the guest: the same place below the modules
 * folder, unpacked.
 */
static char *guest_path(const Adding *adding, const char *host, gboolean *packed)
{
    static const char *const suffixes[] = {".xz", ".zst", ".gz"};
    const char *below = host + strlen(adding->folder);
    gsize length = strlen(below);

    *packed = FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        if (g_str_has_suffix(below, suffixes[i])) {
            *packed = TRUE;
            length -= strlen(suffixes[i]);
        }
    }
    return g_strdup_printf("%s%.*s", adding->guest_folder, (int)length, below);
}

/* A word in the lists needs no encoding (mmrig-line.h). */
static gboolean modules_plain(const char *word)
{
    for (; *word != '\0'; word++)
        if (!g_ascii_isgraph(*word) || *word == '%')
            return FALSE;
    return TRUE;
}

/*
 * The indexes in the folder do not tell what the module needs: always FALSE. libkmod's own
 * words, which speak of its inner parts, are for who debugs.
 */
static gboolean modules_stale(const Adding *adding, const char *name, GError **error)
{
    g_autofree char *depmod = mmrig_kernel_depmod_command(adding->folder);
    g_autofree char *missing = mmrig_kernel_modules_missing(adding->folder);

    g_debug("%s: %s: %s", adding->folder, name, adding->message ? adding->message : "?");
    g_set_error(
        error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
        "%s/modules.dep.bin does not fit the modules that are there, and does not tell what "
        "%s needs%s%s%s; run %s",
        adding->folder, name, missing ? " (there is no " : "", missing ? missing : "",
        missing ? ")" : "", depmod);
    return FALSE;
}

/*
 * Adds the module and all that must be loaded for it, in the order of loading, to line. seen
 * is the set of those done or begun. needed is FALSE for what is only said to be useful (a
 * soft dependency): it may be missing, and may fail to load.
 */
static gboolean add_module(Adding *adding, KmodModule *module, gboolean needed,
                           GHashTable *seen, GString *line, GError **error)
{
    g_autoptr(KmodList) before = NULL, after = NULL;
    const char *name = kmod_module_get_name(module);
    KmodList *at;

    if (!g_hash_table_add(seen, g_strdup(name)))
        return TRUE;
    g_clear_pointer(&adding->message, g_free);
    const char *host = kmod_module_get_path(module);
    g_autoptr(KmodList) dependencies = kmod_module_get_dependencies(module);
    if (adding->message) {
        return modules_stale(adding, name, error);
    }
    /* Asked in this order: only for a module that is not built in would the host's /sys count.
     */
    if (!host) {
        if (!needed || kmod_module_get_initstate(module) == KMOD_MODULE_BUILTIN)
            return TRUE;
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET,
                    "the kernel has no module %s (in %s)", name, adding->folder);
        return FALSE;
    }
    if (kmod_module_get_softdeps(module, &before, &after) < 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "cannot tell what module %s wants loaded with it (in %s)", name,
                    adding->folder);
        return FALSE;
    }
    kmod_list_foreach(at, before)
    {
        g_autoptr(KmodModule) other = kmod_module_get_module(at);
        if (!add_module(adding, other, FALSE, seen, line, error))
            return FALSE;
    }
    kmod_list_foreach(at, dependencies)
    {
        g_autoptr(KmodModule) other = kmod_module_get_module(at);
        if (!add_module(adding, other, needed, seen, line, error))
            return FALSE;
    }

    gboolean packed;
    g_autofree char *guest = guest_path(adding, host, &packed);
    if (!modules_plain(guest)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "module path %s has a character that cannot be in a module list", host);
        return FALSE;
    }
    g_variant_builder_add(adding->files, "(ssb)", guest, host, packed);
    g_string_append_printf(line, " %s%s", needed ? "" : MMRIG_GUEST_MODULE_SOFT, guest);

    kmod_list_foreach(at, after)
    {
        g_autoptr(KmodModule) other = kmod_module_get_module(at);
        if (!add_module(adding, other, FALSE, seen, line, error))
            return FALSE;
    }
    return TRUE;
}

/* A line of the list: the name as it was asked for, and what to load for it. */
static gboolean add_name(Adding *adding, const char *name, GError **error)
{
    g_autoptr(KmodList) found = NULL;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GString) line = g_string_new(name);
    KmodList *at;

    if (g_hash_table_contains(adding->listed, name))
        return TRUE;
    if (adding->kmod) {
        int code = kmod_module_new_from_lookup(adding->kmod, name, &found);
        if (code < 0)
            return modules_stale(adding, name, error);
        if (!found) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET,
                        "the kernel has no module %s, neither built in nor in %s", name,
                        adding->folder);
            return FALSE;
        }
    }
    kmod_list_foreach(at, found)
    {
        g_autoptr(KmodModule) module = kmod_module_get_module(at);
        if (!add_module(adding, module, TRUE, seen, line, error))
            return FALSE;
    }
    g_string_append_printf(adding->list, "%s\n", line->str);
    g_hash_table_add(adding->listed, g_strdup(name));
    return TRUE;
}

/* Adds each name to the list, and to names if that is not NULL. */
static gboolean modules_add_names(Adding *adding, const char *const *wanted, GString *names,
                                  GError **error)
{
    for (gsize i = 0; wanted && wanted[i]; i++) {
        gboolean optional = g_str_has_suffix(wanted[i], "?");
        g_autofree char *name = g_strndup(wanted[i], strlen(wanted[i]) - (optional ? 1 : 0));
        g_autoptr(GError) problem = NULL;

        if (name[0] == '\0' || strchr(name, '/') || strchr(name, ',') || !modules_plain(name)) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                        "'%s' is not the name of a kernel module", wanted[i]);
            return FALSE;
        }
        if (!add_name(adding, name, &problem)) {
            if (optional && g_error_matches(problem, MMRIG_ERROR, MMRIG_ERROR_UNMET))
                continue;
            g_propagate_error(error, g_steal_pointer(&problem));
            return FALSE;
        }
        if (names)
            g_string_append_printf(names, "%s\n", name);
    }
    return TRUE;
}

static gboolean open_folder(Adding *adding, GError **error)
{
    /* libkmod takes a file for a folder of configuration: the kernel's own soft dependencies.
     */
    g_autofree char *softdep = g_build_filename(adding->folder, "modules.softdep", NULL);
    const char *const config[] = {softdep, NULL};
    g_autofree char *release = g_path_get_basename(adding->folder);

    adding->guest_folder = g_build_filename("/lib/modules", release, NULL);
    adding->kmod = kmod_new(adding->folder, config);
    if (!adding->kmod) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot read modules of %s",
                    adding->folder);
        return FALSE;
    }
    kmod_set_log_fn(adding->kmod, keep_message, adding);
    return TRUE;
}

GVariant *mmrig_image_resolve(const char *folder, const char *const *boot,
                              const char *const *wanted, GError **error)
{
    g_auto(GVariantBuilder) files = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(ssb)"));
    g_autoptr(GString) list = g_string_new(NULL);
    g_autoptr(GString) boot_list = g_string_new(NULL);
    g_autoptr(GHashTable) listed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Adding adding = {.files = &files, .folder = folder, .list = list, .listed = listed};

    gboolean ok = (!folder || open_folder(&adding, error)) &&
                  modules_add_names(&adding, boot, boot_list, error) &&
                  modules_add_names(&adding, wanted, NULL, error);
    g_clear_pointer(&adding.kmod, kmod_unref);
    g_free(adding.guest_folder);
    g_free(adding.message);
    return ok ? g_variant_new(MMRIG_MODULES_TYPE, &files, list->str, boot_list->str) : NULL;
}
