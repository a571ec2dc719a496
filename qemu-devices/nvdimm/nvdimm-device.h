/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of mmrig-nvdimm share: the device itself. */
#pragma once

#include "compat.h"

#include "system/memory.h"
#include "hw/core/qdev.h"
#include "migration/vmstate.h"
#include "qemu/notify.h"
#include "qemu/timer.h"
#include "qom/object.h"

#include "nvdimm-dsm.h"
#include "nvdimm-store.h"
#include "poison/poison.h"

#define TYPE_MMRIG_NVDIMM "mmrig-nvdimm"
OBJECT_DECLARE_SIMPLE_TYPE(MmrigNvdimm, MMRIG_NVDIMM)

/* In the store: the machine has not been shut down. */
#define STORE_RUNNING 1u

struct MmrigNvdimm {
    DeviceState parent_obj;

    char *store_path;
    uint32_t unit;
    uint32_t buffer;
    uint64_t rate;
    uint32_t least_ms;
    bool notify;
    uint8_t notifies; /* notify, as it was when the device was made */
    bool debug;

    MemoryRegion region;
    MemoryRegion *below; /* QEMU's; a reference is held */
    MmrigPoison *poison;
    int source;
    NvdimmStore store;
    uint32_t store_flags; /* STORE_RUNNING; 0 once the guest has shut down */
    bool store_failed;
    QEMUBH *saver;
    bool unsaved; /* saver is to write the store */
    bool crowded; /* it was said that there are too many modules */
    Notifier ready;
    Notifier shutdown;

    NvdimmDsm dsm;
    uint32_t events;
    uint64_t consumed;
    uint64_t notified;

    /* For migration: mmrig_nvdimm_media_pack(). */
    uint8_t *packed;
    uint32_t packed_size;
};

static inline int64_t nvdimm_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* nvdimm-save.c */

/* Writes health and errors into the store, if there is one. */
void mmrig_nvdimm_save(MmrigNvdimm *s);
/* Does so if a change waits for it; opaque is the device. */
void mmrig_nvdimm_save_due(void *opaque);
/* Has a change wait for the main loop; opaque is the device. */
void mmrig_nvdimm_save_soon(void *opaque);
/* Opens the store, if there is to be one, and takes what it holds. */
bool mmrig_nvdimm_load(MmrigNvdimm *s, Error **errp);

/* nvdimm.c */

/* Looks up the machine's NVDIMMs, which can be plugged at any time. */
void mmrig_nvdimm_refresh(MmrigNvdimm *s);
/* Tells the guest of MMRIG_NVD_EVENT_*; opaque is the device. */
void mmrig_nvdimm_event(void *opaque, uint32_t event);

/* nvdimm-migration.c */
extern const VMStateDescription mmrig_nvdimm_vmstate;

/* nvdimm-properties.c: those that are not given when it is made. */
void mmrig_nvdimm_class_add_properties(ObjectClass *klass);
void mmrig_nvdimm_add_properties(Object *object);
