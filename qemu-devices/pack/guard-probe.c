/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard-probe.h"

#include <malloc.h>

#include "migration/vmstate.h"
#include "qemu/timer.h"
#include "system/memory.h"

/* Reads memory that may not be there: the kernel tells, and not a signal. */
static bool probe_read(const void *from, void *to, size_t size)
{
    int ends[2];
    bool done;

    if (pipe(ends) != 0) {
        return false;
    }
    done = write(ends[1], from, size) == (ssize_t)size &&
           read(ends[0], to, size) == (ssize_t)size;
    close(ends[0]);
    close(ends[1]);
    return done;
}

static bool probe_is_name(const char *text)
{
    char name[64] = "";

    /* Byte by byte, as it may be near the end of what is there. */
    for (size_t i = 0; i < sizeof(name) - 1; i++) {
        if (!probe_read(text + i, &name[i], 1)) {
            return false;
        }
        if (!name[i]) {
            return i > 0;
        }
        if (!g_ascii_isprint(name[i])) {
            return false;
        }
    }
    return false;
}

/* Of QEMU's target/i386/cpu.h. */
extern const VMStateDescription vmstate_x86_cpu;

/* Whether all that is set in a field goes together. */
static bool probe_field_is_sound(const VMStateField *field)
{
    const int counted = VMS_VARRAY_INT32 | VMS_VARRAY_UINT32 |
                        VMS_VARRAY_UINT16 | VMS_VARRAY_UINT8;

    return probe_is_name(field->name) &&
           (field->info ? probe_is_name(field->info->name)
                        : field->vmsd && probe_is_name(field->vmsd->name)) &&
           (field->flags & VMS_ARRAY ? field->num > 0 : field->num == 0) &&
           (field->flags & counted || field->num_offset == 0) &&
           (field->flags & VMS_VBUFFER || field->size_offset == 0) &&
           field->start == 0 && field->size > 0;
}

/*
 * The fields of a description that is QEMU's own are walked in steps of our
 * size, to the mark of the end. Members can change places in a structure that
 * keeps its size, so a field of which all is known is looked for: num and
 * num_offset did so before 11.1.
 */
static bool probe_vmstate_field(size_t size)
{
    const char *at = (const char *)vmstate_x86_cpu.fields;
    bool seen = false;

    for (size_t i = 0; i < 256; i++, at += size) {
        VMStateField field;

        if (!probe_read(at, &field, sizeof(field))) {
            return false;
        }
        if (field.flags == VMS_END) {
            return seen && !field.name && !field.info && !field.vmsd;
        }
        if (!probe_field_is_sound(&field)) {
            return false;
        }
        seen |= strcmp(field.name, "env.dr") == 0 && field.num == 8 &&
                field.size == sizeof(uint64_t) && field.offset > 0 &&
                field.flags == VMS_ARRAY && field.info == &vmstate_info_uint64;
    }
    return false;
}

static void probe_timer_callback(void *opaque)
{
}

/* QEMU fills in a timer, each field where we look for it and none behind. */
static bool probe_timer(size_t size)
{
    struct {
        QEMUTimer timer;
        uint8_t behind[64];
    } probe;
    const uint8_t *bytes;
    QEMUTimerList *list = (QEMUTimerList *)&probe;
    QEMUTimerListGroup group;

    for (size_t i = 0; i < ARRAY_SIZE(group.tl); i++) {
        group.tl[i] = list;
    }
    memset(&probe, 0xa5, sizeof(probe));
    timer_init_full(&probe.timer, &group, QEMU_CLOCK_VIRTUAL, 0x12345678,
                    0x5a5a, probe_timer_callback, &group);
    bytes = (const uint8_t *)&probe;
    for (size_t i = size; i < sizeof(probe); i++) {
        if (bytes[i] != 0xa5) {
            return false;
        }
    }
    return probe.timer.timer_list == list && probe.timer.opaque == &group &&
           probe.timer.cb == probe_timer_callback &&
           probe.timer.scale == 0x12345678 &&
           probe.timer.attributes == 0x5a5a && probe.timer.expire_time == -1;
}

/* Pieces that are looked at: one may be larger than was asked for. */
#define SECTIONS 64

/*
 * QEMU copies a section into memory of its size, as malloc() rounds it. A piece
 * of which too little would be left over is given whole, so the smallest of
 * many is compared.
 */
static bool probe_section(size_t size)
{
    MemoryRegionSection section = {0};
    MemoryRegionSection *copies[SECTIONS];
    void *ours[SECTIONS];
    size_t least_copy = SIZE_MAX;
    size_t least_ours = SIZE_MAX;

    for (size_t i = 0; i < SECTIONS; i++) {
        copies[i] = memory_region_section_new_copy(&section);
        ours[i] = g_malloc(size);
        least_copy = MIN(least_copy, malloc_usable_size(copies[i]));
        least_ours = MIN(least_ours, malloc_usable_size(ours[i]));
    }
    for (size_t i = 0; i < SECTIONS; i++) {
        memory_region_section_free_copy(copies[i]);
        g_free(ours[i]);
    }
    return least_copy == least_ours;
}

const MmrigGuardProbe mmrig_guard_probes[] = {
    {"VMStateField", sizeof(VMStateField), probe_vmstate_field},
    {"QEMUTimer", sizeof(QEMUTimer), probe_timer},
    {"MemoryRegionSection", sizeof(MemoryRegionSection), probe_section},
    {NULL, 0, NULL},
};
