/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The media, calls and store of mmrig-nvdimm: its parts without QEMU. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "nvdimm/nvdimm-dsm.h"
#include "nvdimm/nvdimm-store.h"

#define UNIT   256
#define BASE   0x10000000ull
#define SIZE   0x100000ull
#define SECOND 1000000000ll

static struct {
    gboolean full;
    guint laid, healed; /* units of the calls of changed() */
    guint saved, wiped;
    guint32 events;
} seen;

static bool on_poison(void *opaque, NvdimmModule *module, uint64_t offset, uint64_t length,
                      bool bad)
{
    (void)opaque;
    g_assert_cmpuint(offset + length, <=, module->size);
    if (bad && seen.full)
        return false;
    *(bad ? &seen.laid : &seen.healed) += (guint)(length / UNIT);
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
    g_assert_cmpuint(offset + length, <=, module->size);
    seen.wiped += (guint)(length / UNIT);
}

static NvdimmModule *plug(NvdimmMedia *media, const char *name, guint slot)
{
    NvdimmModule *module = mmrig_nvdimm_media_module(media, name);

    module->present = TRUE;
    module->base = BASE + slot * SIZE;
    module->size = SIZE;
    module->slot = slot;
    module->handle = slot + 1;
    return module;
}

/* A device with one module. */
static NvdimmModule *device(NvdimmDsm *dsm, guint32 buffer)
{
    memset(&seen, 0, sizeof(seen));
    *dsm = (NvdimmDsm){
        .buffer = buffer,
        .least_ns = 5,
        .changed = on_changed,
        .event = on_event,
        .wipe = on_wipe,
    };
    mmrig_nvdimm_media_init(&dsm->media, UNIT);
    dsm->media.changed = on_poison;
    return plug(&dsm->media, "pmem0", 0);
}

static guint8 out[MMRIG_NVD_PAGE_SIZE];

static guint64 field(guint offset, guint bytes)
{
    return nvdimm_get(out + MMRIG_NVD_OUT_DATA + offset, bytes);
}

static guint32 root(NvdimmDsm *dsm, gint64 now, guint32 function, guint64 start, guint64 length,
                    guint32 rest)
{
    guint8 in[MMRIG_NVD_PAGE_SIZE] = {0};

    nvdimm_put(in + MMRIG_NVD_IN_REVISION, 1, 4);
    nvdimm_put(in + MMRIG_NVD_IN_FUNCTION, function, 4);
    nvdimm_put(in + MMRIG_NVD_IN_DATA, start, 8);
    nvdimm_put(in + MMRIG_NVD_IN_DATA + 8, length, 8);
    nvdimm_put(in + MMRIG_NVD_IN_DATA + 16, rest, 4);
    memset(out, 0, sizeof(out));
    mmrig_nvdimm_dsm_root(dsm, now, in, out);
    return (guint32)field(0, 4);
}

/* How many seconds the guest is told, and when the scrub is over. */
static void test_scrub_time(void)
{
    static const struct {
        guint64 rate, least, length;
        gint64 takes;
    } rows[] = {
        {0, 5, SIZE, 5},
        {0, 0, SIZE, 0},
        {SIZE, 5, SIZE, SECOND},
        {SIZE, 5, SIZE / 4, SECOND / 4},
        {SIZE, 5, SIZE - SIZE / 4, SECOND - SECOND / 4},
        {SIZE / 2, 5, SIZE / 2 + SIZE / 8, SECOND + SECOND / 4},
        {SIZE / 4, 5, SIZE, 4 * SECOND},
        {SIZE, 2 * SECOND, SIZE, 2 * SECOND},
        {1, 5, SIZE, (gint64)SIZE * SECOND},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        NvdimmDsm dsm;
        gint64 takes = rows[i].takes;

        device(&dsm, MMRIG_NVD_OUT_MAX);
        dsm.rate = rows[i].rate;
        dsm.least_ns = rows[i].least;
        g_assert_cmphex(
            root(&dsm, 7, MMRIG_NVD_ARS_START, BASE, rows[i].length, MMRIG_NVD_ARS_PERSISTENT),
            ==, 0);
        g_assert_cmpuint(field(4, 4), ==, (guint64)((takes + SECOND - 1) / SECOND));
        g_assert_cmpint(dsm.scrub.end_ns, ==, 7 + takes);
        mmrig_nvdimm_dsm_poll(&dsm, 7 + takes - 1);
        g_assert_cmpuint(dsm.scrub.state, ==, NVDIMM_SCRUB_RUNNING);
        mmrig_nvdimm_dsm_poll(&dsm, 7 + takes);
        g_assert_cmpuint(dsm.scrub.state, ==, NVDIMM_SCRUB_ENDED);
        mmrig_nvdimm_media_free(&dsm.media);
    }
}

