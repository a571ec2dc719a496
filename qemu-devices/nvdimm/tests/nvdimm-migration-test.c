/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-nvdimm from one QEMU to another. Whatever of its state is not what a reset makes it
 * must be noticed here if the stream does not carry it.
 */
#include <endian.h>

#include "nvdimm-scrub-check.h"

static QTest *incoming(const char *uri, const char *properties)
{
    QTest *q = nvd_start_incoming(uri, properties);

    qtest_migrated(q);
    return q;
}

/* In the middle of a scrub. */
static void test_scrubbing(void)
{
    QTest *q = nvd_start(",ars-rate=64M");
    uint64_t base = nvd_base(q, "pmem0");

    nvd_set(q, "inject", "pmem0 0x1000 512");
    g_assert_cmphex(start_scrub(q, base, NVD_SIZE, MMRIG_NVD_ARS_PERSISTENT, 0), ==, 0);
    qtest_clock_step(q, 500 * MS);
    g_autofree char *uri = qtest_save(q);

    q = incoming(uri, ",ars-rate=64M");
    g_assert_cmphex(scrub_status(q), ==, SCRUB(BUSY));
    g_autofree char *errors = nvd_text(q, "errors");
    g_assert_cmpstr(errors, ==, "pmem0 0x1000 0x200 unknown\n");
    qtest_readq(q, base + 0x1000);
    g_assert_cmpuint(nvd_count(q, "count-consumed"), ==, 1);
    /* qtest's clock does not migrate: bring it to where the other was. */
    qtest_clock_step(q, 500 * MS);
    qtest_clock_step(q, 499 * MS);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(BUSY));
    qtest_clock_step(q, 2 * MS);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(DONE));
    g_assert_cmpuint(field(44, 4), ==, 2); /* its first unit was read: known before */
    check_record(0, 1, base + 0x1000, 256);
    check_record(1, 1, base + 0x1100, 256);
    qtest_stop(q);
    qtest_forget(uri);
}

/* The results of a scrub that the buffer stopped, counters, health, and what is to be told. */
static void test_state(void)
{
    static const char *const counters[] = {
        "count-calls",    "count-refused", "count-scrubs",   "count-overflows",
        "count-injected", "count-cleared", "count-consumed", "count-notified",
    };
    const char *properties = ",ars-buffer=120";
    QTest *q = nvd_start(properties);
    uint64_t base = nvd_base(q, "pmem1");
    uint64_t before[G_N_ELEMENTS(counters)];
    uint8_t status[MMRIG_NVD_PAGE_SIZE];
    uint8_t data[16] = {0};

    for (unsigned i = 0; i < 4; i++) {
        g_autofree char *text = g_strdup_printf("pmem1 0x%x %u", 0x100000 * (i + 1), 512 + i);
        nvd_set(q, "inject", text);
    }
    g_assert_cmphex(start_scrub(q, base + 4096, NVD_SIZE - 4096,
                                MMRIG_NVD_ARS_VOLATILE | MMRIG_NVD_ARS_PERSISTENT, 0),
                    ==, 0);
    qtest_clock_step(q, 1000 * MS);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(STOPPED));
    memcpy(status, out, sizeof(status));
    nvd_set(q, "clear", "pmem1 0x400000 1024");
    qtest_readq(q, base + 0x100000);
    nvd_put(data, MMRIG_NVD_SMART_INJECT_SPARES, 8);
    data[11] = 1;
    data[12] = 3;
    g_assert_cmphex(nvd_call(q, 2, 2, MMRIG_NVD_SMART_INJECT, data, sizeof(data), out), ==, 0);
    g_assert_cmphex(nvd_call(q, ROOT, REV, 6, NULL, 0, out), ==, MMRIG_NVD_NOT_SUPPORTED);
    for (guint i = 0; i < G_N_ELEMENTS(counters); i++) {
        before[i] = nvd_count(q, counters[i]);
        g_assert_cmpuint(before[i], >, 0);
    }
    g_autofree char *errors = nvd_text(q, "errors");
    g_autofree char *uri = qtest_save(q);

    q = incoming(uri, properties);
    for (guint i = 0; i < G_N_ELEMENTS(counters); i++)
        if (nvd_count(q, counters[i]) != before[i])
            g_error("%s is %" G_GUINT64_FORMAT ", was %" G_GUINT64_FORMAT, counters[i],
                    nvd_count(q, counters[i]), before[i]);
    g_autofree char *now = nvd_text(q, "errors");
    g_assert_cmpstr(now, ==, errors);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(STOPPED));
    g_assert_cmpmem(out, sizeof(out), status, sizeof(status));
    g_assert_cmpuint(field(44, 4), ==, 3);
    check_record(2, 2, base + 0x300000, 768);
    g_assert_cmphex(nvd_call(q, 2, REV, MMRIG_NVD_SMART, NULL, 0, out), ==, 0);
    g_assert_cmpuint(field(13, 1), ==, 3);
    g_assert_cmphex(qtest_inl(q, MMRIG_NVD_PORT), ==, MMRIG_NVD_EVENT_HEALTH(1));
    qtest_stop(q);
    qtest_forget(uri);
}

