/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel modules in images, from a folder of modules made here. */
#include "image-fixture.h"

#include <elf.h>

#include "base/child.h"

#define RELEASE  "6.99.0-test"
#define MODULES  "lib/modules/" RELEASE
#define SECTIONS 6

/*
 * A module as small as depmod takes it: an ELF object (elf(5)) with the symbols it exports,
 * those it needs, and its .modinfo. The lists are separated by NULs and end with two.
 */
static GByteArray *module_bytes(const char *exports, const char *needs, const char *info)
{
    static const char names[] = "\0.modinfo\0__ksymtab_strings\0.symtab\0.strtab\0.shstrtab";
    static const guint name_at[SECTIONS] = {0, 1, 10, 28, 36, 44};
    GByteArray *bytes = g_byte_array_new();
    g_autoptr(GByteArray) symbols = g_byte_array_new();
    g_autoptr(GByteArray) strings = g_byte_array_new();
    Elf64_Ehdr file = {.e_ident = ELFMAG,
                       .e_type = ET_REL,
                       .e_machine = EM_X86_64,
                       .e_version = EV_CURRENT,
                       .e_ehsize = sizeof(Elf64_Ehdr),
                       .e_shentsize = sizeof(Elf64_Shdr),
                       .e_shnum = SECTIONS,
                       .e_shstrndx = SECTIONS - 1};
    Elf64_Shdr headers[SECTIONS] = {{0}};
    Elf64_Sym none = {0};

    file.e_ident[EI_CLASS] = ELFCLASS64;
    file.e_ident[EI_DATA] = ELFDATA2LSB;
    file.e_ident[EI_VERSION] = EV_CURRENT;
    g_byte_array_append(strings, (const guint8 *)"", 1);
    g_byte_array_append(symbols, (const guint8 *)&none, sizeof(none));
    for (const char *name = needs; *name != '\0'; name += strlen(name) + 1) {
        Elf64_Sym symbol = {.st_name = strings->len,
                            .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE)};
        g_byte_array_append(strings, (const guint8 *)name, (guint)strlen(name) + 1);
        g_byte_array_append(symbols, (const guint8 *)&symbol, sizeof(symbol));
    }

    g_byte_array_append(bytes, (const guint8 *)&file, sizeof(file));
    const struct {
        const void *data;
        guint size, type;
    } parts[SECTIONS] = {
        {NULL, 0, SHT_NULL},
        {info, 0, SHT_PROGBITS},
        {exports, 0, SHT_PROGBITS},
        {symbols->data, symbols->len, SHT_SYMTAB},
        {strings->data, strings->len, SHT_STRTAB},
        {names, sizeof(names), SHT_STRTAB},
    };
    for (guint i = 1; i < SECTIONS; i++) {
        guint size = parts[i].size;
        for (const char *at = parts[i].data; i < 3 && at[size] != '\0';)
            size += (guint)strlen(at + size) + 1;
        while (bytes->len % 8 != 0)
            g_byte_array_append(bytes, (const guint8 *)"", 1);
        headers[i] = (Elf64_Shdr){.sh_name = name_at[i],
                                  .sh_type = parts[i].type,
                                  .sh_offset = bytes->len,
                                  .sh_size = size,
                                  .sh_addralign = 8};
        g_byte_array_append(bytes, parts[i].data, size);
    }
    headers[3].sh_link = 4;
    headers[3].sh_info = 1;
    headers[3].sh_entsize = sizeof(Elf64_Sym);
    while (bytes->len % 8 != 0)
        g_byte_array_append(bytes, (const guint8 *)"", 1);
    ((Elf64_Ehdr *)bytes->data)->e_shoff = bytes->len;
    g_byte_array_append(bytes, (const guint8 *)headers, sizeof(headers));
    return bytes;
}

