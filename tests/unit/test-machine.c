/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planned arguments, byte for byte: one file golden/NAME.argv a case, one argument a line.
 * After a wanted change, `MMRIG_GOLDEN_UPDATE=1 unit-machine` writes them anew (the test then
 * fails, so that an update is never taken for a check); read the diff before committing it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "machine/plan.h"
#include "scenario/scenario.h"

#define BASE "[scenario]\nsummary = s\narea = a\n[test]\ntest = t\n"

typedef struct {
    const char *name;
    const char *text;
    MmrigAccel accel;
    const char *kernel;
    MmrigStart kind;
} Case;

static const Case cases[] = {
    {"plain", BASE, MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"qmp-object", BASE, MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"kvm", BASE, MMRIG_ACCEL_KVM, "/boot/vmlinux", MMRIG_START_COLD},
    {"comma", BASE, MMRIG_ACCEL_TCG, "/boot/a,b c/vmlinux", MMRIG_START_COLD},
    {"cpu",
     BASE "[machine]\ncpus = 4\nmemory = 1G\ncpu = max,vendor=GenuineIntel,family=6\n"
          "[kernel]\nmodules = nfit nd_pmem\ncmdline = quiet mce=1\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"nodes", BASE "[machine]\ncpus = 2\nnodes = 3\n", MMRIG_ACCEL_TCG, "/boot/vmlinux",
     MMRIG_START_COLD},
    {"nvdimm",
     BASE "[machine]\nnodes = 2\n"
          "[nvdimm pmem0]\nsize = 128M\nnode = 1\n"
          "[nvdimm pmem1]\nsize = 64M\nlabel-size = 0\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"dimm",
     BASE "[machine]\nnodes = 2\n[dimm d0]\nsize = 128M\n[dimm d1]\nsize = 256M\nnode = 1\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"virtio-mem", BASE "[virtio-mem vm0]\nsize = 1536M\nblock-size = 4M\nrequested = 256M\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"balloon", BASE "[balloon balloon0]\n", MMRIG_ACCEL_TCG, "/boot/vmlinux",
     MMRIG_START_COLD},
    {"disk", BASE "[disk slow]\nsize = 64M\nrate = 4M\n[disk fast]\nsize = 1G\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"pack",
     BASE "[pack cam0]\ntype = mmrig-camera\nproperties = sizes=640x480,64x64 dma-bits=32\n"
          "[pack cam1]\ntype = mmrig-camera\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"cxl",
     BASE "[cxl ram0]\nvolatile = 256M\nswitch = yes\n"
          "[cxl a]\nvolatile = 512M\npersistent = 256M\nwindow = 1\n"
          "[nvdimm pmem0]\nsize = 64M\n"
          "[cxl b]\nvolatile = 512M\npersistent = 256M\nwindow = 1\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"nvdimm-errors",
     BASE "[nvdimm pmem0]\nsize = 64M\n[pack nvd0]\ntype = mmrig-nvdimm\n"
          "properties = ars-buffer=120\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"nvdimm-store",
     BASE "[nvdimm pmem0]\nsize = 64M\n[pack nvd0]\ntype = mmrig-nvdimm\n"
          "properties = store=/var/errors\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"all",
     BASE "[machine]\ncpus = 2\nmemory = 256M\nnodes = 2\n"
          "[nvdimm pmem0]\nsize = 64M\n"
          "[balloon balloon0]\n"
          "[virtio-mem vm0]\nsize = 512M\nnode = 1\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"template", BASE "[nvdimm pmem0]\nsize = 64M\n", MMRIG_ACCEL_TCG, "/boot/vmlinux",
     MMRIG_START_TEMPLATE},
    {"fork", BASE "[nvdimm pmem0]\nsize = 64M\n", MMRIG_ACCEL_TCG, "/boot/vmlinux",
     MMRIG_START_FORK},
    {"vmgenid", BASE "[machine]\nvmgenid = yes\n", MMRIG_ACCEL_TCG, "/boot/vmlinux",
     MMRIG_START_FORK},
    {"ovmf",
     BASE "[machine]\nmemory = 2G\nnodes = 2\nnode-memory = 512M 1536M\nmemory-below-4g = 1G\n"
          "[firmware]\ntype = ovmf\n[nvdimm pmem0]\nsize = 64M\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"ovmf-own", BASE "[firmware]\ntype = ovmf\ncode = /a,b/code.fd\nvariables = /a/vars.fd\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"esp",
     BASE "[firmware]\ntype = ovmf\nboot = esp\n[disk d0]\nsize = 1M\n"
          "[kernel]\nmodules = nfit\ncmdline = quiet\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"esp-fork", BASE "[firmware]\ntype = ovmf\nboot = esp\n", MMRIG_ACCEL_TCG, "/boot/vmlinux",
     MMRIG_START_FORK},
    {"ovmf-fork",
     BASE "[machine]\nmemory = 2G\nnodes = 2\nnode-memory = 512M 1536M\n"
          "[firmware]\ntype = ovmf\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_FORK},
    {"numa",
     BASE "[machine]\ncpus = 3\nnodes = 3\nnode-memory = 256M 256M 0\nnode-cpus = 0-1 - 2\n"
          "node-distances = 10,20,30 20,10,40 30,40,10\n"
          "node-latency = 0-0=100 0-1=200\nnode-bandwidth = 0-1=5120M\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"link",
     BASE "[machine left]\n[machine right]\n[link a]\nmachines = left right\n"
          "[disk d0]\nmachine = left\nsize = 1M\n[link b]\nmachines = right left\n",
     MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD},
    {"fork-nodes", BASE "[machine]\nnodes = 2\n", MMRIG_ACCEL_TCG, "/boot/vmlinux",
     MMRIG_START_FORK},
};

static MmrigScenario *parse(const char *text, const char *name)
{
    g_autoptr(GError) error = NULL;
    MmrigScenario *scenario =
        mmrig_scenario_parse(text, strlen(text), name, "x.ini", NULL, &error);

    g_assert_no_error(error);
    return scenario;
}

static MmrigPlan *plan(const MmrigScenario *scenario, const Case *one)
{
    g_autoptr(GError) error = NULL;
    MmrigBootInputs parts = {.qemu = "/usr/bin/qemu-system-x86_64",
                             /* As of QEMU 11.1; all others are 10.0's. */
                             .qmp_object = g_str_equal(one->name, "qmp-object"),
                             .accel = one->accel,
                             .kernel = one->kernel,
                             .initrd = "/cache/x.cpio",
                             .kind = one->kind,
                             .pack = "/lib/a,b/mmrig-devices.so",
                             .efi_kernel = "/boot/bzImage",
                             .firmware = "/usr/share/OVMF/CODE.fd",
                             .variables = "/usr/share/OVMF/VARS.fd",
                             .loader = "/boot/loader.efi"};
    MmrigPlan *machine = mmrig_plan_make(mmrig_scenario_machine(scenario, 0), &parts, &error);

    g_assert_no_error(error);
    return machine;
}

static void test_golden(gconstpointer data)
{
    const Case *one = data;
    g_autoptr(MmrigScenario) scenario = parse(one->text, one->name);
    g_autoptr(MmrigPlan) machine = plan(scenario, one);
    g_autofree char *lines = g_strjoinv("\n", machine->argv);
    g_autofree char *got = g_strconcat(lines, "\n", NULL);
    g_autofree char *path = g_strdup_printf("%s/golden/%s.argv", MMRIG_TEST_SOURCE, one->name);
    g_autofree char *expected = NULL;

    if (getenv("MMRIG_GOLDEN_UPDATE")) {
        g_assert_true(g_file_set_contents(path, got, -1, NULL));
        g_test_fail_printf("wrote %s; run again without MMRIG_GOLDEN_UPDATE", path);
        return;
    }
    g_assert_true(g_file_get_contents(path, &expected, NULL, NULL));
    g_assert_cmpstr(got, ==, expected);
}

static const Case *find_case(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (g_str_equal(cases[i].name, name))
            return &cases[i];
    }
    g_assert_not_reached();
}

