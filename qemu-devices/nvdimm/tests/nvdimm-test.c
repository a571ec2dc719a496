/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-nvdimm on a bare machine, against docs/devices/nvdimm.md. */
#include <glib/gstdio.h>
#include <inttypes.h>
#include <unistd.h>

#include "nvdimm-scrub-check.h"

static void test_functions(void)
{
    QTest *q = nvd_start("");
    uint8_t page[16] = {0};
    static const uint32_t unknown[] = {6, 10, 11, 31, 32, 64, 0xffffffff};

    g_assert_cmphex(nvd_call(q, ROOT, REV, 0, NULL, 0, out), ==, MMRIG_NVD_ROOT_MASK);
    g_assert_cmpuint(nvd_get(out, 4), ==, 8);
    /* An unknown revision has no functions. */
    g_assert_cmphex(nvd_call(q, ROOT, 2, 0, NULL, 0, out), ==, 0);
    g_assert_cmphex(nvd_call(q, ROOT, 0, MMRIG_NVD_ARS_STATUS, NULL, 0, out), ==,
                    MMRIG_NVD_NOT_SUPPORTED);
    for (guint i = 0; i < G_N_ELEMENTS(unknown); i++) {
        g_assert_cmphex(nvd_call(q, ROOT, REV, unknown[i], NULL, 0, out), ==,
                        MMRIG_NVD_NOT_SUPPORTED);
        g_assert_cmpuint(nvd_get(out, 4), ==, 8);
    }
    /* A module without labels, and one with: QEMU's functions, and ours. */
    g_assert_cmphex(nvd_call(q, 1, REV, 0, NULL, 0, out), ==, MMRIG_NVD_DIMM_MASK | 1);
    g_assert_cmphex(nvd_call(q, 2, REV, 0, NULL, 0, out), ==, MMRIG_NVD_DIMM_MASK | 0x71);
    g_assert_cmphex(nvd_call(q, 1, 2, 0, NULL, 0, out), ==, MMRIG_NVD_DIMM_MASK | 1);
    /* Get Namespace Label Size is QEMU's, and goes on to it. */
    g_assert_cmphex(nvd_call(q, 2, REV, 4, NULL, 0, out), ==, 0);
    g_assert_cmphex(field(4, 4), ==, 128 << 10);
    /* As is a module that there is not. */
    g_assert_cmphex(nvd_call(q, 77, REV, MMRIG_NVD_SMART, NULL, 0, out), !=, 0);
    /* No page at all, and one that would leave RAM: nothing is written, nobody dies. */
    qtest_outl(q, MMRIG_NVD_PORT, 0xfffff000u);
    qtest_outl(q, MMRIG_NVD_PORT, 0xfee00000u);
    qtest_write(q, 0x0ffff800, page, sizeof(page));
    qtest_outl(q, MMRIG_NVD_PORT, 0x0ffff800);
    qtest_read(q, 0x0ffff800, page, sizeof(page));
    g_assert_cmphex(nvd_get(page, 8), ==, 0);
    qtest_stop(q);
}

static void test_capabilities(void)
{
    QTest *q = nvd_start(",ars-buffer=1024");
    uint64_t base = nvd_base(q, "pmem0");

    g_assert_cmphex(range(q, MMRIG_NVD_ARS_CAPABILITIES, base, NVD_SIZE), ==, 0x20000);
    g_assert_cmpuint(field(4, 4), ==, 1024);
    g_assert_cmpuint(field(8, 4), ==, NVD_UNIT);
    g_assert_cmphex(range(q, MMRIG_NVD_ARS_CAPABILITIES, base + 512, 512), ==, 0x20000);
    g_assert_cmphex(range(q, MMRIG_NVD_ARS_CAPABILITIES, base, NVD_SIZE + 1), ==, 1);
    g_assert_cmphex(range(q, MMRIG_NVD_ARS_CAPABILITIES, base - 1, 2), ==, 1);
    g_assert_cmphex(range(q, MMRIG_NVD_ARS_CAPABILITIES, 0x1000, 0x1000), ==, 1);
    g_assert_cmphex(range(q, MMRIG_NVD_ARS_CAPABILITIES, base, 0), ==, 2);
    g_assert_cmphex(range(q, MMRIG_NVD_ARS_CAPABILITIES, base, UINT64_MAX), ==, 2);
    qtest_stop(q);
}

