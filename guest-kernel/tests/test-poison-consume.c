/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program uses bad memory: machine check at that very instruction, SIGBUS for that program.
 * The test knows the instruction's address and the bad byte's, and compares them with what
 * the kernel says of both, for loads of every kind (what=load) and for fetches (what=fetch).
 *
 * With node=N the memory is that node's; of a node that has only modules (DIMMs), the kernel is
 * asked to put them on line.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "errors.h"
#include "memory.h"

#define SEED UINT64_C(4000000)

/* ---- Accesses --------------------------------------------------------------------------- */

/* Where the instruction is that meets the bad byte. */
static uintptr_t access_ip;
/* What string instructions write to. */
static char scratch[256] __attribute__((aligned(64)));
/* Bytes that repeated string instructions have before the bad granule, and in all. */
enum { REPEAT_BEFORE = 17, REPEAT_BYTES = 64 };

/*
 * access_NAME(address): the instruction, with the address in RSI, scratch in RDI and a count
 * in RCX. "1:" is put before it.
 */
#define ACCESS(name, before, instruction, behind)                                              \
    static void access_##name(void *address)                                                   \
    {                                                                                          \
        void *from = address, *to = scratch;                                                   \
        uint64_t count = REPEAT_BYTES;                                                         \
                                                                                               \
        __asm__ volatile("lea 1f(%%rip), %%r8\n\t"                                             \
                         "mov %%r8, %[ip]\n\t" before "\n"                                     \
                         "1:\t" instruction "\n\t" behind                                      \
                         : [ip] "=m"(access_ip), "+S"(from), "+D"(to), "+c"(count)             \
                         :                                                                     \
                         : "rax", "rbx", "rdx", "r8", "r9", "xmm0", "cc", "memory");           \
    }

ACCESS(load1, "", "movb (%%rsi), %%al", "")
ACCESS(load2, "", "movw (%%rsi), %%ax", "")
ACCESS(load4, "", "movl (%%rsi), %%eax", "")
ACCESS(load8, "", "movq (%%rsi), %%rax", "")
ACCESS(extend, "", "movsbq (%%rsi), %%rax", "")
ACCESS(compare, "", "cmpq %%rax, (%%rsi)", "")
ACCESS(modify, "", "addl $1, (%%rsi)", "")
ACCESS(bit_test, "", "btl $5, (%%rsi)", "")
ACCESS(push, "", "pushq (%%rsi)", "popq %%rax")
ACCESS(pop, "mov %%rsp, %%r9\n\tmov %%rsi, %%rsp", "popq %%rax", "mov %%r9, %%rsp")
ACCESS(lods, "cld", "lodsq", "")
ACCESS(rep_movsb, "cld", "rep movsb", "")
ACCESS(rep_movsq, "cld\n\tmov $8, %%ecx", "rep movsq", "")
ACCESS(repe_cmpsb, "cld\n\txor %%eax, %%eax", "repe cmpsb", "")
ACCESS(repne_scasb, "cld\n\tmov %%rsi, %%rdi\n\tmov $1, %%al", "repne scasb", "")
ACCESS(sse_aligned, "", "movdqa (%%rsi), %%xmm0", "")
ACCESS(sse_unaligned, "", "movdqu (%%rsi), %%xmm0", "")
ACCESS(sse_scalar, "", "movsd (%%rsi), %%xmm0", "")
ACCESS(sse_operand, "", "paddd (%%rsi), %%xmm0", "")
ACCESS(avx_aligned, "", "vmovdqa (%%rsi), %%ymm0", "vzeroupper")
ACCESS(avx_unaligned, "", "vmovdqu (%%rsi), %%ymm0", "vzeroupper")
ACCESS(x87, "", "fldl (%%rsi)", "fstp %%st(0)")
ACCESS(xchg, "", "xchgl %%eax, (%%rsi)", "")
ACCESS(lock_add, "", "lock addq $1, (%%rsi)", "")
ACCESS(lock_xadd, "mov $1, %%eax", "lock xaddl %%eax, (%%rsi)", "")
ACCESS(lock_cmpxchg, "xor %%eax, %%eax", "lock cmpxchgq %%rdx, (%%rsi)", "")
ACCESS(lock_cmpxchg16b, "xor %%eax, %%eax\n\txor %%edx, %%edx", "lock cmpxchg16b (%%rsi)", "")
ACCESS(lock_bts, "", "lock btsl $3, (%%rsi)", "")

