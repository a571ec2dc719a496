/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backing.h"
#include "error.h"
#include "mmrig-guest-protocol.h"
#include "paths.h"
#include "store.h"
#include "template-maker.h"

#define META_NAME "meta.json"

/* What a tmpfs must have free besides the whole of a guest's memory. */
#define TMPFS_RESERVE (G_GUINT64_CONSTANT(512) << 20)

const char *mmrig_template_unfit(const MmrigScenario *scenario)
{
    if (scenario->boots)
        return "it boots more than once";
    for (guint i = 0; i < scenario->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(scenario->devices, i);
        /* It would have to give back memory that belongs to the template. */
        if (device->kind == MMRIG_DEVICE_BALLOON)
            return "its balloon cannot give back a fork's memory";
    }
    return NULL;
}

void mmrig_template_free(MmrigTemplate *template)
{
    if (!template)
        return;
    g_free(template->folder);
    g_free(template->nonce);
    g_free(template);
}

/* What the host's CPU is counts for KVM, where the guest sees it. */
static void add_host_cpu(MmrigKey *key)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
        return;
    char *end = strstr(text, "\n\n");
    if (end)
        *end = '\0';
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "model") || g_str_has_prefix(*line, "flags") ||
            g_str_has_prefix(*line, "microcode"))
            mmrig_key_add(key, *line);
}

static char *template_name(const MmrigScenario *scenario, const MmrigParts *parts,
                           GError **error)
{
    g_autoptr(MmrigKey) key = mmrig_key_new("template 1");
    MmrigParts cold = *parts;

    cold.kind = MMRIG_MACHINE_TEMPLATE;
    g_autoptr(MmrigMachine) machine = mmrig_machine_plan(scenario, &cold, error);
    if (!machine)
        return NULL;
    for (char **word = machine->argv; *word; word++)
        mmrig_key_add(key, *word);
    if (!mmrig_key_add_stat(key, parts->qemu, error) ||
        !mmrig_key_add_stat(key, parts->kernel, error))
        return NULL;
    /* An image is named by a hash of all that is in it; its times tell of its use. */
    if (parts->accel == MMRIG_ACCEL_KVM)
        add_host_cpu(key);
    return g_strndup(mmrig_key_digest(key), 32);
}

/* /dev/shm/mmrig-UID if it is a tmpfs of ours with room for size more bytes, else NULL. */
static char *tmpfs_store(guint64 size)
{
    g_autofree char *folder = g_strdup_printf("/dev/shm/mmrig-%u", (unsigned)getuid());
    struct statfs system;
    struct stat status;

    if (statfs("/dev/shm", &system) != 0 || system.f_type != TMPFS_MAGIC ||
        (guint64)system.f_bavail * (guint64)system.f_bsize < size + TMPFS_RESERVE)
        return NULL;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return NULL;
    /* Anybody can make a folder of that name there. */
    if (lstat(folder, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != getuid() ||
        (status.st_mode & 077) != 0)
        return NULL;
    return g_steal_pointer(&folder);
}

static char *state_digest(const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, MMRIG_BACKING_STATE, NULL);
    g_autofree char *bytes = NULL;
    gsize size;

    if (!g_file_get_contents(path, &bytes, &size, error))
        return NULL;
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)bytes, size);
}

static gboolean write_meta(const char *folder, const char *nonce, GError **error)
{
    g_autofree char *path = g_build_filename(folder, META_NAME, NULL);
    g_autofree char *digest = state_digest(folder, error);
    g_autoptr(JsonBuilder) builder = json_builder_new();

    if (!digest)
        return FALSE;
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "schema");
    json_builder_add_int_value(builder, 1);
    json_builder_set_member_name(builder, "nonce");
    json_builder_add_string_value(builder, nonce);
    json_builder_set_member_name(builder, "state-sha256");
    json_builder_add_string_value(builder, digest);
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, TRUE);
    return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, error);
}

/* The template in the folder, or NULL with error if it is not whole. */
static MmrigTemplate *load(const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, META_NAME, NULL);
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autofree char *digest = state_digest(folder, error);

    if (!digest || !json_parser_load_from_file(parser, path, error))
        return NULL;
    JsonNode *root = json_parser_get_root(parser);
    JsonObject *meta = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    const char *nonce =
        meta ? json_object_get_string_member_with_default(meta, "nonce", "") : "";
    const char *expected =
        meta ? json_object_get_string_member_with_default(meta, "state-sha256", "") : "";
    if (strlen(nonce) != MMRIG_NONCE_DIGITS || strcmp(digest, expected) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "%s: the device state is not what was saved", folder);
        return NULL;
    }
    MmrigTemplate *template = g_new0(MmrigTemplate, 1);
    template->folder = g_strdup(folder);
    template->nonce = g_strdup(nonce);
    return template;
}

