/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent's files share. The agent is PID 1 of a test machine, static and without
 * any library but libc. One thread, one poll loop (agent.c); nothing in it blocks once the
 * ports are open, and every buffer has a fixed size, so that a test that floods its outputs
 * or a host that stops reading slows the test down and not the agent.
 */
#ifndef MMRIG_AGENT_H
#define MMRIG_AGENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mmrig-line.h"

/* The descriptors of the poll loop; an entry whose fd is -1 is not waited for. */
enum slot {
    SLOT_SIGNAL,
    SLOT_CONTROL,
    SLOT_KTAP,
    SLOT_KMSG,
    SLOT_STDIN,
    SLOT_STDOUT,
    SLOT_STDERR,
    SLOT_TEST,
    SLOT_TIMER,
    SLOT_COUNT,
};

/* ---- agent.c -------------------------------------------------------------------------- */

/* One line on the console. */
void console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The agent cannot go on: says so on the console and, as soon as there is a control port,
 * to the rig. Only the first failure is reported. From then on only poweroff is obeyed.
 */
void agent_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool agent_failed(void);

/* Ends all processes, writes everything back, and switches the machine off. */
_Noreturn void agent_poweroff(void);

/* ---- mounts.c ------------------------------------------------------------------------- */

/* /dev, /proc and /sys, without which nothing works. agent_fail() if one cannot be had. */
void mounts_first(void);
/* Everything else. What a kernel may lack (debugfs, cgroup2) is left out silently. */
void mounts_rest(void);

/* ---- modules.c ------------------------------------------------------------------------ */

/* Loads what MMRIG_GUEST_BOOT lists. agent_fail() if one cannot be loaded. */
void modules_load_boot(void);
/* Loads what the kernel command line asks for (MMRIG_PARAM_MODULES). */
void modules_load_asked(void);

/* ---- ports.c -------------------------------------------------------------------------- */

/* Bytes waiting to be written to a descriptor. */
struct queue {
    char *data;
    size_t capacity, used;
};

size_t queue_room(const struct queue *queue);
/* Adds all of data or, if there is no room for it, nothing. */
bool queue_add(struct queue *queue, const void *data, size_t size);
/* Writes what the descriptor takes now. False, with the queue emptied, if it is broken. */
bool queue_write(struct queue *queue, int fd);

/* A whole small file, NUL-terminated and without its last LF; false with errno. */
bool file_text(const char *path, char *text, size_t size);

struct port {
    int fd;
    bool away; /* nobody at the host's end just now */
    struct queue out;
};

extern struct port control_port, ktap_port;

/* Waits until both ports are there and opens them; false with a message on the console. */
bool ports_open(void);
/* Sets up and handles the poll entry of a port's output. input: also wait for input. */
void port_wait(const struct port *port, struct pollfd *entry, bool input);
void port_handle(struct port *port, const struct pollfd *entry);

/* ---- control.c ------------------------------------------------------------------------ */

/* A line being built; a word that does not fit makes it unusable, which send reports. */
struct message {
    char text[MMRIG_LINE_MAX];
    size_t used;
    bool broken;
};

void message_start(struct message *message, const char *word);
void message_bytes(struct message *message, const void *data, size_t size);
/* Text, cut off where it is too long for a line. */
void message_text(struct message *message, const char *text);
void message_number(struct message *message, uint64_t number);
/* Queues the line for the rig. */
void message_send(struct message *message);

/* Takes lines apart as bytes come in. */
struct reader {
    char buffer[MMRIG_LINE_MAX + 1];
    size_t used;
    size_t taken; /* of used: bytes of the line given out last */
};

enum reader_result {
    READER_LINE, /* *line is valid until the next call */
    READER_MORE, /* nothing whole yet */
    READER_BAD,  /* too long or malformed */
};

/* Reads into the buffer once; returns what read() did. */
ssize_t reader_fill(struct reader *reader, int fd);
enum reader_result reader_next(struct reader *reader, struct mmrig_line *line);

