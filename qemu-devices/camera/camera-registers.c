/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-camera: what the guest reads and writes (abi/mmrig-camera-regs.h). */
#include "camera.h"

/* ---- What is set -------------------------------------------------------- */

/* MMRIG_CAM_OK if the geometry can be changed. */
static uint32_t camera_settled(MmrigCamera *s)
{
    if (s->state != MMRIG_CAM_STATE_IDLE) {
        return mmrig_camera_error(s, MMRIG_CAM_ERR_STATE, s->state);
    }
    if (s->queue_count != 0) {
        return mmrig_camera_error(s, MMRIG_CAM_ERR_QUEUED, s->queue_count);
    }
    return MMRIG_CAM_OK;
}

static void camera_set_geometry(MmrigCamera *s, uint32_t *to, uint32_t value,
                                bool good, uint32_t error)
{
    s->result = camera_settled(s);
    if (s->result != MMRIG_CAM_OK) {
        return;
    }
    if (!good) {
        s->result = mmrig_camera_error(s, error, value);
        return;
    }
    *to = value;
}

static void camera_set_size(void *device, const MmrigRegister *row,
                            uint64_t value)
{
    MmrigCamera *s = device;

    camera_set_geometry(s, &s->size, value,
                        mmrig_camera_listed(s->sizes, s->size_count, value),
                        MMRIG_CAM_ERR_SIZE);
}

static void camera_set_format(void *device, const MmrigRegister *row,
                              uint64_t value)
{
    MmrigCamera *s = device;

    camera_set_geometry(s, &s->format, value,
                        mmrig_camera_listed(s->formats, s->format_count, value),
                        MMRIG_CAM_ERR_FORMAT);
}

