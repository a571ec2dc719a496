/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan as QEMU's argument vector, part by part in a fixed order. Ids of the rig's own have a
 * dot in them ("rig.qmp"), which the ids in a scenario cannot have, so the two never collide.
 */
#include <string.h>

#include "mmrig-guest-protocol.h"
#include "numa-private.h"
#include "plan-private.h"

static void argv_word(GPtrArray *argv, const char *word)
{
    g_ptr_array_add(argv, g_strdup(word));
}

void mmrig_argv_pair(GPtrArray *argv, const char *option, const char *value)
{
    argv_word(argv, option);
    argv_word(argv, value);
}

void mmrig_argv_format(GPtrArray *argv, const char *option, const char *format, ...)
{
    va_list values;

    argv_word(argv, option);
    va_start(values, format);
    g_ptr_array_add(argv, g_strdup_vprintf(format, values));
    va_end(values);
}

char *mmrig_argv_escape(const char *value)
{
    g_auto(GStrv) pieces = g_strsplit(value, ",", -1);

    return g_strjoinv(",,", pieces);
}

static void emit_machine(GPtrArray *argv, const MmrigPlan *plan)
{
    const MmrigMachineSpec *spec = plan->spec;
    g_autoptr(GString) options = g_string_new(spec->arch->machine);

    g_string_append(options, spec->arch->machine_options);
    for (const MmrigDeviceClass *const *class = mmrig_device_classes; *class; class ++) {
        if (!(*class)->qemu_machine || !mmrig_spec_has(spec, *class))
            continue;
        g_autofree char *more = (*class)->qemu_machine(spec);
        g_string_append(options, more);
    }
    /* With NUMA the nodes name the memory that is theirs. */
    if (plan->start != MMRIG_START_COLD && plan->nodes->len == 0)
        g_string_append(options, ",memory-backend=rig.ram");
    if (spec->memory_below)
        g_string_append_printf(options, ",%s=%" G_GUINT64_FORMAT "M", spec->arch->ram_limit,
                               spec->memory_below / MMRIG_MIB);
    if (plan->paths->len > 0)
        g_string_append(options, ",hmat=on");
    if (plan->boot.firmware)
        g_string_append(options, ",pflash0=rig.code,pflash1=rig.variables");
    mmrig_argv_pair(argv, "-machine", options->str);
    mmrig_argv_pair(argv, "-accel", mmrig_accel_name(plan->accel));
    mmrig_argv_pair(argv, "-cpu", plan->cpu);
    if (spec->node_cpus) {
        guint cores = mmrig_numa_socket_cpus(spec, plan->nodes);
        mmrig_argv_format(argv, "-smp", "%u,sockets=%u,cores=%u,threads=1", spec->cpus,
                          spec->cpus / cores, cores);
    } else {
        mmrig_argv_format(argv, "-smp", "%u", spec->cpus);
    }
}

static const char *ram_sharing(MmrigStart start)
{
    return start == MMRIG_START_TEMPLATE ? "share=on" : "share=off,readonly=on,rom=off";
}

/* The whole, or the part that is a node's, which lies size bytes long at offset in it. */
static void emit_ram_part(GPtrArray *argv, const MmrigPlan *plan, const char *id,
                          guint64 offset, guint64 size)
{
    if (plan->start == MMRIG_START_COLD) {
        mmrig_argv_format(argv, "-object",
                          "memory-backend-ram,id=%s,size=%" G_GUINT64_FORMAT "M", id,
                          size / MMRIG_MIB);
        return;
    }
    g_autofree char *at =
        offset ? g_strdup_printf("offset=%" G_GUINT64_FORMAT "M,", offset / MMRIG_MIB)
               : g_strdup("");
    mmrig_argv_format(argv, "-object",
                      "memory-backend-file,id=%s,%s,mem-path=/proc/self/fd/%d,"
                      "%ssize=%" G_GUINT64_FORMAT "M",
                      id, ram_sharing(plan->start), mmrig_plan_fd(plan, MMRIG_BACKING_RAM), at,
                      size / MMRIG_MIB);
}

/* The name of a node's memory; one node that has it all needs no number. */
static char *node_ram(const MmrigPlan *plan, guint node)
{
    return plan->spec->node_memory ? g_strdup_printf("rig.ram%u", node) : g_strdup("rig.ram");
}

static void emit_ram(GPtrArray *argv, const MmrigPlan *plan)
{
    if (plan->start == MMRIG_START_COLD && plan->nodes->len == 0)
        return;
    if (plan->nodes->len == 0)
        emit_ram_part(argv, plan, "rig.ram", 0, plan->spec->memory);
    for (guint i = 0; i < plan->nodes->len; i++) {
        const MmrigNumaNode *node = &g_array_index(plan->nodes, MmrigNumaNode, i);
        g_autofree char *id = node_ram(plan, i);
        if (node->memory)
            emit_ram_part(argv, plan, id, node->offset, node->memory);
    }
}

