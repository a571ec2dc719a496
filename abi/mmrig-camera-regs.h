/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-camera: a PCI frame grabber without scatter-gather. What its driver, its model and its
 * tests share; docs/devices/camera.md is the specification in words.
 *
 * BAR 0 holds the registers, BAR 1 the MSI-X table. A register is 32 bits wide and takes only
 * aligned 32-bit accesses. Everything is little endian. Reading has no side effect, but for
 * CLOCK_LO, which latches CLOCK_HI.
 *
 * The header needs <linux/types.h> alone, so it can be read by QEMU, the kernel and programs.
 */
#ifndef MMRIG_CAMERA_REGS_H
#define MMRIG_CAMERA_REGS_H

#include <linux/types.h>

/* ---- PCI ------------------------------------------------------------------------------- */

/* 0x1234 is what QEMU's own devices without an assigned number use; class: video, 0x0400. */
#define MMRIG_CAM_PCI_VENDOR   0x1234
#define MMRIG_CAM_PCI_DEVICE   0x6d63
#define MMRIG_CAM_PCI_REVISION 1

#define MMRIG_CAM_BAR_REGS  0
#define MMRIG_CAM_BAR_MSIX  1
#define MMRIG_CAM_REGS_SIZE 0x1000

/* Vectors: MMRIG_CAM_IRQ_FRAME goes to the first, every other bit of IRQ_STATUS to the second.
 */
#define MMRIG_CAM_VECTOR_FRAME 0
#define MMRIG_CAM_VECTOR_EVENT 1
#define MMRIG_CAM_VECTORS      2

/* ---- Registers --------------------------------------------------------------------------- */

/*
 * What the device is. Read only.
 */
#define MMRIG_CAM_ID       0x000 /* MMRIG_CAM_ID_VALUE */
#define MMRIG_CAM_VERSION  0x004 /* major in the upper half, minor in the lower */
#define MMRIG_CAM_FEATURES 0x008 /* MMRIG_CAM_FEATURE_* */

#define MMRIG_CAM_ID_VALUE      0x6d63726d /* "mrcm" in memory */
#define MMRIG_CAM_VERSION_MAJOR 1
#define MMRIG_CAM_VERSION_MINOR 0

#define MMRIG_CAM_FEATURE_DMA64  (1u << 0) /* DMA_BITS is more than 32 */
#define MMRIG_CAM_FEATURE_CRC32C (1u << 1) /* frames and completions carry a CRC32C */
#define MMRIG_CAM_FEATURE_CLOCK  (1u << 2) /* CLOCK_LO and CLOCK_HI are there */

/*
 * What it demands of buffers, and its limits. Read only.
 */
#define MMRIG_CAM_DMA_BITS         0x010 /* 32 to 64: a buffer lies below 2^DMA_BITS */
#define MMRIG_CAM_BUFFER_ALIGN     0x014 /* bytes, a power of two: of a buffer's address */
#define MMRIG_CAM_QUEUE_DEPTH      0x018 /* buffers that can be queued at a time */
#define MMRIG_CAM_DONE_DEPTH       0x01c /* completions that can wait at a time */
#define MMRIG_CAM_MIN_BUFFERS      0x020 /* that must be queued for a start to go ahead */
#define MMRIG_CAM_START_TIMEOUT_MS 0x024 /* how long START waits for these; 0: forever */
#define MMRIG_CAM_INTERVAL_MIN_NS  0x028 /* the shortest INTERVAL_NS */
#define MMRIG_CAM_INTERVAL_MAX_NS  0x02c /* the longest INTERVAL_NS */
#define MMRIG_CAM_SIZE_COUNT       0x030 /* entries in SIZE_TABLE */
#define MMRIG_CAM_FORMAT_COUNT     0x034 /* entries in FORMAT_TABLE */

/*
 * Geometry. Can be written when STATE is IDLE and no buffer is queued; a value that is refused
 * leaves the old one.
 */
#define MMRIG_CAM_SIZE        0x040 /* MMRIG_CAM_SIZE_PACK(width, height), one of SIZE_TABLE */
#define MMRIG_CAM_FORMAT      0x044 /* one of FORMAT_TABLE's MMRIG_CAM_FORMAT_* */
#define MMRIG_CAM_INTERVAL_NS 0x048 /* from a frame to the next */
#define MMRIG_CAM_STRIDE      0x04c /* read only: bytes in a line, width x bytes in a pixel */
#define MMRIG_CAM_FRAME_BYTES 0x050 /* read only: STRIDE x height, the least BUF_LENGTH */

