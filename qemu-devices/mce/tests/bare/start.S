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

/* The other processor begins here, in 16 bits, at the page to which this is copied. */
#define AT(label) ((label) - bare_second_start)
        .globl bare_second_start, bare_second_end
        .code16
bare_second_start:
        cli
        movw %cs, %ax
        movw %ax, %ds
        lgdtl AT(2f)
        movl %cr0, %eax
        orl $1, %eax
        movl %eax, %cr0
        ljmpl $8, $1f
2:      .word 3 * 8 - 1
        .long bare_gdt
bare_second_end:
        .code32
1:      movw $16, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movl $second_stack_end, %esp
        cld
        call bare_second

        .bss
        .balign 16
        .skip 16384
stack_end:
        .skip 16384
second_stack_end:
        .section .note.GNU-stack, "", @progbits
