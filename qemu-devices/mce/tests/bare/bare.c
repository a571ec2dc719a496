/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name of the case is the last word of the command line. */
#include "bare.h"

#include <stdbool.h>
#include <stddef.h>

/* Intel SDM, volume 4: IA32_MCG_STATUS, IA32_MC0_CTL and on; EFER; AMD's VM_HSAVE_PA. */
#define MSR_MCG_STATUS 0x17a
#define MSR_MCG_CTL    0x17b
#define MSR_BANK(n)    (0x400u + 4 * (n))
#define MSR_EFER       0xc0000080u
#define MSR_HSAVE      0xc0010117u
#define EFER_SVME      (1u << 12)
#define BANKS          10
#define CR4_MCE        (1u << 6)

enum { VECTOR_UD = 6, VECTOR_GP = 13, VECTOR_MC = 18, VECTORS = 32 };
enum { CODE_SELECTOR = 8, DATA_SELECTOR = 16, WRONG_SELECTOR = 0x7ff8 };
enum { PROCESSORS = 2 };

struct descriptor {
    uint32_t low, high;
};

struct __attribute__((packed)) table {
    uint16_t limit;
    uint32_t base;
};

/* What bare_common has pushed, and the processor. */
struct frame {
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
    uint32_t vector, error, eip, cs, eflags;
};

extern const char bare_entries[], bare_second_start[], bare_second_end[];
void bare_exception(struct frame *frame);
void bare_second(void);
void bare_main(const uint32_t *information);

struct descriptor bare_gdt[3] = {{0, 0}, {0x0000ffff, 0x00cf9b00}, {0x0000ffff, 0x00cf9300}};
static struct descriptor own_idt[VECTORS];

/* Where an exception goes on, or 0: at the instruction, as the second processor does. */
static uint32_t resume[PROCESSORS];
static bool keep; /* banks are not cleared when they are told */

/* ---- the processor ---------------------------------------------------------------------- */

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void say(const char *text)
{
    for (; *text; text++)
        out8(BARE_CONSOLE, (uint8_t)*text);
}

static void say_value(const char *key, uint64_t value)
{
    say(key);
    say("=");
    for (int shift = 60; shift >= 0; shift -= 4)
        out8(BARE_CONSOLE, (uint8_t) "0123456789abcdef"[value >> shift & 15]);
    say("\n");
}

static __attribute__((noreturn)) void finish(uint8_t status)
{
    out8(BARE_EXIT, status);
    for (;;)
        __asm__ volatile("hlt");
}

static void load_gdt(const struct descriptor *gdt)
{
    const struct table table = {3 * sizeof(*gdt) - 1, (uint32_t)gdt};

    __asm__ volatile("lgdt %0\n\t"
                     "ljmp %1, $1f\n1:\n\t"
                     "movl %2, %%eax\n\t"
                     "movl %%eax, %%ds\n\tmovl %%eax, %%es\n\tmovl %%eax, %%ss\n\t"
                     :
                     : "m"(table), "i"(CODE_SELECTOR), "i"(DATA_SELECTOR)
                     : "eax", "memory");
}

static void fill_idt(volatile struct descriptor *idt)
{
    for (uint32_t i = 0; i < VECTORS; i++) {
        uint32_t entry = (uint32_t)bare_entries + 16 * i;
        idt[i].low = (uint32_t)CODE_SELECTOR << 16 | (entry & 0xffff);
        idt[i].high = (entry & 0xffff0000) | 0x8e00;
    }
}

static void load_idt(const volatile struct descriptor *idt)
{
    const struct table table = {VECTORS * sizeof(*idt) - 1, (uint32_t)idt};

    __asm__ volatile("lidt %0" : : "m"(table) : "memory");
}

static void clear_banks(void)
{
    wrmsr(MSR_MCG_CTL, ~UINT64_C(0));
    for (uint32_t i = 0; i < BANKS; i++) {
        wrmsr(MSR_BANK(i), ~UINT64_C(0));
        wrmsr(MSR_BANK(i) + 1, 0);
    }
}

