/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What mmrig-nvdimm answers to each call, byte by byte, without QEMU. */
#include <glib.h>
#include <string.h>

#include "common/bytes.h"
#include "nvdimm/nvdimm-dsm.h"

#define UNIT 256
#define BASE 0x10000000ull
#define SIZE 0x100000ull
#define LAST (BASE + 2 * SIZE - 1) /* of the second module */

static NvdimmDsm dsm;
static NvdimmModule *modules[2];
static guint8 out[MMRIG_NVD_PAGE_SIZE];

static struct {
    gboolean steals; /* on_poison() lays more */
    guint saved, laid, healed;
    guint32 events;
    guint64 wiped_from, wiped;
} seen;

static bool on_poison(void *opaque, NvdimmModule *module, uint64_t offset, uint64_t length,
                      bool bad)
{
    (void)opaque;
    g_assert_cmpuint(offset + length, <=, module->size);
    *(bad ? &seen.laid : &seen.healed) += (guint)(length / UNIT);
    if (bad && seen.steals) {
        seen.steals = FALSE;
        g_assert_true(mmrig_nvdimm_media_lay(&dsm.media, modules[0], 0, 1, false));
    }
    return true;
}

static void on_changed(void *opaque)
{
    (void)opaque;
    seen.saved++;
}

static void on_event(void *opaque, uint32_t event)
{
    (void)opaque;
    seen.events |= event;
}

static void on_wipe(void *opaque, NvdimmModule *module, uint64_t offset, uint64_t length)
{
    (void)opaque;
    if (seen.wiped == 0)
        seen.wiped_from = module->base + offset;
    seen.wiped += length;
}

/* Two modules side by side, in slots 2 and 3. */
static void begin(void)
{
    memset(&seen, 0, sizeof(seen));
    dsm = (NvdimmDsm){.buffer = 1000,
                      .least_ns = 5,
                      .changed = on_changed,
                      .event = on_event,
                      .wipe = on_wipe};
    mmrig_nvdimm_media_init(&dsm.media, UNIT);
    dsm.media.changed = on_poison;
    for (guint i = 0; i < 2; i++) {
        modules[i] = mmrig_nvdimm_media_module(&dsm.media, i ? "b" : "a");
        modules[i]->present = true;
        modules[i]->base = BASE + i * SIZE;
        modules[i]->size = SIZE;
        modules[i]->slot = 2 + i;
        modules[i]->handle = 0x30 + i;
    }
}

static void end(void)
{
    mmrig_nvdimm_media_free(&dsm.media);
    g_assert_null(dsm.media.modules);
    g_assert_cmpuint(dsm.media.bad, ==, 0);
}

static guint64 field(guint offset, guint bytes)
{
    return nvdimm_get(out + MMRIG_NVD_OUT_DATA + offset, bytes);
}

/* The answer has this status, and so many bytes, the status among them. */
static void answered(guint64 status, guint size)
{
    g_assert_cmphex(field(0, 4), ==, status);
    g_assert_cmpuint(nvdimm_get(out, 4), ==, 4 + size);
}

static void root(gint64 now, guint32 function, guint64 start, guint64 length, guint32 rest)
{
    guint8 in[MMRIG_NVD_PAGE_SIZE] = {0};

    nvdimm_put(in + 4, 1, 4);
    nvdimm_put(in + 8, function, 4);
    nvdimm_put(in + 12, start, 8);
    nvdimm_put(in + 20, length, 8);
    nvdimm_put(in + 28, rest, 4);
    memset(out, 0, sizeof(out));
    mmrig_nvdimm_dsm_root(&dsm, now, in, out);
}

static void test_functions(void)
{
    guint8 in[MMRIG_NVD_PAGE_SIZE] = {0};

    begin();
    root(0, 0, 0, 0, 0);
    answered(0x3bf, 4);
    g_assert_cmpuint(dsm.calls, ==, 1);
    g_assert_cmpuint(dsm.refused, ==, 0);
    root(0, 6, 0, 0, 0);
    answered(MMRIG_NVD_NOT_SUPPORTED, 4);
    g_assert_cmpuint(dsm.calls, ==, 2);
    g_assert_cmpuint(dsm.refused, ==, 1);
    /* Another revision has no function. */
    nvdimm_put(in + 4, 2, 4);
    memset(out, 0, sizeof(out));
    mmrig_nvdimm_dsm_root(&dsm, 0, in, out);
    answered(0, 4);
    g_assert_cmpuint(dsm.refused, ==, 1);
    nvdimm_put(in + 8, 1, 4);
    memset(out, 0, sizeof(out));
    mmrig_nvdimm_dsm_root(&dsm, 0, in, out);
    answered(MMRIG_NVD_NOT_SUPPORTED, 4);
    g_assert_cmpuint(dsm.refused, ==, 2);
    end();
}

