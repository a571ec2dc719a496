/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the rig, by way of the agent (mmrig-guest-protocol.h). */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "mmrig-line.h"

static bool have_agent;
bool harness_holds_later;

void harness_rig_open(void)
{
    struct stat status;

    have_agent = fstat(MMRIG_TEST_FD, &status) == 0 && S_ISSOCK(status.st_mode);
    /* The programs that a test starts have no business with it. */
    if (have_agent)
        fcntl(MMRIG_TEST_FD, F_SETFD, FD_CLOEXEC);
}

/* Sends the line, which ends in LF; false with errno. */
static bool line_send(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(MMRIG_TEST_FD, text, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        text += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Reads one line without its LF; false if the agent is gone or the line is too long. */
static bool line_receive(char text[MMRIG_LINE_MAX], size_t *size)
{
    *size = 0;
    /* Byte by byte: what follows may be for another process of this test. */
    while (*size < MMRIG_LINE_MAX) {
        ssize_t got = read(MMRIG_TEST_FD, text + *size, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        if (text[*size] == '\n')
            return true;
        (*size)++;
    }
    return false;
}

static bool line_add(char *text, size_t *used, const char *word)
{
    return mmrig_line_add(text, MMRIG_LINE_MAX, used, word, strlen(word));
}

void rig_hold(void)
{
    char text[MMRIG_LINE_MAX];
    size_t size;

    if (!getenv(MMRIG_TEST_HOLD))
        return;
    unsetenv(MMRIG_TEST_HOLD);
    if (!line_send("held\n", strlen("held\n")) || !line_receive(text, &size) ||
        size + 1 != strlen(MMRIG_TEST_GO) || memcmp(text, MMRIG_TEST_GO, size) != 0)
        ABORT("the agent did not let the test go");
}

void harness_rig_abort(const char *file, int line, const char *text)
{
    char out[MMRIG_LINE_MAX], digits[16];
    size_t used = 0;

    if (!have_agent)
        return;
    snprintf(digits, sizeof(digits), "%d", line);
    if (line_add(out, &used, "abort") && line_add(out, &used, "0") &&
        line_add(out, &used, file) && line_add(out, &used, digits) &&
        line_add(out, &used, text)) {
        out[used++] = '\n';
        line_send(out, used);
    }
}

/* A number that no other process of this program uses: the replies of all come by one way. */
static void sequence_next(char digits[24])
{
    static unsigned count;

    snprintf(digits, 24, "%lu", (unsigned long)getpid() << 20 | (++count & 0xfffff));
}

/* Takes the reply apart; false if it is not the one to this request. */
static bool reply_take(struct rig_reply *reply, const struct mmrig_line *line,
                       const char *sequence)
{
    const struct mmrig_word *words = line->words;

    if (line->count < 3 || strcmp(words[0].data, "reply") != 0 ||
        strcmp(words[1].data, sequence) != 0)
        return false;
    reply->ok = strcmp(words[2].data, "ok") == 0;
    if (!reply->ok) {
        snprintf(reply->error, sizeof(reply->error), "%s",
                 line->count > 3 ? words[3].data : "no reason given");
        return true;
    }
    for (size_t i = 3; i < line->count; i++) {
        const char *sign = strchr(words[i].data, '=');
        size_t key = sign ? (size_t)(sign - words[i].data) : 0;
        size_t value = sign ? strlen(sign + 1) : 0;

        if (!sign || key >= sizeof(reply->fields[0].key) ||
            value >= sizeof(reply->fields[0].value) ||
            reply->count == sizeof(reply->fields) / sizeof(reply->fields[0]))
            ABORT("a reply of the rig has a field that is not KEY=VALUE, too long, or one too "
                  "many: %.64s",
                  words[i].data);
        memcpy(reply->fields[reply->count].key, words[i].data, key);
        memcpy(reply->fields[reply->count].value, sign + 1, value);
        reply->count++;
    }
    return true;
}

bool rig_request(struct rig_reply *reply, const char *verb, const char *format, ...)
{
    char out[MMRIG_LINE_MAX], in[MMRIG_LINE_MAX + 1], arguments_text[1024], sequence[24];
    char *rest = NULL;
    size_t used = 0, size;
    va_list arguments;
    struct mmrig_line line;

    memset(reply, 0, sizeof(*reply));
    if (!have_agent)
        ABORT("the rig is needed for %s; run this test by the mmrig command", verb);
    sequence_next(sequence);
    va_start(arguments, format);
    int length = vsnprintf(arguments_text, sizeof(arguments_text), format, arguments);
    va_end(arguments);
    bool whole = length >= 0 && (size_t)length < sizeof(arguments_text) &&
                 line_add(out, &used, "request") && line_add(out, &used, sequence) &&
                 line_add(out, &used, verb);
    for (char *word = strtok_r(arguments_text, " ", &rest); whole && word;
         word = strtok_r(NULL, " ", &rest))
        whole = line_add(out, &used, word);
    if (!whole)
        ABORT("request %s is too long", verb);
    out[used++] = '\n';
    if (!line_send(out, used))
        ABORT("cannot send request %s: %s", verb, strerror(errno));
    do {
        if (!line_receive(in, &size))
            ABORT("the agent went away while request %s waited for its reply", verb);
        if (!mmrig_line_parse(in, size, &line))
            ABORT("the agent sent a malformed line");
        /* Others are late replies to a case that was killed. */
    } while (!reply_take(reply, &line, sequence));
    if (!reply->ok)
        harness_diag("the rig refused %s: %s", verb, reply->error);
    return reply->ok;
}

uint64_t rig_reply_u64(const struct rig_reply *reply, const char *key)
{
    for (size_t i = 0; i < reply->count; i++) {
        const char *value = reply->fields[i].value;
        char *end;

        if (strcmp(reply->fields[i].key, key) != 0)
            continue;
        errno = 0;
        unsigned long long number = strtoull(value, &end, 0);
        if (*value < '0' || *value > '9' || *end != '\0' || errno != 0)
            ABORT("the rig's reply has %s=%s, which is no number", key, value);
        return number;
    }
    ABORT("the rig's reply has no %s", key);
}

void rig_metric(const char *name, double value, const char *unit)
{
    char out[MMRIG_LINE_MAX], digits[64];
    size_t used = 0;

    if (!isfinite(value))
        ABORT("metric %s is not a finite number", name);
    harness_diag("%s: %.9g %s", name, value, unit);
    if (!have_agent)
        return;
    snprintf(digits, sizeof(digits), "%.17g", value);
    if (!line_add(out, &used, "metric") || !line_add(out, &used, name) ||
        !line_add(out, &used, digits) || !line_add(out, &used, unit))
        ABORT("metric %s: its name or unit is too long", name);
    out[used++] = '\n';
    if (!line_send(out, used))
        ABORT("cannot send metric %s: %s", name, strerror(errno));
}

void rig_point(const char *series, double x, const char *x_unit, double y, const char *y_unit)
{
    char out[MMRIG_LINE_MAX], digits[2][64];
    size_t used = 0;

    if (!isfinite(x) || !isfinite(y))
        ABORT("a point of %s is not a finite number", series);
    if (!have_agent)
        return;
    snprintf(digits[0], sizeof(digits[0]), "%.17g", x);
    snprintf(digits[1], sizeof(digits[1]), "%.17g", y);
    if (!line_add(out, &used, "point") || !line_add(out, &used, series) ||
        !line_add(out, &used, digits[0]) || !line_add(out, &used, x_unit) ||
        !line_add(out, &used, digits[1]) || !line_add(out, &used, y_unit))
        ABORT("series %s: its name or a unit is too long", series);
    out[used++] = '\n';
    if (!line_send(out, used))
        ABORT("cannot send a point of %s: %s", series, strerror(errno));
}