static void enable_machine_checks(void)
{
    uint32_t cr4;

    __asm__ volatile("movl %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("movl %0, %%cr4" : : "r"(cr4 | CR4_MCE));
}

/* ---- two processors --------------------------------------------------------------------- */

#define APIC(offset) ((volatile uint32_t *)(0xfee00000u + (offset)))
enum { APIC_ID = 0x20, APIC_ICR = 0x300, APIC_ICR_TO = 0x310 };
#define ICR_INIT    0x4500u
#define ICR_START   0x4600u
#define SECOND_PAGE 8 /* where the other processor begins, in pages: there is nothing else */
#define PATIENCE    20000000u

static bool meeting; /* a machine check is waited with until both have one */
static volatile uint32_t ready, told;
static uint32_t arrived;

static uint32_t processor(void)
{
    return *APIC(APIC_ID) >> 24;
}

static void start_second(void)
{
    volatile char *at = (volatile char *)(SECOND_PAGE << 12);

    for (const char *from = bare_second_start; from < bare_second_end; from++)
        *at++ = *from;
    *APIC(APIC_ICR_TO) = 1u << 24;
    *APIC(APIC_ICR) = ICR_INIT;
    *APIC(APIC_ICR_TO) = 1u << 24;
    *APIC(APIC_ICR) = ICR_START | SECOND_PAGE;
    while (!ready)
        __asm__ volatile("pause");
}

/* ---- exceptions ------------------------------------------------------------------------- */

static void tell_banks(void)
{
    say_value("mcg", rdmsr(MSR_MCG_STATUS));
    for (uint32_t i = 0; i < BANKS; i++) {
        uint64_t status = rdmsr(MSR_BANK(i) + 1);
        if (!(status >> 63))
            continue;
        say_value("bank", i);
        say_value("status", status);
        say_value("addr", rdmsr(MSR_BANK(i) + 2));
        if (!keep)
            wrmsr(MSR_BANK(i) + 1, 0);
    }
    wrmsr(MSR_MCG_STATUS, 0);
}

/* The first processor tells of itself when both are here, or when the other does not come. */
static void meet(uint32_t cpu)
{
    __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
    if (cpu == 0) {
        for (uint32_t i = 0; i < PATIENCE; i++)
            if (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) == PROCESSORS)
                break;
        say(arrived == PROCESSORS ? "both\n" : "alone\n");
    } else {
        while (!told)
            __asm__ volatile("pause");
    }
    say_value("cpu", cpu);
    tell_banks();
    told++;
}

void bare_exception(struct frame *frame)
{
    uint32_t cpu = processor();

    if (cpu == 0) {
        say_value("vector", frame->vector);
        say_value("eip", frame->eip);
    }
    if (frame->vector == VECTOR_MC && meeting)
        meet(cpu);
    else if (frame->vector == VECTOR_MC)
        tell_banks();
    else if (frame->vector != VECTOR_UD && frame->vector != VECTOR_GP)
        finish(2);
    if (resume[cpu])
        frame->eip = resume[cpu];
}

/* ---- cases ------------------------------------------------------------------------------ */

/* The instruction is at "at"; where it is not carried out, the program goes on at "next". */
#define TRY(instruction, ...)                                                                  \
    do {                                                                                       \
        uint32_t at, next;                                                                     \
        __asm__ volatile("movl $1f, %0\n\tmovl $2f, %1" : "=r"(at), "=r"(next));               \
        say_value("at", at);                                                                   \
        resume[0] = next;                                                                      \
        __asm__ volatile("1: " instruction "\n2:" : : __VA_ARGS__ : "eax", "memory");          \
    } while (0)

static void case_load(void)
{
    TRY("movl (%0), %%eax", "r"(BARE_DATA + 0x44));
}

/* The other processor was never started, and cannot be told: the machine ends meanwhile. */
static void case_asleep(void)
{
    case_load();
    for (;;)
        __asm__ volatile("pause");
}

/* An instruction of two bytes at the end of a good line, the next one in the bad line. */
static void case_fetch(void)
{
    volatile uint8_t *code = (volatile uint8_t *)BARE_CODE;

    for (uint32_t i = 0; i < 128; i++)
        code[i] = 0x90; /* nop */
    code[128] = 0xf4;   /* hlt: never reached */
    TRY("jmp *%0", "r"(BARE_CODE));
}

