/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The root device's functions. Whatever is wrong with a call is answered by a
 * status; the specification gives "Invalid Input Parameters" for a range that
 * is not memory of ours, and "Not Supported" for functions and revisions that
 * there are not.
 *
 * Theory of operation of the scrub. There is one. Start ARS says when it ends;
 * the first call after that, of any kind, takes down its results, so there is
 * no timer to keep or to migrate. A scrub that finds more than the guest's
 * buffer can hold stops behind the last part that fits and says where to go on.
 */
#include "nvdimm-dsm.h"

#include <string.h>

#include "common/bytes.h"

#define NS_PER_SECOND 1000000000

static void answer_size(uint8_t *out, uint32_t size)
{
    nvdimm_put(out + MMRIG_NVD_OUT_SIZE, MMRIG_NVD_OUT_DATA + size, 4);
}

static void answer_status(NvdimmDsm *dsm, uint8_t *out, uint32_t status,
                          uint32_t size)
{
    nvdimm_put(out + MMRIG_NVD_OUT_DATA, status, 4);
    answer_size(out, size);
    dsm->refused += (status & 0xffff) != MMRIG_NVD_OK;
}

/* ---- The scrub ---------------------------------------------------------- */

static uint32_t records_max(const NvdimmDsm *dsm)
{
    return (dsm->buffer - MMRIG_NVD_ARS_STATUS_HEADER) / MMRIG_NVD_ARS_RECORD;
}

/*
 * Takes down what there is in the range, and where it stopped if it did. A
 * whole scrub finds what nobody knew; what it did not come to stays unknown.
 */
static void scrub_end(NvdimmDsm *dsm, bool whole)
{
    NvdimmScrub *scrub = &dsm->scrub;
    NvdimmModule *module =
        mmrig_nvdimm_media_at(&dsm->media, scrub->start, scrub->length);
    uint64_t offset;
    uint64_t end;
    uint64_t length;
    bool known;

    scrub->state = NVDIMM_SCRUB_ENDED;
    if (!module) {
        return;
    }
    offset = scrub->start - module->base;
    end = offset + scrub->length;
    while (mmrig_nvdimm_media_next(&dsm->media, module, !whole, end, &offset,
                                   &length, &known)) {
        uint32_t i = scrub->records;

        if (i >= records_max(dsm)) {
            uint64_t stop =
                scrub->record_start[i - 1] + scrub->record_length[i - 1];

            scrub->overflow = true;
            scrub->restart = stop;
            scrub->restart_length = scrub->start + scrub->length - stop;
            scrub->length = stop - scrub->start;
            dsm->overflows++;
            break;
        }
        scrub->record_start[i] = module->base + offset;
        scrub->record_length[i] = length;
        scrub->record_handle[i] = module->handle;
        scrub->records++;
        if (whole) {
            mmrig_nvdimm_media_learn(&dsm->media, module, offset, length);
        }
        offset += length;
    }
    if (whole) {
        dsm->scrubs++;
        dsm->changed(dsm->opaque);
    }
}

void mmrig_nvdimm_dsm_poll(NvdimmDsm *dsm, int64_t now)
{
    if (dsm->scrub.state == NVDIMM_SCRUB_RUNNING && now >= dsm->scrub.end_ns) {
        scrub_end(dsm, true);
    }
}

void mmrig_nvdimm_dsm_reset(NvdimmDsm *dsm)
{
    memset(&dsm->scrub, 0, sizeof(dsm->scrub));
}

bool mmrig_nvdimm_scrub_valid(NvdimmDsm *dsm)
{
    const NvdimmScrub *scrub = &dsm->scrub;

    if (scrub->state > NVDIMM_SCRUB_ENDED || scrub->overflow > 1 ||
        scrub->records > records_max(dsm)) {
        return false;
    }
    /* It takes down what it finds when it ends, from the first record on. */
    if (scrub->state != NVDIMM_SCRUB_ENDED &&
        (scrub->records > 0 || scrub->overflow)) {
        return false;
    }
    return scrub->state != NVDIMM_SCRUB_RUNNING ||
           mmrig_nvdimm_media_at(&dsm->media, scrub->start, scrub->length);
}

