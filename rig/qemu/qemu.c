/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/error.h"
#include "base/io.h"
#include "base/paths.h"
#include "base/store.h"
#include "qemu-files.h"
#include "qemu-probe.h"

/* Changes with the form of the stored answer, so that old entries are not found. */
#define PURPOSE "qemu-probe 2"

/* --- finding the binary --- */

static char *fail_path(GError **error, const char *path, const char *what)
{
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "%s: %s; %s", path, what,
                mmrig_arch_default()->qemu_mend);
    return NULL;
}

/* The absolute path of an executable file, or NULL with error. */
static char *qemu_locate(const char *wanted, GError **error)
{
    g_autofree char *path = NULL;
    struct stat status;

    if (!wanted)
        wanted = g_getenv("MMRIG_QEMU");
    if (!wanted || !*wanted)
        wanted = mmrig_arch_default()->qemu;
    if (strchr(wanted, '/'))
        path = g_canonicalize_filename(wanted, NULL);
    else
        path = g_find_program_in_path(wanted);
    if (!path)
        return fail_path(error, wanted, "there is no such program in PATH");
    if (stat(path, &status) != 0)
        return fail_path(error, path, g_strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fail_path(error, path, "not a program");
    if (access(path, X_OK) != 0)
        return fail_path(error, path, "cannot be executed");
    return g_steal_pointer(&path);
}

/* --- the stored answer --- */

static gboolean qemu_write_answer(int fd, gpointer data, GError **error)
{
    g_autoptr(JsonNode) node = mmrig_qemu_probe(data, error);
    g_autofree char *text = NULL;

    if (!node)
        return FALSE;
    text = json_to_string(node, TRUE);
    if (mmrig_io_write_all(fd, text, strlen(text)))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write: %s", g_strerror(errno));
    return FALSE;
}

static gboolean read_names(JsonObject *object, const char *name, GHashTable **set)
{
    JsonNode *node = json_object_get_member(object, name);

    if (!node || !JSON_NODE_HOLDS_ARRAY(node))
        return FALSE;
    *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    JsonArray *array = json_node_get_array(node);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *item = json_array_get_element(array, i);
        if (json_node_get_value_type(item) != G_TYPE_STRING)
            return FALSE;
        g_hash_table_add(*set, json_node_dup_string(item));
    }
    return TRUE;
}

static gboolean qemu_read_number(JsonObject *object, const char *name, guint *number)
{
    JsonNode *node = json_object_get_member(object, name);

    if (!node || json_node_get_value_type(node) != G_TYPE_INT64)
        return FALSE;
    *number = (guint)json_node_get_int(node);
    return TRUE;
}

/*
 * A digest of all that this QEMU is made of: NULL if that is not what it was when it was asked,
 * or the answer is not what the probe writes.
 */
static char *qemu_read_id(JsonObject *object, const char *path)
{
    JsonNode *files = json_object_get_member(object, "files");
    JsonNode *then = json_object_get_member(object, "files-digest");
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autoptr(MmrigKey) key = mmrig_key_new("qemu");

    if (!files || !JSON_NODE_HOLDS_ARRAY(files) || !then ||
        json_node_get_value_type(then) != G_TYPE_STRING)
        return NULL;
    JsonArray *array = json_node_get_array(files);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *item = json_array_get_element(array, i);
        if (json_node_get_value_type(item) != G_TYPE_STRING)
            return NULL;
        g_strv_builder_add(builder, json_node_get_string(item));
    }
    g_auto(GStrv) paths = g_strv_builder_end(builder);
    g_autofree char *now = mmrig_qemu_files_digest((const char *const *)paths);
    if (strcmp(now, json_node_get_string(then)) != 0 || !mmrig_key_add_stat(key, path, NULL))
        return NULL;
    mmrig_key_add(key, now);
    return g_strdup(mmrig_key_digest(key));
}