/* ",cpus=A-B" for each run of CPUs. */
static void emit_cpus(GString *text, guint64 cpus)
{
    for (guint first = 0; first < 64; first++) {
        guint last = first;
        if (!(cpus >> first & 1))
            continue;
        while (last < 63 && (cpus >> (last + 1) & 1))
            last++;
        g_string_append_printf(text, ",cpus=%u-%u", first, last);
        first = last;
    }
}

static void emit_numa(GPtrArray *argv, const MmrigPlan *plan)
{
    for (guint i = 0; i < plan->nodes->len; i++) {
        const MmrigNumaNode *node = &g_array_index(plan->nodes, MmrigNumaNode, i);
        g_autoptr(GString) text = g_string_new(NULL);
        g_autofree char *ram = node_ram(plan, i);

        g_string_append_printf(text, "node,nodeid=%u", i);
        emit_cpus(text, node->cpus);
        if (node->memory)
            g_string_append_printf(text, ",memdev=%s", ram);
        if (node->initiator >= 0)
            g_string_append_printf(text, ",initiator=%d", node->initiator);
        mmrig_argv_pair(argv, "-numa", text->str);
    }
    for (guint from = 0; from < plan->nodes->len; from++) {
        const MmrigNumaNode *node = &g_array_index(plan->nodes, MmrigNumaNode, from);
        for (guint to = 0; plan->spec->node_distances && to < plan->nodes->len; to++)
            mmrig_argv_format(argv, "-numa", "dist,src=%u,dst=%u,val=%u", from, to,
                              node->distances[to]);
    }
    for (guint i = 0; i < plan->paths->len; i++) {
        const MmrigNumaPath *path = &g_array_index(plan->paths, MmrigNumaPath, i);
        if (path->latency)
            mmrig_argv_format(argv, "-numa",
                              "hmat-lb,initiator=%u,target=%u,hierarchy=memory,"
                              "data-type=access-latency,latency=%" G_GUINT64_FORMAT,
                              path->from, path->to, path->latency);
        else
            mmrig_argv_format(argv, "-numa",
                              "hmat-lb,initiator=%u,target=%u,hierarchy=memory,"
                              "data-type=access-bandwidth,bandwidth=%" G_GUINT64_FORMAT "M",
                              path->from, path->to, path->bandwidth / MMRIG_MIB);
    }
}

static void emit_memory(GPtrArray *argv, const MmrigPlan *plan)
{
    guint64 size = plan->spec->memory, room = 0;
    guint slots = 0;

    for (guint i = 0; i < plan->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(plan->devices, i);
        if (!device->class->plugged)
            continue;
        /* A gigabyte is the coarsest alignment that QEMU asks for in placing a device. */
        room += (device->class->plugged(device) + MMRIG_GIB - 1) / MMRIG_GIB * MMRIG_GIB;
        slots++;
    }
    if (slots)
        mmrig_argv_format(argv, "-m",
                          "size=%" G_GUINT64_FORMAT "M,slots=%u,maxmem=%" G_GUINT64_FORMAT "M",
                          size / MMRIG_MIB, slots, (size + room) / MMRIG_MIB);
    else
        mmrig_argv_format(argv, "-m", "size=%" G_GUINT64_FORMAT "M", size / MMRIG_MIB);
    emit_ram(argv, plan);
    emit_numa(argv, plan);
}

static void emit_firmware(GPtrArray *argv, const MmrigPlan *plan)
{
    g_autofree char *code = mmrig_argv_escape(plan->boot.firmware);

    mmrig_argv_format(argv, "-blockdev",
                      "driver=file,node-name=rig.code,filename=%s,read-only=on,locking=off",
                      code);
    mmrig_argv_format(
        argv, "-blockdev",
        "driver=file,node-name=rig.variables,filename=/proc/self/fd/%d,locking=off",
        mmrig_plan_fd(plan, MMRIG_BACKING_VARIABLES));
}

static guint channels_count_links(const MmrigPlan *plan)
{
    guint links = 0;

    for (guint i = 0; i < plan->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(plan->devices, i);
        links += device->class == &mmrig_device_link;
    }
    return links;
}

