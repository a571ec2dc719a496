/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What building a kernel takes on this host, all told at once and before it begins. */
#include "base/child.h"
#include "base/error.h"
#include "kernel-private.h"

typedef struct {
    const char *program, *package;
} BuildProgram;

static const BuildProgram build_programs[] = {
    {"gcc", "gcc"},        {"ld", "binutils"}, {"make", "make"}, {"flex", "flex"},
    {"bison", "bison"},    {"bc", "bc"},       {"tar", "tar"},   {"xz", "xz-utils"},
    {"strip", "binutils"}, {"depmod", "kmod"},
};

static void needs_add(GPtrArray *missing, GPtrArray *packages, const char *what,
                      const char *package)
{
    g_ptr_array_add(missing, (gpointer)what);
    if (!g_ptr_array_find_with_equal_func(packages, package, g_str_equal, NULL))
        g_ptr_array_add(packages, (gpointer)package);
}

static char *needs_join(GPtrArray *words, const char *between)
{
    g_ptr_array_add(words, NULL);
    return g_strjoinv(between, (char **)words->pdata);
}

gboolean mmrig_kernel_build_needs(const char *archive, const char *package, GError **error)
{
    const MmrigArch *arch = mmrig_arch_default();
    g_autoptr(GPtrArray) missing = g_ptr_array_new();
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    g_autofree char *what = NULL;
    g_autofree char *names = NULL;

    if (archive && !g_file_test(archive, G_FILE_TEST_IS_REGULAR))
        needs_add(missing, packages, archive, package);
    for (guint i = 0; i < G_N_ELEMENTS(build_programs); i++) {
        const BuildProgram *needed = &build_programs[i];
        g_autofree char *path = mmrig_child_find(needed->program, NULL, NULL);

        if (!path)
            needs_add(missing, packages, needed->program, needed->package);
    }
    if (arch->build_header && !g_file_test(arch->build_header, G_FILE_TEST_EXISTS))
        needs_add(missing, packages, arch->build_header, arch->build_header_package);
    if (missing->len == 0)
        return TRUE;
    what = needs_join(missing, ", ");
    names = needs_join(packages, " ");
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "no kernel can be built without %s; mend it with: apt-get install %s%s", what,
                names, archive ? ", or give a source tree with --tree DIR" : "");
    return FALSE;
}
