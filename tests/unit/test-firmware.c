/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firmware's logic on the host: which changes a request makes to a memory map. */
#include <glib.h>
#include <string.h>

#include "mirror.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define WB  0xfull

#define MR MIRROR_EFI_MORE_RELIABLE
#define SP MIRROR_EFI_SPECIFIC

/* A PC of 3 GiB, one below 4 GiB, as OVMF describes it: with HPET's registers and a gap. */
static const struct mirror_descriptor pc[] = {
    {0, 0xa0000, WB, 0, true},        {0xa0000, 0x60000, 1, 1, false},
    {MIB, 63 * MIB, WB, 8, true},     {64 * MIB, 960 * MIB, WB, 8, true},
    {0xfed00000, 0x400, 1, 1, false}, {4 * GIB, 2 * GIB, WB, 8, true},
};

typedef struct {
    struct mirror_change changes[64];
    struct mirror_plan plan;
} Outcome;

static Outcome plan_map(const struct mirror_descriptor *map, size_t count,
                        const struct mirror_request *request, size_t max)
{
    Outcome outcome;

    memset(&outcome, 0xa5, sizeof(outcome));
    g_assert_cmpuint(max, <=, G_N_ELEMENTS(outcome.changes));
    mirror_plan(map, count, request, outcome.changes, max, &outcome.plan);
    return outcome;
}

static Outcome plan_pc(const struct mirror_request *request)
{
    return plan_map(pc, G_N_ELEMENTS(pc), request, 64);
}

static void assert_change(const Outcome *outcome, size_t index, uint64_t base, uint64_t size,
                          uint64_t capabilities)
{
    g_assert_cmpuint(index, <, outcome->plan.count);
    g_assert_cmphex(outcome->changes[index].base, ==, base);
    g_assert_cmphex(outcome->changes[index].size, ==, size);
    g_assert_cmphex(outcome->changes[index].capabilities, ==, capabilities);
}

static void assert_refused(const Outcome *outcome, uint32_t status, uint64_t detail)
{
    g_assert_cmpuint(outcome->plan.status, ==, status);
    g_assert_cmphex(outcome->plan.detail, ==, detail);
    g_assert_cmpuint(outcome->plan.count, ==, 0);
    g_assert_cmpuint(outcome->plan.bytes, ==, 0);
    g_assert_cmpuint(outcome->plan.specific_bytes, ==, 0);
}

static void test_nothing(void)
{
    const struct mirror_request request = {0};
    Outcome outcome = plan_pc(&request);

    g_assert_cmpuint(outcome.plan.status, ==, MMRIG_MIRROR_STATUS_DONE);
    g_assert_cmpuint(outcome.plan.count, ==, 0);
    g_assert_cmpuint(outcome.plan.bytes, ==, 0);
}

static void test_ranges(void)
{
    /* Not in order; the first goes over two descriptors, the second makes three of one. */
    const struct mirror_request request = {
        .range_count = 3,
        .ranges = {{60 * MIB, 8 * MIB, MMRIG_MIRROR_ATTRIBUTE_MIRROR},
                   {5 * GIB, 4096, MMRIG_MIRROR_ATTRIBUTE_MIRROR},
                   {5 * GIB + 4096, MIB, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC}}};
    Outcome outcome = plan_pc(&request);

    g_assert_cmpuint(outcome.plan.status, ==, MMRIG_MIRROR_STATUS_DONE);
    g_assert_cmpuint(outcome.plan.count, ==, 4);
    assert_change(&outcome, 0, 60 * MIB, 4 * MIB, WB | MR);
    assert_change(&outcome, 1, 64 * MIB, 4 * MIB, WB | MR);
    assert_change(&outcome, 2, 5 * GIB, 4096, WB | MR);
    assert_change(&outcome, 3, 5 * GIB + 4096, MIB, WB | SP);
    g_assert_cmpuint(outcome.plan.bytes, ==, 8 * MIB + 4096);
    g_assert_cmpuint(outcome.plan.detail, ==, 8 * MIB + 4096);
    g_assert_cmpuint(outcome.plan.specific_bytes, ==, MIB);
}

