/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x86-64, as QEMU's q35. (microvm boots no faster, and under TCG not always.) */
#include <elf.h>

#include "arch-private.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

#define QEMU_PACKAGE "qemu-system-x86"

/*
 * How much of the memory q35 puts below 4 GiB (QEMU hw/i386/pc_q35.c, pc_q35_init): all of it
 * if it is smaller than 2.75 GiB, else 2 GiB, and in no case more than max-ram-below-4g. The
 * rest begins at 4 GiB.
 */
static guint64 q35_ram_below(guint64 memory, guint64 most)
{
    guint64 below = memory < 11 * GIB / 4 ? 11 * GIB / 4 : 2 * GIB;

    if (most)
        below = MIN(below, most);
    return MIN(below, memory);
}

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

static gboolean bzimage_read(const char *bytes, gsize size, MmrigArchImage *image)
{
    if (!mmrig_arch_image_has(bytes, size, BOOT_MAGIC_OFFSET, BOOT_MAGIC))
        return FALSE;
    if (size < BOOT_HEADER_END) {
        image->problem = g_strdup("a bzImage that is cut off in its header; copy it anew");
        return TRUE;
    }
    guint64 sects = mmrig_arch_image_field(bytes, BOOT_SECTS_OFFSET, 1);
    guint64 wanted = ((sects ? sects : 4) + 1) * BOOT_SECTOR +
                     mmrig_arch_image_field(bytes, BOOT_SIZE_OFFSET, 4) * 16;
    if (size < wanted)
        image->problem =
            g_strdup_printf("a bzImage that is cut off: it has %zu bytes, and its header "
                            "speaks of %" G_GUINT64_FORMAT "; copy it anew",
                            size, wanted);
    else if (mmrig_arch_image_field(bytes, BOOT_PROTO_OFFSET, 2) >= BOOT_XFLAGS_PROTO &&
             !(mmrig_arch_image_field(bytes, BOOT_XFLAGS_OFFSET, 2) & BOOT_XFLAGS_64))
        image->problem = g_strdup("a 32-bit bzImage; build it with CONFIG_64BIT, which mmrig's "
                                  "guest programs need");
    guint64 offset = mmrig_arch_image_field(bytes, BOOT_VERSION_OFFSET, 2);
    image->release_at = offset ? BOOT_VERSION_BASE + (gsize)offset : 0;
    return TRUE;
}

/* include/xen/interface/elfnote.h: XEN_ELFNOTE_PHYS32_ENTRY, which is PVH's entry. */
static const MmrigArchNote pvh_note = {"Xen", 18, "CONFIG_PVH"};

static const char *const cpuinfo_keys[] = {"model", "flags", "microcode", NULL};

/* cli; hlt; jmp back to the hlt. */
static const guint8 halt[] = {0xfa, 0xf4, 0xeb, 0xfd};

const MmrigArch mmrig_arch_x86_64 = {
    .name = "x86_64",
    .title = "x86-64",

    .qemu = "qemu-system-x86_64",
    .qemu_package = QEMU_PACKAGE,
    .qemu_mend = ARCH_QEMU_MEND(QEMU_PACKAGE),
    .machine = "q35",
    /*
     * Without a keyboard controller the firmware does not wait for one: a tenth of a second.
     * Leaving out HPET, SATA or SMBus as well was not to be told from noise.
     */
    .machine_options = ",i8042=off",
    .pci_root = "pcie.0",
    .cpu_tcg = "max",
    .cpu_kvm = "host",
    /* Intel's: of others Linux takes the machine checks for other errors. */
    .cpu_errors = "max,vendor=GenuineIntel,family=6,model=143,stepping=4",

    .console = "ttyS0",
    /*
     * On a busy host an emulated timer can miss the check of the IO-APIC's wiring, which ends
     * in a panic; there is no wiring that could be wrong. Nor can an emulated TSC be wrong by
     * itself. Its watchdog would keep an idle machine busy, and a fork's first milliseconds.
     */
    .kernel_options = "no_timer_check tsc=nowatchdog",

    .ram_start = 0,
    .ram_above = 4 * GIB,
    .ram_below = q35_ram_below,
    .ram_limit = "max-ram-below-4g",
    .memory_block = 128 * MIB, /* arch/x86/mm/init_64.c */

    .kbuild = "x86_64",
    .kernel_folder = "x86",
    .kernel_image = "bzImage",
    .kernel_image_path = "arch/x86/boot/bzImage",
    .kernel_direct = "vmlinux", /* by its PVH entry, which spares the decompression */
    .kernel_package = "linux-image-amd64",
    .image_read = bzimage_read,
    .kernel_note = &pvh_note,
    /* objtool checks objects as they are compiled, and reads them by this header's library. */
    .build_header = "/usr/include/gelf.h",
    .build_header_package = "libelf-dev",

    .elf_machine = EM_X86_64,
    .elf_machine_32 = EM_386,
    .elf_loader = "/lib64/ld-linux-x86-64.so.2",

    .firmware_target = "x86_64",
    .firmware_machine = "pc-q35-0",
    .firmware_package = "ovmf",
    .firmware_flash = 8 * MIB,             /* hw/i386/pc_sysfw.c */
    .efi_loader = "/EFI/BOOT/BOOTX64.EFI", /* UEFI 2.10, 3.5.1.1: it needs no boot entry */
    .boot_disk = "ide-hd",
    .boot_disk_options = ",bus=ide.0",
    .boot_loader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
    .boot_loader_package = "systemd-boot-efi",

    .kvm_modules = "kvm_intel or kvm_amd",
    .cpuinfo_keys = cpuinfo_keys,

    .has_cxl = TRUE,
    .has_mce = TRUE,
    .halt = halt,
    .halt_size = sizeof halt,
    .halt_from_end = 16, /* where a processor begins: 16 bytes below 4 GiB */
    .pci_address = 0xcf8,
    .pci_data = 0xcfc,
};