static void test_backings(void)
{
    const Case *one = find_case("nvdimm");
    g_autoptr(MmrigScenario) scenario = parse(one->text, one->name);
    g_autoptr(MmrigPlan) machine = plan(scenario, one);

    g_assert_cmpuint(machine->backings->len, ==, 2);
    const MmrigBacking *first = g_ptr_array_index(machine->backings, 0);
    const MmrigBacking *second = g_ptr_array_index(machine->backings, 1);
    g_assert_cmpstr(first->device, ==, "pmem0");
    g_assert_cmpint(first->fd, ==, MMRIG_FD_BACKING);
    g_assert_cmpuint(first->size, ==, (128 << 20) + (128 << 10));
    g_assert_cmpstr(second->device, ==, "pmem1");
    g_assert_cmpint(second->fd, ==, MMRIG_FD_BACKING + 1);
    g_assert_cmpuint(second->size, ==, 64 << 20);

    const Case *none = find_case("virtio-mem");
    g_autoptr(MmrigScenario) other = parse(none->text, none->name);
    g_autoptr(MmrigPlan) bare = plan(other, none);
    g_assert_cmpuint(bare->backings->len, ==, 0);
}

static void test_esp(void)
{
    const Case *one = find_case("esp");
    g_autoptr(MmrigScenario) scenario = parse(one->text, one->name);
    g_autoptr(MmrigPlan) machine = plan(scenario, one);

    /* The variables, the scenario's own disk, and last the one to boot from. */
    g_assert_cmpuint(machine->backings->len, ==, 3);
    const MmrigBacking *disk = g_ptr_array_index(machine->backings, 2);
    g_assert_cmpstr(disk->device, ==, MMRIG_BACKING_ESP);
    g_assert_cmpint(disk->fd, ==, MMRIG_FD_BACKING + 2);
    g_assert_null(disk->source);
    g_assert_nonnull(disk->esp);
    g_assert_cmpstr(disk->esp->loader, ==, "/boot/loader.efi");
    g_assert_cmpstr(disk->esp->kernel, ==, "/boot/bzImage");
    g_assert_cmpstr(disk->esp->initrd, ==, "/cache/x.cpio");
    g_assert_cmpstr(disk->esp->options, ==,
                    "console=ttyS0 loglevel=5 panic=-1 no_timer_check tsc=nowatchdog "
                    "mmrig.modules=nfit quiet");
    for (guint i = 0; i < 2; i++) {
        const MmrigBacking *other = g_ptr_array_index(machine->backings, i);
        g_assert_null(other->esp);
    }
}

