/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-mirror: its state in a migration stream. */
#include "mirror.h"

#include "common/crc32c.h"

/* Both sides are started with the same request to the firmware. */
static int mirror_sum_request(void *opaque)
{
    MmrigMirror *s = opaque;
    const uint32_t numbers[] = {s->percent, s->below_4g, s->range_count};
    uint32_t sum = mmrig_crc32c_update(CRC32C_INIT, numbers, sizeof(numbers));

    for (uint32_t i = 0; i < s->range_count; i++) {
        const uint64_t range[] = {s->ranges[i].base, s->ranges[i].size,
                                  s->ranges[i].word};

        sum = mmrig_crc32c_update(sum, range, sizeof(range));
    }
    s->request_sum = ~sum;
    return 0;
}

/* The stream comes from outside: as little to be trusted as the guest. */
static int mirror_post_load(void *opaque, int version)
{
    MmrigMirror *s = opaque;
    bool good = s->applied_count <= MMRIG_MIRROR_APPLIED_MAX &&
                s->status <= MMRIG_MIRROR_STATUS_DEVICE &&
                s->source <= MMRIG_MIRROR_SOURCE_VARIABLE &&
                s->apply.word <= ATTRIBUTES;

    for (uint32_t i = 0; good && i < s->applied_count; i++) {
        good = mmrig_mirror_range_valid(&s->applied[i]) &&
               s->applied[i].word != 0 && s->applied[i].word <= ATTRIBUTES;
    }
    return good ? 0 : -EINVAL;
}

static const VMStateDescription mirror_vmstate_entry = {
    .name = "mmrig-mirror/entry",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(base, MirrorEntry),
            VMSTATE_UINT64(size, MirrorEntry),
            VMSTATE_UINT32(word, MirrorEntry),
            VMSTATE_END_OF_LIST(),
        },
};

const VMStateDescription mmrig_mirror_vmstate = {
    .name = TYPE_MMRIG_MIRROR,
    .version_id = 2,
    .minimum_version_id = 2,
    .pre_save = mirror_sum_request,
    .pre_load = mirror_sum_request,
    .post_load = mirror_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_PCI_DEVICE(parent_obj, MmrigMirror),
            MMRIG_VMSTATE_EQUAL(request_sum, MmrigMirror, uint32),
            VMSTATE_STRUCT(apply, MmrigMirror, 1, mirror_vmstate_entry,
                           MirrorEntry),
            VMSTATE_STRUCT_ARRAY(applied, MmrigMirror, MMRIG_MIRROR_APPLIED_MAX,
                                 1, mirror_vmstate_entry, MirrorEntry),
            VMSTATE_UINT32(applied_count, MmrigMirror),
            VMSTATE_UINT32(status, MmrigMirror),
            VMSTATE_UINT64(status_detail, MmrigMirror),
            VMSTATE_UINT32(source, MmrigMirror),
            VMSTATE_UINT32(error, MmrigMirror),
            VMSTATE_UINT32(error_detail, MmrigMirror),
            VMSTATE_UINT32(errors.corrected, MmrigMirror),
            VMSTATE_UINT32(errors.failovers, MmrigMirror),
            VMSTATE_UINT64(errors.last, MmrigMirror),
            VMSTATE_END_OF_LIST(),
        },
};