enum place {
    ALIGNED,   /* to its size, in the bad granule */
    ANYWHERE,  /* in the bad granule, not aligned */
    ACROSS,    /* begins before the bad granule and ends in it */
    REPEATED,  /* REPEAT_BEFORE bytes before the bad granule, many go well */
    REPEATED8, /* the same in whole words */
};

static const struct access {
    const char *name;
    void (*function)(void *address);
    size_t size;
    enum place place;
    bool avx;
} accesses[] = {
    {"1 byte", access_load1, 1, ALIGNED, false},
    {"2 bytes", access_load2, 2, ALIGNED, false},
    {"4 bytes", access_load4, 4, ALIGNED, false},
    {"8 bytes", access_load8, 8, ALIGNED, false},
    {"2 bytes, unaligned", access_load2, 2, ANYWHERE, false},
    {"4 bytes, unaligned", access_load4, 4, ANYWHERE, false},
    {"8 bytes, unaligned", access_load8, 8, ANYWHERE, false},
    {"2 bytes, across", access_load2, 2, ACROSS, false},
    {"4 bytes, across", access_load4, 4, ACROSS, false},
    {"8 bytes, across", access_load8, 8, ACROSS, false},
    {"sign extension", access_extend, 1, ALIGNED, false},
    {"comparison", access_compare, 8, ALIGNED, false},
    {"modification", access_modify, 4, ALIGNED, false},
    {"bit test", access_bit_test, 4, ALIGNED, false},
    {"push from memory", access_push, 8, ALIGNED, false},
    {"pop", access_pop, 8, ALIGNED, false},
    {"lods", access_lods, 8, ALIGNED, false},
    {"rep movsb", access_rep_movsb, 1, REPEATED, false},
    {"rep movsq", access_rep_movsq, 8, REPEATED8, false},
    {"repe cmpsb", access_repe_cmpsb, 1, REPEATED, false},
    {"repne scasb", access_repne_scasb, 1, REPEATED, false},
    {"SSE, aligned", access_sse_aligned, 16, ALIGNED, false},
    {"SSE, unaligned", access_sse_unaligned, 16, ANYWHERE, false},
    {"SSE, across", access_sse_unaligned, 16, ACROSS, false},
    {"SSE, scalar", access_sse_scalar, 8, ALIGNED, false},
    {"SSE, operand", access_sse_operand, 16, ALIGNED, false},
    {"AVX, aligned", access_avx_aligned, 32, ALIGNED, true},
    {"AVX, unaligned", access_avx_unaligned, 32, ANYWHERE, true},
    {"AVX, across", access_avx_unaligned, 32, ACROSS, true},
    {"x87", access_x87, 8, ALIGNED, false},
    {"xchg", access_xchg, 4, ALIGNED, false},
    {"lock add", access_lock_add, 8, ALIGNED, false},
    {"lock xadd", access_lock_xadd, 4, ALIGNED, false},
    {"lock cmpxchg", access_lock_cmpxchg, 8, ALIGNED, false},
    {"lock cmpxchg16b", access_lock_cmpxchg16b, 16, ALIGNED, false},
    {"lock bts", access_lock_bts, 4, ALIGNED, false},
    {"lock xadd, unaligned", access_lock_xadd, 4, ANYWHERE, false},
};
#define ACCESSES (sizeof(accesses) / sizeof(accesses[0]))

/* ---- One consumption -------------------------------------------------------------------- */

/* The same numbers in each run: a failure comes again. */
static uint32_t chance(uint32_t below)
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

/* Where in a granule an access begins, or how far before it. */
static long access_offset(const struct access *access)
{
    size_t places = (GRANULE - access->size) / access->size + 1;

    switch (access->place) {
    case ALIGNED:
        return (long)(chance((uint32_t)places) * access->size);
    case ANYWHERE:
        return (long)(chance((uint32_t)(places - 1)) * access->size + 1);
    case ACROSS:
        return -(long)(1 + chance((uint32_t)access->size - 1));
    case REPEATED8:
        return -16;
    default:
        return -REPEAT_BEFORE;
    }
}

/* What must be true of the kernel's words on one consumption. */
struct truth {
    char *page;       /* virtual */
    uint64_t address; /* physical, of the first bad byte that was asked for */
    uintptr_t ip;
    unsigned bank, mcacod, cpu;
};

