/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line that parses must, written again and parsed again, give the same words. */
#include <stdint.h>
#include <stdlib.h>

#include "mmrig-line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mmrig_line first, second;
    char *text = malloc(size + 1), *again = calloc(1, 3 * size + 2);
    size_t used = 0, capacity = 3 * size + 2;

    require(text && again);
    if (size > 0)
        memcpy(text, data, size);
    if (mmrig_line_parse(text, size, &first)) {
        require(first.count > 0 && first.count <= MMRIG_WORDS_MAX);
        for (size_t i = 0; i < first.count; i++) {
            require(first.words[i].data[first.words[i].size] == '\0');
            require(mmrig_line_add(again, capacity, &used, first.words[i].data,
                                   first.words[i].size));
        }
        /* Escapes that were not needed are gone, so it is never longer. */
        require(used <= size);
        require(mmrig_line_parse(again, used, &second) && second.count == first.count);
        for (size_t i = 0; i < first.count; i++) {
            require(first.words[i].size == second.words[i].size);
            require(memcmp(first.words[i].data, second.words[i].data, first.words[i].size) ==
                    0);
        }
    }
    free(text);
    free(again);
    return 0;
}