/* NULL if the answer is not what the probe writes, or not of what QEMU is made of now. */
static MmrigQemu *qemu_read_answer(JsonNode *node, const char *path)
{
    g_autoptr(MmrigQemu) qemu = g_new0(MmrigQemu, 1);
    JsonObject *object;
    JsonNode *version, *kvm;

    if (!node || !JSON_NODE_HOLDS_OBJECT(node))
        return NULL;
    object = json_node_get_object(node);
    version = json_object_get_member(object, "version");
    kvm = json_object_get_member(object, "kvm");
    if (!version || json_node_get_value_type(version) != G_TYPE_STRING || !kvm ||
        json_node_get_value_type(kvm) != G_TYPE_BOOLEAN ||
        !qemu_read_number(object, "major", &qemu->major) ||
        !qemu_read_number(object, "minor", &qemu->minor) ||
        !qemu_read_number(object, "micro", &qemu->micro) ||
        !read_names(object, "types", &qemu->types) ||
        !read_names(object, "commands", &qemu->commands) ||
        !read_names(object, "machines", &qemu->machines))
        return NULL;
    qemu->id = qemu_read_id(object, path);
    if (!qemu->id)
        return NULL;
    qemu->path = g_strdup(path);
    qemu->version = json_node_dup_string(version);
    qemu->kvm_built = json_node_get_boolean(kvm);
    return g_steal_pointer(&qemu);
}

/* A script says nothing of the QEMU that it starts, so its answer cannot be kept. */
static gboolean is_script(const char *path)
{
    char start[2];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? pread(fd, start, sizeof start, 0) : 0;

    if (fd >= 0)
        close(fd);
    return got == sizeof start && start[0] == '#' && start[1] == '!';
}

static MmrigQemu *ask_once(const char *path, GError **error)
{
    g_autoptr(JsonNode) node = mmrig_qemu_probe(path, error);

    MmrigQemu *qemu = node ? qemu_read_answer(node, path) : NULL;

    if (node && !qemu)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "%s: it was changed while it was asked what it is; try again", path);
    return qemu;
}

static MmrigQemu *ask_stored(char *path, GError **error)
{
    g_autoptr(MmrigKey) key = mmrig_key_new(PURPOSE);
    g_autofree char *folder = mmrig_path_cache("qemu", error);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *entry = NULL;
    MmrigQemu *qemu = NULL;

    if (!folder || !mmrig_key_add_stat(key, path, error))
        return NULL;
    mmrig_key_add(key, g_getenv("QEMU_MODULE_DIR"));
    mmrig_key_add(key, g_getenv("LD_LIBRARY_PATH"));
    mmrig_key_add(key, g_getenv("LD_PRELOAD"));
    for (guint attempt = 0; attempt < 2 && !qemu; attempt++) {
        g_free(entry);
        entry = mmrig_store_file(folder, mmrig_key_digest(key), qemu_write_answer, path, error);
        if (!entry)
            return NULL;
        if (json_parser_load_from_file(parser, entry, NULL))
            qemu = qemu_read_answer(json_parser_get_root(parser), path);
        /* The stored answer is damaged, or QEMU was updated since: QEMU is asked again. */
        if (!qemu)
            g_unlink(entry);
    }
    if (!qemu)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "%s: what was written there cannot be read back", entry);
    return qemu;
}

MmrigQemu *mmrig_qemu_find(const char *path, GError **error)
{
    g_autofree char *found = qemu_locate(path, error);

    if (!found)
        return NULL;
    return is_script(found) ? ask_once(found, error) : ask_stored(found, error);
}

void mmrig_qemu_free(MmrigQemu *qemu)
{
    if (!qemu)
        return;
    g_free(qemu->path);
    g_free(qemu->version);
    g_free(qemu->id);
    g_clear_pointer(&qemu->types, g_hash_table_unref);
    g_clear_pointer(&qemu->commands, g_hash_table_unref);
    g_clear_pointer(&qemu->machines, g_hash_table_unref);
    g_free(qemu);
}

const char *mmrig_qemu_lacks(GHashTable *set, const char *const *names)
{
    for (; *names; names++)
        if (!g_hash_table_contains(set, *names))
            return *names;
    return NULL;
}
