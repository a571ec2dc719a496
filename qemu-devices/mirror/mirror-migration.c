/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-mirror: its state in a migration stream. */
#include "mirror.h"

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
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = mirror_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_PCI_DEVICE(parent_obj, MmrigMirror),
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
