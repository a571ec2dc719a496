/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of mmrig-camera share:
 *
 *   camera.c            properties, coming and going of the device
 *   camera-registers.c  what the guest reads and writes
 *   camera-stream.c     buffers, frames that are due, completions, interrupts
 *   camera-dma.c        writing a frame to the guest's memory
 *   camera-migration.c  its state in a migration stream
 *   camera-frame.c      the picture, apart from QEMU
 */
#ifndef MMRIG_CAMERA_H
#define MMRIG_CAMERA_H

#include "compat.h"

#include "hw/pci/pci_device.h"
#include "migration/vmstate.h"
#include "qemu/timer.h"
#include "qom/object.h"

#include "camera-frame.h"
#include "common/irq.h"
#include "common/registers.h"

#define TYPE_MMRIG_CAMERA "mmrig-camera"
OBJECT_DECLARE_SIMPLE_TYPE(MmrigCamera, MMRIG_CAMERA)

#define QUEUE_MAX 64
#define DONE_DEPTH 64
#define INTERVAL_MAX_NS 1000000000u

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
    bool intx;
    uint32_t sizes[MMRIG_CAM_SIZES_MAX];
    uint32_t size_count;
    uint32_t formats[MMRIG_CAM_FORMATS_MAX];
    uint32_t format_count;
    uint32_t lists_sum; /* of both, for migration */

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
    MmrigIrq irq;
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

/* ---- camera.c ----------------------------------------------------------- */

/* A line in QEMU's log, if the property debug is on. */
void G_GNUC_PRINTF(2, 3)
    mmrig_camera_debug(const MmrigCamera *s, const char *format, ...);

/* Whether the value is in a table of sizes or formats. */
bool mmrig_camera_listed(const uint32_t *table, uint32_t count, uint32_t value);

/* Of the geometry that is set. */
uint32_t mmrig_camera_stride(const MmrigCamera *s);
uint32_t mmrig_camera_frame_bytes(const MmrigCamera *s);
uint32_t mmrig_camera_interval_min(const MmrigCamera *s);

/* ---- camera-registers.c ------------------------------------------------- */

extern const MmrigRegisters mmrig_camera_registers;
extern const MemoryRegionOps mmrig_camera_ops;

/* ---- camera-stream.c ---------------------------------------------------- */

int64_t mmrig_camera_now(void);

/* Makes it the latest error, and returns it. */
uint32_t mmrig_camera_error(MmrigCamera *s, uint32_t error, uint64_t detail);

/* What the commands and QUEUE and DONE_POP do; a MMRIG_CAM_* result. */
uint32_t mmrig_camera_start(MmrigCamera *s);
uint32_t mmrig_camera_queue(MmrigCamera *s);
uint32_t mmrig_camera_pop(MmrigCamera *s);
void mmrig_camera_stop(MmrigCamera *s);
void mmrig_camera_reset(MmrigCamera *s);

/* The timer. */
void mmrig_camera_tick(void *opaque);

/* The pattern follows from state, size and format. */
void mmrig_camera_renew_pattern(MmrigCamera *s);

/* ---- camera-dma.c ------------------------------------------------------- */

bool mmrig_camera_is_master(MmrigCamera *s);

/* Whether all of it is RAM that a device can write; *bad is where it is not. */
bool mmrig_camera_is_ram(MmrigCamera *s, uint64_t address, uint64_t length,
                         uint64_t *bad);

/* Writes a frame; false if the memory is gone, and where. */
bool mmrig_camera_dma(MmrigCamera *s, uint64_t address, const CameraShot *shot,
                      uint32_t *crc, uint64_t *bad);

/* ---- camera-migration.c ------------------------------------------------- */

extern const VMStateDescription mmrig_camera_vmstate;

#endif
