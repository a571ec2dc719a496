/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device's registers, as its table has them (qemu-devices/common/registers.h): read from its
 * property "registers". What follows from the table is tested here for every device; that the
 * table is as the specification has it is for the device's own tests.
 */
#ifndef MMRIG_QTEST_REGISTERS_H
#define MMRIG_QTEST_REGISTERS_H

#include "qtest.h"

typedef enum {
    REGISTER_STATE,  /* reset, and migrated */
    REGISTER_FIXED,  /* follows from the properties */
    REGISTER_ACTION, /* reads as 0 */
    REGISTER_CLOCK,  /* changes by itself */
} RegisterKind;

typedef struct {
    uint32_t offset;
    char name[32];
    RegisterKind kind;
    unsigned width; /* bits: 32, or 64 for two of which the lower is first */
    unsigned count; /* of an array */
    int writable;
    uint64_t mask; /* bits that may be written; 0: all, if it can be written */
    uint64_t most; /* that may be written; 0: any */
    uint64_t reset;
} Register;

typedef struct {
    QTest *q;
    const char *path; /* of the device */
    uint64_t base;    /* of the registers */
    uint32_t size;
    /* The codes for what is wrong, and where the latest and its detail can be read. */
    uint32_t error_access, error_register, error_read_only, error_value;
    uint32_t reg_error, reg_detail;
    Register *rows;
    unsigned row_count;
    uint32_t *at_reset; /* what each register was at the start */
} Registers;

/* Reads the table, and what all registers are; the device is as after a reset. */
void registers_begin(Registers *r);
void registers_end(Registers *r);

/* The row that has a register there, or NULL. */
const Register *registers_find(const Registers *r, uint32_t offset);

/*
 * Everything that is refused: accesses of other sizes or out of line, writes to what is read
 * only or not there, bits outside a mask, values above the most.
 */
void registers_check_refused(Registers *r);

/*
 * What all registers are; free the array. Each that is state has to have a value of its own:
 * not that after a reset, and, from 2 up, that of no other. The names in excused (which ends
 * with NULL, or is NULL) are not looked at.
 */
uint32_t *registers_take(const Registers *r, const char *const *excused);

/* Whether all but the clock's are so again, as by a migration to r->q. */
void registers_check_same(const Registers *r, const uint32_t *values);

/* Whether all but the clock's are as at the start. */
void registers_check_reset(const Registers *r);

#endif