/* The clock's end is a scrub's end. */
static void test_scrub_late(void)
{
    NvdimmDsm dsm;

    device(&dsm, MMRIG_NVD_OUT_MAX);
    dsm.rate = 1;
    g_assert_cmphex(
        root(&dsm, G_MAXINT64 - 5, MMRIG_NVD_ARS_START, BASE, SIZE, MMRIG_NVD_ARS_PERSISTENT),
        ==, 0);
    g_assert_cmpint(dsm.scrub.end_ns, ==, G_MAXINT64);
    mmrig_nvdimm_media_free(&dsm.media);
}

/* As many records as the buffer has room for; then it stops, and goes on from there. */
static void test_scrub_room(void)
{
    static const struct {
        guint32 buffer, records;
    } rows[] = {{72, 1}, {95, 1}, {96, 2}, {4092, NVDIMM_RECORDS_MAX}};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (guint more = 0; more < 2; more++) {
            NvdimmDsm dsm;
            NvdimmModule *module = device(&dsm, rows[i].buffer);
            guint32 count = rows[i].records;
            guint64 stop = BASE + (count - 1) * 2 * UNIT + UNIT;

            for (guint j = 0; j < count + more; j++)
                g_assert_true(
                    mmrig_nvdimm_dsm_inject(&dsm, module, j * 2 * UNIT, UNIT - j % 2, FALSE));
            root(&dsm, 0, MMRIG_NVD_ARS_START, BASE, SIZE, MMRIG_NVD_ARS_PERSISTENT);
            g_assert_cmphex(root(&dsm, 5, MMRIG_NVD_ARS_STATUS, 0, 0, 0), ==,
                            (more ? MMRIG_NVD_SCRUB_STOPPED : 0) << 16);
            g_assert_cmpuint(field(4, 4), ==, 44 + 24 * count);
            g_assert_cmphex(field(16, 8), ==, more ? stop - BASE : SIZE);
            g_assert_cmphex(field(24, 8), ==, more ? stop : 0);
            g_assert_cmphex(field(32, 8), ==, more ? BASE + SIZE - stop : 0);
            g_assert_cmpuint(field(42, 2), ==, more);
            g_assert_cmpuint(field(44, 4), ==, count);
            g_assert_true(mmrig_nvdimm_scrub_valid(&dsm));
            g_assert_cmpuint(dsm.overflows, ==, more);
            mmrig_nvdimm_media_free(&dsm.media);
        }
    }
}