static void test_scrub(void)
{
    QTest *q = nvd_start(",ars-rate=64M,notify=off");
    uint64_t base = nvd_base(q, "pmem1");

    g_assert_cmphex(scrub_status(q), ==, SCRUB(NONE));
    nvd_set(q, "inject", "pmem1 0x100010 0x20");
    nvd_set(q, "inject", "pmem1 0x200000 1024");
    nvd_set(q, "inject", "pmem0 0x300000 1024");

    /* 64 MiB, at 64 MiB/s. */
    uint64_t size = NVD_SIZE;
    g_assert_cmphex(start_scrub(q, base, size, MMRIG_NVD_ARS_PERSISTENT, 0), ==, 0);
    g_assert_cmpuint(field(4, 4), ==, 1);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(BUSY));
    g_assert_cmpuint(field(44, 4), ==, 0);
    /* One at a time, whatever the other one is for. */
    g_assert_cmphex(start_scrub(q, base, 4096, MMRIG_NVD_ARS_PERSISTENT, 0), ==,
                    MMRIG_NVD_ARS_BUSY);
    g_assert_cmphex(
        start_scrub(q, base, 4096, MMRIG_NVD_ARS_PERSISTENT, MMRIG_NVD_START_PREVIOUS), ==,
        MMRIG_NVD_ARS_BUSY);
    qtest_clock_step(q, 999 * MS);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(BUSY));
    qtest_clock_step(q, 1 * MS);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(DONE));
    g_assert_cmpuint(nvd_get(out, 4), ==, 4 + 48 + 2 * 24);
    g_assert_cmpuint(field(4, 4), ==, 44 + 2 * 24);
    g_assert_cmphex(field(8, 8), ==, base);
    g_assert_cmphex(field(16, 8), ==, size);
    g_assert_cmphex(field(24, 8), ==, 0);
    g_assert_cmphex(field(32, 8), ==, 0);
    g_assert_cmpuint(field(40, 2), ==, MMRIG_NVD_ARS_PERSISTENT);
    g_assert_cmpuint(field(42, 2), ==, 0);
    g_assert_cmpuint(field(44, 4), ==, 2);
    check_record(0, 2, base + 0x100000, NVD_UNIT);
    check_record(1, 2, base + 0x200000, 1024);

    /* What an earlier scrub found, without the time of one; nobody has looked at pmem0. */
    nvd_set(q, "inject", "pmem1 0x300000 256");
    g_assert_cmphex(
        start_scrub(q, base, size, MMRIG_NVD_ARS_PERSISTENT, MMRIG_NVD_START_PREVIOUS), ==, 0);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(DONE));
    g_assert_cmpuint(field(44, 4), ==, 2);
    g_assert_cmphex(start_scrub(q, nvd_base(q, "pmem0"), NVD_SIZE, MMRIG_NVD_ARS_PERSISTENT,
                                MMRIG_NVD_START_PREVIOUS),
                    ==, 0);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(DONE));
    g_assert_cmpuint(field(44, 4), ==, 0);
    g_assert_cmpuint(nvd_count(q, "count-scrubs"), ==, 1);

    /* After a reset, as after power-on. */
    g_assert_cmphex(start_scrub(q, base, size, MMRIG_NVD_ARS_PERSISTENT, 0), ==, 0);
    json_node_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    qtest_clock_step(q, 1);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(NONE));
    qtest_stop(q);
}

