/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-camera: what the guest reads and writes (abi/mmrig-camera-regs.h). */
#include "camera.h"

#include "qemu/bitops.h"

static uint32_t camera_set_geometry(MmrigCamera *s, hwaddr offset,
                                    uint32_t value)
{
    if (s->state != MMRIG_CAM_STATE_IDLE) {
        return mmrig_camera_error(s, MMRIG_CAM_ERR_STATE, s->state);
    }
    if (s->queue_count != 0) {
        return mmrig_camera_error(s, MMRIG_CAM_ERR_QUEUED, s->queue_count);
    }
    switch (offset) {
    case MMRIG_CAM_SIZE:
        if (!mmrig_camera_listed(s->sizes, s->size_count, value)) {
            return mmrig_camera_error(s, MMRIG_CAM_ERR_SIZE, value);
        }
        s->size = value;
        break;
    case MMRIG_CAM_FORMAT:
        if (!mmrig_camera_listed(s->formats, s->format_count, value)) {
            return mmrig_camera_error(s, MMRIG_CAM_ERR_FORMAT, value);
        }
        s->format = value;
        break;
    default:
        if (value < mmrig_camera_interval_min(s) || value > INTERVAL_MAX_NS) {
            return mmrig_camera_error(s, MMRIG_CAM_ERR_INTERVAL, value);
        }
        s->interval = value;
        break;
    }
    return MMRIG_CAM_OK;
}

static uint32_t camera_command(MmrigCamera *s, uint32_t value)
{
    switch (value) {
    case MMRIG_CAM_COMMAND_START:
        return mmrig_camera_start(s);
    case MMRIG_CAM_COMMAND_STOP:
        mmrig_camera_stop(s);
        return MMRIG_CAM_OK;
    case MMRIG_CAM_COMMAND_RESET:
        mmrig_camera_reset(s);
        return MMRIG_CAM_OK;
    default:
        return mmrig_camera_error(s, MMRIG_CAM_ERR_COMMAND, value);
    }
}

/* False if there is no such register. */
static bool camera_read_done(const MmrigCamera *s, hwaddr offset,
                             uint32_t *value)
{
    static const CameraDone none;
    const CameraDone *done =
        s->done_count > 0 ? &s->done[s->done_first] : &none;

    switch (offset) {
    case MMRIG_CAM_DONE_COUNT:
        *value = s->done_count;
        break;
    case MMRIG_CAM_DONE_COOKIE:
        *value = done->cookie;
        break;
    case MMRIG_CAM_DONE_STATUS:
        *value = done->status;
        break;
    case MMRIG_CAM_DONE_SEQUENCE:
        *value = done->sequence;
        break;
    case MMRIG_CAM_DONE_BYTES:
        *value = done->bytes;
        break;
    case MMRIG_CAM_DONE_CRC32C:
        *value = done->crc32c;
        break;
    case MMRIG_CAM_DONE_TIME_LO:
        *value = done->time;
        break;
    case MMRIG_CAM_DONE_TIME_HI:
        *value = done->time >> 32;
        break;
    case MMRIG_CAM_DONE_ADDRESS_LO:
        *value = done->address;
        break;
    case MMRIG_CAM_DONE_ADDRESS_HI:
        *value = done->address >> 32;
        break;
    case MMRIG_CAM_DONE_POP:
        *value = 0;
        break;
    default:
        return false;
    }
    return true;
}

static bool camera_read_counter(const MmrigCamera *s, hwaddr offset,
                                uint32_t *value)
{
    switch (offset) {
    case MMRIG_CAM_COUNT_FRAMES:
        *value = s->count_frames;
        break;
    case MMRIG_CAM_COUNT_UNDERRUNS:
        *value = s->count_underruns;
        break;
    case MMRIG_CAM_COUNT_DROPPED:
        *value = s->count_dropped;
        break;
    case MMRIG_CAM_COUNT_DMA_ERRORS:
        *value = s->count_dma_errors;
        break;
    case MMRIG_CAM_COUNT_QUEUED:
        *value = s->count_queued;
        break;
    case MMRIG_CAM_COUNT_REJECTED:
        *value = s->count_rejected;
        break;
    case MMRIG_CAM_COUNT_START_TIMEOUTS:
        *value = s->count_start_timeouts;
        break;
    case MMRIG_CAM_COUNT_ERRORS:
        *value = s->count_errors;
        break;
    case MMRIG_CAM_START_LATENCY_LO:
        *value = s->start_latency;
        break;
    case MMRIG_CAM_START_LATENCY_HI:
        *value = s->start_latency >> 32;
        break;
    case MMRIG_CAM_START_WAIT_LO:
        *value = s->start_wait;
        break;
    case MMRIG_CAM_START_WAIT_HI:
        *value = s->start_wait >> 32;
        break;
    default:
        return false;
    }
    return true;
}

