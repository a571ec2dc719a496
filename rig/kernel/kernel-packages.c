/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which packages make a kernel. apt knows which one is current and checks what it downloads
 * against the signed lists; it does so for any user. A package's own record, be it from apt or
 * from its file, says what else belongs to it.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "arch/arch.h"
#include "base/child.h"
#include "base/error.h"
#include "base/input.h"
#include "base/store.h"
#include "base/text.h"
#include "kernel-packages.h"

/* Names of packages, without the suffix of those that are not signed. */
#define NAME_TAIL    "-([0-9][a-z0-9.+~-]*?)(?:-unsigned)?"
#define KERNEL_PARTS "linux-(?:image|binary|modules|base)" NAME_TAIL
#define HEADER_PARTS "linux-(?:headers|kbuild)" NAME_TAIL
/* What depends on a kernel: the name, and the version if it must be that. */
#define DEPENDS_TAIL "(?:\\s*\\((?:= ([^)]+)|[<>][^)]*)\\))?\\s*(?:[,|]|$)"

/* A package's file. */
typedef struct {
    char *path;
    char *record; /* as dpkg-deb -f says it */
} DebFile;

static void deb_file_free(gpointer data)
{
    DebFile *file = data;

    g_free(file->path);
    g_free(file->record);
    g_free(file);
}

/* Where records come from: files by name, or apt where that is NULL. */
typedef struct {
    GHashTable *files;
    GHashTable *seen; /* names that are in a list */
} Shelf;

void mmrig_kernel_packages_free(MmrigKernelPackages *packages)
{
    if (!packages)
        return;
    g_free(packages->package);
    g_free(packages->version);
    g_free(packages->release);
    g_ptr_array_unref(packages->kernel);
    g_ptr_array_unref(packages->headers);
    g_free(packages->note);
    g_free(packages);
}

static MmrigKernelPackages *packages_new(gboolean files)
{
    MmrigKernelPackages *packages = g_new0(MmrigKernelPackages, 1);

    packages->kernel = g_ptr_array_new_with_free_func(g_free);
    packages->headers = g_ptr_array_new_with_free_func(g_free);
    packages->files = files;
    return packages;
}

/* The value of a field in the first stanza of a record, or NULL. */
static char *field_value(const char *text, const char *field)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *prefix = g_strconcat(field, ": ", NULL);

    for (guint i = 0; lines[i] && *lines[i]; i++) {
        if (g_str_has_prefix(lines[i], prefix))
            return g_strstrip(g_strdup(lines[i] + strlen(prefix)));
    }
    return NULL;
}

/* The release in a name of that form, or NULL. */
static char *name_release(const char *name, const char *form)
{
    g_autofree char *whole = g_strconcat("^", form, "$", NULL);
    g_autoptr(GRegex) regex = g_regex_new(whole, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    if (!g_regex_match(regex, name, 0, &match) || g_str_has_suffix(name, "-dbg"))
        return NULL;
    return g_match_info_fetch(match, 1);
}

/* apt-cache's records of a package: of the version that apt would install, or of all. */
static char *apt_show(const char *package, gboolean all, GError **error)
{
    const char *const argv[] = {"apt-cache", "show",
                                all ? "--all-versions" : "--no-all-versions", package, NULL};
    g_autoptr(GError) cause = NULL;
    char *text = NULL;

    if (!mmrig_child_run(argv, NULL, &text, &cause)) {
        if (g_error_matches(cause, MMRIG_ERROR, MMRIG_ERROR_INPUT))
            g_propagate_error(error, g_steal_pointer(&cause));
        else
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                        "apt knows no package %s; its lists may be empty: run 'apt-get update' "
                        "as root, then try again",
                        package);
    }
    return text;
}

/* Whether Debian version a is higher than b. */
static gboolean version_is_higher(const char *a, const char *b)
{
    const char *const argv[] = {"dpkg", "--compare-versions", a, "gt", b, NULL};

    return mmrig_child_run(argv, NULL, NULL, NULL);
}

