/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are no kernel, or none for us: each is refused with what it is and what to do. */
#include "base/error.h"
#include "kernel-heads.h"
#include "kernel/kernel-private.h"

static void assert_taken(const char *bytes, gsize size, const char *expected)
{
    g_autofree char *release = NULL;
    g_autoptr(GHashTable) config = NULL;
    g_autoptr(GError) error = NULL;

    mmrig_kernel_image_inspect(mmrig_arch_find("x86_64"), "/k", bytes, size, &release, &config,
                               &error);
    g_assert_no_error(error);
    g_assert_cmpstr(release, ==, expected);
}

static void assert_refused(const char *bytes, gsize size, const char *why)
{
    g_autofree char *release = NULL;
    g_autoptr(GHashTable) config = NULL;
    g_autoptr(GError) error = NULL;

    if (mmrig_kernel_image_inspect(mmrig_arch_find("x86_64"), "/k", bytes, size, &release,
                                   &config, &error))
        g_error("it is taken, and should be refused: %s", why);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_true(g_str_has_prefix(error->message, "/k: not a kernel that can be booted: "));
    g_assert_null(strchr(error->message, '\n'));
    g_assert_null(release);
    g_assert_null(config);
    if (!strstr(error->message, why))
        g_error("'%s' does not say '%s'", error->message, why);
}

static void test_bzimage_cut(void)
{
    char bytes[4096];

    make_bzimage(bytes, sizeof(bytes), 0x300, "6.1.0-test x");
    bytes[0x1f4] = (char)((sizeof(bytes) - 1024) / 16);
    assert_taken(bytes, sizeof(bytes), "6.1.0-test");
    assert_refused(bytes, sizeof(bytes) - 1,
                   "it has 4095 bytes, and its header speaks of 4096");
    assert_refused(bytes, 1024, "cut off");
    assert_refused(bytes, 0x206, "cut off in its header");
    /* No number of sectors stands for four. */
    bytes[0x1f1] = 0;
    assert_refused(bytes, sizeof(bytes), "speaks of 5632");
    bytes[0x1f1] = 1;
    memset(bytes + 0x1f4, 0xff, 4);
    assert_refused(bytes, sizeof(bytes), "cut off");
}

static void test_bzimage_32(void)
{
    char bytes[4096];

    make_bzimage(bytes, sizeof(bytes), 0, NULL);
    bytes[0x206] = 0x0f;
    bytes[0x207] = 0x02;
    assert_refused(bytes, sizeof(bytes), "32-bit bzImage");
    bytes[0x236] = 1;
    assert_taken(bytes, sizeof(bytes), NULL);
    /* Before 2.12 the protocol did not say. */
    bytes[0x236] = 0;
    bytes[0x206] = 0x0b;
    assert_taken(bytes, sizeof(bytes), NULL);
}

static void test_vmlinux_good(void)
{
    char bytes[VMLINUX_SIZE];

    make_vmlinux(bytes);
    assert_taken(bytes, sizeof(bytes), "6.12.0-elf");
    /* The words may stand in it for another reason before. */
    memcpy(bytes + 900, "Linux version %s", 16);
    assert_taken(bytes, sizeof(bytes), "6.12.0-elf");
}

static void test_vmlinux_cut(void)
{
    char bytes[VMLINUX_SIZE];

    make_vmlinux(bytes);
    assert_refused(bytes, VMLINUX_SIZE - 1, "it has 4095 bytes, and its program headers speak");
    assert_refused(bytes, VMLINUX_TABLE + 10, "cut off before its program headers");
    assert_refused(bytes, 20, "cut off");
    assert_refused(bytes, SELFMAG, "cut off");
}

static void test_vmlinux_pvh(void)
{
    static const gsize places[] = {
        VMLINUX_NOTES + 36 + 12, /* the owner */
        VMLINUX_NOTES + 36 + 8,  /* the type */
        VMLINUX_NOTES + 36 + 4,  /* the size of what it says */
        VMLINUX_NOTES + 3,       /* the size of the first note's owner: beyond the end */
        VMLINUX_NOTES + 7,       /* ... of its text */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        char bytes[VMLINUX_SIZE];

        make_vmlinux(bytes);
        bytes[places[i]] = (char)(i < 3 ? 0 : 0xff);
        assert_refused(bytes, sizeof(bytes), "CONFIG_PVH=y");
    }
}

/* Offsets and sizes that overflow, wherever they stand. */
static void test_vmlinux_hostile(void)
{
    for (gsize at = 0; at < VMLINUX_TABLE + 2 * sizeof(Elf64_Phdr); at += 8) {
        char bytes[VMLINUX_SIZE];
        g_autofree char *release = NULL;
        g_autoptr(GHashTable) config = NULL;
        g_autoptr(GError) error = NULL;

        make_vmlinux(bytes);
        memset(bytes + at, 0xff, 8);
        if (!mmrig_kernel_image_inspect(mmrig_arch_find("x86_64"), "/k", bytes, sizeof(bytes),
                                        &release, &config, &error))
            g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    }
}

