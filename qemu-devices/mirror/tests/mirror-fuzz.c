/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random accesses to mmrig-mirror, with poison in both copies of what it has mirrored, resets,
 * migrations and a hostile configuration space in between, for some seconds. Beside the device
 * is a model of it, written from docs/devices/mirror.md: whatever is read must be what the
 * model says.
 */
#include <inttypes.h>
#include <string.h>

#include "mirror-model.h"

#define SLOT 4
/* Pages with poison that there can be (docs/devices/ras.md). */
#define PAGES_MAX 1536

#define COMMAND 0x04
#define BAR     (0x10 + 4 * MMRIG_MIRROR_BAR_REGS)
#define ROM_BAR 0x30

static const uint32_t writable[] = {
    MMRIG_MIRROR_APPLY_BASE_LO,
    MMRIG_MIRROR_APPLY_BASE_HI,
    MMRIG_MIRROR_APPLY_SIZE_LO,
    MMRIG_MIRROR_APPLY_SIZE_HI,
    MMRIG_MIRROR_APPLY_ATTRIBUTES,
    MMRIG_MIRROR_APPLY,
    MMRIG_MIRROR_STATUS,
    MMRIG_MIRROR_STATUS_DETAIL_LO,
    MMRIG_MIRROR_STATUS_DETAIL_HI,
    MMRIG_MIRROR_SOURCE,
    MMRIG_MIRROR_ERROR,
};
static const uint64_t odd_numbers[] = {
    0,
    1,
    64,
    4095,
    4096,
    4097,
    BAD_START,
    BAD_START + BAD_SIZE,
    RAM_SIZE - 4096,
    RAM_SIZE,
    0xa0000,
    0xfee00000,
    0xfffff000,
    1ull << 32,
    1ull << 40,
    1ull << 52,
    INT64_MAX,
    1ull << 63,
    UINT64_MAX - 4095,
    UINT64_MAX,
};
static const uint64_t bars[] = {0xe0000000, 0xe0001000, 0xd0000000, 0xfd000000, 0xc0000000};

/* ---- The device against it --------------------------------------------------------------- */

static void check_register(Model *m, uint32_t reg)
{
    uint32_t value = qtest_readl(m->q, m->regs + reg);

    if (value != expected(m, reg))
        g_error("register 0x%03x is 0x%x, should be 0x%x", reg, value, expected(m, reg));
}

static void check_poison(Model *m)
{
    uint64_t bad = 0;

    for (unsigned i = 0; i < BAD_LINES; i++)
        bad += m->first[i] || m->second[i];
    g_assert_cmpuint(qtest_get(m->q, "ras0", "poisoned"), ==, bad);
}

static void check_all(Model *m)
{
    for (uint32_t reg = 0; reg < MMRIG_MIRROR_REGS_SIZE; reg += 4)
        check_register(m, reg);
    check_poison(m);
    g_assert_cmpuint(qtest_get(m->q, "mirror", "status"), ==, m->status);
    g_assert_cmphex(qtest_get(m->q, "mirror", "status-detail"), ==, m->status_detail);
    g_assert_cmpuint(qtest_get(m->q, "mirror", "corrected"), ==, m->corrected);
    g_assert_cmpuint(qtest_get(m->q, "mirror", "failovers"), ==, m->failovers);
}

/* ---- Steps ------------------------------------------------------------------------------- */

static uint64_t any_number(void)
{
    return fuzz_number(odd_numbers, G_N_ELEMENTS(odd_numbers));
}

static uint32_t any_register(void)
{
    switch (g_test_rand_int_range(0, 4)) {
    case 0:
        return (uint32_t)g_test_rand_int_range(0, MMRIG_MIRROR_REGS_SIZE / 4) * 4;
    case 1:
        return PICK(others);
    default:
        return PICK(writable);
    }
}

static void write_register(Model *m, uint32_t reg, uint32_t value)
{
    qtest_writel(m->q, m->regs + reg, value);
    expect_write(m, reg, value);
}

static void any_write(Model *m)
{
    uint32_t value =
        one_in(2) ? (uint32_t)g_test_rand_int_range(0, 20) : (uint32_t)any_number();

    write_register(m, any_register(), value);
}

