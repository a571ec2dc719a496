/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The "accelerator" of the device tests: processors that never run, and a
 * virtual clock that moves only when qtest steps it. QEMU has such a one, but
 * distributions leave it out. QEMU chooses its accelerator before it loads
 * plugins, so this is preloaded (qtest.c).
 */
#include "compat.h"

#include "accel/accel-cpu-ops.h"
#include "accel/accel-ops.h"
#include "qemu/cutils.h"
#include "qemu/module.h"
#include "qom/object.h"
#include "system/address-spaces.h"
#include "system/cpus.h"
#include "system/memory.h"
#include "system/qtest.h"
#include "system/runstate.h"

#ifdef MMRIG_QEMU_HAS_ACCEL_STATE
/* Of QEMU's accel/dummy-cpus.c; its declaration has moved to a private header. */
void dummy_start_vcpu_thread(CPUState *cpu);
#endif

#define TYPE_MMRIG_QTEST_ACCEL ACCEL_CLASS_NAME("mmrig-qtest")
#define TYPE_MMRIG_QTEST_OPS   ACCEL_OPS_NAME("mmrig-qtest")

static int64_t clock_now;

static int64_t get_virtual_clock(void)
{
    return qatomic_read(&clock_now);
}

static void set_virtual_clock(int64_t time)
{
    qatomic_set(&clock_now, time);
}

/* MMRIG_QTEST_READ_AT_STOP is where a device reads that ends its work as the machine stops. */
static void read_at_stop(void *opaque, bool running, RunState state)
{
    const char *text = getenv("MMRIG_QTEST_READ_AT_STOP");
    uint64_t address;
    uint8_t byte;

    if (!running && text && qemu_strtou64(text, NULL, 0, &address) == 0) {
        address_space_read(&address_space_memory, address, MEMTXATTRS_UNSPECIFIED, &byte, 1);
    }
}

#ifdef MMRIG_QEMU_HAS_ACCEL_STATE
static int init_machine(AccelState *as, MachineState *machine)
#else
static int init_machine(MachineState *machine)
#endif
{
    qemu_add_vm_change_state_handler(read_at_stop, NULL);
    return 0;
}

static void accel_class_init(ObjectClass *klass, MMRIG_CLASS_DATA *data)
{
    AccelClass *accel = ACCEL_CLASS(klass);

    accel->name = "mmrig-qtest";
    accel->init_machine = init_machine;
    accel->allowed = &qtest_allowed;
}

static void ops_class_init(ObjectClass *klass, MMRIG_CLASS_DATA *data)
{
    AccelOpsClass *ops = ACCEL_OPS_CLASS(klass);

    ops->create_vcpu_thread = dummy_start_vcpu_thread;
    ops->get_virtual_clock = get_virtual_clock;
    ops->set_virtual_clock = set_virtual_clock;
#ifdef MMRIG_QEMU_HAS_ACCEL_STATE
    ops->handle_interrupt = generic_handle_interrupt;
#endif
}

static const TypeInfo types[] = {
    {
        .name = TYPE_MMRIG_QTEST_ACCEL,
        .parent = TYPE_ACCEL,
        .class_init = accel_class_init,
    },
    {
        .name = TYPE_MMRIG_QTEST_OPS,
        .parent = TYPE_ACCEL_OPS,
        .class_init = ops_class_init,
        .abstract = true,
    },
};

static void register_types(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        type_register_static(&types[i]);
    }
}

type_init(register_types)
