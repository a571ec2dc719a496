/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-mirror: what the guest reads and writes (abi/mmrig-mirror-regs.h). */
#include "mirror.h"

#define PAGE 4096u
#define ENTRY_WORDS                                                            \
    ((MMRIG_MIRROR_RANGE_TABLE(1) - MMRIG_MIRROR_RANGE_TABLE(0)) / 4)

bool mmrig_mirror_range_valid(const MirrorEntry *entry)
{
    return entry->size != 0 && entry->base % PAGE == 0 &&
           entry->size % PAGE == 0 &&
           entry->base <= UINT64_MAX - (entry->size - 1);
}

static void mirror_set_apply(void *device, const MmrigRegister *row,
                             uint64_t value)
{
    MmrigMirror *s = device;

    if (!mmrig_mirror_range_valid(&s->apply) || s->apply.word == 0) {
        mmrig_mirror_error(s, MMRIG_MIRROR_ERR_APPLY, s->applied_count);
        return;
    }
    if (s->applied_count == MMRIG_MIRROR_APPLIED_MAX) {
        mmrig_mirror_error(s, MMRIG_MIRROR_ERR_APPLY_FULL, s->applied_count);
        return;
    }
    s->applied[s->applied_count++] = s->apply;
    mmrig_mirror_debug(s, "0x%" PRIx64 " + 0x%" PRIx64 " attributes 0x%x",
                       s->apply.base, s->apply.size, s->apply.word);
}

static void mirror_set_status(void *device, const MmrigRegister *row,
                              uint64_t value)
{
    MmrigMirror *s = device;

    s->status = value;
    mmrig_mirror_debug(s, "firmware's status %u detail 0x%" PRIx64, s->status,
                       s->status_detail);
}

static void mirror_clear_error(void *device, const MmrigRegister *row,
                               uint64_t value)
{
    MmrigMirror *s = device;

    s->error = MMRIG_MIRROR_OK;
    s->error_detail = 0;
}

static uint64_t mirror_get_features(void *device, const MmrigRegister *row,
                                    unsigned index)
{
    const MmrigMirror *s = device;

    return MMRIG_MIRROR_FEATURE_VARIABLES |
           (s->copies ? MMRIG_MIRROR_FEATURE_COPIES : 0);
}

static uint32_t mirror_entry_word(const MirrorEntry *entries, unsigned index)
{
    const MirrorEntry *entry = &entries[index / ENTRY_WORDS];

    switch (index % ENTRY_WORDS * 4) {
    case MMRIG_MIRROR_ENTRY_BASE_LO:
        return entry->base;
    case MMRIG_MIRROR_ENTRY_BASE_HI:
        return entry->base >> 32;
    case MMRIG_MIRROR_ENTRY_SIZE_LO:
        return entry->size;
    case MMRIG_MIRROR_ENTRY_SIZE_HI:
        return entry->size >> 32;
    case MMRIG_MIRROR_ENTRY_ATTRIBUTES:
        return entry->word;
    default:
        return 0;
    }
}

static uint64_t mirror_get_range(void *device, const MmrigRegister *row,
                                 unsigned index)
{
    const MmrigMirror *s = device;

    return mirror_entry_word(s->ranges, index);
}

static uint64_t mirror_get_node(void *device, const MmrigRegister *row,
                                unsigned index)
{
    const MmrigMirror *s = device;

    return mirror_entry_word(s->nodes, index);
}

static uint64_t mirror_get_applied(void *device, const MmrigRegister *row,
                                   unsigned index)
{
    const MmrigMirror *s = device;

    return mirror_entry_word(s->applied, index);
}

