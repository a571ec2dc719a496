/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "spec.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "numa-private.h"
#include "plan-private.h"

#define IN_SPEC(field) offsetof(MmrigMachineSpec, field)

static const MmrigIniKey machine_keys[] = {
    {"cpus", &mmrig_ini_number, IN_SPEC(cpus), 1, MMRIG_CPUS_MAX, 0, "1", FALSE, "virtual CPUs",
     NULL, NULL},
    {"memory", &mmrig_ini_size, IN_SPEC(memory), 64 * MMRIG_MIB, MMRIG_TIB, 2 * MMRIG_MIB,
     "512M", FALSE, "memory of the machine, without that of its devices", NULL, NULL},
    {"nodes", &mmrig_ini_number, IN_SPEC(nodes), 0, MMRIG_NODES_MAX, 0, "0", FALSE,
     "NUMA nodes; node 0 has all CPUs and memory unless the keys below say otherwise; 0 is a "
     "machine without NUMA",
     NULL, NULL},
    {"node-memory", &mmrig_ini_sizes, IN_SPEC(node_memory), 0, MMRIG_TIB, 2 * MMRIG_MIB, NULL,
     FALSE,
     "a size for each node, together memory, 0 for a node without; without this node 0 has all",
     NULL, NULL},
    {"node-cpus", &mmrig_ini_words, IN_SPEC(node_cpus), 0, MMRIG_NODES_MAX, 0, NULL, FALSE,
     "the CPUs of each node, as 0-1,4, or - for none; without this node 0 has all", NULL, NULL},
    {"node-distances", &mmrig_ini_words, IN_SPEC(node_distances), 0, MMRIG_NODES_MAX, 0, NULL,
     FALSE, "for each node its distances to all nodes, as 10,20,30 (the SLIT)", NULL, NULL},
    {"node-latency", &mmrig_ini_words, IN_SPEC(node_latency), 0,
     MMRIG_NODES_MAX *MMRIG_NODES_MAX, 0, NULL, FALSE,
     "FROM-TO=NANOSECONDS, of a node's CPUs to a node's memory (the HMAT)", NULL, NULL},
    {"node-bandwidth", &mmrig_ini_words, IN_SPEC(node_bandwidth), 0,
     MMRIG_NODES_MAX *MMRIG_NODES_MAX, 0, NULL, FALSE,
     "FROM-TO=SIZE in a second, likewise, a multiple of 1M", NULL, NULL},
    {"memory-below-4g", &mmrig_ini_size, IN_SPEC(memory_below), 0, 3072 * MMRIG_MIB,
     2 * MMRIG_MIB, "0", FALSE, "how much of it lies below 4 GiB at most; 0 is as QEMU does it",
     NULL, NULL},
    {"cpu", &mmrig_ini_text, IN_SPEC(cpu), 0, 250, 0, NULL, FALSE,
     "QEMU's CPU model with its properties; the default is max, with KVM host", NULL, NULL},
    {"vmgenid", &mmrig_ini_switch, IN_SPEC(vmgenid), 0, 0, 0, "no", FALSE,
     "a device that tells the kernel when it was forked", NULL, NULL},
};

static const char *const firmware_words[] = {"none", "ovmf", NULL};
static const char *const boot_words[] = {"direct", "esp", NULL};
G_STATIC_ASSERT(MMRIG_FIRMWARE_OVMF == 1 && sizeof(MmrigFirmwareKind) == sizeof(guint));
G_STATIC_ASSERT(MMRIG_BOOT_ESP == 1 && sizeof(MmrigBootFrom) == sizeof(guint));

static const MmrigIniKey firmware_keys[] = {
    {"type", &mmrig_ini_choice, IN_SPEC(firmware), 0, 0, 0, "none", FALSE,
     "what starts the kernel", firmware_words, "firmware"},
    {"boot", &mmrig_ini_choice, IN_SPEC(boot_from), 0, 0, 0, "direct", FALSE,
     "where it has the kernel from: QEMU, or a boot loader on a disk", boot_words,
     "way to boot"},
    {"code", &mmrig_ini_path, IN_SPEC(firmware_code), 0, 250, 0, NULL, FALSE,
     "its image; the default is what the host's descriptor files name", NULL, NULL},
    {"variables", &mmrig_ini_path, IN_SPEC(firmware_variables), 0, 250, 0, NULL, FALSE,
     "what the machine's own variables begin as; given with code, and only then", NULL, NULL},
    {"keep-variables", &mmrig_ini_switch, IN_SPEC(keep_variables), 0, 0, 0, "no", FALSE,
     "the variables stay from one of the boots to the next", NULL, NULL},
};

