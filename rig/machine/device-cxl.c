/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CXL memory devices (type 3). Every device has a host bridge of its own (rig.cxlN), so that a
 * window that is interleaved is so by its host bridges, and nobody has decoders to share.
 */
#include <stddef.h>

#include "plan-private.h"

typedef struct {
    MmrigDevice device;
    guint64 volatile_size, persistent;
    guint window;    /* which fixed memory window it is in; several are interleaved */
    gboolean behind; /* a switch stands before it */
} Cxl;

static const MmrigIniKey cxl_keys[] = {
    {"volatile", &mmrig_ini_size, offsetof(Cxl, volatile_size), 0, MMRIG_TIB, 256 * MMRIG_MIB,
     "0", FALSE, "memory that is lost when the machine is switched off", NULL, NULL},
    {"persistent", &mmrig_ini_size, offsetof(Cxl, persistent), 0, MMRIG_TIB, 256 * MMRIG_MIB,
     "0", FALSE, "memory that is kept from boot to boot", NULL, NULL},
    {"window", &mmrig_ini_number, offsetof(Cxl, window), 0, 15, 0, "0", FALSE,
     "the window of physical addresses it is reached by, from 0; devices of one are "
     "interleaved",
     NULL, NULL},
    {"switch", &mmrig_ini_switch, offsetof(Cxl, behind), 0, 0, 0, "no", FALSE,
     "put a CXL switch before it", NULL, NULL},
};

/* A host bridge's first bus; below it are at most a root port's, and a switch's two. */
#define CXL_BUS(number) (16 + 12 * (number))
/* Enough for the labels of a namespace. */
#define CXL_LABELS (256 * MMRIG_KIB)

static const Cxl *cxl_at(const MmrigMachineSpec *spec, guint i)
{
    const MmrigDevice *device = g_ptr_array_index(spec->devices, i);

    return device->class == &mmrig_device_cxl ? (const Cxl *)device : NULL;
}

static gboolean cxl_check(const MmrigMachineSpec *spec G_GNUC_UNUSED, const MmrigDevice *device,
                          MmrigSpecProblem *problem)
{
    const Cxl *cxl = (const Cxl *)device;

    return cxl->volatile_size || cxl->persistent ||
           mmrig_device_problem(problem, device, NULL,
                                "it has no memory; write volatile, persistent or both");
}

/* The windows are numbered from 0 without a gap, and CXL interleaves by powers of two. */
static gboolean cxl_check_all(const MmrigMachineSpec *spec, MmrigSpecProblem *problem)
{
    const Cxl *first[MMRIG_DEVICES_MAX] = {0};
    guint ways[MMRIG_DEVICES_MAX] = {0};
    guint windows = 0;

    for (guint i = 0; i < spec->devices->len; i++) {
        const Cxl *cxl = cxl_at(spec, i);
        if (!cxl)
            continue;
        if (cxl->window > windows)
            return mmrig_device_problem(problem, &cxl->device, "window",
                                        "the next new window is %u: they are numbered in order",
                                        windows);
        if (cxl->window == windows)
            first[windows++] = cxl;
        const Cxl *other = first[cxl->window];
        if (other->volatile_size != cxl->volatile_size || other->persistent != cxl->persistent)
            return mmrig_device_problem(
                problem, &cxl->device, "window",
                "devices that are interleaved are of equal sizes, and %s is not",
                other->device.id);
        ways[cxl->window]++;
    }
    for (guint i = 0; i < windows; i++)
        if (ways[i] > 8 || (ways[i] & (ways[i] - 1)))
            return mmrig_device_problem(problem, &first[i]->device, "window",
                                        "%u devices are in it; 1, 2, 4 or 8 can be interleaved",
                                        ways[i]);
    return TRUE;
}

static const char *cxl_lacks(const MmrigMachineSpec *spec,
                             const MmrigDevice *device G_GNUC_UNUSED)
{
    return spec->arch->has_cxl ? NULL : "CXL";
}

static void cxl_types(const MmrigDevice *device, GPtrArray *names)
{
    const Cxl *cxl = (const Cxl *)device;

    g_ptr_array_add(names, (gpointer) "pxb-cxl");
    g_ptr_array_add(names, (gpointer) "cxl-rp");
    g_ptr_array_add(names, (gpointer) "cxl-type3");
    if (cxl->behind) {
        g_ptr_array_add(names, (gpointer) "cxl-upstream");
        g_ptr_array_add(names, (gpointer) "cxl-downstream");
    }
    if (cxl->persistent)
        g_ptr_array_add(names, (gpointer) "memory-backend-file");
    if (cxl->volatile_size)
        g_ptr_array_add(names, (gpointer) "memory-backend-ram");
}

static guint64 cxl_memory(const MmrigDevice *device)
{
    const Cxl *cxl = (const Cxl *)device;

    return cxl->volatile_size + cxl->persistent;
}

/* Like that of a part of the device; the first has the device's own name. */
static char *cxl_backing(const MmrigDevice *device, const char *part)
{
    return g_strconcat(device->id, *part ? "." : "", part, NULL);
}