static void test_capabilities(void)
{
    begin();
    root(0, MMRIG_NVD_ARS_CAPABILITIES, BASE, SIZE, 0);
    answered(2 << 16, 16);
    g_assert_cmpuint(field(4, 4), ==, 1000);
    g_assert_cmpuint(field(8, 4), ==, UNIT);
    root(0, MMRIG_NVD_ARS_CAPABILITIES, LAST, 1, 0);
    answered(2 << 16, 16);
    root(0, MMRIG_NVD_ARS_CAPABILITIES, BASE, 0, 0);
    answered(MMRIG_NVD_INVALID, 16);
    root(0, MMRIG_NVD_ARS_CAPABILITIES, BASE, G_MAXUINT64, 0);
    answered(MMRIG_NVD_INVALID, 16);
    root(0, MMRIG_NVD_ARS_CAPABILITIES, BASE - 1, 2, 0);
    answered(MMRIG_NVD_NOT_SUPPORTED, 16);
    g_assert_cmpuint(field(4, 4), ==, 0);
    root(0, MMRIG_NVD_ARS_CAPABILITIES, LAST, 2, 0);
    answered(MMRIG_NVD_NOT_SUPPORTED, 16);
    g_assert_cmpuint(dsm.refused, ==, 4);
    end();
}

static void test_scrub(void)
{
    begin();
    root(0, MMRIG_NVD_ARS_STATUS, 0, 0, 0);
    answered(MMRIG_NVD_SCRUB_NONE << 16, 48);
    root(0, MMRIG_NVD_ARS_START, BASE, SIZE, MMRIG_NVD_ARS_VOLATILE);
    answered(MMRIG_NVD_INVALID, 8);
    root(0, MMRIG_NVD_ARS_START, BASE, SIZE, MMRIG_NVD_ARS_PERSISTENT | 4);
    answered(MMRIG_NVD_INVALID, 8);
    root(0, MMRIG_NVD_ARS_START, LAST, 2, MMRIG_NVD_ARS_PERSISTENT);
    answered(MMRIG_NVD_INVALID, 8);
    g_assert_true(mmrig_nvdimm_dsm_inject(&dsm, modules[1], 512, 2 * UNIT, false));
    g_assert_cmpuint(seen.saved, ==, 1);
    root(0, MMRIG_NVD_ARS_START, BASE + SIZE, SIZE,
         MMRIG_NVD_ARS_PERSISTENT | MMRIG_NVD_ARS_VOLATILE);
    answered(0, 8);
    root(1, MMRIG_NVD_ARS_START, BASE, SIZE, MMRIG_NVD_ARS_PERSISTENT);
    answered(MMRIG_NVD_ARS_BUSY, 8);
    root(4, MMRIG_NVD_ARS_STATUS, 0, 0, 0);
    answered(MMRIG_NVD_SCRUB_BUSY << 16, 48);
    root(5, MMRIG_NVD_ARS_STATUS, 0, 0, 0);
    answered(0, 72);
    g_assert_cmpuint(seen.saved, ==, 2);
    g_assert_cmpuint(dsm.scrubs, ==, 1);
    g_assert_cmpuint(field(4, 4), ==, 68);
    g_assert_cmphex(field(8, 8), ==, BASE + SIZE);
    g_assert_cmphex(field(16, 8), ==, SIZE);
    g_assert_cmphex(field(40, 2), ==, 3);
    g_assert_cmphex(field(42, 2), ==, 0);
    g_assert_cmpuint(field(44, 4), ==, 1);
    g_assert_cmphex(field(48, 4), ==, 0x31);
    g_assert_cmphex(field(56, 8), ==, BASE + SIZE + 512);
    g_assert_cmphex(field(64, 8), ==, 2 * UNIT);
    /* What is known comes at once; what nobody knew stays so. */
    g_assert_true(mmrig_nvdimm_dsm_inject(&dsm, modules[1], 4096, 1, false));
    root(6, MMRIG_NVD_ARS_START, BASE + SIZE, SIZE,
         MMRIG_NVD_ARS_PERSISTENT | MMRIG_NVD_START_PREVIOUS << 16);
    answered(0, 8);
    g_assert_cmpuint(field(4, 4), ==, 0);
    root(6, MMRIG_NVD_ARS_STATUS, 0, 0, 0);
    g_assert_cmpuint(field(44, 4), ==, 1);
    g_assert_cmpuint(dsm.scrubs, ==, 1);
    end();
}

