/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-camera: buffers, frames that are due, completions, interrupts. */
#include "camera.h"

int64_t mmrig_camera_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* ---- Errors ------------------------------------------------------------- */

uint32_t mmrig_camera_error(MmrigCamera *s, uint32_t error, uint64_t detail)
{
    s->error = error;
    s->error_detail = detail;
    s->count_errors++;
    mmrig_camera_debug(s, "error 0x%02x detail 0x%" PRIx64, error, detail);
    mmrig_irq_raise(&s->irq, MMRIG_CAM_IRQ_ERROR);
    return error;
}

/* ---- Streaming ---------------------------------------------------------- */

static void camera_arm(MmrigCamera *s, int64_t due)
{
    s->due = due;
    timer_mod(s->timer, due);
}

void mmrig_camera_renew_pattern(MmrigCamera *s)
{
    mmrig_camera_pattern_free(s->pattern);
    s->pattern = s->state == MMRIG_CAM_STATE_STREAMING
                     ? mmrig_camera_pattern_new(s->size, s->format)
                     : NULL;
}

static void camera_stream(MmrigCamera *s)
{
    int64_t now = mmrig_camera_now();

    s->state = MMRIG_CAM_STATE_STREAMING;
    s->start_wait = now - s->started;
    mmrig_camera_renew_pattern(s);
    mmrig_camera_debug(s, "streaming, %u buffers queued", s->queue_count);
    camera_arm(s, now + s->interval);
    mmrig_irq_raise(&s->irq, MMRIG_CAM_IRQ_STREAMING);
}

void mmrig_camera_stop(MmrigCamera *s)
{
    timer_del(s->timer);
    if (s->state != MMRIG_CAM_STATE_IDLE) {
        mmrig_camera_debug(s, "stopped");
    }
    s->state = MMRIG_CAM_STATE_IDLE;
    mmrig_camera_renew_pattern(s);
    s->queue_first = 0;
    s->queue_count = 0;
    s->done_first = 0;
    s->done_count = 0;
}

static void camera_deliver(MmrigCamera *s, uint32_t sequence)
{
    CameraBuffer buffer = s->queue[s->queue_first];
    CameraDone *done = &s->done[(s->done_first + s->done_count) % DONE_DEPTH];
    CameraShot shot = {
        .sequence = sequence,
        .generation = s->generation,
        .time = mmrig_camera_now(),
        .address = buffer.address,
        .cookie = buffer.cookie,
    };
    uint64_t bad = buffer.address;

    s->queue_first = (s->queue_first + 1) % QUEUE_MAX;
    s->queue_count--;
    *done = (CameraDone){
        .address = buffer.address,
        .time = shot.time,
        .cookie = buffer.cookie,
        .sequence = sequence,
    };
    if (!mmrig_camera_is_master(s)) {
        done->status = MMRIG_CAM_ERR_DMA_BUS_MASTER;
    } else if (!mmrig_camera_dma(s, buffer.address, &shot, &done->crc32c,
                                 &bad)) {
        done->status = MMRIG_CAM_ERR_DMA_NOT_RAM;
    } else {
        done->bytes = mmrig_camera_frame_bytes(s);
        s->count_frames++;
        if (s->start_latency == 0) {
            s->start_latency = shot.time - s->started;
        }
    }
    s->done_count++;
    if (done->status != MMRIG_CAM_OK) {
        s->count_dma_errors++;
        mmrig_camera_error(s, done->status, bad);
    }
    mmrig_camera_debug(s, "frame %u at 0x%" PRIx64 " status 0x%02x", sequence,
                       buffer.address, done->status);
    mmrig_irq_raise(&s->irq, MMRIG_CAM_IRQ_FRAME);
}

void mmrig_camera_tick(void *opaque)
{
    MmrigCamera *s = opaque;
    int64_t now = mmrig_camera_now();
    uint32_t sequence;

    if (s->state == MMRIG_CAM_STATE_STARTING) {
        s->state = MMRIG_CAM_STATE_FAILED;
        s->count_start_timeouts++;
        mmrig_camera_error(s, MMRIG_CAM_ERR_START_TIMEOUT, s->queue_count);
        mmrig_irq_raise(&s->irq, MMRIG_CAM_IRQ_START_TIMEOUT);
        return;
    }
    if (s->state != MMRIG_CAM_STATE_STREAMING) {
        return;
    }
    sequence = s->sequence++;
    if (s->done_count == DONE_DEPTH) {
        s->count_dropped++;
        mmrig_camera_debug(s, "frame %u dropped: completions are full",
                           sequence);
        mmrig_irq_raise(&s->irq, MMRIG_CAM_IRQ_DROPPED);
    } else if (s->queue_count == 0) {
        s->count_underruns++;
        mmrig_camera_debug(s, "frame %u: no buffer", sequence);
        mmrig_irq_raise(&s->irq, MMRIG_CAM_IRQ_UNDERRUN);
    } else {
        camera_deliver(s, sequence);
    }
    /* A host that was late must not look like a burst of frames. */
    camera_arm(s, s->due + s->interval > now ? s->due + s->interval
                                             : now + s->interval);
}

