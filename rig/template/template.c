/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/error.h"
#include "base/store.h"
#include "base/text.h"
#include "mmrig-guest-protocol.h"
#include "template-cache.h"
#include "template-maker-private.h"
#include "template-meta-private.h"
#include "vm/backing.h"
#include "vm/instance.h"
#include "vm/private-copy.h"

MmrigTemplate *mmrig_template_ref(MmrigTemplate *template)
{
    template->references++;
    return template;
}

void mmrig_template_free(MmrigTemplate *template)
{
    if (!template || --template->references > 0)
        return;
    g_free(template->folder);
    g_free(template->nonce);
    g_array_unref(template->files);
    g_free(template);
}

void mmrig_template_add_cpu(MmrigKey *key, const char *cpuinfo)
{
    const char *end = strstr(cpuinfo, "\n\n");
    g_autofree char *first = end ? g_strndup(cpuinfo, (gsize)(end - cpuinfo)) : NULL;
    g_auto(GStrv) lines = g_strsplit(first ? first : cpuinfo, "\n", -1);

    for (char **line = lines; *line; line++)
        for (const char *const *begin = mmrig_arch_default()->cpuinfo_keys; *begin; begin++)
            if (g_str_has_prefix(*line, *begin))
                mmrig_key_add(key, *line);
}

/* The host's CPU is in the key only with KVM, where the guest sees it. */
static void add_host_cpu(MmrigKey *key)
{
    g_autofree char *text = NULL;

    if (g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
        mmrig_template_add_cpu(key, text);
}

/*
 * A disk that the machine boots from is not told by its arguments; the kernel is added with the
 * firmware.
 */
static gboolean template_add_disk(MmrigKey *key, const MmrigPlan *machine, GError **error)
{
    for (guint i = 0; i < machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(machine->backings, i);
        if (!backing->esp)
            continue;
        mmrig_key_add(key, backing->esp->initrd);
        mmrig_key_add(key, backing->esp->options);
        if (!mmrig_key_add_stat(key, backing->esp->loader, error))
            return FALSE;
    }
    return TRUE;
}

/*
 * The pack and what its devices load from beside it: option ROMs, which are built on their own,
 * so that the pack's own file says nothing of them.
 */
static gboolean template_add_pack(MmrigKey *key, const char *pack, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(pack);
    g_autoptr(GPtrArray) roms = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, error);
    const char *name;

    if (!dir || !mmrig_key_add_stat(key, pack, error))
        return FALSE;
    while ((name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, ".rom"))
            g_ptr_array_add(roms, g_build_filename(folder, name, NULL));
    g_ptr_array_sort(roms, mmrig_text_compare);
    for (guint i = 0; i < roms->len; i++)
        if (!mmrig_key_add_stat(key, g_ptr_array_index(roms, i), error))
            return FALSE;
    return TRUE;
}

static gboolean template_add_firmware(MmrigKey *key, const MmrigForkable *what,
                                      const MmrigBootInputs *inputs, GError **error)
{
    gboolean own = what->spec->firmware_code != NULL;

    return mmrig_key_add_stat(key, inputs->efi_kernel, error) &&
           mmrig_key_add_stat(key, own ? what->spec->firmware_code : inputs->firmware, error) &&
           mmrig_key_add_stat(key, own ? what->spec->firmware_variables : inputs->variables,
                              error);
}

char *mmrig_template_name(const MmrigForkable *what, const MmrigBootInputs *inputs,
                          GError **error)
{
    g_autoptr(MmrigKey) key = mmrig_key_new("template 4");
    MmrigBootInputs cold = *inputs;

    cold.kind = MMRIG_START_TEMPLATE;
    g_autoptr(MmrigPlan) machine = mmrig_plan_make(what->spec, &cold, error);
    if (!machine)
        return NULL;
    for (char **word = machine->argv; *word; word++)
        mmrig_key_add(key, *word);
    /* The test is part of the state: it is started and held in front of its first case. */
    for (const char *const *word = what->words; *word; word++)
        mmrig_key_add(key, *word);
    mmrig_key_add(key, inputs->qemu_id);
    if (!mmrig_key_add_stat(key, inputs->qemu, error) ||
        !mmrig_key_add_stat(key, inputs->kernel, error) ||
        (mmrig_spec_needs_pack(what->spec) && !template_add_pack(key, inputs->pack, error)) ||
        (what->spec->firmware && !template_add_firmware(key, what, inputs, error)) ||
        !template_add_disk(key, machine, error))
        return NULL;
    /* An image is named by a hash of all that is in it; its times tell of its use. */
    if (inputs->accel == MMRIG_ACCEL_KVM)
        add_host_cpu(key);
    return g_strndup(mmrig_key_digest(key), 32);
}

