/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "machine/device-virtio-mem.h"
#include "scenario-refused.h"
#include "scenario/scenario.h"

static const char good[] = "# A comment.\n"
                           "[scenario]\n"
                           "summary = everything at once\n"
                           "area = memory\n"
                           "timeout = 90\n"
                           "[test]\n"
                           "test = all\n"
                           "args = size=4096  name=a%b\n"
                           "boots = write verify\n"
                           "requests = mce-inject balloon-set\n"
                           "[machine]\n"
                           "cpus = 2\n"
                           "memory = 1G\n"
                           "nodes = 3\n"
                           "cpu = max,vendor=GenuineIntel\n"
                           "[kernel]\n"
                           "config = CONFIG_ACPI_NFIT CONFIG_NR_CPUS=64\n"
                           "modules = nfit nd_pmem\n"
                           "cmdline = quiet mce=1\n"
                           "[image]\n"
                           "manifests = ndctl\n"
                           "[nvdimm pmem0]\n"
                           "size = 64M\n"
                           "node = 1\n"
                           "[virtio-mem vm0]\n"
                           "size = 1G\n"
                           "block-size = 4M\n"
                           "requested = 8M\n"
                           "node = 2\n"
                           "[balloon b]\n"
                           "[twin dropped]\n"
                           "fault.drop = mce-inject\n"
                           "[twin shifted]\n"
                           "fault.shift = mce-inject -4096\n"
                           "cause = time-limit\n"
                           "[twin emptied]\n"
                           "fault.truncate = pmem0\n"
                           "nvdimm pmem0.size = 128M\n"
                           "test.args =\n"
                           "machine.cpus = 1\n";

static MmrigScenario *parse(const char *text, const char *twin, GError **error)
{
    return mmrig_scenario_parse(text, strlen(text), "all", "all.ini", twin, error);
}

static void assert_words(GStrv words, const char *expected)
{
    g_assert_nonnull(words);
    g_autofree char *joined = g_strjoinv("|", words);
    g_assert_cmpstr(joined, ==, expected);
}

static void test_good(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) scenario = parse(good, NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(scenario->name, ==, "all");
    g_assert_null(scenario->twin);
    g_assert_null(scenario->twin_cause);
    g_assert_cmpstr(scenario->path, ==, "all.ini");
    g_assert_cmpstr(scenario->summary, ==, "everything at once");
    g_assert_cmpstr(scenario->area, ==, "memory");
    g_assert_cmpuint(scenario->timeout, ==, 90);
    g_assert_cmpstr(mmrig_scenario_test(scenario, 0)->test, ==, "all");
    assert_words(mmrig_scenario_test(scenario, 0)->args, "size=4096|name=a%b");
    assert_words(mmrig_scenario_test(scenario, 0)->boots, "write|verify");
    assert_words(mmrig_scenario_test(scenario, 0)->requests, "mce-inject|balloon-set");
    g_assert_cmpint(mmrig_scenario_test(scenario, 0)->expect, ==, MMRIG_EXPECT_PASS);
    g_assert_null(mmrig_scenario_test(scenario, 0)->panic);
    g_assert_cmpuint(mmrig_scenario_machine(scenario, 0)->cpus, ==, 2);
    g_assert_cmpuint(mmrig_scenario_machine(scenario, 0)->memory, ==, 1024 * 1024 * 1024);
    g_assert_cmpuint(mmrig_scenario_machine(scenario, 0)->nodes, ==, 3);
    g_assert_cmpstr(mmrig_scenario_machine(scenario, 0)->cpu, ==, "max,vendor=GenuineIntel");
    assert_words(mmrig_scenario_machine(scenario, 0)->config,
                 "CONFIG_ACPI_NFIT|CONFIG_NR_CPUS=64");
    assert_words(mmrig_scenario_machine(scenario, 0)->modules, "nfit|nd_pmem");
    g_assert_cmpstr(mmrig_scenario_machine(scenario, 0)->cmdline, ==, "quiet mce=1");
    assert_words(mmrig_scenario_machine(scenario, 0)->manifests, "ndctl");
    assert_words(scenario->twins, "dropped|shifted|emptied");
    g_assert_null(scenario->fault.request.drop);
    g_assert_null(scenario->fault.request.shift);
    g_assert_null(scenario->fault.truncate);

    g_assert_cmpuint(mmrig_scenario_machine(scenario, 0)->devices->len, ==, 3);
    const MmrigDevice *nvdimm =
        g_ptr_array_index(mmrig_scenario_machine(scenario, 0)->devices, 0);
    g_assert_true(nvdimm->class == &mmrig_device_nvdimm);
    g_assert_cmpstr(nvdimm->id, ==, "pmem0");
    g_assert_cmpuint(mmrig_device_memory(nvdimm), ==, 64 << 20);
    g_assert_cmpuint(nvdimm->class->plugged(nvdimm), ==, (64 << 20) + (128 << 10));
    const MmrigDevice *device =
        g_ptr_array_index(mmrig_scenario_machine(scenario, 0)->devices, 1);
    g_assert_true(device->class == &mmrig_device_virtio_mem);
    const MmrigVirtioMem *memory = (const MmrigVirtioMem *)device;
    g_assert_cmpuint(memory->size, ==, 1 << 30);
    g_assert_cmpuint(memory->block_size, ==, 4 << 20);
    g_assert_cmpuint(memory->requested, ==, 8 << 20);
    g_assert_cmpuint(memory->node, ==, 2);
    const MmrigDevice *balloon =
        g_ptr_array_index(mmrig_scenario_machine(scenario, 0)->devices, 2);
    g_assert_true(balloon->class == &mmrig_device_balloon);
    g_assert_cmpstr(balloon->id, ==, "b");
}

