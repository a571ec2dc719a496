/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fuzzer over migration streams: one that a device has made, with its section changed, comes
 * to a new QEMU. That refuses it or takes it, and lives; what it has taken can be used, and
 * saved.
 */
#ifndef MMRIG_QTEST_FUZZ_STREAM_H
#define MMRIG_QTEST_FUZZ_STREAM_H

#include <inttypes.h>
#include <string.h>

#include "fuzz.h"

typedef struct {
    const char *const *sections; /* their names in the stream, NULL behind; all are there */
    QTest *(*start)(const char *incoming); /* the machine; incoming is for -incoming, or NULL */
    void (*prepare)(QTest *q);             /* gives the source a state worth saving */
    void (*use)(QTest *q);                 /* whatever state it has */
    /* Sets right what nobody can by chance, such as a checksum; or NULL. */
    void (*mend)(uint8_t *section, size_t size);
} FuzzStream;

/* QEMU's migration/savevm.c: what begins a section, ends one, and what can be behind that. */
enum {
    STREAM_END,
    STREAM_START,
    STREAM_FULL = 4,
    STREAM_DESCRIPTION = 6,
    STREAM_FOOTER = 0x7e
};

#define STREAM_SECONDS      30
#define STREAM_SECTIONS_MAX 4

typedef struct {
    size_t start, size;
} StreamSection;

/* What the section holds, without its heading: type, number, name with its length, 8 bytes. */
static inline StreamSection stream_find(const uint8_t *bytes, size_t size, const char *name)
{
    const size_t length = strlen(name);
    g_autofree char *heading = g_strdup_printf("%c%s", (char)length, name);

    for (const uint8_t *at = bytes;
         (at = memmem(at, size - (size_t)(at - bytes), heading, length + 1)); at++) {
        uint8_t footer[5] = {STREAM_FOOTER};
        const uint8_t *start = at + 1 + length + 8;

        if (at - bytes < 5 || at[-5] != STREAM_FULL)
            continue;
        memcpy(footer + 1, at - 4, 4);
        for (const uint8_t *end = start;
             (end = memmem(end, size - (size_t)(end - bytes), footer, sizeof(footer))); end++)
            if (end[5] == STREAM_END || end[5] == STREAM_START || end[5] == STREAM_FULL ||
                end[5] == STREAM_DESCRIPTION)
                return (StreamSection){(size_t)(start - bytes), (size_t)(end - start)};
    }
    g_error("there is no section %s", name);
}

static inline void put_number(uint8_t *to, unsigned size)
{
    static const uint64_t odd[] = {
        0,     1,         2,        3,          7,          8,         63,         64,
        127,   128,       255,      256,        1536,       4095,      4096,       65535,
        65536, INT32_MAX, 1u << 31, UINT32_MAX, 1ull << 32, INT64_MAX, 1ull << 63, UINT64_MAX,
    };
    uint64_t value = one_in(3) ? any_64() : PICK(odd);

    for (unsigned i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

/* One change; numbers are big endian there. */
static inline void stream_change(uint8_t *section, size_t size)
{
    g_assert(size > 0);
    size_t at = any_64() % size;
    size_t length = MIN(size - at, 1 + any_64() % 64);

    /* What is not an array is at the ends. */
    if (one_in(2))
        at = one_in(2) ? at % MIN(size, 64) : size - 1 - at % MIN(size, 64);
    length = MIN(length, size - at);
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        section[at] ^= (uint8_t)(1u << g_test_rand_int_range(0, 8));
        break;
    case 1:
        section[at] = (uint8_t)g_test_rand_int();
        break;
    case 2:
    case 3:
        put_number(section + at, (unsigned)MIN(size - at, 4));
        break;
    case 4:
        put_number(section + at, (unsigned)MIN(size - at, 8));
        break;
    case 5:
        memset(section + at, one_in(2) ? 0 : 0xff, length);
        break;
    case 6:
        memmove(section + at, section + any_64() % (size - length + 1), length);
        break;
    default:
        for (size_t i = 0; i < length; i++)
            section[at + i] = (uint8_t)g_test_rand_int();
        break;
    }
}

/* Whether the stream was taken. */
static inline gboolean stream_load(QTest *q, const char *uri)
{
    const gint64 end = g_get_monotonic_time() + STREAM_SECONDS * (gint64)G_USEC_PER_SEC;

    g_autofree char *refused = qtest_qmp_error(
        q, "{'execute':'migrate-incoming','arguments':{'uri':'%s','exit-on-error':false}}",
        uri);
    g_assert_null(refused);
    while (g_get_monotonic_time() < end) {
        g_autoptr(JsonNode) node = qtest_qmp(q, "{'execute':'query-migrate'}");
        const char *status = json_object_get_string_member_with_default(
            json_node_get_object(node), "status", "none");

        if (strcmp(status, "completed") == 0)
            return TRUE;
        if (strcmp(status, "failed") == 0)
            return FALSE;
        g_usleep(1000);
    }
    g_error("%s is neither refused nor loaded", uri);
}

/* The stream with some changes, in a file of its own. */
static inline void stream_spoil(const FuzzStream *stream, const StreamSection *sections,
                                guint count, const char *from, size_t size, const char *path)
{
    g_autofree char *bytes = g_memdup2(from, size);
    g_autoptr(GError) error = NULL;
    const StreamSection *section = &sections[g_test_rand_int_range(0, (gint)count)];
    uint8_t *start = (uint8_t *)bytes + section->start;

    for (int i = g_test_rand_int_range(1, 4); i > 0; i--)
        stream_change(start, section->size);
    if (stream->mend)
        stream->mend(start, section->size);
    if (!g_file_set_contents(path, bytes, (gssize)size, &error))
        g_error("%s", error->message);
}

/* Goes on for as long as fuzz_end() says. */
static inline void fuzz_stream(const FuzzStream *stream)
{
    const gint64 end = fuzz_end();
    const char *const file = "file:";
    StreamSection sections[STREAM_SECTIONS_MAX] = {0};
    guint count = 0;
    g_autofree char *bytes = NULL;
    QTest *q = stream->start(NULL);
    guint64 loaded = 0;
    guint64 refused = 0;
    gsize size = 0;

    stream->prepare(q);
    g_autofree char *uri = qtest_save(q);
    const char *path = uri + strlen(file);
    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    g_assert(bytes);
    for (; stream->sections[count]; count++) {
        g_assert(count < STREAM_SECTIONS_MAX);
        sections[count] = stream_find((const uint8_t *)bytes, size, stream->sections[count]);
    }
    while (g_get_monotonic_time() < end) {
        stream_spoil(stream, sections, count, bytes, size, path);
        q = stream->start("defer");
        if (!stream_load(q, uri)) {
            qtest_stop(q);
            refused++;
            continue;
        }
        stream->use(q);
        g_autofree char *again = qtest_save(q);
        qtest_forget(again);
        loaded++;
    }
    qtest_forget(uri);
    g_test_message("%" PRIu64 " streams loaded, %" PRIu64 " refused", loaded, refused);
    /* Else the changes are wide of the mark; a short run can be so by chance. */
    if (loaded + refused < 40)
        return;
    g_assert_cmpuint(loaded, >, 0);
    g_assert_cmpuint(refused, >, 0);
}

#endif
