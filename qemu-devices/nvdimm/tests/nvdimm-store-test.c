/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-nvdimm's store and how a machine ends, and properties that are refused. */
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#include "nvdimm-scrub-check.h"

static void test_store(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("mmrig-nvdimm-XXXXXX", &error);
    g_autofree char *file = g_build_filename(folder, "errors", NULL);
    g_autofree char *option = g_strconcat(",store=", file, NULL);
    g_autofree char *bytes = NULL;
    gsize size;
    QTest *q;

    g_assert_no_error(error);
    q = nvd_start(option);
    nvd_set(q, "inject", "pmem0 0x1000 512");
    nvd_set(q, "inject", "pmem1 0x2000 256");
    nvd_set(q, "clear", "pmem0 0x1100 1");
    scrub(q, nvd_base(q, "pmem1"), 0x10000);
    g_assert_cmphex(scrub_status(q), ==, SCRUB(DONE));
    qtest_stop(q);

    /* They are there again, and hurt; the machine had not been shut down. */
    q = nvd_start(option);
    g_autofree char *errors = nvd_text(q, "errors");
    g_assert_cmpstr(errors, ==, "pmem0 0x1000 0x100 unknown\npmem1 0x2000 0x100 known\n");
    qtest_readq(q, nvd_base(q, "pmem0") + 0x1000);
    g_assert_cmpuint(nvd_count(q, "count-consumed"), ==, 1);
    g_assert_cmphex(nvd_call(q, 1, REV, MMRIG_NVD_SMART, NULL, 0, out), ==, 0);
    g_assert_cmpuint(field(20, 4), ==, 1);
    g_assert_cmpuint(field(35, 1), ==, 1);
    qtest_stop(q);

    g_unlink(file);

    /* The newer of the two places counts; if one is damaged, the other one. */
    q = nvd_start(option); /* is written once, in the first place */
    nvd_set(q, "inject", "pmem0 0x0 1");
    nvd_set(q, "inject", "pmem0 0x1000 1");
    nvd_set(q, "inject", "pmem0 0x2000 1");
    qtest_stop(q);
    g_assert_true(g_file_get_contents(file, &bytes, &size, NULL));
    for (unsigned place = 0; place < 3; place++) {
        g_autofree char *damaged = g_memdup2(bytes, size);
        if (place < 2)
            damaged[place * MMRIG_NVD_STORE_PLACE + 40] ^= 1;
        g_assert_true(g_file_set_contents(file, damaged, (gssize)size, NULL));
        q = nvd_start(option);
        g_autofree char *left = nvd_text(q, "errors");
        g_assert_cmpstr(left, ==,
                        place == 1 ? "pmem0 0x0 0x100 unknown\npmem0 0x1000 0x100 unknown\n"
                                   : "pmem0 0x0 0x100 unknown\npmem0 0x1000 0x100 unknown\n"
                                     "pmem0 0x2000 0x100 unknown\n");
        qtest_stop(q);
    }
    g_unlink(file);
    g_rmdir(folder);
}

/* How often the store was written: the larger of the numbers in its two places. */
static uint64_t store_writes(const char *file)
{
    g_autofree char *bytes = NULL;
    uint64_t most = 0;
    gsize size;

    g_assert_true(g_file_get_contents(file, &bytes, &size, NULL));
    for (unsigned place = 0; place < 2; place++) {
        uint64_t number = 0;
        if (size >= place * MMRIG_NVD_STORE_PLACE + 16)
            memcpy(&number, bytes + place * MMRIG_NVD_STORE_PLACE + 8, sizeof(number));
        most = MAX(most, GUINT64_FROM_LE(number));
    }
    return most;
}

/* Stores into many bad lines are written down once, and the last one as well. */
static void test_store_writes(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-nvdimm-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "errors", NULL);
    g_autofree char *option = g_strconcat(",store=", file, NULL);
    QTest *q = nvd_start(option);

    nvd_set(q, "inject", "pmem0 0x10000 0x10000");
    uint64_t before = store_writes(file);
    qtest_fill(q, nvd_base(q, "pmem0") + 0x10000, 0x10000 - 256, 0);
    g_autofree char *left = nvd_text(q, "errors");
    g_assert_cmpstr(left, ==, "pmem0 0x1ff00 0x100 unknown\n");
    g_assert_cmpuint(store_writes(file) - before, <=, 4);
    qtest_stop(q);

    q = nvd_start(option);
    g_autofree char *again = nvd_text(q, "errors");
    g_assert_cmpstr(again, ==, "pmem0 0x1ff00 0x100 unknown\n");
    qtest_stop(q);
    g_unlink(file);
    g_rmdir(folder);
}