static void test_elf_other(void)
{
    char bytes[VMLINUX_SIZE];
    Elf64_Ehdr header;

    make_vmlinux(bytes);
    memcpy(&header, bytes, sizeof(header));
    header.e_machine = EM_AARCH64;
    memcpy(bytes, &header, sizeof(header));
    assert_refused(bytes, sizeof(bytes), "another processor (machine 183)");
    header.e_ident[EI_DATA] = ELFDATA2MSB;
    header.e_machine = GUINT16_TO_BE(EM_S390);
    memcpy(bytes, &header, sizeof(header));
    assert_refused(bytes, sizeof(bytes), "another processor (machine 22)");
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_CLASS] = ELFCLASS32;
    header.e_machine = EM_386;
    memcpy(bytes, &header, sizeof(header));
    assert_refused(bytes, sizeof(bytes), "a 32-bit ELF file");
    make_vmlinux(bytes);
    bytes[G_STRUCT_OFFSET(Elf64_Ehdr, e_type)] = ET_REL;
    assert_refused(bytes, sizeof(bytes), "a module, program or library");
    make_vmlinux(bytes);
    bytes[G_STRUCT_OFFSET(Elf64_Ehdr, e_phnum)] = 0;
    assert_refused(bytes, sizeof(bytes), "without program headers");
}

static void test_other(void)
{
    static const struct {
        gsize offset;
        const char *bytes;
        gsize size;
        const char *why;
    } cases[] = {
        {0x38, "ARM\x64", 4, "an arm64 Image"},
        {0x38, "RSC\x05", 4, "a RISC-V Image"},
        {0, "MZ\0\0zimg", 8, "an EFI zboot image"},
        {0, "MZ", 2, "a unified kernel image?"},
        {0, "\x1f\x8b", 2, "compressed"},
        {0,
         "\xfd"
         "7zXZ\0",
         6, "compressed"},
        {0, "\x28\xb5\x2f\xfd", 4, "compressed"},
        {0x202, "HdrX", 4, "neither a bzImage nor a vmlinux, of x86-64"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        char bytes[1024] = {0};

        memcpy(bytes + cases[i].offset, cases[i].bytes, cases[i].size);
        assert_refused(bytes, sizeof(bytes), cases[i].why);
    }
    assert_refused(NULL, 0, "the file is empty");
}

static void assert_arm64(const char *bytes, gsize size, const char *release, const char *why)
{
    g_autofree char *got = NULL;
    g_autoptr(GHashTable) config = NULL;
    g_autoptr(GError) error = NULL;
    gboolean taken = mmrig_kernel_image_inspect(mmrig_arch_find("aarch64"), "/k", bytes, size,
                                                &got, &config, &error);

    g_assert_cmpint(taken, ==, why == NULL);
    g_assert_cmpstr(got, ==, release);
    if (why && !strstr(error->message, why))
        g_error("'%s' does not say '%s'", error->message, why);
}

/* An arm64 machine is started by its Image, which is not packed, and by nothing else. */
static void test_arm64(void)
{
    char bytes[VMLINUX_SIZE] = {0};
    Elf64_Ehdr header;

    memcpy(bytes + 0x38, "ARM\x64", 4);
    assert_arm64(bytes, sizeof(bytes), NULL, NULL);
    memcpy(bytes + 1000, "Linux version 6.12.0-arm (x@y)", 30);
    assert_arm64(bytes, sizeof(bytes), "6.12.0-arm", NULL);
    assert_arm64(bytes, 0x3f, NULL, "cut off in its header");
    bytes[0x18] = 1;
    assert_arm64(bytes, sizeof(bytes), NULL, "a big-endian Image");
    make_bzimage(bytes, sizeof(bytes), 0, NULL);
    assert_arm64(bytes, sizeof(bytes), NULL,
                 "it is an x86 bzImage, and a kernel of arm64 is wanted");
    make_vmlinux(bytes);
    assert_arm64(bytes, sizeof(bytes), NULL, "(machine 62), and arm64 is wanted");
    memcpy(&header, bytes, sizeof(header));
    header.e_machine = EM_AARCH64;
    memcpy(bytes, &header, sizeof(header));
    assert_arm64(bytes, sizeof(bytes), NULL, "QEMU does not start; give the Image");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kernel-image/bzimage/cut", test_bzimage_cut);
    g_test_add_func("/kernel-image/bzimage/32-bit", test_bzimage_32);
    g_test_add_func("/kernel-image/vmlinux/good", test_vmlinux_good);
    g_test_add_func("/kernel-image/vmlinux/cut", test_vmlinux_cut);
    g_test_add_func("/kernel-image/vmlinux/pvh", test_vmlinux_pvh);
    g_test_add_func("/kernel-image/vmlinux/hostile", test_vmlinux_hostile);
    g_test_add_func("/kernel-image/elf-other", test_elf_other);
    g_test_add_func("/kernel-image/other", test_other);
    g_test_add_func("/kernel-image/arm64", test_arm64);
    return g_test_run();
}
