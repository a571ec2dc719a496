/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "doctor-tools-private.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/child.h"
#include "image/guest-image.h"
#include "vm/esp.h"

typedef struct {
    MmrigToolUse use;
    const char *program; /* or a file, if it is a path */
    const char *package;
    gboolean is_static; /* a dynamically linked one will not do */
} Tool;

static const Tool tools[] = {
    /* images/NAME.manifest */
    {MMRIG_TOOL_IMAGE, "ndctl", "ndctl", FALSE},
    {MMRIG_TOOL_IMAGE, "daxctl", "daxctl", FALSE},
    {MMRIG_TOOL_IMAGE, "cxl", "ndctl", FALSE},
    {MMRIG_TOOL_IMAGE, "v4l2-ctl", "v4l-utils", FALSE},
    {MMRIG_TOOL_IMAGE, "v4l2-compliance", "v4l-utils", FALSE},
    {MMRIG_TOOL_IMAGE, "rasdaemon", "rasdaemon", FALSE},
    {MMRIG_TOOL_IMAGE, "efibootmgr", "efibootmgr", FALSE},
    {MMRIG_TOOL_IMAGE, "mkfs.ext4", "e2fsprogs", FALSE},
    {MMRIG_TOOL_IMAGE, "busybox", "busybox-static", TRUE},
    /* kernel-distro.c */
    {MMRIG_TOOL_FETCH, "apt-get", "apt", FALSE},
    {MMRIG_TOOL_FETCH, "dpkg-deb", "dpkg", FALSE},
    {MMRIG_TOOL_FETCH, "depmod", "kmod", FALSE},
    /* Linux Documentation/process/changes.rst, as far as a tree kernel uses it */
    {MMRIG_TOOL_BUILD, "gcc", "gcc", FALSE},
    {MMRIG_TOOL_BUILD, "ld", "binutils", FALSE},
    {MMRIG_TOOL_BUILD, "make", "make", FALSE},
    {MMRIG_TOOL_BUILD, "flex", "flex", FALSE},
    {MMRIG_TOOL_BUILD, "bison", "bison", FALSE},
    {MMRIG_TOOL_BUILD, "bc", "bc", FALSE},
    {MMRIG_TOOL_BUILD, "xz", "xz-utils", FALSE},
    {MMRIG_TOOL_BUILD, "tar", "tar", FALSE},
    /* esp.c */
    {MMRIG_TOOL_DISK, "mformat", "mtools", FALSE},
    {MMRIG_TOOL_DISK, "sfdisk", "fdisk", FALSE},
    {MMRIG_TOOL_DISK, "mmd", "mtools", FALSE},
    {MMRIG_TOOL_DISK, "mcopy", "mtools", FALSE},
    {MMRIG_TOOL_DISK, NULL, NULL, FALSE}, /* the architecture's boot loader */
};

/* Where a run looks for it: for commands in PATH, and where only root's PATH leads. */
static GStrv tools_folders(const Tool *tool)
{
    const char *path = g_getenv("PATH");
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) own = g_strsplit(path ? path : "/usr/bin:/bin", ":", -1);

    if (tool->use == MMRIG_TOOL_IMAGE)
        return g_strdupv((char **)mmrig_image_program_folders);
    g_strv_builder_addv(builder, (const char **)own);
    g_strv_builder_addv(builder, (const char **)mmrig_child_root_folders);
    return g_strv_builder_end(builder);
}

static gboolean is_there(const char *root, const Tool *tool)
{
    if (g_path_is_absolute(tool->program)) {
        g_autofree char *path = g_strconcat(root, tool->program, NULL);
        return g_file_test(path, G_FILE_TEST_IS_REGULAR);
    }
    g_auto(GStrv) folders = tools_folders(tool);

    for (char **folder = folders; *folder; folder++) {
        g_autofree char *path = g_strconcat(root, *folder, "/", tool->program, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR) && access(path, X_OK) == 0)
            return !tool->is_static || mmrig_image_is_static(path);
    }
    return FALSE;
}

static gboolean has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, " ", -1);

    return g_strv_contains((const char *const *)words, word);
}

/* Unless it is in the list already. */
static void tools_append(char **list, const char *word)
{
    if (*list && has_word(*list, word))
        return;
    char *longer = *list ? g_strconcat(*list, " ", word, NULL) : g_strdup(word);

    g_free(*list);
    *list = longer;
}

void mmrig_doctor_tools(const char *root, MmrigToolUse use, char **found, char **missing,
                        char **packages)
{
    *found = *missing = *packages = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(tools); i++) {
        Tool tool = tools[i];
        if (tool.use != use)
            continue;
        if (!tool.program) {
            tool.program = mmrig_arch_default()->boot_loader;
            tool.package = mmrig_arch_default()->boot_loader_package;
        }
        if (is_there(root, &tool)) {
            tools_append(found, tool.program);
        } else {
            tools_append(missing, tool.program);
            tools_append(packages, tool.package);
        }
    }
}
