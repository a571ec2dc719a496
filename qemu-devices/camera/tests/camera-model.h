/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model of mmrig-camera for its fuzzer, by docs/devices/camera.md. */
#ifndef MMRIG_CAMERA_MODEL_H
#define MMRIG_CAMERA_MODEL_H

#include <inttypes.h>
#include <string.h>

#include "fuzz-model.h"
#include "mmrig-camera-regs.h"

/* What the device is made with. */
#define SIZES          "64x16:66x128:320x240"
#define FPS            10000
#define DMA_BITS       48
#define START_TIMEOUT  20000000ll
#define QUEUE_DEPTH    7
#define MIN_BUFFERS    2
#define DONE_DEPTH     64
#define INTERVAL_FIRST (1000000000u / 30)
#define RAM_END        0x10000000ull

static const uint32_t model_sizes[] = {
    MMRIG_CAM_SIZE_PACK(64, 16),
    MMRIG_CAM_SIZE_PACK(66, 128),
    MMRIG_CAM_SIZE_PACK(320, 240),
};
static const uint32_t model_formats[] = {
    MMRIG_CAM_FORMAT_YUYV,
    MMRIG_CAM_FORMAT_GREY,
    MMRIG_CAM_FORMAT_RGB24,
    MMRIG_CAM_FORMAT_XBGR32,
};

typedef struct {
    uint64_t address;
    uint32_t length, cookie;
} ModelBuffer;

typedef struct {
    uint64_t address, time;
    uint32_t cookie, status, sequence, bytes;
} ModelDone;

struct Model {
    QTest *q;
    int64_t now;
    gboolean master, msix;
    uint32_t messages[MMRIG_CAM_VECTORS]; /* what must be where they are sent to */
    uint32_t constant[MMRIG_CAM_REGS_SIZE / 4];

    uint32_t size, format, interval, state, result, error, generation;
    uint64_t error_detail;
    uint32_t irq_status, irq_enable;
    uint64_t buf_address;
    uint32_t buf_length, buf_cookie;
    ModelBuffer queue[QUEUE_DEPTH];
    uint32_t queue_count;
    ModelDone done[DONE_DEPTH];
    uint32_t done_count;
    uint32_t sequence, clock_hi;
    int64_t started, due; /* due is 0 while no timer runs */
    uint32_t frames, underruns, dropped, dma_errors, queued, rejected, timeouts, errors;
    uint64_t latency, wait;
};

static inline void model_reset(Model *m)
{
    size_t from = offsetof(Model, size);

    memset((char *)m + from, 0, sizeof(*m) - from);
    m->size = model_sizes[0];
    m->format = model_formats[0];
    m->interval = INTERVAL_FIRST;
}

static inline uint32_t model_stride(const Model *m)
{
    static const uint32_t bytes[] = {2, 1, 3, 4};
    unsigned i = 0;

    while (model_formats[i] != m->format)
        i++;
    return MMRIG_CAM_SIZE_WIDTH(m->size) * bytes[i];
}

static inline uint32_t model_bytes(const Model *m)
{
    return model_stride(m) * MMRIG_CAM_SIZE_HEIGHT(m->size);
}

/* ---- Interrupts and errors --------------------------------------------------------------- */

/* A message is a write like any other: without bus mastering it goes nowhere. */
static inline void model_tell(Model *m, uint32_t bits)
{
    if (!m->msix || !m->master)
        return;
    if (bits & MMRIG_CAM_IRQ_FRAME)
        m->messages[MMRIG_CAM_VECTOR_FRAME] = 0x1000 + MMRIG_CAM_VECTOR_FRAME;
    if (bits & ~MMRIG_CAM_IRQ_FRAME)
        m->messages[MMRIG_CAM_VECTOR_EVENT] = 0x1000 + MMRIG_CAM_VECTOR_EVENT;
}

static inline void model_raise(Model *m, uint32_t bits)
{
    model_tell(m, bits & ~m->irq_status & m->irq_enable);
    m->irq_status |= bits;
}

static inline uint32_t model_error(Model *m, uint32_t error, uint64_t detail)
{
    m->error = error;
    m->error_detail = detail;
    m->errors++;
    model_raise(m, MMRIG_CAM_IRQ_ERROR);
    return error;
}

/* ---- Frames ------------------------------------------------------------------------------ */

static inline void model_stream(Model *m)
{
    m->state = MMRIG_CAM_STATE_STREAMING;
    m->wait = (uint64_t)(m->now - m->started);
    m->due = m->now + m->interval;
    model_raise(m, MMRIG_CAM_IRQ_STREAMING);
}

