/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Little-endian fields at any address. */
#ifndef MMRIG_COMMON_BYTES_H
#define MMRIG_COMMON_BYTES_H

#include <stdint.h>

static inline void nvdimm_put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        to[i] = value >> (8 * i);
    }
}

static inline uint64_t nvdimm_get(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

#endif