static void test_clear(void)
{
    begin();
    g_assert_true(mmrig_nvdimm_dsm_inject(&dsm, modules[1], 512, UNIT, false));
    g_assert_true(mmrig_nvdimm_dsm_inject(&dsm, modules[1], 1024, 2 * UNIT, false));
    root(0, MMRIG_NVD_CLEAR_ERROR, BASE + SIZE + 1, UNIT, 0);
    answered(MMRIG_NVD_INVALID, 16);
    root(0, MMRIG_NVD_CLEAR_ERROR, BASE + SIZE, UNIT + 1, 0);
    answered(MMRIG_NVD_INVALID, 16);
    root(0, MMRIG_NVD_CLEAR_ERROR, BASE - UNIT, UNIT, 0);
    answered(MMRIG_NVD_INVALID, 16);
    g_assert_cmpuint(seen.saved, ==, 2);
    root(0, MMRIG_NVD_CLEAR_ERROR, BASE + SIZE + 512, 4 * UNIT, 0);
    answered(0, 16);
    g_assert_cmphex(field(8, 8), ==, 4 * UNIT);
    g_assert_cmpuint(dsm.cleared, ==, 3);
    g_assert_cmpuint(dsm.media.bad, ==, 0);
    g_assert_cmphex(seen.wiped_from, ==, BASE + SIZE + 512);
    g_assert_cmpuint(seen.wiped, ==, 3 * UNIT);
    g_assert_cmpuint(seen.saved, ==, 3);
    end();
}

static void test_translate(void)
{
    begin();
    root(0, MMRIG_NVD_TRANSLATE_SPA, BASE + SIZE + 0x1234, 0, 0);
    answered(0, 36);
    g_assert_cmphex(field(4, 4), ==, 0);
    g_assert_cmphex(field(8, 8), ==, SIZE - 0x1234);
    g_assert_cmphex(field(16, 4), ==, 1);
    g_assert_cmphex(field(20, 4), ==, 0x31);
    g_assert_cmphex(field(24, 4), ==, 0);
    g_assert_cmphex(field(28, 8), ==, 0x1234);
    root(0, MMRIG_NVD_TRANSLATE_SPA, LAST, 0, 0);
    answered(0, 36);
    g_assert_cmphex(field(8, 8), ==, 1);
    root(0, MMRIG_NVD_TRANSLATE_SPA, LAST + 1, 0, 0);
    answered(MMRIG_NVD_INVALID, 20);
    end();
}

static void test_inject(void)
{
    begin();
    root(0, MMRIG_NVD_INJECT, BASE + SIZE + 1, 1, 0);
    answered(0, 4);
    root(0, MMRIG_NVD_INJECT, BASE + SIZE + 0x1000, UNIT, MMRIG_NVD_INJECT_NOTIFY);
    answered(0, 4);
    g_assert_cmphex(seen.events, ==, MMRIG_NVD_EVENT_ERROR);
    root(0, MMRIG_NVD_INJECT, LAST, 2, 0);
    answered(MMRIG_NVD_INVALID, 4);
    g_assert_cmpuint(dsm.injected, ==, 2);
    root(0, MMRIG_NVD_INJECT, BASE + 0x2000, 2 * UNIT, 0);
    root(0, MMRIG_NVD_INJECT_STATUS, 0, 0, 0);
    answered(0, 8 + 3 * 16);
    g_assert_cmpuint(field(4, 4), ==, 3);
    g_assert_cmphex(field(8, 8), ==, BASE + 0x2000);
    g_assert_cmphex(field(16, 8), ==, 2 * UNIT);
    g_assert_cmphex(field(24, 8), ==, BASE + SIZE);
    g_assert_cmphex(field(32, 8), ==, UNIT);
    g_assert_cmphex(field(40, 8), ==, BASE + SIZE + 0x1000);
    root(0, MMRIG_NVD_INJECT_CLEAR, LAST, 2, 0);
    answered(MMRIG_NVD_INVALID, 4);
    seen.saved = 0;
    root(0, MMRIG_NVD_INJECT_CLEAR, BASE + SIZE, 0x2000, 0);
    answered(0, 4);
    g_assert_cmpuint(dsm.cleared, ==, 2);
    g_assert_cmpuint(seen.saved, ==, 1);
    g_assert_cmpuint(seen.wiped, ==, 0);
    end();

    /* As many records as a page has room for. */
    begin();
    for (guint i = 0; i < 300; i++)
        g_assert_true(mmrig_nvdimm_dsm_inject(&dsm, modules[0], i * 2 * UNIT, 1, false));
    root(0, MMRIG_NVD_INJECT_STATUS, 0, 0, 0);
    answered(0, 8 + 255 * 16);
    g_assert_cmpuint(field(4, 4), ==, 255);
    end();
}