/* Of a size or at a place that the registers refuse. */
static void bad_access(Model *m)
{
    unsigned size = fuzz_size();
    uint32_t reg = (uint32_t)g_test_rand_int_range(0, MMRIG_MIRROR_REGS_SIZE - 8);
    uint64_t value = any_64();

    if (size == 4)
        reg |= (uint32_t)g_test_rand_int_range(1, 4);
    if (one_in(2))
        g_assert_cmphex(fuzz_read(m->q, m->regs + reg, size), ==, fuzz_ones(size));
    else
        fuzz_write(m->q, m->regs + reg, value, size);
    expect_error(m, MMRIG_MIRROR_ERR_ACCESS, reg);
}

static void apply(Model *m, uint64_t base, uint64_t size, uint32_t attributes)
{
    write_register(m, MMRIG_MIRROR_APPLY_BASE_LO, (uint32_t)base);
    write_register(m, MMRIG_MIRROR_APPLY_BASE_HI, (uint32_t)(base >> 32));
    write_register(m, MMRIG_MIRROR_APPLY_SIZE_LO, (uint32_t)size);
    write_register(m, MMRIG_MIRROR_APPLY_SIZE_HI, (uint32_t)(size >> 32));
    write_register(m, MMRIG_MIRROR_APPLY_ATTRIBUTES, attributes);
    write_register(m, MMRIG_MIRROR_APPLY, (uint32_t)g_test_rand_int());
}

static void any_apply(Model *m)
{
    uint64_t page = (uint64_t)g_test_rand_int_range(0, BAD_PAGES);

    if (one_in(8))
        apply(m, any_number(), any_number(), (uint32_t)g_test_rand_int_range(0, 5));
    else if (one_in(4))
        apply(m, BAD_START + page * 4096,
              (uint64_t)g_test_rand_int_range(1, (int)(BAD_PAGES - page) + 1) * 4096,
              (uint32_t)g_test_rand_int_range(1, 4));
}

/* A range in the bad memory. */
static void any_part(uint64_t *base, uint64_t *size)
{
    uint64_t offset = (uint64_t)g_test_rand_int_range(0, (int)BAD_SIZE);

    *size = (uint64_t)g_test_rand_int_range(1, one_in(4) ? 3 * 4096 : 200);
    *size = MIN(*size, BAD_SIZE - offset);
    *base = BAD_START + offset;
}

/* One that cannot be RAM as a whole, or of more pages than there may be. */
static void any_bad_part(uint64_t *base, uint64_t *size)
{
    switch (g_test_rand_int_range(0, 4)) {
    case 0:
        *base = any_number() | RAM_SIZE << 8;
        *size = any_number();
        break;
    case 1:
        *base = RAM_SIZE - 8192;
        *size = 8193 + (any_number() >> 1);
        break;
    case 2:
        *base = BAD_START;
        *size = PAGES_MAX * 4096ull + 1 + (any_number() >> 1);
        break;
    default:
        *base = any_number();
        *size = 0;
        break;
    }
}

static void mark(gboolean *lines, uint64_t base, uint64_t size, gboolean bad)
{
    for (uint64_t i = (base - BAD_START) / 64; i <= (base + size - 1 - BAD_START) / 64; i++)
        lines[i] = bad;
}

static void any_spoil(Model *m)
{
    static const char *const nonsense[] = {
        "",
        "+",
        "0x+1",
        "4096",
        "-1+4096",
        "0x2000000+-64",
        "0x2000000+64X",
        "a+b",
        "0 +64",
        "0x2000000+64+64",
        "0x2000000+99999999999999999999",
        "0+17179869184G",
        "0x20000000000000000+64",
    };
    gboolean good = !one_in(3);
    g_autofree char *text = NULL;
    uint64_t base;
    uint64_t size;

    if (!good && one_in(3)) {
        fuzz_set(m->q, "mirror", "spoil", PICK(nonsense), FALSE);
        return;
    }
    if (good)
        any_part(&base, &size);
    else
        any_bad_part(&base, &size);
    for (uint64_t page = base & ~0xfffull; good && page < base + size; page += 4096)
        good = is_mirrored(m, page);
    text = g_strdup_printf("0x%" PRIx64 "+%" PRIu64, base, size);
    fuzz_set(m->q, "mirror", "spoil", text, good);
    if (good) {
        mark(m->second, base, size, TRUE);
        count.spoilt++;
    }
}