/* The entry of #UD is in the bad line of the table, that of the machine check is not. */
static void case_idt(void)
{
    fill_idt((volatile struct descriptor *)BARE_TABLE);
    load_idt((volatile struct descriptor *)BARE_TABLE);
    TRY("ud2", "i"(0));
    load_idt(own_idt);
    TRY("ud2", "i"(0));
}

/* The entry of the machine check itself is in the bad line: there is no way out but a reset. */
static void case_idt_all(void)
{
    fill_idt((volatile struct descriptor *)BARE_TABLE);
    load_idt((volatile struct descriptor *)BARE_TABLE);
    TRY("movl (%0), %%eax", "r"(BARE_DATA + 0x44));
}

/* A selector is loaded from the bad line by an instruction. */
static void case_gdt(void)
{
    volatile struct descriptor *gdt = (volatile struct descriptor *)BARE_TABLE;

    /* Word by word, with no load from what is bad in between. */
    for (uint32_t i = 0; i < 3; i++) {
        gdt[i].low = bare_gdt[i].low;
        gdt[i].high = bare_gdt[i].high;
        gdt[i + 8].low = bare_gdt[i].low;
        gdt[i + 8].high = bare_gdt[i].high;
    }
    const struct table table = {12 * sizeof(*gdt) - 1, BARE_TABLE};
    __asm__ volatile("lgdt %0" : : "m"(table) : "memory");
    TRY("movl %0, %%fs", "r"(DATA_SELECTOR + 64)); /* in the second line */
    load_gdt(bare_gdt);
}

/* Its block cannot be read: the exception comes in the place of VMRUN. */
static void case_vmrun(void)
{
    static uint8_t save[4096] __attribute__((aligned(4096)));

    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_HSAVE, (uint32_t)save);
    TRY("movl %0, %%eax\n\tvmrun", "r"(BARE_VMCB));
    /* Some tenths of a second, in which QEMU is to answer its monitor. */
    for (volatile uint32_t i = 0; i < 30000000; i++)
        ;
}

/* The first error of two stays, and says that there was another. */
static void case_over(void)
{
    keep = true;
    TRY("movl (%0), %%eax", "r"(BARE_DATA + 0x44));
    TRY("movl (%0), %%eax", "r"(BARE_DATA + 0x84));
}

/* What was logged before the program began. */
static void case_logged(void)
{
    tell_banks();
}

/* Software has turned the bank off, and then all of them. */
static void case_off(void)
{
    wrmsr(MSR_BANK(1), 0);
    TRY("movl (%0), %%eax", "r"(BARE_DATA + 0x44));
    tell_banks();
    wrmsr(MSR_BANK(1), ~UINT64_C(0));
    wrmsr(MSR_MCG_CTL, 0);
    TRY("movl (%0), %%eax", "r"(BARE_DATA + 0x44));
    tell_banks();
}

/* A switch to a task whose segment is bad from its second line on. */
static void case_tss(void)
{
    volatile struct descriptor *gdt = (volatile struct descriptor *)BARE_TABLE;
    const struct table table = {4 * sizeof(*gdt) - 1, BARE_TABLE};

    for (uint32_t i = 0; i < 3; i++) {
        gdt[i].low = bare_gdt[i].low;
        gdt[i].high = bare_gdt[i].high;
    }
    /* An available TSS of 32 bits and 104 bytes. */
    gdt[3].low = BARE_TASK << 16 | 103;
    gdt[3].high = (BARE_TASK & 0xff000000) | 0x8900 | (BARE_TASK >> 16 & 0xff);
    __asm__ volatile("lgdt %0" : : "m"(table) : "memory");
    TRY("ljmp %0, $0", "i"(3 * 8));
    load_gdt(bare_gdt);
}

/* Delivery stores into the bad line, which harms nobody; what is loaded from there later does.
 */