static bool module_call(guint32 revision, guint32 function, const guint8 *data, gsize size,
                        guint32 *mask)
{
    guint8 in[MMRIG_NVD_PAGE_SIZE] = {0};

    nvdimm_put(in + 4, revision, 4);
    nvdimm_put(in + 8, function, 4);
    if (size > 0)
        memcpy(in + 12, data, size);
    memset(out, 0, sizeof(out));
    return mmrig_nvdimm_dsm_module(&dsm, modules[1], in, out, mask);
}

static void call(guint32 function, const guint8 *data, gsize size)
{
    guint32 mask = 99;

    g_assert_true(module_call(1, function, data, size, &mask));
    g_assert_cmpuint(mask, ==, 0);
}
#define CALL(function, ...)                                                                    \
    do {                                                                                       \
        const guint8 bytes[] = {__VA_ARGS__};                                                  \
        call(function, bytes, sizeof(bytes));                                                  \
    } while (0)

static void assert_smart(guint8 state, guint8 spares, guint8 alarms, guint media, guint ctrl)
{
    call(MMRIG_NVD_SMART, NULL, 0);
    answered(0, 132);
    g_assert_cmphex(field(4, 4), ==, 0x63f);
    g_assert_cmphex(field(12, 1), ==, state);
    g_assert_cmpuint(field(13, 1), ==, spares);
    g_assert_cmpuint(field(14, 1), ==, 100 - spares);
    g_assert_cmphex(field(15, 1), ==, alarms);
    g_assert_cmpuint(field(16, 2), ==, media);
    g_assert_cmpuint(field(18, 2), ==, ctrl);
}

static void test_health_functions(void)
{
    guint32 mask;

    begin();
    g_assert_false(module_call(1, 0, NULL, 0, &mask));
    g_assert_cmphex(mask, ==, 0x60407);
    g_assert_true(module_call(2, 0, NULL, 0, &mask));
    g_assert_cmphex(mask, ==, 0);
    answered(0x60407, 4);
    g_assert_false(module_call(3, 0, NULL, 0, &mask));
    g_assert_cmphex(mask, ==, 0);
    g_assert_false(module_call(1, 4, NULL, 0, &mask));
    g_assert_cmphex(mask, ==, 0);
    g_assert_cmpuint(dsm.calls, ==, 0);
    g_assert_true(module_call(2, MMRIG_NVD_SMART, NULL, 0, &mask));
    g_assert_cmpuint(dsm.calls, ==, 1);
    end();
}

