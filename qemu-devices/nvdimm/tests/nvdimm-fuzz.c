/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random _DSM pages for mmrig-nvdimm, and pages at random places, for some seconds. QEMU must
 * live, an answer must be one, what was injected and not cleared must be what is bad, and
 * memory that was never bad must stay as it is.
 */
#include <inttypes.h>

#include "fuzz.h"
#include "nvdimm-dsm-check.h"

/* In pmem0: nothing here is ever injected. */
#define GUARD_START 0x2000000ull
#define GUARD_SIZE  0x100000ull
/* What an injection can cover at most: 1,536 pages. */
#define REACH 0x600000ull

static uint64_t bases[2];

static const uint64_t odd_numbers[] = {
    0,          1,          63,           64,
    255,        256,        257,          4095,
    4096,       NVD_SIZE,   NVD_SIZE - 1, NVD_SIZE + 1,
    0x7fffffff, 0x80000000, 0xffffffff,   1ull << 32,
    INT64_MAX,  1ull << 63, UINT64_MAX,   UINT64_MAX - 255,
};
static const uint32_t handles[] = {0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 0x10000, 0xffffffff};
static const uint32_t pages[] = {0xfffff000u, 0xfee00000u, 0x0fffff01u, 0xa0000u,   0u,
                                 0x10000000u, 0x0a18u,     0xfebf0000u, 0x01000001u};

static gboolean near_guard(uint64_t address)
{
    uint64_t offset = address - bases[0];

    return offset < NVD_SIZE && offset + REACH > GUARD_START &&
           offset < GUARD_START + GUARD_SIZE;
}

static uint64_t any_address(void)
{
    for (;;) {
        uint64_t address = PICK(odd_numbers);

        switch (g_test_rand_int_range(0, 8)) {
        case 0:
            break;
        case 1:
            address = any_64() >> g_test_rand_int_range(0, 64);
            break;
        case 2:
            address += PICK(bases);
            break;
        case 3:
            address = PICK(bases) + any_64() % NVD_SIZE;
            break;
        default:
            /* Often the same ones, so that they meet. */
            address = PICK(bases) + any_64() % 64 * 256;
            break;
        }
        if (!near_guard(address))
            return address;
    }
}

static uint64_t any_length(void)
{
    switch (g_test_rand_int_range(0, 6)) {
    case 0:
        return PICK(odd_numbers);
    case 1:
        return any_64() >> g_test_rand_int_range(0, 64);
    case 2:
        /* Many pages at once are slow to lay. */
        return any_64() % (g_test_rand_int_range(0, 64) ? 0x8000 : REACH);
    default:
        return any_64() % 16 * 256;
    }
}

static void any_call(QTest *q)
{
    static uint8_t out[MMRIG_NVD_PAGE_SIZE];
    uint8_t data[MMRIG_NVD_IN_MAX] = {0};
    uint32_t handle = PICK(handles);
    uint32_t revision =
        g_test_rand_int_range(0, 20) ? 1 : (uint32_t)g_test_rand_int_range(0, 4);
    uint32_t function = g_test_rand_int_range(0, 20) ? (uint32_t)g_test_rand_int_range(0, 20)
                                                     : (uint32_t)g_test_rand_int();
    uint64_t size;

    if (handle != MMRIG_NVD_HANDLE_ROOT && g_test_rand_int_range(0, 3) == 0)
        revision = 2;
    nvd_put(data, any_address(), 8);
    nvd_put(data + 8, any_length(), 8);
    nvd_put(data + 16, g_test_rand_int_range(0, 2) ? 2 : any_64(), 8);
    if (handle != MMRIG_NVD_HANDLE_ROOT)
        for (unsigned i = 0; i < 32; i++)
            data[i] = (uint8_t)(g_test_rand_int_range(0, 4) ? g_test_rand_int_range(0, 8)
                                                            : g_test_rand_int());
    nvd_call(q, handle, revision, function, data, g_test_rand_int_range(0, 8) ? 40 : 16, out);
    if (handle != MMRIG_NVD_HANDLE_ROOT)
        return;
    size = nvd_get(out, 4);
    g_assert_cmpuint(size, >=, 8);
    g_assert_cmpuint(size, <=, MMRIG_NVD_PAGE_SIZE);
}

/* A whole scrub, as Linux does it: a module, its time, the answer. */
static void whole_scrub(QTest *q)
{
    static uint8_t out[MMRIG_NVD_PAGE_SIZE];

    nvd_range(q, MMRIG_NVD_ARS_START, PICK(bases), NVD_SIZE, MMRIG_NVD_ARS_PERSISTENT, out);
    if (g_test_rand_int_range(0, 4))
        qtest_clock_step(q, 100000000);
    nvd_call(q, MMRIG_NVD_HANDLE_ROOT, MMRIG_NVD_REVISION, MMRIG_NVD_ARS_STATUS, NULL, 0, out);
}