static void test_defaults(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) scenario =
        parse("[scenario]\nsummary=s\narea=a\n[test]\ntest=t\n", NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(scenario->timeout, ==, 60);
    g_assert_cmpuint(mmrig_scenario_machine(scenario, 0)->cpus, ==, 1);
    g_assert_cmpuint(mmrig_scenario_machine(scenario, 0)->memory, ==, 512 << 20);
    g_assert_cmpuint(mmrig_scenario_machine(scenario, 0)->nodes, ==, 0);
    g_assert_null(mmrig_scenario_machine(scenario, 0)->cpu);
    g_assert_null(scenario->cold);
    g_assert_null(scenario->forked);
    g_assert_false(mmrig_scenario_machine(scenario, 0)->vmgenid);
    g_assert_null(mmrig_scenario_test(scenario, 0)->args);
    g_assert_null(mmrig_scenario_test(scenario, 0)->boots);
    g_assert_null(mmrig_scenario_test(scenario, 0)->requests);
    g_assert_null(mmrig_scenario_machine(scenario, 0)->cmdline);
    g_assert_cmpuint(mmrig_scenario_machine(scenario, 0)->devices->len, ==, 0);
    g_assert_nonnull(scenario->twins);
    g_assert_null(scenario->twins[0]);
}

static void test_ways_to_start(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) cold =
        parse("[scenario]\nsummary=s\narea=a\ncold = it tests early boot\n[test]\ntest=t\n"
              "[machine]\nvmgenid = no\n",
              NULL, &error);
    g_assert_no_error(error);
    g_autoptr(MmrigScenario) forked =
        parse("[scenario]\nsummary=s\narea=a\nforked = it tests forks\n[test]\ntest=t\n"
              "[machine]\nvmgenid = yes\n",
              NULL, &error);
    g_assert_no_error(error);
    g_autoptr(MmrigScenario) disk = parse("[scenario]\nsummary=s\narea=a\n[test]\ntest=t\n"
                                          "[firmware]\ntype = ovmf\nboot = esp\n",
                                          NULL, &error);
    g_assert_no_error(error);

    g_assert_cmpstr(cold->cold, ==, "it tests early boot");
    g_assert_null(disk->cold);
    g_assert_cmpint(mmrig_scenario_machine(disk, 0)->boot_from, ==, MMRIG_BOOT_ESP);
    g_assert_null(cold->forked);
    g_assert_false(mmrig_scenario_machine(cold, 0)->vmgenid);
    g_assert_null(forked->cold);
    g_assert_cmpstr(forked->forked, ==, "it tests forks");
    g_assert_true(mmrig_scenario_machine(forked, 0)->vmgenid);
}

