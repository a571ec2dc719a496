/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words and lines of the guest protocol. Header-only and free of any library, because the
 * agent (static, PID 1), the guest tests and the rig all speak it.
 *
 * A word may hold any bytes. Bytes that would break a line apart, and everything outside
 * printable ASCII, are written %XX; the empty word is written "%.".
 */
#ifndef MMRIG_LINE_H
#define MMRIG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "mmrig-guest-protocol.h"

/* One decoded word. data is NUL-terminated, and may hold NULs of its own before size. */
struct mmrig_word {
    char *data;
    size_t size;
};

struct mmrig_line {
    size_t count;
    struct mmrig_word words[MMRIG_WORDS_MAX];
};

static inline int mmrig_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes the word at [*from, end) in place. Returns false if it is not well formed. */
static inline bool mmrig_word_decode(char *from, char *end, struct mmrig_word *word)
{
    char *out = from;

    word->data = from;
    if (end - from == 2 && from[0] == '%' && from[1] == '.')
        from = end;
    else if (from == end)
        return false;
    while (from < end) {
        if (*from != '%') {
            if (*from <= 0x20 || *from >= 0x7f)
                return false;
            *out++ = *from++;
            continue;
        }
        if (end - from < 3)
            return false;
        int high = mmrig_hex_digit(from[1]), low = mmrig_hex_digit(from[2]);
        if (high < 0 || low < 0)
            return false;
        *out++ = (char)(high << 4 | low);
        from += 3;
    }
    word->size = (size_t)(out - word->data);
    return true;
}

/*
 * Splits and decodes one line in place. text holds size bytes without the LF and must have
 * room for one more byte, which becomes a NUL. The words point into text. Returns false,
 * with the line unusable, if it is empty, too long, has too many words or a malformed one.
 */
static inline bool mmrig_line_parse(char *text, size_t size, struct mmrig_line *line)
{
    char *end = text + size;

    line->count = 0;
    if (size == 0 || size >= MMRIG_LINE_MAX)
        return false;
    for (char *start = text;; start++) {
        char *stop = memchr(start, ' ', (size_t)(end - start));
        if (!stop)
            stop = end;
        if (line->count == MMRIG_WORDS_MAX)
            return false;
        struct mmrig_word *word = &line->words[line->count];
        bool last = stop == end;
        if (!mmrig_word_decode(start, stop, word))
            return false;
        word->data[word->size] = '\0';
        line->count++;
        if (last)
            return true;
        start = stop;
    }
}

/*
 * Appends one word to the line being built in buffer (capacity bytes, *used of them
 * taken), with a space before it unless it is the first. Returns false, with *used as it
 * was, if it would not leave room for the LF.
 */
static inline bool mmrig_line_add(char *buffer, size_t capacity, size_t *used, const void *data,
                                  size_t size)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    size_t at = *used;

    if (at != 0) {
        if (at + 1 >= capacity)
            return false;
        buffer[at++] = ' ';
    }
    if (size == 0) {
        if (at + 2 >= capacity)
            return false;
        buffer[at++] = '%';
        buffer[at++] = '.';
    }
    for (size_t i = 0; i < size; i++) {
        bool plain = bytes[i] > 0x20 && bytes[i] < 0x7f && bytes[i] != '%';
        if (at + (plain ? 1 : 3) >= capacity)
            return false;
        if (plain) {
            buffer[at++] = (char)bytes[i];
        } else {
            buffer[at++] = '%';
            buffer[at++] = hex[bytes[i] >> 4];
            buffer[at++] = hex[bytes[i] & 0xf];
        }
    }
    *used = at;
    return true;
}

#endif
