/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model of mmrig-mirror and of the memory behind it, for its fuzzer, by
 * docs/devices/mirror.md. */
#ifndef MMRIG_MIRROR_MODEL_H
#define MMRIG_MIRROR_MODEL_H

#include <string.h>

#include "fuzz-model.h"
#include "mmrig-mirror-regs.h"

/* Memory that is made bad, and the RAM it is in. */
#define BAD_START 0x02000000ull
#define BAD_PAGES 16
#define BAD_LINES (BAD_PAGES * 64)
#define BAD_SIZE  (BAD_PAGES * 4096ull)
#define RAM_SIZE  (256ull << 20)

typedef struct {
    uint64_t base, size;
    uint32_t attributes;
} Entry;

struct Model {
    QTest *q;
    gboolean debug;
    uint64_t regs; /* where BAR 0 is */

    uint32_t constant[MMRIG_MIRROR_REGS_SIZE / 4]; /* what the registers were at the start */
    Entry apply;
    Entry applied[MMRIG_MIRROR_APPLIED_MAX];
    uint32_t applied_count;
    uint32_t status, source, error, error_detail;
    uint64_t status_detail;
    uint32_t corrected, failovers;
    uint64_t last;

    /* Lines that are bad; of the copies by mmrig-ras and by spoil. */
    gboolean first[BAD_LINES], second[BAD_LINES];
};

static struct {
    uint64_t steps, applied, errors, corrected, failovers, consumed, spoilt, resets, migrations;
} count;

static const uint32_t others[] = {
    MMRIG_MIRROR_ID,           MMRIG_MIRROR_VERSION,   MMRIG_MIRROR_FEATURES,
    MMRIG_MIRROR_PERCENT,      MMRIG_MIRROR_BELOW_4G,  MMRIG_MIRROR_RANGE_COUNT,
    MMRIG_MIRROR_NODE_COUNT,   MMRIG_MIRROR_CORRECTED, MMRIG_MIRROR_FAILOVERS,
    MMRIG_MIRROR_LAST_LO,      MMRIG_MIRROR_LAST_HI,   MMRIG_MIRROR_APPLIED_COUNT,
    MMRIG_MIRROR_ERROR_DETAIL,
};

static inline gboolean is_table(uint32_t reg)
{
    return reg >= MMRIG_MIRROR_RANGE_TABLE(0) &&
           reg < MMRIG_MIRROR_APPLIED_TABLE(MMRIG_MIRROR_APPLIED_MAX);
}

static inline gboolean is_one_of(uint32_t reg, const uint32_t *list, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (list[i] == reg)
            return TRUE;
    return FALSE;
}

static inline uint32_t expected_entry(const Entry *entry, uint32_t offset)
{
    switch (offset) {
    case MMRIG_MIRROR_ENTRY_BASE_LO:
        return (uint32_t)entry->base;
    case MMRIG_MIRROR_ENTRY_BASE_HI:
        return (uint32_t)(entry->base >> 32);
    case MMRIG_MIRROR_ENTRY_SIZE_LO:
        return (uint32_t)entry->size;
    case MMRIG_MIRROR_ENTRY_SIZE_HI:
        return (uint32_t)(entry->size >> 32);
    case MMRIG_MIRROR_ENTRY_ATTRIBUTES:
        return entry->attributes;
    default:
        return 0;
    }
}

/* What a register reads as. */
static inline uint32_t expected(const Model *m, uint32_t reg)
{
    if (reg >= MMRIG_MIRROR_APPLIED_TABLE(0)) {
        uint32_t at = reg - MMRIG_MIRROR_APPLIED_TABLE(0);

        return expected_entry(&m->applied[at / 32], at % 32);
    }
    switch (reg) {
    case MMRIG_MIRROR_APPLY_BASE_LO:
        return (uint32_t)m->apply.base;
    case MMRIG_MIRROR_APPLY_BASE_HI:
        return (uint32_t)(m->apply.base >> 32);
    case MMRIG_MIRROR_APPLY_SIZE_LO:
        return (uint32_t)m->apply.size;
    case MMRIG_MIRROR_APPLY_SIZE_HI:
        return (uint32_t)(m->apply.size >> 32);
    case MMRIG_MIRROR_APPLY_ATTRIBUTES:
        return m->apply.attributes;
    case MMRIG_MIRROR_APPLIED_COUNT:
        return m->applied_count;
    case MMRIG_MIRROR_STATUS:
        return m->status;
    case MMRIG_MIRROR_STATUS_DETAIL_LO:
        return (uint32_t)m->status_detail;
    case MMRIG_MIRROR_STATUS_DETAIL_HI:
        return (uint32_t)(m->status_detail >> 32);
    case MMRIG_MIRROR_SOURCE:
        return m->source;
    case MMRIG_MIRROR_ERROR:
        return m->error;
    case MMRIG_MIRROR_ERROR_DETAIL:
        return m->error_detail;
    case MMRIG_MIRROR_CORRECTED:
        return m->corrected;
    case MMRIG_MIRROR_FAILOVERS:
        return m->failovers;
    case MMRIG_MIRROR_LAST_LO:
        return (uint32_t)m->last;
    case MMRIG_MIRROR_LAST_HI:
        return (uint32_t)(m->last >> 32);
    default:
        return m->constant[reg / 4];
    }
}