/* Each goes before what is there already. */
static void test_order(void)
{
    const struct mirror_descriptor map[] = {{4 * GIB, 8 * GIB, 8, 0, true}};
    const struct mirror_request request = {
        .range_count = 4,
        .ranges = {{10 * GIB, 4 * MIB, MMRIG_MIRROR_ATTRIBUTE_MIRROR},
                   {8 * GIB, 3 * MIB, MMRIG_MIRROR_ATTRIBUTE_MIRROR},
                   {6 * GIB, 2 * MIB, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC},
                   {5 * GIB, MIB, MMRIG_MIRROR_ATTRIBUTE_MIRROR}}};
    Outcome outcome = plan_map(map, 1, &request, 64);

    g_assert_cmpuint(outcome.plan.status, ==, MMRIG_MIRROR_STATUS_DONE);
    g_assert_cmpuint(outcome.plan.count, ==, 4);
    assert_change(&outcome, 0, 5 * GIB, MIB, 8 | MR);
    assert_change(&outcome, 1, 6 * GIB, 2 * MIB, 8 | SP);
    assert_change(&outcome, 2, 8 * GIB, 3 * MIB, 8 | MR);
    assert_change(&outcome, 3, 10 * GIB, 4 * MIB, 8 | MR);
}

/* Shares that are small, and beside memory for a specific purpose. */
static void test_small_shares(void)
{
    const struct mirror_descriptor map[] = {{4 * GIB, 64 * GIB, WB, 0, true}};
    struct mirror_request request = {
        .percent = 1, .node_count = 2, .nodes = {{4 * GIB, MIB, 0}, {5 * GIB, 63 * GIB, 1}}};
    Outcome outcome = plan_map(map, 1, &request, 64);

    /* A ten-thousandth of a MiB is no granule, and of 63 GiB it is 6.45 MiB. */
    g_assert_cmpuint(outcome.plan.count, ==, 1);
    assert_change(&outcome, 0, 5 * GIB, 6 * MIB, WB | MR);
    request.range_count = 1;
    request.ranges[0] = (struct mirror_range){8 * GIB, MIB, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC};
    outcome = plan_map(map, 1, &request, 64);
    g_assert_cmpuint(outcome.plan.status, ==, MMRIG_MIRROR_STATUS_DONE);
    g_assert_cmpuint(outcome.plan.count, ==, 2);
}

/* Two nodes: one has all memory below 4 GiB and a half of the rest, less a bit. */
static const struct mirror_request shares = {
    .percent = 2550,
    .node_count = 3,
    .nodes = {{0, GIB, 0}, {4 * GIB, 768 * MIB, 0}, {4 * GIB + 768 * MIB, 1280 * MIB, 1}}};

static void test_shares(void)
{
    struct mirror_request request = shares;
    Outcome outcome = plan_pc(&request);

    /* 25.5 % of 768 MiB is 195.84, of 1280 MiB 326.4: down to whole granules. */
    g_assert_cmpuint(outcome.plan.status, ==, MMRIG_MIRROR_STATUS_DONE);
    g_assert_cmpuint(outcome.plan.count, ==, 2);
    assert_change(&outcome, 0, 4 * GIB, 194 * MIB, WB | MR);
    assert_change(&outcome, 1, 4 * GIB + 768 * MIB, 326 * MIB, WB | MR);

    request.below_4g = true;
    outcome = plan_pc(&request);
    g_assert_cmpuint(outcome.plan.count, ==, 5);
    assert_change(&outcome, 0, 0, 0xa0000, WB | MR);
    assert_change(&outcome, 1, MIB, 63 * MIB, WB | MR);
    assert_change(&outcome, 2, 64 * MIB, 960 * MIB, WB | MR);
    g_assert_cmpuint(outcome.plan.bytes, ==, 0xa0000 + (1023 + 194 + 326) * MIB);

    request.percent = MMRIG_MIRROR_PERCENT_MAX;
    outcome = plan_pc(&request);
    g_assert_cmpuint(outcome.plan.bytes, ==, 0xa0000 + (1023 + 2048) * MIB);

    /* A node that goes on from below 4 GiB has its share from there on. */
    request =
        (struct mirror_request){.percent = 5000, .node_count = 1, .nodes = {{0, 6 * GIB, 0}}};
    outcome = plan_pc(&request);
    g_assert_cmpuint(outcome.plan.count, ==, 1);
    assert_change(&outcome, 0, 4 * GIB, GIB, WB | MR);

    /* As much as there can be: nothing overflows. */
    request.nodes[0] = (struct mirror_node){0, UINT64_MAX - 4095, 0};
    outcome = plan_pc(&request);
    assert_change(&outcome, 0, 4 * GIB, 2 * GIB, WB | MR);
}

