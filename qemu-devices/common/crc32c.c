/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "crc32c.h"

/* Its test compiles it without the instruction, too, which no host of ours
 * lacks. */
#if defined(__x86_64__) && !defined(MMRIG_CRC32C_BY_TABLE)
#define HAS_INSTRUCTION
#endif

/* x^32 + ... of RFC 3720, reflected. */
#define POLYNOMIAL 0x82f63b78u

static uint32_t byte_table[256];
#ifdef HAS_INSTRUCTION
static bool use_instruction;
#endif
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t state = i;

        for (int bit = 0; bit < 8; bit++) {
            state = state >> 1 ^ (state & 1 ? POLYNOMIAL : 0);
        }
        byte_table[i] = state;
    }
#ifdef HAS_INSTRUCTION
    use_instruction = __builtin_cpu_supports("sse4.2");
#endif
}

#ifdef HAS_INSTRUCTION
__attribute__((target("sse4.2"))) static uint32_t
update_by_instruction(uint32_t state, const uint8_t *data, size_t size)
{
    uint64_t wide = state;

    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;

        memcpy(&word, data, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
    state = (uint32_t)wide;
    for (; size > 0; data++, size--) {
        state = __builtin_ia32_crc32qi(state, *data);
    }
    return state;
}
#endif

uint32_t mmrig_crc32c_update(uint32_t state, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    pthread_once(&prepared, prepare);
#ifdef HAS_INSTRUCTION
    if (use_instruction) {
        return update_by_instruction(state, bytes, size);
    }
#endif
    for (; size > 0; bytes++, size--) {
        state = state >> 8 ^ byte_table[(state ^ *bytes) & 0xff];
    }
    return state;
}

/* The product of two polynomials modulo the CRC's; bit 31 is x^0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
        if (a & bit) {
            product ^= b;
        }
        b = b >> 1 ^ (b & 1 ? POLYNOMIAL : 0);
    }
    return product;
}

void mmrig_crc32c_shift_init(Crc32cShift *shift, uint64_t bytes)
{
    uint32_t power = 1u << 23;  /* x^8: one byte of zero */
    uint32_t factor = 1u << 31; /* x^0 */

    for (; bytes != 0; bytes >>= 1) {
        if (bytes & 1) {
            factor = multiply(factor, power);
        }
        power = multiply(power, power);
    }
    for (uint32_t byte = 0; byte < 4; byte++) {
        for (uint32_t i = 0; i < 256; i++) {
            shift->table[byte][i] = multiply(factor, i << 8 * byte);
        }
    }
}
