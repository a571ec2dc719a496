/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs one test or program at a time.
 *
 * A job ends in two steps. When its main process has ended, or the time limit is over, every
 * process but the agent is killed (whatever the job started, wherever it put itself), and all
 * are reaped: nothing of a job lives on into the next. Then what is left in its pipes and
 * in the kernel log is read, and only then is "done" sent, so that nothing comes after it.
 *
 * In a template the test is there before it is asked for: started, and held by the harness in
 * front of its first case (JOB_HELD). What it takes to start a program is then done once, and
 * not in every fork. Whatever cannot be held is started in the fork.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

/* How long a killed process may take to end before the machine is given up. */
#define GRACE_MS 5000
/* How long a test may take to get to where it is held; one that does not is not held. */
#define HOLD_MS 60000
/* A line of input is decoded at once, so that much room is always left. */
#define STDIN_RESERVE MMRIG_LINE_MAX

enum job_state {
    JOB_NONE,
    JOB_HELD,
    JOB_RUNNING,
    JOB_ENDING,
};

static struct {
    enum job_state state;
    uint64_t id;
    pid_t pid;
    bool tty, test;
    bool at_hold; /* JOB_HELD: the harness has said so */
    uint64_t limit_ms;
    bool timed_out;
    bool status_known;
    int status; /* as from waitpid() */
    bool grace_over;
    bool gave_up;              /* something cannot be killed */
    uint64_t written;          /* bytes for the KTAP port */
    int input, output, errors; /* our ends; -1 when closed */
    bool input_ended;          /* close input once its queue is empty */
} job = {.input = -1, .output = -1, .errors = -1};

static int timer = -1;

/* The words that the held test was started with, to be compared with those of "run". */
static char held_words[MMRIG_LINE_MAX];
static size_t held_size;

static char input_bytes[64 * 1024];
static struct queue input_queue = {input_bytes, sizeof(input_bytes), 0};

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool job_active(void)
{
    return job.state == JOB_RUNNING || job.state == JOB_ENDING;
}

bool job_holding(void)
{
    return job.state == JOB_HELD && !job.at_hold;
}

static void timer_set(uint64_t ms)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000},
    };

    if (timer < 0)
        timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer < 0 || timerfd_settime(timer, 0, &when, NULL) != 0)
        agent_fail("cannot set a time limit: %s", strerror(errno));
}

static void errors_send(const void *bytes, size_t size)
{
    struct message message;

    message_start(&message, "stderr");
    message_number(&message, job.id);
    message_bytes(&message, bytes, size);
    message_send(&message);
}

static void done_send(const char *how, uint64_t number)
{
    struct message message;

    message_start(&message, "done");
    message_number(&message, job.id);
    message_text(&message, how);
    message_number(&message, number);
    message_number(&message, job.written);
    message_send(&message);
}

void job_kill(void)
{
    kill(-1, SIGKILL);
}

/* The job could not be started at all: 127, as a shell says it. */
static void refuse(const char *what, const char *why)
{
    char text[512];
    int size = snprintf(text, sizeof(text), "mmrig-agent: %.200s: %.200s\n", what, why);

    errors_send(text, (size_t)size);
    done_send(MMRIG_DONE_EXIT, 127);
}

/* ---- Starting --------------------------------------------------------------------------- */

struct ends {
    int input, output, errors, test; /* the job's; test is -1 for an exec */
};

static _Noreturn void child_say(const char *what)
{
    dprintf(STDERR_FILENO, "mmrig-agent: %s: %s\n", what, strerror(errno));
    _exit(127);
}