static void assert_words(GStrv words, const char *expected)
{
    g_autofree char *joined = g_strjoinv(" ", words);
    g_assert_cmpstr(joined, ==, expected);
}

static void test_needs(void)
{
    g_autoptr(MmrigScenario) all = parse(find_case("all")->text, "all");
    g_autoptr(MmrigScenario) plain = parse(find_case("plain")->text, "plain");
    g_autoptr(MmrigScenario) nodes = parse(find_case("nodes")->text, "nodes");
    g_autoptr(MmrigScenario) forked = parse(find_case("vmgenid")->text, "vmgenid");
    g_auto(GStrv) forked_types = mmrig_spec_types(mmrig_scenario_machine(forked, 0));
    g_auto(GStrv) all_types = mmrig_spec_types(mmrig_scenario_machine(all, 0));
    g_auto(GStrv) plain_types = mmrig_spec_types(mmrig_scenario_machine(plain, 0));
    g_auto(GStrv) nodes_types = mmrig_spec_types(mmrig_scenario_machine(nodes, 0));
    g_auto(GStrv) all_commands = mmrig_spec_commands(mmrig_scenario_machine(all, 0));
    g_auto(GStrv) plain_commands = mmrig_spec_commands(mmrig_scenario_machine(plain, 0));
    g_autoptr(MmrigScenario) esp = parse(find_case("esp")->text, "esp");
    g_auto(GStrv) esp_types = mmrig_spec_types(mmrig_scenario_machine(esp, 0));

    assert_words(all_types, "memory-backend-file memory-backend-ram nvdimm "
                            "pvpanic-pci virtio-balloon-pci virtio-mem-pci virtio-serial-pci "
                            "virtserialport");
    assert_words(plain_types, "pvpanic-pci virtio-serial-pci virtserialport");
    assert_words(nodes_types, "memory-backend-ram pvpanic-pci "
                              "virtio-serial-pci virtserialport");
    assert_words(esp_types,
                 "ide-hd pvpanic-pci virtio-blk-pci virtio-serial-pci virtserialport");
    assert_words(forked_types, "pvpanic-pci virtio-serial-pci virtserialport vmgenid");
    assert_words(all_commands,
                 "balloon qom-set query-balloon query-memory-devices query-status quit");
    assert_words(plain_commands, "query-status quit");
}