static void test_health(void)
{
    enum { SET = MMRIG_NVD_SMART_SET_THRESHOLDS, INJECT = MMRIG_NVD_SMART_INJECT };

    begin();
    modules[1]->health.shutdown_count = 0x1234567;
    modules[1]->health.dirty = 1;
    assert_smart(0, 75, 0, 23 * 16, 25 * 16);
    g_assert_cmphex(field(20, 4), ==, 0x1234567);
    g_assert_cmpuint(field(35, 1), ==, 1);
    call(MMRIG_NVD_SMART_THRESHOLDS, NULL, 0);
    answered(0, 12);
    g_assert_cmphex(field(4, 2), ==, 7);
    g_assert_cmpuint(field(6, 1), ==, 5);
    g_assert_cmpuint(field(7, 2), ==, 40 * 16);
    g_assert_cmpuint(field(9, 2), ==, 30 * 16);
    g_assert_cmpuint(seen.saved, ==, 0);

    /* Alarms begin at the threshold of a temperature, and below that of the spares. */
    CALL(SET, 7, 0, 75, 0x71, 0x01, 0x91, 0x01);
    answered(0, 4);
    g_assert_cmpuint(seen.saved, ==, 1);
    assert_smart(0, 75, 0, 368, 400);
    g_assert_cmphex(seen.events, ==, 0);
    CALL(SET, 7, 0, 76, 0x71, 0x01, 0x91, 0x01);
    assert_smart(1, 75, 1, 368, 400);
    g_assert_cmphex(seen.events, ==, MMRIG_NVD_EVENT_HEALTH(3));
    seen.events = 0;
    CALL(SET, 7, 0, 76, 0x70, 0x01, 0x91, 0x01);
    assert_smart(1, 75, 3, 368, 400);
    g_assert_cmphex(seen.events, ==, MMRIG_NVD_EVENT_HEALTH(3));
    CALL(SET, 7, 0, 76, 0x70, 0x01, 0x90, 0x01);
    assert_smart(1, 75, 7, 368, 400);
    call(MMRIG_NVD_SMART_THRESHOLDS, NULL, 0);
    g_assert_cmpuint(field(7, 2), ==, 0x170);
    g_assert_cmpuint(field(9, 2), ==, 0x190);
    /* One that is not enabled is none, and one that goes is no event. */
    seen.events = 0;
    CALL(SET, 2, 0, 76, 0x70, 0x01, 0x90, 0x01);
    assert_smart(1, 75, 2, 368, 400);
    CALL(SET, 0, 0, 100, 0x70, 0x01, 0x90, 0x01);
    assert_smart(0, 75, 0, 368, 400);
    g_assert_cmphex(seen.events, ==, 0);
    seen.saved = 0;
    CALL(SET, 8, 0, 10, 0, 0, 0, 0);
    answered(MMRIG_NVD_INVALID, 4);
    CALL(SET, 0, 0, 101, 0, 0, 0, 0);
    answered(MMRIG_NVD_INVALID, 4);
    g_assert_cmpuint(seen.saved, ==, 0);
    g_assert_cmpuint(dsm.refused, ==, 2);
    CALL(MMRIG_NVD_LATCH_SHUTDOWN, 3);
    answered(0, 4);
    g_assert_cmpuint(modules[1]->health.latched, ==, 1);
    CALL(MMRIG_NVD_LATCH_SHUTDOWN, 2);
    g_assert_cmpuint(modules[1]->health.latched, ==, 0);
    end();
}

/* Flags of 8 bytes, then a switch and a value for each thing that can be injected. */
#define INJECTION(flags, ...)                                                                  \
    CALL(MMRIG_NVD_SMART_INJECT, flags, 0, 0, 0, 0, 0, 0, 0, __VA_ARGS__)

static void test_health_inject(void)
{
    begin();
    INJECTION(1, 1, 0x00, 0x02, 1, 10, 1, 1);
    answered(0, 4);
    assert_smart(0, 75, 0, 0x200, 400);
    g_assert_cmphex(seen.events, ==, 0);
    INJECTION(1, 1, 0x80, 0x02, 0, 0, 0, 0);
    assert_smart(1, 75, 2, 0x280, 400);
    g_assert_cmphex(seen.events, ==, MMRIG_NVD_EVENT_HEALTH(3));
    INJECTION(1, 0, 0x80, 0x02, 0, 0, 0, 0);
    assert_smart(0, 75, 0, 368, 400);
    INJECTION(2, 0, 0, 0, 1, 100, 0, 0);
    answered(0, 4);
    assert_smart(0, 100, 0, 368, 400);
    INJECTION(2, 0, 0, 0, 1, 4, 0, 0);
    assert_smart(1, 4, 1, 368, 400);
    INJECTION(2, 0, 0, 0, 1, 101, 0, 0);
    answered(MMRIG_NVD_INVALID, 4);
    assert_smart(1, 4, 1, 368, 400);
    INJECTION(2, 0, 0, 0, 0, 101, 0, 0);
    answered(0, 4);
    assert_smart(0, 75, 0, 368, 400);

    seen.events = 0;
    INJECTION(4, 0, 0, 0, 0, 101, 1, 0);
    assert_smart(4, 75, 0, 368, 400);
    g_assert_cmphex(seen.events, ==, MMRIG_NVD_EVENT_HEALTH(3));
    INJECTION(8, 0, 0, 0, 0, 0, 0, 1);
    g_assert_cmphex(modules[1]->health.injected, ==, 12);
    INJECTION(4, 0, 0, 0, 0, 0, 0, 0);
    g_assert_cmphex(modules[1]->health.injected, ==, 8);
    assert_smart(0, 75, 0, 368, 400);
    INJECTION(8, 0, 0, 0, 0, 0, 0, 0);
    g_assert_cmphex(modules[1]->health.injected, ==, 0);

    INJECTION(0, 1, 1, 1, 1, 1, 1, 1);
    answered(MMRIG_NVD_INVALID, 4);
    INJECTION(16, 0, 0, 0, 0, 0, 0, 0);
    answered(MMRIG_NVD_INVALID, 4);
    CALL(MMRIG_NVD_SMART_INJECT, 1, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0);
    answered(MMRIG_NVD_INVALID, 4);

    /* There are bits for the first slots only. */
    seen.events = 0;
    modules[1]->slot = MMRIG_NVD_EVENT_HEALTH_MAX;
    INJECTION(4, 0, 0, 0, 0, 0, 1, 0);
    answered(0, 4);
    g_assert_cmphex(seen.events, ==, 0);
    end();
}