/* In the new process. */
static _Noreturn void child_start(const struct ends *ends, char **argv)
{
    sigset_t none;
    /* Out of the way of the numbers they will get. */
    int input = fcntl(ends->input, F_DUPFD_CLOEXEC, 10);
    int output = fcntl(ends->output, F_DUPFD_CLOEXEC, 10);
    int errors = fcntl(ends->errors, F_DUPFD_CLOEXEC, 10);
    int test = ends->test < 0 ? -1 : fcntl(ends->test, F_DUPFD_CLOEXEC, 10);

    setsid();
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    if (test >= 0)
        dup2(test, MMRIG_TEST_FD);
    if (job.tty && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0)
        child_say("cannot make the terminal ours");
    setenv("TERM", job.tty ? "linux" : "dumb", 1);
    if (job.state == JOB_HELD)
        setenv(MMRIG_TEST_HOLD, "1", 1);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(argv[0], argv);
    child_say(argv[0]);
}

static bool pair_open(int fds[2], bool to_job)
{
    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    fcntl(fds[to_job ? 1 : 0], F_SETFL, O_NONBLOCK);
    return true;
}

/* Makes the job's descriptors: ours in job, the process's in *ends. */
static bool ends_open(struct ends *ends)
{
    int fds[2];

    *ends = (struct ends){-1, -1, -1, -1};
    if (job.tty) {
        struct winsize size = {.ws_row = 24, .ws_col = 80};

        job.output = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (job.output < 0 || unlockpt(job.output) != 0)
            return false;
        ioctl(job.output, TIOCSWINSZ, &size);
        ends->input = ioctl(job.output, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        ends->output = fcntl(ends->input, F_DUPFD_CLOEXEC, 0);
        ends->errors = fcntl(ends->input, F_DUPFD_CLOEXEC, 0);
        job.input = fcntl(job.output, F_DUPFD_CLOEXEC, 0);
        return ends->input >= 0 && ends->output >= 0 && ends->errors >= 0 && job.input >= 0;
    }
    if (job.test) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
            return false;
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
        request_start(fds[0], job.id);
        ends->test = fds[1];
        ends->input = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (ends->input < 0)
            return false;
    } else {
        if (!pair_open(fds, true))
            return false;
        ends->input = fds[0];
        job.input = fds[1];
    }
    if (!pair_open(fds, false))
        return false;
    job.output = fds[0];
    ends->output = fds[1];
    if (!pair_open(fds, false))
        return false;
    job.errors = fds[0];
    ends->errors = fds[1];
    return true;
}

static void ends_close(struct ends *ends)
{
    close_end(&ends->input);
    close_end(&ends->output);
    close_end(&ends->errors);
    close_end(&ends->test);
}

static void ends_close_ours(void)
{
    close_end(&job.input);
    close_end(&job.output);
    close_end(&job.errors);
    request_end();
}

/* Starts the program in the given state, with a time limit; false, with nothing left, if not.
 */
static bool job_start(enum job_state state, uint64_t limit_ms, char **argv)
{
    struct ends ends;

    job.state = state;
    job.limit_ms = limit_ms;
    job.pid = ends_open(&ends) ? fork() : -1;
    if (job.pid == 0)
        child_start(&ends, argv);
    int cause = errno;
    ends_close(&ends);
    if (job.pid > 0) {
        timer_set(limit_ms);
        return true;
    }
    ends_close_ours();
    job.state = JOB_NONE;
    errno = cause;
    return false;
}

static void job_clear(uint64_t id)
{
    job.id = id;
    job.tty = job.test = job.at_hold = false;
    job.timed_out = job.status_known = job.grace_over = job.gave_up = job.input_ended = false;
    job.written = 0;
    input_queue.used = 0;
}

/* ---- Holding ----------------------------------------------------------------------------- */

bool job_hold(const struct mmrig_line *line, size_t first)
{
    char *argv[MMRIG_WORDS_MAX + 1], path[WORDS_TEST_PATH_MAX];

    if (job.state != JOB_NONE)
        return false;
    kmsg_start();
    job_clear(0);
    job.test = true;
    if (words_test(line, first, argv, path) || !job_start(JOB_HELD, HOLD_MS, argv))
        return false;
    held_size = words_flatten(line, first, held_words);
    return true;
}

void job_held(void)
{
    job.at_hold = true;
    timer_set(0);
    fork_kept();
}