/* A scenario with these words in [machine] has an argument that reads so. */
static const struct {
    const char *name, *words, *argument;
} numa_cases[] = {
    {"own-cpus", "node-cpus = - 0-3 -\nnode-latency = 1-2=9\n",
     "node,nodeid=1,cpus=0-3,initiator=1"},
    {"by-latency",
     "node-cpus = 0-1 2-3 -\nnode-latency = 0-2=10 1-2=9\n"
     "node-bandwidth = 0-2=2G 1-2=1G\nnode-distances = 10,20,20 20,10,30 20,30,10\n",
     "node,nodeid=2,initiator=1"},
    {"by-said-latency", "node-cpus = 0-1 2-3 -\nnode-latency = 1-2=9\n",
     "node,nodeid=2,initiator=1"},
    {"by-bandwidth",
     "node-cpus = 0-1 2-3 -\nnode-latency = 0-2=9 1-2=9\n"
     "node-bandwidth = 0-2=1G 1-2=2G\nnode-distances = 10,20,20 20,10,30 20,30,10\n",
     "node,nodeid=2,initiator=1"},
    /* From the CPUs to the memory, not the way back. */
    {"by-distance",
     "node-cpus = 0-1 2-3 -\nnode-latency = 0-0=9\n"
     "node-distances = 10,20,40 20,10,30 20,30,10\n",
     "node,nodeid=2,initiator=1"},
    {"first-of-equal", "node-cpus = - 0-1 2-3\nnode-latency = 1-0=9 2-0=9\n",
     "node,nodeid=0,memdev=rig.ram,initiator=1"},
    {"no-paths", "node-cpus = - 0-3 -\n", "node,nodeid=2"},
    {"runs", "node-cpus = 3,0 1-2 -\n", "node,nodeid=0,cpus=0-0,cpus=3-3,memdev=rig.ram"},
    {"one-socket", "node-cpus = - 0-3 -\n", "4,sockets=1,cores=4,threads=1"},
    {"two-sockets", "node-cpus = 0-1 2-3 -\n", "4,sockets=2,cores=2,threads=1"},
    {"four-sockets", "node-cpus = 0,2 1,3 -\n", "4,sockets=4,cores=1,threads=1"},
    {"uneven-sockets", "node-cpus = 0-2 3 -\n", "4,sockets=4,cores=1,threads=1"},
    {"cpus-unsaid", "node-latency = 0-0=1\n", "4"},
    /* The bounds of what is taken. */
    {"highest", "node-latency = 0-0=65534 0-1=1\nnode-bandwidth = 0-0=65534M 0-1=1M\n",
     "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-bandwidth,bandwidth="
     "65534M"},
    {"farthest", "node-distances = 10,255,255 11,10,11 255,11,10\n",
     "dist,src=2,dst=0,val=255"},
};

static void test_numa(gconstpointer data)
{
    const char *words = numa_cases[GPOINTER_TO_SIZE(data)].words;
    const Case one = {"numa-case", NULL, MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD};
    g_autofree char *text = g_strconcat(BASE "[machine]\ncpus = 4\nnodes = 3\n", words, NULL);
    g_autoptr(MmrigScenario) scenario = parse(text, one.name);
    g_autoptr(MmrigPlan) machine = plan(scenario, &one);

    if (g_strv_contains((const char *const *)machine->argv,
                        numa_cases[GPOINTER_TO_SIZE(data)].argument))
        return;
    g_autofree char *all = g_strjoinv("\n", machine->argv);
    g_error("'%s' is not among\n%s", numa_cases[GPOINTER_TO_SIZE(data)].argument, all);
}