/* What a stream can say of a scrub. */
static void test_scrub_valid(void)
{
    enum { MOST = 2, RUNNING = NVDIMM_SCRUB_RUNNING, ENDED = NVDIMM_SCRUB_ENDED };
    static const struct {
        NvdimmScrub scrub;
        gboolean valid;
    } rows[] = {
        {{.state = NVDIMM_SCRUB_NONE}, TRUE},
        {{.state = NVDIMM_SCRUB_NONE, .records = 1}, FALSE},
        {{.state = NVDIMM_SCRUB_NONE, .overflow = 1}, FALSE},
        {{.state = RUNNING, .start = BASE, .length = SIZE}, TRUE},
        {{.state = RUNNING, .start = BASE, .length = SIZE, .records = 1}, FALSE},
        {{.state = RUNNING, .start = BASE, .length = SIZE, .records = MOST + 1}, FALSE},
        {{.state = RUNNING, .start = BASE, .length = SIZE, .overflow = 1}, FALSE},
        {{.state = RUNNING, .start = BASE, .length = SIZE + 1}, FALSE},
        {{.state = RUNNING, .start = BASE, .length = 0}, FALSE},
        {{.state = RUNNING, .start = BASE - 1, .length = 1}, FALSE},
        {{.state = RUNNING, .start = BASE + 1, .length = G_MAXUINT64}, FALSE},
        {{.state = ENDED, .records = MOST, .overflow = 1}, TRUE},
        {{.state = ENDED, .records = MOST + 1}, FALSE},
        {{.state = ENDED, .records = G_MAXUINT32}, FALSE},
        {{.state = ENDED, .overflow = 2}, FALSE},
        {{.state = ENDED + 1}, FALSE},
    };
    NvdimmDsm dsm;

    device(&dsm, MMRIG_NVD_ARS_STATUS_HEADER + MOST * MMRIG_NVD_ARS_RECORD);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        dsm.scrub = rows[i].scrub;
        if (mmrig_nvdimm_scrub_valid(&dsm) != rows[i].valid)
            g_error("row %zu", i);
    }
    mmrig_nvdimm_media_free(&dsm.media);
}

/* Everything that can be bad is, and not one more. */
static void test_limits(void)
{
    NvdimmMedia media;
    NvdimmModule *a, *b;

    memset(&seen, 0, sizeof(seen));
    mmrig_nvdimm_media_init(&media, NVDIMM_UNIT_MIN);
    a = plug(&media, "a", 0);
    b = plug(&media, "b", 1);
    a->size = b->size = (guint64)NVDIMM_UNITS_MAX * NVDIMM_UNIT_MIN;
    g_assert_true(mmrig_nvdimm_media_lay(&media, a, 0, a->size - NVDIMM_UNIT_MIN, FALSE));
    g_assert_false(mmrig_nvdimm_media_lay(&media, b, NVDIMM_UNIT_MIN - 1, 2, FALSE));
    g_assert_cmpuint(b->units->len, ==, 0);
    /* What is bad already takes no room. */
    g_assert_true(mmrig_nvdimm_media_lay(&media, a, 0, a->size, TRUE));
    g_assert_true(mmrig_nvdimm_media_lay(&media, a, 64, 64, FALSE));
    g_assert_false(mmrig_nvdimm_media_lay(&media, b, 0, 1, FALSE));
    g_assert_cmpuint(media.bad, ==, NVDIMM_UNITS_MAX);
    g_autoptr(GByteArray) pack = mmrig_nvdimm_media_pack(&media);
    g_assert_cmpuint(pack->len, <=, NVDIMM_PACK_MAX);
    g_assert_cmpuint(mmrig_nvdimm_media_heal(&media, a, 0, G_MAXINT64), ==, NVDIMM_UNITS_MAX);
    g_assert_cmpuint(media.bad, ==, 0);

    for (guint i = 2; i < NVDIMM_MAX; i++) {
        g_autofree char *name = g_strdup_printf("m%u", i);
        g_assert_nonnull(mmrig_nvdimm_media_module(&media, name));
    }
    g_assert_null(mmrig_nvdimm_media_module(&media, "one-more"));
    g_assert_true(mmrig_nvdimm_media_module(&media, "a") == a);
    mmrig_nvdimm_media_free(&media);

    char name[NVDIMM_NAME_MAX + 2];
    memset(name, 'x', sizeof(name));
    name[NVDIMM_NAME_MAX + 1] = '\0';
    mmrig_nvdimm_media_init(&media, UNIT);
    g_assert_null(mmrig_nvdimm_media_module(&media, name));
    name[NVDIMM_NAME_MAX] = '\0';
    g_assert_nonnull(mmrig_nvdimm_media_module(&media, name));
    mmrig_nvdimm_media_free(&media);
}