/* The highest version in apt-cache's records. */
static char *highest_version(const char *records)
{
    g_auto(GStrv) stanzas = g_strsplit(records, "\n\n", -1);
    g_autofree char *best = NULL;

    for (guint i = 0; stanzas[i]; i++) {
        g_autofree char *version = field_value(g_strchug(stanzas[i]), "Version");

        if (version && (!best || version_is_higher(version, best))) {
            g_free(best);
            best = g_steal_pointer(&version);
        }
    }
    return g_steal_pointer(&best);
}

/* The record of a package. version may be NULL. */
static char *shelf_record(const Shelf *shelf, const char *name, const char *version,
                          GError **error)
{
    if (!shelf->files) {
        g_autofree char *exact =
            version ? g_strdup_printf("%s=%s", name, version) : g_strdup(name);
        return apt_show(exact, FALSE, error);
    }
    const DebFile *file = g_hash_table_lookup(shelf->files, name);
    g_autofree char *given = file ? field_value(file->record, "Version") : NULL;
    if (file && (!version || g_strcmp0(given, version) == 0))
        return g_strdup(file->record);
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "%s%s%s is not among the packages given%s%s", name, version ? " " : "",
                version ? version : "", file ? ", but " : "", file ? given : "");
    return NULL;
}

/* Adds the package to the list, and those of that form that it depends on, and so on. */
static gboolean shelf_collect(const Shelf *shelf, const char *name, const char *version,
                              const char *form, GPtrArray *list, GError **error)
{
    g_autofree char *search = g_strconcat("\\b(", form, ")", DEPENDS_TAIL, NULL);
    g_autoptr(GRegex) regex = g_regex_new(search, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    if (!g_hash_table_add(shelf->seen, g_strdup(name)))
        return TRUE;
    g_autofree char *record = shelf_record(shelf, name, version, error);
    if (!record)
        return FALSE;
    g_autofree char *found = field_value(record, "Version");
    if (!found || strchr(found, '/')) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "no version of %s is known", name);
        return FALSE;
    }
    if (shelf->files) {
        const DebFile *file = g_hash_table_lookup(shelf->files, name);
        g_ptr_array_add(list, g_strdup(file->path));
    } else {
        g_ptr_array_add(list, g_strdup_printf("%s=%s", name, found));
    }
    g_autofree char *depends = field_value(record, "Depends");
    g_regex_match(regex, depends ? depends : "", 0, &match);
    for (; g_match_info_matches(match); g_match_info_next(match, NULL)) {
        g_autofree char *other = g_match_info_fetch(match, 1);
        g_autofree char *exact = g_match_info_fetch(match, 3);

        if (!shelf_collect(shelf, other, exact && *exact ? exact : NULL, form, list, error)) {
            g_prefix_error(error, "%s: ", name);
            return FALSE;
        }
    }
    return TRUE;
}

/* Fills both lists. That headers are missing is a note. */
static gboolean packages_fill(MmrigKernelPackages *packages, GHashTable *files, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const Shelf shelf = {files, seen};
    g_autofree char *headers = g_strconcat("linux-headers-", packages->release, NULL);
    g_autoptr(GError) cause = NULL;

    if (!shelf_collect(&shelf, packages->package, packages->version, KERNEL_PARTS,
                       packages->kernel, error))
        return FALSE;
    if (!shelf_collect(&shelf, headers, packages->version, HEADER_PARTS, packages->headers,
                       &cause)) {
        g_assert(cause);
        g_ptr_array_set_size(packages->headers, 0);
        packages->note = g_strdup_printf("goes without the headers that mmrig's modules are "
                                         "compiled against: %s",
                                         cause->message);
    }
    return TRUE;
}

/* Says that apt knows a newer one, if it does. */
static void packages_note_newer(MmrigKernelPackages *packages, const char *meta,
                                const char *version)
{
    g_autofree char *all = apt_show(meta, TRUE, NULL);
    g_autofree char *best = all ? highest_version(all) : NULL;

    if (best && g_strcmp0(best, version) != 0 && !packages->note)
        packages->note = g_strdup_printf("apt knows a newer kernel, %s %s, which 'mmrig kernel "
                                         "fetch --newest' gets",
                                         meta, best);
}

