/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the words of a "run" or "exec" to what a process is started with. */
#include <stdio.h>
#include <string.h>

#include "agent.h"

bool words_argv(const struct mmrig_line *line, size_t first, char **argv)
{
    size_t count = 0;

    for (size_t i = first; i < line->count; i++) {
        if (memchr(line->words[i].data, '\0', line->words[i].size))
            return false;
        argv[count++] = line->words[i].data;
    }
    argv[count] = NULL;
    return count > 0;
}

const char *words_test(const struct mmrig_line *line, size_t first, char **argv,
                       char path[WORDS_TEST_PATH_MAX])
{
    const char *name = line->words[first].data;

    if (!words_argv(line, first, argv))
        return "a word with a zero byte in it";
    if (*name == '\0' || *name == '.' || strchr(name, '/') || strlen(name) > 100)
        return "this is no name of a test";
    snprintf(path, WORDS_TEST_PATH_MAX, "%s/%s", MMRIG_GUEST_TESTS, name);
    argv[0] = path;
    return NULL;
}

size_t words_flatten(const struct mmrig_line *line, size_t first, char *text)
{
    size_t used = 0;

    for (size_t i = first; i < line->count; i++) {
        memcpy(text + used, line->words[i].data, line->words[i].size);
        used += line->words[i].size;
        text[used++] = '\0';
    }
    return used;
}