static void case_push(void)
{
    struct descriptor entry = own_idt[VECTOR_UD];
    uint32_t there;

    __asm__ volatile("movl $1f, %0" : "=r"(there));
    own_idt[VECTOR_UD].low = (uint32_t)CODE_SELECTOR << 16 | (there & 0xffff);
    own_idt[VECTOR_UD].high = (there & 0xffff0000) | 0x8e00;
    __asm__ volatile("movl %%esp, %%ebx\n\t"
                     "movl %0, %%esp\n\t"
                     "ud2\n"
                     "1: movl %%ebx, %%esp"
                     :
                     : "r"(BARE_STACK + 0x840)
                     : "ebx", "memory");
    own_idt[VECTOR_UD] = entry;
    say("pushed\n");
    TRY("movl (%0), %%eax", "r"(BARE_STACK + 0x834));
}

/* A return whose frame is bad; the machine check's own frame is in the line below. */
static void case_iret(void)
{
    uint32_t at, next;

    __asm__ volatile("movl $1f, %0\n\tmovl $2f, %1" : "=r"(at), "=r"(next));
    say_value("at", at);
    resume[0] = next;
    __asm__ volatile("movl %%esp, %%ebx\n\t"
                     "movl %0, %%esp\n"
                     "1: iretl\n"
                     "2: movl %%ebx, %%esp"
                     :
                     : "r"(BARE_STACK + 0x800)
                     : "ebx", "memory");
}

static void case_lock(void)
{
    TRY("lock incl (%0)", "r"(BARE_DATA + 0x44));
    TRY("lock cmpxchg8b (%0)", "r"(BARE_DATA + 0x48), "b"(0), "c"(0));
}

/* Two bytes in one page and two in the next. */
static void case_split(void)
{
    TRY("movl (%0), %%eax", "r"(BARE_DATA + 0xffe));
}

/* A machine check has come in the place of #GP: the next one is a first one again. */
static void case_double(void)
{
    fill_idt((volatile struct descriptor *)BARE_TABLE);
    load_idt((volatile struct descriptor *)BARE_TABLE);
    TRY("movl %0, %%fs", "r"(WRONG_SELECTOR));
    load_idt(own_idt);
    TRY("movl %0, %%fs", "r"(WRONG_SELECTOR));
}

/* One processor meets the error; the other one is told, or not. */
static void case_meet(void)
{
    start_second();
    meeting = true;
    TRY("movl (%0), %%eax", "r"(BARE_DATA + 0x44));
    for (uint32_t i = 0; i < PATIENCE && told < arrived; i++)
        __asm__ volatile("pause");
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"load", case_load},   {"fetch", case_fetch},   {"idt", case_idt},
    {"all", case_idt_all}, {"gdt", case_gdt},       {"vmrun", case_vmrun},
    {"over", case_over},   {"logged", case_logged}, {"off", case_off},
    {"tss", case_tss},     {"push", case_push},     {"iret", case_iret},
    {"lock", case_lock},   {"split", case_split},   {"double", case_double},
    {"meet", case_meet},   {"asleep", case_asleep},
};

/* Whether the line ends with the word. */
static bool line_ends(const char *line, const char *word)
{
    size_t length = 0, size = 0;

    while (line[length])
        length++;
    while (word[size])
        size++;
    if (length < size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (line[length - size + i] != word[i])
            return false;
    return length == size || line[length - size - 1] == ' ';
}

/* The second processor waits in its sleep. */
void bare_second(void)
{
    load_idt(own_idt);
    clear_banks();
    enable_machine_checks();
    ready = 1;
    for (;;)
        __asm__ volatile("hlt");
}

void bare_main(const uint32_t *information)
{
    /* Multiboot information: the flags, and at 16 the command line (flag 2). */
    const char *line = information[0] & 4 ? (const char *)information[4] : "";

    load_gdt(bare_gdt);
    fill_idt(own_idt);
    load_idt(own_idt);
    enable_machine_checks();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (!line_ends(line, cases[i].name))
            continue;
        if (cases[i].run != case_logged)
            clear_banks();
        cases[i].run();
        say("done\n");
        finish(0);
    }
    finish(1);
}