static void test_bad_scrub(void)
{
    QTest *q = nvd_start("");
    uint64_t base = nvd_base(q, "pmem0");
    const struct {
        uint64_t address, length;
        unsigned type;
    } bad[] = {
        {base, NVD_SIZE, 0},
        {base, NVD_SIZE, MMRIG_NVD_ARS_VOLATILE},
        {base, NVD_SIZE, 4},
        {base, NVD_SIZE, 0x8002},
        {base, 0, 2},
        {base, NVD_SIZE + 1, 2},
        {base - 1, NVD_SIZE, 2},
        {0, 4096, 2},
        {base, UINT64_MAX, 2},
        {UINT64_MAX, 1, 2},
        {UINT64_MAX - 1, 4, 2},
        {base + NVD_SIZE - 1, 2, 2},
        {0x8000000000000000, 512, 2},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmphex(start_scrub(q, bad[i].address, bad[i].length, bad[i].type, 0), ==,
                        MMRIG_NVD_INVALID);
        g_assert_cmphex(scrub_status(q), ==, SCRUB(NONE));
    }
    g_assert_cmpuint(nvd_count(q, "count-refused"), ==, G_N_ELEMENTS(bad));
    qtest_stop(q);
}

/* Room for three records, and seven parts to report. */
static void test_overflow(void)
{
    QTest *q = nvd_start(",ars-buffer=120,notify=off");
    uint64_t base = nvd_base(q, "pmem0"), at = base, end = base + NVD_SIZE;
    unsigned found = 0, rounds = 0;

    for (unsigned i = 0; i < 7; i++) {
        g_autofree char *text = g_strdup_printf("pmem0 0x%x 512", 0x100000 * (i + 1));
        nvd_set(q, "inject", text);
    }
    do {
        scrub(q, at, end - at);
        uint32_t status = scrub_status(q);
        unsigned records = (unsigned)field(44, 4);

        g_assert_cmphex(field(8, 8), ==, at);
        for (unsigned i = 0; i < records; i++)
            check_record(i, 1, base + 0x100000 * (found + i + 1), 512);
        found += records;
        rounds++;
        if (status == SCRUB(STOPPED)) {
            g_assert_cmpuint(field(42, 2), ==, MMRIG_NVD_STATUS_OVERFLOW);
            g_assert_cmpuint(records, ==, 3);
            g_assert_cmphex(field(24, 8), ==, base + 0x100000 * found + 512);
            g_assert_cmphex(field(24, 8) + field(32, 8), ==, end);
            g_assert_cmphex(at + field(16, 8), ==, field(24, 8));
            /* What it did not come to is not known. */
            g_autofree char *errors = nvd_text(q, "errors");
            g_auto(GStrv) unknown = g_strsplit(errors, " unknown", -1);
            g_assert_cmpuint(g_strv_length(unknown) - 1, ==, 7 - found);
            at = field(24, 8);
        } else {
            g_assert_cmphex(status, ==, SCRUB(DONE));
            g_assert_cmpuint(field(42, 2), ==, 0);
            at = end;
        }
    } while (at < end);
    g_assert_cmpuint(found, ==, 7);
    g_assert_cmpuint(rounds, ==, 3);
    g_assert_cmpuint(nvd_count(q, "count-overflows"), ==, 2);
    qtest_stop(q);
}