/* What was marked before and is not asked for any more loses its mark. */
static void test_taken_away(void)
{
    const struct mirror_descriptor map[] = {
        {0, GIB, WB | MR | SP, 0, true},
        {GIB, GIB, WB | MR, MR, true},
        {2 * GIB, GIB, WB | MR, 0, false},
        {3 * GIB, GIB, WB | MR, 0, true},
    };
    const struct mirror_request request = {
        .range_count = 1, .ranges = {{3 * GIB, 512 * MIB, MMRIG_MIRROR_ATTRIBUTE_MIRROR}}};
    Outcome outcome = plan_map(map, G_N_ELEMENTS(map), &request, 64);

    g_assert_cmpuint(outcome.plan.status, ==, MMRIG_MIRROR_STATUS_DONE);
    g_assert_cmpuint(outcome.plan.count, ==, 2);
    assert_change(&outcome, 0, 0, GIB, WB);
    assert_change(&outcome, 1, 3 * GIB + 512 * MIB, 512 * MIB, WB);
    g_assert_cmpuint(outcome.changes[1].attributes, ==, 0);
    g_assert_cmpuint(outcome.plan.bytes, ==, 512 * MIB);
}

static void test_refused(void)
{
    static const struct {
        struct mirror_range ranges[2];
        size_t count;
        uint32_t status;
        uint64_t detail;
    } cases[] = {
        {{{MIB + 1, 4096, 1}}, 1, MMRIG_MIRROR_STATUS_UNALIGNED, MIB + 1},
        {{{MIB, 4095, 1}}, 1, MMRIG_MIRROR_STATUS_UNALIGNED, MIB},
        {{{MIB, 0, 1}}, 1, MMRIG_MIRROR_STATUS_EMPTY, MIB},
        {{{UINT64_MAX - 4095, 8192, 1}}, 1, MMRIG_MIRROR_STATUS_WRAPS, UINT64_MAX - 4095},
        {{{MIB, 4096, 0}}, 1, MMRIG_MIRROR_STATUS_ATTRIBUTES, MIB},
        {{{MIB, 4096, 4}}, 1, MMRIG_MIRROR_STATUS_ATTRIBUTES, MIB},
        {{{MIB, 8192, 1}, {MIB + 4096, 4096, 1}}, 2, MMRIG_MIRROR_STATUS_OVERLAP, MIB + 4096},
        {{{MIB + 4096, 4096, 1}, {MIB, 8192, 1}}, 2, MMRIG_MIRROR_STATUS_OVERLAP, MIB + 4096},
        {{{MIB, 4096, 1}, {MIB, 4096, 2}}, 2, MMRIG_MIRROR_STATUS_OVERLAP, MIB},
        /* Video memory; past the end of memory; beyond the map. */
        {{{0x9f000, 8192, 1}}, 1, MMRIG_MIRROR_STATUS_NOT_MEMORY, 0xa0000},
        {{{GIB - 4096, 8192, 1}}, 1, MMRIG_MIRROR_STATUS_NOT_MEMORY, GIB},
        {{{6 * GIB - MIB, 2 * MIB, 1}}, 1, MMRIG_MIRROR_STATUS_NOT_MEMORY, 6 * GIB},
        {{{7 * GIB, MIB, 1}}, 1, MMRIG_MIRROR_STATUS_NOT_MEMORY, 7 * GIB},
        /* The end of all addresses is none of memory. */
        {{{UINT64_MAX - 4095, 4096, 1}}, 1, MMRIG_MIRROR_STATUS_NOT_MEMORY, UINT64_MAX - 4095},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct mirror_request request = {.range_count = cases[i].count};
        memcpy(request.ranges, cases[i].ranges, sizeof(cases[i].ranges));
        Outcome outcome = plan_pc(&request);
        g_test_message("case %zu", i);
        assert_refused(&outcome, cases[i].status, cases[i].detail);
    }

    struct mirror_request request = {.percent = 10001};
    Outcome outcome = plan_pc(&request);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_PERCENT, 10001);

    request =
        (struct mirror_request){.percent = 1, .range_count = 1, .ranges = {{MIB, 4096, 1}}};
    outcome = plan_pc(&request);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_CONFLICT, 0);
    request.percent = 0;
    request.below_4g = true;
    outcome = plan_pc(&request);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_CONFLICT, 0);

    request = (struct mirror_request){.range_count = MMRIG_MIRROR_RANGES_MAX + 1};
    outcome = plan_pc(&request);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_TOO_MANY, MMRIG_MIRROR_RANGES_MAX);
}

