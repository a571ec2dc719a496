/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scenario-keys.h"

#include <stddef.h>
#include <string.h>

#include "scenario.h"

#define KIB (G_GUINT64_CONSTANT(1) << 10)
#define MIB (G_GUINT64_CONSTANT(1) << 20)
/* Linux adds and removes memory by blocks of this size (arch/x86/mm/init_64.c). */
#define BLOCK (128 * MIB)
#define TIB   (G_GUINT64_CONSTANT(1) << 40)

#define IN_SCENARIO(field) offsetof(MmrigScenario, field)
#define IN_DEVICE(field)   offsetof(MmrigDevice, field)

const MmrigScenarioKey mmrig_scenario_keys[] = {
    {"scenario", "summary", MMRIG_KEY_TEXT, IN_SCENARIO(summary), 0, 120, 0, NULL, TRUE,
     "what is tested, in one line"},
    {"scenario", "area", MMRIG_KEY_NAME, IN_SCENARIO(area), 0, 0, 0, NULL, TRUE,
     "the group it belongs to, for --area"},
    {"scenario", "timeout", MMRIG_KEY_NUMBER, IN_SCENARIO(timeout), 1, 3600, 0, "60", FALSE,
     "seconds that the test may take in one boot, not counting the boot itself"},
    {"scenario", "cold", MMRIG_KEY_TEXT, IN_SCENARIO(cold), 0, 120, 0, NULL, FALSE,
     "why the machine must be booted, not forked"},
    {"scenario", "forked", MMRIG_KEY_TEXT, IN_SCENARIO(forked), 0, 120, 0, NULL, FALSE,
     "why the machine must be forked, not booted, else the scenario is skipped"},

    {"test", "test", MMRIG_KEY_NAME, IN_SCENARIO(test), 0, 0, 0, NULL, TRUE,
     "the guest test program, without test- before it"},
    {"test", "args", MMRIG_KEY_WORDS, IN_SCENARIO(args), 0, 32, 0, NULL, FALSE,
     "its arguments"},
    {"test", "boots", MMRIG_KEY_NAMES, IN_SCENARIO(boots), 0, 8, 0, NULL, FALSE,
     "one word for each boot of the machine, given to the test as its first argument"},
    {"test", "requests", MMRIG_KEY_NAMES, IN_SCENARIO(requests), 0, 32, 0, NULL, FALSE,
     "what the test may ask of the rig"},
    {"test", "expect", MMRIG_KEY_EXPECT, IN_SCENARIO(expect), 0, 0, 0, "pass", FALSE,
     "how it should end"},
    {"test", "panic", MMRIG_KEY_REGEX, IN_SCENARIO(panic), 0, 500, 0, NULL, FALSE,
     "what the text of the expected panic must match"},

    {"machine", "cpus", MMRIG_KEY_NUMBER, IN_SCENARIO(cpus), 1, 64, 0, "1", FALSE,
     "virtual CPUs"},
    {"machine", "memory", MMRIG_KEY_SIZE, IN_SCENARIO(memory), 64 * MIB, TIB, 2 * MIB, "512M",
     FALSE, "memory of the machine, without that of its devices"},
    {"machine", "nodes", MMRIG_KEY_NUMBER, IN_SCENARIO(nodes), 0, 8, 0, "0", FALSE,
     "NUMA nodes; node 0 has all CPUs and memory; 0 is a machine without NUMA"},
    {"machine", "node-memory", MMRIG_KEY_SIZES, IN_SCENARIO(node_memory), 0, MMRIG_NODES_MAX, 0,
     NULL, FALSE, "a size for each node, together memory; without it node 0 has all"},
    {"machine", "memory-below-4g", MMRIG_KEY_SIZE, IN_SCENARIO(memory_below), 0, 3072 * MIB,
     2 * MIB, "0", FALSE, "how much of it lies below 4 GiB at most; 0 is as QEMU does it"},
    {"machine", "cpu", MMRIG_KEY_TEXT, IN_SCENARIO(cpu), 0, 250, 0, NULL, FALSE,
     "QEMU's CPU model with its properties; the default is max, with KVM host"},
    {"machine", "vmgenid", MMRIG_KEY_SWITCH, IN_SCENARIO(vmgenid), 0, 0, 0, "no", FALSE,
     "a device that tells the kernel when it was forked"},

    {"firmware", "type", MMRIG_KEY_FIRMWARE, IN_SCENARIO(firmware), 0, 0, 0, "none", FALSE,
     "what starts the kernel"},
    {"firmware", "boot", MMRIG_KEY_BOOT, IN_SCENARIO(boot_from), 0, 0, 0, "direct", FALSE,
     "where it has the kernel from: QEMU, or a boot loader on a disk"},
    {"firmware", "code", MMRIG_KEY_PATH, IN_SCENARIO(firmware_code), 0, 250, 0, NULL, FALSE,
     "its image; the default is what the host's descriptor files name"},
    {"firmware", "variables", MMRIG_KEY_PATH, IN_SCENARIO(firmware_variables), 0, 250, 0, NULL,
     FALSE, "what the machine's own variables begin as; given with code, and only then"},
    {"firmware", "keep-variables", MMRIG_KEY_SWITCH, IN_SCENARIO(keep_variables), 0, 0, 0, "no",
     FALSE, "the variables stay from one of the boots to the next"},

    {"kernel", "config", MMRIG_KEY_OPTIONS, IN_SCENARIO(config), 0, 64, 0, NULL, FALSE,
     "options that the kernel must have, else the scenario is skipped"},
    {"kernel", "modules", MMRIG_KEY_MODULES, IN_SCENARIO(modules), 0, 64, 0, NULL, FALSE,
     "modules to load before the test, where they are not built in"},
    {"kernel", "cmdline", MMRIG_KEY_TEXT, IN_SCENARIO(cmdline), 0, 1000, 0, NULL, FALSE,
     "added to the kernel's command line"},

    {"image", "manifests", MMRIG_KEY_NAMES, IN_SCENARIO(manifests), 0, 16, 0, NULL, FALSE,
     "what else goes into the image: images/NAME.manifest"},

    {"nvdimm", "size", MMRIG_KEY_SIZE, IN_DEVICE(size), 2 * MIB, TIB, 2 * MIB, NULL, TRUE,
     "persistent memory that the guest sees; the label area comes on top"},
    {"nvdimm", "label-size", MMRIG_KEY_SIZE, IN_DEVICE(label_size), 0, 16 * MIB, 128 * KIB,
     "128K", FALSE, "size of the label area; 0 is an NVDIMM without labels"},
    {"nvdimm", "node", MMRIG_KEY_NUMBER, IN_DEVICE(node), 0, 7, 0, "0", FALSE,
     "the NUMA node it belongs to"},

    {"virtio-mem", "size", MMRIG_KEY_SIZE, IN_DEVICE(size), BLOCK, TIB, BLOCK, NULL, TRUE,
     "the most it can give"},
    {"virtio-mem", "block-size", MMRIG_KEY_SIZE, IN_DEVICE(block_size), 2 * MIB, 1024 * MIB,
     2 * MIB, "2M", FALSE, "the unit it plugs and unplugs, a power of two"},
    {"virtio-mem", "requested", MMRIG_KEY_SIZE, IN_DEVICE(requested), 0, TIB, 2 * MIB, "0",
     FALSE, "what it gives at the start"},
    {"virtio-mem", "node", MMRIG_KEY_NUMBER, IN_DEVICE(node), 0, 7, 0, "0", FALSE,
     "the NUMA node it belongs to"},

    {"disk", "size", MMRIG_KEY_SIZE, IN_DEVICE(size), MIB, TIB, MIB, NULL, TRUE,
     "its size; it is empty at first"},
    {"disk", "rate", MMRIG_KEY_SIZE, IN_DEVICE(rate), 0, TIB, KIB, "0", FALSE,
     "bytes that it moves in a second; 0 is as many as it can"},

    {"cxl", "volatile", MMRIG_KEY_SIZE, IN_DEVICE(size), 0, TIB, 256 * MIB, "0", FALSE,
     "memory that is lost when the machine is switched off"},
    {"cxl", "persistent", MMRIG_KEY_SIZE, IN_DEVICE(persistent), 0, TIB, 256 * MIB, "0", FALSE,
     "memory that is kept from boot to boot"},
    {"cxl", "window", MMRIG_KEY_NUMBER, IN_DEVICE(window), 0, 15, 0, "0", FALSE,
     "the window of physical addresses it is reached by, from 0; devices of one are "
     "interleaved"},
    {"cxl", "switch", MMRIG_KEY_SWITCH, IN_DEVICE(behind), 0, 0, 0, "no", FALSE,
     "put a CXL switch before it"},

    {"pack", "type", MMRIG_KEY_NAME, IN_DEVICE(type), 0, 0, 0, NULL, TRUE,
     "a device of mmrig's device pack, by its name in QEMU"},
    {"pack", "properties", MMRIG_KEY_PROPERTIES, IN_DEVICE(properties), 0, 32, 0, NULL, FALSE,
     "its properties"},

    {"fault", "drop", MMRIG_KEY_NAME, IN_SCENARIO(fault.drop), 0, 0, 0, NULL, FALSE,
     "answer this request with ok and do nothing"},
    {"fault", "shift", MMRIG_KEY_SHIFT, IN_SCENARIO(fault.shift), 0, 0, 0, NULL, FALSE,
     "move every address in this request by so many bytes"},
    {"fault", "truncate", MMRIG_KEY_NAME, IN_SCENARIO(fault.truncate), 0, 0, 0, NULL, FALSE,
     "empty the backing file of this device between two boots"},

    {"twin", "cause", MMRIG_KEY_CAUSE, IN_SCENARIO(twin_cause), 0, 0, 0, "assertion", FALSE,
     "why the twin must fail"},
};
const gsize mmrig_scenario_keys_count = G_N_ELEMENTS(mmrig_scenario_keys);