static void camera_set_interval(void *device, const MmrigRegister *row,
                                uint64_t value)
{
    MmrigCamera *s = device;

    camera_set_geometry(s, &s->interval, value,
                        value >= mmrig_camera_interval_min(s) &&
                            value <= INTERVAL_MAX_NS,
                        MMRIG_CAM_ERR_INTERVAL);
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

static void camera_set_command(void *device, const MmrigRegister *row,
                               uint64_t value)
{
    MmrigCamera *s = device;

    s->result = camera_command(s, value);
}

static void camera_set_queue(void *device, const MmrigRegister *row,
                             uint64_t value)
{
    MmrigCamera *s = device;

    s->result = mmrig_camera_queue(s);
}

static void camera_set_pop(void *device, const MmrigRegister *row,
                           uint64_t value)
{
    MmrigCamera *s = device;

    s->result = mmrig_camera_pop(s);
}

static void camera_clear_error(void *device, const MmrigRegister *row,
                               uint64_t value)
{
    MmrigCamera *s = device;

    s->error = MMRIG_CAM_OK;
    s->error_detail = 0;
}

static void camera_clear_irq(void *device, const MmrigRegister *row,
                             uint64_t value)
{
    MmrigCamera *s = device;

    mmrig_irq_clear(&s->irq, value);
}

static void camera_enable_irq(void *device, const MmrigRegister *row,
                              uint64_t value)
{
    MmrigCamera *s = device;

    mmrig_irq_enable(&s->irq, value);
}

/* ---- What is found out --------------------------------------------------- */

static uint64_t camera_get_features(void *device, const MmrigRegister *row,
                                    unsigned index)
{
    const MmrigCamera *s = device;

    return MMRIG_CAM_FEATURE_CRC32C | MMRIG_CAM_FEATURE_CLOCK |
           (s->dma_bits > 32 ? MMRIG_CAM_FEATURE_DMA64 : 0);
}

static uint64_t camera_get_interval_min(void *device, const MmrigRegister *row,
                                        unsigned index)
{
    return mmrig_camera_interval_min(device);
}

static uint64_t camera_get_stride(void *device, const MmrigRegister *row,
                                  unsigned index)
{
    return mmrig_camera_stride(device);
}

static uint64_t camera_get_frame_bytes(void *device, const MmrigRegister *row,
                                       unsigned index)
{
    return mmrig_camera_frame_bytes(device);
}

static uint64_t camera_get_clock(void *device, const MmrigRegister *row,
                                 unsigned index)
{
    MmrigCamera *s = device;
    int64_t now = mmrig_camera_now();

    s->clock_hi = (uint64_t)now >> 32;
    return (uint32_t)now;
}

static const void *camera_oldest(const void *device)
{
    static const CameraDone none;
    const MmrigCamera *s = device;

    return s->done_count > 0 ? &s->done[s->done_first] : &none;
}

/* ---- The table ----------------------------------------------------------- */

#define NAMED(n) .offset = MMRIG_CAM_##n, .name = #n
/* Of two halves. */
#define NAMED_64(n) .offset = MMRIG_CAM_##n##_LO, .name = #n, .width = 64
#define OF(member) MMRIG_REGISTER_FIELD(MmrigCamera, member)
#define FIXED .kind = MMRIG_REGISTER_FIXED
#define ACTION .kind = MMRIG_REGISTER_ACTION
#define ANY_32 .mask = UINT32_MAX
/* Of the oldest completion. */
#define DONE(member)                                                           \
    MMRIG_REGISTER_FIELD(CameraDone, member), .holder = camera_oldest
#define TABLE(n, member)                                                       \
    .offset = MMRIG_CAM_##n(0), .name = #n,                                    \
    MMRIG_REGISTER_ARRAY(MmrigCamera, member), FIXED

static const MmrigRegister camera_rows[] = {
    {NAMED(ID), FIXED, .constant = (MMRIG_CAM_ID_VALUE)},
    {NAMED(VERSION), FIXED,
     .constant = (MMRIG_CAM_VERSION_MAJOR << 16 | MMRIG_CAM_VERSION_MINOR)},
    {NAMED(FEATURES), FIXED, .get = camera_get_features},
    {NAMED(DMA_BITS), FIXED, OF(dma_bits)},
    {NAMED(BUFFER_ALIGN), FIXED, OF(buffer_align)},
    {NAMED(QUEUE_DEPTH), FIXED, OF(queue_depth)},
    {NAMED(DONE_DEPTH), FIXED, .constant = (DONE_DEPTH)},
    {NAMED(MIN_BUFFERS), FIXED, OF(min_buffers)},
    {NAMED(START_TIMEOUT_MS), FIXED, OF(start_timeout_ms)},
    {NAMED(INTERVAL_MIN_NS), FIXED, .get = camera_get_interval_min},
    {NAMED(INTERVAL_MAX_NS), FIXED, .constant = (INTERVAL_MAX_NS)},
    {NAMED(SIZE_COUNT), FIXED, OF(size_count)},
    {NAMED(FORMAT_COUNT), FIXED, OF(format_count)},

    {NAMED(SIZE), OF(size), .set = camera_set_size},
    {NAMED(FORMAT), OF(format), .set = camera_set_format},
    {NAMED(INTERVAL_NS), OF(interval), .set = camera_set_interval},
    {NAMED(STRIDE), .get = camera_get_stride},
    {NAMED(FRAME_BYTES), .get = camera_get_frame_bytes},

    {NAMED(COMMAND), ACTION, .set = camera_set_command},
    {NAMED(STATE), OF(state)},
    {NAMED(RESULT), OF(result)},
    {NAMED(ERROR), OF(error), .set = camera_clear_error},
    {NAMED_64(ERROR_DETAIL), OF(error_detail)},
    {NAMED(GENERATION), OF(generation)},

    {NAMED(IRQ_STATUS), OF(irq.status), .set = camera_clear_irq},
    {NAMED(IRQ_ENABLE), OF(irq.enable), .mask = MMRIG_CAM_IRQ_ALL,
     .set = camera_enable_irq},

    {NAMED_64(BUF_ADDRESS), OF(buf_address), .mask = UINT64_MAX},
    {NAMED(BUF_LENGTH), OF(buf_length), ANY_32},
    {NAMED(BUF_COOKIE), OF(buf_cookie), ANY_32},
    {NAMED(QUEUE), OF(queue_count), .set = camera_set_queue},

    {NAMED(DONE_COUNT), OF(done_count)},
    {NAMED(DONE_COOKIE), DONE(cookie)},
    {NAMED(DONE_STATUS), DONE(status)},
    {NAMED(DONE_SEQUENCE), DONE(sequence)},
    {NAMED(DONE_BYTES), DONE(bytes)},
    {NAMED(DONE_CRC32C), DONE(crc32c)},
    {NAMED_64(DONE_TIME), DONE(time)},
    {NAMED_64(DONE_ADDRESS), DONE(address)},
    {NAMED(DONE_POP), ACTION, .set = camera_set_pop},

    {NAMED(COUNT_FRAMES), OF(count_frames)},
    {NAMED(COUNT_UNDERRUNS), OF(count_underruns)},
    {NAMED(COUNT_DROPPED), OF(count_dropped)},
    {NAMED(COUNT_DMA_ERRORS), OF(count_dma_errors)},
    {NAMED(COUNT_QUEUED), OF(count_queued)},
    {NAMED(COUNT_REJECTED), OF(count_rejected)},
    {NAMED(COUNT_START_TIMEOUTS), OF(count_start_timeouts)},
    {NAMED(COUNT_ERRORS), OF(count_errors)},
    {NAMED_64(START_LATENCY), OF(start_latency)},
    {NAMED_64(START_WAIT), OF(start_wait)},

    {NAMED(CLOCK_LO), .kind = MMRIG_REGISTER_CLOCK, .get = camera_get_clock},
    {NAMED(CLOCK_HI), OF(clock_hi)},

    {TABLE(SIZE_TABLE, sizes)},
    {TABLE(FORMAT_TABLE, formats)},
};

static void camera_register_error(void *device, uint32_t error, uint64_t detail)
{
    mmrig_camera_error(device, error, detail);
}

const MmrigRegisters mmrig_camera_registers = {
    .rows = camera_rows,
    .row_count = ARRAY_SIZE(camera_rows),
    .size = MMRIG_CAM_REGS_SIZE,
    .error_access = MMRIG_CAM_ERR_ACCESS,
    .error_register = MMRIG_CAM_ERR_REGISTER,
    .error_read_only = MMRIG_CAM_ERR_READ_ONLY,
    .error_value = MMRIG_CAM_ERR_RESERVED,
    .error = camera_register_error,
};

static uint64_t camera_read(void *opaque, hwaddr offset, unsigned size)
{
    return mmrig_registers_read(&mmrig_camera_registers, opaque, offset, size);
}

static void camera_write(void *opaque, hwaddr offset, uint64_t value,
                         unsigned size)
{
    mmrig_registers_write(&mmrig_camera_registers, opaque, offset, value, size);
}

const MemoryRegionOps mmrig_camera_ops = {
    .read = camera_read,
    .write = camera_write,
    MMRIG_REGISTERS_ACCESS,
};