static inline void expect_error(Model *m, uint32_t error, uint32_t detail)
{
    m->error = error;
    m->error_detail = detail;
    count.errors++;
}

static inline void expect_apply(Model *m)
{
    const Entry *a = &m->apply;

    if (a->size == 0 || a->base % 4096 || a->size % 4096 || a->base + (a->size - 1) < a->base ||
        a->attributes == 0) {
        expect_error(m, MMRIG_MIRROR_ERR_APPLY, m->applied_count);
        return;
    }
    if (m->applied_count == MMRIG_MIRROR_APPLIED_MAX) {
        expect_error(m, MMRIG_MIRROR_ERR_APPLY_FULL, m->applied_count);
        return;
    }
    m->applied[m->applied_count++] = *a;
    count.applied++;
}

static inline void expect_at_most(Model *m, uint32_t *to, uint32_t value, uint32_t most)
{
    if (value > most)
        expect_error(m, MMRIG_MIRROR_ERR_VALUE, value);
    else
        *to = value;
}

/* An aligned write of 32 bits. */
static inline void expect_write(Model *m, uint32_t reg, uint32_t value)
{
    const uint64_t upper = 0xffffffff00000000;

    switch (reg) {
    case MMRIG_MIRROR_APPLY_BASE_LO:
        m->apply.base = (m->apply.base & upper) | value;
        break;
    case MMRIG_MIRROR_APPLY_BASE_HI:
        m->apply.base = (m->apply.base & ~upper) | (uint64_t)value << 32;
        break;
    case MMRIG_MIRROR_APPLY_SIZE_LO:
        m->apply.size = (m->apply.size & upper) | value;
        break;
    case MMRIG_MIRROR_APPLY_SIZE_HI:
        m->apply.size = (m->apply.size & ~upper) | (uint64_t)value << 32;
        break;
    case MMRIG_MIRROR_APPLY_ATTRIBUTES:
        expect_at_most(m, &m->apply.attributes, value,
                       MMRIG_MIRROR_ATTRIBUTE_MIRROR | MMRIG_MIRROR_ATTRIBUTE_SPECIFIC);
        break;
    case MMRIG_MIRROR_APPLY:
        expect_apply(m);
        break;
    case MMRIG_MIRROR_STATUS:
        expect_at_most(m, &m->status, value, MMRIG_MIRROR_STATUS_DEVICE);
        break;
    case MMRIG_MIRROR_STATUS_DETAIL_LO:
        m->status_detail = (m->status_detail & upper) | value;
        break;
    case MMRIG_MIRROR_STATUS_DETAIL_HI:
        m->status_detail = (m->status_detail & ~upper) | (uint64_t)value << 32;
        break;
    case MMRIG_MIRROR_SOURCE:
        expect_at_most(m, &m->source, value, MMRIG_MIRROR_SOURCE_VARIABLE);
        break;
    case MMRIG_MIRROR_ERROR:
        m->error = MMRIG_MIRROR_OK;
        m->error_detail = 0;
        break;
    default:
        expect_error(m,
                     is_table(reg) || is_one_of(reg, others, G_N_ELEMENTS(others))
                         ? MMRIG_MIRROR_ERR_READ_ONLY
                         : MMRIG_MIRROR_ERR_REGISTER,
                     reg);
        break;
    }
}

static inline gboolean is_mirrored(const Model *m, uint64_t address)
{
    for (uint32_t i = 0; i < m->applied_count; i++) {
        const Entry *e = &m->applied[i];

        if (e->attributes & MMRIG_MIRROR_ATTRIBUTE_MIRROR && address >= e->base &&
            address <= e->base + (e->size - 1))
            return TRUE;
    }
    return FALSE;
}

/* Whether a read of the bad memory has what was stored. */
static inline gboolean expect_load(Model *m, uint64_t address, unsigned size)
{
    uint64_t at = address;

    while (at < address + size) {
        uint64_t line = (at - BAD_START) / 64;

        if ((m->first[line] || m->second[line]) && !is_mirrored(m, at)) {
            count.consumed++;
            return FALSE;
        }
        if (m->first[line]) {
            m->last = at;
            if (m->second[line]) {
                m->failovers++;
                count.failovers++;
                return FALSE;
            }
            m->corrected++;
            count.corrected++;
        }
        at = BAD_START + (line + 1) * 64;
    }
    return TRUE;
}

static inline void expect_reset(Model *m)
{
    memset(&m->apply, 0, sizeof(m->apply));
    memset(m->applied, 0, sizeof(m->applied));
    m->applied_count = 0;
    m->status = MMRIG_MIRROR_STATUS_NONE;
    m->source = MMRIG_MIRROR_SOURCE_DEVICE;
    m->error = m->error_detail = 0;
    m->status_detail = 0;
    m->corrected = m->failovers = 0;
    m->last = 0;
}

#endif