MmrigKernelPackages *mmrig_kernel_packages_apt(const char *wanted, gboolean newest,
                                               GError **error)
{
    g_autoptr(MmrigKernelPackages) packages = packages_new(FALSE);
    g_autoptr(GRegex) regex =
        g_regex_new("\\b(linux-image" NAME_TAIL ")" DEPENDS_TAIL, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *exact = NULL, *depends = NULL;
    g_auto(GStrv) parts = g_strsplit(wanted, "=", 2);

    if (newest && !parts[1]) {
        g_autofree char *all = apt_show(wanted, TRUE, error);
        g_autofree char *best = all ? highest_version(all) : NULL;

        if (!all)
            return NULL;
        exact = best ? g_strdup_printf("%s=%s", wanted, best) : NULL;
    }
    g_autofree char *record = apt_show(exact ? exact : wanted, FALSE, error);
    if (!record)
        return NULL;
    packages->version = field_value(record, "Version");
    packages->release = name_release(parts[0], KERNEL_PARTS);
    if (packages->release) {
        packages->package = g_strdup(parts[0]);
        return packages_fill(packages, NULL, error) ? g_steal_pointer(&packages) : NULL;
    }
    depends = field_value(record, "Depends");
    if (!depends || !g_regex_match(regex, depends, 0, &match)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s depends on no package linux-image-VERSION: it is not Debian's",
                    parts[0]);
        return NULL;
    }
    g_autofree char *meta_version = g_steal_pointer(&packages->version);
    packages->package = g_match_info_fetch(match, 1);
    packages->release = g_match_info_fetch(match, 2);
    packages->version = g_match_info_fetch(match, 3);
    if (!packages->version || !*packages->version)
        g_clear_pointer(&packages->version, g_free);
    g_autofree char *full = packages->version
                                ? g_strdup_printf("%s=%s", packages->package, packages->version)
                                : g_strdup(packages->package);
    g_autofree char *image = apt_show(full, FALSE, error);
    if (!image)
        return NULL;
    g_free(packages->version);
    packages->version = field_value(image, "Version");
    if (!packages_fill(packages, NULL, error))
        return NULL;
    if (!newest && !parts[1])
        packages_note_newer(packages, parts[0], meta_version);
    return g_steal_pointer(&packages);
}

/* --- files --- */

/* Reads a package's record, and keeps the file if it is part of a kernel. */
static gboolean deb_read(GHashTable *files, const char *path, GError **error)
{
    const char *const argv[] = {"dpkg-deb", "-f", path, NULL};
    g_autofree char *record = NULL;
    g_autoptr(GError) cause = NULL;

    if (!mmrig_input_check(path, "the package", error))
        return FALSE;
    if (!mmrig_child_run(argv, NULL, &record, &cause)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: not a Debian package, or cut off", path);
        return FALSE;
    }
    g_autofree char *name = field_value(record, "Package");
    g_autofree char *arch = field_value(record, "Architecture");
    /* As in the name of the package that depends on the current kernel. */
    const char *own = strrchr(mmrig_arch_default()->kernel_package, '-') + 1;
    if (!name || !arch) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: its record has no name or no architecture", path);
        return FALSE;
    }
    if (strcmp(arch, own) != 0 && strcmp(arch, "all") != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "%s: a package of %s, and not of %s",
                    path, arch, own);
        return FALSE;
    }
    if (!g_str_has_prefix(name, "linux-"))
        return TRUE;
    DebFile *file = g_new0(DebFile, 1);
    file->path = g_canonicalize_filename(path, NULL);
    file->record = g_steal_pointer(&record);
    g_hash_table_replace(files, g_steal_pointer(&name), file);
    return TRUE;
}

static gboolean deb_read_folder(GHashTable *files, const char *path, GError **error)
{
    g_autoptr(GDir) dir = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    if (!mmrig_input_check_folder(path, "the folder of packages", error))
        return FALSE;
    dir = g_dir_open(path, 0, error);
    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_prefix(name, "linux-") && g_str_has_suffix(name, ".deb"))
            g_ptr_array_add(names, g_build_filename(path, name, NULL));
    g_ptr_array_sort(names, mmrig_text_compare);
    for (guint i = 0; i < names->len; i++)
        if (!deb_read(files, g_ptr_array_index(names, i), error))
            return FALSE;
    return dir != NULL;
}

