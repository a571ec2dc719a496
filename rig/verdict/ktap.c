/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader keeps a stack of levels, one for each version line that is open. A result at a
 * level's indentation belongs to it, and closes all levels deeper than it: their results were
 * subtests of this one. The name of a group is known only then (unless the stream gives it
 * early by "# Subtest: NAME"), so it is put before its subtests' names afterwards.
 *
 * What can be read is read on after a problem, as the user wants to see every result there is;
 * only a broken bound ends the reading. Text is made valid UTF-8 without control characters
 * before anything else looks at it.
 */
#include "ktap.h"

#include <string.h>

#include "base/text.h"

/* Bytes of a name's own part, of the diagnostics of a test, and of all texts together. */
#define NAME_MAX_BYTES        256
#define DIAGNOSTICS_MAX_BYTES 8192
#define TEXT_MAX_BYTES        (16 * 1024 * 1024)

typedef struct {
    guint indent;
    gint64 planned; /* -1: no plan yet */
    guint count;    /* results so far */
    guint first;    /* index of the first test that is not of an earlier level */
    char *group;    /* from "# Subtest:", or NULL */
} Level;

struct MmrigKtap {
    GPtrArray *tests;
    guint64 at;           /* number of the line that is being read; 0: at the end */
    guint64 lines;        /* read so far */
    GString *line;        /* what came after the last LF */
    GString *diagnostics; /* since the last result */
    gboolean diagnostics_cut;
    gsize text; /* bytes of text kept in tests */
    Level levels[MMRIG_KTAP_DEPTH_MAX];
    guint depth;   /* open levels */
    gboolean dead; /* a bound was broken: the rest is ignored */
    char *problem; /* the first, or NULL */
};

static void test_free(gpointer data)
{
    MmrigKtapTest *test = data;

    g_free(test->name);
    g_free(test->reason);
    g_free(test->diagnostics);
    g_free(test);
}

MmrigKtap *mmrig_ktap_new(void)
{
    MmrigKtap *ktap = g_new0(MmrigKtap, 1);

    ktap->tests = g_ptr_array_new_with_free_func(test_free);
    ktap->line = g_string_new(NULL);
    ktap->diagnostics = g_string_new(NULL);
    return ktap;
}

void mmrig_ktap_free(MmrigKtap *ktap)
{
    if (!ktap)
        return;
    while (ktap->depth)
        g_free(ktap->levels[--ktap->depth].group);
    g_ptr_array_unref(ktap->tests);
    g_string_free(ktap->line, TRUE);
    g_string_free(ktap->diagnostics, TRUE);
    g_free(ktap->problem);
    g_free(ktap);
}

G_GNUC_PRINTF(2, 0)
static void found_problem_va(MmrigKtap *ktap, const char *format, va_list values)
{
    g_autofree char *text = NULL;

    if (ktap->problem)
        return;
    text = g_strdup_vprintf(format, values);
    ktap->problem = ktap->at ? g_strdup_printf("line %" G_GUINT64_FORMAT ": %s", ktap->at, text)
                             : g_steal_pointer(&text);
}

/* Something is wrong; the rest is still read. */
G_GNUC_PRINTF(2, 3)
static void found_problem(MmrigKtap *ktap, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    found_problem_va(ktap, format, values);
    va_end(values);
}

/* A bound is broken; the rest is not read. */
G_GNUC_PRINTF(2, 3)
static void found_end(MmrigKtap *ktap, const char *format, ...)
{
    va_list values;

    ktap->dead = TRUE;
    va_start(values, format);
    found_problem_va(ktap, format, values);
    va_end(values);
}

/* ---- Text ----------------------------------------------------------------------------- */

/* The first max bytes of text, not cutting a character apart. */
static char *ktap_clip(const char *text, gsize max)
{
    gsize size = strlen(text);

    if (size > max) {
        size = max;
        while (size && ((guchar)text[size] & 0xc0) == 0x80)
            size--;
    }
    return g_strndup(text, size);
}

/* Counts text that is about to be kept; FALSE if it is too much. */
static gboolean ktap_keep(MmrigKtap *ktap, gsize size)
{
    if (ktap->text + size > TEXT_MAX_BYTES) {
        found_end(ktap, "more than %d bytes of names and diagnostics", TEXT_MAX_BYTES);
        return FALSE;
    }
    ktap->text += size;
    return TRUE;
}

