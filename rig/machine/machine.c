/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The argument vector, part by part in a fixed order. Ids of the rig's own have a dot in them
 * ("rig.qmp"), which the ids in a scenario cannot have, so the two never collide.
 */
#include "machine.h"

#include <string.h>

#include "machine-private.h"
#include "mmrig-guest-protocol.h"
#include "mmrig-nvdimm-regs.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

const char *mmrig_accel_name(MmrigAccel accel)
{
    switch (accel) {
    case MMRIG_ACCEL_TCG:
        return "tcg";
    case MMRIG_ACCEL_KVM:
        return "kvm";
    }
    g_return_val_if_reached(NULL);
}

static void backing_free(gpointer data)
{
    MmrigBacking *backing = data;

    g_free(backing->device);
    g_free(backing->source);
    mmrig_esp_free(backing->esp);
    g_free(backing);
}

void mmrig_plan_free(MmrigPlan *machine)
{
    if (!machine)
        return;
    g_strfreev(machine->argv);
    g_ptr_array_unref(machine->backings);
    g_free(machine);
}

static void machine_add_word(GPtrArray *argv, const char *argument)
{
    g_ptr_array_add(argv, g_strdup(argument));
}

static void add_pair(GPtrArray *argv, const char *option, const char *value)
{
    machine_add_word(argv, option);
    machine_add_word(argv, value);
}

G_GNUC_PRINTF(3, 4)
static void add_format(GPtrArray *argv, const char *option, const char *format, ...)
{
    va_list values;

    machine_add_word(argv, option);
    va_start(values, format);
    g_ptr_array_add(argv, g_strdup_vprintf(format, values));
    va_end(values);
}

/* What the device's memory takes on the host. */
static guint64 backend_size(const MmrigDevice *device)
{
    /* QEMU cuts the label area off the end of the backend; the guest is to see all of size. */
    return device->kind == MMRIG_DEVICE_NVDIMM ? device->size + device->label_size
                                               : device->size;
}

static int add_backing(GPtrArray *backings, const char *device, guint64 size)
{
    MmrigBacking *backing = g_new0(MmrigBacking, 1);

    backing->device = g_strdup(device);
    backing->size = size;
    backing->fd = MMRIG_FD_BACKING + (int)backings->len;
    g_ptr_array_add(backings, backing);
    return backing->fd;
}

/*
 * CXL: every device has a host bridge of its own (rig.cxlN), so that a window that is
 * interleaved is so by its host bridges, and nobody has decoders to share.
 */
static char *cxl_windows(const MmrigScenario *scenario)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint window = 0;; window++) {
        guint bridge = 0, ways = 0;
        guint64 size = 0;
        for (guint i = 0; i < scenario->devices->len; i++) {
            const MmrigDevice *device = g_ptr_array_index(scenario->devices, i);
            if (device->kind != MMRIG_DEVICE_CXL)
                continue;
            if (device->window == window) {
                g_string_append_printf(text, "%s,cxl-fmw.%u.targets.%u=rig.cxl%u",
                                       window == 0 && ways == 0 ? ",cxl=on" : "", window, ways,
                                       bridge);
                size += device->size + device->persistent;
                ways++;
            }
            bridge++;
        }
        if (ways == 0)
            return g_string_free(g_steal_pointer(&text), FALSE);
        g_string_append_printf(text, ",cxl-fmw.%u.size=%" G_GUINT64_FORMAT "M", window,
                               size / MIB);
    }
}

static void add_machine(GPtrArray *argv, const MmrigScenario *scenario,
                        const MmrigBootInputs *inputs)
{
    /* With NUMA it is node 0 that names its memory. */
    gboolean own_ram = inputs->kind != MMRIG_START_COLD && scenario->nodes == 0;

    /*
     * Without a keyboard controller the firmware does not wait for one: a tenth of a second.
     * Leaving out HPET, SATA or SMBus as well was not to be told from noise.
     */
    g_autofree char *windows = cxl_windows(scenario);
    g_autofree char *below = scenario->memory_below
                                 ? g_strdup_printf(",max-ram-below-4g=%" G_GUINT64_FORMAT "M",
                                                   scenario->memory_below / MIB)
                                 : g_strdup("");
    add_format(argv, "-machine", MMRIG_MACHINE ",i8042=off%s%s%s%s%s",
               mmrig_machine_has(scenario, MMRIG_DEVICE_NVDIMM) ? ",nvdimm=on" : "", windows,
               own_ram ? ",memory-backend=rig.ram" : "", below,
               scenario->firmware ? ",pflash0=rig.code,pflash1=rig.variables" : "");
    add_pair(argv, "-accel", mmrig_accel_name(inputs->accel));
    add_pair(argv, "-cpu",
             scenario->cpu                      ? scenario->cpu
             : inputs->accel == MMRIG_ACCEL_KVM ? "host"
                                                : "max");
    add_format(argv, "-smp", "%u", scenario->cpus);
}

