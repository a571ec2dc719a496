/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watches the kernel log for trouble while a job runs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* The largest record is PRINTKRB_RECORD_MAX / PRINTK_MESSAGE_MAX, 2048 in kernel/printk. */
#define RECORD_MAX  8192
#define REPORTS_MAX 20
#define TEXT_MAX    512

static int log_fd = -1;
static unsigned reports;

int kmsg_fd(void)
{
    return log_fd;
}

void kmsg_start(void)
{
    if (log_fd < 0)
        log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (log_fd < 0 || lseek(log_fd, 0, SEEK_END) < 0)
        agent_fail("cannot read the kernel's log: %s; the kernel needs CONFIG_PRINTK",
                   strerror(errno));
    reports = 0;
}

void kmsg_drain(void)
{
    char record[RECORD_MAX];
    ssize_t got;

    /* EPIPE: records were overwritten before we came to them; the next read goes on. */
    while ((got = read(log_fd, record, sizeof(record))) > 0 ||
           (got < 0 && (errno == EPIPE || errno == EINTR))) {
        const char *text, *kind;
        size_t size;
        struct message message;

        kind = got > 0 ? kmsg_classify(record, (size_t)got, &text, &size) : NULL;
        if (!kind || reports == REPORTS_MAX)
            continue;
        reports++;
        message_start(&message, "kernel");
        message_text(&message, kind);
        message_bytes(&message, text, size < TEXT_MAX ? size : TEXT_MAX);
        message_send(&message);
    }
}
