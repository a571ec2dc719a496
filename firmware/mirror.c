/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mirror.h"

#define ATTRIBUTES_ALL (MMRIG_MIRROR_ATTRIBUTE_MIRROR | MMRIG_MIRROR_ATTRIBUTE_SPECIFIC)

/* Each node takes one, all memory below 4 GiB one, and each range one. */
#define WANTED_MAX (MMRIG_MIRROR_RANGES_MAX + MMRIG_MIRROR_NODES_MAX + 1)

struct wanted {
    struct mirror_range entries[WANTED_MAX];
    size_t count;
};

static bool refuse(struct mirror_plan *plan, uint32_t status, uint64_t detail)
{
    plan->status = status;
    plan->detail = detail;
    plan->bytes = 0;
    plan->specific_bytes = 0;
    plan->count = 0;
    return false;
}

/* The last byte of what does not wrap, which the end of 2^64 has no number for. */
static uint64_t last(uint64_t base, uint64_t size)
{
    return base + (size - 1);
}

static bool wraps(uint64_t base, uint64_t size)
{
    return last(base, size) < base;
}

/* A device's registers may take less than a page (HPET's do), memory not. */
static bool check_map(const struct mirror_descriptor *map, size_t count,
                      struct mirror_plan *plan)
{
    for (size_t i = 0; i < count; i++) {
        if (map[i].size == 0 || wraps(map[i].base, map[i].size) ||
            (map[i].memory && (map[i].base % MIRROR_PAGE || map[i].size % MIRROR_PAGE)) ||
            (i > 0 && map[i].base <= last(map[i - 1].base, map[i - 1].size)))
            return refuse(plan, MMRIG_MIRROR_STATUS_MAP, map[i].base);
    }
    return true;
}

static bool check_range(const struct mirror_range *range, struct mirror_plan *plan)
{
    if (range->size == 0)
        return refuse(plan, MMRIG_MIRROR_STATUS_EMPTY, range->base);
    if (range->base % MIRROR_PAGE || range->size % MIRROR_PAGE)
        return refuse(plan, MMRIG_MIRROR_STATUS_UNALIGNED, range->base);
    if (wraps(range->base, range->size))
        return refuse(plan, MMRIG_MIRROR_STATUS_WRAPS, range->base);
    if (range->attributes == 0 || (range->attributes & ~ATTRIBUTES_ALL))
        return refuse(plan, MMRIG_MIRROR_STATUS_ATTRIBUTES, range->base);
    return true;
}

static bool check_nodes(const struct mirror_request *request, struct mirror_plan *plan)
{
    if (request->node_count > MMRIG_MIRROR_NODES_MAX)
        return refuse(plan, MMRIG_MIRROR_STATUS_NODES, request->node_count);
    for (size_t i = 0; i < request->node_count; i++) {
        const struct mirror_node *node = &request->nodes[i];
        if (node->size == 0 || node->base % MIRROR_PAGE || node->size % MIRROR_PAGE ||
            wraps(node->base, node->size))
            return refuse(plan, MMRIG_MIRROR_STATUS_NODES, i);
    }
    return true;
}

static bool check_request(const struct mirror_request *request, struct mirror_plan *plan)
{
    bool by_range = false;

    if (request->percent > MMRIG_MIRROR_PERCENT_MAX)
        return refuse(plan, MMRIG_MIRROR_STATUS_PERCENT, request->percent);
    if (request->range_count > MMRIG_MIRROR_RANGES_MAX)
        return refuse(plan, MMRIG_MIRROR_STATUS_TOO_MANY, MMRIG_MIRROR_RANGES_MAX);
    for (size_t i = 0; i < request->range_count; i++) {
        if (!check_range(&request->ranges[i], plan))
            return false;
        by_range |= request->ranges[i].attributes & MMRIG_MIRROR_ATTRIBUTE_MIRROR;
    }
    if (by_range && (request->percent || request->below_4g))
        return refuse(plan, MMRIG_MIRROR_STATUS_CONFLICT, 0);
    return check_nodes(request, plan);
}