#define NAMED(n) .offset = MMRIG_MIRROR_##n, .name = #n
/* Of two halves. */
#define NAMED_64(n) .offset = MMRIG_MIRROR_##n##_LO, .name = #n, .width = 64
#define OF(member) MMRIG_REGISTER_FIELD(MmrigMirror, member)
#define FIXED .kind = MMRIG_REGISTER_FIXED
#define ANY_64 .mask = UINT64_MAX
#define UP_TO(n) .mask = UINT32_MAX, .most = (n)
/* Entries as words, the spare ones of an entry as well. */
#define TABLE(n, entries)                                                      \
    .offset = MMRIG_MIRROR_##n##_TABLE(0), .name = #n "_TABLE",                \
    .count = MMRIG_MIRROR_##entries##_MAX * ENTRY_WORDS

static const MmrigRegister mirror_rows[] = {
    {NAMED(ID), FIXED, .constant = MMRIG_MIRROR_ID_VALUE},
    {NAMED(VERSION), FIXED,
     .constant = MMRIG_MIRROR_VERSION_MAJOR << 16 | MMRIG_MIRROR_VERSION_MINOR},
    {NAMED(FEATURES), FIXED, .get = mirror_get_features},

    {NAMED(PERCENT), FIXED, OF(percent)},
    {NAMED(BELOW_4G), FIXED, OF(below_4g)},
    {NAMED(RANGE_COUNT), FIXED, OF(range_count)},
    {NAMED(NODE_COUNT), FIXED, OF(node_count)},

    {NAMED_64(APPLY_BASE), OF(apply.base), ANY_64},
    {NAMED_64(APPLY_SIZE), OF(apply.size), ANY_64},
    {NAMED(APPLY_ATTRIBUTES), OF(apply.word), UP_TO(ATTRIBUTES)},
    {NAMED(APPLY), .kind = MMRIG_REGISTER_ACTION, .set = mirror_set_apply},
    {NAMED(APPLIED_COUNT), OF(applied_count)},
    {NAMED(STATUS), OF(status), UP_TO(MMRIG_MIRROR_STATUS_DEVICE),
     .set = mirror_set_status},
    {NAMED_64(STATUS_DETAIL), OF(status_detail), ANY_64},
    {NAMED(SOURCE), OF(source), UP_TO(MMRIG_MIRROR_SOURCE_VARIABLE)},
    {NAMED(ERROR), OF(error), .set = mirror_clear_error},
    {NAMED(ERROR_DETAIL), OF(error_detail)},

    {NAMED(CORRECTED), OF(errors.corrected)},
    {NAMED(FAILOVERS), OF(errors.failovers)},
    {NAMED_64(LAST), OF(errors.last)},

    {TABLE(RANGE, RANGES), FIXED, .get = mirror_get_range},
    {TABLE(NODE, NODES), FIXED, .get = mirror_get_node},
    {TABLE(APPLIED, APPLIED), .get = mirror_get_applied},
};

static void mirror_register_error(void *device, uint32_t error, uint64_t detail)
{
    mmrig_mirror_error(device, error, detail);
}

const MmrigRegisters mmrig_mirror_registers = {
    .rows = mirror_rows,
    .row_count = ARRAY_SIZE(mirror_rows),
    .size = MMRIG_MIRROR_REGS_SIZE,
    .error_access = MMRIG_MIRROR_ERR_ACCESS,
    .error_register = MMRIG_MIRROR_ERR_REGISTER,
    .error_read_only = MMRIG_MIRROR_ERR_READ_ONLY,
    .error_value = MMRIG_MIRROR_ERR_VALUE,
    .error = mirror_register_error,
};

static uint64_t mirror_read(void *opaque, hwaddr offset, unsigned size)
{
    return mmrig_registers_read(&mmrig_mirror_registers, opaque, offset, size);
}

static void mirror_write(void *opaque, hwaddr offset, uint64_t value,
                         unsigned size)
{
    mmrig_registers_write(&mmrig_mirror_registers, opaque, offset, value, size);
}

const MemoryRegionOps mmrig_mirror_ops = {
    .read = mirror_read,
    .write = mirror_write,
    MMRIG_REGISTERS_ACCESS,
};
