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

/* The kernel's Documentation/arch/x86/boot.rst: the header of a bzImage. */
#define BOOT_SECTS_OFFSET   0x1f1 /* u8: sectors of the setup code, less one; 0 stands for 4 */
#define BOOT_SIZE_OFFSET    0x1f4 /* u32: bytes of the rest, in units of 16 */
#define BOOT_MAGIC_OFFSET   0x202
#define BOOT_MAGIC          "HdrS"
#define BOOT_PROTO_OFFSET   0x206 /* u16: version of the boot protocol */
#define BOOT_VERSION_OFFSET 0x20e /* u16: where the version's text is, less 0x200 */
#define BOOT_VERSION_BASE   0x200
#define BOOT_XFLAGS_OFFSET  0x236 /* u16, from protocol 2.12 on */
#define BOOT_XFLAGS_PROTO   0x20c
#define BOOT_XFLAGS_64      1
#define BOOT_SECTOR         512
#define BOOT_HEADER_END     (BOOT_XFLAGS_OFFSET + 2)

/* init/version-timestamp.c: what is at the start of linux_banner. */
#define BANNER "Linux version "

/* include/linux/uts.h and utsname.h: a release is at most this long. */
#define RELEASE_MAX 64

/* kernel/configs.c: what is on both sides of the gzipped configuration (IKCONFIG). */
#define IKCONFIG_START "IKCFG_ST"
#define IKCONFIG_END   "IKCFG_ED"
#define IKCONFIG_MAX   (4 * 1024 * 1024)

/* include/xen/interface/elfnote.h: the note by which QEMU enters a vmlinux (PVH). */
#define PVH_OWNER "Xen"
#define PVH_TYPE  18

typedef struct {
    const char *bytes;
    gsize size;
    const char *path;
} Image;

static guint64 image_number(const Image *image, gsize offset, gsize size)
{
    guint64 number = 0;

    memcpy(&number, image->bytes + offset, size);
    return GUINT64_FROM_LE(number);
}

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

/* ---- bzImage --------------------------------------------------------------------------- */

static gboolean bzimage_is(const Image *image)
{
    return image->size >= BOOT_MAGIC_OFFSET + strlen(BOOT_MAGIC) &&
           memcmp(image->bytes + BOOT_MAGIC_OFFSET, BOOT_MAGIC, strlen(BOOT_MAGIC)) == 0;
}

static gboolean bzimage_inspect(const Image *image, char **release, GError **error)
{
    if (image->size < BOOT_HEADER_END)
        return image_refuse(image, error,
                            "a bzImage that is cut off in its header; copy it anew");
    guint64 sects = image_number(image, BOOT_SECTS_OFFSET, 1);
    guint64 wanted =
        ((sects ? sects : 4) + 1) * BOOT_SECTOR + image_number(image, BOOT_SIZE_OFFSET, 4) * 16;
    if (image->size < wanted)
        return image_refuse(
            image, error,
            "a bzImage that is cut off: it has %zu bytes, and its header speaks "
            "of %" G_GUINT64_FORMAT "; copy it anew",
            image->size, wanted);
    if (image_number(image, BOOT_PROTO_OFFSET, 2) >= BOOT_XFLAGS_PROTO &&
        !(image_number(image, BOOT_XFLAGS_OFFSET, 2) & BOOT_XFLAGS_64))
        return image_refuse(image, error,
                            "a 32-bit bzImage; build it with CONFIG_64BIT, which mmrig's guest "
                            "programs need");
    guint64 offset = image_number(image, BOOT_VERSION_OFFSET, 2);
    *release = offset ? image_release_at(image, BOOT_VERSION_BASE + (gsize)offset) : NULL;
    return TRUE;
}

/* ---- vmlinux --------------------------------------------------------------------------- */

static char *vmlinux_release(const Image *image)
{
    const char *at = image->bytes, *end = image->bytes + image->size;
    char *release = NULL;

    while (!release && (at = memmem(at, (gsize)(end - at), BANNER, strlen(BANNER)))) {
        at += strlen(BANNER);
        release = image_release_at(image, (gsize)(at - image->bytes));
    }
    return release;
}

/* The configuration inside a vmlinux that was built with IKCONFIG=y, or NULL. */
static GHashTable *vmlinux_config(const Image *image)
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

