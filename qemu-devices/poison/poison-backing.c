/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "poison-backing.h"

#include <errno.h>
#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

char *mmrig_poison_backing_spoil(void *page, size_t size, RasAdvise *advise,
                                 void **kept)
{
    g_autofree void *copy = NULL;

    *kept = NULL;
    if (size == 0 || (uintptr_t)page % size != 0) {
        return g_strdup_printf("%p is not the start of a page of %zu bytes",
                               page, size);
    }
    copy = g_memdup2(page, size);
    if (advise(page, size, MADV_HWPOISON) == 0) {
        *kept = g_steal_pointer(&copy);
        return NULL;
    }
    switch (errno) {
    case EPERM:
        return g_strdup("the host lets only a process with CAP_SYS_ADMIN make"
                        " its memory bad; run as root, or take"
                        " kvm-poison=overlay");
    case EINVAL:
        return g_strdup("the host's kernel cannot make memory bad"
                        " (CONFIG_MEMORY_FAILURE); take kvm-poison=overlay");
    case EBUSY:
    case EIO:
        return g_strdup("the host's kernel could not take this page out of"
                        " use; try another one");
    default:
        return g_strdup_printf("the host's page cannot be made bad: %s",
                               g_strerror(errno));
    }
}
