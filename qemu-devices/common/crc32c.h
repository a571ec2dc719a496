/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CRC32C (RFC 3720, appendix B.4) as a running state, and moving such a state
 * over bytes that were summed already.
 *
 * A state is the register before the final exclusive-or: begin with
 * CRC32C_INIT, end with ~state. The sum is linear, so for bytes A then B
 *
 *     state after A B = shift(state after A, size of B) ^ sum of B from 0
 *
 * which gives the sum of a frame without reading the parts of it that are the
 * same in every frame.
 */
#ifndef MMRIG_CRC32C_H
#define MMRIG_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#define CRC32C_INIT 0xffffffffu

uint32_t mmrig_crc32c_update(uint32_t state, const void *data, size_t size);

typedef struct Crc32cShift {
    uint32_t table[4][256];
} Crc32cShift;

/* Makes the table for moving a state over so many bytes of zero. */
void mmrig_crc32c_shift_init(Crc32cShift *shift, uint64_t bytes);

static inline uint32_t crc32c_shift(const Crc32cShift *shift, uint32_t state)
{
    return shift->table[0][state & 0xff] ^ shift->table[1][state >> 8 & 0xff] ^
           shift->table[2][state >> 16 & 0xff] ^ shift->table[3][state >> 24];
}

#endif
