/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The conversation with the rig: lines out, lines in. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

/* Longest text in a message; three bytes for each at worst, so that it fits in a line. */
#define TEXT_MAX 1024

void message_start(struct message *message, const char *word)
{
    message->used = 0;
    message->broken = false;
    message_bytes(message, word, strlen(word));
}

void message_bytes(struct message *message, const void *data, size_t size)
{
    if (!mmrig_line_add(message->text, sizeof(message->text), &message->used, data, size))
        message->broken = true;
}

void message_text(struct message *message, const char *text)
{
    size_t size = strlen(text);

    message_bytes(message, text, size < TEXT_MAX ? size : TEXT_MAX);
}

/* Here and below without printf, whose ways through libc a fork would pay for (fork.c). */
void message_number(struct message *message, uint64_t number)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    message_bytes(message, digits + at, sizeof(digits) - at);
}

void hex_print(char *digits, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < 2 * size; i++) {
        unsigned digit = bytes[i / 2] >> (i % 2 ? 0 : 4) & 0xf;
        digits[i] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
    }
    digits[2 * size] = '\0';
}

void message_send(struct message *message)
{
    message->text[message->used++] = '\n';
    if (message->broken || !queue_add(&control_port.out, message->text, message->used))
        console_say("a message to the rig was lost: %.*s", 64, message->text);
}

ssize_t reader_fill(struct reader *reader, int fd)
{
    if (reader->taken > 0) {
        reader->used -= reader->taken;
        memmove(reader->buffer, reader->buffer + reader->taken, reader->used);
        reader->taken = 0;
    }
    if (reader->used == MMRIG_LINE_MAX) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t size = read(fd, reader->buffer + reader->used, MMRIG_LINE_MAX - reader->used);
    if (size > 0)
        reader->used += (size_t)size;
    return size;
}

enum reader_result reader_next(struct reader *reader, struct mmrig_line *line)
{
    char *start = reader->buffer + reader->taken;
    size_t left = reader->used - reader->taken;
    char *stop = memchr(start, '\n', left);

    if (!stop)
        return reader->taken == 0 && left == MMRIG_LINE_MAX ? READER_BAD : READER_MORE;
    reader->taken += (size_t)(stop - start) + 1;
    return mmrig_line_parse(start, (size_t)(stop - start), line) ? READER_LINE : READER_BAD;
}

bool word_number(const struct mmrig_word *word, uint64_t *number)
{
    *number = 0;
    if (word->size == 0 || word->size > 18)
        return false;
    for (size_t i = 0; i < word->size; i++) {
        if (word->data[i] < '0' || word->data[i] > '9')
            return false;
        *number = *number * 10 + (uint64_t)(word->data[i] - '0');
    }
    return true;
}

bool word_is(const struct mmrig_word *word, const char *text)
{
    return word->size == strlen(text) && memcmp(word->data, text, word->size) == 0;
}

/* The other half is for what must always go out: kernel messages, done, fail. */
bool control_roomy(void)
{
    return control_port.out.used < control_port.out.capacity / 2;
}

/*
 * 32 hex digits that differ from boot to boot. Not the kernel's own boot id, as long as there
 * are random bytes: that is made when it is first read, and forks are to have one each.
 */
static void boot_id(char digits[MMRIG_BOOT_ID_DIGITS + 1])
{
    unsigned char bytes[MMRIG_BOOT_ID_DIGITS / 2];
    char text[64];
    size_t used = 0;

    if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) == (ssize_t)sizeof(bytes)) {
        hex_print(digits, bytes, sizeof(bytes));
        return;
    }
    /* Early on, and without RDRAND: only the kernel's own use does not wait. */
    if (file_text("/proc/sys/kernel/random/boot_id", text, sizeof(text))) {
        for (const char *c = text; *c && used < MMRIG_BOOT_ID_DIGITS; c++) {
            if (mmrig_hex_digit(*c) >= 0)
                digits[used++] = *c;
        }
    }
    if (used < MMRIG_BOOT_ID_DIGITS)
        agent_fail("the kernel gives no random bytes and no boot id: %s", strerror(errno));
    digits[used] = '\0';
}

void control_ready(void)
{
    char id[MMRIG_BOOT_ID_DIGITS + 1];
    struct utsname system;
    struct message message;

    boot_id(id);
    uname(&system);
    if (agent_failed())
        return;
    message_start(&message, "ready");
    message_number(&message, MMRIG_PROTOCOL_VERSION);
    message_text(&message, id);
    message_text(&message, system.release);
    message_send(&message);
}

static void tell_clock(uint64_t id)
{
    struct timespec now;
    struct message message;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    message_start(&message, "clock");
    message_number(&message, id);
    message_number(&message, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
    message_send(&message);
}

/* Does what one line says; false if there is no such line in the protocol. */
static bool control_obey(const struct mmrig_line *line)
{
    const struct mmrig_word *words = line->words;
    uint64_t id = 0, number = 0, second = 0;

    if (word_is(&words[0], "poweroff"))
        agent_poweroff();
    if (word_is(&words[0], "template") && !job_active())
        return fork_template(line);
    if (word_is(&words[0], "fork") && !job_active())
        return fork_arrive(line);
    if (line->count < 2 || !word_number(&words[1], &id))
        return false;
    if (word_is(&words[0], "reply")) {
        if (line->count < 3)
            return false;
        request_reply(id, line);
        return true;
    }
    if (word_is(&words[0], "stdin-end")) {
        job_stdin_end(id);
        return true;
    }
    if (word_is(&words[0], "clock")) {
        tell_clock(id);
        return true;
    }
    if (line->count < 3)
        return false;
    if (word_is(&words[0], "stdin")) {
        job_stdin(id, &words[2]);
        return true;
    }
    if (line->count < 4 || !word_number(&words[2], &number))
        return false;
    if (word_is(&words[0], "translate")) {
        if (line->count != 4 || !word_number(&words[3], &second))
            return false;
        translate(id, number, second);
        return true;
    }
    if (word_is(&words[0], "resize")) {
        if (!word_number(&words[3], &second) || number > UINT16_MAX || second > UINT16_MAX)
            return false;
        job_resize(id, (unsigned)number, (unsigned)second);
        return true;
    }
    if (word_is(&words[0], "run") && !job_active()) {
        job_run(id, number, line, 3);
        return true;
    }
    if (word_is(&words[0], "exec") && !job_active() && line->count >= 5) {
        bool tty = word_is(&words[3], "tty");

        if (!tty && !word_is(&words[3], "pipe"))
            return false;
        job_exec(id, number, tty, line, 4);
        return true;
    }
    return false;
}

static struct reader control_reader;

void control_handle(void)
{
    struct mmrig_line line;
    enum reader_result result;

    if (reader_fill(&control_reader, control_port.fd) < 0 && errno != EAGAIN &&
        errno != EINTR) {
        agent_fail("cannot read the control port: %s", strerror(errno));
        return;
    }
    while ((result = reader_next(&control_reader, &line)) != READER_MORE) {
        if (result == READER_LINE && agent_failed()) {
            if (word_is(&line.words[0], "poweroff"))
                agent_poweroff();
        } else if (result == READER_BAD) {
            agent_fail("the rig sent a line that is too long or malformed");
        } else if (!control_obey(&line)) {
            agent_fail("the rig sent a line that is not in the protocol now: %.64s",
                       line.words[0].data);
        }
        if (result == READER_BAD && control_reader.taken == 0)
            control_reader.used = 0;
    }
}
