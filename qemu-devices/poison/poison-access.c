/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to an access to a page with poison in it. A thread that comes
 * late to a page that was taken away finds nothing bad in it, and the page's
 * own memory (poison_settle).
 */
#include "poison-internal.h"

#include "exec/cpu-common.h"
#include "system/tcg.h"

#include "mce/mce.h"

/* Bytes of an instruction, at most (Intel SDM, volume 2A, section 2.3.11). */
#define INSTRUCTION_MAX 15

/*
 * Where the page's byte at an offset is in the space: QEMU shows a region that
 * is the root of an address space at the place that it has in its container
 * (memory_region_to_address_space() and render_memory_region() in
 * system/memory.c). A second node's or DIMM's, and a CXL window, is not at its
 * beginning.
 */
static hwaddr poison_place(const PoisonPage *page, hwaddr offset)
{
    return page->space->ram->addr + page->offset + offset;
}

static MemTxResult poison_pass_read(PoisonPage *page, hwaddr offset,
                                    uint64_t *data, unsigned size)
{
    uint64_t value = 0;
    MemTxResult result =
        address_space_read(&page->space->as, poison_place(page, offset),
                           MEMTXATTRS_UNSPECIFIED, &value, size);

    *data = le64_to_cpu(value);
    return result;
}

static MemTxResult poison_pass_write(PoisonPage *page, hwaddr offset,
                                     uint64_t data, unsigned size)
{
    uint64_t value = cpu_to_le64(data);

    return address_space_write(&page->space->as, poison_place(page, offset),
                               MEMTXATTRS_UNSPECIFIED, &value, size);
}

/*
 * The processor that makes an access, or NULL for a device. A device's DMA may
 * well run in a processor's thread, but only a processor's own accesses say
 * what they are (cpu_get_mem_attrs in QEMU's target/i386/cpu.h). That of some
 * devices (intel-hda, sdhci) says that it must go to memory, which a processor
 * never asks for.
 */
static CPUState *poison_accessor(MemTxAttrs attrs)
{
    return attrs.unspecified || attrs.memory || attrs.requester_id
               ? NULL
               : current_cpu;
}

static bool poison_is_filtered(MmrigPoison *p, const MmrigPoisonAccess *access)
{
    for (unsigned i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        const PoisonSource *s = &p->sources[i];

        if (s->ops && s->ops->filter && s->ops->filter(s->opaque, access)) {
            return true;
        }
    }
    return false;
}

static void poison_tell_consumed(MmrigPoison *p,
                                 const MmrigPoisonAccess *access)
{
    switch (access->kind) {
    case MMRIG_POISON_LOAD:
        p->counters.loads++;
        break;
    case MMRIG_POISON_FETCH:
        p->counters.fetches++;
        break;
    case MMRIG_POISON_DMA:
        p->counters.dma++;
        break;
    }
    for (unsigned i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        const PoisonSource *s = &p->sources[i];

        if (s->ops && s->ops->consumed) {
            s->ops->consumed(s->opaque, access);
        }
    }
}

/* Of which a QEMU has one: missing, it must not keep the guard from its word.
 */
#ifdef MMRIG_QEMU_HAS_TRANSLATE_FOR_DEBUG
#pragma weak cpu_translate_for_debug
#else
#pragma weak cpu_get_phys_page_attrs_debug
#endif

/* Whether the processor's code at an address is in the page of another one. */
static bool poison_is_code(CPUState *cpu, vaddr code, hwaddr gpa)
{
    vaddr address = code & ~(vaddr)(PAGE_SIZE_ - 1);
#ifdef MMRIG_QEMU_HAS_TRANSLATE_FOR_DEBUG
    TranslateForDebugResult result;

    return cpu_translate_for_debug(cpu, address, &result) &&
           result.physaddr == (gpa & ~(PAGE_SIZE_ - 1));
#else
    MemTxAttrs attrs;

    return cpu_get_phys_page_attrs_debug(cpu, address, &attrs) ==
           (gpa & ~(PAGE_SIZE_ - 1));
#endif
}

/*
 * While it translates, TCG is in none of the code that it made: cpu_ldub_code()
 * and its like have no place to return to. The processor is at the instruction
 * that is fetched: code in a bad page is translated by single instructions, as
 * that page is I/O, and one that crosses into it begins a translation of its
 * own (advance_pc in QEMU's target/i386/tcg/translate.c). A load from a table
 * on the way to an exception has no such place either, but is not where the
 * processor's code is.
 */