/* Moves *at past a decimal number; FALSE if there is none or it exceeds max. */
static gboolean take_number(const char **at, guint64 max, guint64 *number)
{
    char *end = NULL;

    if (!g_ascii_isdigit(**at))
        return FALSE;
    *number = g_ascii_strtoull(*at, &end, 10);
    *at = end;
    return *number <= max;
}

/* ---- Levels --------------------------------------------------------------------------- */

static void open_level(MmrigKtap *ktap, guint indent)
{
    if (ktap->depth && indent <= ktap->levels[ktap->depth - 1].indent) {
        found_problem(ktap, "a second version line");
        return;
    }
    if (ktap->depth == 0 && indent > 0) {
        found_problem(ktap, "the first version line is indented");
        return;
    }
    if (ktap->depth == MMRIG_KTAP_DEPTH_MAX) {
        found_end(ktap, "more than %d levels of subtests", MMRIG_KTAP_DEPTH_MAX);
        return;
    }
    ktap->levels[ktap->depth++] =
        (Level){.indent = indent, .planned = -1, .first = ktap->tests->len};
}

static void close_level(MmrigKtap *ktap)
{
    Level *level = &ktap->levels[--ktap->depth];

    if (level->planned < 0)
        found_problem(ktap, "no plan (a line '1..N')%s", ktap->depth ? " among subtests" : "");
    else if (level->count != level->planned)
        found_problem(ktap, "planned %" G_GINT64_FORMAT " tests, got %u%s", level->planned,
                      level->count, ktap->depth ? " among subtests" : "");
    g_clear_pointer(&level->group, g_free);
}

/* Puts the group's name before those of its subtests, the tests from first on. */
static void name_group(MmrigKtap *ktap, guint first, const char *group)
{
    for (guint i = first; i < ktap->tests->len; i++) {
        MmrigKtapTest *test = g_ptr_array_index(ktap->tests, i);
        if (!ktap_keep(ktap, strlen(group) + 1))
            return;
        char *name = g_strconcat(group, "/", test->name, NULL);
        g_free(test->name);
        test->name = name;
    }
}

/*
 * Closes the levels deeper than indent, for a result there by the name of group (NULL: the
 * stream has ended). Returns whether they held results: the subtests of that group.
 */
static gboolean close_deeper(MmrigKtap *ktap, guint indent, const char *group)
{
    guint before = ktap->tests->len;

    while (ktap->depth > 1 && ktap->levels[ktap->depth - 1].indent > indent) {
        const Level *level = &ktap->levels[ktap->depth - 1];
        gboolean own = group && ktap->levels[ktap->depth - 2].indent <= indent;
        g_autofree char *name = g_strdup(own ? group : level->group);

        before = level->first;
        if (!own)
            found_problem(ktap, "subtests that no result follows");
        close_level(ktap);
        if (name)
            name_group(ktap, before, name);
    }
    return ktap->tests->len > before;
}

/* ---- Lines ---------------------------------------------------------------------------- */

static void read_plan(MmrigKtap *ktap, guint indent, const char *text)
{
    const char *at = text + strlen("1..");
    guint64 planned;

    if (!take_number(&at, MMRIG_KTAP_TESTS_MAX, &planned)) {
        found_problem(ktap, "a plan of no number from 0 to %d", MMRIG_KTAP_TESTS_MAX);
        return;
    }
    Level *level = ktap->depth ? &ktap->levels[ktap->depth - 1] : NULL;
    if (!level || level->indent != indent) {
        found_problem(ktap, "a plan where no version line stands before it");
        return;
    }
    if (level->planned >= 0) {
        found_problem(ktap, "a second plan");
        return;
    }
    level->planned = (gint64)planned;

    /* "1..0 # SKIP reason": all of it was skipped, which is a result too. */
    at += strspn(at, " \t");
    if (planned == 0 && *at == '#') {
        at++;
        at += strspn(at, " \t");
        if (g_ascii_strncasecmp(at, "SKIP", 4) == 0) {
            at += 4;
            g_autofree char *reason = g_strstrip(ktap_clip(at, NAME_MAX_BYTES));
            if (!ktap_keep(ktap, strlen(reason) + strlen("all")))
                return;
            MmrigKtapTest *test = g_new0(MmrigKtapTest, 1);
            test->name = g_strdup("all");
            test->depth = ktap->depth - 1;
            test->outcome = MMRIG_KTAP_SKIP;
            test->reason = *reason ? g_steal_pointer(&reason) : NULL;
            g_ptr_array_add(ktap->tests, test);
        }
    }
}