/*
 * As template_load(); folder is a path that stays this folder's even if the name is given to
 * another.
 */
static MmrigTemplate *load_held(const char *folder, const MmrigPlan *machine, GError **error)
{
    g_autoptr(GArray) files = mmrig_backing_array();

    for (guint i = 0; i < machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(machine->backings, i);
        g_autofree char *path = g_build_filename(folder, backing->device, NULL);
        struct stat status;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            g_array_append_val(files, fd);
        if (fd < 0 || fstat(fd, &status) != 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot use %s: %s", path,
                        g_strerror(errno));
            return NULL;
        }
        /* The state's size is part of its checksum. */
        if (backing->size != 0 && (guint64)status.st_size != backing->size) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: not of its size", path);
            return NULL;
        }
    }
    g_autoptr(MmrigTemplateMeta) meta = mmrig_template_meta_read(folder, error);
    if (!meta || !mmrig_template_meta_verify(meta, folder, error))
        return NULL;
    MmrigTemplate *template = g_new0(MmrigTemplate, 1);
    template->references = 1;
    template->nonce = g_steal_pointer(&meta->nonce);
    template->files = g_steal_pointer(&files);
    return template;
}

/* The template in the folder, or NULL with error if it is not whole. */
static MmrigTemplate *template_load(const char *folder, const MmrigPlan *machine,
                                    GError **error)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot use %s: %s", folder,
                    g_strerror(errno));
        return NULL;
    }
    /*
     * Another template may be put under the same name meanwhile. By this path all files are of
     * one.
     */
    g_autofree char *held = g_strdup_printf("/proc/self/fd/%d", fd);
    MmrigTemplate *template = load_held(held, machine, error);
    close(fd);
    if (template)
        template->folder = g_strdup(folder);
    else
        g_prefix_error(error, "%s is not whole: ", folder);
    return template;
}

typedef struct {
    const MmrigForkable *what;
    const MmrigBootInputs *inputs;
    gboolean made; /* and not found */
} Making;

/* Files for the template's backings, in the folder and under their devices' names. */
static GArray *template_make_files(const MmrigPlan *machine, const char *folder, GError **error)
{
    g_autoptr(GArray) fds = mmrig_backing_array();

    for (guint i = 0; i < machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(machine->backings, i);
        g_autofree char *path = g_build_filename(folder, backing->device, NULL);
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0)
            g_array_append_val(fds, fd);
        if (fd < 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make %s: %s", path,
                        g_strerror(errno));
            return NULL;
        }
        if (!mmrig_backing_empty(backing, fd, error))
            return NULL;
    }
    return g_steal_pointer(&fds);
}

static gboolean template_fill(const char *path, gpointer data, GError **error)
{
    Making *making = data;
    MmrigBootInputs inputs = *making->inputs;
    char nonce[MMRIG_NONCE_DIGITS + 1];

    inputs.kind = MMRIG_START_TEMPLATE;
    for (guint i = 0; i < MMRIG_NONCE_DIGITS; i += 8)
        g_snprintf(nonce + i, 9, "%08x", g_random_int());
    g_autoptr(MmrigPlan) machine = mmrig_plan_make(making->what->spec, &inputs, error);
    g_autoptr(GArray) files = machine ? template_make_files(machine, path, error) : NULL;
    making->made = files && mmrig_template_boot(machine, files, making->what, nonce, error) &&
                   mmrig_template_meta_write(path, making->what->spec->title, nonce,
                                             making->what->spec->memory, error);
    return making->made;
}

/* Marks the template as used just now, since the longest unused are removed first. */
static void template_touch(const char *folder)
{
    if (utimensat(AT_FDCWD, folder, NULL, 0) != 0)
        g_debug("%s: %s", folder,
                g_strerror(errno)); /* it was removed meanwhile, which does no harm */
}

/* Where a scenario's template is or will be, and the machine that it is of. */
typedef struct {
    char *name, *store;
    MmrigPlan *machine;
} Place;

static void clear_place(Place *place)
{
    g_free(place->name);
    g_free(place->store);
    mmrig_plan_free(place->machine);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, clear_place)