static inline void model_stop(Model *m)
{
    m->state = MMRIG_CAM_STATE_IDLE;
    m->due = 0;
    m->queue_count = 0;
    m->done_count = 0;
}

static inline void model_deliver(Model *m, uint32_t sequence)
{
    ModelBuffer buffer = m->queue[0];
    ModelDone *done = &m->done[m->done_count++];

    m->queue_count--;
    memmove(m->queue, m->queue + 1, m->queue_count * sizeof(m->queue[0]));
    *done = (ModelDone){buffer.address, (uint64_t)m->now, buffer.cookie,
                        MMRIG_CAM_OK,   sequence,         model_bytes(m)};
    if (m->master) {
        m->frames++;
        if (m->latency == 0)
            m->latency = (uint64_t)(m->now - m->started);
    } else {
        done->status = MMRIG_CAM_ERR_DMA_BUS_MASTER;
        done->bytes = 0;
        m->dma_errors++;
        model_error(m, done->status, buffer.address);
    }
    model_raise(m, MMRIG_CAM_IRQ_FRAME);
}

static inline void model_tick(Model *m)
{
    uint32_t sequence;

    if (m->state == MMRIG_CAM_STATE_STARTING) {
        m->state = MMRIG_CAM_STATE_FAILED;
        m->due = 0;
        m->timeouts++;
        model_error(m, MMRIG_CAM_ERR_START_TIMEOUT, m->queue_count);
        model_raise(m, MMRIG_CAM_IRQ_START_TIMEOUT);
        return;
    }
    sequence = m->sequence++;
    if (m->done_count == DONE_DEPTH) {
        m->dropped++;
        model_raise(m, MMRIG_CAM_IRQ_DROPPED);
    } else if (m->queue_count == 0) {
        m->underruns++;
        model_raise(m, MMRIG_CAM_IRQ_UNDERRUN);
    } else {
        model_deliver(m, sequence);
    }
    m->due += m->interval;
}

static inline void model_step(Model *m, int64_t ns)
{
    int64_t end = m->now + ns;

    while (m->due != 0 && m->due <= end) {
        m->now = m->due;
        model_tick(m);
    }
    m->now = end;
}

/* ---- Writes ------------------------------------------------------------------------------ */

static inline uint32_t model_start(Model *m)
{
    if (m->state != MMRIG_CAM_STATE_IDLE)
        return model_error(m, MMRIG_CAM_ERR_STATE, m->state);
    if (!m->master)
        return model_error(m, MMRIG_CAM_ERR_BUS_MASTER, 0);
    m->generation++;
    m->sequence = 0;
    m->started = m->now;
    m->latency = m->wait = 0;
    m->state = MMRIG_CAM_STATE_STARTING;
    if (m->queue_count >= MIN_BUFFERS)
        model_stream(m);
    else
        m->due = m->now + START_TIMEOUT;
    return MMRIG_CAM_OK;
}

static inline uint32_t model_command(Model *m, uint32_t value)
{
    switch (value) {
    case MMRIG_CAM_COMMAND_START:
        return model_start(m);
    case MMRIG_CAM_COMMAND_STOP:
        model_stop(m);
        return MMRIG_CAM_OK;
    case MMRIG_CAM_COMMAND_RESET:
        model_reset(m);
        return MMRIG_CAM_OK;
    default:
        return model_error(m, MMRIG_CAM_ERR_COMMAND, value);
    }
}

/* The first thing that is wrong with a buffer. */
static inline uint32_t model_check(const Model *m, uint64_t *why)
{
    uint64_t first = m->buf_address;
    uint64_t last = first + (m->buf_length - 1ull);
    uint64_t end = first + model_bytes(m);

    *why = first;
    if (m->state == MMRIG_CAM_STATE_FAILED)
        return MMRIG_CAM_ERR_BUF_FAILED;
    if (m->buf_length == 0)
        return MMRIG_CAM_ERR_BUF_ZERO;
    if (m->buf_length < model_bytes(m)) {
        *why = m->buf_length;
        return MMRIG_CAM_ERR_BUF_SMALL;
    }
    if (last < first)
        return MMRIG_CAM_ERR_BUF_WRAP;
    if (last >> DMA_BITS)
        return MMRIG_CAM_ERR_BUF_WIDTH;
    if (m->queue_count == QUEUE_DEPTH)
        return MMRIG_CAM_ERR_BUF_QUEUE_FULL;
    for (uint32_t i = 0; i < m->queue_count; i++)
        if (first <= m->queue[i].address + (m->queue[i].length - 1) &&
            m->queue[i].address <= last) {
            *why = m->queue[i].address;
            return MMRIG_CAM_ERR_BUF_OVERLAP;
        }
    if (!m->master) {
        *why = 0;
        return MMRIG_CAM_ERR_BUS_MASTER;
    }
    if (end > RAM_END) {
        *why = MAX(first, RAM_END);
        return MMRIG_CAM_ERR_BUF_NOT_RAM;
    }
    return MMRIG_CAM_OK;
}