/* Stores make a unit good once they have been everywhere in it. */
static void test_stored(void)
{
    begin();
    g_assert_true(mmrig_nvdimm_media_lay(&dsm.media, modules[0], 0, 4 * UNIT, true));
    g_assert_cmpuint(mmrig_nvdimm_media_stored(&dsm.media, modules[0], 64, 192), ==, 0);
    g_assert_cmpuint(mmrig_nvdimm_media_stored(&dsm.media, modules[0], 256, 128), ==, 0);
    g_assert_cmpuint(dsm.media.bad, ==, 4);
    g_assert_cmpuint(mmrig_nvdimm_media_stored(&dsm.media, modules[0], 0, 64), ==, 1);
    g_assert_cmpuint(dsm.media.bad, ==, 3);
    g_assert_cmpuint(mmrig_nvdimm_media_stored(&dsm.media, modules[0], 384, 64), ==, 0);
    g_assert_cmpuint(mmrig_nvdimm_media_stored(&dsm.media, modules[0], 448, 64 + 512), ==, 3);
    g_assert_cmpuint(dsm.media.bad, ==, 0);
    g_assert_cmpuint(modules[0]->units->len, ==, 0);
    g_assert_cmpuint(seen.healed, ==, 0);
    end();
}

/* Parts are joined if they are neighbours and equally well known. */
static void test_next(void)
{
    guint64 offset = 0, length;
    bool known;

    begin();
    g_assert_true(mmrig_nvdimm_media_by_handle(&dsm.media, 0x31) == modules[1]);
    g_assert_null(mmrig_nvdimm_media_by_handle(&dsm.media, 0x32));
    modules[1]->present = false;
    g_assert_null(mmrig_nvdimm_media_by_handle(&dsm.media, 0x31));
    g_assert_true(mmrig_nvdimm_media_lay(&dsm.media, modules[0], 0, UNIT, false));
    g_assert_true(mmrig_nvdimm_media_lay(&dsm.media, modules[0], UNIT, 2 * UNIT, true));
    g_assert_true(mmrig_nvdimm_media_lay(&dsm.media, modules[0], 4 * UNIT, UNIT, true));
    g_assert_true(
        mmrig_nvdimm_media_next(&dsm.media, modules[0], false, SIZE, &offset, &length, &known));
    g_assert_cmpuint(offset, ==, 0);
    g_assert_cmpuint(length, ==, UNIT);
    g_assert_false(known);
    g_assert_true(
        mmrig_nvdimm_media_next(&dsm.media, modules[0], true, SIZE, &offset, &length, &known));
    g_assert_cmpuint(offset, ==, UNIT);
    g_assert_cmpuint(length, ==, 2 * UNIT);
    g_assert_true(known);
    /* From its second byte on it is the same. */
    offset = UNIT + 1;
    g_assert_true(
        mmrig_nvdimm_media_next(&dsm.media, modules[0], false, SIZE, &offset, &length, &known));
    g_assert_cmpuint(offset, ==, UNIT);
    offset += length;
    g_assert_false(mmrig_nvdimm_media_next(&dsm.media, modules[0], true, 4 * UNIT, &offset,
                                           &length, &known));
    end();
}