static void check_truth(const struct truth *truth, const struct bus_error *error)
{
    struct machine_check check = {0};

    ASSERT_EQ(error->code, BUS_MCEERR_AR);
    ASSERT_EQ(error->address, (void *)truth->page);
    ASSERT_EQ(error->lsb, 12);
    ASSERT_EQ(error->ip, truth->ip);
    ASSERT_TRUE(machine_check_next(&check, ERROR_SECONDS));
    ASSERT_EQ(check.ip, truth->ip);
    /* User code of a 64-bit program: __USER_CS. */
    ASSERT_EQ(check.cs, 0x33);
    ASSERT_EQ(check.cpu, truth->cpu);
    ASSERT_EQ(check.bank, truth->bank);
    /* VAL, UC, EN, MISCV, ADDRV, S, AR. */
    ASSERT_EQ(check.status, UINT64_C(0xbd80000000000000) | truth->mcacod);
    /* RIPV, EIPV, MCIP. */
    ASSERT_EQ(check.mcg_status & 7, 7);
    ASSERT_EQ(check.misc, (2 << 6) | 6);
    /* The kernel keeps what MISC says is valid: the line. What was sent is exact. */
    ASSERT_EQ(check.address, truth->address & ~(GRANULE - 1));
    ASSERT_EQ(poison_last_address(), truth->address);
    ASSERT_TRUE(page_is_taken(truth->address));
}

/* ---- The node --------------------------------------------------------------------------- */

#define ON_LINE_SECONDS 30.0

/* Blocks that the kernel found by itself while it booted are off line. */
static void put_modules_on_line(void)
{
    DIR *blocks = opendir("/sys/devices/system/memory");
    struct dirent *entry;
    char path[300], state[16];

    if (!blocks)
        return;
    while ((entry = readdir(blocks))) {
        snprintf(path, sizeof(path), "/sys/devices/system/memory/%s/state", entry->d_name);
        if (strncmp(entry->d_name, "memory", 6) == 0 && file_read(path, state, sizeof(state)) &&
            strcmp(state, "offline") == 0 && !file_write(path, "online_movable"))
            ABORT("%s does not go on line: %s", path, strerror(errno));
    }
    closedir(blocks);
}

static bool node_is_ready(void *data)
{
    return node_can_be_bound(*(unsigned *)data);
}

/* All memory that comes from now on is the node's. */
static void bind_to_node(unsigned node)
{
    unsigned long mask = 1UL << node;

    put_modules_on_line();
    if (!wait_until(node_is_ready, &node, ON_LINE_SECONDS))
        ABORT("node %u has no memory", node);
    if (syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof(mask)) != 0)
        ABORT("cannot take memory of node %u: %s", node, strerror(errno));
}

/* Whether it is, by what move_pages(2) says of a page. */
static bool is_of_wanted_node(void *page)
{
    int status = -1;

    if (!test_arg("node"))
        return true;
    return syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0) == 0 &&
           status == (int)test_arg_u64("node", 0);
}