static bool camera_read_about(const MmrigCamera *s, hwaddr offset,
                              uint32_t *value)
{
    switch (offset) {
    case MMRIG_CAM_ID:
        *value = MMRIG_CAM_ID_VALUE;
        break;
    case MMRIG_CAM_VERSION:
        *value = MMRIG_CAM_VERSION_MAJOR << 16 | MMRIG_CAM_VERSION_MINOR;
        break;
    case MMRIG_CAM_FEATURES:
        *value = MMRIG_CAM_FEATURE_CRC32C | MMRIG_CAM_FEATURE_CLOCK |
                 (s->dma_bits > 32 ? MMRIG_CAM_FEATURE_DMA64 : 0);
        break;
    case MMRIG_CAM_DMA_BITS:
        *value = s->dma_bits;
        break;
    case MMRIG_CAM_BUFFER_ALIGN:
        *value = s->buffer_align;
        break;
    case MMRIG_CAM_QUEUE_DEPTH:
        *value = s->queue_depth;
        break;
    case MMRIG_CAM_DONE_DEPTH:
        *value = DONE_DEPTH;
        break;
    case MMRIG_CAM_MIN_BUFFERS:
        *value = s->min_buffers;
        break;
    case MMRIG_CAM_START_TIMEOUT_MS:
        *value = s->start_timeout_ms;
        break;
    case MMRIG_CAM_INTERVAL_MIN_NS:
        *value = mmrig_camera_interval_min(s);
        break;
    case MMRIG_CAM_INTERVAL_MAX_NS:
        *value = INTERVAL_MAX_NS;
        break;
    case MMRIG_CAM_SIZE_COUNT:
        *value = s->size_count;
        break;
    case MMRIG_CAM_FORMAT_COUNT:
        *value = s->format_count;
        break;
    case MMRIG_CAM_SIZE_TABLE(0)... MMRIG_CAM_SIZE_TABLE(MMRIG_CAM_SIZES_MAX -
                                                         1):
        *value = s->sizes[(offset - MMRIG_CAM_SIZE_TABLE(0)) / 4];
        break;
    case MMRIG_CAM_FORMAT_TABLE(0)... MMRIG_CAM_FORMAT_TABLE(
        MMRIG_CAM_FORMATS_MAX - 1):
        *value = s->formats[(offset - MMRIG_CAM_FORMAT_TABLE(0)) / 4];
        break;
    default:
        return false;
    }
    return true;
}

/* The registers that can be written, and those beside them. */
static bool camera_read_control(MmrigCamera *s, hwaddr offset, uint32_t *value)
{
    int64_t now;

    switch (offset) {
    case MMRIG_CAM_SIZE:
        *value = s->size;
        break;
    case MMRIG_CAM_FORMAT:
        *value = s->format;
        break;
    case MMRIG_CAM_INTERVAL_NS:
        *value = s->interval;
        break;
    case MMRIG_CAM_STRIDE:
        *value = mmrig_camera_stride(s);
        break;
    case MMRIG_CAM_FRAME_BYTES:
        *value = mmrig_camera_frame_bytes(s);
        break;
    case MMRIG_CAM_COMMAND:
        *value = 0;
        break;
    case MMRIG_CAM_STATE:
        *value = s->state;
        break;
    case MMRIG_CAM_RESULT:
        *value = s->result;
        break;
    case MMRIG_CAM_ERROR:
        *value = s->error;
        break;
    case MMRIG_CAM_ERROR_DETAIL_LO:
        *value = s->error_detail;
        break;
    case MMRIG_CAM_ERROR_DETAIL_HI:
        *value = s->error_detail >> 32;
        break;
    case MMRIG_CAM_GENERATION:
        *value = s->generation;
        break;
    case MMRIG_CAM_IRQ_STATUS:
        *value = s->irq_status;
        break;
    case MMRIG_CAM_IRQ_ENABLE:
        *value = s->irq_enable;
        break;
    case MMRIG_CAM_BUF_ADDRESS_LO:
        *value = s->buf_address;
        break;
    case MMRIG_CAM_BUF_ADDRESS_HI:
        *value = s->buf_address >> 32;
        break;
    case MMRIG_CAM_BUF_LENGTH:
        *value = s->buf_length;
        break;
    case MMRIG_CAM_BUF_COOKIE:
        *value = s->buf_cookie;
        break;
    case MMRIG_CAM_QUEUE:
        *value = s->queue_count;
        break;
    case MMRIG_CAM_CLOCK_LO:
        now = mmrig_camera_now();
        s->clock_hi = (uint64_t)now >> 32;
        *value = now;
        break;
    case MMRIG_CAM_CLOCK_HI:
        *value = s->clock_hi;
        break;
    default:
        return false;
    }
    return true;
}

