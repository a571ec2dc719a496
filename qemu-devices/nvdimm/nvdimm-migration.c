/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of mmrig-nvdimm moves with its machine. */
#include "compat.h"

#include "qemu/error-report.h"

#include "nvdimm-device.h"

static int nvdimm_pre_save(void *opaque)
{
    MmrigNvdimm *s = opaque;
    GByteArray *pack = mmrig_nvdimm_media_pack(&s->dsm.media);

    mmrig_nvdimm_save_due(s);
    g_free(s->packed);
    s->packed_size = pack->len;
    s->packed = g_byte_array_free(pack, FALSE);
    return 0;
}

static MMRIG_POST_SAVE_RESULT nvdimm_post_save(void *opaque)
{
    MmrigNvdimm *s = opaque;

    g_clear_pointer(&s->packed, g_free);
    return MMRIG_POST_SAVED;
}

static bool nvdimm_size_valid(void *opaque, int version)
{
    MmrigNvdimm *s = opaque;

    return s->packed_size > 0 && s->packed_size <= NVDIMM_PACK_MAX;
}

static int nvdimm_pre_load(void *opaque)
{
    MmrigNvdimm *s = opaque;

    g_clear_pointer(&s->packed, g_free);
    return 0;
}

static int nvdimm_post_load(void *opaque, int version)
{
    MmrigNvdimm *s = opaque;
    const char *why = NULL;
    bool good;

    mmrig_nvdimm_refresh(s);
    good = mmrig_nvdimm_scrub_valid(&s->dsm) &&
           mmrig_nvdimm_media_unpack(&s->dsm.media, s->packed, s->packed_size,
                                     &why);
    g_clear_pointer(&s->packed, g_free);
    if (!good) {
        error_report("mmrig-nvdimm: the incoming state's %s is wrong",
                     why ? why : "scrub");
        return -EINVAL;
    }
    mmrig_nvdimm_save(s);
    return 0;
}

const VMStateDescription mmrig_nvdimm_vmstate = {
    .name = TYPE_MMRIG_NVDIMM,
    .version_id = 3,
    .minimum_version_id = 3,
    .pre_save = nvdimm_pre_save,
    .post_save = nvdimm_post_save,
    .pre_load = nvdimm_pre_load,
    .post_load = nvdimm_post_load,
    .fields =
        (const VMStateField[]){
            /* What both sides are started with, and must agree on. */
            MMRIG_VMSTATE_EQUAL(dsm.buffer, MmrigNvdimm, uint32),
            MMRIG_VMSTATE_EQUAL(dsm.rate, MmrigNvdimm, uint64),
            MMRIG_VMSTATE_EQUAL(least_ms, MmrigNvdimm, uint32),
            MMRIG_VMSTATE_EQUAL(notifies, MmrigNvdimm, uint8),
            VMSTATE_UINT32(packed_size, MmrigNvdimm),
            VMSTATE_VALIDATE("packed_size", nvdimm_size_valid),
            VMSTATE_VBUFFER_ALLOC_UINT32(packed, MmrigNvdimm, 1, NULL,
                                         packed_size),
            VMSTATE_UINT32(dsm.scrub.state, MmrigNvdimm),
            VMSTATE_UINT32(dsm.scrub.type, MmrigNvdimm),
            VMSTATE_UINT32(dsm.scrub.overflow, MmrigNvdimm),
            VMSTATE_UINT32(dsm.scrub.records, MmrigNvdimm),
            VMSTATE_UINT64(dsm.scrub.start, MmrigNvdimm),
            VMSTATE_UINT64(dsm.scrub.length, MmrigNvdimm),
            VMSTATE_UINT64(dsm.scrub.restart, MmrigNvdimm),
            VMSTATE_UINT64(dsm.scrub.restart_length, MmrigNvdimm),
            VMSTATE_INT64(dsm.scrub.end_ns, MmrigNvdimm),
            VMSTATE_UINT64_ARRAY(dsm.scrub.record_start, MmrigNvdimm,
                                 NVDIMM_RECORDS_MAX),
            VMSTATE_UINT64_ARRAY(dsm.scrub.record_length, MmrigNvdimm,
                                 NVDIMM_RECORDS_MAX),
            VMSTATE_UINT32_ARRAY(dsm.scrub.record_handle, MmrigNvdimm,
                                 NVDIMM_RECORDS_MAX),
            VMSTATE_UINT32(events, MmrigNvdimm),
            VMSTATE_UINT64(dsm.calls, MmrigNvdimm),
            VMSTATE_UINT64(dsm.refused, MmrigNvdimm),
            VMSTATE_UINT64(dsm.scrubs, MmrigNvdimm),
            VMSTATE_UINT64(dsm.overflows, MmrigNvdimm),
            VMSTATE_UINT64(dsm.injected, MmrigNvdimm),
            VMSTATE_UINT64(dsm.cleared, MmrigNvdimm),
            VMSTATE_UINT64(consumed, MmrigNvdimm),
            VMSTATE_UINT64(notified, MmrigNvdimm),
            VMSTATE_END_OF_LIST(),
        },
};
