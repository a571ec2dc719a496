/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in a kernel's image: whether QEMU can boot it and our agent can run in it, its
 * release, and its configuration if it holds that. Pure; every offset in the file is checked.
 */
#include <elf.h>
#include <gio/gio.h>
#include <string.h>

#include "base/error.h"
#include "kernel-private.h"

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
    const char *path;
    const MmrigArch *arch;
} Image;

/* Always FALSE, for the callers' return. */
static gboolean image_refuse(const Image *image, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
static gboolean image_refuse(const Image *image, GError **error, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    g_autofree char *why = g_strdup_vprintf(format, values);
    va_end(values);
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "%s: not a kernel that can be booted: %s", image->path, why);
    return FALSE;
}

/* The word at offset, or NULL if there is none that looks like a release. */
static char *image_release_at(const Image *image, gsize offset)
{
    gsize length = 0;

    while (offset + length < image->size && length <= RELEASE_MAX &&
           g_ascii_isgraph(image->bytes[offset + length]))
        length++;
    if (length == 0 || length > RELEASE_MAX || !g_ascii_isdigit(image->bytes[offset]))
        return NULL;
    return g_strndup(image->bytes + offset, length);
}

/* ---- What is in an image that is not packed -------------------------------------------- */

static char *image_banner_release(const Image *image)
{
    const char *at = image->bytes, *end = image->bytes + image->size;
    char *release = NULL;

    while (!release && (at = memmem(at, (gsize)(end - at), BANNER, strlen(BANNER)))) {
        at += strlen(BANNER);
        release = image_release_at(image, (gsize)(at - image->bytes));
    }
    return release;
}

/* The configuration inside a kernel that was built with IKCONFIG=y, or NULL. */
static GHashTable *image_config(const Image *image)
{
    const char *start =
        memmem(image->bytes, image->size, IKCONFIG_START, strlen(IKCONFIG_START));
    const char *end;
    g_autoptr(GConverter) unzip = NULL;
    g_autofree char *text = NULL;
    gsize used = 0, made = 0;
    GConverterResult result = G_CONVERTER_ERROR;

    if (!start)
        return NULL;
    start += strlen(IKCONFIG_START);
    end = memmem(start, image->size - (gsize)(start - image->bytes), IKCONFIG_END,
                 strlen(IKCONFIG_END));
    if (!end)
        return NULL;
    text = g_malloc(IKCONFIG_MAX + 1);
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

/* ---- The image that kbuild makes, and vmlinux ------------------------------------------ */

static gboolean image_inspect(const Image *image, MmrigArchImage *header, char **release,
                              GHashTable **config, GError **error)
{
    g_autofree char *problem = g_steal_pointer(&header->problem);

    if (problem)
        return image_refuse(image, error, "%s", problem);
    *release = header->release_at ? image_release_at(image, header->release_at)
               : header->plain    ? image_banner_release(image)
                                  : NULL;
    *config = header->plain ? image_config(image) : NULL;
    return TRUE;
}

/* Whether a segment of notes has the one that says where QEMU enters. */
static gboolean vmlinux_notes_have_entry(const Image *image, const Elf64_Phdr *segment)
{
    const MmrigArchNote *entry = image->arch->kernel_note;
    gsize owner_size = strlen(entry->owner) + 1;
    gsize align = segment->p_align == 8 ? 8 : 4, at = segment->p_offset;
    gsize end = at + segment->p_filesz;

    while (end - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, image->bytes + at, sizeof(note));
        gsize name = at + sizeof(note);
        gsize name_size = GUINT32_FROM_LE(note.n_namesz);
        gsize size = GUINT32_FROM_LE(note.n_descsz);
        /* Of 32 bits each, so that no sum overflows. */
        gsize after_name = at + ((sizeof(note) + name_size + align - 1) & ~(align - 1));
        gsize next = after_name + ((size + align - 1) & ~(align - 1));

        if (after_name + size > end)
            return FALSE;
        if (GUINT32_FROM_LE(note.n_type) == entry->type && name_size == owner_size &&
            memcmp(image->bytes + name, entry->owner, owner_size) == 0 && size >= 4)
            return TRUE;
        if (next >= end)
            return FALSE;
        at = next;
    }
    return FALSE;
}

