/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device's registers as a table, from which everything follows that is the
 * same for all: what is read and written, what is refused and with which error,
 * reset, and what the tests ask (qtest/registers.h reads the table from the
 * device's property "registers").
 *
 * A register is 32 bits wide and takes aligned 32-bit accesses only. One of 64
 * bits is two, the lower half first. A place without a register reads as 0.
 */
#ifndef MMRIG_COMMON_REGISTERS_H
#define MMRIG_COMMON_REGISTERS_H

#include "compat.h"

#include "exec/hwaddr.h"
#include "qom/object.h"

#include "system/memory.h"

typedef struct MmrigRegister MmrigRegister;

typedef enum MmrigRegisterKind {
    /* What the guest wrote and what became of it: reset, and migrated. */
    MMRIG_REGISTER_STATE,
    /* Follows from the device's properties. */
    MMRIG_REGISTER_FIXED,
    /* Reads as 0; it is written to so that something happens. */
    MMRIG_REGISTER_ACTION,
    /* Of the clock: changes by itself. */
    MMRIG_REGISTER_CLOCK,
} MmrigRegisterKind;

/* A row: one register, or an array of them without a gap. */
struct MmrigRegister {
    uint32_t offset;
    const char *name;
    MmrigRegisterKind kind;
    unsigned width; /* bits, 64 or (also by 0) 32 */
    unsigned count; /* of an array; 0 is one */

    /* Where its value is in the device, or in what holder() returns. */
    size_t field;
    size_t bytes; /* of one; 0: nowhere */
    const void *(*holder)(const void *device);
    /* What it is, if that is no field. */
    uint32_t constant;
    uint64_t (*get)(void *device, const MmrigRegister *row, unsigned index);

    /*
     * Read only without mask and set. A write that has bits outside the mask,
     * or that is above most (if that is not 0), is refused as a value. What is
     * left goes to the field if there is no set().
     */
    uint64_t mask;
    uint64_t most;
    void (*set)(void *device, const MmrigRegister *row, uint64_t value);

    uint64_t reset; /* of a field of the device, in kind STATE */
};

/* The fields of a row for a member of the device's structure. */
#define MMRIG_REGISTER_FIELD(type, member)                                     \
    .field = offsetof(type, member), .bytes = sizeof(((type *)NULL)->member)
/* For a member that is an array of so many. */
#define MMRIG_REGISTER_ARRAY(type, member)                                     \
    .field = offsetof(type, member),                                           \
    .bytes = sizeof(((type *)NULL)->member[0]),                                \
    .count = ARRAY_SIZE(((type *)NULL)->member)

typedef struct MmrigRegisters {
    const MmrigRegister *rows; /* in order of offset */
    size_t row_count;
    uint32_t size; /* bytes of the region */

    /* The device's code for each way to be wrong; and where it is told. */
    uint32_t error_access;    /* not aligned, not 32 bits; detail: offset */
    uint32_t error_register;  /* write to where there is none; offset */
    uint32_t error_read_only; /* offset */
    uint32_t error_value;     /* the value */
    void (*error)(void *device, uint32_t error, uint64_t detail);
} MmrigRegisters;

/* Aborts if the table makes no sense: for class_init(). */
void mmrig_registers_check(const MmrigRegisters *table);

/* The handlers of a region for MemoryRegionOps. */
uint64_t mmrig_registers_read(const MmrigRegisters *table, void *device,
                              hwaddr offset, unsigned size);
void mmrig_registers_write(const MmrigRegisters *table, void *device,
                           hwaddr offset, uint64_t value, unsigned size);

/* The rest of these MemoryRegionOps: every access reaches the handlers. */
#define MMRIG_REGISTERS_ACCESS                                                 \
    .endianness = DEVICE_LITTLE_ENDIAN,                                        \
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},  \
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true}

/* Fields of the device in kind STATE become what the table says. */
void mmrig_registers_reset(const MmrigRegisters *table, void *device);

/*
 * The property "registers": a line for each row, "OFFSET NAME KIND WIDTH COUNT
 * WRITABLE MASK MOST RESET". The description for `mmrig devices` is with it.
 */
void mmrig_registers_describe(ObjectClass *klass, const MmrigRegisters *table);

#endif