static inline uint32_t model_queue(Model *m)
{
    uint64_t why;
    uint32_t error = model_check(m, &why);

    if (error != MMRIG_CAM_OK) {
        m->rejected++;
        return model_error(m, error, why);
    }
    m->queue[m->queue_count++] = (ModelBuffer){m->buf_address, m->buf_length, m->buf_cookie};
    m->queued++;
    if (m->state == MMRIG_CAM_STATE_STARTING && m->queue_count >= MIN_BUFFERS)
        model_stream(m);
    return MMRIG_CAM_OK;
}

static inline uint32_t model_pop(Model *m)
{
    if (m->done_count == 0)
        return model_error(m, MMRIG_CAM_ERR_DONE_EMPTY, 0);
    m->done_count--;
    memmove(m->done, m->done + 1, m->done_count * sizeof(m->done[0]));
    return MMRIG_CAM_OK;
}

static inline uint32_t model_geometry(Model *m, uint32_t reg, uint32_t value)
{
    gboolean good = FALSE;

    if (m->state != MMRIG_CAM_STATE_IDLE)
        return model_error(m, MMRIG_CAM_ERR_STATE, m->state);
    if (m->queue_count)
        return model_error(m, MMRIG_CAM_ERR_QUEUED, m->queue_count);
    if (reg == MMRIG_CAM_INTERVAL_NS) {
        if (value < 1000000000 / FPS || value > 1000000000)
            return model_error(m, MMRIG_CAM_ERR_INTERVAL, value);
        m->interval = value;
    } else if (reg == MMRIG_CAM_SIZE) {
        for (unsigned i = 0; i < G_N_ELEMENTS(model_sizes); i++)
            good |= model_sizes[i] == value;
        if (!good)
            return model_error(m, MMRIG_CAM_ERR_SIZE, value);
        m->size = value;
    } else {
        for (unsigned i = 0; i < G_N_ELEMENTS(model_formats); i++)
            good |= model_formats[i] == value;
        if (!good)
            return model_error(m, MMRIG_CAM_ERR_FORMAT, value);
        m->format = value;
    }
    return MMRIG_CAM_OK;
}

/* Which places have a register, by the header's blocks. */
static inline gboolean model_is_register(uint32_t reg)
{
    static const uint32_t blocks[][2] = {
        {MMRIG_CAM_ID, MMRIG_CAM_FEATURES},
        {MMRIG_CAM_DMA_BITS, MMRIG_CAM_FORMAT_COUNT},
        {MMRIG_CAM_SIZE, MMRIG_CAM_FRAME_BYTES},
        {MMRIG_CAM_COMMAND, MMRIG_CAM_GENERATION},
        {MMRIG_CAM_IRQ_STATUS, MMRIG_CAM_IRQ_ENABLE},
        {MMRIG_CAM_BUF_ADDRESS_LO, MMRIG_CAM_QUEUE},
        {MMRIG_CAM_DONE_COUNT, MMRIG_CAM_DONE_POP},
        {MMRIG_CAM_COUNT_FRAMES, MMRIG_CAM_CLOCK_HI},
        {MMRIG_CAM_SIZE_TABLE(0), MMRIG_CAM_SIZE_TABLE(MMRIG_CAM_SIZES_MAX - 1)},
        {MMRIG_CAM_FORMAT_TABLE(0), MMRIG_CAM_FORMAT_TABLE(MMRIG_CAM_FORMATS_MAX - 1)},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(blocks); i++)
        if (reg >= blocks[i][0] && reg <= blocks[i][1])
            return TRUE;
    return FALSE;
}

