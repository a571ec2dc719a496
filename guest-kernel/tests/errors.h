/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of memory errors share: asking for them, and seeing what came of them. */
#ifndef MMRIG_TEST_ERRORS_H
#define MMRIG_TEST_ERRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness.h"

/* Poison's unit in bytes, and bits of IA32_MCi_STATUS that tests look at. */
#define GRANULE             ((size_t)64)
#define STATUS_UC           (UINT64_C(1) << 61)
#define STATUS_MCACOD(text) ((unsigned)((text)&0xffff))
#define MCACOD_LOAD         0x134
#define MCACOD_FETCH        0x150
#define MCACOD_SCRUB        0xc0

/* Recovery is a matter of milliseconds; a machine that is short of CPU may take longer. */
#define ERROR_SECONDS 5.0

/* ---- SIGBUS ----------------------------------------------------------------------------- */

struct bus_error {
    int code; /* 0: none came */
    void *address;
    int lsb;      /* least significant bit of the address that is meant */
    uintptr_t ip; /* where the program was */
};

/* From now on, in this process. */
void bus_errors_catch(void);
/* Calls the function; what SIGBUS it met, if any. */
struct bus_error bus_error_in(void (*function)(void *data), void *data);
/* Reads a byte. */
struct bus_error bus_error_at(const void *address);
/* Notices that have come (BUS_MCEERR_AO), and the latest. */
unsigned bus_notices(struct bus_error *latest);

/* ---- The rig ---------------------------------------------------------------------------- */

/* Makes memory bad; the test ends if the rig does not. */
void poison_lay(uint64_t address, size_t length);
void poison_clear(uint64_t address, size_t length);
/* A counter of the device's. */
uint64_t poison_count(const char *of);
/* What was last consumed: its exact address, as "gpa" of the reply. */
uint64_t poison_last_address(void);

/* ---- The kernel ------------------------------------------------------------------------- */

/* Whether /proc/kpageflags says that the page is taken out of use. */
bool page_is_taken(uint64_t address);
/* HardwareCorrupted of /proc/meminfo, in pages. */
uint64_t pages_taken(void);
/* Waits until it is at least that many. */
bool wait_pages_taken(uint64_t pages);

/* The kernel's log from the time of the call on; a descriptor. */
int log_open(void);
/* Waits for a record with both texts in it (in this order). */
bool log_wait(int log, const char *first, const char *then, double seconds);
/* Waits for what mm/memory-failure.c says of a page: "PAGE_KIND: RESULT". */
bool log_wait_page(int log, uint64_t address, const char *result);

/* ---- Machine checks, by the kernel's trace event mce:mce_record ------------------------- */

struct machine_check {
    unsigned cpu;
    unsigned bank;
    uint64_t mcg_status;
    uint64_t status;
    uint64_t address;
    uint64_t misc;
    unsigned cs;
    uint64_t ip;
};

void machine_checks_trace(void);
/* The next; false if none comes in this time. */
bool machine_check_next(struct machine_check *check, double seconds);

#endif
