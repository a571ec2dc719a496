/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random requests to mmrig-ras and a mirror's second copies, which both make lines bad, in two
 * nodes' memory and a DIMM; loads, stores, resets, migrations, and the DIMM taken out and put
 * back. Beside the machine is a model of it.
 */
#include "mmrig-mirror-regs.h"
#include "ras-check.h"
#include "ras-model.h"

#define INTEL "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"
#define SLOT  4
#define REGS  0xe0000000u
/* Of the address space, all that there can be memory in. */
#define ALL (UINT64_C(1) << 40)

static struct {
    uint64_t steps, injected, refused, consumed, cleared, filtered, resets, migrations, plugs;
} count;

static const uint64_t odd_numbers[] = {
    0,
    1,
    63,
    64,
    4095,
    4096,
    6291456,
    6291457,
    ALL,
    1ull << 32,
    0xa0000,
    0xfee00000,
    0xc000000,
    INT64_MAX,
    1ull << 63,
    0x4000000,
    0x140000000,
    0x148000000,
    UINT64_MAX - 63,
    UINT64_MAX - 4095,
    UINT64_MAX,
};

/* ---- The machine against the model ------------------------------------------------------- */

static void check_number(Model *m, const char *property, uint64_t expected)
{
    uint64_t value = qtest_get(m->q, "ras0", property);

    if (value != expected)
        g_error("%s is %" PRIu64 ", should be %" PRIu64, property, value, expected);
}

static void check_list(Model *m)
{
    g_autofree char *expected = expect_list(m);

    assert_list(m->q, expected);
}

static void check_last(Model *m)
{
    g_autofree char *expected = expect_last(m);
    g_autoptr(JsonNode) node = qtest_qmp(m->q, "{'execute':'qom-get','arguments':{"
                                               "'path':'ras0','property':'last'}}");

    g_assert_cmpstr(json_node_get_string(node), ==, expected);
}

static void check_counters(Model *m)
{
    check_number(m, "consumed-loads", 0);
    check_number(m, "consumed-fetches", 0);
    check_number(m, "consumed-dma", m->dma);
    check_number(m, "filtered", m->filtered);
    check_number(m, "stores", m->stores);
    check_number(m, "cleared", m->cleared);
    check_number(m, "injected", m->injected);
    check_number(m, "pages", expect_pages(m));
}

static void check_all(Model *m)
{
    check_list(m);
    check_last(m);
    check_counters(m);
}

/* ---- Steps ------------------------------------------------------------------------------- */

static void any_part(uint64_t *base, uint64_t *size)
{
    uint64_t area = PICK(areas);
    uint64_t offset = (uint64_t)g_test_rand_int_range(0, (int)AREA_SIZE);

    *size = (uint64_t)g_test_rand_int_range(1, one_in(4) ? 2 * 4096 : 200);
    *size = MIN(*size, AREA_SIZE - offset);
    *base = area + offset;
}

static void do_inject(Model *m)
{
    static const struct {
        const char *text;
        gboolean poison, event;
    } kinds[] = {{"poison", TRUE, FALSE},
                 {"ucna", TRUE, TRUE},
                 {"ce", FALSE, TRUE},
                 {"ce,poison=on", TRUE, TRUE},
                 {"ucna,poison=off", FALSE, TRUE}};
    guint kind = one_in(2) ? 0 : (guint)g_test_rand_int_range(0, G_N_ELEMENTS(kinds));
    g_autofree char *text = NULL;
    uint64_t base;
    uint64_t size;

    any_part(&base, &size);
    text =
        g_strdup_printf("kind=%s,gpa=0x%" PRIx64 ",len=%" PRIu64, kinds[kind].text, base, size);
    fuzz_set(m->q, "ras0", "inject", text, TRUE);
    if (kinds[kind].poison)
        expect_bad(m, base, size, BY_RAS);
    m->injected += kinds[kind].event;
    count.injected++;
}

/* What is no RAM as a whole, of too many pages, or no request at all: nothing of it is done. */
static void do_refuse(Model *m)
{
    static const char *const nonsense[] = {
        "",
        "kind",
        "kind=",
        "kind=poison",
        "kind=poison,gpa=",
        "kind=poison,gpa=0x1000000,gpa=0x1000000",
        "kind=poison,gpa=0x1000000,len=0",
        "kind=poison,gpa=0x1000000,cpu=0",
        "kind=ce,gpa=0x1000000,count=0",
        "kind=ce,gpa=0x1000000,cpu=9",
        "kind=ucna,gpa=0xfffffffffffffff0,len=17",
        "kind=nothing,gpa=0x1000000",
        "kind=poison,gpa=0x10000000000000000",
    };
    static const uint64_t ends[] = {0xc000000, 0x140000000, 0x148000000};
    uint64_t number = fuzz_number(odd_numbers, G_N_ELEMENTS(odd_numbers));
    g_autofree char *text = NULL;

    switch (g_test_rand_int_range(0, 4)) {
    case 0:
        fuzz_set(m->q, "ras0", "inject", PICK(nonsense), FALSE);
        break;
    case 1:
        text = g_strdup_printf("kind=poison,gpa=0x%" PRIx64 ",len=%" PRIu64, number | ALL,
                               fuzz_number(odd_numbers, G_N_ELEMENTS(odd_numbers)));
        fuzz_set(m->q, "ras0", "inject", text, FALSE);
        break;
    case 2: /* over the end of the nodes, of the DIMM, or before it */
        text = g_strdup_printf("kind=ucna,gpa=0x%" PRIx64 ",len=8192", PICK(ends) - 4096);
        fuzz_set(m->q, "ras0", "inject", text, FALSE);
        break;
    default:
        text = g_strdup_printf("0x%" PRIx64 "+%" PRIu64, number | ALL, number & 0xffff);
        fuzz_set(m->q, "mirror", "spoil", text, FALSE);
        break;
    }
    count.refused++;
}