static const char *ram_sharing(MmrigStart kind)
{
    return kind == MMRIG_START_TEMPLATE ? "share=on" : "share=off,readonly=on,rom=off";
}

/* The whole, or the part that is a node's, which lies size bytes long at offset in it. */
static void add_ram_part(GPtrArray *argv, MmrigStart kind, const char *id, int fd,
                         guint64 offset, guint64 size)
{
    if (kind == MMRIG_START_COLD)
        add_format(argv, "-object", "memory-backend-ram,id=%s,size=%" G_GUINT64_FORMAT "M", id,
                   size / MIB);
    else if (offset == 0)
        add_format(argv, "-object",
                   "memory-backend-file,id=%s,%s,mem-path=/proc/self/fd/%d,"
                   "size=%" G_GUINT64_FORMAT "M",
                   id, ram_sharing(kind), fd, size / MIB);
    else
        add_format(argv, "-object",
                   "memory-backend-file,id=%s,%s,mem-path=/proc/self/fd/%d,"
                   "offset=%" G_GUINT64_FORMAT "M,size=%" G_GUINT64_FORMAT "M",
                   id, ram_sharing(kind), fd, offset / MIB, size / MIB);
}

static void add_ram(GPtrArray *argv, const MmrigScenario *scenario, MmrigStart kind,
                    GPtrArray *backings)
{
    guint64 offset = 0;

    if (kind == MMRIG_START_COLD && scenario->nodes == 0)
        return;
    int fd = kind == MMRIG_START_COLD
                 ? -1
                 : add_backing(backings, MMRIG_BACKING_RAM, scenario->memory);
    if (!scenario->node_memory) {
        add_ram_part(argv, kind, "rig.ram", fd, 0, scenario->memory);
        return;
    }
    for (guint node = 0; node < scenario->nodes; node++) {
        g_autofree char *id = g_strdup_printf("rig.ram%u", node);
        guint64 size = 0;

        mmrig_size_parse(scenario->node_memory[node], &size, NULL); /* checked when read */
        add_ram_part(argv, kind, id, fd, offset, size);
        offset += size;
    }
}

static void add_memory(GPtrArray *argv, const MmrigScenario *scenario, MmrigStart kind,
                       GPtrArray *backings)
{
    guint64 room = 0;
    guint slots = 0;

    for (guint i = 0; i < scenario->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(scenario->devices, i);
        if (device->kind != MMRIG_DEVICE_NVDIMM && device->kind != MMRIG_DEVICE_VIRTIO_MEM)
            continue;
        /* A gigabyte is the coarsest alignment that QEMU asks for in placing a device. */
        room += (backend_size(device) + GIB - 1) / GIB * GIB;
        slots++;
    }
    if (slots)
        add_format(argv, "-m",
                   "size=%" G_GUINT64_FORMAT "M,slots=%u,maxmem=%" G_GUINT64_FORMAT "M",
                   scenario->memory / MIB, slots, (scenario->memory + room) / MIB);
    else
        add_format(argv, "-m", "size=%" G_GUINT64_FORMAT "M", scenario->memory / MIB);

    add_ram(argv, scenario, kind, backings);
    if (scenario->nodes == 0)
        return;
    add_format(argv, "-numa", "node,nodeid=0,cpus=0-%u,memdev=rig.ram%s", scenario->cpus - 1,
               scenario->node_memory ? "0" : "");
    for (guint node = 1; node < scenario->nodes; node++) {
        if (scenario->node_memory)
            add_format(argv, "-numa", "node,nodeid=%u,memdev=rig.ram%u", node, node);
        else
            add_format(argv, "-numa", "node,nodeid=%u", node);
    }
}