/* The machine that a stream comes to, which ends with status 1 and says why. */
static void assert_refused(const char *uri, const char *properties, const char *why)
{
    g_autoptr(GPtrArray) argv = qtest_argv(NULL);
    g_autofree char *errors = NULL;
    g_autofree char *device = g_strconcat("mmrig-nvdimm,id=nvd", properties, NULL);
    const char *const more[] = {"-machine",  "nvdimm=on",
                                "-cpu",      NVD_INTEL,
                                "-m",        "256M,slots=4,maxmem=2G",
                                "-object",   "memory-backend-ram,id=m0,size=64M",
                                "-object",   "memory-backend-ram,id=m1,size=65664K",
                                "-device",   "nvdimm,id=pmem0,memdev=m0",
                                "-device",   "nvdimm,id=pmem1,memdev=m1,label-size=128K",
                                "-device",   device,
                                "-incoming", uri};

    for (guint i = 0; i < G_N_ELEMENTS(more); i++)
        g_ptr_array_add(argv, g_strdup(more[i]));
    g_assert_cmpint(qtest_run(argv, &errors), ==, 1);
    if (!strstr(errors, why))
        g_error("'%s' does not say '%s'", errors, why);
}

/* A scrub that runs, over a whole module; what a stream can say of it that cannot be. */
static void test_refused(void)
{
    enum { STATE = -16, OVERFLOWN = -8, RECORDS = -4, START = 0, LENGTH = 8 };
    static const struct {
        int offset; /* from the start of the range */
        char bytes[8];
        unsigned size;
    } rows[] = {
        {STATE, {0, 0, 0, 3}, 4},     {STATE, {0x7f}, 1},         {OVERFLOWN, {0, 0, 0, 1}, 4},
        {OVERFLOWN, {0, 0, 0, 2}, 4}, {RECORDS, {0, 0, 0, 1}, 4}, {RECORDS, {0, 0, 0, 100}, 4},
        {RECORDS, {0, 0, 1, 0}, 4},   {RECORDS, {0x7f}, 1},       {START, {0x7f}, 1},
        {LENGTH, {0x7f}, 1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        QTest *q = nvd_start(",ars-rate=64M");
        uint64_t base = nvd_base(q, "pmem0");
        const uint64_t range[] = {htobe64(base), htobe64(NVD_SIZE)};

        nvd_set(q, "inject", "pmem0 0x1000 512");
        g_assert_cmphex(start_scrub(q, base, NVD_SIZE, MMRIG_NVD_ARS_PERSISTENT, 0), ==, 0);
        qtest_clock_step(q, 500 * MS);
        g_autofree char *uri = qtest_save(q);
        qtest_patch(uri, range, sizeof(range), rows[i].offset, rows[i].bytes, rows[i].size);
        assert_refused(uri, ",ars-rate=64M", "the incoming state's scrub is wrong");
        qtest_forget(uri);
    }
}

/* Both sides are started with the same. */
static void test_disagree(void)
{
    /* QEMU tells of the two values, and before 11.1 of the field as well. */
    static const struct {
        const char *properties, *why;
    } rows[] = {
        {"", "100000000 != 4000000"},
        {",ars-rate=32M", "2000000 != 4000000"},
        {",ars-rate=64M,ars-buffer=120", "78 != "},
        {",ars-rate=64M,ars-time-ms=2", "2 != 1"},
        {",ars-rate=64M,notify=off", "0 != 1"},
        {",ars-rate=64M,unit=512", "the size of a unit is wrong"},
    };
    QTest *q = nvd_start(",ars-rate=64M");
    g_autofree char *uri = qtest_save(q);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_refused(uri, rows[i].properties, rows[i].why);
    qtest_forget(uri);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/nvdimm/migration/scrubbing", test_scrubbing);
    g_test_add_func("/nvdimm/migration/state", test_state);
    g_test_add_func("/nvdimm/migration/refused", test_refused);
    g_test_add_func("/nvdimm/migration/disagree", test_disagree);
    return g_test_run();
}
