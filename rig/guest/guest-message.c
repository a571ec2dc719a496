/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest-message.h"

#include <math.h>

#include "base/error.h"
#include "base/text.h"

/* Longest name that a metric, a verb or a unit may have. */
#define NAME_MAX_BYTES 64

static gboolean is_name(const struct mmrig_word *word)
{
    if (word->size == 0 || word->size > NAME_MAX_BYTES)
        return FALSE;
    for (gsize i = 0; i < word->size; i++)
        if (!g_ascii_isalnum(word->data[i]) && !strchr("-_./%", word->data[i]))
            return FALSE;
    return TRUE;
}

/* Makes a word safe to print, store and compare: one line without NULs. */
static const char *as_text(struct mmrig_word *word)
{
    mmrig_text_clean_in_place(word->data, word->size);
    return word->data;
}

static gboolean as_number(const struct mmrig_word *word, guint64 *number)
{
    return strlen(word->data) == word->size &&
           g_ascii_string_to_unsigned(word->data, 10, 0, G_MAXUINT64, number, NULL);
}

static gboolean as_value(const struct mmrig_word *word, double *value)
{
    char *end;

    if (word->size == 0 || word->size > NAME_MAX_BYTES || strlen(word->data) != word->size)
        return FALSE;
    *value = g_ascii_strtod(word->data, &end);
    return *end == '\0' && isfinite(*value);
}

static gboolean is_hex(const struct mmrig_word *word, gsize digits)
{
    if (word->size != digits)
        return FALSE;
    for (gsize i = 0; i < digits; i++)
        if (!g_ascii_isxdigit(word->data[i]))
            return FALSE;
    return TRUE;
}

static gboolean parse_ready(struct mmrig_line *line, MmrigGuestMessage *message)
{
    struct mmrig_word *words = line->words;
    guint64 version;

    if (!as_number(&words[1], &version) || version != MMRIG_PROTOCOL_VERSION ||
        !is_hex(&words[2], MMRIG_BOOT_ID_DIGITS))
        return FALSE;
    message->ready.boot_id = words[2].data;
    message->ready.release = as_text(&words[3]);
    return TRUE;
}

static gboolean parse_request(struct mmrig_line *line, MmrigGuestMessage *message)
{
    struct mmrig_word *words = line->words;
    gsize args = line->count - 3;

    if (!as_number(&words[1], &message->number) || !is_name(&words[2]))
        return FALSE;
    message->request.verb = words[2].data;
    for (gsize i = 0; i < args; i++)
        message->request.args[i] = as_text(&words[3 + i]);
    message->request.args[args] = NULL;
    return TRUE;
}

static gboolean parse_metric(struct mmrig_line *line, MmrigGuestMessage *message)
{
    struct mmrig_word *words = line->words;

    if (!is_name(&words[1]) || !as_value(&words[2], &message->metric.value) ||
        !is_name(&words[3]))
        return FALSE;
    message->metric.name = words[1].data;
    message->metric.unit = words[3].data;
    return TRUE;
}

static gboolean parse_point(struct mmrig_line *line, MmrigGuestMessage *message)
{
    struct mmrig_word *words = line->words;

    if (!is_name(&words[1]) || !as_value(&words[2], &message->point.x) || !is_name(&words[3]) ||
        !as_value(&words[4], &message->point.y) || !is_name(&words[5]))
        return FALSE;
    message->point.series = words[1].data;
    message->point.x_unit = words[3].data;
    message->point.y_unit = words[5].data;
    return TRUE;
}

