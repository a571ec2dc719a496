/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the test's socket and the control port: passes on what a test may say (request,
 * metric, abort) and brings the replies back. The rig sees request numbers of ours, which
 * never repeat within a boot, so that no test can pick one that means something already.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* Requests of one test that may wait for a reply at the same time. */
#define REQUESTS_MAX 16

static int test_fd = -1;
static uint64_t test_id;
static struct reader reader;

/* A line of reply for each request that may wait. */
static char reply_bytes[REQUESTS_MAX * MMRIG_LINE_MAX];
static struct queue replies = {reply_bytes, sizeof(reply_bytes), 0};

static uint64_t next_number = 1;
static struct {
    uint64_t ours; /* 0: free */
    uint64_t theirs;
} requests[REQUESTS_MAX];

void request_start(int fd, uint64_t id)
{
    test_fd = fd;
    test_id = id;
    replies.used = 0;
    reader.used = reader.taken = 0;
    memset(requests, 0, sizeof(requests));
}

void request_end(void)
{
    if (test_fd >= 0)
        close(test_fd);
    test_fd = -1;
}

void request_release(uint64_t id)
{
    test_id = id;
    queue_add(&replies, MMRIG_TEST_GO, sizeof(MMRIG_TEST_GO) - 1);
    queue_write(&replies, test_fd);
}

bool request_open(void)
{
    return test_fd >= 0;
}

/* The words of line from first on, behind those that are in message. */
static void message_words(struct message *message, const struct mmrig_line *line, size_t first)
{
    for (size_t i = first; i < line->count; i++)
        message_bytes(message, line->words[i].data, line->words[i].size);
}

/* A line for the test. One that lets replies pile up without reading them has had its turn. */
static void reply_add(struct message *message)
{
    message->text[message->used++] = '\n';
    if (message->broken || !queue_add(&replies, message->text, message->used))
        request_end();
}

void request_reply(uint64_t number, const struct mmrig_line *line)
{
    for (size_t i = 0; i < REQUESTS_MAX && number != 0; i++) {
        struct message message;

        if (requests[i].ours != number)
            continue;
        requests[i].ours = 0;
        message_start(&message, "reply");
        message_number(&message, requests[i].theirs);
        message_words(&message, line, 2);
        if (test_fd >= 0)
            reply_add(&message);
        return;
    }
}

static void request_forward(uint64_t theirs, const struct mmrig_line *line)
{
    struct message message;
    size_t i = 0;

    while (i < REQUESTS_MAX && requests[i].ours != 0)
        i++;
    if (i == REQUESTS_MAX) {
        message_start(&message, "reply");
        message_number(&message, theirs);
        message_text(&message, "error");
        message_text(&message, "too many requests wait for a reply");
        reply_add(&message);
        return;
    }
    requests[i].ours = next_number++;
    requests[i].theirs = theirs;
    message_start(&message, "request");
    message_number(&message, requests[i].ours);
    message_words(&message, line, 2);
    message_send(&message);
}

static void abort_send(const struct mmrig_line *line, const char *text)
{
    struct message message;

    message_start(&message, "abort");
    message_number(&message, test_id);
    if (line) {
        message_words(&message, line, 2);
    } else {
        message_text(&message, "agent");
        message_number(&message, 0);
        message_text(&message, text);
    }
    message_send(&message);
}

/* A finite number as printf writes it. */
static bool word_is_figure(const struct mmrig_word *word)
{
    char *end;

    if (word->size == 0 || word->size > 64 ||
        strspn(word->data, "0123456789+-.eE") != word->size)
        return false;
    strtod(word->data, &end);
    return *end == '\0';
}

/* Passes on one line of the test; false if a test may not say that. */
static bool request_obey(const struct mmrig_line *line)
{
    const struct mmrig_word *words = line->words;
    struct message message;
    uint64_t number;

    if (word_is(&words[0], "held") && line->count == 1 && job_holding()) {
        job_held();
        return true;
    }
    /* A held test is in the template, where nobody answers. */
    if (job_holding())
        return false;
    if (word_is(&words[0], "request") && line->count >= 3 && word_number(&words[1], &number)) {
        request_forward(number, line);
        return true;
    }
    if (word_is(&words[0], "metric") && line->count == 4 && word_is_figure(&words[2])) {
        message_start(&message, "metric");
        message_words(&message, line, 1);
        message_send(&message);
        return true;
    }
    if (word_is(&words[0], "point") && line->count == 6 && word_is_figure(&words[2]) &&
        word_is_figure(&words[4])) {
        message_start(&message, "point");
        message_words(&message, line, 1);
        message_send(&message);
        return true;
    }
    if (word_is(&words[0], "abort") && line->count == 5 && word_number(&words[3], &number)) {
        abort_send(line, NULL);
        return true;
    }
    return false;
}

void request_wait(struct pollfd *entry)
{
    entry->fd = control_roomy() ? test_fd : -1;
    entry->events = (short)(POLLIN | (replies.used > 0 ? POLLOUT : 0));
}

/*
 * Called in every turn of the loop: lines that were left in the buffer because the control
 * port was full have no event of their own.
 */
void request_handle(void)
{
    struct mmrig_line line;

    while (test_fd >= 0 && control_roomy()) {
        enum reader_result result = reader_next(&reader, &line);

        if (result == READER_BAD || (result == READER_LINE && !request_obey(&line))) {
            abort_send(NULL, "the test sent a line that is not in the protocol");
            request_end();
        } else if (result == READER_MORE) {
            ssize_t size = reader_fill(&reader, test_fd);

            if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
                request_end();
            if (size < 0)
                break;
        }
    }
    if (test_fd >= 0)
        queue_write(&replies, test_fd);
}
