/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-camera: its state in a migration stream. */
#include "camera.h"

#include "common/crc32c.h"
#include "qemu/log.h"

/* Both sides are started with the same lists. */
static int camera_sum_lists(void *opaque)
{
    MmrigCamera *s = opaque;
    uint32_t sum = mmrig_crc32c_update(CRC32C_INIT, s->sizes,
                                       s->size_count * sizeof(s->sizes[0]));

    sum = mmrig_crc32c_update(sum, &s->size_count, sizeof(s->size_count));
    s->lists_sum = ~mmrig_crc32c_update(
        sum, s->formats, s->format_count * sizeof(s->formats[0]));
    return 0;
}

/* The stream comes from outside: as little to be trusted as the guest. */
static int camera_post_load(void *opaque, int version)
{
    MmrigCamera *s = opaque;
    bool timed =
        s->state == MMRIG_CAM_STATE_STREAMING ||
        (s->state == MMRIG_CAM_STATE_STARTING && s->start_timeout_ms > 0);

    if (!mmrig_camera_listed(s->sizes, s->size_count, s->size) ||
        !mmrig_camera_listed(s->formats, s->format_count, s->format) ||
        s->interval < mmrig_camera_interval_min(s) ||
        s->interval > INTERVAL_MAX_NS || s->state > MMRIG_CAM_STATE_FAILED ||
        s->queue_first >= QUEUE_MAX || s->queue_count > s->queue_depth ||
        s->done_first >= DONE_DEPTH || s->done_count > DONE_DEPTH ||
        !mmrig_irq_valid(&s->irq) || s->due < 0 || s->due > INT64_MAX / 2 ||
        timed != timer_pending(s->timer)) {
        qemu_log("mmrig-camera: the incoming state cannot be\n");
        return -EINVAL;
    }
    for (uint32_t i = 0; i < s->queue_count; i++) {
        const CameraBuffer *b = &s->queue[(s->queue_first + i) % QUEUE_MAX];

        if (b->length < mmrig_camera_frame_bytes(s) ||
            b->address > UINT64_MAX - (b->length - 1)) {
            return -EINVAL;
        }
    }
    mmrig_camera_renew_pattern(s);
    return 0;
}

static const VMStateDescription camera_vmstate_buffer = {
    .name = "mmrig-camera/buffer",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(address, CameraBuffer),
            VMSTATE_UINT32(length, CameraBuffer),
            VMSTATE_UINT32(cookie, CameraBuffer),
            VMSTATE_END_OF_LIST(),
        },
};

static const VMStateDescription camera_vmstate_done = {
    .name = "mmrig-camera/done",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(address, CameraDone),
            VMSTATE_UINT64(time, CameraDone),
            VMSTATE_UINT32(cookie, CameraDone),
            VMSTATE_UINT32(status, CameraDone),
            VMSTATE_UINT32(sequence, CameraDone),
            VMSTATE_UINT32(bytes, CameraDone),
            VMSTATE_UINT32(crc32c, CameraDone),
            VMSTATE_END_OF_LIST(),
        },
};

const VMStateDescription mmrig_camera_vmstate = {
    .name = TYPE_MMRIG_CAMERA,
    .version_id = 2,
    .minimum_version_id = 2,
    .pre_save = camera_sum_lists,
    .pre_load = camera_sum_lists,
    .post_load = camera_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_PCI_DEVICE(parent_obj, MmrigCamera),
            VMSTATE_MSIX(parent_obj, MmrigCamera),
            MMRIG_VMSTATE_EQUAL(lists_sum, MmrigCamera, uint32),
            MMRIG_VMSTATE_EQUAL(max_fps, MmrigCamera, uint32),
            MMRIG_VMSTATE_EQUAL(dma_bits, MmrigCamera, uint32),
            MMRIG_VMSTATE_EQUAL(buffer_align, MmrigCamera, uint32),
            MMRIG_VMSTATE_EQUAL(start_timeout_ms, MmrigCamera, uint32),
            MMRIG_VMSTATE_EQUAL(queue_depth, MmrigCamera, uint32),
            MMRIG_VMSTATE_EQUAL(min_buffers, MmrigCamera, uint32),
            VMSTATE_TIMER_PTR(timer, MmrigCamera),
            VMSTATE_UINT32(size, MmrigCamera),
            VMSTATE_UINT32(format, MmrigCamera),
            VMSTATE_UINT32(interval, MmrigCamera),
            VMSTATE_UINT32(state, MmrigCamera),
            VMSTATE_UINT32(result, MmrigCamera),
            VMSTATE_UINT32(error, MmrigCamera),
            VMSTATE_UINT64(error_detail, MmrigCamera),
            VMSTATE_UINT32(generation, MmrigCamera),
            MMRIG_IRQ_VMSTATE(irq, MmrigCamera),
            VMSTATE_UINT64(buf_address, MmrigCamera),
            VMSTATE_UINT32(buf_length, MmrigCamera),
            VMSTATE_UINT32(buf_cookie, MmrigCamera),
            VMSTATE_UINT32(clock_hi, MmrigCamera),
            VMSTATE_STRUCT_ARRAY(queue, MmrigCamera, QUEUE_MAX, 1,
                                 camera_vmstate_buffer, CameraBuffer),
            VMSTATE_UINT32(queue_first, MmrigCamera),
            VMSTATE_UINT32(queue_count, MmrigCamera),
            VMSTATE_STRUCT_ARRAY(done, MmrigCamera, DONE_DEPTH, 1,
                                 camera_vmstate_done, CameraDone),
            VMSTATE_UINT32(done_first, MmrigCamera),
            VMSTATE_UINT32(done_count, MmrigCamera),
            VMSTATE_UINT32(sequence, MmrigCamera),
            VMSTATE_INT64(started, MmrigCamera),
            VMSTATE_INT64(due, MmrigCamera),
            VMSTATE_UINT32(count_frames, MmrigCamera),
            VMSTATE_UINT32(count_underruns, MmrigCamera),
            VMSTATE_UINT32(count_dropped, MmrigCamera),
            VMSTATE_UINT32(count_dma_errors, MmrigCamera),
            VMSTATE_UINT32(count_queued, MmrigCamera),
            VMSTATE_UINT32(count_rejected, MmrigCamera),
            VMSTATE_UINT32(count_start_timeouts, MmrigCamera),
            VMSTATE_UINT32(count_errors, MmrigCamera),
            VMSTATE_UINT64(start_latency, MmrigCamera),
            VMSTATE_UINT64(start_wait, MmrigCamera),
            VMSTATE_END_OF_LIST(),
        },
};