static void add_channels(GPtrArray *argv)
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
        add_format(argv, "-chardev", "socket,id=rig.%s,fd=%d", channels[i].name,
                   channels[i].fd);
    add_pair(argv, "-mon", "chardev=rig.qmp,mode=control");
    add_pair(argv, "-serial", "chardev:rig.console");
    /* Port 0 of a virtio-serial device is for consoles; generic ports count from 1. */
    add_pair(argv, "-device", "virtio-serial-pci,id=rig.serial,max_ports=3");
    add_pair(argv, "-device",
             "virtserialport,bus=rig.serial.0,nr=1,chardev=rig.control,"
             "name=" MMRIG_PORT_CONTROL);
    add_pair(argv, "-device",
             "virtserialport,bus=rig.serial.0,nr=2,chardev=rig.ktap,name=" MMRIG_PORT_KTAP);
    /* So that a panic is an event and not only words on the console. */
    add_pair(argv, "-device", "pvpanic-pci,id=rig.pvpanic");
}

/* What stands between commas in one of QEMU's options. */
static char *machine_escape(const char *value)
{
    g_auto(GStrv) pieces = g_strsplit(value, ",", -1);

    return g_strjoinv(",,", pieces);
}

/* The code is everybody's, the variables are the machine's own. */
static void machine_add_firmware(GPtrArray *argv, const MmrigScenario *scenario,
                                 const MmrigBootInputs *inputs, GPtrArray *backings)
{
    g_autofree char *code =
        machine_escape(scenario->firmware_code ? scenario->firmware_code : inputs->firmware);
    int fd = add_backing(backings, MMRIG_BACKING_VARIABLES, 0);
    MmrigBacking *backing = g_ptr_array_index(backings, backings->len - 1);

    backing->source = g_strdup(scenario->firmware_variables ? scenario->firmware_variables
                                                            : inputs->variables);
    add_format(argv, "-blockdev",
               "driver=file,node-name=rig.code,filename=%s,read-only=on,locking=off", code);
    add_format(argv, "-blockdev",
               "driver=file,node-name=rig.variables,filename=/proc/self/fd/%d,locking=off", fd);
}

static void machine_add_disk(GPtrArray *argv, const MmrigDevice *device, GPtrArray *backings)
{
    int fd = add_backing(backings, device->id, device->size);

    if (device->rate)
        add_format(argv, "-object", "throttle-group,id=rate.%s,x-bps-total=%" G_GUINT64_FORMAT,
                   device->id, device->rate);
    /* Nobody else can have the file, so it needs no lock. */
    add_format(argv, "-blockdev",
               "driver=file,node-name=file.%s,filename=/proc/self/fd/%d,locking=off",
               device->id, fd);
    if (device->rate)
        add_format(argv, "-blockdev",
                   "driver=throttle,node-name=disk.%s,throttle-group=rate.%s,file=file.%s",
                   device->id, device->id, device->id);
    add_format(argv, "-device", "virtio-blk-pci,id=%s,drive=%s.%s,serial=%s", device->id,
               device->rate ? "disk" : "file", device->id, device->id);
}

/* The number of the device among those of its kind. */
static guint cxl_number(const MmrigScenario *scenario, const MmrigDevice *device)
{
    guint number = 0;

    for (guint i = 0; g_ptr_array_index(scenario->devices, i) != device; i++) {
        const MmrigDevice *other = g_ptr_array_index(scenario->devices, i);
        number += other->kind == MMRIG_DEVICE_CXL;
    }
    return number;
}

/* A host bridge's first bus; below it are at most a root port's, and a switch's two. */
#define CXL_BUS(number) (16 + 12 * (number))
/* Enough for the labels of a namespace. */
#define CXL_LABELS (G_GUINT64_CONSTANT(256) << 10)

static void add_cxl_backend(GPtrArray *argv, const char *part, const char *id, guint64 size,
                            GPtrArray *backings)
{
    g_autofree char *name = g_strconcat(id, *part ? "." : "", part, NULL);

    add_format(argv, "-object",
               "memory-backend-file,id=mem.%s,share=on,mem-path=/proc/self/fd/%d,"
               "size=%" G_GUINT64_FORMAT,
               name, add_backing(backings, name, size), size);
}