static unsigned pin_to_some_cpu(void)
{
    unsigned cpu = chance((uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        ABORT("cannot run on CPU %u", cpu);
    return cpu;
}

static void consume(const struct access *access)
{
    char *page = memory_map(PAGE_BYTES);
    size_t bad = (1 + chance(PAGE_BYTES / GRANULE - 2)) * GRANULE;
    char *address = page + bad + access_offset(access);
    struct truth truth = {.page = page, .bank = 1, .mcacod = MCACOD_LOAD};

    memory_fill(page, PAGE_BYTES, SEED);
    memset(page + bad - GRANULE, 0, 2 * GRANULE);
    uint64_t physical = physical_address(page);
    ASSERT_NE(physical, 0);
    ASSERT_TRUE(is_of_wanted_node(page));
    truth.cpu = pin_to_some_cpu();
    truth.address = physical + (size_t)(address - page);
    if (truth.address < physical + bad)
        truth.address = physical + bad;

    poison_lay(physical + bad, GRANULE);
    /* Its neighbours in the page are well. */
    ASSERT_EQ(bus_error_at(page + bad - 1).code, 0);
    ASSERT_EQ(bus_error_at(page + bad + GRANULE).code, 0);
    memset(scratch, 0, sizeof(scratch));
    struct bus_error error = bus_error_in(access->function, address);
    truth.ip = access_ip;
    check_truth(&truth, &error);
    munmap(page, PAGE_BYTES);
    poison_clear(physical + bad, GRANULE);
}

static void consume_by_loads(void)
{
    uint64_t count = test_arg_u64("count", 1000), before = pages_taken();
    bool avx = __builtin_cpu_supports("avx");
    uint64_t done = 0;
    double start = now_seconds();

    if (!avx)
        DIAG("this processor has no AVX; it is left out");
    for (uint64_t i = 0; done < count; i++) {
        const struct access *access = &accesses[i % ACCESSES];
        if (access->avx && !avx)
            continue;
        if (done < ACCESSES)
            DIAG("%s", access->name);
        consume(access);
        done++;
    }
    rig_metric("consumption", (now_seconds() - start) / (double)done, "s");
    EXPECT_EQ(pages_taken(), before + done);
    EXPECT_EQ(poison_count("consumed-loads"), done);
    EXPECT_EQ(poison_count("consumed-fetches"), 0);
    EXPECT_EQ(poison_count("poisoned"), 0);
}

/* ---- Fetches ---------------------------------------------------------------------------- */

enum fetch {
    FETCH_START,     /* it begins in the bad granule */
    FETCH_RUN_INTO,  /* the code before it is executed first */
    FETCH_STRADDLE,  /* its end is in the bad granule */
    FETCH_NEXT_PAGE, /* its end is in the next page, which begins badly */
    FETCH_KINDS,
};

static void call(void *function)
{
    ((void (*)(void))(uintptr_t)function)();
}

static void consume_fetch(enum fetch kind)
{
    /* mov $0, %eax: five bytes. */
    static const unsigned char longer[] = {0xb8, 0, 0, 0, 0};
    enum { NOP = 0x90, RET = 0xc3, BEFORE = 8 };
    struct truth truth = {.bank = 0, .mcacod = MCACOD_FETCH};
    char *code = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ASSERT_NE(code, MAP_FAILED);
    memset(code, RET, 2 * PAGE_BYTES);
    size_t bad =
        kind == FETCH_NEXT_PAGE ? PAGE_BYTES : (1 + chance(PAGE_BYTES / GRANULE - 2)) * GRANULE;
    char *meets = code + bad;
    memset(meets - 2 * BEFORE, NOP, 2 * BEFORE);
    if (kind == FETCH_START)
        meets += chance(GRANULE);
    if (kind == FETCH_STRADDLE || kind == FETCH_NEXT_PAGE) {
        meets -= 2;
        memcpy(meets, longer, sizeof(longer));
    }
    char *start = kind == FETCH_START ? meets : meets - BEFORE;
    /* It has run well before, so that it is translated already. */
    call(start);

    char *page = kind == FETCH_NEXT_PAGE ? code + PAGE_BYTES : code;
    uint64_t physical = physical_address(page);
    ASSERT_NE(physical, 0);
    ASSERT_TRUE(is_of_wanted_node(page));
    truth.page = page;
    truth.ip = (uintptr_t)meets;
    truth.address = physical + (size_t)((meets < code + bad ? code + bad : meets) - page);
    truth.cpu = pin_to_some_cpu();
    poison_lay(physical + (size_t)(code + bad - page), GRANULE);
    struct bus_error error = bus_error_in(call, start);
    check_truth(&truth, &error);
    munmap(code, 2 * PAGE_BYTES);
    poison_clear(physical, PAGE_BYTES);
}

static void consume_by_fetches(void)
{
    uint64_t count = test_arg_u64("count", 100), before = pages_taken();

    for (uint64_t i = 0; i < count; i++) {
        DIAG("fetch %u", (unsigned)(i % FETCH_KINDS));
        consume_fetch((enum fetch)(i % FETCH_KINDS));
    }
    EXPECT_EQ(pages_taken(), before + count);
    EXPECT_GE(poison_count("consumed-fetches"), count);
    EXPECT_EQ(poison_count("consumed-loads"), 0);
}

TEST(consumption_is_exact)
{
    const char *what = test_arg("what");

    bus_errors_catch();
    machine_checks_trace();
    if (test_arg("node"))
        bind_to_node((unsigned)test_arg_u64("node", 0));
    if (what && strcmp(what, "fetch") == 0)
        consume_by_fetches();
    else
        consume_by_loads();
}

HARNESS_MAIN