static gboolean parse_kernel(struct mmrig_line *line, MmrigGuestMessage *message)
{
    static const struct {
        const char *word;
        MmrigKlogKind kind;
    } kinds[] = {
        {MMRIG_KERNEL_OOPS, MMRIG_KLOG_OOPS},
        {MMRIG_KERNEL_WARNING, MMRIG_KLOG_WARNING},
        {MMRIG_KERNEL_PANIC, MMRIG_KLOG_PANIC},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(line->words[1].data, kinds[i].word) == 0) {
            message->kernel.kind = kinds[i].kind;
            message->kernel.text = as_text(&line->words[2]);
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean parse_stderr(struct mmrig_line *line, MmrigGuestMessage *message)
{
    message->err.bytes = line->words[2].data;
    message->err.size = line->words[2].size;
    return as_number(&line->words[1], &message->number);
}

static gboolean parse_abort(struct mmrig_line *line, MmrigGuestMessage *message)
{
    message->abort.file = as_text(&line->words[2]);
    message->abort.line = as_text(&line->words[3]);
    message->abort.text = as_text(&line->words[4]);
    return as_number(&line->words[1], &message->number);
}

static gboolean parse_done(struct mmrig_line *line, MmrigGuestMessage *message)
{
    struct mmrig_word *words = line->words;
    static const struct {
        const char *word;
        MmrigDoneHow how;
        guint64 max; /* of the number that goes with it */
    } hows[] = {
        {MMRIG_DONE_EXIT, MMRIG_DONE_BY_EXIT, 255},
        {MMRIG_DONE_SIGNAL, MMRIG_DONE_BY_SIGNAL, 127},
        {MMRIG_DONE_TIMEOUT, MMRIG_DONE_BY_TIMEOUT, G_MAXUINT32},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(hows); i++) {
        if (strcmp(words[2].data, hows[i].word) == 0) {
            message->done.how = hows[i].how;
            return as_number(&words[1], &message->number) &&
                   as_number(&words[3], &message->done.number) &&
                   message->done.number <= hows[i].max &&
                   as_number(&words[4], &message->done.output_bytes);
        }
    }
    return FALSE;
}

static gboolean parse_kept(struct mmrig_line *line G_GNUC_UNUSED,
                           MmrigGuestMessage *message G_GNUC_UNUSED)
{
    return TRUE;
}

static gboolean parse_forked(struct mmrig_line *line, MmrigGuestMessage *message)
{
    message->forked.boot_id = line->words[1].data;
    message->forked.nonce = line->words[2].data;
    return is_hex(&line->words[1], MMRIG_BOOT_ID_DIGITS) &&
           is_hex(&line->words[2], MMRIG_NONCE_DIGITS);
}

static gboolean parse_translated(struct mmrig_line *line, MmrigGuestMessage *message)
{
    struct mmrig_word *words = line->words;

    if (!as_number(&words[1], &message->number))
        return FALSE;
    if (strcmp(words[2].data, "ok") == 0)
        return as_number(&words[3], &message->translated.address);
    message->translated.problem = as_text(&words[3]);
    return strcmp(words[2].data, "error") == 0;
}

static gboolean parse_clock(struct mmrig_line *line, MmrigGuestMessage *message)
{
    return as_number(&line->words[1], &message->number) &&
           as_number(&line->words[2], &message->clock_ns);
}

static gboolean parse_fail(struct mmrig_line *line, MmrigGuestMessage *message)
{
    message->fail = as_text(&line->words[1]);
    return TRUE;
}

/* The messages there are, with the words that each takes. */
static const struct {
    const char *word;
    MmrigGuestKind kind;
    gsize least, most;
    gboolean (*parse)(struct mmrig_line *line, MmrigGuestMessage *message);
} messages[] = {
    {"ready", MMRIG_GUEST_READY, 4, 4, parse_ready},
    {"request", MMRIG_GUEST_REQUEST, 3, MMRIG_WORDS_MAX, parse_request},
    {"metric", MMRIG_GUEST_METRIC, 4, 4, parse_metric},
    {"point", MMRIG_GUEST_POINT, 6, 6, parse_point},
    {"kernel", MMRIG_GUEST_KERNEL, 3, 3, parse_kernel},
    {"stderr", MMRIG_GUEST_STDERR, 3, 3, parse_stderr},
    {"abort", MMRIG_GUEST_ABORT, 5, 5, parse_abort},
    {"done", MMRIG_GUEST_DONE, 5, 5, parse_done},
    {"kept", MMRIG_GUEST_KEPT, 1, 1, parse_kept},
    {"forked", MMRIG_GUEST_FORKED, 3, 3, parse_forked},
    {"translated", MMRIG_GUEST_TRANSLATED, 4, 4, parse_translated},
    {"clock", MMRIG_GUEST_CLOCK, 3, 3, parse_clock},
    {"fail", MMRIG_GUEST_FAIL, 2, 2, parse_fail},
};

gboolean mmrig_guest_message_parse(char *text, gsize size, MmrigGuestMessage *message,
                                   GError **error)
{
    struct mmrig_line line;
    /* The line is taken apart in place, so what an error quotes is copied first. */
    g_autofree char *start = g_strndup(text, MIN(size, 60));

    memset(message, 0, sizeof(*message));
    if (mmrig_line_parse(text, size, &line)) {
        for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
            if (strcmp(line.words[0].data, messages[i].word) != 0)
                continue;
            message->kind = messages[i].kind;
            if (line.count >= messages[i].least && line.count <= messages[i].most &&
                messages[i].parse(&line, message))
                return TRUE;
            break;
        }
    }
    g_autofree char *quoted = g_strescape(start, NULL);
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                "the guest broke the protocol with the line \"%s\"%s", quoted,
                size > 60 ? "..." : "");
    return FALSE;
}
