/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs from one architecture of guests to another: a constant table for each. Nothing
 * else in the rig names an architecture, a machine type of QEMU's, a firmware or a kernel image
 * by its own name.
 */
#pragma once

#include <glib.h>

/* What the header of a kernel image says. */
typedef struct {
    char *problem;    /* why it cannot be booted, or NULL; g_free() */
    gsize release_at; /* where the release's text stands; 0: the header does not say */
    gboolean plain;   /* nothing in it is packed: release and configuration can be looked for */
} MmrigArchImage;

/* A note of an ELF file, and the option by which a kernel has it. */
typedef struct {
    const char *owner;
    guint32 type;
    const char *option;
} MmrigArchNote;

typedef struct {
    const char *name;  /* as uname(2) and QEMU's query-target have it */
    const char *title; /* as people write it */

    /* QEMU: the program, how to get it, the machine type with options that it always has. */
    const char *qemu;
    const char *qemu_package;
    const char *qemu_mend; /* one line for the end of an error message */
    const char *machine;
    const char *machine_options; /* begins with a comma, or is empty */
    const char *pci_root;        /* the bus that the machine itself has */
    const char *cpu_tcg;
    const char *cpu_kvm;
    /* A model whose memory errors Linux recovers from; NULL if it does so on every one. */
    const char *cpu_errors;

    /* The kernel's command line: the console, and options that every guest is started with. */
    const char *console;
    const char *kernel_options;

    /* Memory: ram_below() bytes of it lie at ram_start, the rest at ram_above. */
    guint64 ram_start;
    guint64 ram_above;
    /* most is the user's limit in bytes, 0 for none. */
    guint64 (*ram_below)(guint64 memory, guint64 most);
    const char *ram_limit; /* the machine's option for that; NULL if it has none */
    guint64 memory_block;  /* what Linux adds and removes memory by, in bytes */

    /* The kernel: ARCH= of kbuild, its folder in arch/, the image that is made and where. */
    const char *kbuild;
    const char *kernel_folder;
    const char *kernel_image; /* a target of kbuild's, and what firmware can start */
    const char *kernel_image_path;
    const char *kernel_direct;  /* what QEMU starts without firmware: vmlinux or the image */
    const char *kernel_package; /* Debian's, which depends on the current one */
    /* Whether the bytes are a kernel_image; if so, *image, which is empty, is filled. */
    gboolean (*image_read)(const char *bytes, gsize size, MmrigArchImage *image);
    /* That by which QEMU enters a vmlinux; NULL if it starts none. */
    const MmrigArchNote *kernel_note;
    /* A header that kbuild's own programs need besides those of the C library; may be NULL. */
    const char *build_header;
    const char *build_header_package;

    /* Programs of the host's distribution that go into the guest. */
    guint16 elf_machine;
    guint16 elf_machine_32; /* of the same processors, in 32 bits; 0: none */
    const char *elf_loader; /* the dynamic loader's path */

    /*
     * Firmware: what QEMU's descriptors call the architecture, and a machine's name as their
     * patterns are of, with a version.
     */
    const char *firmware_target;
    const char *firmware_machine;
    const char *firmware_package;
    /*
     * Bytes of flash that code and variables share, at whose end the processor begins; 0 if
     * each has a flash of its own, of any size.
     */
    guint64 firmware_flash;
    const char *efi_loader; /* where removable media have it, from the root of their disk */
    /*
     * The disk that firmware boots from. It is of a kind that no other disk of a machine is, so
     * that its name in Linux is nobody else's. The options begin with a comma, or are empty.
     */
    const char *boot_disk;
    const char *boot_disk_options;
    const char *boot_loader;
    const char *boot_loader_package;

    /* KVM: the host's modules for it, in words; NULL if it is in every kernel. */
    const char *kvm_modules;
    /* The lines of /proc/cpuinfo that tell what a guest sees under KVM: beginnings. */
    const char *const *cpuinfo_keys;

    /* Whether the machine can have CXL (its option cxl). */
    gboolean has_cxl;
    /* Whether the monitor's command "mce" can tell a processor of a machine check. */
    gboolean has_mce;
    /*
     * For a machine where nothing runs: what halts the processor, and how many bytes before
     * the end of its firmware it must stand. NULL if there is no such machine.
     */
    const guint8 *halt;
    gsize halt_size, halt_from_end;
    /* The I/O ports of PCI's configuration; 0 if there are none. */
    guint16 pci_address, pci_data;
} MmrigArch;

/* All that there are, NULL-terminated. */
const MmrigArch *const *mmrig_arch_all(void);

/*
 * What kernel image this is, of whatever processor ("an arm64 Image"), by what it begins with;
 * NULL if it is none that we know.
 */
const char *mmrig_arch_image_name(const char *bytes, gsize size);

/* The one of that name, or NULL. */
const MmrigArch *mmrig_arch_find(const char *name);

/*
 * What a machine is if nothing names another: the host's own architecture, whose programs and
 * kernels are what the host has; the first of the list if the host's has no table.
 */
const MmrigArch *mmrig_arch_default(void);
