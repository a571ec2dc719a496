/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be asked of `mmrig inject`, and what devices are told then. */
#include "keeper/inject.h"

#include <string.h>

#include "base/error.h"
#include "machine/device-pack.h"
#include "machine/ram.h"

static gboolean parse(const char *text, MmrigInject *inject, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    return mmrig_inject_parse((const char *const *)words, inject, error);
}

static MmrigInject good(const char *text)
{
    g_autoptr(GError) error = NULL;
    MmrigInject inject;

    parse(text, &inject, &error);
    g_assert_no_error(error);
    return inject;
}

static void test_good(void)
{
    MmrigInject inject = good("dram gpa=0x1000");
    g_assert_cmpint(inject.verb, ==, MMRIG_INJECT_INJECT);
    g_assert_cmpint(inject.target, ==, MMRIG_TARGET_DRAM);
    g_assert_cmpuint(inject.gpa, ==, 4096);
    g_assert_cmpstr(inject.kind->name, ==, "srar");

    inject = good("inject mce pid=7 vaddr=0x7ffe12345678 kind=srao cpu=3");
    g_assert_cmpint(inject.target, ==, MMRIG_TARGET_MCE);
    g_assert_true(inject.has_pid);
    g_assert_cmpuint(inject.pid, ==, 7);
    g_assert_cmpuint(inject.vaddr, ==, 0x7ffe12345678);
    g_assert_cmpuint(inject.cpu, ==, 3);

    inject = good("pmem offset=1048576 device=pmem1 length=4096 notify");
    g_assert_cmpstr(inject.device, ==, "pmem1");
    g_assert_true(inject.notify);
    g_assert_cmpuint(inject.length, ==, 4096);
    g_assert_null(inject.kind);

    g_assert_cmpint(good("cxl offset=64").target, ==, MMRIG_TARGET_CXL);
    g_assert_cmpint(good("list").verb, ==, MMRIG_INJECT_LIST);
    g_assert_cmpint(good("clear").target, ==, MMRIG_TARGET_ANY);
    inject = good("clear dram gpa=64 length=128");
    g_assert_cmpint(inject.verb, ==, MMRIG_INJECT_CLEAR);
    g_assert_cmpint(inject.target, ==, MMRIG_TARGET_DRAM);
}

static void test_bad(void)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "inject what?"},
        {"inject", "cannot be injected"},
        {"ram gpa=1", "\"ram\" cannot be injected"},
        {"dram", "say where"},
        {"dram gpa=1 offset=1", "say where once"},
        {"dram gpa=1 gpa=2", "--gpa is given twice"},
        {"dram gpa=x", "--gpa x: a number is wanted"},
        {"dram gpa=", "a number is wanted"},
        {"dram gpa=-1", "a number is wanted"},
        {"dram gpa=0x8000000000000000", "a number is wanted"},
        {"dram gpa=1 length=0", "--length 0"},
        {"dram pid=1", "go together"},
        {"dram vaddr=1", "go together"},
        {"dram pid=0 vaddr=1", "--pid 0"},
        {"dram pid=1 vaddr=0x100000000000000", "--vaddr"},
        {"dram gpa=1 kind=bad", "there are srar, srao, ucna, ce, fatal"},
        {"dram gpa=1 kind=fatal", "use mce"},
        {"dram gpa=1 cpu=1", "srar comes to whoever reads"},
        {"dram gpa=1 broadcast", "srar comes to whoever reads"},
        {"dram gpa=1 kind=srao count=2", "--count is for --kind ce"},
        {"dram gpa=1 kind=ce count=32768", "--count 32768"},
        {"dram gpa=1 device=pmem0", "--device is for pmem and cxl"},
        {"dram gpa=1 notify", "--notify is for pmem"},
        {"dram gpa=1 wrong", "there is no \"wrong\""},
        {"dram gpa=1 wrong=1", "there is no \"wrong=\""},
        {"dram gpa=1\x01", "plain ASCII"},
        {"mce gpa=1 kind=ce", "has no ce"},
        {"mce gpa=1 broadcast", "one processor"},
        {"mce gpa=1 length=64", "one processor"},
        {"pmem offset=1 kind=srar", "--kind, --cpu, --broadcast and --count are for dram"},
        {"pmem gpa=1 device=pmem0", "--device goes with --offset"},
        {"pmem offset=1 device=../x", "no device has that id"},
        {"cxl gpa=1", "--offset OFFSET"},
        {"cxl pid=1 vaddr=1", "--offset OFFSET"},
        {"list gpa=1", "list takes nothing"},
        {"clear offset=1", "say of what the offset is"},
        {"clear length=64", "--length of what"},
        {"clear cxl", "the guest clears it"},
        {"clear mce", "nothing to clear"},
        {"clear gpa=1 kind=srar", "a place and --length at most"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        MmrigInject inject;

        g_test_message("%s", rows[i].text);
        g_assert_false(parse(rows[i].text, &inject, &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
        if (!strstr(error->message, rows[i].error))
            g_error("expected \"%s\" in \"%s\"", rows[i].error, error->message);
        g_assert_null(strchr(error->message, '\n'));
    }
}

static void test_told(void)
{
    MmrigInject inject = good("dram gpa=0x1000 length=128");
    g_autofree char *srar = mmrig_inject_ras_text(&inject, 0x2000);
    g_assert_cmpstr(srar, ==, "kind=poison,gpa=0x2000,len=128");

    inject = good("dram gpa=0x1000 kind=ce cpu=2 count=9");
    g_autofree char *ce = mmrig_inject_ras_text(&inject, inject.gpa);
    g_assert_cmpstr(ce, ==, "kind=ce,gpa=0x1000,len=64,cpu=2,count=9");

    inject = good("dram gpa=0x1000 kind=srao broadcast");
    g_autofree char *srao = mmrig_inject_ras_text(&inject, inject.gpa);
    g_assert_cmpstr(srao, ==, "kind=srao,gpa=0x1000,len=64,broadcast=on");

    inject = good("clear dram gpa=0x1000 length=4096");
    g_autofree char *clear = mmrig_inject_ras_text(&inject, inject.gpa);
    g_assert_cmpstr(clear, ==, "gpa=0x1000,len=4096");

    inject = good("mce gpa=0x1000 kind=fatal cpu=1");
    g_auto(GStrv) words = mmrig_inject_mce_words(&inject, inject.gpa);
    g_autofree char *mce = g_strjoinv(" ", words);
    g_assert_cmpstr(mce, ==, "gpa=0x1000 kind=fatal cpu=1");
}

static void test_memory(void)
{
    const guint64 mib = G_GUINT64_CONSTANT(1) << 20, gib = 1024 * mib;
    /* The last byte below 4 GiB, and the first above, if there is any. */
    static const struct {
        guint64 memory, most, below;
    } rows[] = {
        {1024, 0, 1024},    {2815, 0, 2815},    {2816, 0, 2048},
        {4096, 0, 2048},    {1024, 512, 512},   {4096, 128, 128},
        {1024, 3072, 1024}, {2815, 2560, 2560}, {4096, 3072, 2048},
    };
    guint64 gpa = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const MmrigMachineSpec spec = {.arch = mmrig_arch_find("x86_64"),
                                       .memory = rows[i].memory * mib,
                                       .memory_below = rows[i].most * mib};
        guint64 below = rows[i].below * mib, above = spec.memory - below;

        g_assert_true(mmrig_ram_address(&spec, below - 1, &gpa));
        g_assert_cmphex(gpa, ==, below - 1);
        g_assert_true(mmrig_ram_has(&spec, gpa));
        g_assert_false(mmrig_ram_has(&spec, below));
        g_assert_false(mmrig_ram_has(&spec, 4 * gib - 1));
        g_assert_cmpint(mmrig_ram_has(&spec, 4 * gib), ==, above > 0);
        g_assert_false(mmrig_ram_address(&spec, spec.memory, &gpa));
        g_assert_false(mmrig_ram_has(&spec, 4 * gib + above));
        if (!above)
            continue;
        g_assert_true(mmrig_ram_address(&spec, below, &gpa));
        g_assert_cmphex(gpa, ==, 4 * gib);
        g_assert_true(mmrig_ram_address(&spec, spec.memory - 1, &gpa));
        g_assert_cmphex(gpa, ==, 4 * gib + above - 1);
        g_assert_true(mmrig_ram_has(&spec, gpa));
    }
}