/* All that is to be loaded must be in the file, and the note of the entry somewhere. */
static gboolean vmlinux_check_segments(const Image *image, const Elf64_Ehdr *header,
                                       GError **error)
{
    gsize count = GUINT16_FROM_LE(header->e_phnum);
    guint64 table = GUINT64_FROM_LE(header->e_phoff), most = 0;
    gboolean load = FALSE, entry = FALSE, cut = FALSE;

    if (count == 0 || GUINT16_FROM_LE(header->e_phentsize) != sizeof(Elf64_Phdr))
        return image_refuse(image, error, "an ELF file without program headers");
    if (table > image->size || count * sizeof(Elf64_Phdr) > image->size - table)
        return image_refuse(image, error,
                            "an ELF file that is cut off before its program headers; copy it "
                            "anew");
    for (gsize i = 0; i < count; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, image->bytes + table + i * sizeof(segment), sizeof(segment));
        guint32 type = GUINT32_FROM_LE(segment.p_type);
        segment.p_offset = GUINT64_FROM_LE(segment.p_offset);
        segment.p_filesz = GUINT64_FROM_LE(segment.p_filesz);
        segment.p_align = GUINT64_FROM_LE(segment.p_align);
        gboolean inside = segment.p_offset <= image->size &&
                          segment.p_filesz <= image->size - segment.p_offset;

        if (type != PT_LOAD && type != PT_NOTE)
            continue;
        cut |= !inside;
        if (segment.p_filesz <= G_MAXUINT64 - segment.p_offset)
            most = MAX(most, segment.p_offset + segment.p_filesz);
        load |= type == PT_LOAD;
        entry |= type == PT_NOTE && inside && vmlinux_notes_have_entry(image, &segment);
    }
    if (cut)
        return image_refuse(image, error,
                            "an ELF file that is cut off: it has %zu bytes, and its program "
                            "headers speak of %" G_GUINT64_FORMAT "; copy it anew",
                            image->size, most);
    if (!load)
        return image_refuse(image, error, "an ELF file with nothing to load in it");
    return entry ||
           image_refuse(image, error,
                        "a vmlinux without the note by which QEMU enters it; build it with "
                        "%s=y, or give its %s",
                        image->arch->kernel_note->option, image->arch->kernel_image);
}

static gboolean vmlinux_inspect(const Image *image, char **release, GHashTable **config,
                                GError **error)
{
    const MmrigArch *arch = image->arch;
    Elf64_Ehdr header;

    if (image->size < sizeof(header))
        return image_refuse(image, error, "an ELF file that is cut off; copy it anew");
    memcpy(&header, image->bytes, sizeof(header));
    /* This field is where it is in ELF files of both classes. */
    guint machine = GUINT16_FROM_LE(header.e_machine);
    if (header.e_ident[EI_DATA] != ELFDATA2LSB ||
        (machine != arch->elf_machine && machine != arch->elf_machine_32))
        return image_refuse(
            image, error, "an ELF file of another processor (machine %u), and %s is wanted",
            header.e_ident[EI_DATA] == ELFDATA2LSB ? machine : GUINT16_FROM_BE(machine),
            arch->title);
    if (machine != arch->elf_machine || header.e_ident[EI_CLASS] != ELFCLASS64)
        return image_refuse(
            image, error,
            "a 32-bit ELF file; build it with CONFIG_64BIT, which mmrig's guest "
            "programs need");
    if (!arch->kernel_note)
        return image_refuse(image, error, "an ELF file, which QEMU does not start; give the %s",
                            arch->kernel_image);
    if (GUINT16_FROM_LE(header.e_type) != ET_EXEC)
        return image_refuse(
            image, error,
            "an ELF file, but a module, program or library; give the vmlinux or %s",
            arch->kernel_image);
    if (!vmlinux_check_segments(image, &header, error))
        return FALSE;
    *release = image_banner_release(image);
    *config = image_config(image);
    return TRUE;
}

/* ---- What is none ---------------------------------------------------------------------- */

/* Says what the file is, where that helps to find the right one. */
static gboolean image_refuse_other(const Image *image, GError **error)
{
    static const char packed[] = "compressed; unpack it, or give the ";
    const char *foreign = mmrig_arch_image_name(image->bytes, image->size);
    static const struct {
        gsize offset, size;
        const char *bytes;
        const char *what;
    } known[] = {
        {0, 2, "MZ",
         "an EFI program without a kernel's header (a unified kernel image?); give, from in "
         "it, "
         "the "},
        {0, 2, "\x1f\x8b", packed},
        {0, 6,
         "\xfd"
         "7zXZ\0",
         packed},
        {0, 4, "\x28\xb5\x2f\xfd", packed},
        {0, 3, "BZh", packed},
        {0, 4, "\x02\x21\x4c\x18", packed},
        {0, 4, "\x04\x22\x4d\x18", packed},
        {0, 9, "\x89LZO\0\r\n\x1a\n", packed},
    };

    if (foreign)
        return image_refuse(image, error, "it is %s, and a kernel of %s is wanted", foreign,
                            image->arch->title);
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (image->size >= known[i].offset + known[i].size &&
            memcmp(image->bytes + known[i].offset, known[i].bytes, known[i].size) == 0)
            return image_refuse(image, error, "it is %s%s", known[i].what,
                                image->arch->kernel_image);
    if (image->size == 0)
        return image_refuse(image, error, "the file is empty");
    return image_refuse(image, error,
                        image->arch->kernel_note ? "neither a %s nor a vmlinux, of %s"
                                                 : "no %s of %s",
                        image->arch->kernel_image, image->arch->title);
}

gboolean mmrig_kernel_image_inspect(const MmrigArch *arch, const char *path, const char *bytes,
                                    gsize size, char **release, GHashTable **config,
                                    GError **error)
{
    const Image image = {bytes, size, path, arch};
    MmrigArchImage header = {0};

    *release = NULL;
    *config = NULL;
    if (arch->image_read(bytes, size, &header))
        return image_inspect(&image, &header, release, config, error);
    if (size >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0)
        return vmlinux_inspect(&image, release, config, error);
    return image_refuse_other(&image, error);
}
