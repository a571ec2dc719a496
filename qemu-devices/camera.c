/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-camera: a PCI frame grabber without scatter-gather. The registers are
 * in abi/mmrig-camera-regs.h, the behaviour in docs/devices/camera.md.
 *
 * Theory of operation. One timer on the virtual clock drives everything: in
 * STARTING it is the end of the device's patience, in STREAMING the next frame.
 * A frame that is due takes the oldest queued buffer, is written into it and
 * makes a completion. Whatever the guest writes is checked at that write, and a
 * buffer once more before it is filled, since memory and PCI's bus mastering
 * can go away in between. DMA goes to RAM only, so nothing here can re-enter a
 * device. Everything runs under the big lock.
 */
#include "compat.h"

#include "exec/cpu-common.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qom/object.h"

#include "camera-frame.h"

#define TYPE_MMRIG_CAMERA "mmrig-camera"
OBJECT_DECLARE_SIMPLE_TYPE(MmrigCamera, MMRIG_CAMERA)

#define QUEUE_MAX 64
#define DONE_DEPTH 64
#define INTERVAL_MAX_NS 1000000000u
#define FPS_MAX 10000
#define ALIGN_MAX (256 * MiB)
#define TIMEOUT_MAX_MS 3600000

typedef struct CameraBuffer {
    uint64_t address;
    uint32_t length;
    uint32_t cookie;
} CameraBuffer;

typedef struct CameraDone {
    uint64_t address;
    uint64_t time;
    uint32_t cookie;
    uint32_t status;
    uint32_t sequence;
    uint32_t bytes;
    uint32_t crc32c;
} CameraDone;

struct MmrigCamera {
    PCIDevice parent_obj;

    /* Properties, and what they say. */
    char *sizes_text;
    char *formats_text;
    uint32_t max_fps;
    uint32_t dma_bits;
    uint32_t buffer_align;
    uint32_t start_timeout_ms;
    uint32_t queue_depth;
    uint32_t min_buffers;
    bool debug;
    bool calibrate;
    uint32_t sizes[MMRIG_CAM_SIZES_MAX];
    uint32_t size_count;
    uint32_t formats[MMRIG_CAM_FORMATS_MAX];
    uint32_t format_count;

    MemoryRegion regs;
    QEMUTimer *timer;
    CameraPattern *pattern; /* while STREAMING: follows from size and format */

    /* What the guest sees; migrated. */
    uint32_t size;
    uint32_t format;
    uint32_t interval;
    uint32_t state;
    uint32_t result;
    uint32_t error;
    uint64_t error_detail;
    uint32_t generation;
    uint32_t irq_status;
    uint32_t irq_enable;
    uint64_t buf_address;
    uint32_t buf_length;
    uint32_t buf_cookie;
    uint32_t clock_hi;

    CameraBuffer queue[QUEUE_MAX];
    uint32_t queue_first;
    uint32_t queue_count;
    CameraDone done[DONE_DEPTH];
    uint32_t done_first;
    uint32_t done_count;

    uint32_t sequence;
    int64_t started; /* the latest START */
    int64_t due;     /* when the timer is to fire */
    uint32_t count_frames;
    uint32_t count_underruns;
    uint32_t count_dropped;
    uint32_t count_dma_errors;
    uint32_t count_queued;
    uint32_t count_rejected;
    uint32_t count_start_timeouts;
    uint32_t count_errors;
    uint64_t start_latency;
    uint64_t start_wait;

    /* For benchmarks, by qom-get: of the host, so never migrated or reset. */
    uint64_t stat_frames;
    uint64_t stat_bytes;
    uint64_t stat_ns;
    uint64_t stat_copy_ns;
    uint8_t *plain; /* as many bytes as a frame, for calibrate */
    uint32_t plain_size;
};

static void G_GNUC_PRINTF(2, 3)
    camera_debug(const MmrigCamera *s, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    if (!s->debug) {
        return;
    }
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    qemu_log("mmrig-camera %s: %s\n", DEVICE(s)->id ? DEVICE(s)->id : "-",
             text);
}