/* The machine's poison is laid before a unit is bad, or not at all. */
static void test_full(void)
{
    NvdimmDsm dsm;
    NvdimmModule *module = device(&dsm, MMRIG_NVD_OUT_MAX);

    seen.full = TRUE;
    g_assert_false(mmrig_nvdimm_dsm_inject(&dsm, module, 0, 1, TRUE));
    g_assert_cmphex(root(&dsm, 0, MMRIG_NVD_INJECT, BASE, 1, 1), ==, MMRIG_NVD_INVALID);
    g_assert_cmpuint(dsm.media.bad + dsm.injected + seen.saved + seen.events, ==, 0);
    seen.full = FALSE;
    g_assert_cmphex(root(&dsm, 0, MMRIG_NVD_INJECT, BASE + 255, 2, 0), ==, 0);
    g_assert_cmpuint(seen.laid, ==, 2);
    g_assert_cmpuint(seen.events, ==, 0);
    g_assert_cmphex(root(&dsm, 0, MMRIG_NVD_CLEAR_ERROR, BASE, 3 * UNIT, 0), ==, 0);
    g_assert_cmpuint(seen.healed, ==, 2);
    g_assert_cmpuint(seen.wiped, ==, 2);
    g_assert_cmpuint(dsm.cleared, ==, 2);
    mmrig_nvdimm_media_free(&dsm.media);
}

/* A pack with two modules and an error in each; rows damage it, and mend its checksum. */
static void test_refused(void)
{
    enum { HEADER = 24, MODULE = 96, HEALTH = 64, UNITS = HEADER + 2 * MODULE };
    static const struct {
        guint at, size;
        guint64 value;
        const char *why;
    } rows[] = {
        {0, 1, 0, "the beginning"},
        {4, 4, 2, "the version"},
        {8, 4, 512, "the size of a unit"},
        {12, 4, 3, "the length"},
        {12, 4, NVDIMM_MAX + 1, "the length"},
        {16, 4, 1, "the length"},
        {16, 4, G_MAXUINT32, "the length"},
        {HEADER, 1, 0, "a module's name"},
        {HEADER + MODULE, 1, 'a', "a module's name"},
        {HEADER + HEALTH + 10, 1, 101, "a module's health"},
        {HEADER + HEALTH + 11, 1, 101, "a module's health"},
        {HEADER + HEALTH + 12, 1, 16, "a module's health"},
        {HEADER + HEALTH + 8, 2, 8, "a module's health"},
        {HEADER + HEALTH + 13, 1, 2, "a module's health"},
        {HEADER + HEALTH + 14, 1, 2, "a module's health"},
        {UNITS, 4, 2, "an error's module"},
        {UNITS, 4, G_MAXUINT32, "an error's module"},
        {UNITS + 4, 8, 2, "an error's offset"},
        {UNITS + 4, 8, 1ull << 63, "an error's offset"},
        {UNITS + 12, 4, 0, "an error's offset"}, /* the same again */
    };
    NvdimmMedia media;

    memset(&seen, 0, sizeof(seen));
    mmrig_nvdimm_media_init(&media, UNIT);
    g_assert_true(mmrig_nvdimm_media_lay(&media, plug(&media, "a", 0), UNIT, 1, TRUE));
    g_assert_true(mmrig_nvdimm_media_lay(&media, plug(&media, "b", 1), UNIT, 1, FALSE));
    g_autoptr(GByteArray) pack = mmrig_nvdimm_media_pack(&media);
    g_assert_cmpuint(pack->len, ==, UNITS + 24);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree guint8 *bytes = g_memdup2(pack->data, pack->len);
        const char *why = NULL;

        nvdimm_put(bytes + rows[i].at, rows[i].value, rows[i].size);
        nvdimm_put(bytes + 20, 0, 4);
        nvdimm_put(bytes + 20, ~mmrig_crc32c_update(CRC32C_INIT, bytes, pack->len), 4);
        g_assert_false(mmrig_nvdimm_media_unpack(&media, bytes, pack->len, &why));
        g_assert_cmpstr(why, ==, rows[i].why);
        g_autoptr(GByteArray) still = mmrig_nvdimm_media_pack(&media);
        g_assert_cmpmem(still->data, still->len, pack->data, pack->len);
    }
    for (gsize size = 0; size < pack->len; size++) {
        const char *why = NULL;
        g_assert_false(mmrig_nvdimm_media_unpack(&media, pack->data, size, &why));
        g_assert_nonnull(why);
    }
    /* Any bit. */
    for (gsize bit = 0; bit < pack->len * 8; bit++) {
        const char *why = NULL;
        pack->data[bit / 8] ^= (guint8)(1u << bit % 8);
        g_assert_false(mmrig_nvdimm_media_unpack(&media, pack->data, pack->len, &why));
        pack->data[bit / 8] ^= (guint8)(1u << bit % 8);
    }
    mmrig_nvdimm_media_free(&media);
}