static void test_bad_nodes(void)
{
    struct mirror_request request = shares;

    request.nodes[2].size = 0;
    Outcome outcome = plan_pc(&request);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_NODES, 2);
    request.nodes[2].size = UINT64_MAX - 4095;
    outcome = plan_pc(&request);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_NODES, 2);
    request.nodes[2].size = 4097;
    outcome = plan_pc(&request);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_NODES, 2);
    /* Each of them is looked at, for each way to be wrong. */
    for (uint32_t i = 0; i < shares.node_count; i++) {
        const struct mirror_node wrong[] = {
            {shares.nodes[i].base, 0, 0},
            {shares.nodes[i].base + 1, shares.nodes[i].size, 0},
            {shares.nodes[i].base, shares.nodes[i].size + 1, 0},
            {UINT64_MAX - 4095, 8192, 0},
        };

        for (gsize j = 0; j < G_N_ELEMENTS(wrong); j++) {
            request = shares;
            request.nodes[i] = wrong[j];
            outcome = plan_pc(&request);
            assert_refused(&outcome, MMRIG_MIRROR_STATUS_NODES, i);
        }
    }
    /* Two nodes that claim the same memory. */
    request = shares;
    request.nodes[2].base -= 700 * MIB;
    outcome = plan_pc(&request);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_OVERLAP, 4 * GIB + 68 * MIB);
    request.node_count = MMRIG_MIRROR_NODES_MAX + 1;
    outcome = plan_pc(&request);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_NODES, MMRIG_MIRROR_NODES_MAX + 1);
}

static void test_bad_map(void)
{
    const struct mirror_request request = {.below_4g = true};
    static const struct mirror_descriptor second[] = {
        {MIB, 0, WB, 0, true},
        {MIB, 4095, WB, 0, true},
        {MIB + 1, 4096, WB, 0, true},
        {0x9f000, 4096, WB, 0, true},          /* overlaps */
        {UINT64_MAX - 4095, 8192, WB, 0, true} /* wraps */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(second); i++) {
        const struct mirror_descriptor map[] = {pc[0], second[i]};
        Outcome outcome = plan_map(map, 2, &request, 64);
        g_test_message("case %zu", i);
        assert_refused(&outcome, MMRIG_MIRROR_STATUS_MAP, second[i].base);
    }
    const struct mirror_descriptor empty[] = {{0, 0, 1, 1, false}, pc[2]};
    Outcome outcome = plan_map(empty, 2, &request, 64);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_MAP, 0);
    const struct mirror_descriptor third[] = {pc[0], pc[2], {2 * MIB, MIB, WB, 0, true}};
    outcome = plan_map(third, 3, &request, 64);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_MAP, 2 * MIB);
    /* A register may be of one byte. */
    const struct mirror_descriptor small[] = {pc[2], {0xfed00000, 1, 1, 1, false}};
    outcome = plan_map(small, 2, &request, 64);
    g_assert_cmpuint(outcome.plan.status, ==, MMRIG_MIRROR_STATUS_DONE);
    /* The first is looked at as well; and two devices that share a byte. */
    const struct mirror_descriptor first[] = {{1, 4096, WB, 0, true}, pc[2]};
    outcome = plan_map(first, 2, &request, 64);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_MAP, 1);
    const struct mirror_descriptor byte[] = {{0xfed00000, 0x401, 1, 1, false},
                                             {0xfed00400, 0x400, 1, 1, false}};
    outcome = plan_map(byte, 2, &request, 64);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_MAP, 0xfed00400);
    /* A map that ends with the last address is sound. */
    const struct mirror_descriptor map[] = {{UINT64_MAX - 4095, 4096, WB, 0, true}};
    const struct mirror_request top = {.range_count = 1,
                                       .ranges = {{UINT64_MAX - 4095, 4096, 1}}};
    outcome = plan_map(map, 1, &top, 64);
    g_assert_cmpuint(outcome.plan.status, ==, MMRIG_MIRROR_STATUS_DONE);
    assert_change(&outcome, 0, UINT64_MAX - 4095, 4096, WB | MR);
}

