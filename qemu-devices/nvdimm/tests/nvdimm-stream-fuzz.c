/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Migration streams of mmrig-nvdimm that are not what it has saved. */
#include "fuzz-stream.h"
#include "nvdimm-scrub-check.h"

/* CRC32C (RFC 3720), bit by bit. */
static uint32_t stream_crc(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

/* The packed media are behind their size; their checksum is at 20 of them. */
static void mend_media(uint8_t *section, size_t size)
{
    static const uint8_t magic[] = {'v', 'd', 'n', 'm'};
    uint8_t *media = memmem(section, size, magic, sizeof(magic));
    uint32_t length;

    if (!media || media < section + 4 || one_in(4))
        return;
    memcpy(&length, media - 4, sizeof(length));
    length = GUINT32_FROM_BE(length);
    if (length < 24 || length > size - (size_t)(media - section))
        return;
    nvd_put(media + 20, 0, 4);
    nvd_put(media + 20, stream_crc(media, length), 4);
}

static QTest *start(const char *incoming)
{
    return nvd_start_incoming(incoming, ",ars-buffer=120,ars-rate=64M");
}

/* Errors, the records of a scrub that was stopped, or one that runs. */
static void prepare(QTest *q)
{
    uint64_t base = nvd_base(q, "pmem0");

    for (unsigned i = 0; i < 4; i++) {
        g_autofree char *text = g_strdup_printf("pmem0 0x%x %u", 0x1000 * (i + 1), 512);
        nvd_set(q, "inject", text);
    }
    nvd_set(q, "inject", "pmem1 0 256");
    scrub(q, base, NVD_SIZE);
    if (one_in(2)) {
        g_assert_cmphex(scrub_status(q), ==, SCRUB(STOPPED));
        start_scrub(q, base, NVD_SIZE, MMRIG_NVD_ARS_PERSISTENT, 0);
        qtest_clock_step(q, 500 * MS);
    }
}

static void use(QTest *q)
{
    uint64_t base = nvd_base(q, "pmem0");

    scrub_status(q);
    qtest_clock_step(q, 2000 * MS);
    scrub_status(q);
    g_assert_cmpuint(nvd_get(out, 4), <=, 4 + 120);
    g_free(nvd_text(q, "errors"));
    for (uint32_t function = 0; function < 10; function++)
        range(q, function, base, 0x10000);
    for (uint32_t function = 1; function < 19; function++)
        nvd_call(q, 1, REV, function, NULL, 0, out);
    scrub(q, base, NVD_SIZE);
    qtest_readq(q, base + 0x1000);
    qtest_inl(q, MMRIG_NVD_PORT);
    nvd_set(q, "clear", "all");
    g_autofree char *errors = nvd_text(q, "errors");
    g_assert_cmpstr(errors, ==, "");
}

static void test_stream(void)
{
    static const char *const sections[] = {"mmrig-nvdimm", NULL};
    const FuzzStream stream = {sections, start, prepare, use, mend_media};

    fuzz_stream(&stream);
}

int main(int argc, char **argv)
{
    (void)argc;
    return fuzz_main(argv[0], "/nvdimm/stream-fuzz", test_stream);
}