/*
 * Doing things. Each write to COMMAND, QUEUE, DONE_POP or a geometry register sets RESULT, to
 * MMRIG_CAM_OK or to why it was refused. Any error, and those that no write caused, also goes
 * to ERROR, which keeps the latest until it is written to (any value clears it), with
 * ERROR_DETAIL as told beside the codes.
 */
#define MMRIG_CAM_COMMAND         0x060 /* write MMRIG_CAM_COMMAND_*; reads as 0 */
#define MMRIG_CAM_STATE           0x064 /* read only: MMRIG_CAM_STATE_* */
#define MMRIG_CAM_RESULT          0x068 /* read only: MMRIG_CAM_OK or MMRIG_CAM_ERR_* */
#define MMRIG_CAM_ERROR           0x06c /* MMRIG_CAM_OK or MMRIG_CAM_ERR_*; write clears */
#define MMRIG_CAM_ERROR_DETAIL_LO 0x070 /* read only */
#define MMRIG_CAM_ERROR_DETAIL_HI 0x074 /* read only */
#define MMRIG_CAM_GENERATION      0x078 /* read only: accepted STARTs since reset */

#define MMRIG_CAM_COMMAND_START 1 /* IDLE to STARTING, or at once to STREAMING */
/* To IDLE, in any state: forgets queued buffers and completions; no DMA after this write. */
#define MMRIG_CAM_COMMAND_STOP 2
#define MMRIG_CAM_COMMAND_RESET                                                                \
    3 /* as a device reset: STOP, and all registers as at power on */

#define MMRIG_CAM_STATE_IDLE      0
#define MMRIG_CAM_STATE_STARTING  1 /* START was given, MIN_BUFFERS are not yet queued */
#define MMRIG_CAM_STATE_STREAMING 2
#define MMRIG_CAM_STATE_FAILED    3 /* the buffers came too late: STOP leads out */

/*
 * Interrupts. A bit of IRQ_STATUS stays until 1 is written to it. A message is sent when a bit
 * that is enabled becomes set, or a bit that is set becomes enabled: so clear the bit first and
 * then see to its cause, or the next message is missed.
 */
#define MMRIG_CAM_IRQ_STATUS 0x080
#define MMRIG_CAM_IRQ_ENABLE 0x084

#define MMRIG_CAM_IRQ_FRAME         (1u << 0) /* there is a new completion */
#define MMRIG_CAM_IRQ_STREAMING     (1u << 1) /* STARTING or IDLE to STREAMING */
#define MMRIG_CAM_IRQ_START_TIMEOUT (1u << 2) /* STARTING to FAILED */
#define MMRIG_CAM_IRQ_UNDERRUN      (1u << 3) /* a frame was due and no buffer was queued */
#define MMRIG_CAM_IRQ_DROPPED       (1u << 4) /* a frame was due and completions were full */
#define MMRIG_CAM_IRQ_ERROR         (1u << 5) /* ERROR was set */
#define MMRIG_CAM_IRQ_ALL           0x3fu

/*
 * Queueing a buffer: write the four BUF registers (they keep their values), then any value to
 * QUEUE; RESULT tells. Buffers are filled in the order they were queued.
 */
#define MMRIG_CAM_BUF_ADDRESS_LO 0x0a0
#define MMRIG_CAM_BUF_ADDRESS_HI 0x0a4
#define MMRIG_CAM_BUF_LENGTH     0x0a8 /* bytes */
#define MMRIG_CAM_BUF_COOKIE     0x0ac /* the driver's: comes back in the completion */
#define MMRIG_CAM_QUEUE          0x0b0 /* reads as how many are queued */

/*
 * The oldest completion. All read only and 0 when there is none, but for DONE_POP: write any
 * value to go on to the next.
 */
#define MMRIG_CAM_DONE_COUNT      0x0c0 /* completions that wait */
#define MMRIG_CAM_DONE_COOKIE     0x0c4
#define MMRIG_CAM_DONE_STATUS     0x0c8 /* MMRIG_CAM_OK or MMRIG_CAM_ERR_DMA_* */
#define MMRIG_CAM_DONE_SEQUENCE   0x0cc
#define MMRIG_CAM_DONE_BYTES      0x0d0 /* FRAME_BYTES, or 0 if it failed */
#define MMRIG_CAM_DONE_CRC32C     0x0d4 /* of all DONE_BYTES bytes, header included */
#define MMRIG_CAM_DONE_TIME_LO    0x0d8 /* CLOCK when the frame was taken, ns */
#define MMRIG_CAM_DONE_TIME_HI    0x0dc
#define MMRIG_CAM_DONE_ADDRESS_LO 0x0e0 /* of the buffer */
#define MMRIG_CAM_DONE_ADDRESS_HI 0x0e4
#define MMRIG_CAM_DONE_POP        0x0e8 /* reads as 0 */