/* Ends the held test, which is not wanted any more. */
static void job_drop(void)
{
    job_kill();
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    timer_set(0);
    ends_close_ours();
    job.state = JOB_NONE;
}

/* The template, or this fork, goes without a held test. */
static void job_hold_failed(void)
{
    bool awaited = job_holding();

    job_drop();
    if (awaited)
        fork_kept();
}

/* Whether the held test is the one that is asked for; it runs from here on. */
static bool job_release(uint64_t id, uint64_t limit_ms, const struct mmrig_line *line,
                        size_t first)
{
    char words[MMRIG_LINE_MAX];

    if (job.state != JOB_HELD)
        return false;
    if (words_flatten(line, first, words) != held_size ||
        memcmp(words, held_words, held_size) != 0) {
        job_drop();
        return false;
    }
    job.id = id;
    job.limit_ms = limit_ms;
    job.state = JOB_RUNNING;
    /* First, as the test has a processor of its own to go on with. */
    request_release(id);
    timer_set(limit_ms);
    return true;
}

void job_run(uint64_t id, uint64_t limit_ms, const struct mmrig_line *line, size_t first)
{
    char *argv[MMRIG_WORDS_MAX + 1], path[WORDS_TEST_PATH_MAX];

    /* The log is watched from the test's start on. */
    if (job_release(id, limit_ms, line, first))
        return;
    kmsg_start();
    job_clear(id);
    job.test = true;
    const char *why = words_test(line, first, argv, path);
    if (why)
        refuse(line->words[first].data, why);
    else if (!job_start(JOB_RUNNING, limit_ms, argv))
        refuse(argv[0], strerror(errno));
}

void job_exec(uint64_t id, uint64_t limit_ms, bool tty, const struct mmrig_line *line,
              size_t first)
{
    char *argv[MMRIG_WORDS_MAX + 1];

    if (job.state == JOB_HELD)
        job_drop();
    kmsg_start();
    job_clear(id);
    job.tty = tty;
    if (!words_argv(line, first, argv))
        refuse("exec", "no program, or a word with a zero byte in it");
    else if (!job_start(JOB_RUNNING, limit_ms, argv))
        refuse(argv[0], strerror(errno));
}

/* ---- What the rig sends to a job ----------------------------------------------------------
 */

/* A job may end while the rig still sends to it: what is for another id is dropped. */
static bool is_for_job(uint64_t id)
{
    return job.state == JOB_RUNNING && job.id == id;
}

bool job_stdin_roomy(void)
{
    return queue_room(&input_queue) >= STDIN_RESERVE;
}

void job_stdin(uint64_t id, const struct mmrig_word *bytes)
{
    if (is_for_job(id) && job.input >= 0 && !job.input_ended)
        queue_add(&input_queue, bytes->data, bytes->size);
}

static void input_write(void)
{
    /* A program that has closed its input loses it, as in any pipe. */
    if (!queue_write(&input_queue, job.input) || (job.input_ended && input_queue.used == 0))
        close_end(&job.input);
}

void job_stdin_end(uint64_t id)
{
    if (!is_for_job(id) || job.tty || job.input < 0)
        return;
    job.input_ended = true;
    input_write();
}

void job_resize(uint64_t id, unsigned rows, unsigned columns)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};

    if (is_for_job(id) && job.tty && job.output >= 0)
        ioctl(job.output, TIOCSWINSZ, &size);
}

/* ---- What a job writes --------------------------------------------------------------------
 */

static void output_handle(void)
{
    char bytes[16 * 1024];

    while (job.output >= 0 && queue_room(&ktap_port.out) > 0) {
        size_t room = queue_room(&ktap_port.out);
        ssize_t size = read(job.output, bytes, room < sizeof(bytes) ? room : sizeof(bytes));

        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        /* EIO: the last process has closed the terminal. */
        if (size <= 0) {
            close_end(&job.output);
            return;
        }
        queue_add(&ktap_port.out, bytes, (size_t)size);
        job.written += (uint64_t)size;
    }
}