static GByteArray *text(const char *text)
{
    return g_byte_array_append(g_byte_array_new(), (const guint8 *)text, (guint)strlen(text));
}

static void assert_store(NvdimmStore *store, const char *expected, guint32 flags)
{
    g_autofree char *why = NULL;
    guint32 got_flags = 99;
    g_autoptr(GByteArray) got = mmrig_nvdimm_store_read(store, &got_flags, &why);

    g_assert_null(why);
    g_assert_nonnull(got);
    g_assert_cmpmem(got->data, got->len, expected, strlen(expected));
    g_assert_cmpuint(got_flags, ==, flags);
}

static void damage(const NvdimmStore *store, guint place, off_t at)
{
    guint8 byte;

    at += (off_t)place * MMRIG_NVD_STORE_PLACE;
    g_assert_cmpint(pread(store->fd, &byte, 1, at), ==, 1);
    byte ^= 1;
    g_assert_cmpint(pwrite(store->fd, &byte, 1, at), ==, 1);
}

/* Each place in turn; of a file whose newest place is damaged at any byte, the other one. */
static void test_store(void)
{
    g_autoptr(GByteArray) old = text("what was there before"), new = text("new");
    g_autofree char *why = NULL;
    char path[32];
    int fd = memfd_create("store", MFD_CLOEXEC);
    NvdimmStore store, other;
    guint32 flags;

    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    g_assert_cmpint(mmrig_nvdimm_store_open(&store, path, TRUE, &why), ==, 0);
    g_assert_null(mmrig_nvdimm_store_read(&store, &flags, &why));
    g_assert_null(why);
    g_assert_true(mmrig_nvdimm_store_write(&store, 1, old));
    assert_store(&store, "what was there before", 1);
    g_assert_true(mmrig_nvdimm_store_write(&store, 0, new));
    for (guint i = 0; i < 4; i++) {
        guint newest = 1 - store.next;

        assert_store(&store, "new", 0);
        for (off_t at = 0; at < NVDIMM_STORE_HEADER + 3; at++) {
            damage(&store, newest, at);
            assert_store(&store, "what was there before", 1);
            damage(&store, newest, at);
        }
        assert_store(&store, "new", 0);
        g_assert_true(mmrig_nvdimm_store_write(&store, 1, old));
        g_assert_cmpuint(store.next, ==, newest);
        g_assert_true(mmrig_nvdimm_store_write(&store, 0, new));
        g_assert_cmpuint(store.number, ==, 2 * i + 4);
    }

    /* Another one goes on where this one ended. */
    g_assert_cmpint(mmrig_nvdimm_store_open(&other, path, TRUE, &why), ==, -1);
    g_assert_nonnull(strstr(why, "belongs to another machine"));
    g_clear_pointer(&why, g_free);
    g_assert_cmpint(mmrig_nvdimm_store_open(&other, path, FALSE, &why), ==, 0);
    assert_store(&other, "new", 0);
    g_assert_cmpuint(other.number, ==, store.number);
    g_assert_cmpuint(other.next, ==, store.next);
    mmrig_nvdimm_store_close(&other);

    damage(&store, 0, 0);
    damage(&store, 1, NVDIMM_STORE_HEADER);
    g_assert_null(mmrig_nvdimm_store_read(&store, &flags, &why));
    g_assert_nonnull(strstr(why, "damaged in both"));
    mmrig_nvdimm_store_close(&store);
    g_assert_cmpint(store.fd, ==, -1);
    close(fd);
}

