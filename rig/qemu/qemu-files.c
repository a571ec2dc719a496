/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-files.h"

#include <string.h>
#include <sys/stat.h>

#include "base/child.h"
#include "base/error.h"
#include "base/store.h"
#include "base/text.h"

/* The fields of a line of /proc/PID/maps before the path (proc_pid_maps(5)). */
#define MAPS_FIELDS 5
/* A QEMU has some hundred libraries and as many ROMs. */
#define FILES_MAX 2000

static gboolean qemu_files_is_regular(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

GStrv mmrig_qemu_mapped(const char *maps)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);

    for (char **line = lines; *line; line++) {
        const char *rest = *line;
        gboolean code = FALSE;

        for (guint field = 0; field < MAPS_FIELDS; field++) {
            gsize length = strcspn(rest, " ");
            if (field == 1)
                code = length == 4 && rest[2] == 'x';
            rest += length;
            rest += strspn(rest, " ");
        }
        if (code && *rest == '/' && g_hash_table_add(seen, g_strdup(rest)))
            g_strv_builder_add(builder, rest);
    }
    return g_strv_builder_end(builder);
}

/* Adds the firmware and option ROMs of one of QEMU's own folders, in the order of their names.
 */
static void qemu_files_add_folder(GPtrArray *files, const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    guint first = files->len;
    const char *name;

    while (dir && files->len < FILES_MAX && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if ((g_str_has_suffix(name, ".bin") || g_str_has_suffix(name, ".rom")) &&
            qemu_files_is_regular(path))
            g_ptr_array_add(files, g_steal_pointer(&path));
    }
    if (files->len > first)
        qsort(files->pdata + first, files->len - first, sizeof(gpointer), mmrig_text_compare);
}

GStrv mmrig_qemu_files(pid_t pid, const char *path, GError **error)
{
    const char *const help[] = {path, "-L", "help", NULL};
    g_autofree char *name = g_strdup_printf("/proc/%d/maps", (int)pid);
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *maps = NULL, *folders = NULL;
    g_autoptr(GError) cause = NULL;

    if (!g_file_get_contents(name, &maps, NULL, &cause)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: cannot tell what it started: %s",
                    path, cause->message);
        return NULL;
    }
    g_auto(GStrv) mapped = mmrig_qemu_mapped(maps);
    for (char **file = mapped; *file && files->len < FILES_MAX; file++)
        if (qemu_files_is_regular(*file))
            g_ptr_array_add(files, g_strdup(*file));
    /* The dynamic linker maps them in an order that differs from start to start. */
    g_ptr_array_sort(files, mmrig_text_compare);
    /* If QEMU does not name its folders, there are none to watch. */
    if (mmrig_child_run(help, NULL, &folders, &cause)) {
        g_auto(GStrv) lines = g_strsplit(folders, "\n", -1);
        for (char **line = lines; *line; line++)
            if (g_path_is_absolute(*line))
                qemu_files_add_folder(files, *line);
    } else {
        g_debug("%s", cause->message);
    }
    g_ptr_array_add(files, NULL);
    return g_strdupv((GStrv)files->pdata);
}

char *mmrig_qemu_files_digest(const char *const *files)
{
    static const char *const variables[] = {"QEMU_MODULE_DIR", "LD_LIBRARY_PATH", "LD_PRELOAD"};
    g_autoptr(MmrigKey) key = mmrig_key_new("qemu-files 1");

    for (gsize i = 0; i < G_N_ELEMENTS(variables); i++)
        mmrig_key_add(key, g_getenv(variables[i]));
    for (; *files; files++)
        if (!mmrig_key_add_stat(key, *files, NULL))
            mmrig_key_add(key, *files);
    return g_strdup(mmrig_key_digest(key));
}