static void test_modules(void)
{
    static const char text[] = "pmem0 0x100000000 0x8000000 handle 1\n"
                               "nonsense\n"
                               "pmem1 0x140000000 0x8000000 handle 2\n";
    g_autoptr(GError) error = NULL;
    g_autofree char *module = NULL, *none = NULL;
    guint64 offset = 0;

    g_assert_true(mmrig_inject_find_module(text, 0x147ffffff, &module, &offset, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(module, ==, "pmem1");
    g_assert_cmpuint(offset, ==, 0x7ffffff);
    g_assert_false(mmrig_inject_find_module(text, 0x148000000, &none, &offset, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_null(none);
}

static void test_devices(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigMachineSpec) spec = mmrig_spec_new(NULL, "x");

    g_assert_no_error(error);
    g_assert_null(mmrig_spec_pack_device(spec, "mmrig-ras"));
    g_assert_true(mmrig_spec_add_pack_device(spec, "mmrig-nvdimm,unit=512,debug=on", &error));
    g_assert_no_error(error);
    g_assert_true(g_str_has_prefix(spec->cpu, "max,vendor=GenuineIntel"));
    g_clear_pointer(&spec->cpu, g_free);
    g_assert_true(mmrig_spec_add_pack_device(spec, "mmrig-camera", &error));
    g_assert_null(spec->cpu);
    g_assert_true(mmrig_spec_add_pack_device(spec, "mmrig-ras", &error));
    g_assert_true(g_str_has_prefix(spec->cpu, "max,vendor=GenuineIntel"));
    g_assert_true(mmrig_spec_add_pack_device(spec, "mmrig-ras", &error));
    g_assert_no_error(error);
    const MmrigDevice *nvdimm = mmrig_spec_pack_device(spec, "mmrig-nvdimm");
    g_assert_cmpstr(nvdimm->id, ==, "nvdimm0");
    g_autofree char *properties =
        g_strjoinv(" ", ((const MmrigPackDevice *)nvdimm)->properties);
    g_assert_cmpstr(properties, ==, "unit=512 debug=on");
    g_assert_cmpstr(mmrig_spec_pack_device(spec, "mmrig-ras")->id, ==, "ras0");
    g_assert_cmpstr(((MmrigDevice *)g_ptr_array_index(spec->devices, 3))->id, ==, "ras1");

    static const char *const bad[] = {"", "Bad", "mmrig-ras,x", "a b"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(mmrig_spec_add_pack_device(spec, bad[i], &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
        g_clear_error(&error);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/inject/good", test_good);
    g_test_add_func("/inject/bad", test_bad);
    g_test_add_func("/inject/told", test_told);
    g_test_add_func("/inject/memory", test_memory);
    g_test_add_func("/inject/modules", test_modules);
    g_test_add_func("/inject/devices", test_devices);
    return g_test_run();
}