/* Writes a module, compressed as its name's end says. */
static void make_module(Fixture *fixture, const char *name, const char *exports,
                        const char *needs, const char *info)
{
    g_autoptr(GByteArray) bytes = module_bytes(exports, needs, info);
    g_autofree char *path = g_build_filename(fixture->folder, MODULES, "kernel", name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    archive_write_set_format_raw(archive);
    if (g_str_has_suffix(name, ".xz"))
        archive_write_add_filter_xz(archive);
    else if (g_str_has_suffix(name, ".zst"))
        archive_write_add_filter_zstd(archive);
    else if (g_str_has_suffix(name, ".gz"))
        archive_write_add_filter_gzip(archive);
    archive_entry_set_filetype(entry, AE_IFREG);
    g_assert_cmpint(archive_write_open_filename(archive, path), ==, ARCHIVE_OK);
    g_assert_cmpint(archive_write_header(archive, entry), ==, ARCHIVE_OK);
    g_assert_cmpint(archive_write_data(archive, bytes->data, bytes->len), ==, bytes->len);
    g_assert_cmpint(archive_write_close(archive), ==, ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(archive);
}

/*
 *   top-most needs middle, which needs base; base asks for helper before and after_it after it
 */
static char *make_modules(Fixture *fixture)
{
    g_autofree char *depmod = g_find_program_in_path("depmod");
    g_autoptr(GError) error = NULL;

    if (!depmod)
        depmod = g_file_test("/sbin/depmod", G_FILE_TEST_IS_EXECUTABLE)
                     ? g_strdup("/sbin/depmod")
                     : NULL;
    if (!depmod) {
        g_test_skip("depmod is not on this host (package kmod)");
        return NULL;
    }
    make_module(fixture, "a/base.ko", "base_call\0", "\0",
                "softdep=pre: helper missing_one post: after_it\0");
    make_module(fixture, "a/helper.ko.xz", "\0", "\0", "alias=helper-alias\0");
    make_module(fixture, "a/after_it.ko", "\0", "base_call\0", "\0");
    make_module(fixture, "b/middle.ko.xz", "middle_call\0", "base_call\0", "\0");
    make_module(fixture, "b/top-most.ko.xz", "\0", "middle_call\0", "alias=fs-top\0");
    make_module(fixture, "b/alone.ko", "\0", "\0", "\0");
    g_free(make_file(fixture, MODULES "/modules.builtin", "kernel/c/inside_it.ko\n"));
    g_free(make_file(fixture, MODULES "/modules.order", ""));
    const char *const argv[] = {depmod, "-b", fixture->folder, RELEASE, NULL};
    mmrig_child_run(argv, NULL, NULL, &error);
    g_assert_no_error(error);
    return g_build_filename(fixture->folder, MODULES, NULL);
}

/* The text of an entry that described() shows. */
static char *entry_text(const char *described, const char *path)
{
    g_autofree char *start = g_strconcat(" ", path, " = ", NULL);
    const char *from = strstr(described, start);

    if (!from)
        return NULL;
    from += strlen(start);
    const char *end = strstr(from, "\n\n");
    return end ? g_strndup(from, (gsize)(end - from) + 1) : g_strdup(from);
}

#define GUEST "/lib/modules/" RELEASE "/kernel/"

static void test_modules(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    static const char *const boot[] = {"alone", "inside-it", "not_there?", NULL};
    static const char *const wanted[] = {"top-most",  "top_most", "fs-top",
                                         "inside_it", "alone",    NULL};
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = make_modules(fixture);

    if (!folder)
        return;
    mmrig_image_add_modules(fixture->image, folder, boot, wanted, &error);
    g_assert_no_error(error);
    g_autofree char *text = contents(fixture->image);
    g_autofree char *list = entry_text(text, "mmrig/modules.list");
    g_autofree char *first = entry_text(text, "mmrig/modules.boot");
#define TOP_PATHS                                                                              \
    " ?" GUEST "a/helper.ko " GUEST "a/base.ko ?" GUEST "a/after_it.ko " GUEST                 \
    "b/middle.ko " GUEST "b/top-most.ko\n"
    g_assert_cmpstr(first, ==, "alone\ninside-it\n");
    g_assert_cmpstr(list, ==,
                    "alone " GUEST "b/alone.ko\n"
                    "inside-it\n"
                    "top-most" TOP_PATHS "top_most" TOP_PATHS "fs-top" TOP_PATHS "inside_it\n");

    /* Unpacked, whatever they were packed with. */
    g_autoptr(GBytes) archive = written(fixture->image);
    g_autoptr(GByteArray) middle = module_bytes("middle_call\0", "base_call\0", "\0");
    g_autoptr(GByteArray) top = module_bytes("\0", "middle_call\0", "alias=fs-top\0");
    g_assert_nonnull(memmem(g_bytes_get_data(archive, NULL), g_bytes_get_size(archive),
                            middle->data, middle->len));
    g_assert_nonnull(memmem(g_bytes_get_data(archive, NULL), g_bytes_get_size(archive),
                            top->data, top->len));
}

static void test_modules_refused(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    static const struct {
        const char *name;
        MmrigErrorCode code;
    } rows[] = {
        {"not_there", MMRIG_ERROR_UNMET}, {"", MMRIG_ERROR_INPUT},
        {"?", MMRIG_ERROR_INPUT},         {"a b", MMRIG_ERROR_INPUT},
        {"a,b", MMRIG_ERROR_INPUT},       {"a\n", MMRIG_ERROR_INPUT},
        {"../a/base", MMRIG_ERROR_INPUT}, {"a%20", MMRIG_ERROR_INPUT},
    };
    g_autofree char *folder = make_modules(fixture);
    g_autoptr(GError) error = NULL;

    if (!folder)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const wanted[] = {rows[i].name, NULL};
        g_autoptr(MmrigImage) image = mmrig_image_new();
        g_autoptr(GError) refused = NULL;
        g_assert_false(mmrig_image_add_modules(image, folder, NULL, wanted, &refused));
        g_assert_error(refused, MMRIG_ERROR, (int)rows[i].code);
    }

    /* One that the index names and that is gone. */
    const char *const wanted[] = {"top-most", NULL};
    g_autofree char *gone = g_build_filename(folder, "kernel/b/middle.ko.xz", NULL);
    g_assert_cmpint(unlink(gone), ==, 0);
    g_assert_false(mmrig_image_add_modules(fixture->image, folder, NULL, wanted, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, gone));
    /* What to do is said, and none of libkmod's own words. */
    g_assert_nonnull(strstr(error->message, "modules.dep.bin does not fit"));
    g_assert_nonnull(strstr(error->message, "run 'depmod -b "));
    g_assert_null(strstr(error->message, "ctx"));
    g_assert_null(strchr(error->message, '\n'));
    g_clear_error(&error);

    /* One that cannot be unpacked: not compressed, cut off, damaged. */
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    g_autoptr(GByteArray) plain = module_bytes("\0", "\0", "\0");
    g_autofree char *top = g_build_filename(folder, "kernel/b/top-most.ko.xz", NULL);
    g_autofree char *whole = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(top, &whole, &size, NULL));
    for (guint how = 0; how < 3; how++) {
        g_autoptr(MmrigImage) image = mmrig_image_new();
        if (how == 0)
            g_file_set_contents(gone, (char *)plain->data, plain->len, &error);
        else if (how == 1)
            g_file_set_contents(gone, whole, (gssize)size / 2, &error);
        whole[size / 2] ^= 0x55;
        if (how == 2)
            g_file_set_contents(gone, whole, (gssize)size, &error);
        whole[size / 2] ^= 0x55;
        g_assert_no_error(error);
        g_assert_true(mmrig_image_add_modules(image, folder, NULL, wanted, &error));
        g_assert_false(mmrig_image_write(image, null, &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
        g_assert_nonnull(strstr(error->message, gone));
        g_clear_error(&error);
    }
    close(null);

    /* A folder without indexes. */
    g_assert_false(
        mmrig_image_add_modules(fixture->image, fixture->folder, NULL, wanted, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "depmod"));
}

/* The one kept list of modules in the cache. */
static char *kept_list(void)
{
    g_autofree char *folder =
        g_build_filename(g_getenv("XDG_CACHE_HOME"), "mmrig/images", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    char *found = NULL;
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        if (!g_str_has_suffix(name, ".modules"))
            continue;
        g_assert_null(found);
        found = g_build_filename(folder, name, NULL);
    }
    return found;
}

/* The key of an image with the module "top-most", and its list. */
static char *top_key(const char *folder, char **list)
{
    static const char *const wanted[] = {"top-most", NULL};
    g_autoptr(MmrigImage) image = mmrig_image_new();
    g_autoptr(GError) error = NULL;

    mmrig_image_add_modules(image, folder, NULL, wanted, &error);
    g_assert_no_error(error);
    g_autofree char *text = contents(image);
    g_free(*list);
    *list = entry_text(text, "mmrig/modules.list");
    char *key = mmrig_image_key(image, &error);
    g_assert_no_error(error);
    return key;
}

/* Changes the first "top-most" of a kept list, with or without a checksum that is right. */
static void tamper(const char *path, gboolean sealed)
{
    g_autofree char *bytes = NULL;
    g_autoptr(GError) error = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    char *name = memmem(bytes + 64, size - 64, "top-most", strlen("top-most"));
    g_assert_nonnull(name);
    /* The last is in the list's text, behind the paths. */
    for (char *next = name; next;
         next = memmem(next + 1, size - (gsize)(next + 1 - bytes), "top-most ", 9))
        name = next;
    name[0] = 'T';
    if (sealed) {
        g_autofree char *digest = g_compute_checksum_for_data(
            G_CHECKSUM_SHA256, (const guchar *)bytes + 64, size - 64);
        memcpy(bytes, digest, 64);
    }
    g_file_set_contents(path, bytes, (gssize)size, &error);
    g_assert_no_error(error);
}

static void test_modules_kept(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    g_autofree char *folder = make_modules(fixture);
    g_autofree char *list = NULL;

    if (!folder)
        return;
    g_autofree char *fresh = top_key(folder, &list);
    g_autofree char *first = g_strdup(list);
    g_autofree char *path = kept_list();
    g_assert_nonnull(path);
    g_autofree char *kept = top_key(folder, &list);
    g_assert_cmpstr(fresh, ==, kept);
    g_assert_cmpstr(first, ==, list);

    /* The kept one is what is used, */
    tamper(path, TRUE);
    g_free(top_key(folder, &list));
    g_assert_true(g_str_has_prefix(list, "Top-most "));
    /* but not if it is damaged, */
    tamper(path, FALSE);
    g_autofree char *mended = top_key(folder, &list);
    g_assert_cmpstr(fresh, ==, mended);
    g_assert_cmpstr(first, ==, list);
    /* cut off, */
    for (guint left = 0; left <= 70; left += 35) {
        g_assert_cmpint(truncate(path, (off_t)left), ==, 0);
        g_autofree char *whole = top_key(folder, &list);
        g_assert_cmpstr(fresh, ==, whole);
    }
    /* or of an index that was changed since; the damage shows that it is not looked at. */
    static const char *const changed[] = {"modules.dep.bin", "modules.softdep",
                                          "modules.builtin.bin", "modules.alias.bin"};
    for (gsize i = 0; i < G_N_ELEMENTS(changed); i++) {
        g_autofree char *index = g_build_filename(folder, changed[i], NULL);
        g_autofree char *content = NULL;
        gsize size;
        g_autofree char *old = kept_list();
        tamper(old, TRUE);
        g_assert_true(g_file_get_contents(index, &content, &size, NULL));
        g_assert_true(g_file_set_contents(index, content, (gssize)size, NULL));
        g_free(top_key(folder, &list));
        g_assert_cmpstr(first, ==, list);
        g_assert_cmpint(unlink(old), ==, 0);
    }
    /* What is in a module is the image's own to look at. */
    g_autofree char *base = g_build_filename(folder, "kernel/a/base.ko", NULL);
    g_assert_true(g_file_set_contents(base, "other", -1, NULL));
    g_autofree char *other = top_key(folder, &list);
    g_assert_cmpstr(first, ==, list);
    g_assert_cmpstr(fresh, !=, other);
}

/* Without a folder every module is listed, and none is loaded. */
static void test_modules_built_in(Fixture *fixture, G_GNUC_UNUSED gconstpointer data)
{
    static const char *const boot[] = {"virtio_pci", "pvpanic_pci?", NULL};
    static const char *const wanted[] = {"ext4", NULL};
    g_autoptr(GError) error = NULL;

    mmrig_image_add_modules(fixture->image, NULL, boot, wanted, &error);
    g_assert_no_error(error);
    g_autofree char *text = contents(fixture->image);
    g_assert_cmpstr(text, ==,
                    "40755 0 0 0 1 mmrig\n"
                    "100644 0 0 0 1 mmrig/modules.boot = virtio_pci\npvpanic_pci\n\n"
                    "100644 0 0 0 1 mmrig/modules.list = virtio_pci\npvpanic_pci\next4\n\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST(modules);
    TEST(modules_refused);
    TEST(modules_kept);
    TEST(modules_built_in);
    return image_tests_run();
}