static bool camera_read_any(MmrigCamera *s, hwaddr offset, uint32_t *value)
{
    return camera_read_control(s, offset, value) ||
           camera_read_done(s, offset, value) ||
           camera_read_about(s, offset, value) ||
           camera_read_counter(s, offset, value);
}

static uint64_t camera_read(void *opaque, hwaddr offset, unsigned size)
{
    MmrigCamera *s = opaque;
    uint32_t value = 0;

    if (size != 4 || offset % 4 != 0) {
        mmrig_camera_error(s, MMRIG_CAM_ERR_ACCESS, offset);
        return UINT64_MAX;
    }
    camera_read_any(s, offset, &value);
    return value;
}

static void camera_write(void *opaque, hwaddr offset, uint64_t wide,
                         unsigned size)
{
    MmrigCamera *s = opaque;
    uint32_t value = wide;
    uint32_t unused;

    if (size != 4 || offset % 4 != 0) {
        mmrig_camera_error(s, MMRIG_CAM_ERR_ACCESS, offset);
        return;
    }
    switch (offset) {
    case MMRIG_CAM_SIZE:
    case MMRIG_CAM_FORMAT:
    case MMRIG_CAM_INTERVAL_NS:
        s->result = camera_set_geometry(s, offset, value);
        break;
    case MMRIG_CAM_COMMAND:
        s->result = camera_command(s, value);
        break;
    case MMRIG_CAM_ERROR:
        s->error = MMRIG_CAM_OK;
        s->error_detail = 0;
        break;
    case MMRIG_CAM_IRQ_STATUS:
        s->irq_status &= ~value;
        break;
    case MMRIG_CAM_IRQ_ENABLE:
        if (value & ~MMRIG_CAM_IRQ_ALL) {
            mmrig_camera_error(s, MMRIG_CAM_ERR_RESERVED, value);
            break;
        }
        unused = value & ~s->irq_enable & s->irq_status;
        s->irq_enable = value;
        mmrig_camera_notify(s, unused);
        break;
    case MMRIG_CAM_BUF_ADDRESS_LO:
        s->buf_address = deposit64(s->buf_address, 0, 32, value);
        break;
    case MMRIG_CAM_BUF_ADDRESS_HI:
        s->buf_address = deposit64(s->buf_address, 32, 32, value);
        break;
    case MMRIG_CAM_BUF_LENGTH:
        s->buf_length = value;
        break;
    case MMRIG_CAM_BUF_COOKIE:
        s->buf_cookie = value;
        break;
    case MMRIG_CAM_QUEUE:
        s->result = mmrig_camera_queue(s);
        break;
    case MMRIG_CAM_DONE_POP:
        s->result = mmrig_camera_pop(s);
        break;
    default:
        mmrig_camera_error(s,
                           camera_read_any(s, offset, &unused)
                               ? MMRIG_CAM_ERR_READ_ONLY
                               : MMRIG_CAM_ERR_REGISTER,
                           offset);
        break;
    }
}

/* Every access reaches the handlers, so that a wrong one has its error code. */
const MemoryRegionOps mmrig_camera_ops = {
    .read = camera_read,
    .write = camera_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};
