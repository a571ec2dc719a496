/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of CXL memory share: the device, its list of poison, its regions. */
#ifndef MMRIG_TEST_CXL_H
#define MMRIG_TEST_CXL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness.h"

/* How long drivers may take to find the device, and its records to come, in seconds. */
#define CXL_SECONDS 20.0

/*
 * Waits for mem0 to have its endpoint; aborts if it does not come. Ends the case as skipped
 * where the kernel knows nothing of a device's errors.
 */
void cxl_wait(void);

/*
 * The N of the memN that is the scenario's device of this place (from 1, as its serial number):
 * the kernel finds them in any order. Waits for it, as above.
 */
unsigned cxl_memory(unsigned place);
/* Has memN's list of poison read (cxl_trace). */
void cxl_list_poison(unsigned memory);

/* A directory or file of mem0 in sysfs. */
#define CXL_SYSFS "/sys/bus/cxl/devices/mem0"
#define CXL_DEBUG "/sys/kernel/debug/cxl/mem0"

/* Turns the kernel's trace event on; the pipe of records is cxl_pipe from then on. */
void cxl_trace(const char *event);

struct cxl_record {
    char text[1024]; /* the record as it was printed */
};
/* The next record of that event; false if none comes in this time. */
bool cxl_next(const char *event, struct cxl_record *record, double seconds);
/*
 * "key=value" of a record: the number (base as for strtoull(3)), or the text. Aborts if it has
 * no such key.
 */
uint64_t cxl_number(const struct cxl_record *record, const char *key, int base);
bool cxl_says(const struct cxl_record *record, const char *key, const char *value);

/*
 * Makes a region of all the volatile memory of so many devices, region0, interleaved by
 * CXL_GRANULARITY; its physical address and size. A DAX device is there then: dax0.0.
 */
#define CXL_GRANULARITY 256
void cxl_make_region(unsigned ways, uint64_t *address, uint64_t *size);

#endif