/* Whether a segment of notes has the one that says where PVH enters. */
static gboolean vmlinux_notes_have_pvh(const Image *image, const Elf64_Phdr *segment)
{
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
        if (GUINT32_FROM_LE(note.n_type) == PVH_TYPE && name_size == sizeof(PVH_OWNER) &&
            memcmp(image->bytes + name, PVH_OWNER, sizeof(PVH_OWNER)) == 0 && size >= 4)
            return TRUE;
        if (next >= end)
            return FALSE;
        at = next;
    }
    return FALSE;
}

/* All that is to be loaded must be in the file, and the note of PVH somewhere. */
static gboolean vmlinux_check_segments(const Image *image, const Elf64_Ehdr *header,
                                       GError **error)
{
    gsize count = GUINT16_FROM_LE(header->e_phnum);
    guint64 table = GUINT64_FROM_LE(header->e_phoff), most = 0;
    gboolean load = FALSE, pvh = FALSE, cut = FALSE;

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
        pvh |= type == PT_NOTE && inside && vmlinux_notes_have_pvh(image, &segment);
    }
    if (cut)
        return image_refuse(image, error,
                            "an ELF file that is cut off: it has %zu bytes, and its program "
                            "headers speak of %" G_GUINT64_FORMAT "; copy it anew",
                            image->size, most);
    if (!load)
        return image_refuse(image, error, "an ELF file with nothing to load in it");
    return pvh ||
           image_refuse(image, error,
                        "a vmlinux without the note by which QEMU enters it; build it with "
                        "CONFIG_PVH=y, or give its bzImage");
}

static gboolean vmlinux_inspect(const Image *image, char **release, GHashTable **config,
                                GError **error)
{
    Elf64_Ehdr header;

    if (image->size < sizeof(header))
        return image_refuse(image, error, "an ELF file that is cut off; copy it anew");
    memcpy(&header, image->bytes, sizeof(header));
    /* This field is where it is in ELF files of both classes. */
    guint machine = GUINT16_FROM_LE(header.e_machine);
    if (header.e_ident[EI_DATA] != ELFDATA2LSB || (machine != EM_X86_64 && machine != EM_386))
        return image_refuse(
            image, error, "an ELF file of another processor (machine %u), and x86-64 is wanted",
            header.e_ident[EI_DATA] == ELFDATA2LSB ? machine : GUINT16_FROM_BE(machine));
    if (machine != EM_X86_64 || header.e_ident[EI_CLASS] != ELFCLASS64)
        return image_refuse(
            image, error,
            "a 32-bit ELF file; build it with CONFIG_64BIT, which mmrig's guest "
            "programs need");
    if (GUINT16_FROM_LE(header.e_type) != ET_EXEC)
        return image_refuse(
            image, error,
            "an ELF file, but a module, program or library; give the vmlinux or "
            "bzImage");
    if (!vmlinux_check_segments(image, &header, error))
        return FALSE;
    *release = vmlinux_release(image);
    *config = vmlinux_config(image);
    return TRUE;
}

/* ---- What is none ---------------------------------------------------------------------- */

/* Says what the file is, where that helps to find the right one. */
static gboolean image_refuse_other(const Image *image, GError **error)
{
    static const char packed[] = "compressed; unpack it, or give the bzImage";
    static const struct {
        gsize offset, size;
        const char *bytes;
        const char *what;
    } known[] = {
        {0x38, 4, "ARM\x64", "an arm64 Image, and an x86-64 kernel is wanted"},
        {0x38, 4, "RSC\x05", "a RISC-V Image, and an x86-64 kernel is wanted"},
        {4, 4, "zimg", "an EFI zboot image, which is of another processor than x86-64"},
        {0, 2, "MZ",
         "an EFI program without a bzImage's header (a unified kernel image?); give "
         "the bzImage that is in it"},
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

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (image->size >= known[i].offset + known[i].size &&
            memcmp(image->bytes + known[i].offset, known[i].bytes, known[i].size) == 0)
            return image_refuse(image, error, "it is %s", known[i].what);
    return image_refuse(image, error, "%s",
                        image->size ? "neither a bzImage nor an x86-64 vmlinux"
                                    : "the file is empty");
}

gboolean mmrig_kernel_image_inspect(const char *path, const char *bytes, gsize size,
                                    char **release, GHashTable **config, GError **error)
{
    const Image image = {bytes, size, path};

    *release = NULL;
    *config = NULL;
    if (bzimage_is(&image))
        return bzimage_inspect(&image, release, error);
    if (size >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0)
        return vmlinux_inspect(&image, release, config, error);
    return image_refuse_other(&image, error);
}
