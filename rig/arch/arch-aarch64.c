/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arm64, as QEMU's virt. */
#include <elf.h>

#include "arch-private.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

#define QEMU_PACKAGE "qemu-system-arm"

/* virt has all memory in one piece (QEMU hw/arm/virt.c, base_memmap), without a limit to it. */
static guint64 virt_ram_below(guint64 memory, guint64 most G_GNUC_UNUSED)
{
    return memory;
}

/* The kernel's Documentation/arch/arm64/booting.rst: the header of an Image. */
#define ARM64_FLAGS_OFFSET 0x18 /* u64; bit 0: big-endian */
#define ARM64_MAGIC_OFFSET 0x38
#define ARM64_MAGIC        "ARM\x64"
#define ARM64_HEADER_END   0x40

static gboolean arm64_image_read(const char *bytes, gsize size, MmrigArchImage *image)
{
    if (!mmrig_arch_image_has(bytes, size, ARM64_MAGIC_OFFSET, ARM64_MAGIC))
        return FALSE;
    if (size < ARM64_HEADER_END)
        image->problem = g_strdup("an Image that is cut off in its header; copy it anew");
    else if (mmrig_arch_image_field(bytes, ARM64_FLAGS_OFFSET, 8) & 1)
        image->problem = g_strdup("a big-endian Image; build it without CONFIG_CPU_BIG_ENDIAN");
    /* Its size in the header is that in memory, of which the file has less. */
    image->plain = TRUE;
    return TRUE;
}

static const char *const cpuinfo_keys[] = {"CPU", "Features", NULL};

const MmrigArch mmrig_arch_aarch64 = {
    .name = "aarch64",
    .title = "arm64",

    .qemu = "qemu-system-aarch64",
    .qemu_package = QEMU_PACKAGE,
    .qemu_mend = ARCH_QEMU_MEND(QEMU_PACKAGE),
    .machine = "virt",
    /*
     * By default the interrupt controller's version depends on the number of CPUs (QEMU
     * hw/arm/virt.c, finalize_gic_version): with this it is one, as tried.
     */
    .machine_options = ",gic-version=max",
    .pci_root = "pcie.0",
    .cpu_tcg = "max",
    .cpu_kvm = "host",

    .console = "ttyAMA0",
    .kernel_options = "",

    .ram_start = GIB,
    .ram_below = virt_ram_below,
    .memory_block = 128 * MIB, /* arch/arm64/include/asm/sparsemem.h, with pages of 4 KiB */

    .kbuild = "arm64",
    .kernel_folder = "arm64",
    .kernel_image = "Image",
    .kernel_image_path = "arch/arm64/boot/Image",
    .kernel_direct = "Image",
    .kernel_package = "linux-image-arm64",
    .image_read = arm64_image_read,

    .elf_machine = EM_AARCH64,
    .elf_machine_32 = EM_ARM,
    .elf_loader = "/lib/ld-linux-aarch64.so.1",

    .firmware_target = "aarch64",
    .firmware_machine = "virt-0",
    .firmware_package = "qemu-efi-aarch64",
    .efi_loader = "/EFI/BOOT/BOOTAA64.EFI", /* UEFI 2.10, 3.5.1.1 */
    .boot_disk = "nvme",
    .boot_disk_options = ",serial=rig.disk",
    .boot_loader = "/usr/lib/systemd/boot/efi/systemd-bootaa64.efi",
    .boot_loader_package = "systemd-boot-efi",

    .cpuinfo_keys = cpuinfo_keys,
};
