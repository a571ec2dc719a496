/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of architectures: whole, told apart, and right about memory. */
#include "arch/arch.h"

#include <string.h>

#include "actions/actions.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

/* Texts that no architecture can do without. */
static void test_texts(void)
{
    for (const MmrigArch *const *all = mmrig_arch_all(); *all; all++) {
        const MmrigArch *arch = *all;
        const char *const texts[] = {
            arch->name,
            arch->title,
            arch->qemu,
            arch->qemu_package,
            arch->qemu_mend,
            arch->machine,
            arch->cpu_tcg,
            arch->cpu_kvm,
            arch->pci_root,
            arch->boot_disk,
            arch->console,
            arch->kbuild,
            arch->kernel_folder,
            arch->kernel_image,
            arch->kernel_direct,
            arch->kernel_package,
            arch->kernel_image_path,
            arch->elf_loader,
            arch->efi_loader,
            arch->firmware_target,
            arch->boot_loader,
            arch->firmware_machine,
            arch->firmware_package,
            arch->boot_loader_package,
        };

        for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
            g_assert_nonnull(texts[i]);
            g_assert_cmpstr(texts[i], !=, "");
        }
        /* Options may be none, but there they are. */
        g_assert_nonnull(arch->kernel_options);
        g_assert_nonnull(arch->machine_options);
        g_assert_true(*arch->machine_options == '\0' || *arch->machine_options == ',');
        g_assert_nonnull(arch->boot_disk_options);
        g_assert_true(*arch->boot_disk_options == '\0' || *arch->boot_disk_options == ',');
        g_assert_true(!arch->build_header == !arch->build_header_package);
    }
}

static void test_forms(void)
{
    for (const MmrigArch *const *all = mmrig_arch_all(); *all; all++) {
        const MmrigArch *arch = *all;
        g_autofree char *base = g_path_get_basename(arch->kernel_image_path);
        g_autofree char *in = g_strdup_printf("arch/%s/", arch->kernel_folder);

        g_assert_true(g_path_is_absolute(arch->elf_loader));
        g_assert_true(g_path_is_absolute(arch->boot_loader));
        g_assert_true(g_str_has_prefix(arch->efi_loader, "/EFI/BOOT/BOOT"));
        g_assert_cmpstr(base, ==, arch->kernel_image);
        g_assert_true(g_str_has_prefix(arch->kernel_image_path, in));
        g_assert_nonnull(strstr(arch->qemu_mend, arch->qemu_package));
        g_assert_cmpuint(arch->elf_machine, !=, 0);
        g_assert_cmpuint(arch->memory_block, >=, MIB);
        g_assert_cmpuint(arch->memory_block & (arch->memory_block - 1), ==, 0);
        g_assert_nonnull(arch->cpuinfo_keys);
        g_assert_nonnull(arch->cpuinfo_keys[0]);
        g_assert_nonnull(arch->ram_below);
        g_assert_nonnull(arch->image_read);
        /* It is the image that firmware starts; QEMU starts that, or an ELF file by its note.
         */
        g_assert_true(arch->kernel_note ? g_str_equal(arch->kernel_direct, "vmlinux")
                                        : g_str_equal(arch->kernel_direct, arch->kernel_image));
        /* What halts the processor fits behind where it begins. */
        if (arch->halt)
            g_assert_cmpuint(arch->halt_size, <=, arch->halt_from_end);
        else
            g_assert_cmpuint(arch->halt_size, ==, 0);
    }
}

static void test_registry(void)
{
    const MmrigArch *const *all = mmrig_arch_all();
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    guint found_default = 0;

    g_assert_nonnull(all[0]);
    for (; *all; all++) {
        g_assert_true(g_hash_table_add(names, (gpointer)(*all)->name));
        g_assert_true(mmrig_arch_find((*all)->name) == *all);
        found_default += *all == mmrig_arch_default();
    }
    g_assert_cmpuint(found_default, ==, 1);
    g_assert_null(mmrig_arch_find("pdp11"));
    g_assert_null(mmrig_arch_find(""));
}

/* All memory is somewhere, and the two parts do not touch. */
static void test_ram_whole(void)
{
    static const guint64 sizes[] = {64 * MIB, 512 * MIB, 2 * GIB,
                                    3 * GIB,  64 * GIB,  1024 * GIB};
    static const guint64 limits[] = {0, 64 * MIB, GIB, 3 * GIB};

    for (const MmrigArch *const *all = mmrig_arch_all(); *all; all++)
        for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
            for (gsize j = 0; j < G_N_ELEMENTS(limits); j++) {
                guint64 below = (*all)->ram_below(sizes[i], limits[j]);

                g_assert_cmpuint(below, >, 0);
                g_assert_cmpuint(below, <=, sizes[i]);
                if (below < sizes[i])
                    g_assert_cmpuint((*all)->ram_start + below, <=, (*all)->ram_above);
            }
}

/* q35, by the rule of QEMU's pc_q35_init: from 0xb0000000 bytes on only 2 GiB lie below. */
static void test_ram_q35(void)
{
    static const struct {
        guint64 memory, most, below;
    } cases[] = {
        {512 * MIB, 0, 512 * MIB},
        {2 * GIB, 0, 2 * GIB},
        {2816 * MIB - 2 * MIB, 0, 2816 * MIB - 2 * MIB},
        {2816 * MIB, 0, 2 * GIB},
        {8 * GIB, 0, 2 * GIB},
        {8 * GIB, GIB, GIB},
        {8 * GIB, 3 * GIB, 2 * GIB},
        {512 * MIB, GIB, 512 * MIB},
        {512 * MIB, 256 * MIB, 256 * MIB},
    };
    const MmrigArch *arch = mmrig_arch_find("x86_64");

    g_assert_nonnull(arch);
    g_assert_cmpuint(arch->ram_start, ==, 0);
    g_assert_cmpuint(arch->ram_above, ==, 4 * GIB);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpuint(arch->ram_below(cases[i].memory, cases[i].most), ==, cases[i].below);
}

/* Only what can tell a processor of a machine check takes a request to. */
static void test_machine_checks(void)
{
    MmrigArch other = *mmrig_arch_default();

    other.has_mce = TRUE;
    g_assert_true(mmrig_action_exists_on(&other, "mce-inject"));
    other.has_mce = FALSE;
    g_assert_false(mmrig_action_exists_on(&other, "mce-inject"));
    g_assert_true(mmrig_action_exists_on(&other, "balloon-set"));
    g_assert_false(mmrig_action_exists_on(&other, "no-such-verb"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/arch/texts", test_texts);
    g_test_add_func("/arch/forms", test_forms);
    g_test_add_func("/arch/registry", test_registry);
    g_test_add_func("/arch/ram/whole", test_ram_whole);
    g_test_add_func("/arch/ram/q35", test_ram_q35);
    g_test_add_func("/arch/machine-checks", test_machine_checks);
    return g_test_run();
}