/* Two hex digits a byte and a zero byte behind them. */
void hex_print(char *digits, const unsigned char *bytes, size_t size);
/* A decimal number of at most 18 digits. */
bool word_number(const struct mmrig_word *word, uint64_t *number);
bool word_is(const struct mmrig_word *word, const char *text);

/* Whether the control port has room for messages that a test makes us send. */
bool control_roomy(void);
void control_ready(void);
/* Reads the rig's lines and does what they say. */
void control_handle(void);

/* ---- job-words.c ---------------------------------------------------------------------- */

#define WORDS_TEST_PATH_MAX (sizeof(MMRIG_GUEST_TESTS) + 128)

/* Makes argv of a line's words; false if there is none, or one has a NUL inside. */
bool words_argv(const struct mmrig_line *line, size_t first, char **argv);
/* Makes argv and path, which argv[0] will be, of a test and its arguments; why not, or NULL. */
const char *words_test(const struct mmrig_line *line, size_t first, char **argv,
                       char path[WORDS_TEST_PATH_MAX]);
/* Copies the words from first on to text, each with a zero byte behind it; returns the size. */
size_t words_flatten(const struct mmrig_line *line, size_t first, char *text);

/* ---- job.c ---------------------------------------------------------------------------- */

/* Whether a job runs or ends; a held one does neither. */
bool job_active(void);
/*
 * Starts the test that the words from first on name and holds it in front of its first case;
 * fork_kept() is called when it is there, or has turned out not to come. False if it could not
 * even be started.
 */
bool job_hold(const struct mmrig_line *line, size_t first);
/* Whether the held test is still on its way, and job_held() the news that it has come. */
bool job_holding(void);
void job_held(void);
/* Starts a job: words of the line from first on are its program and arguments. */
void job_run(uint64_t id, uint64_t limit_ms, const struct mmrig_line *line, size_t first);
void job_exec(uint64_t id, uint64_t limit_ms, bool tty, const struct mmrig_line *line,
              size_t first);
void job_stdin(uint64_t id, const struct mmrig_word *bytes);
void job_stdin_end(uint64_t id);
void job_resize(uint64_t id, unsigned rows, unsigned columns);
/* Whether more input for the job can be taken now. */
bool job_stdin_roomy(void);
/* Kills the job's processes. */
void job_kill(void);
void job_wait(struct pollfd *entries);
void job_handle(const struct pollfd *entries);
/* Collects ended processes, the job's and strays. */
void job_reap(void);

/* ---- fork.c --------------------------------------------------------------------------- */

/* Each does one line of the rig's and answers it; false if its words are not well formed. */
bool fork_template(const struct mmrig_line *line);
bool fork_arrive(const struct mmrig_line *line);
/* All that is to be in the template is there: tells the rig. */
void fork_kept(void);

/* ---- request.c ------------------------------------------------------------------------ */

/* From now on fd is our end of the socket of the test with this id; request_end() closes it. */
void request_start(int fd, uint64_t id);
void request_end(void);
/* The held test may go on, and gets this id. */
void request_release(uint64_t id);
/* Whether more may come: the test's end is open, or what came is not yet passed on. */
bool request_open(void);
void request_wait(struct pollfd *entry);
void request_handle(void);
/* Hands a reply line of the rig to the test that waits for it. */
void request_reply(uint64_t number, const struct mmrig_line *line);

/* ---- translate.c ------------------------------------------------------------------------ */

/*
 * Answers the rig's question what memory a process has at an address. It takes the process's
 * lock of its memory map for a moment, as any look at /proc does.
 */
void translate(uint64_t number, uint64_t pid, uint64_t address);

/* ---- kmsg.c, kmsg-classify.c ------------------------------------------------------------ */

/* The kernel log from now on counts for the job that starts. */
void kmsg_start(void);
/* Reads all there is and reports what means trouble. */
void kmsg_drain(void);
int kmsg_fd(void);

/*
 * Looks at one record of /dev/kmsg. Returns one of MMRIG_KERNEL_* with *text and *size set
 * to the message, or NULL if the record means no trouble.
 */
const char *kmsg_classify(const char *record, size_t record_size, const char **text,
                          size_t *size);

#endif
