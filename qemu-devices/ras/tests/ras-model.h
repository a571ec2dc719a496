/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model of mmrig-ras, and of a mirror's second copies beside it, for the fuzzer, by
 * docs/devices/ras.md and mirror.md. */
#ifndef MMRIG_RAS_MODEL_H
#define MMRIG_RAS_MODEL_H

#include <inttypes.h>
#include <string.h>

#include "fuzz-model.h"
#include "mmrig-ras-regs.h"

/* Memory that is made bad: in two nodes, over the border between them, and in a DIMM. */
#define AREA_PAGES 4
#define AREA_SIZE  (AREA_PAGES * 4096ull)
#define AREA_LINES (AREA_PAGES * 64)

static const uint64_t areas[] = {0x1000000, 0x4000000 - AREA_SIZE / 2, 0x5000000, 0x140000000};
enum { AREAS = G_N_ELEMENTS(areas), LINES = AREAS * AREA_LINES, DIMM = AREAS - 1 };

typedef enum { STORE_FULL_LINE, STORE_ANY, STORE_NEVER } Store;
enum { BY_RAS = 1, BY_MIRROR = 2 };

typedef struct {
    uint64_t stored; /* bytes */
    unsigned by;
} Line;

struct Model {
    QTest *q;
    Store store;
    gboolean reset_clears;
    gboolean mirrored; /* all memory, or nothing */
    Line lines[LINES];
    uint64_t dma, filtered, stores, cleared, injected;
    gboolean any; /* of what follows, the last use */
    uint64_t last;
    unsigned last_size;
};

static inline uint64_t address_of(unsigned line)
{
    return areas[line / AREA_LINES] + line % AREA_LINES * 64;
}

static inline unsigned line_at(uint64_t address)
{
    for (unsigned i = 0; i < AREAS; i++)
        if (address >= areas[i] && address - areas[i] < AREA_SIZE)
            return i * AREA_LINES + (unsigned)((address - areas[i]) / 64);
    g_error("0x%" PRIx64 " is in no area", address);
}

static inline void expect_bad(Model *m, uint64_t address, uint64_t size, unsigned by)
{
    unsigned last = line_at(address + size - 1);

    for (unsigned i = line_at(address); i <= last; i++)
        m->lines[i].by |= by;
}

/* Good by these sources. */
static inline void expect_good(Model *m, unsigned first, unsigned last, unsigned by)
{
    for (unsigned i = first; i <= last; i++) {
        m->lines[i].by &= ~by;
        if (m->lines[i].by == 0)
            m->lines[i].stored = 0;
    }
}

/* Whether a read has what was stored. */
static inline gboolean expect_read(Model *m, uint64_t address, unsigned size)
{
    for (uint64_t at = address; at < address + size; at = (at & ~63ull) + 64) {
        Line *line = &m->lines[line_at(at)];

        if (line->by == 0)
            continue;
        line->stored = 0;
        if (m->mirrored && line->by != (BY_RAS | BY_MIRROR)) {
            m->filtered++;
            continue;
        }
        m->dma++;
        m->any = TRUE;
        m->last = at;
        m->last_size = (unsigned)(address + size - at);
        return FALSE;
    }
    return TRUE;
}

/* One access. */
static inline void expect_store(Model *m, uint64_t address, unsigned size)
{
    gboolean bad = FALSE;

    for (uint64_t at = address; at < address + size; at++) {
        unsigned index = line_at(at);

        if (m->lines[index].by != 0)
            bad = TRUE;
    }
    m->stores += bad;
    for (uint64_t at = address; at < address + size; at++) {
        unsigned index = line_at(at);

        if (m->lines[index].by != 0)
            m->lines[index].stored |= 1ull << (at & 63);
    }
    for (unsigned i = line_at(address); i <= line_at(address + size - 1); i++) {
        Line *line = &m->lines[i];

        if (line->by != 0 && (m->store == STORE_ANY ||
                              (m->store == STORE_FULL_LINE && line->stored == UINT64_MAX))) {
            m->cleared++;
            expect_good(m, i, i, BY_RAS | BY_MIRROR);
        }
    }
}

static inline void expect_reset(Model *m)
{
    if (m->reset_clears)
        expect_good(m, 0, LINES - 1, BY_RAS);
    m->mirrored = FALSE;
    m->injected = 0;
    m->any = FALSE;
}

static inline char *expect_last(const Model *m)
{
    return m->any ? g_strdup_printf("access=dma,gpa=0x%" PRIx64 ",size=%u,cpu=-1", m->last,
                                    m->last_size)
                  : g_strdup("");
}

/* The list of what is bad, as ras-check.h's list() has it. */
static inline char *expect_list(const Model *m)
{
    static const char *const names[] = {"", "ras", "mirror", "ras mirror"};
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < LINES;) {
        unsigned end = i + 1;

        while (end < LINES && m->lines[end].by == m->lines[i].by &&
               address_of(end) == address_of(end - 1) + 64)
            end++;
        if (m->lines[i].by != 0)
            g_string_append_printf(text, "%s%" PRIx64 "+%x %s", text->len ? ";" : "",
                                   address_of(i), (end - i) * 64, names[m->lines[i].by]);
        i = end;
    }
    return g_string_free(text, FALSE);
}

static inline uint64_t expect_pages(const Model *m)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < LINES; i += 64) {
        gboolean bad = FALSE;

        for (unsigned j = i; j < i + 64; j++)
            bad |= m->lines[j].by != 0;
        pages += bad;
    }
    return pages;
}

#endif