/* The package that names the kernel: the only linux-image, or else the only linux-binary. */
static char *deb_kernel(GHashTable *files, GError **error)
{
    static const char *const forms[] = {"linux-image" NAME_TAIL, "linux-binary" NAME_TAIL};
    g_autoptr(GList) names =
        g_list_sort(g_hash_table_get_keys(files), (GCompareFunc)(void (*)(void))strcmp);
    const char *found = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(forms) && !found; i++)
        for (GList *link = names; link; link = link->next) {
            g_autofree char *release = name_release(link->data, forms[i]);

            if (release && found) {
                g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                            "the packages are of more than one kernel (%s, %s); give the files "
                            "of one",
                            found, (const char *)link->data);
                return NULL;
            }
            if (release)
                found = link->data;
        }
    if (!found)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "no package linux-image-VERSION or linux-binary-VERSION among those given");
    return g_strdup(found);
}

MmrigKernelPackages *mmrig_kernel_packages_files(const char *const *paths, GError **error)
{
    g_autoptr(MmrigKernelPackages) packages = packages_new(TRUE);
    g_autoptr(GHashTable) files =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, deb_file_free);

    for (guint i = 0; paths[i]; i++) {
        gboolean folder = g_file_test(paths[i], G_FILE_TEST_IS_DIR);

        if (folder ? !deb_read_folder(files, paths[i], error)
                   : !deb_read(files, paths[i], error))
            return NULL;
    }
    packages->package = deb_kernel(files, error);
    if (!packages->package)
        return NULL;
    const DebFile *file = g_hash_table_lookup(files, packages->package);
    packages->version = field_value(file->record, "Version");
    packages->release = name_release(packages->package, KERNEL_PARTS);
    return packages_fill(packages, files, error) ? g_steal_pointer(&packages) : NULL;
}

/* --- their contents --- */

static gboolean apt_download(const GPtrArray *list, const char *folder, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    g_ptr_array_add(argv, (gpointer) "apt-get");
    g_ptr_array_add(argv, (gpointer) "download");
    g_ptr_array_add(argv, (gpointer) "-q");
    for (guint i = 0; i < list->len; i++)
        g_ptr_array_add(argv, g_ptr_array_index(list, i));
    g_ptr_array_add(argv, NULL);
    if (mmrig_child_run((const char *const *)argv->pdata, folder, NULL, error))
        return TRUE;
    g_prefix_error(error, "cannot download %s%s: ", (const char *)g_ptr_array_index(list, 0),
                   list->len > 1 ? " and what belongs to it" : "");
    return FALSE;
}

static gboolean deb_unpack(const char *file, const char *folder, GError **error)
{
    const char *const argv[] = {"dpkg-deb", "-x", file, folder, NULL};

    return mmrig_child_run(argv, NULL, NULL, error);
}

gboolean mmrig_kernel_packages_unpack(const MmrigKernelPackages *packages,
                                      const GPtrArray *list, const char *folder, GError **error)
{
    g_autofree char *documents = g_build_filename(folder, "usr", "share", NULL);
    g_autofree char *down = g_build_filename(folder, "down", NULL);
    const char *name;

    if (packages->files) {
        for (guint i = 0; i < list->len; i++)
            if (!deb_unpack(g_ptr_array_index(list, i), folder, error))
                return FALSE;
        return mmrig_remove_tree(documents, error);
    }
    if (g_mkdir(down, 0755) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: %s", down, g_strerror(errno));
        return FALSE;
    }
    if (!apt_download(list, down, error))
        return FALSE;
    g_autoptr(GDir) dir = g_dir_open(down, 0, error);
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(down, name, NULL);

        if (g_str_has_suffix(name, ".deb") && !deb_unpack(file, folder, error))
            return FALSE;
    }
    return dir && mmrig_remove_tree(down, error) && mmrig_remove_tree(documents, error);
}