static void add_cxl(GPtrArray *argv, const MmrigDevice *device, guint number,
                    GPtrArray *backings)
{
    g_autofree char *bus = g_strdup_printf("rig.%s%u", device->behind ? "dsp" : "rp", number);
    g_autoptr(GString) parts = g_string_new(NULL);

    add_format(argv, "-device", "pxb-cxl,id=rig.cxl%u,bus=pcie.0,bus_nr=%u", number,
               CXL_BUS(number));
    add_format(argv, "-device", "cxl-rp,id=rig.rp%u,bus=rig.cxl%u,port=0,chassis=%u,slot=0",
               number, number, 2 * number + 1);
    if (device->behind) {
        add_format(argv, "-device", "cxl-upstream,id=rig.usp%u,bus=rig.rp%u", number, number);
        add_format(argv, "-device",
                   "cxl-downstream,id=rig.dsp%u,bus=rig.usp%u,port=0,chassis=%u,slot=0", number,
                   number, 2 * number + 2);
    }
    if (device->size) {
        add_format(argv, "-object", "memory-backend-ram,id=mem.%s.ram,size=%" G_GUINT64_FORMAT,
                   device->id, device->size);
        g_string_append_printf(parts, ",volatile-memdev=mem.%s.ram", device->id);
    }
    if (device->persistent) {
        add_cxl_backend(argv, "", device->id, device->persistent, backings);
        add_cxl_backend(argv, "labels", device->id, CXL_LABELS, backings);
        g_string_append_printf(parts, ",persistent-memdev=mem.%s,lsa=mem.%s.labels", device->id,
                               device->id);
    }
    /* Linux tells devices apart by their serial numbers. */
    add_format(argv, "-device", "cxl-type3,id=%s,bus=%s,sn=%u%s", device->id, bus, number + 1,
               parts->str);
}

static void add_pack_device(GPtrArray *argv, const MmrigDevice *device, GPtrArray *backings)
{
    g_autoptr(GString) text = g_string_new(device->type);

    g_string_append_printf(text, ",id=%s", device->id);
    for (char **property = device->properties; property && *property; property++) {
        g_autofree char *escaped = machine_escape(*property);

        g_string_append_printf(text, ",%s", escaped);
    }
    if (mmrig_device_wants_store(device))
        g_string_append_printf(text, ",store=/proc/self/fd/%d",
                               add_backing(backings, device->id, MMRIG_NVD_STORE_SIZE));
    add_pair(argv, "-device", text->str);
}

static void machine_add_device(GPtrArray *argv, const MmrigDevice *device, GPtrArray *backings)
{
    switch (device->kind) {
    case MMRIG_DEVICE_NVDIMM: {
        guint64 size = backend_size(device);
        int fd = add_backing(backings, device->id, size);
        add_format(argv, "-object",
                   "memory-backend-file,id=mem.%s,share=on,mem-path=/proc/self/fd/%d,"
                   "size=%" G_GUINT64_FORMAT,
                   device->id, fd, size);
        if (device->label_size)
            add_format(argv, "-device",
                       "nvdimm,id=%s,memdev=mem.%s,node=%u,label-size=%" G_GUINT64_FORMAT,
                       device->id, device->id, device->node, device->label_size);
        else
            add_format(argv, "-device", "nvdimm,id=%s,memdev=mem.%s,node=%u", device->id,
                       device->id, device->node);
        return;
    }
    case MMRIG_DEVICE_VIRTIO_MEM:
        /* Nothing is set aside on the host for what is not plugged. */
        add_format(argv, "-object",
                   "memory-backend-ram,id=mem.%s,size=%" G_GUINT64_FORMAT ",reserve=off",
                   device->id, device->size);
        add_format(argv, "-device",
                   "virtio-mem-pci,id=%s,memdev=mem.%s,node=%u,block-size=%" G_GUINT64_FORMAT
                   ",requested-size=%" G_GUINT64_FORMAT,
                   device->id, device->id, device->node, device->block_size, device->requested);
        return;
    case MMRIG_DEVICE_BALLOON:
        add_format(argv, "-device", "virtio-balloon-pci,id=%s", device->id);
        return;
    case MMRIG_DEVICE_DISK:
        machine_add_disk(argv, device, backings);
        return;
    case MMRIG_DEVICE_CXL:
        g_assert_not_reached(); /* add_devices() has their numbers */
    case MMRIG_DEVICE_PACK:
        add_pack_device(argv, device, backings);
        return;
    }
    g_assert_not_reached();
}

static void machine_add_devices(GPtrArray *argv, const MmrigScenario *scenario,
                                gboolean virtio_mem, GPtrArray *backings)
{
    for (guint i = 0; i < scenario->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(scenario->devices, i);
        if (device->kind == MMRIG_DEVICE_CXL && !virtio_mem)
            add_cxl(argv, device, cxl_number(scenario, device), backings);
        else if ((device->kind == MMRIG_DEVICE_VIRTIO_MEM) == virtio_mem)
            machine_add_device(argv, device, backings);
    }
}

/*
 * A disk of a kind that no other disk of a machine is: its name in Linux is nobody else's. It
 * is the only one that the firmware is told to boot from.
 */