static void test_clear(void)
{
    QTest *q = nvd_start("");
    uint64_t base = nvd_base(q, "pmem0");

    qtest_fill(q, base + 0x1000, 0x2000, 0x5a);
    nvd_set(q, "inject", "pmem0 0x1100 0x100");
    nvd_set(q, "inject", "pmem0 0x2000 0x100");
    g_assert_cmpuint(nvd_count(q, "count-injected"), ==, 2);
    /* A read of it fails, and of its neighbours does not. */
    g_assert_cmphex(qtest_readq(q, base + 0x1100), !=, 0x5a5a5a5a5a5a5a5a);
    g_assert_cmphex(qtest_readq(q, base + 0x10f8), ==, 0x5a5a5a5a5a5a5a5a);
    g_assert_cmphex(qtest_readq(q, base + 0x1200), ==, 0x5a5a5a5a5a5a5a5a);
    g_assert_cmpuint(nvd_count(q, "count-consumed"), ==, 1);
    /* Who has read it knows it, and so does a short scrub. */
    g_assert_cmphex(
        start_scrub(q, base, NVD_SIZE, MMRIG_NVD_ARS_PERSISTENT, MMRIG_NVD_START_PREVIOUS), ==,
        0);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(DONE));
    g_assert_cmpuint(field(44, 4), ==, 1);
    check_record(0, 1, base + 0x1100, 0x100);

    g_assert_cmphex(range(q, MMRIG_NVD_CLEAR_ERROR, base + 0x1180, 0x100), ==, 2);
    g_assert_cmphex(range(q, MMRIG_NVD_CLEAR_ERROR, base + 0x1100, 0x80), ==, 2);
    g_assert_cmphex(range(q, MMRIG_NVD_CLEAR_ERROR, base + 0x1100, 0), ==, 2);
    g_assert_cmphex(range(q, MMRIG_NVD_CLEAR_ERROR, 0x1000, 0x100), ==, 2);
    g_assert_cmphex(range(q, MMRIG_NVD_CLEAR_ERROR, base, NVD_SIZE + 256), ==, 2);
    g_assert_cmpuint(nvd_count(q, "count-cleared"), ==, 0);

    g_assert_cmphex(range(q, MMRIG_NVD_CLEAR_ERROR, base + 0x1000, 0x400), ==, 0);
    g_assert_cmpuint(field(8, 8), ==, 0x400);
    g_assert_cmpuint(nvd_get(out, 4), ==, 20);
    g_assert_cmpuint(nvd_count(q, "count-cleared"), ==, 1);
    /* What was bad is lost, what was beside it is not. */
    g_assert_cmphex(qtest_readq(q, base + 0x1100), ==, 0);
    g_assert_cmphex(qtest_readq(q, base + 0x11f8), ==, 0);
    g_assert_cmphex(qtest_readq(q, base + 0x10f8), ==, 0x5a5a5a5a5a5a5a5a);
    g_assert_cmphex(qtest_readq(q, base + 0x1200), ==, 0x5a5a5a5a5a5a5a5a);

    /* A store of all of a unit makes it good, and less does not. */
    uint8_t bytes[NVD_UNIT];
    memset(bytes, 0xa5, sizeof(bytes));
    qtest_write(q, base + 0x2000, bytes, 192);
    g_autofree char *errors = nvd_text(q, "errors");
    g_assert_cmpstr(errors, ==, "pmem0 0x2000 0x100 unknown\n");
    qtest_write(q, base + 0x2000 + 192, bytes, 64);
    g_autofree char *none = nvd_text(q, "errors");
    g_assert_cmpstr(none, ==, "");
    g_assert_cmphex(qtest_readq(q, base + 0x20f8), ==, 0xa5a5a5a5a5a5a5a5);
    qtest_stop(q);
}

static void test_translate(void)
{
    QTest *q = nvd_start("");
    uint64_t base = nvd_base(q, "pmem1");

    g_assert_cmphex(range(q, MMRIG_NVD_TRANSLATE_SPA, base + 0x1234, 0), ==, 0);
    g_assert_cmpuint(nvd_get(out, 4), ==, 40);
    g_assert_cmphex(field(4, 4), ==, 0);
    g_assert_cmphex(field(8, 8), ==, NVD_SIZE - 0x1234);
    g_assert_cmpuint(field(16, 4), ==, 1);
    g_assert_cmpuint(field(20, 4), ==, 2);
    g_assert_cmphex(field(28, 8), ==, 0x1234);
    g_assert_cmphex(range(q, MMRIG_NVD_TRANSLATE_SPA, 0, 0), ==, 2);
    /* Its labels are not in the guest's memory. */
    g_assert_cmphex(range(q, MMRIG_NVD_TRANSLATE_SPA, base + NVD_SIZE, 0), ==, 2);
    g_assert_cmphex(range(q, MMRIG_NVD_TRANSLATE_SPA, UINT64_MAX, 0), ==, 2);
    qtest_stop(q);
}