static const MmrigIniKey kernel_keys[] = {
    {"config", &mmrig_ini_options, IN_SPEC(config), 0, 64, 0, NULL, FALSE,
     "options that the kernel must have, else the scenario is skipped", NULL, NULL},
    {"modules", &mmrig_ini_modules, IN_SPEC(modules), 0, 64, 0, NULL, FALSE,
     "modules to load before the test, where they are not built in", NULL, NULL},
    {"cmdline", &mmrig_ini_text, IN_SPEC(cmdline), 0, 1000, 0, NULL, FALSE,
     "added to the kernel's command line", NULL, NULL},
};

static const MmrigIniKey image_keys[] = {
    {"manifests", &mmrig_ini_names, IN_SPEC(manifests), 0, 16, 0, NULL, FALSE,
     "what else goes into the image: images/NAME.manifest", NULL, NULL},
};

const MmrigIniSection mmrig_spec_sections[] = {
    MMRIG_INI_SECTION("machine", machine_keys),
    MMRIG_INI_SECTION("firmware", firmware_keys),
    MMRIG_INI_SECTION("kernel", kernel_keys),
    MMRIG_INI_SECTION("image", image_keys),
};
const gsize mmrig_spec_sections_count = G_N_ELEMENTS(mmrig_spec_sections);

static void spec_device_free(gpointer data)
{
    mmrig_device_free(data);
}

MmrigMachineSpec *mmrig_spec_new(const char *name, const char *title)
{
    MmrigMachineSpec *spec = g_new0(MmrigMachineSpec, 1);

    spec->name = g_strdup(name);
    spec->title = g_strdup(title);
    spec->arch = mmrig_arch_default();
    spec->devices = g_ptr_array_new_with_free_func(spec_device_free);
    return spec;
}

void mmrig_spec_free(MmrigMachineSpec *spec)
{
    if (!spec)
        return;
    for (gsize i = 0; i < mmrig_spec_sections_count; i++)
        mmrig_ini_clear(&mmrig_spec_sections[i], spec);
    g_ptr_array_unref(spec->devices);
    g_free(spec->name);
    g_free(spec->title);
    g_free(spec);
}

const MmrigDevice *mmrig_spec_device(const MmrigMachineSpec *spec, const char *id)
{
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        if (strcmp(device->id, id) == 0)
            return device;
    }
    return NULL;
}

const MmrigDevice *mmrig_spec_has(const MmrigMachineSpec *spec, const MmrigDeviceClass *class)
{
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        if (device->class == class)
            return device;
    }
    return NULL;
}

gboolean mmrig_spec_needs_pack(const MmrigMachineSpec *spec)
{
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        if (device->class->of_pack)
            return TRUE;
    }
    return FALSE;
}

guint64 mmrig_spec_memory(const MmrigMachineSpec *spec)
{
    guint64 sum = spec->memory;

    for (guint i = 0; i < spec->devices->len; i++) {
        guint64 more = mmrig_device_memory(g_ptr_array_index(spec->devices, i));
        sum = sum > G_MAXUINT64 - more ? G_MAXUINT64 : sum + more;
    }
    return sum;
}

const char *mmrig_spec_lacks(const MmrigMachineSpec *spec)
{
    if (spec->memory_below && !spec->arch->ram_limit)
        return "a limit of the memory below 4 GiB";
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        const char *lack = device->class->lacks ? device->class->lacks(spec, device) : NULL;
        if (lack)
            return lack;
    }
    return NULL;
}

const char *mmrig_spec_unforkable(const MmrigMachineSpec *spec)
{
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        if (device->class->unforkable)
            return device->class->unforkable;
    }
    return NULL;
}

/* ---- Checks --------------------------------------------------------------------------- */

gboolean mmrig_device_check_node(const MmrigMachineSpec *spec, const MmrigDevice *device,
                                 guint node, MmrigSpecProblem *problem)
{
    return node < MAX(spec->nodes, 1) ||
           mmrig_device_problem(problem, device, "node",
                                "there is no node %u; the machine has %u ([machine] nodes)",
                                node, spec->nodes);
}

gboolean mmrig_spec_problem(MmrigSpecProblem *problem, const char *section, const char *key,
                            const char *format, ...)
{
    va_list values;

    mmrig_spec_problem_clear(problem);
    problem->section = g_strdup(section);
    problem->key = key;
    va_start(values, format);
    problem->text = g_strdup_vprintf(format, values);
    va_end(values);
    return FALSE;
}