/* A balloon has no keys of its own. */
static const char *const sections[] = {"scenario", "test",   "machine", "firmware",   "kernel",
                                       "image",    "nvdimm", "cxl",     "virtio-mem", "balloon",
                                       "disk",     "pack",   "fault",   "twin",       NULL};

const MmrigScenarioKey *mmrig_scenario_key_find(const char *section, const char *key)
{
    for (gsize i = 0; i < mmrig_scenario_keys_count; i++) {
        if (g_str_equal(mmrig_scenario_keys[i].section, section) &&
            g_str_equal(mmrig_scenario_keys[i].key, key))
            return &mmrig_scenario_keys[i];
    }
    return NULL;
}

gboolean mmrig_scenario_section_exists(const char *section)
{
    return g_strv_contains(sections, section);
}

/* Levenshtein's distance, the case of letters aside, or G_MAXUINT for words too long to be a
 * slip of the pen. */
static guint key_distance(const char *a, const char *b)
{
    enum { LENGTH_MAX = 64 };
    guint row[LENGTH_MAX + 1];
    gsize rows = strlen(a), columns = strlen(b);

    if (rows > LENGTH_MAX || columns > LENGTH_MAX)
        return G_MAXUINT;
    for (guint j = 0; j <= columns; j++)
        row[j] = j;
    for (guint i = 1; i <= rows; i++) {
        guint diagonal = row[0];
        row[0] = i;
        for (guint j = 1; j <= columns; j++) {
            guint above = row[j];
            guint change = diagonal + (g_ascii_tolower(a[i - 1]) != g_ascii_tolower(b[j - 1]));
            row[j] = MIN(change, MIN(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[columns];
}

const char *mmrig_nearest(const char *const *names, const char *name)
{
    const char *best = NULL;
    guint least = G_MAXUINT;

    for (; *names; names++) {
        guint far = key_distance(*names, name);
        /* More than a third of the letters wrong is another word, not a slip. */
        if (far < least && far <= MAX(strlen(*names), 3) / 3) {
            least = far;
            best = *names;
        }
    }
    return best;
}

const char *mmrig_scenario_key_nearest(const char *section, const char *key)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (gsize i = 0; i < mmrig_scenario_keys_count; i++) {
        if (g_str_equal(mmrig_scenario_keys[i].section, section))
            g_ptr_array_add(names, (gpointer)mmrig_scenario_keys[i].key);
    }
    g_ptr_array_add(names, NULL);
    return mmrig_nearest((const char *const *)names->pdata, key);
}

const char *mmrig_scenario_section_nearest(const char *section)
{
    return mmrig_nearest(sections, section);
}