static uint32_t camera_stride(const MmrigCamera *s)
{
    return MMRIG_CAM_SIZE_WIDTH(s->size) * camera_format_bytes(s->format);
}

static uint32_t camera_frame_bytes(const MmrigCamera *s)
{
    return camera_stride(s) * MMRIG_CAM_SIZE_HEIGHT(s->size);
}

static uint32_t camera_interval_min(const MmrigCamera *s)
{
    return 1000000000u / s->max_fps;
}

static int64_t camera_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* ---- Interrupts and errors ---------------------------------------------- */

static void camera_notify(MmrigCamera *s, uint32_t bits)
{
    PCIDevice *pci = PCI_DEVICE(s);

    if (!msix_enabled(pci)) {
        return;
    }
    if (bits & MMRIG_CAM_IRQ_FRAME) {
        msix_notify(pci, MMRIG_CAM_VECTOR_FRAME);
    }
    if (bits & ~MMRIG_CAM_IRQ_FRAME) {
        msix_notify(pci, MMRIG_CAM_VECTOR_EVENT);
    }
}

static void camera_raise(MmrigCamera *s, uint32_t bits)
{
    uint32_t risen = bits & ~s->irq_status;

    s->irq_status |= bits;
    camera_notify(s, risen & s->irq_enable);
}

static uint32_t camera_error(MmrigCamera *s, uint32_t error, uint64_t detail)
{
    s->error = error;
    s->error_detail = detail;
    s->count_errors++;
    camera_debug(s, "error 0x%02x detail 0x%" PRIx64, error, detail);
    camera_raise(s, MMRIG_CAM_IRQ_ERROR);
    return error;
}

/* ---- DMA ---------------------------------------------------------------- */

static bool camera_is_master(MmrigCamera *s)
{
    return pci_get_word(PCI_DEVICE(s)->config + PCI_COMMAND) &
           PCI_COMMAND_MASTER;
}

/* Whether all of it is RAM that a device can write; *bad is where it is not. */
static bool camera_is_ram(MmrigCamera *s, uint64_t address, uint64_t length,
                          uint64_t *bad)
{
    AddressSpace *as = pci_get_address_space(PCI_DEVICE(s));

    RCU_READ_LOCK_GUARD();
    while (length > 0) {
        hwaddr part = length;
        hwaddr offset;
        MemoryRegion *mr = address_space_translate(
            as, address, &offset, &part, true, MEMTXATTRS_UNSPECIFIED);

        if (part == 0 ||
            !memory_access_is_direct(mr, true, MEMTXATTRS_UNSPECIFIED)) {
            *bad = address;
            return false;
        }
        address += part;
        length -= part;
    }
    return true;
}

/* How long a plain copy to the same place takes. */
static void camera_calibrate(MmrigCamera *s, void *to, uint32_t from,
                             uint32_t size)
{
    uint32_t bytes = camera_frame_bytes(s);
    int64_t begun;

    if (s->plain_size != bytes) {
        s->plain = g_realloc(s->plain, bytes);
        memset(s->plain, 0x5a, bytes);
        s->plain_size = bytes;
    }
    begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    memcpy(to, s->plain + from, size);
    s->stat_copy_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
}

static bool camera_dma(MmrigCamera *s, uint64_t address, const CameraShot *shot,
                       uint32_t *crc, uint64_t *bad)
{
    AddressSpace *as = pci_get_address_space(PCI_DEVICE(s));
    uint32_t bytes = camera_frame_bytes(s);
    uint32_t from = 0;
    int64_t begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    CameraFrame frame;

    if (!camera_is_ram(s, address, bytes, bad)) {
        return false;
    }
    camera_frame_init(&frame, s->pattern, shot);
    s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
    while (from < bytes) {
        hwaddr size = bytes - from;
        void *to;

        begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        to = address_space_map(as, address + from, &size, true,
                               MEMTXATTRS_UNSPECIFIED);
        if (!to || size == 0 || size > bytes - from) {
            if (to) {
                address_space_unmap(as, to, size, true, 0);
            }
            *bad = address + from;
            return false;
        }
        s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
        /* Who comes first pays for faults and cold caches: take turns. */
        if (s->calibrate && s->stat_frames % 2 == 0) {
            camera_calibrate(s, to, from, size);
        }
        begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        camera_frame_write(&frame, to, from, size);
        s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
        if (s->calibrate && s->stat_frames % 2 != 0) {
            camera_calibrate(s, to, from, size);
            camera_frame_write(&frame, to, from, size);
        }
        begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        address_space_unmap(as, to, size, true, size);
        s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
        from += size;
    }
    s->stat_frames++;
    s->stat_bytes += bytes;
    *crc = frame.crc32c;
    return true;
}

