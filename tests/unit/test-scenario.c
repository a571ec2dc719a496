/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "machine/device-virtio-mem.h"
#include "scenario/scenario-keys.h"
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

/* ---- What must be refused --------------------------------------------------------------- */

/* What every file needs; a case adds to it, or stands alone where it begins with '!'. */
#define BASE "[scenario]\nsummary = s\narea = a\n[test]\ntest = t\n"

typedef struct {
    const char *name;
    const char *text;
    const char *twin;
    const char *message; /* a part of it */
} Case;

static const Case cases[] = {
    {"empty", "!", NULL, "[scenario] summary: missing; write what is tested"},
    {"no-test", "![scenario]\nsummary=s\narea=a\n", NULL, "[test] test: missing"},
    {"empty-value", "![scenario]\nsummary=\narea=a\n[test]\ntest=t\n", NULL,
     "[scenario] summary: missing"},
    {"no-section", "!key = value\n", NULL, "all.ini: "},
    {"no-key", BASE "[machine]\ngarbage\n", NULL, "garbage"},
    {"binary", "!\001\002\003", NULL, "line 1 holds a control character"},
    {"escape", BASE "[machine]\ncpu = \033[2Jmax\n", NULL, "line 7 holds a control character"},
    {"carriage", BASE "[machine]\r\n", NULL, "line 6 holds a control character"},
    {"latin-1", "![scenario]\nsummary = \351\n", NULL, "not text in UTF-8"},
    {"unknown-section", BASE "[machin]\ncpus = 1\n", NULL,
     "[machin]: unknown section; did you mean [machine]?"},
    {"foreign-section", BASE "[zzz]\n", NULL, "[zzz]: unknown section"},
    {"unknown-key", BASE "[machine]\nmemroy = 1G\n", NULL,
     "[machine] memroy: there is no such key in [machine]; did you mean memory?"},
    {"foreign-key", BASE "[machine]\nzzzzzz = 1\n", NULL, "[machine] zzzzzz: "},
    {"upper-case", BASE "[machine]\nCPUs = 1\n", NULL, "did you mean cpus?"},
    {"balloon-key", BASE "[balloon b]\nsize = 1G\n", NULL, "[balloon b] size: "},
    {"double-key", BASE "[machine]\ncpus = 1\ncpus = 2\n", NULL, "[machine] cpus: given twice"},
    {"double-section", BASE "[machine]\ncpus = 1\n[machine]\nnodes = 1\n", NULL,
     "[machine]: this section stands twice"},
    {"named-section", BASE "[machine x]\ncpus = 1\n", NULL,
     "[machine x] is the only machine; write [machine]"},
    {"fault", BASE "[fault]\ndrop = x\n", NULL, "only a twin breaks things"},

    {"timeout-0", "![scenario]\nsummary=s\narea=a\ntimeout=0\n[test]\ntest=t\n", NULL,
     "'0' is not a number from 1 to 3600"},
    {"timeout-high", "![scenario]\nsummary=s\narea=a\ntimeout=3601\n[test]\ntest=t\n", NULL,
     "[scenario] timeout: '3601' is not"},
    {"cold-long",
     "![scenario]\nsummary=s\narea=a\ncold="
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n[test]\ntest=t\n",
     NULL, "[scenario] cold: too long"},
    {"cold-forked", "![scenario]\nsummary=s\narea=a\ncold=c\nforked=f\n[test]\ntest=t\n", NULL,
     "[scenario] forked: it cannot be told to be booted as well"},
    {"forked-boots", "![scenario]\nsummary=s\narea=a\nforked=f\n[test]\ntest=t\nboots=a b\n",
     NULL, "[scenario] forked: a scenario with boots is never forked"},
    {"vmgenid", BASE "[machine]\nvmgenid = true\n", NULL,
     "[machine] vmgenid: 'true' is neither yes nor no"},
    {"area", "![scenario]\nsummary=s\narea=a b\n[test]\ntest=t\n", NULL,
     "[scenario] area: 'a b' is not a name"},
    {"test-path", "![scenario]\nsummary=s\narea=a\n[test]\ntest=../sh\n", NULL,
     "[test] test: '../sh' is not a name"},
    {"cpus-0", BASE "[machine]\ncpus = 0\n", NULL, "'0' is not a number from 1 to 64"},
    {"cpus-65", BASE "[machine]\ncpus = 65\n", NULL, "'65' is not"},
    {"cpus-sign", BASE "[machine]\ncpus = +2\n", NULL, "'+2' is not"},
    {"cpus-negative", BASE "[machine]\ncpus = -1\n", NULL, "'-1' is not"},
    {"cpus-word", BASE "[machine]\ncpus = two\n", NULL, "'two' is not"},
    {"cpus-huge", BASE "[machine]\ncpus = 18446744073709551617\n", NULL, "is not a number"},
    {"cpus-comment", BASE "[machine]\ncpus = 2 # two\n", NULL, "'2 # two' is not"},
    {"memory-low", BASE "[machine]\nmemory = 62M\n", NULL,
     "'62M' is out of bounds; write a size, 64M to 1T, a multiple of 2M"},
    {"memory-high", BASE "[machine]\nmemory = 2T\n", NULL, "'2T' is out of bounds"},
    {"memory-odd", BASE "[machine]\nmemory = 65M\n", NULL, "'65M' is out of bounds"},
    {"memory-unit", BASE "[machine]\nmemory = 1X\n", NULL, "'1X' is not a size"},
    {"memory-unit-2", BASE "[machine]\nmemory = 1GB\n", NULL, "'1GB' is not a size"},
    {"memory-overflow", BASE "[machine]\nmemory = 99999999999999999999G\n", NULL,
     "is not a size"},
    {"memory-wrap", BASE "[machine]\nmemory = 16777217T\n", NULL, "is not a size"},
    {"memory-negative", BASE "[machine]\nmemory = -1G\n", NULL, "is not a size"},
    {"nodes", BASE "[machine]\nnodes = 9\n", NULL, "is not a number from 0 to 8"},
    {"node-memory-count", BASE "[machine]\nnodes = 2\nnode-memory = 512M\n", NULL,
     "[machine] node-memory: 1 for 2 nodes; write one for each"},
    {"node-memory-sum", BASE "[machine]\nnodes = 2\nnode-memory = 256M 128M\n", NULL,
     "together 402653184 bytes, and memory is 536870912"},
    {"node-memory-word", BASE "[machine]\nnodes = 1\nnode-memory = 3M\n", NULL,
     "'3M' is not a size that can stand here; write 0 to 1T, a multiple of 2M"},
    {"memory-below", BASE "[machine]\nmemory-below-4g = 4G\n", NULL, "'4G' is out of bounds"},
    {"firmware", BASE "[firmware]\ntype = seabios\n", NULL,
     "'seabios' is no firmware; write none or ovmf"},
    {"firmware-boot", BASE "[firmware]\ntype = ovmf\nboot = usb\n", NULL,
     "[firmware] boot: 'usb' is no way to boot; write direct or esp"},
    {"firmware-boot-none", BASE "[firmware]\nboot = esp\n", NULL,
     "[firmware] boot: only firmware boots from a disk; write type = ovmf as well"},
    {"firmware-code", BASE "[firmware]\ntype = ovmf\ncode = /code.fd\n", NULL,
     "[firmware] variables: missing; code and variables belong together"},
    {"firmware-variables", BASE "[firmware]\ntype = ovmf\nvariables = /vars.fd\n", NULL,
     "[firmware] code: missing"},
    {"firmware-path", BASE "[firmware]\ntype = ovmf\ncode = code.fd\n", NULL,
     "not an absolute path"},
    {"firmware-none", BASE "[firmware]\ncode = /code.fd\nvariables = /vars.fd\n", NULL,
     "[firmware] type: no firmware has code or variables; write ovmf"},
    {"firmware-keep", BASE "[firmware]\ntype = ovmf\nkeep-variables = yes\n", NULL,
     "[firmware] keep-variables: from one boot to the next, and there is one"},
    {"expect", "![scenario]\nsummary=s\narea=a\n[test]\ntest=t\nexpect=crash\n", NULL,
     "'crash' is no way to end; write pass or panic"},
    {"panic-missing", "![scenario]\nsummary=s\narea=a\n[test]\ntest=t\nexpect=panic\n", NULL,
     "[test] panic: missing"},
    {"panic-alone", "![scenario]\nsummary=s\narea=a\n[test]\ntest=t\npanic=x\n", NULL,
     "[test] panic: only with expect = panic"},
    {"panic-regex",
     "![scenario]\nsummary=s\narea=a\n[test]\ntest=t\nexpect=panic\npanic=Fatal (\n", NULL,
     "[test] panic: not a regular expression: "},
    {"panic-boots",
     "![scenario]\nsummary=s\narea=a\n[test]\ntest=t\nexpect=panic\npanic=x\nboots=a b\n", NULL,
     "has one boot"},
    {"requests-comma", "![scenario]\nsummary=s\narea=a\n[test]\ntest=t\nrequests=a,b\n", NULL,
     "[test] requests: 'a,b' is not a name of lower-case letters, digits and hyphens (they are "
     "separated by blanks)"},
    {"boots-many", "![scenario]\nsummary=s\narea=a\n[test]\ntest=t\nboots=a b c d e f g h i\n",
     NULL, "9 are too many; at most 8"},
    {"args-encoding", "![scenario]\nsummary=s\narea=a\n[test]\ntest=t\nargs=\303\251\n", NULL,
     "[test] args: only printable ASCII"},
    {"config-prefix", BASE "[kernel]\nconfig = NUMA\n", NULL, "'NUMA' is not CONFIG_X"},
    {"config-case", BASE "[kernel]\nconfig = CONFIG_numa\n", NULL, "is not CONFIG_X"},
    {"config-bare", BASE "[kernel]\nconfig = CONFIG_\n", NULL, "is not CONFIG_X"},
    {"config-no-value", BASE "[kernel]\nconfig = CONFIG_X=\n", NULL, "is not CONFIG_X"},
    {"modules", BASE "[kernel]\nmodules = ../x.ko\n", NULL, "is not the name of a module"},
    {"manifests", BASE "[image]\nmanifests = ../x\n", NULL, "[image] manifests: '../x'"},

    {"device-no-id", BASE "[nvdimm]\nsize = 64M\n", NULL, "a device needs an id"},
    {"device-bad-id", BASE "[nvdimm 0pmem]\nsize = 64M\n", NULL, "a device needs an id"},
    {"device-id-comma", BASE "[nvdimm a,b=c]\nsize = 64M\n", NULL, "a device needs an id"},
    {"device-id-dot", BASE "[nvdimm rig.qmp]\nsize = 64M\n", NULL, "a device needs an id"},
    {"device-id-long", BASE "[nvdimm aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\nsize = 64M\n", NULL,
     "a device needs an id"},
    {"device-double", BASE "[nvdimm a]\nsize = 64M\n[virtio-mem a]\nsize = 1G\n", NULL,
     "[virtio-mem a]: another device has this id"},
    {"nvdimm-no-size", BASE "[nvdimm a]\n", NULL, "[nvdimm a] size: missing"},
    {"nvdimm-size", BASE "[nvdimm a]\nsize = 3M\n", NULL, "[nvdimm a] size: '3M'"},
    {"nvdimm-label", BASE "[nvdimm a]\nsize = 2M\nlabel-size = 64K\n", NULL,
     "a multiple of 128K"},
    {"nvdimm-node", BASE "[nvdimm a]\nsize = 2M\nnode = 1\n", NULL,
     "[nvdimm a] node: there is no node 1; the machine has 0"},
    {"node-beyond", BASE "[machine]\nnodes = 2\n[nvdimm a]\nsize = 2M\nnode = 2\n", NULL,
     "there is no node 2; the machine has 2"},
    {"virtio-mem-size", BASE "[virtio-mem a]\nsize = 64M\n", NULL, "a multiple of 128M"},
    {"virtio-mem-block", BASE "[virtio-mem a]\nsize = 768M\nblock-size = 6M\n", NULL,
     "[virtio-mem a] block-size: not a power of two"},
    {"virtio-mem-multiple", BASE "[virtio-mem a]\nsize = 384M\nblock-size = 256M\n", NULL,
     "[virtio-mem a] size: not a multiple of block-size"},
    {"virtio-mem-requested", BASE "[virtio-mem a]\nsize = 1G\nrequested = 2G\n", NULL,
     "[virtio-mem a] requested: more than size"},
    {"virtio-mem-requested-odd",
     BASE "[virtio-mem a]\nsize = 1G\nblock-size = 4M\nrequested = 6M\n", NULL,
     "[virtio-mem a] requested: not a multiple"},
    {"disk-size", BASE "[disk a]\n", NULL, "[disk a] size: missing"},
    {"pack-type", BASE "[pack a]\n", NULL, "[pack a] type: missing"},
    {"pack-property", BASE "[pack a]\ntype = t\nproperties = a=1 b\n", NULL,
     "[pack a] properties: 'b' is not KEY=VALUE"},
    {"pack-property-name", BASE "[pack a]\ntype = t\nproperties = a,b=1\n", NULL,
     "[pack a] properties: 'a,b=1' is not KEY=VALUE"},
    {"cxl-nothing", BASE "[cxl a]\n", NULL, "[cxl a]: it has no memory"},
    {"cxl-size", BASE "[cxl a]\nvolatile = 128M\n", NULL, "a multiple of 256M"},
    {"cxl-window", BASE "[cxl a]\nvolatile = 256M\nwindow = 1\n", NULL,
     "[cxl a] window: the next new window is 0"},
    {"cxl-three",
     BASE "[cxl a]\nvolatile = 256M\n[cxl b]\nvolatile = 256M\n[cxl c]\nvolatile = 256M\n",
     NULL, "[cxl a] window: 3 devices are in it"},
    {"cxl-unequal", BASE "[cxl a]\nvolatile = 256M\n[cxl b]\nvolatile = 512M\n", NULL,
     "[cxl b] window: devices that are interleaved are of equal sizes, and a is not"},
    {"balloon-two", BASE "[balloon a]\n[balloon b]\n", NULL,
     "[balloon b]: a machine has 1 balloon at most"},

    {"twin-no-name", BASE "[twin]\nmachine.cpus = 2\n", NULL, "a twin needs a name"},
    {"twin-bad-name", BASE "[twin A]\nmachine.cpus = 2\n", NULL, "a twin needs a name"},
    {"twin-missing", BASE "[twin a]\nmachine.cpus = 2\n", "b",
     "there is no twin 'b'; it has a"},
    {"twin-none", BASE, "b", "there is no twin 'b'; it has none"},
    {"twin-no-change", BASE "[twin a]\ncause = panic\n", "a", "[twin a]: it changes nothing"},
    {"twin-plain-key", BASE "[twin a]\ncpus = 2\n", NULL,
     "[twin a] cpus: a twin has 'cause' and changes"},
    {"twin-no-section", BASE "[twin a]\nmachin.cpus = 2\n", NULL,
     "[twin a] machin.cpus: there is no section [machin] to change"},
    {"twin-of-twin", BASE "[twin a]\ntwin.cause = panic\n", NULL,
     "there is no section [twin] to change"},
    {"twin-no-key", BASE "[twin a]\nmachine.cpu-s = 2\n", NULL,
     "[twin a] machine.cpu-s: there is no such key in [machine]; did you mean cpus?"},
    {"twin-no-device", BASE "[twin a]\nnvdimm x.size = 2M\n", NULL,
     "there is no device [nvdimm x] to change"},
    {"twin-device-no-id", BASE "[twin a]\nnvdimm.size = 2M\n", NULL,
     "there is no section [nvdimm] to change"},
    {"twin-value", BASE "[twin a]\nmachine.cpus = 65\n", "a",
     "[twin a] machine.cpus: '65' is not"},
    {"twin-cause", BASE "[twin a]\nmachine.cpus = 2\ncause = none\n", "a",
     "[twin a] cause: 'none' is not a way to fail; write one of assertion, abort, signal"},
    {"twin-cause-unknown", BASE "[twin a]\nmachine.cpus = 2\ncause = moon\n", "a",
     "'moon' is not a way to fail"},
    {"twin-required", BASE "[twin a]\ntest.test =\n", "a", "[twin a] test.test: missing"},
    {"drop-unknown", BASE "[twin a]\nfault.drop = mce-inject\n", "a",
     "[twin a] fault.drop: 'mce-inject' is not among the requests"},
    {"shift-no-bytes", BASE "[twin a]\nfault.shift = mce-inject\n", "a",
     "[twin a] fault.shift: 'mce-inject' is not a request and a number of bytes"},
    {"shift-zero", BASE "[twin a]\nfault.shift = mce-inject 0\n", "a",
     "is not a request and a number of bytes"},
    {"shift-huge", BASE "[twin a]\nfault.shift = mce-inject 99999999999999999999\n", "a",
     "is not a request and a number of bytes"},
    {"truncate-none", BASE "[twin a]\nfault.truncate = x\n", "a",
     "[twin a] fault.truncate: there is no [nvdimm x]"},
    {"truncate-kind", BASE "[balloon x]\n[twin a]\nfault.truncate = x\n", "a",
     "there is no [nvdimm x]"},
    {"truncate-boots", BASE "[nvdimm x]\nsize = 2M\n[twin a]\nfault.truncate = x\n", "a",
     "happens between two boots"},
};

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
    g_assert_nonnull(strstr(error->message, "not a file"));
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