static void test_inject(void)
{
    QTest *q = nvd_start("");
    uint64_t base = nvd_base(q, "pmem0");

    g_assert_cmphex(range(q, MMRIG_NVD_INJECT, base + 10, 300), ==, 0);
    g_assert_cmphex(range(q, MMRIG_NVD_INJECT, base + NVD_SIZE - 1, 1), ==, 0);
    g_assert_cmphex(range(q, MMRIG_NVD_INJECT, base + NVD_SIZE - 1, 2), ==, 2);
    g_assert_cmphex(range(q, MMRIG_NVD_INJECT, base, 0), ==, 2);
    g_assert_cmphex(range(q, MMRIG_NVD_INJECT, 0x100000, 64), ==, 2);
    /* More than there can be: all or nothing. */
    g_assert_cmphex(range(q, MMRIG_NVD_INJECT, base, NVD_SIZE), ==, 2);
    g_assert_cmphex(nvd_call(q, ROOT, REV, MMRIG_NVD_INJECT_STATUS, NULL, 0, out), ==, 0);
    g_assert_cmpuint(field(4, 4), ==, 2);
    g_assert_cmpuint(nvd_get(out, 4), ==, 4 + 8 + 2 * 16);
    g_assert_cmphex(field(8, 8), ==, base);
    g_assert_cmphex(field(16, 8), ==, 512);
    g_assert_cmphex(field(24, 8), ==, base + NVD_SIZE - 256);
    g_assert_cmphex(field(32, 8), ==, 256);

    g_assert_cmphex(range(q, MMRIG_NVD_INJECT_CLEAR, base + 256, 256), ==, 0);
    g_assert_cmphex(range(q, MMRIG_NVD_INJECT_CLEAR, base + 256, 0), ==, 2);
    g_assert_cmphex(range(q, MMRIG_NVD_INJECT_CLEAR, base - 1, 2), ==, 2);
    g_autofree char *errors = nvd_text(q, "errors");
    g_assert_cmpstr(errors, ==, "pmem0 0x0 0x100 unknown\npmem0 0x3ffff00 0x100 unknown\n");

    /* More parts than an answer can hold: as many as fit, and nothing behind. */
    for (unsigned i = 0; i < 300; i++)
        g_assert_cmphex(range(q, MMRIG_NVD_INJECT, base + 0x10000 + 0x1000 * i, 1), ==, 0);
    g_assert_cmphex(nvd_call(q, ROOT, REV, MMRIG_NVD_INJECT_STATUS, NULL, 0, out), ==, 0);
    g_assert_cmpuint(field(4, 4), ==, 255);
    g_assert_cmpuint(nvd_get(out, 4), ==, 4 + 8 + 255 * 16);
    qtest_stop(q);
}

static void test_events(void)
{
    QTest *q = nvd_start("");
    uint64_t base = nvd_base(q, "pmem0");

    g_assert_cmphex(qtest_inl(q, MMRIG_NVD_PORT), ==, 0);
    g_assert_cmphex(range(q, MMRIG_NVD_INJECT, base, 64), ==, 0);
    g_assert_cmphex(qtest_inl(q, MMRIG_NVD_PORT), ==, 0);
    g_assert_cmphex(nvd_range(q, MMRIG_NVD_INJECT, base, 64, MMRIG_NVD_INJECT_NOTIFY, out), ==,
                    0);
    g_assert_cmphex(qtest_inl(q, MMRIG_NVD_PORT), ==, MMRIG_NVD_EVENT_ERROR);
    g_assert_cmphex(qtest_inl(q, MMRIG_NVD_PORT), ==, 0);
    g_autofree char *errors = nvd_text(q, "errors");
    g_assert_cmpstr(errors, ==, "pmem0 0x0 0x100 known\n");
    nvd_set(q, "raise", "error");
    nvd_set(q, "raise", "pmem1");
    g_assert_cmphex(qtest_inl(q, MMRIG_NVD_PORT), ==,
                    MMRIG_NVD_EVENT_ERROR | MMRIG_NVD_EVENT_HEALTH(1));
    g_assert_cmpuint(nvd_count(q, "count-notified"), ==, 3);
    /* A reset forgets them. */
    nvd_set(q, "raise", "error");
    json_node_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    qtest_clock_step(q, 1);
    g_assert_cmphex(qtest_inl(q, MMRIG_NVD_PORT), ==, 0);
    qtest_stop(q);
}