static void test_twins(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) dropped = parse(good, "dropped", &error);
    g_assert_no_error(error);
    g_autoptr(MmrigScenario) shifted = parse(good, "shifted", &error);
    g_assert_no_error(error);
    g_autoptr(MmrigScenario) emptied = parse(good, "emptied", &error);
    g_assert_no_error(error);

    g_assert_cmpstr(dropped->twin, ==, "dropped");
    g_assert_cmpstr(dropped->twin_cause, ==, "assertion");
    g_assert_cmpstr(dropped->fault.request.drop, ==, "mce-inject");
    assert_words(mmrig_scenario_test(dropped, 0)->args, "size=4096|name=a%b");
    assert_words(dropped->twins, "dropped|shifted|emptied");

    g_assert_cmpstr(shifted->twin_cause, ==, "time-limit");
    g_assert_cmpstr(shifted->fault.request.shift, ==, "mce-inject");
    g_assert_cmpint(shifted->fault.request.shift_bytes, ==, -4096);
    g_assert_null(shifted->fault.request.drop);

    /* It changes a device, takes a default back, and the rest stays as it was. */
    const MmrigDevice *nvdimm =
        g_ptr_array_index(mmrig_scenario_machine(emptied, 0)->devices, 0);
    g_assert_cmpstr(emptied->fault.truncate, ==, "pmem0");
    g_assert_cmpuint(mmrig_device_memory(nvdimm), ==, 128 << 20);
    g_assert_null(mmrig_scenario_test(emptied, 0)->args);
    g_assert_cmpuint(mmrig_scenario_machine(emptied, 0)->cpus, ==, 1);
    g_assert_cmpuint(mmrig_scenario_machine(emptied, 0)->devices->len, ==, 3);
}

/* ---- Several machines ------------------------------------------------------------------- */

static const char several[] = "[scenario]\n"
                              "summary = two machines\n"
                              "area = memory\n"
                              "[test]\n"
                              "test = both\n"
                              "args = size=1\n"
                              "[test right]\n"
                              "args = size=2\n"
                              "requests = meet\n"
                              "[machine right]\n"
                              "cpus = 2\n"
                              "[machine]\n"
                              "cpus = 3\n"
                              "memory = 256M\n"
                              "[machine left]\n"
                              "[kernel left]\n"
                              "cmdline = quiet\n"
                              "[nvdimm pmem0]\n"
                              "size = 64M\n"
                              "machine = left\n"
                              "[balloon b]\n"
                              "machine = right\n"
                              "[twin one]\n"
                              "machine.cpus = 4\n"
                              "kernel right.cmdline = debug\n"
                              "test right.args =\n"
                              "[twin moved]\n"
                              "nvdimm pmem0.machine = right\n";

static const MmrigDevice *device_of(const MmrigScenario *scenario, guint machine, guint number)
{
    return g_ptr_array_index(mmrig_scenario_machine(scenario, machine)->devices, number);
}

/* What is said for a machine counts there, what is said for all counts where nothing else is.
 */
static void test_machines(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) scenario = parse(several, NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(scenario->machines->len, ==, 2);
    g_assert_cmpuint(scenario->tests->len, ==, 2);
    const MmrigMachineSpec *right = mmrig_scenario_machine(scenario, 0);
    const MmrigMachineSpec *left = mmrig_scenario_machine(scenario, 1);
    g_assert_cmpstr(right->name, ==, "right");
    g_assert_cmpstr(right->title, ==, "all.right");
    g_assert_cmpstr(left->name, ==, "left");
    g_assert_cmpuint(right->cpus, ==, 2);
    g_assert_cmpuint(left->cpus, ==, 3);
    g_assert_cmpuint(right->memory, ==, 256 << 20);
    g_assert_cmpuint(left->memory, ==, 256 << 20);
    g_assert_cmpstr(left->cmdline, ==, "quiet");
    g_assert_null(right->cmdline);
    g_assert_cmpstr(mmrig_scenario_test(scenario, 0)->test, ==, "both");
    g_assert_cmpstr(mmrig_scenario_test(scenario, 1)->test, ==, "both");
    assert_words(mmrig_scenario_test(scenario, 0)->args, "size=2");
    assert_words(mmrig_scenario_test(scenario, 1)->args, "size=1");
    g_assert_true(mmrig_test_may(mmrig_scenario_test(scenario, 0), "meet"));
    g_assert_false(mmrig_test_may(mmrig_scenario_test(scenario, 1), "meet"));
    g_assert_cmpuint(right->devices->len, ==, 1);
    g_assert_cmpstr(device_of(scenario, 0, 0)->id, ==, "b");
    g_assert_cmpuint(left->devices->len, ==, 1);
    g_assert_cmpstr(device_of(scenario, 1, 0)->id, ==, "pmem0");
    g_assert_cmpuint(mmrig_scenario_boots(scenario), ==, 1);
    g_assert_nonnull(mmrig_scenario_unforkable(scenario));

    /* A key without a value is not there, this one too. */
    g_autoptr(MmrigScenario) one = parse(BASE "[balloon b]\nmachine =\n", NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(mmrig_scenario_machine(one, 0)->devices->len, ==, 1);
}

static void test_machines_twins(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) one = parse(several, "one", &error);
    g_assert_no_error(error);
    g_autoptr(MmrigScenario) moved = parse(several, "moved", &error);
    g_assert_no_error(error);

    /* A machine's own value stays; an empty one takes back the default, not that of all. */
    g_assert_cmpuint(mmrig_scenario_machine(one, 0)->cpus, ==, 2);
    g_assert_cmpuint(mmrig_scenario_machine(one, 1)->cpus, ==, 4);
    g_assert_cmpstr(mmrig_scenario_machine(one, 0)->cmdline, ==, "debug");
    g_assert_cmpstr(mmrig_scenario_machine(one, 1)->cmdline, ==, "quiet");
    g_assert_null(mmrig_scenario_test(one, 0)->args);
    assert_words(mmrig_scenario_test(one, 1)->args, "size=1");
    g_assert_cmpuint(mmrig_scenario_machine(moved, 0)->devices->len, ==, 2);
    g_assert_cmpuint(mmrig_scenario_machine(moved, 1)->devices->len, ==, 0);
}