/* The checksum of a header and three bytes. */
static guint32 store_sum(const guint8 *bytes)
{
    return ~mmrig_crc32c_update(mmrig_crc32c_update(CRC32C_INIT, bytes, 28), bytes + 32, 3);
}

/* What is in the file, byte by byte; and another's, of which all else is right. */
static void test_store_bytes(void)
{
    static const guint8 head[28] = {'r', 'm', 'm', 'r', 'i', 's', 1, 0, 1,    0,    0,    0,
                                    0,   0,   0,   0,   3,   0,   0, 0, 0x78, 0x56, 0x34, 0x12};
    g_autoptr(GByteArray) bytes = text("abc");
    g_autofree char *why = NULL;
    char path[32];
    guint8 got[35];
    guint32 flags, crc;
    int fd = memfd_create("store", MFD_CLOEXEC);
    NvdimmStore store;

    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    g_assert_cmpint(mmrig_nvdimm_store_open(&store, path, TRUE, &why), ==, 0);
    g_assert_true(mmrig_nvdimm_store_write(&store, 0x12345678, bytes));
    g_assert_cmpint(pread(fd, got, sizeof(got), 0), ==, sizeof(got));
    g_assert_cmpmem(got, sizeof(head), head, sizeof(head));
    g_assert_cmpmem(got + 32, 3, "abc", 3);
    crc = (guint32)nvdimm_get(got + 28, 4);
    /* Of all but itself. */
    g_assert_cmphex(crc, ==, store_sum(got));
    got[0] = 'R';
    nvdimm_put(got + 28, store_sum(got), 4);
    g_assert_cmpint(pwrite(fd, got, sizeof(got), 0), ==, sizeof(got));
    g_assert_null(mmrig_nvdimm_store_read(&store, &flags, &why));
    g_assert_nonnull(strstr(why, "no file of mmrig-nvdimm's"));
    mmrig_nvdimm_store_close(&store);
    close(fd);
}

/* A place that says it is longer than any can be. */
static void test_store_length(void)
{
    g_autofree char *why = NULL;
    g_autoptr(GByteArray) most = g_byte_array_new(), more = g_byte_array_new();
    char path[32];
    int fd = memfd_create("store", MFD_CLOEXEC);
    NvdimmStore store;
    guint32 flags;

    g_byte_array_set_size(most, NVDIMM_PACK_MAX);
    memset(most->data, 3, most->len);
    g_byte_array_set_size(more, NVDIMM_PACK_MAX + 1);
    memset(more->data, 4, more->len);
    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    g_assert_cmpint(mmrig_nvdimm_store_open(&store, path, TRUE, &why), ==, 0);
    g_assert_true(mmrig_nvdimm_store_write(&store, 7, more));
    g_assert_null(mmrig_nvdimm_store_read(&store, &flags, &why));
    g_assert_nonnull(why);
    g_clear_pointer(&why, g_free);
    g_assert_true(mmrig_nvdimm_store_write(&store, 7, most));
    g_autoptr(GByteArray) got = mmrig_nvdimm_store_read(&store, &flags, &why);
    g_assert_cmpmem(got->data, got->len, most->data, most->len);
    g_assert_cmpuint(flags, ==, 7);
    mmrig_nvdimm_store_close(&store);
    close(fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nvdimm/scrub/time", test_scrub_time);
    g_test_add_func("/nvdimm/scrub/late", test_scrub_late);
    g_test_add_func("/nvdimm/scrub/room", test_scrub_room);
    g_test_add_func("/nvdimm/scrub/valid", test_scrub_valid);
    g_test_add_func("/nvdimm/media/limits", test_limits);
    g_test_add_func("/nvdimm/media/full", test_full);
    g_test_add_func("/nvdimm/media/refused", test_refused);
    g_test_add_func("/nvdimm/store/places", test_store);
    g_test_add_func("/nvdimm/store/bytes", test_store_bytes);
    g_test_add_func("/nvdimm/store/length", test_store_length);
    return g_test_run();
}