static void test_health(void)
{
    QTest *q = nvd_start("");
    uint8_t data[16];

    g_assert_cmphex(nvd_call(q, 1, REV, MMRIG_NVD_SMART, NULL, 0, out), ==, 0);
    g_assert_cmpuint(nvd_get(out, 4), ==, 4 + 132);
    g_assert_cmpuint(field(12, 1), ==, 0);
    g_assert_cmpuint(field(13, 1), ==, 75);
    g_assert_cmpuint(field(16, 2), ==, MMRIG_NVD_DEGREES(23));
    g_assert_cmpuint(field(20, 4), ==, 0);

    /* Too few spares: an alarm, and a notification. */
    memset(data, 0, sizeof(data));
    nvd_put(data, MMRIG_NVD_SMART_INJECT_SPARES, 8);
    data[11] = 1;
    data[12] = 3;
    g_assert_cmphex(nvd_call(q, 1, 2, MMRIG_NVD_SMART_INJECT, data, sizeof(data), out), ==, 0);
    g_assert_cmphex(qtest_inl(q, MMRIG_NVD_PORT), ==, MMRIG_NVD_EVENT_HEALTH(0));
    g_assert_cmphex(nvd_call(q, 1, REV, MMRIG_NVD_SMART, NULL, 0, out), ==, 0);
    g_assert_cmpuint(field(12, 1), ==, MMRIG_NVD_HEALTH_NON_CRITICAL);
    g_assert_cmpuint(field(13, 1), ==, 3);
    g_assert_cmpuint(field(15, 1), ==, MMRIG_NVD_ALARM_SPARES);
    /* The other module is well. */
    g_assert_cmphex(nvd_call(q, 2, REV, MMRIG_NVD_SMART, NULL, 0, out), ==, 0);
    g_assert_cmpuint(field(12, 1), ==, 0);
    /* More than all of them, or nothing to inject. */
    data[12] = 101;
    g_assert_cmphex(nvd_call(q, 1, 2, MMRIG_NVD_SMART_INJECT, data, sizeof(data), out), ==, 2);
    nvd_put(data, 0, 8);
    g_assert_cmphex(nvd_call(q, 1, 2, MMRIG_NVD_SMART_INJECT, data, sizeof(data), out), ==, 2);
    nvd_put(data, 1 << 7, 8);
    g_assert_cmphex(nvd_call(q, 1, 2, MMRIG_NVD_SMART_INJECT, data, sizeof(data), out), ==, 2);
    /* Taken back. */
    nvd_put(data, MMRIG_NVD_SMART_INJECT_SPARES, 8);
    data[11] = 0;
    g_assert_cmphex(nvd_call(q, 1, 2, MMRIG_NVD_SMART_INJECT, data, sizeof(data), out), ==, 0);
    g_assert_cmphex(nvd_call(q, 1, REV, MMRIG_NVD_SMART, NULL, 0, out), ==, 0);
    g_assert_cmpuint(field(12, 1), ==, 0);

    /* Thresholds. */
    memset(data, 0, sizeof(data));
    nvd_put(data, MMRIG_NVD_ALARM_MEDIA_TEMP, 2);
    data[2] = 50;
    nvd_put(data + 3, MMRIG_NVD_DEGREES(20), 2);
    nvd_put(data + 5, MMRIG_NVD_DEGREES(21), 2);
    g_assert_cmphex(nvd_call(q, 1, 2, MMRIG_NVD_SMART_SET_THRESHOLDS, data, 7, out), ==, 0);
    g_assert_cmphex(qtest_inl(q, MMRIG_NVD_PORT), ==, MMRIG_NVD_EVENT_HEALTH(0));
    g_assert_cmphex(nvd_call(q, 1, REV, MMRIG_NVD_SMART_THRESHOLDS, NULL, 0, out), ==, 0);
    g_assert_cmpuint(field(4, 2), ==, MMRIG_NVD_ALARM_MEDIA_TEMP);
    g_assert_cmpuint(field(6, 1), ==, 50);
    g_assert_cmpuint(field(7, 2), ==, MMRIG_NVD_DEGREES(20));
    g_assert_cmpuint(field(9, 2), ==, MMRIG_NVD_DEGREES(21));
    nvd_put(data, 0x8000, 2);
    g_assert_cmphex(nvd_call(q, 1, 2, MMRIG_NVD_SMART_SET_THRESHOLDS, data, 7, out), ==, 2);
    g_assert_cmphex(nvd_call(q, 1, REV, MMRIG_NVD_LATCH_SHUTDOWN, data, 1, out), ==, 0);
    qtest_stop(q);
}

