/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the loader (Multiboot 0.6.96: 32 bits, flat segments, no paging) to bare_main(). */

#define MULTIBOOT_MAGIC 0x1badb002

        .section .multiboot, "a"
        .balign 4
        .long MULTIBOOT_MAGIC
        .long 0
        .long -MULTIBOOT_MAGIC

        .text
        .globl bare_start
bare_start:
        movl $stack_end, %esp
        cld
        pushl %ebx              /* the loader's information */
        call bare_main
1:      cli
        hlt
        jmp 1b

/* Exceptions: the stack has the vector and an error code, the processor's or 0. */
        .macro entry vector
        .balign 16
        .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17
        nop
        nop
        .else
        pushl $0
        .endif
        pushl $\vector
        jmp bare_common
        .endm

        .balign 16
        .globl bare_entries
bare_entries:
        .altmacro
        .set number, 0
        .rept 32
        entry %number
        .set number, number + 1
        .endr

bare_common:
        pushal
        pushl %esp
        call bare_exception
        addl $4, %esp
        popal
        addl $8, %esp
        iretl

        .bss
        .balign 16
        .skip 16384
stack_end:
        .section .note.GNU-stack, "", @progbits