typedef struct {
    const MmrigScenario *scenario;
    const MmrigParts *parts;
} Making;

/* Files for the template's backings, in the folder and under their devices' names. */
static GArray *make_files(const MmrigMachine *machine, const char *folder, GError **error)
{
    g_autoptr(GArray) fds = mmrig_backing_array();

    for (guint i = 0; i < machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(machine->backings, i);
        g_autofree char *path = g_build_filename(folder, backing->device, NULL);
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0)
            g_array_append_val(fds, fd);
        if (fd < 0 || ftruncate(fd, (off_t)backing->size) != 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make %s: %s", path,
                        g_strerror(errno));
            return NULL;
        }
    }
    return g_steal_pointer(&fds);
}

static gboolean fill(const char *path, gpointer data, GError **error)
{
    const Making *making = data;
    MmrigParts parts = *making->parts;
    char nonce[MMRIG_NONCE_DIGITS + 1];

    parts.kind = MMRIG_MACHINE_TEMPLATE;
    for (guint i = 0; i < MMRIG_NONCE_DIGITS; i += 8)
        g_snprintf(nonce + i, 9, "%08x", g_random_int());
    g_autoptr(MmrigMachine) machine = mmrig_machine_plan(making->scenario, &parts, error);
    g_autoptr(GArray) files = machine ? make_files(machine, path, error) : NULL;
    return files && mmrig_template_boot(machine, files, nonce, error) &&
           write_meta(path, nonce, error);
}

MmrigTemplate *mmrig_template_obtain(const MmrigScenario *scenario, const MmrigParts *parts,
                                     GError **error)
{
    g_autofree char *name = template_name(scenario, parts, error);
    Making making = {scenario, parts};

    if (!name)
        return NULL;
    g_autofree char *store = tmpfs_store(scenario->memory);
    if (!store)
        store = mmrig_path_cache("templates", error);
    if (!store)
        return NULL;
    g_autofree char *folder = mmrig_store_folder(store, name, fill, &making, error);
    if (!folder)
        return NULL;
    MmrigTemplate *template = load(folder, NULL);
    if (template)
        return template;
    /* Damaged: what was saved is of no use any more. */
    if (!mmrig_remove_tree(folder, error))
        return NULL;
    g_free(folder);
    folder = mmrig_store_folder(store, name, fill, &making, error);
    return folder ? load(folder, error) : NULL;
}

/* Copies only what is not a hole. */
static gboolean copy_sparse(int from, int to, off_t size)
{
    for (off_t at = 0; at < size;) {
        off_t start = lseek(from, at, SEEK_DATA);
        if (start < 0)
            return errno == ENXIO; /* nothing but holes from here on */
        off_t end = lseek(from, start, SEEK_HOLE);
        if (end < 0)
            return FALSE;
        /* Not copy_file_range(), which does not go from one tmpfs to another. */
        if (lseek(to, start, SEEK_SET) != start)
            return FALSE;
        for (off_t in = start; in < end;)
            if (sendfile(to, from, &in, (size_t)(end - in)) <= 0)
                return FALSE;
        at = end;
    }
    return TRUE;
}

static int private_copy(int from, const MmrigBacking *backing)
{
    g_autofree char *name = g_strconcat("mmrig-", backing->device, NULL);
    int to = memfd_create(name, MFD_CLOEXEC);

    if (to >= 0 && ftruncate(to, (off_t)backing->size) == 0 &&
        copy_sparse(from, to, (off_t)backing->size))
        return to;
    int cause = errno;
    if (to >= 0)
        close(to);
    errno = cause;
    return -1;
}

GArray *mmrig_template_backings(const MmrigTemplate *template, const MmrigMachine *machine,
                                GError **error)
{
    g_autoptr(GArray) fds = mmrig_backing_array();

    for (guint i = 0; i < machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(machine->backings, i);
        g_autofree char *path = g_build_filename(template->folder, backing->device, NULL);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        int fd = file;
        if (file >= 0 && strcmp(backing->device, MMRIG_BACKING_RAM) != 0 &&
            strcmp(backing->device, MMRIG_BACKING_STATE) != 0) {
            fd = private_copy(file, backing);
            close(file);
        }
        if (fd < 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot use %s: %s", path,
                        g_strerror(errno));
            return NULL;
        }
        g_array_append_val(fds, fd);
    }
    return g_steal_pointer(&fds);
}