/* All that can be said: every CPU in its node, every way between them. */
static void test_numa_most(void)
{
    g_autoptr(GString) text = g_string_new(BASE "[machine]\ncpus = 64\nnodes = 8\nnode-cpus =");
    const Case one = {"numa-most", NULL, MMRIG_ACCEL_TCG, "/boot/vmlinux", MMRIG_START_COLD};
    guint ways = 0;

    for (guint i = 0; i < 8; i++)
        g_string_append_printf(text, " %u-%u", 8 * i, 8 * i + 7);
    g_string_append(text, "\nnode-latency =");
    for (guint i = 0; i < 64; i++)
        g_string_append_printf(text, " %u-%u=%u", i / 8, i % 8, 900 + i);
    g_string_append(text, "\nnode-bandwidth =");
    for (guint i = 0; i < 64; i++)
        g_string_append_printf(text, " %u-%u=%uM", i / 8, i % 8, 900 + i);
    g_string_append_c(text, '\n');
    g_autoptr(MmrigScenario) scenario = parse(text->str, one.name);
    g_autoptr(MmrigPlan) machine = plan(scenario, &one);

    for (char **word = machine->argv; *word; word++)
        ways += g_str_has_prefix(*word, "hmat-lb,");
    g_assert_cmpuint(ways, ==, 128);
    g_assert_true(
        g_strv_contains((const char *const *)machine->argv, "64,sockets=8,cores=8,threads=1"));
    g_assert_true(g_strv_contains((const char *const *)machine->argv,
                                  "node,nodeid=7,cpus=56-63,initiator=7"));
}

static void test_quote(void)
{
    const Case *one = find_case("comma");
    g_autoptr(MmrigScenario) scenario = parse(one->text, one->name);
    g_autoptr(MmrigPlan) machine = plan(scenario, one);
    g_autofree char *quoted = mmrig_plan_quote(machine);
    g_auto(GStrv) back = NULL;
    g_autoptr(GError) error = NULL;
    int count = 0;

    /* A shell takes it apart into the very arguments. */
    g_assert_true(g_shell_parse_argv(quoted, &count, &back, &error));
    g_assert_no_error(error);
    g_assert_true(g_strv_equal((const char *const *)back, (const char *const *)machine->argv));
    g_assert_nonnull(strstr(quoted, " \\\n    -kernel '/boot/a,b c/vmlinux' \\\n    -initrd "));
    g_assert_true(g_str_has_suffix(quoted, "tsc=nowatchdog'\n"));
}

static void test_parts_missing(void)
{
    const MmrigBootInputs whole = {.qemu = "q",
                                   .kernel = "k",
                                   .initrd = "i",
                                   .pack = "p",
                                   .efi_kernel = "e",
                                   .firmware = "f",
                                   .variables = "v",
                                   .loader = "l"};
    MmrigBootInputs missing[8];

    for (gsize i = 0; i < G_N_ELEMENTS(missing); i++)
        missing[i] = whole;
    missing[0].qemu = NULL;
    missing[1].kernel = NULL;
    missing[2].initrd = "";
    missing[3].pack = NULL;
    missing[4].efi_kernel = NULL;
    missing[5].firmware = NULL;
    missing[6].variables = NULL;
    missing[7].loader = NULL;
    g_autoptr(MmrigScenario) scenario = parse(
        BASE "[pack a]\ntype = mmrig-camera\n[firmware]\ntype = ovmf\nboot = esp\n", "plain");
    g_autoptr(MmrigPlan) made =
        mmrig_plan_make(mmrig_scenario_machine(scenario, 0), &whole, NULL);
    g_assert_nonnull(made);

    for (gsize i = 0; i < G_N_ELEMENTS(missing); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(
            mmrig_plan_make(mmrig_scenario_machine(scenario, 0), &missing[i], &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/machine/golden/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_golden);
    }
    g_test_add_func("/machine/backings", test_backings);
    g_test_add_func("/machine/esp", test_esp);
    g_test_add_func("/machine/needs", test_needs);
    for (gsize i = 0; i < G_N_ELEMENTS(numa_cases); i++) {
        g_autofree char *path = g_strconcat("/machine/numa/", numa_cases[i].name, NULL);
        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_numa);
    }
    g_test_add_func("/machine/numa-most", test_numa_most);
    g_test_add_func("/machine/quote", test_quote);
    g_test_add_func("/machine/parts-missing", test_parts_missing);
    return g_test_run();
}
