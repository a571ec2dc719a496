/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory maps and requests out of random bytes. Whatever they are, what is planned must hold:
 * the changes are in order, within memory, page by page, and the marks that result are those of
 * the request.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAP_MAX     24
#define CHANGES_MAX 64

#define CHECK(x)                                                                               \
    do {                                                                                       \
        if (!(x))                                                                              \
            abort();                                                                           \
    } while (0)

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t byte(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

/* An address or size: few bits of it are chosen, so that maps and requests meet. */
static uint64_t number(struct input *input)
{
    uint8_t how = byte(input);
    uint64_t value = byte(input);

    if ((how & 0xc0) == 0xc0) {
        for (int i = 0; i < 7; i++)
            value = value << 8 | byte(input);
        return value;
    }
    return (value << (12 + how % 24)) + (how & 0x40 ? byte(input) : 0);
}

static uint64_t end_of(uint64_t base, uint64_t size)
{
    return base + (size - 1);
}

static const struct mirror_descriptor *find(const struct mirror_descriptor *map, size_t count,
                                            uint64_t address)
{
    for (size_t i = 0; i < count; i++)
        if (address >= map[i].base && address <= end_of(map[i].base, map[i].size))
            return &map[i];
    return NULL;
}

/* The marks of the page in the planned map. */
static uint64_t marks(const struct mirror_descriptor *map, size_t count,
                      const struct mirror_change *changes, const struct mirror_plan *plan,
                      uint64_t address)
{
    for (size_t i = 0; i < plan->count; i++)
        if (address >= changes[i].base && address <= end_of(changes[i].base, changes[i].size))
            return changes[i].capabilities;
    return find(map, count, address)->capabilities;
}

static void check_plan(const struct mirror_descriptor *map, size_t count,
                       const struct mirror_request *request,
                       const struct mirror_change *changes, const struct mirror_plan *plan)
{
    const uint64_t both = MIRROR_EFI_MORE_RELIABLE | MIRROR_EFI_SPECIFIC;

    for (size_t i = 0; i < plan->count; i++) {
        const struct mirror_descriptor *in = find(map, count, changes[i].base);
        CHECK(in && in->memory && changes[i].size > 0);
        CHECK(changes[i].base % MIRROR_PAGE == 0 && changes[i].size % MIRROR_PAGE == 0);
        CHECK(end_of(changes[i].base, changes[i].size) <= end_of(in->base, in->size));
        CHECK(changes[i].capabilities != in->capabilities);
        CHECK(((changes[i].capabilities ^ in->capabilities) & ~both) == 0);
        CHECK((in->attributes & in->capabilities & ~changes[i].capabilities) == 0);
        CHECK(i == 0 || end_of(changes[i - 1].base, changes[i - 1].size) < changes[i].base);
    }
    /* At both ends of every range that was named. */
    for (size_t i = 0; i < request->range_count; i++) {
        const struct mirror_range *range = &request->ranges[i];
        uint64_t ends[] = {range->base, end_of(range->base, range->size)};
        for (int j = 0; j < 2; j++) {
            uint64_t got = marks(map, count, changes, plan, ends[j]);
            if (range->attributes & MMRIG_MIRROR_ATTRIBUTE_MIRROR)
                CHECK(got & MIRROR_EFI_MORE_RELIABLE);
            if (range->attributes & MMRIG_MIRROR_ATTRIBUTE_SPECIFIC)
                CHECK(got & MIRROR_EFI_SPECIFIC);
        }
    }
}

static void fuzz_variable(struct input *input, struct mirror_request *request)
{
    uint8_t bytes[8], again[MIRROR_VARIABLE_SIZE];
    struct mirror_variable variable;
    struct mirror_request before = *request;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = byte(input);
    if (!mirror_variable_read(bytes, bytes[7] % 8, &variable))
        return;
    mirror_variable_write(&variable, again);
    CHECK(memcmp(again + 2, bytes + 2, 3) == 0 && again[0] == bytes[0]);
    if (mirror_request_override(request, &variable) != MIRROR_VARIABLE_OK)
        CHECK(request->percent == before.percent && request->below_4g == before.below_4g &&
              request->range_count == before.range_count);
    else
        CHECK(request->percent <= MIRROR_VARIABLE_PERCENT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct mirror_descriptor map[MAP_MAX];
    struct mirror_change changes[CHANGES_MAX];
    struct mirror_request request;
    struct mirror_plan plan;
    size_t count = byte(&input) % (MAP_MAX + 1), max = byte(&input) % (CHANGES_MAX + 1);
    bool follow = byte(&input) & 1;
    uint64_t next = 0;

    memset(&request, 0, sizeof(request));
    for (size_t i = 0; i < count; i++) {
        uint8_t flags = byte(&input);
        /* Mostly a map that makes sense, or nothing behind its check is ever reached. */
        map[i].base = follow ? next + (flags & 2 ? number(&input) : 0) : number(&input);
        map[i].size = number(&input);
        next = map[i].base + map[i].size;
        map[i].capabilities = 0xf | (flags & 4 ? MIRROR_EFI_MORE_RELIABLE : 0) |
                              (flags & 8 ? MIRROR_EFI_SPECIFIC : 0);
        map[i].attributes = flags & 16 ? MIRROR_EFI_MORE_RELIABLE : 8;
        map[i].memory = flags & 1;
    }
    request.percent = (uint32_t)byte(&input) * 40;
    request.below_4g = byte(&input) & 1;
    request.range_count = byte(&input) % (MMRIG_MIRROR_RANGES_MAX + 2);
    request.node_count = byte(&input) % (MMRIG_MIRROR_NODES_MAX + 2);
    for (size_t i = 0; i < request.range_count && i < MMRIG_MIRROR_RANGES_MAX; i++)
        request.ranges[i] =
            (struct mirror_range){number(&input), number(&input), byte(&input) % 5};
    for (size_t i = 0; i < request.node_count && i < MMRIG_MIRROR_NODES_MAX; i++)
        request.nodes[i] = (struct mirror_node){number(&input), number(&input), byte(&input)};
    fuzz_variable(&input, &request);

    mirror_plan(map, count, &request, changes, max, &plan);
    CHECK(plan.status != MMRIG_MIRROR_STATUS_NONE &&
          plan.status < MMRIG_MIRROR_STATUS_FIRMWARE);
    CHECK(plan.count <= max);
    if (plan.status == MMRIG_MIRROR_STATUS_DONE)
        check_plan(map, count, &request, changes, &plan);
    else
        CHECK(plan.count == 0 && plan.bytes == 0);
    return 0;
}