static gboolean spec_check_firmware(const MmrigMachineSpec *spec, MmrigSpecProblem *problem)
{
    if (!spec->firmware_code != !spec->firmware_variables)
        return mmrig_spec_problem(problem, "firmware",
                                  spec->firmware_code ? "variables" : "code",
                                  "missing; code and variables belong together");
    if (spec->firmware == MMRIG_FIRMWARE_NONE && (spec->firmware_code || spec->keep_variables))
        return mmrig_spec_problem(problem, "firmware", "type",
                                  "no firmware has code or variables; write ovmf");
    if (spec->firmware == MMRIG_FIRMWARE_NONE && spec->boot_from == MMRIG_BOOT_ESP)
        return mmrig_spec_problem(problem, "firmware", "boot",
                                  "only firmware boots from a disk; write type = ovmf as well");
    return TRUE;
}

/* How many devices of its class stand before this one. */
static guint spec_count_before(const MmrigMachineSpec *spec, guint number)
{
    const MmrigDevice *device = g_ptr_array_index(spec->devices, number);
    guint count = 0;

    for (guint i = 0; i < number; i++) {
        const MmrigDevice *other = g_ptr_array_index(spec->devices, i);
        count += other->class == device->class;
    }
    return count;
}

gboolean mmrig_spec_check(const MmrigMachineSpec *spec, MmrigSpecProblem *problem)
{
    if (!mmrig_numa_check(spec, problem) || !spec_check_firmware(spec, problem))
        return FALSE;
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        const MmrigDeviceClass *class = device->class;
        if (class->check && !class->check(spec, device, problem))
            return FALSE;
        if (class->most && spec_count_before(spec, i) >= class->most)
            return mmrig_device_problem(problem, device, NULL,
                                        "a machine has %u %s at most; remove this one",
                                        class->most, class->section.name);
    }
    for (const MmrigDeviceClass *const *class = mmrig_device_classes; *class; class ++)
        if ((*class)->check_all && !(*class)->check_all(spec, problem))
            return FALSE;
    return TRUE;
}

/* ---- What QEMU must be able to do ------------------------------------------------------ */

/* The names sorted and without doubles. */
static GStrv spec_sorted(GPtrArray *names)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    g_ptr_array_sort(names, mmrig_text_compare);
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (i == 0 || strcmp(name, g_ptr_array_index(names, i - 1)) != 0)
            g_strv_builder_add(builder, name);
    }
    return g_strv_builder_end(builder);
}

GStrv mmrig_spec_types(const MmrigMachineSpec *spec)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    g_ptr_array_add(names, (gpointer) "virtio-serial-pci");
    g_ptr_array_add(names, (gpointer) "virtserialport");
    g_ptr_array_add(names, (gpointer) "pvpanic-pci");
    if (spec->vmgenid)
        g_ptr_array_add(names, (gpointer) "vmgenid");
    if (spec->boot_from == MMRIG_BOOT_ESP)
        g_ptr_array_add(names, (gpointer)spec->arch->boot_disk);
    if (spec->nodes)
        g_ptr_array_add(names, (gpointer) "memory-backend-ram");
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        if (device->class->types)
            device->class->types(device, names);
    }
    return spec_sorted(names);
}

GStrv mmrig_spec_all_types(void)
{
    g_autoptr(MmrigMachineSpec) spec = mmrig_spec_new(NULL, "all");

    for (const MmrigDeviceClass *const *class = mmrig_device_classes; *class; class ++)
        g_ptr_array_add(spec->devices, mmrig_device_new(*class, "all"));
    spec->nodes = 1;
    g_auto(GStrv) types = mmrig_spec_types(spec);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (char **type = types; *type; type++)
        g_ptr_array_add(names, *type);
    g_ptr_array_add(names, (gpointer) "memory-backend-file");
    return spec_sorted(names);
}

GStrv mmrig_spec_commands(const MmrigMachineSpec *spec)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    /* What every machine is driven by; what the test's requests need is said in actions.h. */
    g_ptr_array_add(names, (gpointer) "query-status");
    g_ptr_array_add(names, (gpointer) "quit");
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        const char *const *commands = device->class->commands;
        for (; commands && *commands; commands++)
            g_ptr_array_add(names, (gpointer)*commands);
    }
    return spec_sorted(names);
}