static void test_too_many(void)
{
    const struct mirror_request request = {.below_4g = true};
    Outcome outcome = plan_map(pc, G_N_ELEMENTS(pc), &request, 3);

    g_assert_cmpuint(outcome.plan.count, ==, 3);
    outcome = plan_map(pc, G_N_ELEMENTS(pc), &request, 2);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_TOO_MANY, 2);
}

/* What is taken away on both sides of a range; and room runs out just there. */
static void test_sides(void)
{
    const struct mirror_descriptor map[] = {{0, GIB, WB | MR | SP, 0, true},
                                            {GIB, GIB, WB | MR | SP, 0, true},
                                            {2 * GIB, GIB, WB | MR | SP, 0, true}};
    const struct mirror_request request = {
        .range_count = 1, .ranges = {{GIB + MIB, 2 * MIB, MMRIG_MIRROR_ATTRIBUTE_MIRROR}}};
    Outcome outcome = plan_map(map, 3, &request, 64);

    g_assert_cmpuint(outcome.plan.count, ==, 5);
    assert_change(&outcome, 0, 0, GIB, WB);
    assert_change(&outcome, 1, GIB, MIB, WB);
    assert_change(&outcome, 2, GIB + MIB, 2 * MIB, WB | MR);
    assert_change(&outcome, 3, GIB + 3 * MIB, 1021 * MIB, WB);
    assert_change(&outcome, 4, 2 * GIB, GIB, WB);
    for (size_t max = 0; max < 5; max++) {
        outcome = plan_map(map, 3, &request, max);
        assert_refused(&outcome, MMRIG_MIRROR_STATUS_TOO_MANY, max);
    }
}

/* A range over a hole in the map, and one behind the map's end. */
static void test_holes(void)
{
    const struct mirror_descriptor map[] = {
        {0, GIB, WB, 0, true}, {2 * GIB, GIB, WB, 0, true}, {3 * GIB, GIB, WB, 0, true}};
    struct mirror_request request = {.range_count = 1,
                                     .ranges = {{GIB, 2 * GIB, MMRIG_MIRROR_ATTRIBUTE_MIRROR}}};
    Outcome outcome = plan_map(map, 2, &request, 64);

    assert_refused(&outcome, MMRIG_MIRROR_STATUS_NOT_MEMORY, GIB);
    request.ranges[0].base = 3 * GIB;
    request.ranges[0].size = GIB;
    outcome = plan_map(map, 2, &request, 64);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_NOT_MEMORY, 3 * GIB);
    /* What was added up before there was no room is nothing. */
    request.ranges[0].attributes = MMRIG_MIRROR_ATTRIBUTE_SPECIFIC;
    outcome = plan_map(map, 3, &request, 0);
    assert_refused(&outcome, MMRIG_MIRROR_STATUS_TOO_MANY, 0);
}

/* Ranges and nodes to the full number, and what lies behind the number that is said. */
static void test_numbers(void)
{
    const struct mirror_variable variable = {.version = 1, .percent = 5000};
    struct mirror_request request = {.node_count = MMRIG_MIRROR_NODES_MAX};
    Outcome outcome;

    for (uint32_t i = 0; i < MMRIG_MIRROR_NODES_MAX; i++)
        request.nodes[i] = (struct mirror_node){4 * GIB + i * GIB, GIB, i};
    outcome = plan_pc(&request);
    g_assert_cmpuint(outcome.plan.status, ==, MMRIG_MIRROR_STATUS_DONE);

    request.ranges[0] = (struct mirror_range){MIB, MIB, MMRIG_MIRROR_ATTRIBUTE_MIRROR};
    g_assert_cmpint(mirror_request_override(&request, &variable), ==, MIRROR_VARIABLE_OK);

    request = (struct mirror_request){.range_count = MMRIG_MIRROR_RANGES_MAX};
    for (uint32_t i = 0; i < MMRIG_MIRROR_RANGES_MAX; i++)
        request.ranges[i] =
            (struct mirror_range){(i + 1) * MIB, 4096, MMRIG_MIRROR_ATTRIBUTE_SPECIFIC};
    outcome = plan_pc(&request);
    g_assert_cmpuint(outcome.plan.status, ==, MMRIG_MIRROR_STATUS_DONE);

    /* The numbers that the firmware's variable has for it. */
    g_assert_cmpint(MIRROR_VARIABLE_OK, ==, 0);
    g_assert_cmpint(MIRROR_VARIABLE_NO_SUPPORT, ==, 1);
    g_assert_cmpint(MIRROR_VARIABLE_BAD_VERSION, ==, 2);
    g_assert_cmpint(MIRROR_VARIABLE_TOO_MUCH, ==, 3);
    g_assert_cmpint(MIRROR_VARIABLE_NOT_WITH_THESE_DIMMS, ==, 4);
    g_assert_cmpint(MIRROR_VARIABLE_OTHER, ==, 5);
}

