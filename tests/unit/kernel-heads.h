/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made-up kernels: as much of a bzImage or vmlinux as the rig looks at. */
#pragma once

#include <elf.h>
#include <glib.h>
#include <string.h>

/* A bzImage's header in size zeroes; offset is of the version's text, less 0x200. */
static inline void make_bzimage(char *bytes, gsize size, guint16 offset, const char *version)
{
    memset(bytes, 0, size);
    memcpy(bytes + 0x202, "HdrS", 4);
    bytes[0x1f1] = 1; /* two sectors of setup code */
    bytes[0x20e] = (char)(offset & 0xff);
    bytes[0x20f] = (char)(offset >> 8);
    if (version)
        memcpy(bytes + 0x200 + offset, version, strlen(version));
}

#define VMLINUX_SIZE  4096
#define VMLINUX_TABLE sizeof(Elf64_Ehdr)
#define VMLINUX_NOTES 512

/* An ELF file with a segment to load, which is all of it, and one of notes: a build id, then
 * PVH. */
static inline void make_vmlinux(char bytes[VMLINUX_SIZE])
{
    const Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_phoff = VMLINUX_TABLE,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 2,
    };
    const struct {
        Elf64_Nhdr head1;
        char owner1[4];
        guint32 build_id[5];
        Elf64_Nhdr head2;
        char owner2[4];
        guint32 entry;
    } notes = {{4, 20, 3}, "GNU", {0}, {4, 4, 18}, "Xen", 0x1000000};
    const Elf64_Phdr table[] = {
        {.p_type = PT_LOAD, .p_filesz = VMLINUX_SIZE, .p_memsz = VMLINUX_SIZE, .p_align = 4096},
        {.p_type = PT_NOTE, .p_offset = VMLINUX_NOTES, .p_filesz = sizeof(notes), .p_align = 4},
    };

    memset(bytes, 0, VMLINUX_SIZE);
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + VMLINUX_TABLE, table, sizeof(table));
    memcpy(bytes + VMLINUX_NOTES, &notes, sizeof(notes));
    memcpy(bytes + 1000, "Linux version 6.12.0-elf (x@y)", 30);
}