/* ---- What must be refused --------------------------------------------------------------- */

static void test_refused(gconstpointer data)
{
    const Case *one = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) scenario =
        parse(one->text[0] == '!' ? one->text + 1 : one->text, one->twin, &error);

    g_assert_null(scenario);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_test_message("%s", error->message);
    g_assert_true(g_str_has_prefix(error->message, "all.ini: "));
    g_assert_null(strchr(error->message, '\n'));
    if (!strstr(error->message, one->message))
        g_error("'%s' is not in '%s'", one->message, error->message);
}

static void assert_refused(const char *text, gsize size, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mmrig_scenario_parse(text, size, "all", "all.ini", NULL, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, message));
}

static void test_too_much(void)
{
    g_autoptr(GString) text = g_string_new(BASE);

    while (text->len <= MMRIG_SCENARIO_FILE_MAX)
        g_string_append(text, "# more\n");
    assert_refused(text->str, text->len, "too large for a scenario; at most 65536 bytes");

    g_string_assign(text, BASE);
    for (guint i = 0; i <= MMRIG_DEVICES_MAX; i++)
        g_string_append_printf(text, "[nvdimm pmem%u]\nsize = 2M\n", i);
    assert_refused(text->str, text->len, "[nvdimm pmem16]: too many devices; at most 16");

    g_string_assign(text, BASE);
    for (guint i = 0; i <= MMRIG_SCENARIO_TWINS_MAX; i++)
        g_string_append_printf(text, "[twin t%u]\nmachine.cpus = 2\n", i);
    assert_refused(text->str, text->len, "[twin t16]: too many twins; at most 16");

    g_string_assign(text, BASE "[kernel]\ncmdline = ");
    for (guint i = 0; i <= 1000; i++)
        g_string_append_c(text, 'x');
    assert_refused(text->str, text->len, "[kernel] cmdline: too long or not printable");
    g_string_assign(text, BASE "args = ");
    for (guint i = 0; i < 600; i++)
        g_string_append(text, "x ");
    assert_refused(text->str, text->len, "[test] args: too long; at most 1000 bytes");

    /* A NUL must not end the text. */
    g_string_assign(text, BASE);
    g_string_append_len(text, "\0[zzz]\n", 7);
    assert_refused(text->str, text->len, "not text in UTF-8");
}