/* An aligned write of 32 bits. */
static inline void model_write(Model *m, uint32_t reg, uint32_t value)
{
    switch (reg) {
    case MMRIG_CAM_SIZE:
    case MMRIG_CAM_FORMAT:
    case MMRIG_CAM_INTERVAL_NS:
        m->result = model_geometry(m, reg, value);
        break;
    case MMRIG_CAM_COMMAND:
        m->result = model_command(m, value);
        break;
    case MMRIG_CAM_ERROR:
        m->error = MMRIG_CAM_OK;
        m->error_detail = 0;
        break;
    case MMRIG_CAM_IRQ_STATUS:
        m->irq_status &= ~value;
        break;
    case MMRIG_CAM_IRQ_ENABLE:
        if (value & ~MMRIG_CAM_IRQ_ALL) {
            model_error(m, MMRIG_CAM_ERR_RESERVED, value);
            break;
        }
        model_tell(m, value & ~m->irq_enable & m->irq_status);
        m->irq_enable = value;
        break;
    case MMRIG_CAM_BUF_ADDRESS_LO:
        m->buf_address = m->buf_address >> 32 << 32 | value;
        break;
    case MMRIG_CAM_BUF_ADDRESS_HI:
        m->buf_address = (uint32_t)m->buf_address | (uint64_t)value << 32;
        break;
    case MMRIG_CAM_BUF_LENGTH:
        m->buf_length = value;
        break;
    case MMRIG_CAM_BUF_COOKIE:
        m->buf_cookie = value;
        break;
    case MMRIG_CAM_QUEUE:
        m->result = model_queue(m);
        break;
    case MMRIG_CAM_DONE_POP:
        m->result = model_pop(m);
        break;
    default:
        model_error(
            m, model_is_register(reg) ? MMRIG_CAM_ERR_READ_ONLY : MMRIG_CAM_ERR_REGISTER, reg);
        break;
    }
}

/* ---- Reads ------------------------------------------------------------------------------- */

typedef struct {
    uint32_t reg;
    uint64_t value;
    gboolean wide;
} ModelValue;

#define MODEL_VALUES 37

/* What each register is that is not as it was at the start. */
static inline void model_values(const Model *m, ModelValue *values)
{
    static const ModelDone none;
    const ModelDone *d = m->done_count ? &m->done[0] : &none;
    const ModelValue all[MODEL_VALUES] = {
        {MMRIG_CAM_SIZE, m->size, FALSE},
        {MMRIG_CAM_FORMAT, m->format, FALSE},
        {MMRIG_CAM_INTERVAL_NS, m->interval, FALSE},
        {MMRIG_CAM_STRIDE, model_stride(m), FALSE},
        {MMRIG_CAM_FRAME_BYTES, model_bytes(m), FALSE},
        {MMRIG_CAM_COMMAND, 0, FALSE},
        {MMRIG_CAM_STATE, m->state, FALSE},
        {MMRIG_CAM_RESULT, m->result, FALSE},
        {MMRIG_CAM_ERROR, m->error, FALSE},
        {MMRIG_CAM_ERROR_DETAIL_LO, m->error_detail, TRUE},
        {MMRIG_CAM_GENERATION, m->generation, FALSE},
        {MMRIG_CAM_IRQ_STATUS, m->irq_status, FALSE},
        {MMRIG_CAM_IRQ_ENABLE, m->irq_enable, FALSE},
        {MMRIG_CAM_BUF_ADDRESS_LO, m->buf_address, TRUE},
        {MMRIG_CAM_BUF_LENGTH, m->buf_length, FALSE},
        {MMRIG_CAM_BUF_COOKIE, m->buf_cookie, FALSE},
        {MMRIG_CAM_QUEUE, m->queue_count, FALSE},
        {MMRIG_CAM_DONE_COUNT, m->done_count, FALSE},
        {MMRIG_CAM_DONE_COOKIE, d->cookie, FALSE},
        {MMRIG_CAM_DONE_STATUS, d->status, FALSE},
        {MMRIG_CAM_DONE_SEQUENCE, d->sequence, FALSE},
        {MMRIG_CAM_DONE_BYTES, d->bytes, FALSE},
        {MMRIG_CAM_DONE_TIME_LO, d->time, TRUE},
        {MMRIG_CAM_DONE_ADDRESS_LO, d->address, TRUE},
        {MMRIG_CAM_DONE_POP, 0, FALSE},
        {MMRIG_CAM_COUNT_FRAMES, m->frames, FALSE},
        {MMRIG_CAM_COUNT_UNDERRUNS, m->underruns, FALSE},
        {MMRIG_CAM_COUNT_DROPPED, m->dropped, FALSE},
        {MMRIG_CAM_COUNT_DMA_ERRORS, m->dma_errors, FALSE},
        {MMRIG_CAM_COUNT_QUEUED, m->queued, FALSE},
        {MMRIG_CAM_COUNT_REJECTED, m->rejected, FALSE},
        {MMRIG_CAM_COUNT_START_TIMEOUTS, m->timeouts, FALSE},
        {MMRIG_CAM_COUNT_ERRORS, m->errors, FALSE},
        {MMRIG_CAM_START_LATENCY_LO, m->latency, TRUE},
        {MMRIG_CAM_START_WAIT_LO, m->wait, TRUE},
        {MMRIG_CAM_CLOCK_HI, m->clock_hi, FALSE},
        {MMRIG_CAM_CLOCK_LO, (uint32_t)m->now, FALSE},
    };

    memcpy(values, all, sizeof(all));
}

#endif