static const struct {
    const char *word;
    MmrigKtapOutcome outcome;
    const char *reason; /* if the line gives none */
    gboolean only_not_ok;
} directives[] = {
    {"SKIP", MMRIG_KTAP_SKIP, NULL, FALSE},
    {"XFAIL", MMRIG_KTAP_XFAIL, NULL, FALSE},
    {"TODO", MMRIG_KTAP_XFAIL, NULL, TRUE},
    {"TIMEOUT", MMRIG_KTAP_NOT_OK, "timed out", FALSE},
    {"ERROR", MMRIG_KTAP_NOT_OK, "the test could not run", FALSE},
};

/* The '#' that ends the description: after a blank or at the start, and not escaped. */
static const char *find_hash(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (at[0] == '\\' && at[1])
            at++;
        else if (at[0] == '#' && (at == text || at[-1] == ' ' || at[-1] == '\t'))
            return at;
    }
    return text + strlen(text);
}

static void read_directive(MmrigKtapTest *test, const char *text)
{
    text += strspn(text, " \t");
    gsize word = strcspn(text, " \t:");
    for (gsize i = 0; i < G_N_ELEMENTS(directives); i++) {
        if (word != strlen(directives[i].word) ||
            g_ascii_strncasecmp(text, directives[i].word, word) != 0)
            continue;
        if (directives[i].only_not_ok && test->outcome == MMRIG_KTAP_OK)
            return;
        test->outcome = directives[i].outcome;
        text += word;
        text += strspn(text, " \t:");
        g_autofree char *reason = g_strchomp(ktap_clip(text, NAME_MAX_BYTES));
        test->reason = g_strdup(*reason ? reason : directives[i].reason);
        return;
    }
}

/* A result: text stands after "ok" or "not ok". */
static void read_result(MmrigKtap *ktap, guint indent, gboolean good, const char *text)
{
    guint64 number;

    text += strspn(text, " \t");
    if (!take_number(&text, G_MAXUINT, &number) || (*text && !strchr(" \t#", *text))) {
        found_problem(ktap, "a result without a number");
        return;
    }
    if (ktap->tests->len == MMRIG_KTAP_TESTS_MAX) {
        found_end(ktap, "more than %d results", MMRIG_KTAP_TESTS_MAX);
        return;
    }
    text += strspn(text, " \t");
    if (text[0] == '-' && (text[1] == ' ' || text[1] == '\0')) {
        text++;
        text += strspn(text, " \t");
    }

    const char *hash = find_hash(text);
    g_autofree char *whole = g_strchomp(g_strndup(text, (gsize)(hash - text)));
    g_autofree char *name =
        *whole ? ktap_clip(whole, NAME_MAX_BYTES) : g_strdup_printf("test %u", (guint)number);
    gboolean group = close_deeper(ktap, indent, name);
    Level *level = ktap->depth ? &ktap->levels[ktap->depth - 1] : NULL;
    if (!level || level->indent != indent)
        found_problem(ktap, "a result where no version line stands before it");
    if (level && level->indent == indent) {
        level->count++;
        if (number != level->count)
            found_problem(ktap, "result %u is numbered %u", level->count, (guint)number);
    }

    MmrigKtapTest *test = g_new0(MmrigKtapTest, 1);
    test->name = g_steal_pointer(&name);
    test->depth = ktap->depth ? ktap->depth - 1 : 0;
    test->number = (guint)number;
    test->group = group;
    test->outcome = good ? MMRIG_KTAP_OK : MMRIG_KTAP_NOT_OK;
    if (*hash == '#')
        read_directive(test, hash + 1);
    if (test->outcome == MMRIG_KTAP_NOT_OK && ktap->diagnostics->len)
        test->diagnostics = g_strdup(ktap->diagnostics->str);
    g_string_truncate(ktap->diagnostics, 0);
    ktap->diagnostics_cut = FALSE;
    if (!ktap_keep(ktap, strlen(test->name) + (test->reason ? strlen(test->reason) : 0) +
                             (test->diagnostics ? strlen(test->diagnostics) : 0))) {
        test_free(test);
        return;
    }
    g_ptr_array_add(ktap->tests, test);
}