static gboolean find_place(Place *place, const MmrigForkable *what,
                           const MmrigBootInputs *inputs, GError **error)
{
    MmrigBootInputs kept = *inputs;

    kept.kind = MMRIG_START_TEMPLATE;
    place->name = mmrig_template_name(what, inputs, error);
    if (place->name)
        place->store = mmrig_template_store(place->name, what->spec->memory, error);
    if (place->store)
        place->machine = mmrig_plan_make(what->spec, &kept, error);
    return place->machine != NULL;
}

/* Finds or makes the template and loads it; *folder is its path once it is known. */
static MmrigTemplate *find_or_make(const Place *place, Making *making, char **folder,
                                   GError **error)
{
    g_free(*folder);
    *folder = mmrig_store_folder(place->store, place->name, template_fill, making, error);
    return *folder ? template_load(*folder, place->machine, error) : NULL;
}

MmrigTemplate *mmrig_template_find(const MmrigForkable *what, const MmrigBootInputs *inputs,
                                   GError **error)
{
    g_auto(Place) place = {0};

    if (!find_place(&place, what, inputs, error))
        return NULL;
    g_autofree char *folder = g_build_filename(place.store, place.name, NULL);
    /*
     * A template that is not whole counts as missing; who makes it again tells what was wrong.
     */
    MmrigTemplate *template = template_load(folder, place.machine, NULL);
    if (template)
        template_touch(folder);
    return template;
}

MmrigTemplate *mmrig_template_obtain(const MmrigForkable *what, const MmrigBootInputs *inputs,
                                     GError **error)
{
    g_auto(Place) place = {0};
    g_autofree char *folder = NULL;
    g_autoptr(GError) cause = NULL;
    Making making = {what, inputs, FALSE};

    if (!find_place(&place, what, inputs, error))
        return NULL;
    MmrigTemplate *template = find_or_make(&place, &making, &folder, &cause);
    if (!template && folder && !making.made) {
        /* It is damaged, or was removed after it was found and before it was loaded. */
        g_clear_error(&cause);
        if (!mmrig_store_drop(place.store, place.name, error))
            return NULL;
        template = find_or_make(&place, &making, &folder, &cause);
    }
    if (g_error_matches(cause, MMRIG_ERROR, MMRIG_ERROR_QEMU_RACE)) {
        g_printerr("mmrig: the template of %s is made again: " MMRIG_INSTANCE_RACE "\n",
                   what->spec->title);
        g_clear_error(&cause);
        template = find_or_make(&place, &making, &folder, &cause);
    }
    if (!template) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    if (making.made)
        mmrig_template_tidy(folder);
    else
        template_touch(folder);
    return template;
}

static int private_copy(const MmrigTemplate *template, int from, const MmrigBacking *backing)
{
    struct stat status;
    g_autofree char *name = g_strconcat("mmrig-", backing->device, NULL);
    /* Not the template's own folder, which may be removed at any time. */
    g_autofree char *store = g_path_get_dirname(template->folder);

    /*
     * The plan does not know the size of a backing that is a copy of a source, but its file
     * does.
     */
    if (fstat(from, &status) != 0)
        return -1;
    return mmrig_private_copy(from, store, name, (guint64)status.st_size, mmrig_reflink);
}

GArray *mmrig_template_backings(const MmrigTemplate *template, const MmrigPlan *machine,
                                GError **error)
{
    g_autoptr(GArray) fds = mmrig_backing_array();

    g_return_val_if_fail(template->files->len == machine->backings->len, NULL);
    for (guint i = 0; i < machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(machine->backings, i);
        /*
         * The file is opened anew, so that forks that start together do not share one position
         * in it.
         */
        g_autofree char *path =
            g_strdup_printf("/proc/self/fd/%d", g_array_index(template->files, int, i));
        int file = open(path, O_RDONLY | O_CLOEXEC);
        int fd = file;
        if (file >= 0 && strcmp(backing->device, MMRIG_BACKING_RAM) != 0 &&
            strcmp(backing->device, MMRIG_BACKING_STATE) != 0) {
            fd = private_copy(template, file, backing);
            close(file);
        }
        if (fd < 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot use %s/%s: %s",
                        template->folder, backing->device, g_strerror(errno));
            return NULL;
        }
        g_array_append_val(fds, fd);
    }
    return g_steal_pointer(&fds);
}
