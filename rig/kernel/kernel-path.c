/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel that the user gives: is it one, which, and how was it configured? */
#include <elf.h>
#include <gio/gio.h>
#include <string.h>

#include "base/error.h"
#include "kernel-private.h"

/* The kernel's Documentation/arch/x86/boot.rst: the header of a bzImage. */
#define BOOT_MAGIC_OFFSET   0x202
#define BOOT_MAGIC          "HdrS"
#define BOOT_VERSION_OFFSET 0x20e /* u16: where the version's text is, less 0x200 */
#define BOOT_VERSION_BASE   0x200

/* init/version-timestamp.c: what is at the start of linux_banner. */
#define BANNER "Linux version "

/* include/linux/uts.h and utsname.h: a release is at most this long. */
#define RELEASE_MAX 64

/* kernel/configs.c: what is on both sides of the gzipped configuration (IKCONFIG). */
#define IKCONFIG_START "IKCFG_ST"
#define IKCONFIG_END   "IKCFG_ED"
#define IKCONFIG_MAX   (4 * 1024 * 1024)

typedef struct {
    const char *bytes;
    gsize size;
} Span;

/* The word at offset, or NULL if there is none that looks like a release. */
static char *word_at(Span span, gsize offset)
{
    gsize length = 0;

    while (offset + length < span.size && length <= RELEASE_MAX &&
           g_ascii_isgraph(span.bytes[offset + length]))
        length++;
    if (length == 0 || length > RELEASE_MAX)
        return NULL;
    return g_strndup(span.bytes + offset, length);
}

static char *bzimage_release(Span image)
{
    guint16 offset;

    memcpy(&offset, image.bytes + BOOT_VERSION_OFFSET, sizeof(offset));
    offset = GUINT16_FROM_LE(offset);
    return offset ? word_at(image, (gsize)BOOT_VERSION_BASE + offset) : NULL;
}

static char *vmlinux_release(Span image)
{
    const char *banner = memmem(image.bytes, image.size, BANNER, strlen(BANNER));

    return banner ? word_at(image, (gsize)(banner - image.bytes) + strlen(BANNER)) : NULL;
}

/* The configuration inside a vmlinux that was built with IKCONFIG=y, or NULL. */
static GHashTable *vmlinux_config(Span image)
{
    const char *start = memmem(image.bytes, image.size, IKCONFIG_START, strlen(IKCONFIG_START));
    const char *end;
    g_autoptr(GConverter) unzip = NULL;
    g_autofree char *text = g_malloc(IKCONFIG_MAX + 1);
    gsize used = 0, made = 0;
    GConverterResult result = G_CONVERTER_ERROR;

    if (!start)
        return NULL;
    start += strlen(IKCONFIG_START);
    end = memmem(start, image.size - (gsize)(start - image.bytes), IKCONFIG_END,
                 strlen(IKCONFIG_END));
    if (!end)
        return NULL;
    unzip = G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP));
    while (result != G_CONVERTER_FINISHED && made < IKCONFIG_MAX) {
        gsize in, out;

        result =
            g_converter_convert(unzip, start + used, (gsize)(end - start) - used, text + made,
                                IKCONFIG_MAX - made, G_CONVERTER_INPUT_AT_END, &in, &out, NULL);
        if (result == G_CONVERTER_ERROR)
            return NULL;
        used += in;
        made += out;
    }
    text[made] = '\0';
    return mmrig_kernel_config_parse(text);
}

/* Looks at the image: what it is, its release, and the configuration if it holds that. */
static gboolean kernel_path_inspect(MmrigKernel *kernel, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GMappedFile) file = g_mapped_file_new(kernel->image, FALSE, &cause);
    Span image;

    if (!file) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "cannot read the kernel: %s",
                    cause->message);
        return FALSE;
    }
    image = (Span){g_mapped_file_get_contents(file), g_mapped_file_get_length(file)};
    if (image.size >= BOOT_VERSION_OFFSET + sizeof(guint16) &&
        memcmp(image.bytes + BOOT_MAGIC_OFFSET, BOOT_MAGIC, strlen(BOOT_MAGIC)) == 0) {
        kernel->release = bzimage_release(image);
        return TRUE;
    }
    if (image.size > sizeof(Elf64_Ehdr) && memcmp(image.bytes, ELFMAG, SELFMAG) == 0 &&
        image.bytes[EI_CLASS] == ELFCLASS64) {
        Elf64_Ehdr header;

        memcpy(&header, image.bytes, sizeof(header));
        if (GUINT16_FROM_LE(header.e_machine) == EM_X86_64 &&
            GUINT16_FROM_LE(header.e_type) == ET_EXEC) {
            kernel->release = vmlinux_release(image);
            kernel->config = vmlinux_config(image);
            return TRUE;
        }
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "%s: not a kernel that can be booted: neither a bzImage nor an x86-64 vmlinux",
                kernel->image);
    return FALSE;
}

/* A configuration beside the image, or NULL. */
static char *config_beside(const MmrigKernel *kernel)
{
    g_autofree char *folder = g_path_get_dirname(kernel->image);
    g_autofree char *release =
        kernel->release ? g_strconcat("config-", kernel->release, NULL) : NULL;
    const char *const names[] = {release, ".config", "config"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = names[i] ? g_build_filename(folder, names[i], NULL) : NULL;

        if (path && g_file_test(path, G_FILE_TEST_IS_REGULAR))
            return g_steal_pointer(&path);
    }
    return NULL;
}

static gboolean take_modules(MmrigKernel *kernel, const char *folder, MmrigKey *key,
                             GError **error)
{
    g_autofree char *list = g_build_filename(folder, "modules.dep.bin", NULL);
    g_autoptr(GError) cause = NULL;

    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "modules=%s: no such folder",
                    folder);
        return FALSE;
    }
    if (!mmrig_key_add_stat(key, list, &cause)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "modules=%s: no modules.dep.bin there; give the folder "
                    "lib/modules/RELEASE, and run depmod for it",
                    folder);
        return FALSE;
    }
    kernel->modules = g_strdup(folder);
    return TRUE;
}

MmrigKernel *mmrig_kernel_path_find(const MmrigKernelSpec *spec, GError **error)
{
    g_autoptr(MmrigKernel) kernel = g_new0(MmrigKernel, 1);
    g_autoptr(MmrigKey) key = mmrig_key_new("kernel-path");
    g_autofree char *config = NULL;

    if (g_file_test(spec->path, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s: is a folder; give the bzImage or vmlinux (or tree:DIR for a source "
                    "tree)",
                    spec->path);
        return NULL;
    }
    kernel->image = g_strdup(spec->path);
    kernel->spec = g_strconcat("path:", spec->path, NULL);
    if (!kernel_path_inspect(kernel, error) || !mmrig_key_add_stat(key, kernel->image, error))
        return NULL;
    if (spec->modules && !take_modules(kernel, spec->modules, key, error))
        return NULL;
    /* What the image itself says is surer than a file that lies beside it. */
    config = spec->config || kernel->config ? g_strdup(spec->config) : config_beside(kernel);
    if (config) {
        g_clear_pointer(&kernel->config, g_hash_table_unref);
        kernel->config = mmrig_kernel_config_load(config, error);
        if (!kernel->config || !mmrig_key_add_stat(key, config, error))
            return NULL;
    }
    kernel->id = g_strdup(mmrig_key_digest(key));
    return g_steal_pointer(&kernel);
}