static void test_names(void)
{
    static const char *const bad[] = {"", "../x", "a/b", "A", "-a", "a.ini", "a b"};

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(mmrig_scenario_load("/nonexistent", bad[i], NULL, &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
        g_assert_nonnull(strstr(error->message, "cannot be the name of a scenario"));
    }
}

static void write_file(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void remove_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_assert_cmpint(g_remove(path), ==, 0);
}

static void test_folder(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("mmrig-scenario-XXXXXX", NULL);
    g_autofree char *fifo = g_build_filename(folder, "pipe.ini", NULL);

    g_assert_nonnull(folder);
    write_file(folder, "second.ini", BASE);
    write_file(folder, "first.ini", BASE);
    write_file(folder, "first.ini~", "an editor's");
    write_file(folder, ".hidden.ini", "nobody's");

    g_auto(GStrv) names = mmrig_scenario_names(folder, &error);
    g_assert_no_error(error);
    assert_words(names, "first|second");
    g_autoptr(MmrigScenario) scenario = mmrig_scenario_load(folder, "first", NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(scenario->name, ==, "first");
    g_assert_true(g_str_has_suffix(scenario->path, "/first.ini"));

    g_assert_null(mmrig_scenario_load(folder, "secnd", NULL, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "did you mean second?"));
    g_clear_error(&error);

    /* Opening a FIFO must not wait for a writer. */
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_null(mmrig_scenario_load(folder, "pipe", NULL, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "it is a FIFO"));
    g_clear_error(&error);
    remove_file(folder, "pipe.ini");

    write_file(folder, "Bad Name.ini", BASE);
    g_assert_null(mmrig_scenario_names(folder, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "'Bad Name' cannot be the name"));
    g_clear_error(&error);

    remove_file(folder, "Bad Name.ini");
    remove_file(folder, "second.ini");
    remove_file(folder, "first.ini");
    remove_file(folder, "first.ini~");
    remove_file(folder, ".hidden.ini");
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_assert_null(mmrig_scenario_names(folder, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        guint64 bytes;
    } right[] = {
        {"0", 0},
        {"4096", 4096},
        {"1K", 1024},
        {"3M", 3145728},
        {"2G", G_GUINT64_CONSTANT(2147483648)},
        {"1T", G_GUINT64_CONSTANT(1099511627776)},
        {"9223372036854775807", G_MAXINT64},
        {"8388607T", G_GUINT64_CONSTANT(8388607) << 40},
    };
    static const char *const wrong[] = {"",
                                        "K",
                                        "1k",
                                        "1 K",
                                        " 1",
                                        "0x10",
                                        "1.5G",
                                        "-1",
                                        "+1",
                                        "9223372036854775808",
                                        "8388608T",
                                        "1KK",
                                        "99999999999999999999999"};
    guint64 bytes;

    for (gsize i = 0; i < G_N_ELEMENTS(right); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_true(mmrig_size_parse(right[i].text, &bytes, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(bytes, ==, right[i].bytes);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(mmrig_size_parse(wrong[i], &bytes, &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    }
}

/* What `mmrig shell` and `mmrig memmap` start of a scenario of several machines. */
static void test_choose_machine(void)
{
    static const char text[] = BASE "[machine a]\ncpus = 2\n[machine b]\ncpus = 3\n"
                                    "[link l]\nmachines = a b\n[test b]\ntest = other\n";
    static const struct {
        const char *text, *name, *problem;
    } wrong[] = {
        {text, NULL, "x has several machines; say which one with --machine: a, b"},
        {text, "c", "--machine c: x has no such machine; it has a, b"},
        {BASE, "a", "--machine a: x has one machine, which needs no name"},
    };
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(MmrigScenario) scenario = mmrig_scenario_parse(
            wrong[i].text, strlen(wrong[i].text), "x", "x.ini", NULL, &error);
        g_assert_no_error(error);
        g_assert_false(mmrig_scenario_choose_machine(scenario, wrong[i].name, &error));
        g_assert_cmpstr(error->message, ==, wrong[i].problem);
        g_clear_error(&error);
    }
    g_autoptr(MmrigScenario) b =
        mmrig_scenario_parse(text, strlen(text), "x", "x.ini", NULL, &error);
    g_assert_true(mmrig_scenario_choose_machine(b, "b", &error));
    g_assert_cmpuint(b->machines->len, ==, 1);
    g_assert_cmpuint(mmrig_scenario_machine(b, 0)->cpus, ==, 3);
    g_assert_null(mmrig_scenario_machine(b, 0)->name);
    g_assert_cmpstr(mmrig_scenario_test(b, 0)->test, ==, "other");
    g_assert_true(mmrig_scenario_choose_machine(b, NULL, &error));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scenario/good", test_good);
    g_test_add_func("/scenario/defaults", test_defaults);
    g_test_add_func("/scenario/twins", test_twins);
    g_test_add_func("/scenario/machines", test_machines);
    g_test_add_func("/scenario/machines-twins", test_machines_twins);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/scenario/refused/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_refused);
    }
    g_test_add_func("/scenario/too-much", test_too_much);
    g_test_add_func("/scenario/names", test_names);
    g_test_add_func("/scenario/folder", test_folder);
    g_test_add_func("/scenario/sizes", test_sizes);
    g_test_add_func("/scenario/ways-to-start", test_ways_to_start);
    g_test_add_func("/scenario/choose-machine", test_choose_machine);
    return g_test_run();
}
