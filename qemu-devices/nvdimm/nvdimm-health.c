/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module's health: "NVDIMM DSM Interface" (Intel), 3.1, 3.2, 3.11, 3.18 and
 * 3.19. What can be injected stays until it is taken back, as on real modules.
 */
#include "nvdimm-dsm.h"

#include <string.h>

#include "common/bytes.h"

#define SMART_SIZE 132 /* with the status */

static uint8_t health_alarms(const NvdimmHealth *health)
{
    uint8_t alarms = 0;

    if (health->spares < health->spares_threshold) {
        alarms |= MMRIG_NVD_ALARM_SPARES;
    }
    if (health->media_temperature >= health->media_threshold) {
        alarms |= MMRIG_NVD_ALARM_MEDIA_TEMP;
    }
    if (health->ctrl_temperature >= health->ctrl_threshold) {
        alarms |= MMRIG_NVD_ALARM_CTRL_TEMP;
    }
    return alarms & health->alarms;
}

static uint32_t smart(const NvdimmHealth *health, uint8_t *to)
{
    uint8_t alarms = health_alarms(health);
    uint8_t state = alarms ? MMRIG_NVD_HEALTH_NON_CRITICAL : 0;

    if (health->injected & MMRIG_NVD_SMART_INJECT_FATAL) {
        state |= MMRIG_NVD_HEALTH_FATAL;
    }
    nvdimm_put(to + 4,
               MMRIG_NVD_SMART_HEALTH | MMRIG_NVD_SMART_SPARES |
                   MMRIG_NVD_SMART_USED | MMRIG_NVD_SMART_MEDIA_TEMP |
                   MMRIG_NVD_SMART_CTRL_TEMP | MMRIG_NVD_SMART_SHUTDOWN_COUNT |
                   MMRIG_NVD_SMART_ALARMS | MMRIG_NVD_SMART_SHUTDOWN,
               4);
    to[12] = state;
    to[13] = health->spares;
    to[14] = 100 - health->spares;
    to[15] = alarms;
    nvdimm_put(to + 16, health->media_temperature, 2);
    nvdimm_put(to + 18, health->ctrl_temperature, 2);
    nvdimm_put(to + 20, health->shutdown_count, 4);
    to[35] = health->dirty;
    return SMART_SIZE;
}

static uint32_t thresholds(const NvdimmHealth *health, uint8_t *to)
{
    nvdimm_put(to + 4, health->alarms, 2);
    to[6] = health->spares_threshold;
    nvdimm_put(to + 7, health->media_threshold, 2);
    nvdimm_put(to + 9, health->ctrl_threshold, 2);
    return 12;
}

static uint32_t set_thresholds(NvdimmHealth *health, const uint8_t *data)
{
    uint16_t alarms = nvdimm_get(data, 2);

    if ((alarms & ~MMRIG_NVD_ALARM_ALL) || data[2] > 100) {
        return MMRIG_NVD_INVALID;
    }
    health->alarms = alarms;
    health->spares_threshold = data[2];
    health->media_threshold = nvdimm_get(data + 3, 2);
    health->ctrl_threshold = nvdimm_get(data + 5, 2);
    return MMRIG_NVD_OK;
}

static uint32_t inject(NvdimmHealth *health, const uint8_t *data)
{
    uint64_t flags = nvdimm_get(data, 8);
    NvdimmHealth usual;

    mmrig_nvdimm_health_init(&usual);
    if (flags == 0 || (flags & ~(uint64_t)MMRIG_NVD_SMART_INJECT_ALL) ||
        ((flags & MMRIG_NVD_SMART_INJECT_SPARES) && data[11] &&
         data[12] > 100)) {
        return MMRIG_NVD_INVALID;
    }
    if (flags & MMRIG_NVD_SMART_INJECT_TEMP) {
        health->media_temperature =
            data[8] ? nvdimm_get(data + 9, 2) : usual.media_temperature;
    }
    if (flags & MMRIG_NVD_SMART_INJECT_SPARES) {
        health->spares = data[11] ? data[12] : usual.spares;
    }
    if (flags & MMRIG_NVD_SMART_INJECT_FATAL) {
        health->injected &= ~MMRIG_NVD_SMART_INJECT_FATAL;
        health->injected |= data[13] ? MMRIG_NVD_SMART_INJECT_FATAL : 0;
    }
    if (flags & MMRIG_NVD_SMART_INJECT_SHUTDOWN) {
        health->injected &= ~MMRIG_NVD_SMART_INJECT_SHUTDOWN;
        health->injected |= data[14] ? MMRIG_NVD_SMART_INJECT_SHUTDOWN : 0;
    }
    return MMRIG_NVD_OK;
}

bool mmrig_nvdimm_dsm_module(NvdimmDsm *dsm, NvdimmModule *module,
                             const uint8_t *in, uint8_t *out, uint32_t *mask)
{
    const uint8_t *data = in + MMRIG_NVD_IN_DATA;
    uint32_t revision = nvdimm_get(in + MMRIG_NVD_IN_REVISION, 4);
    uint32_t function = nvdimm_get(in + MMRIG_NVD_IN_FUNCTION, 4);
    NvdimmHealth *health = &module->health;
    uint8_t alarms = health_alarms(health);
    uint8_t injected = health->injected;
    uint32_t status = MMRIG_NVD_OK;
    uint32_t size = 4;

    *mask = 0;
    if (revision != MMRIG_NVD_REVISION && revision != MMRIG_NVD_REVISION_2) {
        return false;
    }
    switch (function) {
    case 0:
        /* QEMU knows revision 1 only, with its labels. */
        if (revision == MMRIG_NVD_REVISION) {
            *mask = MMRIG_NVD_DIMM_MASK | 1;
            return false;
        }
        nvdimm_put(out + MMRIG_NVD_OUT_DATA, MMRIG_NVD_DIMM_MASK | 1, 4);
        nvdimm_put(out + MMRIG_NVD_OUT_SIZE, MMRIG_NVD_OUT_DATA + 4, 4);
        return true;
    case MMRIG_NVD_SMART:
        size = smart(health, out + MMRIG_NVD_OUT_DATA);
        break;
    case MMRIG_NVD_SMART_THRESHOLDS:
        size = thresholds(health, out + MMRIG_NVD_OUT_DATA);
        break;
    case MMRIG_NVD_LATCH_SHUTDOWN:
        health->latched = data[0] & 1;
        break;
    case MMRIG_NVD_SMART_SET_THRESHOLDS:
        status = set_thresholds(health, data);
        break;
    case MMRIG_NVD_SMART_INJECT:
        status = inject(health, data);
        break;
    default:
        return false;
    }
    dsm->calls++;
    dsm->refused += status != MMRIG_NVD_OK;
    nvdimm_put(out + MMRIG_NVD_OUT_DATA, status, 4);
    nvdimm_put(out + MMRIG_NVD_OUT_SIZE, MMRIG_NVD_OUT_DATA + size, 4);
    if (function > MMRIG_NVD_SMART_THRESHOLDS && status == MMRIG_NVD_OK) {
        dsm->changed(dsm->opaque);
        /* An alarm that was not there, or a health that became worse. */
        if (((health_alarms(health) & ~alarms) ||
             (health->injected & ~injected)) &&
            module->slot < MMRIG_NVD_EVENT_HEALTH_MAX) {
            dsm->event(dsm->opaque, MMRIG_NVD_EVENT_HEALTH(module->slot));
        }
    }
    return true;
}