static void refused(QTest *q, const char *property, const char *value, const char *expected)
{
    g_autofree char *why = qtest_qmp_error(
        q, "{'execute':'qom-set','arguments':{'path':'nvd','property':'%s','value':'%s'}}",
        property, value);

    if (!why || !strstr(why, expected))
        g_error("%s=%s: '%s' is not in '%s'", property, value, expected, why ? why : "success");
}

static void test_run_time(void)
{
    QTest *q = nvd_start("");

    refused(q, "inject", "pmem0 0", "is not MODULE OFFSET LENGTH");
    refused(q, "inject", "pmem0 0 1x", "is not MODULE OFFSET LENGTH");
    refused(q, "inject", "pmem7 0 1", "there is no NVDIMM 'pmem7'");
    refused(q, "inject", "pmem0 0x4000000 1", "are not in it");
    refused(q, "inject", "pmem0 0 0", "are not in it");
    refused(q, "inject", "pmem0 1 0xffffffffffffffff", "are not in it");
    refused(q, "inject", "pmem0 0 64 loudly", "'loudly' is not 'notify'");
    refused(q, "inject", "pmem0 0 0x4000000", "too many errors");
    refused(q, "clear", "pmem0 0 64 all", "'all' is too much");
    refused(q, "raise", "pmem7", "is neither");
    nvd_set(q, "inject", "pmem0 0 256");
    nvd_set(q, "inject", "pmem1 4096 256");
    nvd_set(q, "clear", "pmem0 0 1");
    g_autofree char *one = nvd_text(q, "errors");
    g_assert_cmpstr(one, ==, "pmem1 0x1000 0x100 unknown\n");
    nvd_set(q, "clear", "all");
    g_autofree char *none = nvd_text(q, "errors");
    g_assert_cmpstr(none, ==, "");
    g_assert_cmphex(qtest_readq(q, nvd_base(q, "pmem1") + 4096), ==, 0);
    qtest_stop(q);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/nvdimm/functions", test_functions);
    g_test_add_func("/nvdimm/capabilities", test_capabilities);
    g_test_add_func("/nvdimm/scrub", test_scrub);
    g_test_add_func("/nvdimm/bad-scrub", test_bad_scrub);
    g_test_add_func("/nvdimm/overflow", test_overflow);
    g_test_add_func("/nvdimm/clear", test_clear);
    g_test_add_func("/nvdimm/translate", test_translate);
    g_test_add_func("/nvdimm/inject", test_inject);
    g_test_add_func("/nvdimm/events", test_events);
    g_test_add_func("/nvdimm/health", test_health);
    g_test_add_func("/nvdimm/run-time", test_run_time);
    return g_test_run();
}