static void any_inject(Model *m)
{
    gboolean good = !one_in(4);
    g_autofree char *text = NULL;
    uint64_t base;
    uint64_t size;

    if (good)
        any_part(&base, &size);
    else
        any_bad_part(&base, &size);
    text = g_strdup_printf("kind=poison,gpa=0x%" PRIx64 ",len=%" PRIu64, base, size);
    fuzz_set(m->q, "ras0", "inject", text, good);
    if (good)
        mark(m->first, base, size, TRUE);
}

static void any_clear(Model *m)
{
    gboolean all = one_in(2);
    g_autofree char *text = NULL;
    uint64_t base;
    uint64_t size;

    any_part(&base, &size);
    text = g_strdup_printf("gpa=0x%" PRIx64 ",len=%" PRIu64 "%s", base, size,
                           all ? ",source=all" : "");
    fuzz_set(m->q, "ras0", "clear", text, TRUE);
    mark(m->first, base, size, FALSE);
    if (all)
        mark(m->second, base, size, FALSE);
}

static void any_load(Model *m)
{
    unsigned size = fuzz_size();
    uint64_t page = BAD_START + (uint64_t)g_test_rand_int_range(0, BAD_PAGES) * 4096;
    uint64_t address = page + (uint64_t)g_test_rand_int_range(0, 4096 - (int)size + 1);
    uint64_t value;
    uint64_t should;

    /* Lines meet here, so it is where a read can be of a good and a bad one. */
    if (size > 1 && one_in(4))
        address = page + (uint64_t)g_test_rand_int_range(1, 64) * 64 - size / 2;
    should = expect_load(m, address, size) ? fuzz_word(address, size) : fuzz_ones(size);
    value = fuzz_read(m->q, address, size);
    if (value != should)
        g_error("%u bytes at 0x%" PRIx64 " are 0x%" PRIx64 ", should be 0x%" PRIx64, size,
                address, value, should);
}

/* A whole line: it is good again, in both copies. */
static void any_store(Model *m)
{
    uint64_t line = (uint64_t)g_test_rand_int_range(0, BAD_LINES);
    uint64_t words[8];

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++)
        words[i] = BAD_START + line * 64 + i * 8;
    qtest_write(m->q, BAD_START + line * 64, words, sizeof(words));
    m->first[line] = m->second[line] = FALSE;
}

static void map(Model *m)
{
    m->regs = PICK(bars);
    qtest_pci_writel(m->q, SLOT, BAR, (uint32_t)m->regs);
    qtest_pci_command(m->q, SLOT, one_in(2));
}

/* Whatever is written to configuration space, the device is the same when it can be seen again.
 */
static void any_configuration(Model *m)
{
    if (!one_in(10))
        return;
    fuzz_configuration(m->q, SLOT, any_number);
    g_assert_cmphex(qtest_pci_readl(m->q, SLOT, 0), ==,
                    MMRIG_MIRROR_PCI_DEVICE << 16 | MMRIG_MIRROR_PCI_VENDOR);
    g_assert_cmphex(qtest_pci_readl(m->q, SLOT, 8), ==,
                    MMRIG_MIRROR_PCI_CLASS << 16 | MMRIG_MIRROR_PCI_REVISION);
    /* Without decoding nothing gets to it. */
    qtest_pci_writel(m->q, SLOT, ROM_BAR, 0);
    qtest_pci_writel(m->q, SLOT, COMMAND, 0);
    qtest_pci_writel(m->q, SLOT, BAR, (uint32_t)m->regs);
    qtest_writel(m->q, m->regs + any_register(), (uint32_t)any_number());
    g_assert_cmphex(qtest_readl(m->q, m->regs + MMRIG_MIRROR_ID), !=, MMRIG_MIRROR_ID_VALUE);
    map(m);
}