static int64_t scrub_time(const NvdimmDsm *dsm, uint64_t length)
{
    uint64_t ns = 0;

    if (dsm->rate) {
        uint64_t seconds = MIN(length / dsm->rate, INT32_MAX);
        uint64_t rest = length % dsm->rate;

        ns = seconds * NS_PER_SECOND +
             (uint64_t)((double)rest / dsm->rate * NS_PER_SECOND);
    }
    return MAX(ns, dsm->least_ns);
}

/* ---- Functions ---------------------------------------------------------- */

static void root_functions(uint8_t *out)
{
    nvdimm_put(out + MMRIG_NVD_OUT_DATA, MMRIG_NVD_ROOT_MASK, 4);
    answer_size(out, 4);
}

static void ars_capabilities(NvdimmDsm *dsm, const uint8_t *data, uint8_t *out)
{
    uint64_t start = nvdimm_get(data, 8);
    uint64_t length = nvdimm_get(data + 8, 8);
    uint32_t status = MMRIG_NVD_OK | MMRIG_NVD_ARS_PERSISTENT << 16;

    if (length == 0 || start + (length - 1) < start) {
        status = MMRIG_NVD_INVALID;
    } else if (!mmrig_nvdimm_media_at(&dsm->media, start, length)) {
        status = MMRIG_NVD_NOT_SUPPORTED;
    } else {
        nvdimm_put(out + MMRIG_NVD_OUT_DATA + 4, dsm->buffer, 4);
        nvdimm_put(out + MMRIG_NVD_OUT_DATA + 8, dsm->media.unit, 4);
    }
    answer_status(dsm, out, status, 16);
}

static void ars_start(NvdimmDsm *dsm, int64_t now, const uint8_t *data,
                      uint8_t *out)
{
    NvdimmScrub *scrub = &dsm->scrub;
    uint64_t start = nvdimm_get(data, 8);
    uint64_t length = nvdimm_get(data + 8, 8);
    uint32_t type = nvdimm_get(data + 16, 2);
    uint8_t flags = data[18];
    int64_t time;

    if ((type & ~(MMRIG_NVD_ARS_VOLATILE | MMRIG_NVD_ARS_PERSISTENT)) ||
        !(type & MMRIG_NVD_ARS_PERSISTENT) ||
        !mmrig_nvdimm_media_at(&dsm->media, start, length)) {
        answer_status(dsm, out, MMRIG_NVD_INVALID, 8);
        return;
    }
    if (scrub->state == NVDIMM_SCRUB_RUNNING) {
        answer_status(dsm, out, MMRIG_NVD_ARS_BUSY, 8);
        return;
    }
    *scrub = (NvdimmScrub){
        .state = NVDIMM_SCRUB_RUNNING,
        .type = type,
        .start = start,
        .length = length,
    };
    if (flags & MMRIG_NVD_START_PREVIOUS) {
        scrub_end(dsm, false);
        time = 0;
    } else {
        time = scrub_time(dsm, length);
        scrub->end_ns = now > INT64_MAX - time ? INT64_MAX : now + time;
    }
    nvdimm_put(out + MMRIG_NVD_OUT_DATA + 4,
               (time + NS_PER_SECOND - 1) / NS_PER_SECOND, 4);
    answer_status(dsm, out, MMRIG_NVD_OK, 8);
}