/* Puts a range in its place by address. */
static bool want(struct wanted *wanted, const struct mirror_range *range,
                 struct mirror_plan *plan)
{
    struct mirror_range *entries = wanted->entries;
    size_t at = wanted->count;

    while (at > 0 && entries[at - 1].base > range->base)
        at--;
    if (at > 0 && last(entries[at - 1].base, entries[at - 1].size) >= range->base)
        return refuse(plan, MMRIG_MIRROR_STATUS_OVERLAP, range->base);
    if (at < wanted->count && last(range->base, range->size) >= entries[at].base)
        return refuse(plan, MMRIG_MIRROR_STATUS_OVERLAP, entries[at].base);
    for (size_t i = wanted->count; i > at; i--)
        entries[i] = entries[i - 1];
    entries[at] = *range;
    wanted->count++;
    return true;
}

/* The node's share of its memory from 4 GiB on, from where that begins. */
static bool want_share(struct wanted *wanted, const struct mirror_node *node, uint32_t percent,
                       struct mirror_plan *plan)
{
    uint64_t base = node->base < MIRROR_4G ? MIRROR_4G : node->base;

    if (percent == 0 || last(node->base, node->size) < MIRROR_4G)
        return true;
    uint64_t size = last(node->base, node->size) - base + 1;
    /* A product of the whole could overflow. */
    uint64_t share = size / MMRIG_MIRROR_PERCENT_MAX * percent +
                     size % MMRIG_MIRROR_PERCENT_MAX * percent / MMRIG_MIRROR_PERCENT_MAX;
    if (percent != MMRIG_MIRROR_PERCENT_MAX)
        share -= share % MIRROR_GRANULE;
    if (share == 0)
        return true;
    struct mirror_range range = {base, share, MMRIG_MIRROR_ATTRIBUTE_MIRROR};
    return want(wanted, &range, plan);
}

static bool collect(struct wanted *wanted, const struct mirror_request *request,
                    struct mirror_plan *plan)
{
    static const struct mirror_range low = {0, MIRROR_4G, MMRIG_MIRROR_ATTRIBUTE_MIRROR};

    if (request->below_4g && !want(wanted, &low, plan))
        return false;
    for (size_t i = 0; i < request->node_count; i++)
        if (!want_share(wanted, &request->nodes[i], request->percent, plan))
            return false;
    for (size_t i = 0; i < request->range_count; i++)
        if (!want(wanted, &request->ranges[i], plan))
            return false;
    return true;
}

/* Every byte of a range that was named must be memory. */
static bool check_memory(const struct mirror_descriptor *map, size_t count,
                         const struct mirror_range *range, struct mirror_plan *plan)
{
    uint64_t at = range->base;

    for (size_t i = 0; i < count; i++) {
        if (last(map[i].base, map[i].size) < at)
            continue;
        if (map[i].base > at || !map[i].memory)
            break;
        if (last(map[i].base, map[i].size) >= last(range->base, range->size))
            return true;
        at = map[i].base + map[i].size;
    }
    return refuse(plan, MMRIG_MIRROR_STATUS_NOT_MEMORY, at);
}

static uint64_t capabilities_of(uint32_t attributes)
{
    return (attributes & MMRIG_MIRROR_ATTRIBUTE_MIRROR ? MIRROR_EFI_MORE_RELIABLE : 0) |
           (attributes & MMRIG_MIRROR_ATTRIBUTE_SPECIFIC ? MIRROR_EFI_SPECIFIC : 0);
}

struct output {
    struct mirror_change *changes;
    size_t max;
    struct mirror_plan *plan;
};

/* One piece of a descriptor that is to have these attributes, from base to end, end included.
 */
