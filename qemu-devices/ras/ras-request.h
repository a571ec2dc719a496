/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What mmrig-ras is asked to do, as text: KEY=VALUE, separated by commas. No
 * QEMU headers: this part is tested and fuzzed on the host.
 */
#ifndef MMRIG_RAS_REQUEST_H
#define MMRIG_RAS_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "mce/mce-codes.h"

typedef struct RasRequest {
    bool poison;       /* lay it */
    bool event;        /* report an error */
    MmrigMceKind kind; /* which, with event */
    uint64_t gpa;
    uint64_t length;
    unsigned cpu;
    bool broadcast;
    unsigned count;
} RasRequest;

typedef struct RasClear {
    bool all; /* of every source */
    uint64_t gpa;
    uint64_t length;
} RasClear;

/*
 * Parses the property "inject". processors is how many there are. NULL, or in
 * one line what is wrong (free with g_free()).
 */
char *mmrig_ras_request_parse(const char *text, unsigned processors,
                              RasRequest *request);

/* The same of "clear". */
char *mmrig_ras_clear_parse(const char *text, RasClear *clear);

#endif