static void errors_handle(void)
{
    char bytes[MMRIG_CHUNK_MAX];

    while (job.errors >= 0 && control_roomy()) {
        ssize_t size = read(job.errors, bytes, sizeof(bytes));

        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0) {
            close_end(&job.errors);
            return;
        }
        errors_send(bytes, (size_t)size);
    }
}

/* ---- Ending -------------------------------------------------------------------------------
 */

static void job_end(void)
{
    if (job.state != JOB_RUNNING)
        return;
    job.state = JOB_ENDING;
    timer_set(GRACE_MS);
    job_kill();
}

void job_reap(void)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != job.pid || job.state == JOB_NONE)
            continue;
        if (job.state == JOB_HELD) {
            job_hold_failed();
            return;
        }
        job.status = status;
        job.status_known = true;
        job_end();
    }
    if (job.state != JOB_ENDING)
        return;
    bool alone = pid < 0 && errno == ECHILD;

    request_handle();
    errors_handle();
    output_handle();
    /* Nothing more can come when no process is left and all pipes are at their end. */
    job.gave_up = job.grace_over && !alone;
    if (!job.gave_up && (!alone || job.output >= 0 || job.errors >= 0 || request_open()))
        return;
    kmsg_drain();
    /* What the program did not read: left there, it would keep the control port waiting. */
    input_queue.used = 0;
    ends_close_ours();
    timer_set(0);
    if (job.timed_out || !job.status_known)
        done_send(MMRIG_DONE_TIMEOUT, job.limit_ms);
    else if (WIFSIGNALED(job.status))
        done_send(MMRIG_DONE_SIGNAL, (uint64_t)WTERMSIG(job.status));
    else
        done_send(MMRIG_DONE_EXIT, (uint64_t)WEXITSTATUS(job.status));
    job.state = JOB_NONE;
    if (job.gave_up)
        agent_fail("a process of run %llu did not end within %d s of being killed",
                   (unsigned long long)job.id, GRACE_MS / 1000);
}

/* ---- The loop's part ----------------------------------------------------------------------
 */

void job_wait(struct pollfd *entries)
{
    /* A held test is heard only where it says that it is there. */
    bool active = job_active(), roomy = active && control_roomy();

    entries[SLOT_TIMER] = (struct pollfd){
        .fd = active || job_holding() ? timer : -1,
        .events = POLLIN,
    };
    entries[SLOT_KMSG] = (struct pollfd){.fd = active ? kmsg_fd() : -1, .events = POLLIN};
    entries[SLOT_STDIN] = (struct pollfd){
        .fd = input_queue.used > 0 ? job.input : -1,
        .events = POLLOUT,
    };
    entries[SLOT_STDOUT] = (struct pollfd){
        .fd = active && queue_room(&ktap_port.out) > 0 ? job.output : -1,
        .events = POLLIN,
    };
    entries[SLOT_STDERR] = (struct pollfd){.fd = roomy ? job.errors : -1, .events = POLLIN};
    request_wait(&entries[SLOT_TEST]);
}

void job_handle(const struct pollfd *entries)
{
    uint64_t times;

    if (job.state == JOB_NONE)
        return;
    if (job.state == JOB_HELD) {
        request_handle();
        if (entries[SLOT_TIMER].revents && job_holding())
            job_hold_failed();
        return;
    }
    if (entries[SLOT_STDIN].revents && job.input >= 0)
        input_write();
    if (entries[SLOT_STDOUT].revents)
        output_handle();
    if (entries[SLOT_STDERR].revents)
        errors_handle();
    request_handle();
    if (entries[SLOT_KMSG].revents)
        kmsg_drain();
    if (entries[SLOT_TIMER].revents && read(timer, &times, sizeof(times)) > 0) {
        if (job.state == JOB_RUNNING) {
            job.timed_out = true;
            job_end();
        } else {
            job.grace_over = true;
        }
    }
    job_reap();
}
