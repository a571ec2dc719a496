/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc/self/smaps says of one mapping (proc(5)). */
#ifndef MMRIG_TEST_SMAPS_H
#define MMRIG_TEST_SMAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text after "FIELD:" for the mapping at address; false if there is no such line. */
static inline bool smaps_text(const void *address, const char *field, char *text, size_t size)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    size_t length = strlen(field);
    char line[512];
    bool inside = false, found = false;
    unsigned long start, end;

    if (!smaps)
        return false;
    while (!found && fgets(line, sizeof(line), smaps)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = (uintptr_t)address >= start && (uintptr_t)address < end;
        else
            found = inside && strncmp(line, field, length) == 0 && line[length] == ':';
    }
    fclose(smaps);
    return found && (size_t)snprintf(text, size, "%s", line + length + 1) < size;
}

/* A size, in kB; UINT64_MAX if there is none. */
static inline uint64_t smaps_kb(const void *address, const char *field)
{
    char text[128];

    return smaps_text(address, field, text, sizeof(text)) ? strtoull(text, NULL, 10)
                                                          : UINT64_MAX;
}

/* Whether the mapping has a flag, given as its two letters of VmFlags. */
static inline bool smaps_flag(const void *address, const char *flag)
{
    char text[256], wanted[8];

    snprintf(wanted, sizeof(wanted), " %s", flag);
    return smaps_text(address, "VmFlags", text, sizeof(text)) && strstr(text, wanted);
}

#endif
