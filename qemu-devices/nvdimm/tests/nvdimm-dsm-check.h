/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of mmrig-nvdimm share: calling a _DSM function as the guest's AML does. */
#ifndef MMRIG_NVDIMM_DSM_TEST_H
#define MMRIG_NVDIMM_DSM_TEST_H

#include <string.h>

#include "mmrig-nvdimm-regs.h"
#include "qtest.h"

#define NVD_PAGE  0x01000000u /* where the page is */
#define NVD_SIZE  (64ull << 20)
#define NVD_UNIT  256
#define NVD_INTEL "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"

/* Two NVDIMMs with labels, and the device; extra is its properties, option and value are QEMU's
 * or NULL. */
static inline QTest *nvd_start_with(const char *option, const char *value, const char *extra)
{
    g_autofree char *device = g_strconcat("mmrig-nvdimm,id=nvd", extra, NULL);

    return qtest_start(
        "-machine", "nvdimm=on", "-cpu", NVD_INTEL, "-m", "256M,slots=4,maxmem=2G", "-object",
        "memory-backend-ram,id=m0,size=64M", "-object", "memory-backend-ram,id=m1,size=65664K",
        "-device", "nvdimm,id=pmem0,memdev=m0", "-device",
        "nvdimm,id=pmem1,memdev=m1,label-size=128K", "-device", device, option, value, NULL);
}

static inline QTest *nvd_start(const char *extra)
{
    return nvd_start_with(NULL, NULL, extra);
}

/* What is for -incoming, or NULL. */
static inline QTest *nvd_start_incoming(const char *incoming, const char *extra)
{
    return nvd_start_with(incoming ? "-incoming" : NULL, incoming, extra);
}

static inline void nvd_put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t nvd_get(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

/* Calls a function; the answer is in out (a page), its status is returned. */
static inline uint32_t nvd_call(QTest *q, uint32_t handle, uint32_t revision, uint32_t function,
                                const void *data, size_t size, uint8_t *out)
{
    uint8_t page[MMRIG_NVD_PAGE_SIZE] = {0};

    g_assert_cmpuint(size, <=, MMRIG_NVD_IN_MAX);
    nvd_put(page + MMRIG_NVD_IN_HANDLE, handle, 4);
    nvd_put(page + MMRIG_NVD_IN_REVISION, revision, 4);
    nvd_put(page + MMRIG_NVD_IN_FUNCTION, function, 4);
    if (size > 0)
        memcpy(page + MMRIG_NVD_IN_DATA, data, size);
    qtest_write(q, NVD_PAGE, page, sizeof(page));
    qtest_outl(q, MMRIG_NVD_PORT, NVD_PAGE);
    qtest_read(q, NVD_PAGE, out, MMRIG_NVD_PAGE_SIZE);
    return (uint32_t)nvd_get(out + MMRIG_NVD_OUT_DATA, 4);
}

/* Of the root device, with an address and a length as most of them take. */
static inline uint32_t nvd_range(QTest *q, uint32_t function, uint64_t address, uint64_t length,
                                 uint64_t rest, uint8_t *out)
{
    uint8_t data[24];

    nvd_put(data, address, 8);
    nvd_put(data + 8, length, 8);
    nvd_put(data + 16, rest, 8);
    return nvd_call(q, MMRIG_NVD_HANDLE_ROOT, MMRIG_NVD_REVISION, function, data, sizeof(data),
                    out);
}

static inline void nvd_set(QTest *q, const char *property, const char *value)
{
    qtest_set(q, "nvd", property, value);
}

static inline uint64_t nvd_count(QTest *q, const char *property)
{
    return qtest_get(q, "nvd", property);
}

static inline char *nvd_text(QTest *q, const char *property)
{
    g_autoptr(JsonNode) answer = qtest_qmp(
        q, "{'execute':'qom-get','arguments':{'path':'nvd','property':'%s'}}", property);

    return g_strdup(json_node_get_string(answer));
}

/* Where an NVDIMM is in the guest's memory. */
static inline uint64_t nvd_base(QTest *q, const char *module)
{
    g_autofree char *text = nvd_text(q, "modules");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", -1);
        if (g_strcmp0(words[0], module) == 0)
            return g_ascii_strtoull(words[1], NULL, 0);
    }
    g_error("there is no %s in: %s", module, text);
}

#endif