uint32_t mmrig_camera_start(MmrigCamera *s)
{
    if (s->state != MMRIG_CAM_STATE_IDLE) {
        return mmrig_camera_error(s, MMRIG_CAM_ERR_STATE, s->state);
    }
    if (!mmrig_camera_is_master(s)) {
        return mmrig_camera_error(s, MMRIG_CAM_ERR_BUS_MASTER, 0);
    }
    s->generation++;
    s->sequence = 0;
    s->started = mmrig_camera_now();
    s->start_latency = 0;
    s->start_wait = 0;
    s->state = MMRIG_CAM_STATE_STARTING;
    mmrig_camera_debug(s, "start, %u of %u buffers queued", s->queue_count,
                       s->min_buffers);
    if (s->queue_count >= s->min_buffers) {
        camera_stream(s);
    } else if (s->start_timeout_ms > 0) {
        camera_arm(s, s->started + s->start_timeout_ms * (int64_t)SCALE_MS);
    }
    return MMRIG_CAM_OK;
}

static bool camera_overlaps(const MmrigCamera *s, uint64_t first, uint64_t last,
                            uint64_t *other)
{
    for (uint32_t i = 0; i < s->queue_count; i++) {
        const CameraBuffer *b = &s->queue[(s->queue_first + i) % QUEUE_MAX];

        if (first <= b->address + (b->length - 1) && b->address <= last) {
            *other = b->address;
            return true;
        }
    }
    return false;
}

/* MMRIG_CAM_OK, or why the buffer in the registers cannot be queued. */
static uint32_t camera_buffer_check(MmrigCamera *s, uint64_t *detail)
{
    uint64_t first = s->buf_address;
    uint64_t last = first + (s->buf_length - 1);

    *detail = first;
    if (s->state == MMRIG_CAM_STATE_FAILED) {
        return MMRIG_CAM_ERR_BUF_FAILED;
    }
    if (s->buf_length == 0) {
        return MMRIG_CAM_ERR_BUF_ZERO;
    }
    if (s->buf_length < mmrig_camera_frame_bytes(s)) {
        *detail = s->buf_length;
        return MMRIG_CAM_ERR_BUF_SMALL;
    }
    if (first % s->buffer_align != 0) {
        return MMRIG_CAM_ERR_BUF_ALIGN;
    }
    if (last < first) {
        return MMRIG_CAM_ERR_BUF_WRAP;
    }
    if (s->dma_bits < 64 && last >> s->dma_bits != 0) {
        return MMRIG_CAM_ERR_BUF_WIDTH;
    }
    if (s->queue_count == s->queue_depth) {
        return MMRIG_CAM_ERR_BUF_QUEUE_FULL;
    }
    if (camera_overlaps(s, first, last, detail)) {
        return MMRIG_CAM_ERR_BUF_OVERLAP;
    }
    if (!mmrig_camera_is_master(s)) {
        *detail = 0;
        return MMRIG_CAM_ERR_BUS_MASTER;
    }
    if (!mmrig_camera_is_ram(s, first, mmrig_camera_frame_bytes(s), detail)) {
        return MMRIG_CAM_ERR_BUF_NOT_RAM;
    }
    return MMRIG_CAM_OK;
}

uint32_t mmrig_camera_queue(MmrigCamera *s)
{
    uint64_t detail;
    uint32_t error = camera_buffer_check(s, &detail);

    if (error != MMRIG_CAM_OK) {
        s->count_rejected++;
        return mmrig_camera_error(s, error, detail);
    }
    s->queue[(s->queue_first + s->queue_count) % QUEUE_MAX] = (CameraBuffer){
        .address = s->buf_address,
        .length = s->buf_length,
        .cookie = s->buf_cookie,
    };
    s->queue_count++;
    s->count_queued++;
    mmrig_camera_debug(s, "buffer 0x%" PRIx64 " + 0x%x cookie 0x%x",
                       s->buf_address, s->buf_length, s->buf_cookie);
    if (s->state == MMRIG_CAM_STATE_STARTING &&
        s->queue_count >= s->min_buffers) {
        camera_stream(s);
    }
    return MMRIG_CAM_OK;
}

uint32_t mmrig_camera_pop(MmrigCamera *s)
{
    if (s->done_count == 0) {
        return mmrig_camera_error(s, MMRIG_CAM_ERR_DONE_EMPTY, 0);
    }
    s->done_first = (s->done_first + 1) % DONE_DEPTH;
    s->done_count--;
    return MMRIG_CAM_OK;
}

void mmrig_camera_reset(MmrigCamera *s)
{
    mmrig_camera_stop(s);
    mmrig_registers_reset(&mmrig_camera_registers, s);
    mmrig_irq_reset(&s->irq);
    s->size = s->sizes[0];
    s->format = s->formats[0];
    s->interval = MAX(mmrig_camera_interval_min(s), 1000000000u / 30);
    s->sequence = 0;
    s->started = 0;
    s->due = 0;
}
