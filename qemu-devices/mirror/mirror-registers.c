/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-mirror: what the guest reads and writes (abi/mmrig-mirror-regs.h). */
#include "mirror.h"

#include "qemu/bitops.h"

#define PAGE 4096u

static uint32_t mirror_entry_word(const MirrorEntry *entry, hwaddr offset)
{
    switch (offset) {
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

static bool mirror_read_tables(const MmrigMirror *s, hwaddr offset,
                               uint32_t *value)
{
    const struct {
        const MirrorEntry *entries;
        hwaddr first;
        uint32_t max;
    } tables[] = {
        {s->ranges, MMRIG_MIRROR_RANGE_TABLE(0), MMRIG_MIRROR_RANGES_MAX},
        {s->nodes, MMRIG_MIRROR_NODE_TABLE(0), MMRIG_MIRROR_NODES_MAX},
        {s->applied, MMRIG_MIRROR_APPLIED_TABLE(0), MMRIG_MIRROR_APPLIED_MAX},
    };
    const uint32_t size =
        MMRIG_MIRROR_RANGE_TABLE(1) - MMRIG_MIRROR_RANGE_TABLE(0);

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        hwaddr at = offset - tables[i].first;

        if (offset < tables[i].first || at / size >= tables[i].max) {
            continue;
        }
        *value = mirror_entry_word(&tables[i].entries[at / size], at % size);
        return true;
    }
    return false;
}

/* What has become of it: the firmware's answer, and the errors. */
static bool mirror_read_status(const MmrigMirror *s, hwaddr offset,
                               uint32_t *value)
{
    switch (offset) {
    case MMRIG_MIRROR_STATUS:
        *value = s->status;
        break;
    case MMRIG_MIRROR_STATUS_DETAIL_LO:
        *value = s->status_detail;
        break;
    case MMRIG_MIRROR_STATUS_DETAIL_HI:
        *value = s->status_detail >> 32;
        break;
    case MMRIG_MIRROR_SOURCE:
        *value = s->source;
        break;
    case MMRIG_MIRROR_ERROR:
        *value = s->error;
        break;
    case MMRIG_MIRROR_ERROR_DETAIL:
        *value = s->error_detail;
        break;
    case MMRIG_MIRROR_CORRECTED:
        *value = s->errors.corrected;
        break;
    case MMRIG_MIRROR_FAILOVERS:
        *value = s->errors.failovers;
        break;
    case MMRIG_MIRROR_LAST_LO:
        *value = s->errors.last;
        break;
    case MMRIG_MIRROR_LAST_HI:
        *value = s->errors.last >> 32;
        break;
    default:
        return false;
    }
    return true;
}

static bool mirror_read_any(const MmrigMirror *s, hwaddr offset,
                            uint32_t *value)
{
    switch (offset) {
    case MMRIG_MIRROR_ID:
        *value = MMRIG_MIRROR_ID_VALUE;
        break;
    case MMRIG_MIRROR_VERSION:
        *value = MMRIG_MIRROR_VERSION_MAJOR << 16 | MMRIG_MIRROR_VERSION_MINOR;
        break;
    case MMRIG_MIRROR_FEATURES:
        *value = MMRIG_MIRROR_FEATURE_VARIABLES |
                 (s->copies ? MMRIG_MIRROR_FEATURE_COPIES : 0);
        break;
    case MMRIG_MIRROR_PERCENT:
        *value = s->percent;
        break;
    case MMRIG_MIRROR_BELOW_4G:
        *value = s->below_4g;
        break;
    case MMRIG_MIRROR_RANGE_COUNT:
        *value = s->range_count;
        break;
    case MMRIG_MIRROR_NODE_COUNT:
        *value = s->node_count;
        break;
    case MMRIG_MIRROR_APPLY_BASE_LO:
        *value = s->apply.base;
        break;
    case MMRIG_MIRROR_APPLY_BASE_HI:
        *value = s->apply.base >> 32;
        break;
    case MMRIG_MIRROR_APPLY_SIZE_LO:
        *value = s->apply.size;
        break;
    case MMRIG_MIRROR_APPLY_SIZE_HI:
        *value = s->apply.size >> 32;
        break;
    case MMRIG_MIRROR_APPLY_ATTRIBUTES:
        *value = s->apply.word;
        break;
    case MMRIG_MIRROR_APPLY:
        *value = 0;
        break;
    case MMRIG_MIRROR_APPLIED_COUNT:
        *value = s->applied_count;
        break;
    default:
        return mirror_read_status(s, offset, value) ||
               mirror_read_tables(s, offset, value);
    }
    return true;
}

static uint64_t mirror_read(void *opaque, hwaddr offset, unsigned size)
{
    MmrigMirror *s = opaque;
    uint32_t value = 0;

    if (size != 4 || offset % 4 != 0) {
        mmrig_mirror_error(s, MMRIG_MIRROR_ERR_ACCESS, offset);
        return UINT64_MAX;
    }
    mirror_read_any(s, offset, &value);
    return value;
}

bool mmrig_mirror_range_valid(const MirrorEntry *entry)
{
    return entry->size != 0 && entry->base % PAGE == 0 &&
           entry->size % PAGE == 0 &&
           entry->base <= UINT64_MAX - (entry->size - 1);
}

static void mirror_apply(MmrigMirror *s)
{
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

/* Takes the value if it is at most max. */
static void mirror_take(MmrigMirror *s, uint32_t *to, uint32_t value,
                        uint32_t max)
{
    if (value > max) {
        mmrig_mirror_error(s, MMRIG_MIRROR_ERR_VALUE, value);
        return;
    }
    *to = value;
}

static void mirror_write(void *opaque, hwaddr offset, uint64_t value,
                         unsigned size)
{
    MmrigMirror *s = opaque;
    uint32_t unused;

    if (size != 4 || offset % 4 != 0) {
        mmrig_mirror_error(s, MMRIG_MIRROR_ERR_ACCESS, offset);
        return;
    }
    switch (offset) {
    case MMRIG_MIRROR_APPLY_BASE_LO:
        s->apply.base = deposit64(s->apply.base, 0, 32, value);
        break;
    case MMRIG_MIRROR_APPLY_BASE_HI:
        s->apply.base = deposit64(s->apply.base, 32, 32, value);
        break;
    case MMRIG_MIRROR_APPLY_SIZE_LO:
        s->apply.size = deposit64(s->apply.size, 0, 32, value);
        break;
    case MMRIG_MIRROR_APPLY_SIZE_HI:
        s->apply.size = deposit64(s->apply.size, 32, 32, value);
        break;
    case MMRIG_MIRROR_APPLY_ATTRIBUTES:
        mirror_take(s, &s->apply.word, value, ATTRIBUTES);
        break;
    case MMRIG_MIRROR_APPLY:
        mirror_apply(s);
        break;
    case MMRIG_MIRROR_STATUS:
        mirror_take(s, &s->status, value, MMRIG_MIRROR_STATUS_DEVICE);
        mmrig_mirror_debug(s, "firmware's status %u detail 0x%" PRIx64,
                           s->status, s->status_detail);
        break;
    case MMRIG_MIRROR_STATUS_DETAIL_LO:
        s->status_detail = deposit64(s->status_detail, 0, 32, value);
        break;
    case MMRIG_MIRROR_STATUS_DETAIL_HI:
        s->status_detail = deposit64(s->status_detail, 32, 32, value);
        break;
    case MMRIG_MIRROR_SOURCE:
        mirror_take(s, &s->source, value, MMRIG_MIRROR_SOURCE_VARIABLE);
        break;
    case MMRIG_MIRROR_ERROR:
        s->error = MMRIG_MIRROR_OK;
        s->error_detail = 0;
        break;
    default:
        mmrig_mirror_error(s,
                           mirror_read_any(s, offset, &unused)
                               ? MMRIG_MIRROR_ERR_READ_ONLY
                               : MMRIG_MIRROR_ERR_REGISTER,
                           offset);
        break;
    }
}

/* Every access reaches the handlers, so that a wrong one has its error code. */
const MemoryRegionOps mmrig_mirror_ops = {
    .read = mirror_read,
    .write = mirror_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};