/*
 * Counters since reset; read only, and they wrap.
 */
#define MMRIG_CAM_COUNT_FRAMES         0x100 /* delivered */
#define MMRIG_CAM_COUNT_UNDERRUNS      0x104 /* due, and no buffer was queued */
#define MMRIG_CAM_COUNT_DROPPED        0x108 /* due, and completions were full */
#define MMRIG_CAM_COUNT_DMA_ERRORS     0x10c /* due, and the buffer could not be written */
#define MMRIG_CAM_COUNT_QUEUED         0x110 /* buffers accepted */
#define MMRIG_CAM_COUNT_REJECTED       0x114 /* buffers refused */
#define MMRIG_CAM_COUNT_START_TIMEOUTS 0x118
#define MMRIG_CAM_COUNT_ERRORS         0x11c /* how often ERROR was set */
/* From the latest START to its first delivered frame, ns; 0 while there is none. */
#define MMRIG_CAM_START_LATENCY_LO 0x120
#define MMRIG_CAM_START_LATENCY_HI 0x124
/* From the latest START to STREAMING, ns: how long the device waited for buffers. */
#define MMRIG_CAM_START_WAIT_LO 0x128
#define MMRIG_CAM_START_WAIT_HI 0x12c

/* The device's clock in ns; reading the lower half latches the upper. Read only. */
#define MMRIG_CAM_CLOCK_LO 0x130
#define MMRIG_CAM_CLOCK_HI 0x134

/*
 * Tables, read only: entry I of the first is a MMRIG_CAM_SIZE_PACK, of the second a
 * MMRIG_CAM_FORMAT_*. Entries from the count on read as 0.
 */
#define MMRIG_CAM_SIZE_TABLE(i)   (0x200 + 4 * (i))
#define MMRIG_CAM_FORMAT_TABLE(i) (0x280 + 4 * (i))
#define MMRIG_CAM_SIZES_MAX       16
#define MMRIG_CAM_FORMATS_MAX     4

#define MMRIG_CAM_SIZE_PACK(width, height) ((__u32)(width) << 16 | (__u32)(height))
#define MMRIG_CAM_SIZE_WIDTH(size)         ((__u32)(size) >> 16)
#define MMRIG_CAM_SIZE_HEIGHT(size)        ((__u32)(size)&0xffff)

/* What widths and heights can be in the table; all are even. */
#define MMRIG_CAM_WIDTH_MIN  64
#define MMRIG_CAM_HEIGHT_MIN 16
#define MMRIG_CAM_WIDTH_MAX  8192
#define MMRIG_CAM_HEIGHT_MAX 8192

/* Pixel formats by their V4L2 codes (linux/videodev2.h). */
#define MMRIG_CAM_FOURCC(a, b, c, d)                                                           \
    ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)
#define MMRIG_CAM_FORMAT_YUYV   MMRIG_CAM_FOURCC('Y', 'U', 'Y', 'V') /* 2 bytes a pixel */
#define MMRIG_CAM_FORMAT_GREY   MMRIG_CAM_FOURCC('G', 'R', 'E', 'Y') /* 1 byte */
#define MMRIG_CAM_FORMAT_RGB24  MMRIG_CAM_FOURCC('R', 'G', 'B', '3') /* 3 bytes: R, G, B */
#define MMRIG_CAM_FORMAT_XBGR32 MMRIG_CAM_FOURCC('X', 'R', '2', '4') /* 4 bytes: B, G, R, X */

/* ---- Results and errors ------------------------------------------------------------------ */

/* In brackets: what ERROR_DETAIL holds. */
#define MMRIG_CAM_OK 0

/* Registers. */
#define MMRIG_CAM_ERR_ACCESS    0x01 /* not an aligned 32-bit access [offset] */
#define MMRIG_CAM_ERR_REGISTER  0x02 /* write to a place without a register [offset] */
#define MMRIG_CAM_ERR_READ_ONLY 0x03 /* write to a read-only register [offset] */
#define MMRIG_CAM_ERR_COMMAND   0x04 /* no such command [value] */
#define MMRIG_CAM_ERR_RESERVED  0x05 /* a bit that has no meaning was set [value] */