/* Ends as a machine whose guest has switched it off by ACPI does, and waits there. */
static void switch_off(QTest *q)
{
    enum { LPC = 0x1f, PM_BASE = 0x40, PM_ENABLE = 0x44, PM1_CONTROL = 4, SLEEP = 1 << 13 };

    qtest_pci_writel(q, LPC, PM_BASE, 0x600);
    qtest_pci_writel(q, LPC, PM_ENABLE, 0x80);
    /* Of 16 bits (ACPI 6.5, 4.8.3.2), and QEMU 11.1 takes no more. */
    qtest_outw(q, 0x600 + PM1_CONTROL, SLEEP);
    for (unsigned i = 0; i < 10000; i++) {
        g_autoptr(JsonNode) answer = qtest_qmp(q, "{'execute':'query-status'}");
        const char *status =
            json_object_get_string_member(json_node_get_object(answer), "status");
        if (strcmp(status, "shutdown") == 0)
            return;
        g_usleep(1000);
    }
    g_error("the machine is not switched off");
}

/* How often pmem0 was not shut down, and whether the latest shutdown was such a one. */
static void assert_shutdowns(QTest *q, unsigned count, unsigned dirty)
{
    g_assert_cmphex(nvd_call(q, 1, REV, MMRIG_NVD_SMART, NULL, 0, out), ==, 0);
    g_assert_cmpuint(field(20, 4), ==, count);
    g_assert_cmpuint(field(35, 1), ==, dirty);
}

/* What is changed behind a clean shutdown is written down, and the shutdown stays clean. */
static void test_shutdown(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-nvdimm-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "errors", NULL);
    g_autofree char *option = g_strconcat(",store=", file, NULL);
    QTest *q = nvd_start_with("-no-shutdown", NULL, option);

    switch_off(q);
    nvd_set(q, "inject", "pmem0 0x1000 256");
    nvd_set(q, "inject", "pmem0 0x2000 256");
    nvd_set(q, "clear", "pmem0 0x1000 256");
    qtest_stop(q);

    q = nvd_start_with("-no-shutdown", NULL, option);
    g_autofree char *errors = nvd_text(q, "errors");
    g_assert_cmpstr(errors, ==, "pmem0 0x2000 0x100 unknown\n");
    assert_shutdowns(q, 0, 0);
    /* It is started anew, and not shut down after that. */
    switch_off(q);
    json_node_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    qtest_stop(q);

    q = nvd_start_with("-no-shutdown", NULL, option);
    assert_shutdowns(q, 1, 1);
    switch_off(q);
    qtest_stop(q);

    q = nvd_start(option);
    assert_shutdowns(q, 1, 0);
    qtest_stop(q);
    g_unlink(file);
    g_rmdir(folder);
}

/* Reads the stream until it has named the device, and nothing from there on. */
static GSocketConnection *read_to_device(GSocketListener *listener)
{
    g_autoptr(GError) error = NULL;
    GSocketConnection *line = g_socket_listener_accept(listener, NULL, NULL, &error);
    g_autoptr(GByteArray) all = g_byte_array_new();
    guint8 part[4096];

    g_assert_no_error(error);
    do {
        gssize size = g_input_stream_read(g_io_stream_get_input_stream(G_IO_STREAM(line)), part,
                                          sizeof(part), NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpint(size, >, 0);
        g_byte_array_append(all, part, (guint)size);
    } while (!memmem(all->data, all->len, "mmrig-nvdimm", 12));
    return line;
}

/*
 * What changes when the machine stops to be saved is in the store before its state goes out.
 * Nobody reads that, so QEMU waits with its big lock, and nothing else can have written it.
 */
static void test_store_saved(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-nvdimm-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "errors", NULL);
    g_autofree char *path = g_build_filename(folder, "stream", NULL);
    g_autofree char *option = g_strconcat(",store=", file, NULL);
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    char part[4096];
    QTest *q;

    g_assert_true(g_socket_listener_add_address(listener, address, G_SOCKET_TYPE_STREAM,
                                                G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, NULL));
    g_setenv("MMRIG_QTEST_READ_AT_STOP", "0x100000000", TRUE);
    q = nvd_start(option);
    g_unsetenv("MMRIG_QTEST_READ_AT_STOP");
    g_assert_cmphex(nvd_base(q, "pmem0"), ==, 0x100000000);
    /* More than the socket has room for. */
    nvd_set(q, "inject", "pmem0 0 0x600000");
    uint64_t before = store_writes(file);
    json_node_unref(qtest_qmp(q, "{'execute':'migrate','arguments':{'uri':'unix:%s'}}", path));
    g_autoptr(GSocketConnection) line = read_to_device(listener);
    for (guint i = 0; i < 5000 && store_writes(file) == before; i++)
        g_usleep(1000);
    g_assert_cmpuint(store_writes(file), ==, before + 1);
    while (g_input_stream_read(g_io_stream_get_input_stream(G_IO_STREAM(line)), part,
                               sizeof(part), NULL, NULL) > 0)
        ;
    qtest_migrated(q);
    g_assert_cmpuint(nvd_count(q, "count-consumed"), ==, 1);
    qtest_stop(q);
    g_unlink(path);
    g_unlink(file);
    g_rmdir(folder);
}

