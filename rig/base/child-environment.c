/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "child.h"

/* What finds programs, files and libraries, and says in which language to complain. */
static const char *const names[] = {
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "TERM",
    "TZ",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "QEMU_MODULE_DIR",
    "LLVM_PROFILE_FILE", /* coverage of a QEMU that is built for it */
};

/* LC_*, XDG_*, the rig's own, and sanitizers' and gcov's. */
static const char *const prefixes[] = {"LC_",   "XDG_",   "MMRIG_", "ASAN_",
                                       "LSAN_", "UBSAN_", "TSAN_",  "GCOV_"};

static gboolean environment_passes(const char *setting)
{
    gsize size = strcspn(setting, "=");

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        if (strlen(names[i]) == size && strncmp(names[i], setting, size) == 0)
            return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(setting, prefixes[i]))
            return TRUE;
    return FALSE;
}

GStrv mmrig_child_environment(void)
{
    g_auto(GStrv) all = g_get_environ();
    GPtrArray *kept = g_ptr_array_new();

    for (char **setting = all; *setting; setting++)
        if (environment_passes(*setting))
            g_ptr_array_add(kept, g_strdup(*setting));
    g_ptr_array_add(kept, NULL);
    return (GStrv)g_ptr_array_free(kept, FALSE);
}
