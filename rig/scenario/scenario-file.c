/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scenarios as files in a folder, which is their registry. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "scenario.h"

/* "PATH: problem". */
G_GNUC_PRINTF(3, 4)
static void scenario_file_wrong(GError **error, const char *path, const char *format, ...)
{
    g_autofree char *problem = NULL;
    va_list values;

    va_start(values, format);
    problem = g_strdup_vprintf(format, values);
    va_end(values);
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "%s: %s", path, problem);
}

/* Reads a regular file of bounded size; a FIFO must not block, nor a device be read from. */
static char *read_file(const char *path, gsize *size, GError **error)
{
    g_autofree char *text = g_malloc(MMRIG_SCENARIO_FILE_MAX + 1);
    struct stat status;
    gsize used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        scenario_file_wrong(error, path, "cannot be opened: %s", g_strerror(errno));
        return NULL;
    }
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        scenario_file_wrong(error, path, "not a file");
        close(fd);
        return NULL;
    }
    /* One byte over the bound is enough for the parser to refuse it. */
    while (used <= MMRIG_SCENARIO_FILE_MAX) {
        ssize_t got = read(fd, text + used, MMRIG_SCENARIO_FILE_MAX + 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            scenario_file_wrong(error, path, "cannot be read: %s", g_strerror(errno));
            close(fd);
            return NULL;
        }
        if (got == 0)
            break;
        used += (gsize)got;
    }
    close(fd);
    *size = used;
    return g_steal_pointer(&text);
}

MmrigScenario *mmrig_scenario_load(const char *folder, const char *name, const char *twin,
                                   GError **error)
{
    g_autofree char *file = NULL, *path = NULL, *text = NULL;
    gsize size = 0;

    if (!mmrig_name_check(name, "scenario", error))
        return NULL;
    file = g_strconcat(name, ".ini", NULL);
    path = g_build_filename(folder, file, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_auto(GStrv) names = mmrig_scenario_names(folder, error);
        if (!names)
            return NULL;
        const char *near = mmrig_nearest((const char *const *)names, name);
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "there is no scenario '%s' in %s; %s%s%s", name, folder,
                    near ? "did you mean " : "see 'mmrig list'", near ? near : "",
                    near ? "?" : "");
        return NULL;
    }
    text = read_file(path, &size, error);
    return text ? mmrig_scenario_parse(text, size, name, path, twin, error) : NULL;
}

GStrv mmrig_scenario_names(const char *folder, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &cause);
    const char *entry;

    if (!dir) {
        scenario_file_wrong(error, folder, "no folder of scenarios: %s", cause->message);
        return NULL;
    }
    while ((entry = g_dir_read_name(dir))) {
        if (entry[0] == '.' || !g_str_has_suffix(entry, ".ini"))
            continue;
        g_autofree char *name = g_strndup(entry, strlen(entry) - strlen(".ini"));
        if (!mmrig_name_check(name, "scenario", error)) {
            g_prefix_error(error, "%s: ", folder);
            return NULL;
        }
        g_ptr_array_add(names, g_steal_pointer(&name));
    }
    g_ptr_array_sort(names, mmrig_text_compare);
    g_ptr_array_add(names, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}
