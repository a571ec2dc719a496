/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of mmrig-nvdimm share beside calling: scrubs, and the fields of an answer. */
#ifndef MMRIG_NVDIMM_SCRUB_TEST_H
#define MMRIG_NVDIMM_SCRUB_TEST_H

#include "nvdimm-dsm-check.h"

#define MS   1000000ll
#define ROOT MMRIG_NVD_HANDLE_ROOT
#define REV  MMRIG_NVD_REVISION

static uint8_t out[MMRIG_NVD_PAGE_SIZE];

/* A field of the latest answer, by its offset in the specification's table. */
static inline uint64_t field(unsigned offset, unsigned bytes)
{
    return nvd_get(out + MMRIG_NVD_OUT_DATA + offset, bytes);
}

static inline uint32_t range(QTest *q, uint32_t function, uint64_t address, uint64_t length)
{
    return nvd_range(q, function, address, length, 0, out);
}

static inline uint32_t start_scrub(QTest *q, uint64_t address, uint64_t length, unsigned type,
                                   unsigned flags)
{
    return nvd_range(q, MMRIG_NVD_ARS_START, address, length, type | flags << 16, out);
}

static inline uint32_t scrub_status(QTest *q)
{
    return nvd_call(q, ROOT, REV, MMRIG_NVD_ARS_STATUS, NULL, 0, out);
}

#define SCRUB(extended) ((uint32_t)MMRIG_NVD_SCRUB_##extended << 16)

static inline void check_record(unsigned i, uint64_t handle, uint64_t address, uint64_t length)
{
    unsigned at = MMRIG_NVD_ARS_STATUS_HEADER + i * MMRIG_NVD_ARS_RECORD;

    g_assert_cmphex(field(at, 4), ==, handle);
    g_assert_cmphex(field(at + 4, 4), ==, 0);
    g_assert_cmphex(field(at + 8, 8), ==, address);
    g_assert_cmphex(field(at + 16, 8), ==, length);
}

static inline void scrub(QTest *q, uint64_t address, uint64_t length)
{
    g_assert_cmphex(start_scrub(q, address, length, MMRIG_NVD_ARS_PERSISTENT, 0), ==, 0);
    qtest_clock_step(q, 1000 * MS);
}

#endif