static void reset(Model *m)
{
    if (!one_in(80))
        return;
    fuzz_reset(m->q, SLOT);
    expect_reset(m);
    map(m);
    check_all(m);
    count.resets++;
}

static QTest *start(const Model *m, const char *incoming)
{
    g_autofree char *device =
        g_strconcat("mmrig-mirror,id=mirror,addr=4,percent=12.5,below-4g=on,"
                    "mirror=0x140000000+64M:0x10000000+4K,specific=0x2000000+1M,debug=",
                    m->debug ? "on" : "off", NULL);

    return qtest_start("-cpu", "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4", "-D",
                       "/dev/null", "-device", "mmrig-ras,id=ras0", "-device", device,
                       incoming ? "-incoming" : NULL, incoming, NULL);
}

/* Neither BAR nor command is told to the other QEMU. */
static void migrate(Model *m)
{
    m->q = fuzz_migrate(m->q, start, m);
    count.migrations++;
}

static void check_any(Model *m)
{
    check_register(m, (uint32_t)g_test_rand_int_range(0, MMRIG_MIRROR_REGS_SIZE / 4) * 4);
}

static void after_step(Model *m)
{
    check_register(m, MMRIG_MIRROR_ERROR);
    check_register(m, MMRIG_MIRROR_ERROR_DETAIL);
    check_register(m, one_in(2) ? PICK(writable) : PICK(others));
}

static const FuzzStep steps[] = {
    {"write", 3, any_write},
    {"bad-access", 1, bad_access},
    {"apply", 2, any_apply},
    {"spoil", 1, any_spoil},
    {"inject", 1, any_inject},
    {"clear", 1, any_clear},
    {"store", 1, any_store},
    {"look", 1, check_any},
    {"configuration", 1, any_configuration},
    {"reset", 1, reset},
    {"load", 3, any_load},
};

static const FuzzPlan plan = {
    .steps = steps,
    .step_count = G_N_ELEMENTS(steps),
    .after = after_step,
    .often = check_poison,
    .check = check_all,
    .migrate = migrate,
    .machine_steps = 20000,
};

static void one_machine(gint64 end)
{
    Model model = {.debug = one_in(2)};
    Model *m = &model;

    m->q = start(m, NULL);
    map(m);
    for (uint32_t reg = 0; reg < MMRIG_MIRROR_REGS_SIZE; reg += 4)
        m->constant[reg / 4] = qtest_readl(m->q, m->regs + reg);
    g_assert_cmphex(m->constant[MMRIG_MIRROR_ID / 4], ==, MMRIG_MIRROR_ID_VALUE);
    g_assert_cmpuint(m->constant[MMRIG_MIRROR_PERCENT / 4], ==, 1250);
    g_assert_cmpuint(m->constant[MMRIG_MIRROR_RANGE_COUNT / 4], ==, 3);
    fuzz_fill(m->q, BAD_START, BAD_SIZE);
    count.steps += fuzz_machine(m, &plan, end);
    qtest_stop(m->q);
}

static void test_fuzz(void)
{
    gint64 end = fuzz_end();

    /* Each machine for some steps, so that more than one is tried. */
    while (g_get_monotonic_time() < end)
        one_machine(end);
    g_test_message("%" PRIu64 " steps: %" PRIu64 " ranges applied, %" PRIu64
                   " register errors, %" PRIu64 " spoilt; reads corrected %" PRIu64
                   ", failed over %" PRIu64 ", of poison %" PRIu64 "; %" PRIu64
                   " resets, %" PRIu64 " migrations",
                   count.steps, count.applied, count.errors, count.spoilt, count.corrected,
                   count.failovers, count.consumed, count.resets, count.migrations);
    /* Else it would be wide of the mark; on a busy host a short run can be too short. */
    if (count.steps < 5000)
        return;
    g_assert_cmpuint(count.applied, >, 0);
    g_assert_cmpuint(count.spoilt, >, 0);
    g_assert_cmpuint(count.corrected, >, 0);
    g_assert_cmpuint(count.failovers, >, 0);
    g_assert_cmpuint(count.consumed, >, 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    return fuzz_main(argv[0], "/mirror/fuzz", test_fuzz);
}