/* Geometry and order. */
#define MMRIG_CAM_ERR_SIZE       0x10 /* not in SIZE_TABLE [value] */
#define MMRIG_CAM_ERR_FORMAT     0x11 /* not in FORMAT_TABLE [value] */
#define MMRIG_CAM_ERR_INTERVAL   0x12 /* not within INTERVAL_MIN_NS and _MAX_NS [value] */
#define MMRIG_CAM_ERR_STATE      0x13 /* geometry or START when not IDLE [STATE] */
#define MMRIG_CAM_ERR_QUEUED     0x14 /* geometry, and buffers are queued [how many] */
#define MMRIG_CAM_ERR_BUS_MASTER 0x15 /* START, or QUEUE: PCI bus mastering is off [0] */

/* A buffer that was not accepted. The address in the detail unless told. */
#define MMRIG_CAM_ERR_BUF_ZERO       0x20 /* BUF_LENGTH is 0 */
#define MMRIG_CAM_ERR_BUF_SMALL      0x21 /* BUF_LENGTH is less than FRAME_BYTES [length] */
#define MMRIG_CAM_ERR_BUF_ALIGN      0x22 /* the address is no multiple of BUFFER_ALIGN */
#define MMRIG_CAM_ERR_BUF_WRAP       0x23 /* it goes past the end of 64 bits */
#define MMRIG_CAM_ERR_BUF_WIDTH      0x24 /* it goes past the end of DMA_BITS bits */
#define MMRIG_CAM_ERR_BUF_NOT_RAM    0x25 /* no memory there [the first such address] */
#define MMRIG_CAM_ERR_BUF_OVERLAP    0x26 /* it overlaps a queued buffer [that one's address] */
#define MMRIG_CAM_ERR_BUF_QUEUE_FULL 0x27 /* QUEUE_DEPTH buffers are queued */
#define MMRIG_CAM_ERR_BUF_FAILED     0x28 /* STATE is FAILED: too late */

/* Completions. */
#define MMRIG_CAM_ERR_DONE_EMPTY 0x30 /* DONE_POP, and there was none [0] */

/* What no write caused. */
#define MMRIG_CAM_ERR_START_TIMEOUT  0x40 /* START waited too long [how many were queued] */
#define MMRIG_CAM_ERR_DMA_BUS_MASTER 0x41 /* a frame was due, bus mastering off [address] */
#define MMRIG_CAM_ERR_DMA_NOT_RAM    0x42 /* a frame was due, memory gone [first such address] */

/* ---- Frames ------------------------------------------------------------------------------ */

/*
 * What every frame begins with, over the first pixels of its first line. Line L, from the
 * second on, begins with struct mmrig_cam_line. So no two frames have a line in common, and
 * one that is torn, stale or in the wrong place shows.
 */
struct mmrig_cam_frame {
    __le32 magic;    /* MMRIG_CAM_FRAME_MAGIC */
    __le32 sequence; /* counts frames that were due since START, so a lost one leaves a gap */
    __le64 time;     /* CLOCK when it was taken, ns */
    __le64 address;  /* where the device wrote it */
    __le32 cookie;   /* of the buffer */
    __le32 generation;
    __le32 size; /* as the registers SIZE, FORMAT, STRIDE and FRAME_BYTES */
    __le32 format;
    __le32 stride;
    __le32 bytes;
    __le32 reserved[2]; /* 0 */
    __le32 body_crc32c; /* of the bytes behind this structure, up to the frame's end */
    __le32 crc32c;      /* of this structure up to here */
};

struct mmrig_cam_line {
    __le32 sequence;
    __le32 line; /* L */
};

#define MMRIG_CAM_FRAME_MAGIC  0x7266726d /* "mrfr" in memory */
#define MMRIG_CAM_FRAME_HEADER 64         /* bytes in struct mmrig_cam_frame */
#define MMRIG_CAM_LINE_HEADER  8          /* bytes in struct mmrig_cam_line */

/*
 * CRC32C is the one of iSCSI (RFC 3720, appendix B.4): polynomial 0x1edc6f41 reflected, initial
 * value and final exclusive-or all ones; of "123456789" it is 0xe3069283.
 */

#endif
