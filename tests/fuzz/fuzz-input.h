/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values out of the bytes that libFuzzer gives; zeroes once they are used up. */
#ifndef MMRIG_FUZZ_INPUT_H
#define MMRIG_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                               \
    do {                                                                                       \
        if (!(x))                                                                              \
            abort();                                                                           \
    } while (0)

struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static inline uint64_t fuzz_bytes(struct fuzz_input *input, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < count; i++)
        value = value << 8 | fuzz_byte(input);
    return value;
}

#endif