/* ---- Streaming ---------------------------------------------------------- */

static void camera_arm(MmrigCamera *s, int64_t due)
{
    s->due = due;
    timer_mod(s->timer, due);
}

static void camera_forget_pattern(MmrigCamera *s)
{
    camera_pattern_free(s->pattern);
    s->pattern = NULL;
}

static void camera_stream(MmrigCamera *s)
{
    int64_t now = camera_now();

    s->state = MMRIG_CAM_STATE_STREAMING;
    s->start_wait = now - s->started;
    camera_forget_pattern(s);
    s->pattern = camera_pattern_new(s->size, s->format);
    camera_debug(s, "streaming, %u buffers queued", s->queue_count);
    camera_arm(s, now + s->interval);
    camera_raise(s, MMRIG_CAM_IRQ_STREAMING);
}

static void camera_stop(MmrigCamera *s)
{
    timer_del(s->timer);
    camera_forget_pattern(s);
    if (s->state != MMRIG_CAM_STATE_IDLE) {
        camera_debug(s, "stopped");
    }
    s->state = MMRIG_CAM_STATE_IDLE;
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
        .time = camera_now(),
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
    if (!camera_is_master(s)) {
        done->status = MMRIG_CAM_ERR_DMA_BUS_MASTER;
    } else if (!camera_dma(s, buffer.address, &shot, &done->crc32c, &bad)) {
        done->status = MMRIG_CAM_ERR_DMA_NOT_RAM;
    } else {
        done->bytes = camera_frame_bytes(s);
        s->count_frames++;
        if (s->start_latency == 0) {
            s->start_latency = shot.time - s->started;
        }
    }
    s->done_count++;
    if (done->status != MMRIG_CAM_OK) {
        s->count_dma_errors++;
        camera_error(s, done->status, bad);
    }
    camera_debug(s, "frame %u at 0x%" PRIx64 " status 0x%02x", sequence,
                 buffer.address, done->status);
    camera_raise(s, MMRIG_CAM_IRQ_FRAME);
}

static void camera_tick(void *opaque)
{
    MmrigCamera *s = opaque;
    int64_t now = camera_now();
    uint32_t sequence;

    if (s->state == MMRIG_CAM_STATE_STARTING) {
        s->state = MMRIG_CAM_STATE_FAILED;
        s->count_start_timeouts++;
        camera_error(s, MMRIG_CAM_ERR_START_TIMEOUT, s->queue_count);
        camera_raise(s, MMRIG_CAM_IRQ_START_TIMEOUT);
        return;
    }
    if (s->state != MMRIG_CAM_STATE_STREAMING) {
        return;
    }
    sequence = s->sequence++;
    if (s->done_count == DONE_DEPTH) {
        s->count_dropped++;
        camera_debug(s, "frame %u dropped: completions are full", sequence);
        camera_raise(s, MMRIG_CAM_IRQ_DROPPED);
    } else if (s->queue_count == 0) {
        s->count_underruns++;
        camera_debug(s, "frame %u: no buffer", sequence);
        camera_raise(s, MMRIG_CAM_IRQ_UNDERRUN);
    } else {
        camera_deliver(s, sequence);
    }
    /* A host that was late must not look like a burst of frames. */
    camera_arm(s, s->due + s->interval > now ? s->due + s->interval
                                             : now + s->interval);
}