static void do_spoil(Model *m)
{
    g_autofree char *text = NULL;
    uint64_t base;
    uint64_t size;

    any_part(&base, &size);
    text = g_strdup_printf("0x%" PRIx64 "+%" PRIu64, base, size);
    fuzz_set(m->q, "mirror", "spoil", text, m->mirrored);
    if (m->mirrored)
        expect_bad(m, base, size, BY_MIRROR);
}

static void do_mirror(Model *m)
{
    if (m->mirrored || !one_in(4))
        return;
    qtest_writel(m->q, REGS + MMRIG_MIRROR_APPLY_BASE_LO, 0);
    qtest_writel(m->q, REGS + MMRIG_MIRROR_APPLY_BASE_HI, 0);
    qtest_writel(m->q, REGS + MMRIG_MIRROR_APPLY_SIZE_LO, 0);
    qtest_writel(m->q, REGS + MMRIG_MIRROR_APPLY_SIZE_HI, ALL >> 32);
    qtest_writel(m->q, REGS + MMRIG_MIRROR_APPLY_ATTRIBUTES, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    qtest_writel(m->q, REGS + MMRIG_MIRROR_APPLY, 1);
    g_assert_cmpuint(qtest_readl(m->q, REGS + MMRIG_MIRROR_ERROR), ==, MMRIG_MIRROR_OK);
    m->mirrored = TRUE;
}

static void do_clear(Model *m)
{
    g_autofree char *text = NULL;
    gboolean all = one_in(2);
    uint64_t base;
    uint64_t size;

    if (one_in(40)) {
        fuzz_set(m->q, "ras0", "clear", "all", TRUE);
        expect_good(m, 0, LINES - 1, BY_RAS | BY_MIRROR);
        return;
    }
    any_part(&base, &size);
    text = g_strdup_printf("gpa=0x%" PRIx64 ",len=%" PRIu64 ",source=%s", base, size,
                           all ? "all" : "ras");
    fuzz_set(m->q, "ras0", "clear", text, TRUE);
    expect_good(m, line_at(base), line_at(base + size - 1), all ? BY_RAS | BY_MIRROR : BY_RAS);
}

/* An access of a size within a page, often over the border of two lines. */
static uint64_t any_access(unsigned *size)
{
    uint64_t page = PICK(areas) + (uint64_t)g_test_rand_int_range(0, AREA_PAGES) * 4096;

    *size = fuzz_size();
    if (*size > 1 && one_in(4))
        return page + (uint64_t)g_test_rand_int_range(1, 64) * 64 - *size / 2;
    return page + (uint64_t)g_test_rand_int_range(0, 4096 - (int)*size + 1);
}

static void do_load(Model *m)
{
    unsigned size;
    uint64_t address = any_access(&size);
    gboolean good = expect_read(m, address, size);
    uint64_t value = fuzz_read(m->q, address, size);
    uint64_t should = good ? fuzz_word(address, size) : fuzz_ones(size);

    if (value != should)
        g_error("%u bytes at 0x%" PRIx64 " are 0x%" PRIx64 ", should be 0x%" PRIx64, size,
                address, value, should);
}

static void do_store(Model *m)
{
    unsigned size;
    uint64_t address = any_access(&size);

    fuzz_write(m->q, address, fuzz_word(address, size), size);
    expect_store(m, address, size);
}

/* A line, by words, perhaps not all of them. */
static void do_store_line(Model *m)
{
    uint64_t at = address_of((unsigned)g_test_rand_int_range(0, LINES));
    unsigned words = one_in(2) ? 8 : (unsigned)g_test_rand_int_range(1, 8);

    for (unsigned i = 0; i < words; i++) {
        qtest_writeq(m->q, at + 8 * i, at + 8 * i);
        expect_store(m, at + 8 * i, 8);
    }
}

static void map_mirror(Model *m)
{
    qtest_pci_map(m->q, SLOT, MMRIG_MIRROR_BAR_REGS, REGS);
    qtest_pci_command(m->q, SLOT, FALSE);
}

static void do_reset(Model *m)
{
    if (!one_in(60))
        return;
    fuzz_reset(m->q, SLOT);
    expect_reset(m);
    map_mirror(m);
    check_all(m);
    count.resets++;
}

/* QEMU's docs/specs/acpi_mem_hotplug: the slot, and in its controls bit 3, which ejects. */
#define HOTPLUG_SLOT    0xa00
#define HOTPLUG_CONTROL 0xa14
#define HOTPLUG_EJECT   8

/* Poison goes with the DIMM; what it holds is its backend's. */
static void do_plug(Model *m)
{
    if (!one_in(60))
        return;
    json_node_unref(qtest_qmp(m->q, "{'execute':'device_del','arguments':{'id':'dimm0'}}"));
    qtest_outl(m->q, HOTPLUG_SLOT, 0);
    qtest_outl(m->q, HOTPLUG_CONTROL, HOTPLUG_EJECT);
    expect_good(m, DIMM * AREA_LINES, LINES - 1, BY_RAS | BY_MIRROR);
    for (unsigned i = 0; i < 1000 && qtest_get(m->q, "ras0", "pages") != expect_pages(m); i++)
        g_usleep(1000);
    check_list(m);
    json_node_unref(qtest_qmp(m->q,
                              "{'execute':'device_add','arguments':{'driver':'pc-dimm',"
                              "'id':'dimm0','memdev':'d0','addr':%" PRIu64 "}}",
                              areas[DIMM]));
    count.plugs++;
}

static QTest *start(const Model *m, const char *incoming)
{
    static const char *const stores[] = {"full-line", "any", "never"};
    g_autofree char *device =
        g_strdup_printf("mmrig-ras,id=ras0,store-clears=%s,reset=%s", stores[m->store],
                        m->reset_clears ? "clear" : "keep");

    return qtest_start(
        "-cpu", INTEL, "-D", "/dev/null", "-m", "size=192M,slots=1,maxmem=4G", "-object",
        "memory-backend-ram,id=m0,size=64M", "-numa", "node,memdev=m0", "-object",
        "memory-backend-ram,id=m1,size=128M", "-numa", "node,memdev=m1", "-object",
        "memory-backend-ram,id=d0,size=128M", "-device",
        "pc-dimm,id=dimm0,memdev=d0,addr=0x140000000", "-device", device, "-device",
        "mmrig-mirror,id=mirror,addr=4", incoming ? "-incoming" : NULL, incoming, NULL);
}

static void do_migrate(Model *m)
{
    m->q = fuzz_migrate(m->q, start, m);
    count.migrations++;
}

static const FuzzStep steps[] = {
    {"inject", 2, do_inject}, {"refuse", 1, do_refuse},         {"spoil", 2, do_spoil},
    {"mirror", 1, do_mirror}, {"clear", 1, do_clear},           {"load", 6, do_load},
    {"store", 3, do_store},   {"store-line", 2, do_store_line}, {"reset", 1, do_reset},
    {"plug", 1, do_plug},     {"list", 1, check_list},
};

static const FuzzPlan plan = {
    .steps = steps,
    .step_count = G_N_ELEMENTS(steps),
    .after = check_last,
    .often = check_counters,
    .check = check_all,
    .migrate = do_migrate,
    .machine_steps = 20000,
};

static void one_machine(gint64 end)
{
    Model *m = g_new0(Model, 1);

    m->store = (Store)g_test_rand_int_range(0, 3);
    m->reset_clears = one_in(2);
    m->q = start(m, NULL);
    map_mirror(m);
    for (unsigned i = 0; i < AREAS; i++)
        fuzz_fill(m->q, areas[i], AREA_SIZE);
    count.steps += fuzz_machine(m, &plan, end);
    count.consumed += m->dma;
    count.cleared += m->cleared;
    count.filtered += m->filtered;
    qtest_stop(m->q);
    g_free(m);
}

static void test_fuzz(void)
{
    gint64 end = fuzz_end();

    while (g_get_monotonic_time() < end)
        one_machine(end);
    g_test_message("%" PRIu64 " steps: %" PRIu64 " requests, %" PRIu64 " refused, %" PRIu64
                   " reads of poison, %" PRIu64 " made good by a mirror, %" PRIu64
                   " lines cleared by stores, %" PRIu64 " resets, %" PRIu64
                   " migrations, %" PRIu64 " DIMMs",
                   count.steps, count.injected, count.refused, count.consumed, count.filtered,
                   count.cleared, count.resets, count.migrations, count.plugs);
    /* Else it would be wide of the mark; on a busy host a short run can be too short. */
    if (count.steps < 5000)
        return;
    g_assert_cmpuint(count.consumed, >, 0);
    g_assert_cmpuint(count.filtered, >, 0);
    g_assert_cmpuint(count.plugs, >, 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    return fuzz_main(argv[0], "/ras/fuzz", test_fuzz);
}