static void any_property(QTest *q)
{
    uint64_t offset = any_64() % (GUARD_START - REACH);
    g_autofree char *text =
        g_strdup_printf("pmem%d %" PRIu64 " %" PRIu64 "%s", g_test_rand_int_range(0, 2), offset,
                        any_64() % 4096 + 1, g_test_rand_int_range(0, 2) ? " notify" : "");

    /* There may be too many already. */
    if (g_test_rand_int_range(0, 8) == 0) {
        nvd_set(q, "clear", "all");
        nvd_set(q, "inject", text);
    } else {
        g_free(nvd_text(q, "modules"));
    }
}

static void one_step(QTest *q)
{
    switch (g_test_rand_int_range(0, 32)) {
    case 0:
        qtest_outl(q, MMRIG_NVD_PORT, PICK(pages));
        break;
    case 1:
        qtest_inl(q, MMRIG_NVD_PORT);
        break;
    case 2:
    case 3:
        qtest_clock_step(q, g_test_rand_int_range(0, 30000000));
        break;
    case 4:
        any_property(q);
        break;
    case 5: {
        uint64_t address = any_address();
        if (address - bases[0] < NVD_SIZE - 8)
            qtest_readq(q, address & ~7ull);
        break;
    }
    case 6: {
        uint64_t address = any_address() & ~63ull;
        if (address - bases[0] < NVD_SIZE - REACH)
            qtest_fill(q, address, (size_t)g_test_rand_int_range(1, 1024), 0x11);
        break;
    }
    case 7:
        whole_scrub(q);
        break;
    default:
        any_call(q);
        break;
    }
}

static void check_rules(QTest *q)
{
    g_autofree char *errors = nvd_text(q, "errors");
    g_auto(GStrv) lines = g_strsplit(errors, "\n", -1);
    uint64_t bad = 0;

    for (char **line = lines; *line && **line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", -1);
        uint64_t offset = g_ascii_strtoull(words[1], NULL, 0);
        uint64_t length = g_ascii_strtoull(words[2], NULL, 0);

        g_assert_cmpuint(length, >, 0);
        g_assert_cmpuint(offset % NVD_UNIT + length % NVD_UNIT, ==, 0);
        g_assert_cmpuint(offset + length, <=, NVD_SIZE);
        bad += length / NVD_UNIT;
    }
    g_assert_cmpuint(nvd_count(q, "count-injected") - nvd_count(q, "count-cleared"), ==, bad);
}

static void check_guarded(QTest *q)
{
    g_autofree uint8_t *bytes = g_malloc(GUARD_SIZE);

    qtest_read(q, bases[0] + GUARD_START, bytes, GUARD_SIZE);
    for (size_t i = 0; i < GUARD_SIZE; i++)
        g_assert_cmphex(bytes[i], ==, 0x5c);
}

static void test_fuzz(void)
{
    gint64 end = fuzz_end();
    uint64_t steps = 0, calls = 0, refused = 0, injected = 0, scrubs = 0, overflows = 0;

    /* Each machine for some steps, so that more than one is tried. */
    while (g_get_monotonic_time() < end) {
        QTest *q = nvd_start(",ars-buffer=100,ars-rate=1G");

        bases[0] = nvd_base(q, "pmem0");
        bases[1] = nvd_base(q, "pmem1");
        qtest_fill(q, bases[0] + GUARD_START, GUARD_SIZE, 0x5c);
        for (guint i = 0; i < 10000 && g_get_monotonic_time() < end; i++) {
            one_step(q);
            steps++;
            if (i % 256 == 0)
                check_rules(q);
        }
        check_rules(q);
        check_guarded(q);
        calls += nvd_count(q, "count-calls");
        refused += nvd_count(q, "count-refused");
        injected += nvd_count(q, "count-injected");
        scrubs += nvd_count(q, "count-scrubs");
        overflows += nvd_count(q, "count-overflows");
        qtest_stop(q);
    }
    g_test_message("%" PRIu64 " steps: %" PRIu64 " calls, %" PRIu64 " of them refused, %" PRIu64
                   " units injected, %" PRIu64 " scrubs, %" PRIu64 " overflows",
                   steps, calls, refused, injected, scrubs, overflows);
    /* Else it would be wide of the mark; on a busy host a short run can be too short. */
    if (steps < 5000)
        return;
    g_assert_cmpuint(calls, >, refused);
    g_assert_cmpuint(injected, >, 0);
    g_assert_cmpuint(overflows, >, 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    return fuzz_main(argv[0], "/nvdimm/fuzz", test_fuzz);
}