static bool settle(struct output *output, const struct mirror_descriptor *descriptor,
                   uint64_t base, uint64_t end, uint32_t attributes)
{
    struct mirror_plan *plan = output->plan;
    uint64_t size = end - base + 1;
    uint64_t capabilities = (descriptor->capabilities & ~capabilities_of(ATTRIBUTES_ALL)) |
                            capabilities_of(attributes);

    /* What is in force cannot be taken out of what is possible. */
    capabilities |= descriptor->attributes & descriptor->capabilities;
    if (attributes & MMRIG_MIRROR_ATTRIBUTE_MIRROR)
        plan->bytes += size;
    if (attributes & MMRIG_MIRROR_ATTRIBUTE_SPECIFIC)
        plan->specific_bytes += size;
    if (capabilities == descriptor->capabilities)
        return true;
    if (plan->count == output->max)
        return refuse(plan, MMRIG_MIRROR_STATUS_TOO_MANY, output->max);
    output->changes[plan->count++] =
        (struct mirror_change){base, size, capabilities, attributes};
    return true;
}

/* All of a descriptor, cut where ranges begin and end. */
static bool settle_descriptor(struct output *output, const struct mirror_descriptor *descriptor,
                              const struct wanted *wanted)
{
    uint64_t at = descriptor->base, end = last(descriptor->base, descriptor->size);

    for (size_t i = 0; i < wanted->count; i++) {
        const struct mirror_range *range = &wanted->entries[i];
        uint64_t range_end = last(range->base, range->size);

        if (range_end < at || range->base > end)
            continue;
        if (range->base > at) {
            if (!settle(output, descriptor, at, range->base - 1, 0))
                return false;
            at = range->base;
        }
        uint64_t piece = range_end < end ? range_end : end;
        if (!settle(output, descriptor, at, piece, range->attributes))
            return false;
        if (piece == end)
            return true;
        at = piece + 1;
    }
    return settle(output, descriptor, at, end, 0);
}

void mirror_plan(const struct mirror_descriptor *map, size_t map_count,
                 const struct mirror_request *request, struct mirror_change *changes,
                 size_t changes_max, struct mirror_plan *plan)
{
    struct wanted wanted;
    struct output output = {changes, changes_max, plan};

    wanted.count = 0;
    *plan = (struct mirror_plan){.status = MMRIG_MIRROR_STATUS_DONE};
    if (!check_map(map, map_count, plan) || !check_request(request, plan) ||
        !collect(&wanted, request, plan))
        return;
    for (size_t i = 0; i < request->range_count; i++)
        if (!check_memory(map, map_count, &request->ranges[i], plan))
            return;
    for (size_t i = 0; i < map_count; i++)
        if (map[i].memory && !settle_descriptor(&output, &map[i], &wanted))
            return;
    plan->detail = plan->bytes;
}

bool mirror_variable_read(const uint8_t *bytes, size_t size, struct mirror_variable *variable)
{
    if (size != MIRROR_VARIABLE_SIZE)
        return false;
    variable->version = bytes[0];
    variable->below_4g = bytes[1] != 0;
    variable->percent = (uint16_t)(bytes[2] | bytes[3] << 8);
    variable->status = bytes[4];
    return true;
}

void mirror_variable_write(const struct mirror_variable *variable,
                           uint8_t bytes[MIRROR_VARIABLE_SIZE])
{
    bytes[0] = variable->version;
    bytes[1] = variable->below_4g;
    bytes[2] = (uint8_t)variable->percent;
    bytes[3] = (uint8_t)(variable->percent >> 8);
    bytes[4] = variable->status;
}

enum mirror_variable_status mirror_request_override(struct mirror_request *request,
                                                    const struct mirror_variable *variable)
{
    if (variable->version != MIRROR_VARIABLE_VERSION)
        return MIRROR_VARIABLE_BAD_VERSION;
    if (variable->percent > MIRROR_VARIABLE_PERCENT_MAX)
        return MIRROR_VARIABLE_TOO_MUCH;
    /* What was laid down address by address cannot be met by a share. */
    for (size_t i = 0; i < request->range_count && i < MMRIG_MIRROR_RANGES_MAX; i++)
        if (request->ranges[i].attributes & MMRIG_MIRROR_ATTRIBUTE_MIRROR)
            return MIRROR_VARIABLE_NOT_WITH_THESE_DIMMS;
    request->percent = variable->percent;
    request->below_4g = variable->below_4g;
    return MIRROR_VARIABLE_OK;
}
