/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

/* How soon a port that had nobody at its other end is looked at again. */
#define AWAY_MS 2

/* How long killed processes may take to end before the machine goes off nevertheless. */
#define POWEROFF_WAIT_S 2

static char failure[512];

void console_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    dprintf(STDERR_FILENO, "mmrig-agent: ");
    vdprintf(STDERR_FILENO, format, arguments);
    dprintf(STDERR_FILENO, "\n");
    va_end(arguments);
}

void agent_fail(const char *format, ...)
{
    va_list arguments;
    struct message message;

    if (agent_failed())
        return;
    va_start(arguments, format);
    vsnprintf(failure, sizeof(failure), format, arguments);
    va_end(arguments);
    console_say("%s", failure);
    /* Queued even before the port is open: it goes out as soon as it is. */
    message_start(&message, "fail");
    message_text(&message, failure);
    message_send(&message);
}

bool agent_failed(void)
{
    return failure[0] != '\0';
}

_Noreturn void agent_poweroff(void)
{
    const struct timespec limit = {.tv_sec = POWEROFF_WAIT_S};
    sigset_t child;
    pid_t pid;

    /* For what they are writing just now; one that cannot be killed is not waited for. */
    job_kill();
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
        if (pid == 0 && sigtimedwait(&child, NULL, &limit) < 0 && errno == EAGAIN)
            break;
    }
    sync();
    reboot(RB_POWER_OFF);
    console_say("cannot power off: %s", strerror(errno));
    for (;;)
        pause();
}

/* Makes sure that 0, 1 and 2 are something, and messages come out on the console. */
static void console_open(void)
{
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);

    if (fd < 0)
        fd = open("/dev/null", O_RDWR);
    for (int i = 0; i <= 2 && fd >= 0; i++) {
        if (fd != i)
            dup2(fd, i);
    }
    if (fd > 2)
        close(fd);
}

/* SIGCHLD as a descriptor, so that the loop has one way of waiting. */
static int signals_open(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static _Noreturn void serve(int signals)
{
    for (;;) {
        struct pollfd entries[SLOT_COUNT] = {0};
        struct signalfd_siginfo info;

        entries[SLOT_SIGNAL] = (struct pollfd){.fd = signals, .events = POLLIN};
        port_wait(&control_port, &entries[SLOT_CONTROL], control_roomy() && job_stdin_roomy());
        port_wait(&ktap_port, &entries[SLOT_KTAP], false);
        job_wait(entries);
        int count =
            poll(entries, SLOT_COUNT, control_port.away || ktap_port.away ? AWAY_MS : -1);
        if (count < 0) {
            if (errno != EINTR && errno != ENOMEM)
                console_say("cannot wait for events: %s", strerror(errno));
            continue;
        }
        port_handle(&control_port, &entries[SLOT_CONTROL]);
        port_handle(&ktap_port, &entries[SLOT_KTAP]);
        if (entries[SLOT_CONTROL].revents & POLLIN)
            control_handle();
        job_handle(entries);
        if (entries[SLOT_SIGNAL].revents) {
            while (read(signals, &info, sizeof(info)) > 0)
                ;
        }
        job_reap();
    }
}

int main(void)
{
    if (getpid() != 1) {
        fprintf(stderr, "mmrig-agent: this is a test machine's first process and runs only as "
                        "that; the mmrig command makes such machines\n");
        return 2;
    }
    umask(0);
    mounts_first();
    console_open();
    umask(022);
    clearenv();
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("HOME", "/", 1);
    int signals = signals_open();
    modules_load_boot();
    mounts_rest();
    modules_load_asked();
    if (!ports_open())
        agent_poweroff();
    control_ready();
    serve(signals);
}