static uint32_t camera_start(MmrigCamera *s)
{
    if (s->state != MMRIG_CAM_STATE_IDLE) {
        return camera_error(s, MMRIG_CAM_ERR_STATE, s->state);
    }
    if (!camera_is_master(s)) {
        return camera_error(s, MMRIG_CAM_ERR_BUS_MASTER, 0);
    }
    s->generation++;
    s->sequence = 0;
    s->started = camera_now();
    s->start_latency = 0;
    s->start_wait = 0;
    s->state = MMRIG_CAM_STATE_STARTING;
    camera_debug(s, "start, %u of %u buffers queued", s->queue_count,
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
    if (s->buf_length < camera_frame_bytes(s)) {
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
    if (!camera_is_master(s)) {
        *detail = 0;
        return MMRIG_CAM_ERR_BUS_MASTER;
    }
    if (!camera_is_ram(s, first, camera_frame_bytes(s), detail)) {
        return MMRIG_CAM_ERR_BUF_NOT_RAM;
    }
    return MMRIG_CAM_OK;
}

static uint32_t camera_queue(MmrigCamera *s)
{
    uint64_t detail;
    uint32_t error = camera_buffer_check(s, &detail);

    if (error != MMRIG_CAM_OK) {
        s->count_rejected++;
        return camera_error(s, error, detail);
    }
    s->queue[(s->queue_first + s->queue_count) % QUEUE_MAX] = (CameraBuffer){
        .address = s->buf_address,
        .length = s->buf_length,
        .cookie = s->buf_cookie,
    };
    s->queue_count++;
    s->count_queued++;
    camera_debug(s, "buffer 0x%" PRIx64 " + 0x%x cookie 0x%x", s->buf_address,
                 s->buf_length, s->buf_cookie);
    if (s->state == MMRIG_CAM_STATE_STARTING &&
        s->queue_count >= s->min_buffers) {
        camera_stream(s);
    }
    return MMRIG_CAM_OK;
}

static uint32_t camera_pop(MmrigCamera *s)
{
    if (s->done_count == 0) {
        return camera_error(s, MMRIG_CAM_ERR_DONE_EMPTY, 0);
    }
    s->done_first = (s->done_first + 1) % DONE_DEPTH;
    s->done_count--;
    return MMRIG_CAM_OK;
}

static void camera_reset(MmrigCamera *s)
{
    camera_stop(s);
    s->size = s->sizes[0];
    s->format = s->formats[0];
    s->interval = MAX(camera_interval_min(s), 1000000000u / 30);
    s->result = MMRIG_CAM_OK;
    s->error = MMRIG_CAM_OK;
    s->error_detail = 0;
    s->generation = 0;
    s->irq_status = 0;
    s->irq_enable = 0;
    s->buf_address = 0;
    s->buf_length = 0;
    s->buf_cookie = 0;
    s->clock_hi = 0;
    s->sequence = 0;
    s->started = 0;
    s->due = 0;
    s->count_frames = 0;
    s->count_underruns = 0;
    s->count_dropped = 0;
    s->count_dma_errors = 0;
    s->count_queued = 0;
    s->count_rejected = 0;
    s->count_start_timeouts = 0;
    s->count_errors = 0;
    s->start_latency = 0;
    s->start_wait = 0;
}

/* ---- Registers ---------------------------------------------------------- */

static bool camera_listed(const uint32_t *table, uint32_t count, uint32_t value)
{
    for (uint32_t i = 0; i < count; i++) {
        if (table[i] == value) {
            return true;
        }
    }
    return false;
}

static uint32_t camera_set_geometry(MmrigCamera *s, hwaddr offset,
                                    uint32_t value)
{
    if (s->state != MMRIG_CAM_STATE_IDLE) {
        return camera_error(s, MMRIG_CAM_ERR_STATE, s->state);
    }
    if (s->queue_count != 0) {
        return camera_error(s, MMRIG_CAM_ERR_QUEUED, s->queue_count);
    }
    switch (offset) {
    case MMRIG_CAM_SIZE:
        if (!camera_listed(s->sizes, s->size_count, value)) {
            return camera_error(s, MMRIG_CAM_ERR_SIZE, value);
        }
        s->size = value;
        break;
    case MMRIG_CAM_FORMAT:
        if (!camera_listed(s->formats, s->format_count, value)) {
            return camera_error(s, MMRIG_CAM_ERR_FORMAT, value);
        }
        s->format = value;
        break;
    default:
        if (value < camera_interval_min(s) || value > INTERVAL_MAX_NS) {
            return camera_error(s, MMRIG_CAM_ERR_INTERVAL, value);
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
        return camera_start(s);
    case MMRIG_CAM_COMMAND_STOP:
        camera_stop(s);
        return MMRIG_CAM_OK;
    case MMRIG_CAM_COMMAND_RESET:
        camera_reset(s);
        return MMRIG_CAM_OK;
    default:
        return camera_error(s, MMRIG_CAM_ERR_COMMAND, value);
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
        *value = camera_interval_min(s);
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
        *value = camera_stride(s);
        break;
    case MMRIG_CAM_FRAME_BYTES:
        *value = camera_frame_bytes(s);
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
        now = camera_now();
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
        camera_error(s, MMRIG_CAM_ERR_ACCESS, offset);
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
        camera_error(s, MMRIG_CAM_ERR_ACCESS, offset);
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
            camera_error(s, MMRIG_CAM_ERR_RESERVED, value);
            break;
        }
        unused = value & ~s->irq_enable & s->irq_status;
        s->irq_enable = value;
        camera_notify(s, unused);
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
        s->result = camera_queue(s);
        break;
    case MMRIG_CAM_DONE_POP:
        s->result = camera_pop(s);
        break;
    default:
        camera_error(s,
                     camera_read_any(s, offset, &unused)
                         ? MMRIG_CAM_ERR_READ_ONLY
                         : MMRIG_CAM_ERR_REGISTER,
                     offset);
        break;
    }
}

/* Every access reaches the handlers, so that a wrong one has its error code. */
static const MemoryRegionOps camera_ops = {
    .read = camera_read,
    .write = camera_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};

/* ---- Migration ---------------------------------------------------------- */

/* The stream comes from outside: as little to be trusted as the guest. */
static int camera_post_load(void *opaque, int version)
{
    MmrigCamera *s = opaque;
    bool timed =
        s->state == MMRIG_CAM_STATE_STREAMING ||
        (s->state == MMRIG_CAM_STATE_STARTING && s->start_timeout_ms > 0);

    if (!camera_listed(s->sizes, s->size_count, s->size) ||
        !camera_listed(s->formats, s->format_count, s->format) ||
        s->interval < camera_interval_min(s) || s->interval > INTERVAL_MAX_NS ||
        s->state > MMRIG_CAM_STATE_FAILED || s->queue_first >= QUEUE_MAX ||
        s->queue_count > s->queue_depth || s->done_first >= DONE_DEPTH ||
        s->done_count > DONE_DEPTH || (s->irq_enable & ~MMRIG_CAM_IRQ_ALL) ||
        (s->irq_status & ~MMRIG_CAM_IRQ_ALL) || s->due < 0 ||
        s->due > INT64_MAX / 2 || timed != timer_pending(s->timer)) {
        qemu_log("mmrig-camera: the incoming state does not fit this device;"
                 " its properties have to be those of the source\n");
        return -EINVAL;
    }
    for (uint32_t i = 0; i < s->queue_count; i++) {
        const CameraBuffer *b = &s->queue[(s->queue_first + i) % QUEUE_MAX];

        if (b->length < camera_frame_bytes(s) ||
            b->address > UINT64_MAX - (b->length - 1)) {
            return -EINVAL;
        }
    }
    camera_forget_pattern(s);
    if (s->state == MMRIG_CAM_STATE_STREAMING) {
        s->pattern = camera_pattern_new(s->size, s->format);
    }
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

static const VMStateDescription camera_vmstate = {
    .name = TYPE_MMRIG_CAMERA,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = camera_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_PCI_DEVICE(parent_obj, MmrigCamera),
            VMSTATE_MSIX(parent_obj, MmrigCamera),
            VMSTATE_TIMER_PTR(timer, MmrigCamera),
            VMSTATE_UINT32(size, MmrigCamera),
            VMSTATE_UINT32(format, MmrigCamera),
            VMSTATE_UINT32(interval, MmrigCamera),
            VMSTATE_UINT32(state, MmrigCamera),
            VMSTATE_UINT32(result, MmrigCamera),
            VMSTATE_UINT32(error, MmrigCamera),
            VMSTATE_UINT64(error_detail, MmrigCamera),
            VMSTATE_UINT32(generation, MmrigCamera),
            VMSTATE_UINT32(irq_status, MmrigCamera),
            VMSTATE_UINT32(irq_enable, MmrigCamera),
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

/* ---- The device --------------------------------------------------------- */

static bool camera_parse_sizes(MmrigCamera *s, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(s->sizes_text, ":", -1);

    for (guint i = 0; words[i]; i++) {
        unsigned width;
        unsigned height;
        char end;

        if (s->size_count == MMRIG_CAM_SIZES_MAX) {
            error_setg(errp, "sizes: at most %d", MMRIG_CAM_SIZES_MAX);
            return false;
        }
        if (sscanf(words[i], "%5ux%5u%c", &width, &height, &end) != 2 ||
            width < MMRIG_CAM_WIDTH_MIN || width > MMRIG_CAM_WIDTH_MAX ||
            height < MMRIG_CAM_HEIGHT_MIN || height > MMRIG_CAM_HEIGHT_MAX ||
            width % 2 || height % 2) {
            error_setg(errp,
                       "sizes: '%s' is not WIDTHxHEIGHT, both even, from"
                       " %dx%d to %dx%d",
                       words[i], MMRIG_CAM_WIDTH_MIN, MMRIG_CAM_HEIGHT_MIN,
                       MMRIG_CAM_WIDTH_MAX, MMRIG_CAM_HEIGHT_MAX);
            return false;
        }
        s->sizes[s->size_count++] = MMRIG_CAM_SIZE_PACK(width, height);
    }
    if (s->size_count == 0) {
        error_setg(errp, "sizes: at least one is needed");
        return false;
    }
    return true;
}

static bool camera_parse_formats(MmrigCamera *s, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(s->formats_text, ":", -1);

    for (guint i = 0; words[i]; i++) {
        const char *w = words[i];
        uint32_t format = strlen(w) == 4
                              ? MMRIG_CAM_FOURCC((uint8_t)w[0], (uint8_t)w[1],
                                                 (uint8_t)w[2], (uint8_t)w[3])
                              : 0;

        if (camera_format_bytes(format) == 0) {
            error_setg(errp, "formats: '%s' is none of YUYV, GREY, RGB3, XR24",
                       w);
            return false;
        }
        if (camera_listed(s->formats, s->format_count, format)) {
            error_setg(errp, "formats: '%s' is there twice", w);
            return false;
        }
        s->formats[s->format_count++] = format;
    }
    if (s->format_count == 0) {
        error_setg(errp, "formats: at least one is needed");
        return false;
    }
    return true;
}

static bool camera_in_range(const char *name, uint64_t value, uint64_t least,
                            uint64_t most, Error **errp)
{
    if (value < least || value > most) {
        error_setg(errp, "%s: %" PRIu64 " is not from %" PRIu64 " to %" PRIu64,
                   name, value, least, most);
        return false;
    }
    return true;
}

static void camera_realize(PCIDevice *pci, Error **errp)
{
    MmrigCamera *s = MMRIG_CAMERA(pci);

    if (!camera_in_range("max-fps", s->max_fps, 1, FPS_MAX, errp) ||
        !camera_in_range("dma-bits", s->dma_bits, 32, 64, errp) ||
        !camera_in_range("align", s->buffer_align, 1, ALIGN_MAX, errp) ||
        !camera_in_range("start-timeout-ms", s->start_timeout_ms, 0,
                         TIMEOUT_MAX_MS, errp) ||
        !camera_in_range("queue-depth", s->queue_depth, 1, QUEUE_MAX, errp) ||
        !camera_in_range("min-buffers", s->min_buffers, 1, s->queue_depth,
                         errp)) {
        return;
    }
    if (!is_power_of_2(s->buffer_align)) {
        error_setg(errp, "align: %u is no power of two", s->buffer_align);
        return;
    }
    s->size_count = 0;
    s->format_count = 0;
    if (!camera_parse_sizes(s, errp) || !camera_parse_formats(s, errp)) {
        return;
    }
    memory_region_init_io(&s->regs, OBJECT(s), &camera_ops, s,
                          "mmrig-camera-regs", MMRIG_CAM_REGS_SIZE);
    pci_register_bar(pci, MMRIG_CAM_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
    if (msix_init_exclusive_bar(pci, MMRIG_CAM_VECTORS, MMRIG_CAM_BAR_MSIX,
                                errp) < 0) {
        return;
    }
    for (unsigned i = 0; i < MMRIG_CAM_VECTORS; i++) {
        msix_vector_use(pci, i);
    }
    s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, camera_tick, s);
    camera_reset(s);
}

static void camera_exit(PCIDevice *pci)
{
    MmrigCamera *s = MMRIG_CAMERA(pci);

    camera_stop(s);
    timer_free(s->timer);
    s->timer = NULL;
    g_clear_pointer(&s->plain, g_free);
    msix_unuse_all_vectors(pci);
    msix_uninit_exclusive_bar(pci);
}

static void camera_reset_hold(Object *object, ResetType type)
{
    camera_reset(MMRIG_CAMERA(object));
}

static const Property camera_properties[] = {
    DEFINE_PROP_STRING("sizes", MmrigCamera, sizes_text),
    DEFINE_PROP_STRING("formats", MmrigCamera, formats_text),
    DEFINE_PROP_UINT32("max-fps", MmrigCamera, max_fps, 60),
    DEFINE_PROP_UINT32("dma-bits", MmrigCamera, dma_bits, 32),
    DEFINE_PROP_SIZE32("align", MmrigCamera, buffer_align, 4096),
    DEFINE_PROP_UINT32("start-timeout-ms", MmrigCamera, start_timeout_ms, 500),
    DEFINE_PROP_UINT32("queue-depth", MmrigCamera, queue_depth, 32),
    DEFINE_PROP_UINT32("min-buffers", MmrigCamera, min_buffers, 2),
    DEFINE_PROP_BOOL("debug", MmrigCamera, debug, false),
    DEFINE_PROP_BOOL("calibrate", MmrigCamera, calibrate, false),
};

static void camera_instance_init(Object *object)
{
    MmrigCamera *s = MMRIG_CAMERA(object);

    s->sizes_text = g_strdup("640x480:1280x720:1920x1080:3840x2160");
    s->formats_text = g_strdup("YUYV:GREY:RGB3:XR24");
    object_property_add_uint64_ptr(object, "stat-frames", &s->stat_frames,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(object, "stat-bytes", &s->stat_bytes,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(object, "stat-ns", &s->stat_ns,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(object, "stat-copy-ns", &s->stat_copy_ns,
                                   OBJ_PROP_FLAG_READ);
}

static void camera_class_init(ObjectClass *klass, MMRIG_CLASS_DATA *data)
{
    DeviceClass *device = DEVICE_CLASS(klass);
    PCIDeviceClass *pci = PCI_DEVICE_CLASS(klass);
    ResettableClass *reset = RESETTABLE_CLASS(klass);

    pci->realize = camera_realize;
    pci->exit = camera_exit;
    pci->vendor_id = MMRIG_CAM_PCI_VENDOR;
    pci->device_id = MMRIG_CAM_PCI_DEVICE;
    pci->revision = MMRIG_CAM_PCI_REVISION;
    pci->class_id = PCI_CLASS_MULTIMEDIA_VIDEO;
    device->desc = "frame grabber that demands contiguous memory (mmrig)";
    device->vmsd = &camera_vmstate;
    set_bit(DEVICE_CATEGORY_MISC, device->categories);
    device_class_set_props(device, camera_properties);
    reset->phases.hold = camera_reset_hold;
}

static const TypeInfo camera_info = {
    .name = TYPE_MMRIG_CAMERA,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(MmrigCamera),
    .instance_init = camera_instance_init,
    .class_init = camera_class_init,
    .interfaces =
        (MMRIG_INTERFACE_INFO[]){
            {INTERFACE_CONVENTIONAL_PCI_DEVICE},
            {},
        },
};

MMRIG_DEVICE(camera, camera_info);