static MmrigPoisonKind poison_kind(MmrigPoison *p, CPUState *cpu, hwaddr gpa)
{
    bool fetch;
    vaddr pc;

    if (!cpu) {
        return MMRIG_POISON_DMA;
    }
    if (!tcg_enabled() || cpu->mem_io_pc != 0) {
        return MMRIG_POISON_LOAD;
    }
    /* The tables that lead to the code may be bad as well. */
    p->looking = true;
    pc = CPU_GET_CLASS(cpu)->get_pc(cpu);
    fetch = poison_is_code(cpu, pc, gpa) ||
            poison_is_code(cpu, pc + INSTRUCTION_MAX - 1, gpa);
    p->looking = false;
    return fetch ? MMRIG_POISON_FETCH : MMRIG_POISON_LOAD;
}

bool mmrig_poison_meet(MmrigPoison *p, uint64_t sources, hwaddr gpa,
                       unsigned size, MemTxAttrs attrs)
{
    CPUState *cpu = poison_accessor(attrs);
    MmrigPoisonAccess access = {
        .gpa = gpa,
        .size = size,
        .cpu = cpu,
        .source = sources,
    };

    if (p->looking) {
        return true;
    }
    access.kind = poison_kind(p, cpu, gpa);
    if (poison_is_filtered(p, &access)) {
        p->counters.filtered++;
        return true;
    }
    poison_tell_consumed(p, &access);
    if (cpu) {
        mmrig_mce_consume(cpu, gpa, access.kind == MMRIG_POISON_FETCH);
    }
    return cpu;
}

static MemTxResult poison_read(void *opaque, hwaddr offset, uint64_t *data,
                               unsigned size, MemTxAttrs attrs)
{
    PoisonPage *page = opaque;
    MmrigPoison *p = page->poison;
    uint64_t bad = page->any & poison_mask(offset, offset + size - 1);

    /* An access across two lines is good if both are made so. */
    for (; bad && !p->looking; bad &= bad - 1) {
        unsigned granule = ctz64(bad);
        hwaddr from = MAX(offset, (hwaddr)granule * MMRIG_POISON_GRANULE);

        page->stored[granule] = 0;
        if (!mmrig_poison_meet(p, mmrig_poison_sources_of(page, granule),
                               page->gpa + from, offset + size - from, attrs)) {
            *data = UINT64_MAX;
            return MEMTX_ERROR;
        }
    }
    return poison_pass_read(page, offset, data, size);
}

static void poison_clear_by_store(PoisonPage *page, uint64_t mask)
{
    MmrigPoison *p = page->poison;

    p->counters.cleared += ctpop64(page->any & mask);
    for (unsigned i = 0; i < MMRIG_POISON_SOURCES_MAX; i++) {
        mmrig_poison_tell_cleared(p, i, page,
                                  mmrig_poison_forget(page, i, mask),
                                  MMRIG_POISON_CLEARED_BY_STORE);
    }
    mmrig_poison_sum(p, page);
    if (!page->any) {
        qemu_bh_schedule(p->sweep);
    }
}

static MemTxResult poison_write(void *opaque, hwaddr offset, uint64_t data,
                                unsigned size, MemTxAttrs attrs)
{
    PoisonPage *page = opaque;
    MmrigPoison *p = page->poison;
    uint64_t bad = page->any & poison_mask(offset, offset + size - 1);
    uint64_t cleared = 0;
    MemTxResult result = poison_pass_write(page, offset, data, size);

    if (bad) {
        p->counters.stores++;
    }
    while (bad) {
        unsigned granule = ctz64(bad);
        hwaddr start = (hwaddr)granule * MMRIG_POISON_GRANULE;
        hwaddr from = MAX(offset, start) - start;
        hwaddr to =
            MIN(offset + size, start + MMRIG_POISON_GRANULE) - start - 1;

        page->stored[granule] |= MAKE_64BIT_MASK(from, to - from + 1);
        if (p->store == MMRIG_POISON_STORE_ANY ||
            (p->store == MMRIG_POISON_STORE_FULL_LINE &&
             page->stored[granule] == UINT64_MAX)) {
            cleared |= UINT64_C(1) << granule;
        }
        bad &= bad - 1;
    }
    if (cleared) {
        poison_clear_by_store(page, cleared);
    }
    return result;
}

const MemoryRegionOps mmrig_poison_ops = {
    .read_with_attrs = poison_read,
    .write_with_attrs = poison_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};