static void cxl_backings(const MmrigDevice *device, MmrigPlan *plan)
{
    const Cxl *cxl = (const Cxl *)device;
    g_autofree char *labels = cxl_backing(device, "labels");

    if (!cxl->persistent)
        return;
    mmrig_plan_add_backing(plan, device->id, cxl->persistent);
    mmrig_plan_add_backing(plan, labels, CXL_LABELS);
}

static char *cxl_qemu_machine(const MmrigMachineSpec *spec)
{
    g_autoptr(GString) text = g_string_new(",cxl=on");

    for (guint window = 0;; window++) {
        guint bridge = 0, ways = 0;
        guint64 size = 0;
        for (guint i = 0; i < spec->devices->len; i++) {
            const Cxl *cxl = cxl_at(spec, i);
            if (!cxl)
                continue;
            if (cxl->window == window) {
                g_string_append_printf(text, ",cxl-fmw.%u.targets.%u=rig.cxl%u", window, ways,
                                       bridge);
                size += cxl_memory(&cxl->device);
                ways++;
            }
            bridge++;
        }
        if (ways == 0)
            return g_string_free(g_steal_pointer(&text), FALSE);
        g_string_append_printf(text, ",cxl-fmw.%u.size=%" G_GUINT64_FORMAT "M", window,
                               size / MMRIG_MIB);
    }
}

/* The number of the device among those of its kind. */
static guint cxl_number(const MmrigMachineSpec *spec, const MmrigDevice *device)
{
    guint number = 0;

    for (guint i = 0; g_ptr_array_index(spec->devices, i) != device; i++)
        number += cxl_at(spec, i) != NULL;
    return number;
}

static void cxl_add_backend(GPtrArray *argv, const MmrigPlan *plan, const MmrigDevice *device,
                            const char *part, guint64 size)
{
    g_autofree char *name = cxl_backing(device, part);

    mmrig_argv_format(argv, "-object",
                      "memory-backend-file,id=mem.%s,share=on,mem-path=/proc/self/fd/%d,"
                      "size=%" G_GUINT64_FORMAT,
                      name, mmrig_plan_fd(plan, name), size);
}

static void cxl_qemu(const MmrigDevice *device, const MmrigPlan *plan, GPtrArray *argv)
{
    const Cxl *cxl = (const Cxl *)device;
    guint number = cxl_number(plan->spec, device);
    g_autofree char *bus = g_strdup_printf("rig.%s%u", cxl->behind ? "dsp" : "rp", number);
    g_autoptr(GString) parts = g_string_new(NULL);

    mmrig_argv_format(argv, "-device", "pxb-cxl,id=rig.cxl%u,bus=%s,bus_nr=%u", number,
                      plan->spec->arch->pci_root, CXL_BUS(number));
    mmrig_argv_format(argv, "-device",
                      "cxl-rp,id=rig.rp%u,bus=rig.cxl%u,port=0,chassis=%u,slot=0", number,
                      number, 2 * number + 1);
    if (cxl->behind) {
        mmrig_argv_format(argv, "-device", "cxl-upstream,id=rig.usp%u,bus=rig.rp%u", number,
                          number);
        mmrig_argv_format(argv, "-device",
                          "cxl-downstream,id=rig.dsp%u,bus=rig.usp%u,port=0,chassis=%u,slot=0",
                          number, number, 2 * number + 2);
    }
    if (cxl->volatile_size) {
        mmrig_argv_format(argv, "-object",
                          "memory-backend-ram,id=mem.%s.ram,size=%" G_GUINT64_FORMAT,
                          device->id, cxl->volatile_size);
        g_string_append_printf(parts, ",volatile-memdev=mem.%s.ram", device->id);
    }
    if (cxl->persistent) {
        cxl_add_backend(argv, plan, device, "", cxl->persistent);
        cxl_add_backend(argv, plan, device, "labels", CXL_LABELS);
        g_string_append_printf(parts, ",persistent-memdev=mem.%s,lsa=mem.%s.labels", device->id,
                               device->id);
    }
    /* Linux tells devices apart by their serial numbers. */
    mmrig_argv_format(argv, "-device", "cxl-type3,id=%s,bus=%s,sn=%u%s", device->id, bus,
                      number + 1, parts->str);
}

const MmrigDeviceClass mmrig_device_cxl = {
    .section = MMRIG_INI_SECTION("cxl", cxl_keys),
    .size = sizeof(Cxl),
    .check = cxl_check,
    .check_all = cxl_check_all,
    .lacks = cxl_lacks,
    .types = cxl_types,
    .memory = cxl_memory,
    /* cxl-type3 has no state to migrate (QEMU hw/mem/cxl_type3.c), and does not say so. */
    .unforkable = "QEMU does not save the state of CXL devices",
    .backings = cxl_backings,
    .qemu_machine = cxl_qemu_machine,
    .qemu = cxl_qemu,
};