static void ars_status(NvdimmDsm *dsm, uint8_t *out)
{
    const NvdimmScrub *scrub = &dsm->scrub;
    uint8_t *to = out + MMRIG_NVD_OUT_DATA;
    uint32_t extended = MMRIG_NVD_SCRUB_DONE;
    uint32_t size =
        MMRIG_NVD_ARS_STATUS_HEADER + scrub->records * MMRIG_NVD_ARS_RECORD;

    if (scrub->state == NVDIMM_SCRUB_NONE) {
        extended = MMRIG_NVD_SCRUB_NONE;
    } else if (scrub->state == NVDIMM_SCRUB_RUNNING) {
        extended = MMRIG_NVD_SCRUB_BUSY;
    } else if (scrub->overflow) {
        extended = MMRIG_NVD_SCRUB_STOPPED;
    }
    /* The size of the output counts itself, and not the status before it. */
    nvdimm_put(to + 4, size - 4, 4);
    nvdimm_put(to + 8, scrub->start, 8);
    nvdimm_put(to + 16, scrub->length, 8);
    nvdimm_put(to + 24, scrub->restart, 8);
    nvdimm_put(to + 32, scrub->restart_length, 8);
    nvdimm_put(to + 40, scrub->type, 2);
    nvdimm_put(to + 42, scrub->overflow ? MMRIG_NVD_STATUS_OVERFLOW : 0, 2);
    nvdimm_put(to + 44, scrub->records, 4);
    to += MMRIG_NVD_ARS_STATUS_HEADER;
    for (uint32_t i = 0; i < scrub->records; i++, to += MMRIG_NVD_ARS_RECORD) {
        nvdimm_put(to, scrub->record_handle[i], 4);
        nvdimm_put(to + 8, scrub->record_start[i], 8);
        nvdimm_put(to + 16, scrub->record_length[i], 8);
    }
    answer_status(dsm, out, extended << 16, size);
}

static void clear_error(NvdimmDsm *dsm, const uint8_t *data, uint8_t *out)
{
    uint64_t start = nvdimm_get(data, 8);
    uint64_t length = nvdimm_get(data + 8, 8);
    NvdimmModule *module = mmrig_nvdimm_media_at(&dsm->media, start, length);
    uint64_t offset;
    uint64_t end;
    uint64_t part;
    bool known;

    if (!module || start % dsm->media.unit || length % dsm->media.unit) {
        answer_status(dsm, out, MMRIG_NVD_INVALID, 16);
        return;
    }
    offset = start - module->base;
    end = offset + length;
    while (mmrig_nvdimm_media_next(&dsm->media, module, false, end, &offset,
                                   &part, &known)) {
        dsm->cleared +=
            mmrig_nvdimm_media_heal(&dsm->media, module, offset, part);
        dsm->wipe(dsm->opaque, module, offset, part);
        offset += part;
    }
    dsm->changed(dsm->opaque);
    nvdimm_put(out + MMRIG_NVD_OUT_DATA + 8, length, 8);
    answer_status(dsm, out, MMRIG_NVD_OK, 16);
}

static void translate_spa(NvdimmDsm *dsm, const uint8_t *data, uint8_t *out)
{
    uint64_t address = nvdimm_get(data, 8);
    const NvdimmModule *module = mmrig_nvdimm_media_at(&dsm->media, address, 1);
    uint8_t *to = out + MMRIG_NVD_OUT_DATA;

    if (!module) {
        answer_status(dsm, out, MMRIG_NVD_INVALID, 20);
        return;
    }
    /* Flags (to + 4) are 0: not volatile. Modules are not interleaved. */
    nvdimm_put(to + 8, module->size - (address - module->base), 8);
    nvdimm_put(to + 16, 1, 4);
    nvdimm_put(to + 20, module->handle, 4);
    nvdimm_put(to + 28, address - module->base, 8);
    answer_status(dsm, out, MMRIG_NVD_OK, 36);
}

bool mmrig_nvdimm_dsm_inject(NvdimmDsm *dsm, NvdimmModule *module,
                             uint64_t offset, uint64_t length, bool notify)
{
    uint32_t before = dsm->media.bad;

    if (!mmrig_nvdimm_media_lay(&dsm->media, module, offset, length, notify)) {
        return false;
    }
    dsm->injected += dsm->media.bad - before;
    dsm->changed(dsm->opaque);
    if (notify) {
        dsm->event(dsm->opaque, MMRIG_NVD_EVENT_ERROR);
    }
    return true;
}

static void inject(NvdimmDsm *dsm, const uint8_t *data, uint8_t *out)
{
    uint64_t start = nvdimm_get(data, 8);
    uint64_t length = nvdimm_get(data + 8, 8);
    NvdimmModule *module = mmrig_nvdimm_media_at(&dsm->media, start, length);

    answer_status(dsm, out,
                  module && mmrig_nvdimm_dsm_inject(
                                dsm, module, start - module->base, length,
                                data[16] & MMRIG_NVD_INJECT_NOTIFY)
                      ? MMRIG_NVD_OK
                      : MMRIG_NVD_INVALID,
                  4);
}