static void no_start(const char *option, const char *expected)
{
    g_autoptr(GPtrArray) argv = qtest_argv(NULL);
    g_autofree char *errors = NULL;
    const char *const more[] = {"-machine", "nvdimm=on", "-cpu",
                                NVD_INTEL,  "-m",        "256M,slots=4,maxmem=2G"};

    for (guint i = 0; i < G_N_ELEMENTS(more); i++)
        g_ptr_array_add(argv, g_strdup(more[i]));
    g_ptr_array_add(argv, g_strdup("-device"));
    g_ptr_array_add(argv, g_strconcat("mmrig-nvdimm,", option, NULL));
    g_assert_cmpint(qtest_run(argv, &errors), ==, 1);
    if (!strstr(errors, expected))
        g_error("%s: '%s' is not in '%s'", option, expected, errors);
}

static void test_bad_store(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("mmrig-nvdimm-XXXXXX", &error);
    g_autofree char *file = g_build_filename(folder, "errors", NULL);
    g_autofree char *option = g_strconcat("store=", file, NULL);
    g_autofree char *property = g_strconcat(",", option, NULL);
    g_autofree char *nowhere = g_strconcat("store=", folder, "/no/where", NULL);
    QTest *q;

    g_assert_no_error(error);
    no_start(nowhere, "cannot open");
    g_assert_true(g_file_set_contents(file, "not ours", -1, NULL));
    no_start(option, "is no file of mmrig-nvdimm's");
    g_unlink(file);
    q = nvd_start(property);
    no_start(option, "belongs to another machine that runs");
    qtest_stop(q);
    /* Made with units of another size. */
    {
        g_autofree char *other = g_strconcat(option, ",unit=512", NULL);
        no_start(other, "the size of a unit is wrong");
    }
    g_unlink(file);
    g_rmdir(folder);
}

static void test_properties(void)
{
    g_autoptr(GPtrArray) argv = qtest_argv(NULL);
    g_autofree char *errors = NULL;

    no_start("unit=32", "unit: 32 is not from 64 to 4096");
    no_start("unit=8192", "unit: 8192 is not from 64 to 4096");
    no_start("unit=96", "unit: 96 is no power of two");
    no_start("ars-buffer=71", "ars-buffer: 71");
    no_start("ars-buffer=4093", "ars-buffer: 4093");
    no_start("ars-time-ms=3600001", "ars-time-ms: 3600001");
    g_ptr_array_add(argv, g_strdup("-device"));
    g_ptr_array_add(argv, g_strdup("mmrig-nvdimm"));
    g_assert_cmpint(qtest_run(argv, &errors), ==, 1);
    g_assert_nonnull(strstr(errors, "the machine has no NVDIMMs; say nvdimm=on"));
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/nvdimm/store", test_store);
    g_test_add_func("/nvdimm/store-writes", test_store_writes);
    g_test_add_func("/nvdimm/store-saved", test_store_saved);
    g_test_add_func("/nvdimm/shutdown", test_shutdown);
    g_test_add_func("/nvdimm/bad-store", test_bad_store);
    g_test_add_func("/nvdimm/properties", test_properties);
    return g_test_run();
}