static void emit_channels(GPtrArray *argv, const MmrigPlan *plan)
{
    static const struct {
        const char *name;
        int fd;
    } channels[] = {
        {"qmp", MMRIG_FD_QMP},
        {"control", MMRIG_FD_CONTROL},
        {"ktap", MMRIG_FD_KTAP},
        {"console", MMRIG_FD_CONSOLE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(channels); i++)
        mmrig_argv_format(argv, "-chardev", "socket,id=rig.%s,fd=%d", channels[i].name,
                          channels[i].fd);
    if (plan->qmp_object)
        mmrig_argv_pair(argv, "-object", MMRIG_QMP_TYPE ",id=rig.monitor,chardev=rig.qmp");
    else
        mmrig_argv_pair(argv, "-mon", "chardev=rig.qmp,mode=control");
    mmrig_argv_pair(argv, "-serial", "chardev:rig.console");
    /* Port 0 of a virtio-serial device is for consoles; generic ports count from 1. */
    mmrig_argv_format(argv, "-device", "virtio-serial-pci,id=rig.serial,max_ports=%u",
                      1 + MMRIG_PORTS + channels_count_links(plan));
    mmrig_argv_pair(argv, "-device",
                    "virtserialport,bus=rig.serial.0,nr=1,chardev=rig.control,"
                    "name=" MMRIG_PORT_CONTROL);
    mmrig_argv_pair(
        argv, "-device",
        "virtserialport,bus=rig.serial.0,nr=2,chardev=rig.ktap,name=" MMRIG_PORT_KTAP);
    /* With this device a panic is an event in QMP and not only words on the console. */
    mmrig_argv_pair(argv, "-device", "pvpanic-pci,id=rig.pvpanic");
}

/* It is the only disk that the firmware is told to boot from. */
static void emit_esp(GPtrArray *argv, const MmrigPlan *plan)
{
    mmrig_argv_format(argv, "-blockdev",
                      "driver=file,node-name=rig.esp,filename=/proc/self/fd/%d,locking=off",
                      mmrig_plan_fd(plan, MMRIG_BACKING_ESP));
    mmrig_argv_format(argv, "-device", "%s,id=rig.disk%s,drive=rig.esp,bootindex=0",
                      plan->spec->arch->boot_disk, plan->spec->arch->boot_disk_options);
}

static void emit_boot(GPtrArray *argv, const MmrigPlan *plan)
{
    if (!plan->boot.kernel) {
        emit_esp(argv, plan);
        return;
    }
    /* These three take their value as it is: a comma is no separator in them. */
    mmrig_argv_pair(argv, "-kernel", plan->boot.kernel);
    mmrig_argv_pair(argv, "-initrd", plan->boot.initrd);
    mmrig_argv_pair(argv, "-append", plan->boot.line);
}

GStrv mmrig_plan_emit_qemu(const MmrigPlan *plan)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);

    argv_word(argv, plan->qemu);
    mmrig_argv_format(argv, "-name", "mmrig-%s", plan->spec->title);
    /* Nothing but what stands here: no default devices, no configuration of the user's. */
    argv_word(argv, "-nodefaults");
    argv_word(argv, "-no-user-config");
    mmrig_argv_pair(argv, "-sandbox", MMRIG_SANDBOX);
    mmrig_argv_pair(argv, "-display", "none");
    /*
     * A reset ends QEMU. A panic does not, by itself: the guest first says on the console
     * what it has to say, and then resets.
     */
    mmrig_argv_pair(argv, "-action", "reboot=shutdown,shutdown=poweroff,panic=none");
    /* A plugin is loaded before the machine is made: its device types are there in time. */
    if (plan->pack) {
        g_autofree char *pack = mmrig_argv_escape(plan->pack);

        mmrig_argv_format(argv, "-plugin", "file=%s", pack);
    }
    /*
     * A page with poison is an I/O region, which devices that map their buffers reach by
     * QEMU's bounce buffer (address_space_map() in its system/physmem.c). It has 4 KiB for a
     * PCI device, so that a request with two such pages would fail.
     */
    if (mmrig_spec_makes_poison(plan->spec))
        mmrig_argv_pair(argv, "-global",
                        "pci-device.x-max-bounce-buffer-size=" G_STRINGIFY(MMRIG_BOUNCE_BYTES));
    emit_machine(argv, plan);
    emit_memory(argv, plan);
    if (plan->boot.firmware)
        emit_firmware(argv, plan);
    emit_channels(argv, plan);
    /* Each QEMU picks a new number, by whose change a kernel sees that it was forked. */
    if (plan->spec->vmgenid)
        mmrig_argv_pair(argv, "-device", "vmgenid,id=rig.vmgenid,guid=auto");
    for (guint i = 0; i < plan->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(plan->devices, i);
        device->class->qemu(device, plan, argv);
    }
    emit_boot(argv, plan);
    if (plan->start == MMRIG_START_FORK)
        mmrig_argv_pair(argv, "-incoming", "defer");
    g_ptr_array_add(argv, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&argv), FALSE);
}