static void inject_clear(NvdimmDsm *dsm, const uint8_t *data, uint8_t *out)
{
    uint64_t start = nvdimm_get(data, 8);
    uint64_t length = nvdimm_get(data + 8, 8);
    NvdimmModule *module = mmrig_nvdimm_media_at(&dsm->media, start, length);

    if (!module) {
        answer_status(dsm, out, MMRIG_NVD_INVALID, 4);
        return;
    }
    dsm->cleared += mmrig_nvdimm_media_heal(&dsm->media, module,
                                            start - module->base, length);
    dsm->changed(dsm->opaque);
    answer_status(dsm, out, MMRIG_NVD_OK, 4);
}

static void inject_status(NvdimmDsm *dsm, uint8_t *out)
{
    const uint32_t most = (MMRIG_NVD_OUT_MAX - MMRIG_NVD_INJECT_STATUS_HEADER) /
                          MMRIG_NVD_INJECT_STATUS_RECORD;
    uint8_t *to = out + MMRIG_NVD_OUT_DATA;
    uint32_t count = 0;

    for (guint i = 0; i < dsm->media.modules->len; i++) {
        const NvdimmModule *module = g_ptr_array_index(dsm->media.modules, i);
        uint64_t offset = 0;
        uint64_t length;
        bool known;

        while (module->present && count < most &&
               mmrig_nvdimm_media_next(&dsm->media, module, false, module->size,
                                       &offset, &length, &known)) {
            uint8_t *record = to + MMRIG_NVD_INJECT_STATUS_HEADER +
                              count * MMRIG_NVD_INJECT_STATUS_RECORD;

            nvdimm_put(record, module->base + offset, 8);
            nvdimm_put(record + 8, length, 8);
            offset += length;
            count++;
        }
    }
    nvdimm_put(to + 4, count, 4);
    answer_status(dsm, out, MMRIG_NVD_OK,
                  MMRIG_NVD_INJECT_STATUS_HEADER +
                      count * MMRIG_NVD_INJECT_STATUS_RECORD);
}

void mmrig_nvdimm_dsm_root(NvdimmDsm *dsm, int64_t now, const uint8_t *in,
                           uint8_t *out)
{
    const uint8_t *data = in + MMRIG_NVD_IN_DATA;
    uint32_t function = nvdimm_get(in + MMRIG_NVD_IN_FUNCTION, 4);

    dsm->calls++;
    mmrig_nvdimm_dsm_poll(dsm, now);
    if (nvdimm_get(in + MMRIG_NVD_IN_REVISION, 4) != MMRIG_NVD_REVISION) {
        /* For function 0 that is: no functions. */
        answer_status(
            dsm, out,
            function == MMRIG_NVD_ROOT_FUNCTIONS ? 0 : MMRIG_NVD_NOT_SUPPORTED,
            4);
        return;
    }
    switch (function) {
    case MMRIG_NVD_ROOT_FUNCTIONS:
        root_functions(out);
        break;
    case MMRIG_NVD_ARS_CAPABILITIES:
        ars_capabilities(dsm, data, out);
        break;
    case MMRIG_NVD_ARS_START:
        ars_start(dsm, now, data, out);
        break;
    case MMRIG_NVD_ARS_STATUS:
        ars_status(dsm, out);
        break;
    case MMRIG_NVD_CLEAR_ERROR:
        clear_error(dsm, data, out);
        break;
    case MMRIG_NVD_TRANSLATE_SPA:
        translate_spa(dsm, data, out);
        break;
    case MMRIG_NVD_INJECT:
        inject(dsm, data, out);
        break;
    case MMRIG_NVD_INJECT_CLEAR:
        inject_clear(dsm, data, out);
        break;
    case MMRIG_NVD_INJECT_STATUS:
        inject_status(dsm, out);
        break;
    default:
        answer_status(dsm, out, MMRIG_NVD_NOT_SUPPORTED, 4);
        break;
    }
}