static void test_variable(void)
{
    const uint8_t good[] = {1, 1, 0xc4, 0x09, 0};
    uint8_t again[MIRROR_VARIABLE_SIZE];
    struct mirror_request request = {.percent = 7};
    struct mirror_variable variable;

    g_assert_false(mirror_variable_read(good, 4, &variable));
    g_assert_false(mirror_variable_read(good, 6, &variable));
    g_assert_true(mirror_variable_read(good, sizeof(good), &variable));
    g_assert_cmpuint(variable.percent, ==, 2500);
    mirror_variable_write(&variable, again);
    g_assert_cmpmem(again, sizeof(again), good, sizeof(good));

    const uint8_t other[] = {7, 0, 0x34, 0x12, 5};
    g_assert_true(mirror_variable_read(other, sizeof(other), &variable));
    g_assert_cmpuint(variable.version, ==, 7);
    g_assert_cmpint(variable.below_4g, ==, FALSE);
    g_assert_cmphex(variable.percent, ==, 0x1234);
    g_assert_cmpuint(variable.status, ==, 5);
    mirror_variable_write(&variable, again);
    g_assert_cmpmem(again, sizeof(again), other, sizeof(other));
    g_assert_true(mirror_variable_read(good, sizeof(good), &variable));

    g_assert_cmpint(mirror_request_override(&request, &variable), ==, MIRROR_VARIABLE_OK);
    g_assert_cmpuint(request.percent, ==, 2500);
    g_assert_true(request.below_4g);

    /* Refused, a request leaves all as it was. */
    variable.version = 2;
    variable.percent = 100;
    g_assert_cmpint(mirror_request_override(&request, &variable), ==,
                    MIRROR_VARIABLE_BAD_VERSION);
    variable.version = 1;
    variable.percent = 5001;
    g_assert_cmpint(mirror_request_override(&request, &variable), ==, MIRROR_VARIABLE_TOO_MUCH);
    variable.percent = 5000;
    request.range_count = 1;
    request.ranges[0] = (struct mirror_range){MIB, MIB, MMRIG_MIRROR_ATTRIBUTE_MIRROR};
    g_assert_cmpint(mirror_request_override(&request, &variable), ==,
                    MIRROR_VARIABLE_NOT_WITH_THESE_DIMMS);
    g_assert_cmpuint(request.percent, ==, 2500);
    /* What is set aside for a purpose does not stand in the way. */
    request.ranges[0].attributes = MMRIG_MIRROR_ATTRIBUTE_SPECIFIC;
    g_assert_cmpint(mirror_request_override(&request, &variable), ==, MIRROR_VARIABLE_OK);
    g_assert_cmpuint(request.percent, ==, 5000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/firmware/nothing", test_nothing);
    g_test_add_func("/firmware/ranges", test_ranges);
    g_test_add_func("/firmware/order", test_order);
    g_test_add_func("/firmware/shares", test_shares);
    g_test_add_func("/firmware/small-shares", test_small_shares);
    g_test_add_func("/firmware/taken-away", test_taken_away);
    g_test_add_func("/firmware/refused", test_refused);
    g_test_add_func("/firmware/bad-nodes", test_bad_nodes);
    g_test_add_func("/firmware/bad-map", test_bad_map);
    g_test_add_func("/firmware/too-many", test_too_many);
    g_test_add_func("/firmware/sides", test_sides);
    g_test_add_func("/firmware/holes", test_holes);
    g_test_add_func("/firmware/numbers", test_numbers);
    g_test_add_func("/firmware/variable", test_variable);
    return g_test_run();
}