static void read_diagnostic(MmrigKtap *ktap, const char *text)
{
    static const char subtest[] = "Subtest: ";
    GString *kept = ktap->diagnostics;

    if (*text == ' ')
        text++;
    if (g_str_has_prefix(text, subtest)) {
        Level *level = ktap->depth > 1 ? &ktap->levels[ktap->depth - 1] : NULL;
        if (level && !level->group && level->count == 0) {
            g_autofree char *name =
                g_strstrip(ktap_clip(text + strlen(subtest), NAME_MAX_BYTES));
            level->group = *name ? g_steal_pointer(&name) : NULL;
        }
        return;
    }
    if (ktap->diagnostics_cut)
        return;
    if (kept->len + strlen(text) + 1 > DIAGNOSTICS_MAX_BYTES) {
        ktap->diagnostics_cut = TRUE;
        text = "...";
    }
    if (kept->len)
        g_string_append_c(kept, '\n');
    g_string_append(kept, text);
}

/* What follows word in text if that begins with the word, alone or before a blank. */
static const char *after_word(const char *text, const char *word)
{
    gsize size = strlen(word);

    if (strncmp(text, word, size) != 0 || (text[size] && !strchr(" \t", text[size])))
        return NULL;
    return text + size;
}

static void read_line(MmrigKtap *ktap, const char *bytes, gsize size)
{
    g_autofree char *line = NULL;
    const char *rest;

    if (size && bytes[size - 1] == '\r')
        size--;
    line = mmrig_text_clean(bytes, size);
    guint indent = (guint)strspn(line, " ");
    const char *text = line + indent;

    if (g_str_has_prefix(text, "KTAP version ") || g_str_has_prefix(text, "TAP version "))
        open_level(ktap, indent);
    else if (g_str_has_prefix(text, "1..") && g_ascii_isdigit(text[3]))
        read_plan(ktap, indent, text);
    else if ((rest = after_word(text, "ok")))
        read_result(ktap, indent, TRUE, rest);
    else if ((rest = after_word(text, "not ok")))
        read_result(ktap, indent, FALSE, rest);
    else if (text[0] == '#')
        read_diagnostic(ktap, text + 1);
    else if (g_str_has_prefix(text, "Bail out!")) {
        g_autofree char *reason =
            g_strstrip(ktap_clip(text + strlen("Bail out!"), NAME_MAX_BYTES));
        found_problem(ktap, "bail out%s%s", *reason ? ": " : "", reason);
    }
    /* Other lines are output of the test and its children; they are in the log. */
}

void mmrig_ktap_feed(MmrigKtap *ktap, const char *bytes, gsize size)
{
    while (size && !ktap->dead) {
        ktap->at = ktap->lines + 1;
        const char *end = memchr(bytes, '\n', size);
        gsize piece = end ? (gsize)(end - bytes) : size;

        if (ktap->line->len + piece > MMRIG_KTAP_LINE_MAX) {
            found_end(ktap, "a line of more than %d bytes", MMRIG_KTAP_LINE_MAX);
            return;
        }
        g_string_append_len(ktap->line, bytes, (gssize)piece);
        bytes += piece;
        size -= piece;
        if (end) {
            bytes++;
            size--;
            read_line(ktap, ktap->line->str, ktap->line->len);
            ktap->lines++;
            g_string_truncate(ktap->line, 0);
        }
    }
}

gboolean mmrig_ktap_end(MmrigKtap *ktap, const char **problem)
{
    ktap->at = 0;
    if (!ktap->dead && ktap->line->len)
        found_problem(ktap, "it ends in the middle of a line");
    g_string_truncate(ktap->line, 0);
    if (ktap->depth == 0)
        found_problem(ktap, "no version line");
    close_deeper(ktap, 0, NULL);
    if (ktap->depth)
        close_level(ktap);
    ktap->dead = TRUE;
    *problem = ktap->problem;
    return ktap->problem == NULL;
}

const GPtrArray *mmrig_ktap_tests(const MmrigKtap *ktap)
{
    return ktap->tests;
}

guint mmrig_ktap_count(const MmrigKtap *ktap, MmrigKtapOutcome outcome)
{
    guint count = 0;

    for (guint i = 0; i < ktap->tests->len; i++) {
        const MmrigKtapTest *test = g_ptr_array_index(ktap->tests, i);
        count += !test->group && test->outcome == outcome;
    }
    return count;
}