/* The last room is taken while poison is laid: what was laid goes again. */
static void test_race(void)
{
    begin();
    modules[1]->size = (guint64)NVDIMM_UNITS_MAX * UNIT;
    g_assert_true(mmrig_nvdimm_media_lay(&dsm.media, modules[1], 0,
                                         (NVDIMM_UNITS_MAX - 1ull) * UNIT, false));
    seen.steals = TRUE;
    g_assert_false(mmrig_nvdimm_media_lay(&dsm.media, modules[0], 4 * UNIT, UNIT, false));
    g_assert_cmpuint(seen.healed, ==, 1);
    /* And what was bad there before is laid again: the other's unit. */
    g_assert_cmpuint(seen.laid, ==, NVDIMM_UNITS_MAX - 1 + 1 + 1 + 1);
    g_assert_cmpuint(dsm.media.bad, ==, NVDIMM_UNITS_MAX);
    g_assert_cmpuint(modules[0]->units->len, ==, 1);
    /* Nor is there room behind what is bad. */
    modules[1]->size += UNIT;
    g_assert_false(mmrig_nvdimm_media_lay(&dsm.media, modules[1],
                                          (guint64)NVDIMM_UNITS_MAX * UNIT, UNIT, false));
    /* All of it is told again, also what nobody knows. */
    seen.healed = 0;
    mmrig_nvdimm_media_replay(&dsm.media, modules[1], false);
    g_assert_cmpuint(seen.healed, ==, NVDIMM_UNITS_MAX - 1);
    end();
}

/* Every number of a module is in the pack, and each in its own place. */
static void test_pack(void)
{
    const NvdimmHealth health = {.media_temperature = 0x101,
                                 .ctrl_temperature = 0x202,
                                 .media_threshold = 0x303,
                                 .ctrl_threshold = 0x404,
                                 .alarms = 5,
                                 .spares = 66,
                                 .spares_threshold = 77,
                                 .injected = 8,
                                 .latched = 1,
                                 .dirty = 1,
                                 .shutdown_count = 0xabcdef01};
    static const guint8 bytes[] = {1,  1,  2, 2, 3, 3, 4, 4,    5,    0,
                                   66, 77, 8, 1, 1, 0, 1, 0xef, 0xcd, 0xab};
    const char *why = "";

    begin();
    modules[0]->health = health;
    g_assert_true(mmrig_nvdimm_media_lay(&dsm.media, modules[1], UNIT, 2 * UNIT, true));
    g_autoptr(GByteArray) pack = mmrig_nvdimm_media_pack(&dsm.media);
    g_assert_cmpmem(pack->data + 24 + 64, sizeof(bytes), bytes, sizeof(bytes));
    end();

    begin();
    g_assert_true(mmrig_nvdimm_media_lay(&dsm.media, modules[0], 0, UNIT, true));
    g_assert_true(mmrig_nvdimm_media_unpack(&dsm.media, pack->data, pack->len, &why));
    g_assert_null(why);
    g_assert_cmpuint(seen.healed, ==, 1);
    NvdimmModule *a = mmrig_nvdimm_media_find(&dsm.media, "a");
    g_assert_true(a->present);
    g_assert_cmphex(a->base, ==, BASE);
    g_assert_cmphex(a->size, ==, SIZE);
    g_assert_cmphex(a->handle, ==, 0x30);
    g_assert_cmphex(a->slot, ==, 2);
    g_autoptr(GByteArray) again = mmrig_nvdimm_media_pack(&dsm.media);
    g_assert_cmpmem(again->data, again->len, pack->data, pack->len);
    g_assert_cmpuint(dsm.media.bad, ==, 2);
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nvdimm/calls/functions", test_functions);
    g_test_add_func("/nvdimm/calls/capabilities", test_capabilities);
    g_test_add_func("/nvdimm/calls/scrub", test_scrub);
    g_test_add_func("/nvdimm/calls/clear", test_clear);
    g_test_add_func("/nvdimm/calls/translate", test_translate);
    g_test_add_func("/nvdimm/calls/inject", test_inject);
    g_test_add_func("/nvdimm/calls/health/functions", test_health_functions);
    g_test_add_func("/nvdimm/calls/health/alarms", test_health);
    g_test_add_func("/nvdimm/calls/health/inject", test_health_inject);
    g_test_add_func("/nvdimm/media/stored", test_stored);
    g_test_add_func("/nvdimm/media/next", test_next);
    g_test_add_func("/nvdimm/media/race", test_race);
    g_test_add_func("/nvdimm/media/pack", test_pack);
    return g_test_run();
}
