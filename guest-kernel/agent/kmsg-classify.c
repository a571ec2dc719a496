/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which records of the kernel log mean trouble.
 *
 * A record of /dev/kmsg is "PREFIX,SEQUENCE,TIME,FLAGS[,...];MESSAGE\n" and maybe further
 * lines that begin with a space (Linux Documentation/ABI/testing/dev-kmsg). PREFIX is
 * facility * 8 + level. What user space writes to /dev/kmsg never has facility 0
 * (devkmsg_write() in kernel/printk/printk.c), so a test cannot imitate the kernel.
 */
#include <string.h>

#include "agent.h"

struct pattern {
    const char *kind;
    const char *start;  /* how the message begins, or NULL */
    const char *inside; /* what it has further on, or NULL */
};

/*
 * Some are looked for only at the beginning, because the kernel says the same of user space
 * ("traps: prog[12] general protection fault ip:...") or drivers use the word loosely.
 */
static const struct pattern patterns[] = {
    {MMRIG_KERNEL_PANIC, "Kernel panic", NULL},
    {MMRIG_KERNEL_OOPS, NULL, "BUG: "},
    {MMRIG_KERNEL_OOPS, NULL, "kernel BUG at "},
    {MMRIG_KERNEL_OOPS, "Oops: ", NULL},
    {MMRIG_KERNEL_OOPS, "Internal error: ", NULL},
    {MMRIG_KERNEL_OOPS, "general protection fault", NULL},
    {MMRIG_KERNEL_OOPS, "double fault", NULL},
    {MMRIG_KERNEL_OOPS, "stack segment: ", NULL},
    {MMRIG_KERNEL_OOPS, "divide error: ", NULL},
    {MMRIG_KERNEL_OOPS, "invalid opcode: ", NULL},
    {MMRIG_KERNEL_OOPS, "INFO: task ", " blocked for more than "},
    {MMRIG_KERNEL_OOPS, "rcu: INFO: ", " stall"},
    {MMRIG_KERNEL_OOPS, "INFO: rcu_", " stall"},
    {MMRIG_KERNEL_WARNING, "WARNING: ", NULL},
    {MMRIG_KERNEL_WARNING, "UBSAN: ", NULL},
};

const char *kmsg_classify(const char *record, size_t record_size, const char **text,
                          size_t *size)
{
    const char *end = record + record_size, *at = record;
    unsigned prefix = 0;

    while (at < end && *at >= '0' && *at <= '9' && prefix < 100000)
        prefix = prefix * 10 + (unsigned)(*at++ - '0');
    if (at == record || at == end || *at != ',' || prefix >> 3 != 0)
        return NULL;
    at = memchr(at, ';', (size_t)(end - at));
    if (!at)
        return NULL;
    *text = ++at;
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    *size = (size_t)((stop ? stop : end) - at);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        const struct pattern *pattern = &patterns[i];
        size_t start = pattern->start ? strlen(pattern->start) : 0;

        if (*size < start || (start > 0 && memcmp(*text, pattern->start, start) != 0))
            continue;
        if (!pattern->inside ||
            memmem(*text + start, *size - start, pattern->inside, strlen(pattern->inside)))
            return pattern->kind;
    }
    return NULL;
}