static void add_esp(GPtrArray *argv, const MmrigScenario *scenario,
                    const MmrigBootInputs *inputs, GPtrArray *backings)
{
    int fd = add_backing(backings, MMRIG_BACKING_ESP, 0);
    MmrigBacking *backing = g_ptr_array_index(backings, backings->len - 1);

    backing->esp = mmrig_machine_esp(scenario, inputs);
    add_format(argv, "-blockdev",
               "driver=file,node-name=rig.esp,filename=/proc/self/fd/%d,locking=off", fd);
    add_pair(argv, "-device", "ide-hd,id=rig.disk,bus=ide.0,drive=rig.esp,bootindex=0");
}

static void add_kernel(GPtrArray *argv, const MmrigScenario *scenario,
                       const MmrigBootInputs *inputs, GPtrArray *backings)
{
    g_autofree char *line = mmrig_machine_kernel_line(scenario);

    if (scenario->boot_from == MMRIG_BOOT_ESP) {
        add_esp(argv, scenario, inputs, backings);
        return;
    }
    /* These three take their value as it is: a comma is no separator in them. */
    add_pair(argv, "-kernel", scenario->firmware ? inputs->efi_kernel : inputs->kernel);
    add_pair(argv, "-initrd", inputs->initrd);
    add_pair(argv, "-append", line);
}

MmrigPlan *mmrig_plan_make(const MmrigScenario *scenario, const MmrigBootInputs *inputs,
                           GError **error)
{
    if (!mmrig_machine_check(scenario, inputs, error))
        return NULL;

    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    MmrigPlan *machine = g_new0(MmrigPlan, 1);
    machine->backings = g_ptr_array_new_with_free_func(backing_free);

    machine_add_word(argv, inputs->qemu);
    add_format(argv, "-name", "mmrig-%s", scenario->name);
    /* Nothing but what stands here: no default devices, no configuration of the user's. */
    machine_add_word(argv, "-nodefaults");
    machine_add_word(argv, "-no-user-config");
    add_pair(argv, "-sandbox", MMRIG_SANDBOX);
    add_pair(argv, "-display", "none");
    /*
     * A reset ends QEMU. A panic does not, by itself: the guest first says on the console
     * what it has to say, and then resets.
     */
    add_pair(argv, "-action", "reboot=shutdown,shutdown=poweroff,panic=none");
    /* A plugin is loaded before the machine is made: its device types are there in time. */
    if (mmrig_machine_needs_pack(scenario)) {
        g_autofree char *pack = machine_escape(inputs->pack);

        add_format(argv, "-plugin", "file=%s", pack);
    }
    add_machine(argv, scenario, inputs);
    add_memory(argv, scenario, inputs->kind, machine->backings);
    if (scenario->firmware)
        machine_add_firmware(argv, scenario, inputs, machine->backings);
    add_channels(argv);
    /* Each QEMU picks a new number for it, and a kernel that sees it change was forked. */
    if (scenario->vmgenid)
        add_pair(argv, "-device", "vmgenid,id=rig.vmgenid,guid=auto");
    /*
     * QEMU places device memory in this order. virtio-mem comes first, where it starts on a
     * gigabyte: Linux uses it by whole memory blocks (128M), and an NVDIMM may end anywhere.
     */
    machine_add_devices(argv, scenario, TRUE, machine->backings);
    machine_add_devices(argv, scenario, FALSE, machine->backings);
    add_kernel(argv, scenario, inputs, machine->backings);
    if (inputs->kind != MMRIG_START_COLD)
        add_backing(machine->backings, MMRIG_BACKING_STATE, 0);
    if (inputs->kind == MMRIG_START_FORK)
        add_pair(argv, "-incoming", "defer");
    g_ptr_array_add(argv, NULL);
    machine->argv = (GStrv)g_ptr_array_free(g_steal_pointer(&argv), FALSE);
    return machine;
}

char *mmrig_plan_quote(const MmrigPlan *machine)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (char **word = machine->argv; *word; word++) {
        /* An option begins a line; its value stays beside it. */
        gboolean plain = strspn(*word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-_=,.:/+@%") == strlen(*word);
        g_autofree char *quoted = plain && **word ? g_strdup(*word) : g_shell_quote(*word);
        if (word != machine->argv)
            g_string_append(text, **word == '-' ? " \\\n    " : " ");
        g_string_append(text, quoted);
    }
    g_string_append_c(text, '\n');
    return g_string_free(g_steal_pointer(&text), FALSE);
}
