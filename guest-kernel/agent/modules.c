/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads modules by the list that the image's builder wrote (mmrig-guest-protocol.h): it has
 * worked out dependencies and load order, so nothing is looked up here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

/* A soft dependency (behind MMRIG_GUEST_MODULE_SOFT) may fail to load. */
static bool module_load(const char *name, const char *path)
{
    bool soft = strncmp(path, MMRIG_GUEST_MODULE_SOFT, strlen(MMRIG_GUEST_MODULE_SOFT)) == 0;

    if (soft)
        path += strlen(MMRIG_GUEST_MODULE_SOFT);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        agent_fail("module %s: cannot open %s: %s", name, path, strerror(errno));
        return false;
    }
    /* EEXIST: loaded already, as a dependency of another one. */
    bool loaded = syscall(SYS_finit_module, fd, "", 0) == 0 || errno == EEXIST || soft;
    if (!loaded)
        agent_fail("module %s: cannot load %s: %s (errno %d)", name, path, strerror(errno),
                   errno);
    close(fd);
    return loaded;
}

/* Loads all paths of the module's line in the list. */
static void module_load_by_name(const char *name)
{
    FILE *list = fopen(MMRIG_GUEST_MODULES, "re");
    char *text = NULL;
    size_t size = 0;
    bool found = false;

    while (list && !found && getline(&text, &size, list) >= 0) {
        char *rest = NULL, *word = strtok_r(text, " \n", &rest);

        if (!word || strcmp(word, name) != 0)
            continue;
        found = true;
        while ((word = strtok_r(NULL, " \n", &rest)) != NULL) {
            if (!module_load(name, word))
                break;
        }
    }
    if (!found)
        agent_fail("module %s is not in the image (%s)", name, MMRIG_GUEST_MODULES);
    free(text);
    if (list)
        fclose(list);
}

void modules_load_boot(void)
{
    FILE *list = fopen(MMRIG_GUEST_BOOT, "re");
    char *text = NULL;
    size_t size = 0;

    /* No list: the kernel has all it needs built in. */
    if (!list)
        return;
    while (getline(&text, &size, list) >= 0) {
        text[strcspn(text, " \n")] = '\0';
        if (*text)
            module_load_by_name(text);
    }
    free(text);
    fclose(list);
}

void modules_load_asked(void)
{
    /* The kernel's own limit is COMMAND_LINE_SIZE, 2048 on x86 (arch/x86/include/asm/setup.h).
     */
    char text[4096], *rest = NULL;

    if (!file_text("/proc/cmdline", text, sizeof(text)))
        return;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        size_t length = strlen(MMRIG_PARAM_MODULES);
        char *names = NULL;

        if (strncmp(word, MMRIG_PARAM_MODULES, length) != 0 || word[length] != '=')
            continue;
        for (char *name = strtok_r(word + length + 1, ",", &names); name;
             name = strtok_r(NULL, ",", &names))
            module_load_by_name(name);
    }
}