static void check_documented(const char *guide, const char *manual, const char *section,
                             const MmrigIniKey *key)
{
    g_autofree char *values = key->type->describe(key);
    g_autofree char *row = g_strdup_printf(
        "| `%s` | `%s` | %s | %s | %s |\n", section, key->name, values,
        key->required ? "required" : (key->fallback ? key->fallback : ""), key->meaning);
    g_autofree char *item = g_strdup_printf(".It Cm %s\n", key->name);
    g_autofree char *title = g_strdup_printf(".Ss Section %s", section);

    if (!strstr(guide, row))
        g_error("docs/adding-a-scenario.md lacks the line: %s", row);
    const char *at = strstr(manual, title);
    const char *end = at ? strstr(at + 1, "\n.S") : NULL;
    if (!end || !g_strstr_len(at, end - at, item))
        g_error("docs/man/mmrig-scenario.5 lacks in %s: %s", title, item);
}

/* Every key, its values, default and meaning stand in both documents as the table has them. */
static void test_documented(void)
{
    g_autofree char *guide = NULL, *manual = NULL;

    g_assert_true(g_file_get_contents(MMRIG_TEST_SOURCE "/../docs/adding-a-scenario.md", &guide,
                                      NULL, NULL));
    g_assert_true(g_file_get_contents(MMRIG_TEST_SOURCE "/../docs/man/mmrig-scenario.5",
                                      &manual, NULL, NULL));
    for (const MmrigScenarioSection *one = mmrig_scenario_sections(); one->section; one++)
        for (gsize i = 0; i < one->section->count; i++)
            check_documented(guide, manual, one->section->name, &one->section->keys[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scenario/good", test_good);
    g_test_add_func("/scenario/defaults", test_defaults);
    g_test_add_func("/scenario/twins", test_twins);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/scenario/refused/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_refused);
    }
    g_test_add_func("/scenario/too-much", test_too_much);
    g_test_add_func("/scenario/names", test_names);
    g_test_add_func("/scenario/folder", test_folder);
    g_test_add_func("/scenario/sizes", test_sizes);
    g_test_add_func("/scenario/ways-to-start", test_ways_to_start);
    g_test_add_func("/scenario/documented", test_documented);
    return g_test_run();
}
