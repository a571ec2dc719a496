/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-nvdimm: the page by which a guest's _DSM reaches QEMU, and the functions in it that the
 * device answers. docs/devices/nvdimm.md is the specification in words.
 *
 * The guest's AML (QEMU's own) fills in a page and writes its physical address to a port; the
 * answer is in the same page when the write returns. Everything is little endian, and nothing
 * is aligned.
 *
 * The functions of the root device are those of ACPI 6.4, 9.20.7, UUID 2f10e7a4-9e91-11e4-
 * 89d3-123b93f75cba; those of an NVDIMM are of the family 4309ac30-0d11-11e4-9191-
 * 0800200c9a66 ("NVDIMM DSM Interface", Intel).
 */
#ifndef MMRIG_NVDIMM_REGS_H
#define MMRIG_NVDIMM_REGS_H

#include <linux/types.h>

/* ---- The port and the page (QEMU's docs/specs/acpi_nvdimm.rst) -------------------------- */

#define MMRIG_NVD_PORT      0x0a18 /* write: address of the page; read: MMRIG_NVD_EVENT_* */
#define MMRIG_NVD_PORT_SIZE 4
#define MMRIG_NVD_PAGE_SIZE 4096

/* In. */
#define MMRIG_NVD_IN_HANDLE   0 /* 32 bits; 0 is the root device, others are NVDIMMs */
#define MMRIG_NVD_IN_REVISION 4
#define MMRIG_NVD_IN_FUNCTION 8
#define MMRIG_NVD_IN_DATA     12
#define MMRIG_NVD_IN_MAX      (MMRIG_NVD_PAGE_SIZE - MMRIG_NVD_IN_DATA)

/* Out. */
#define MMRIG_NVD_OUT_SIZE 0 /* 32 bits: bytes of the answer with this field */
#define MMRIG_NVD_OUT_DATA 4
#define MMRIG_NVD_OUT_MAX  (MMRIG_NVD_PAGE_SIZE - MMRIG_NVD_OUT_DATA)

#define MMRIG_NVD_HANDLE_ROOT 0x00000000
#define MMRIG_NVD_HANDLE_QEMU 0x00010000 /* QEMU's own functions: _FIT */
#define MMRIG_NVD_REVISION    1
#define MMRIG_NVD_REVISION_2  2 /* by which Linux calls an NVDIMM's functions from 11 on */

/*
 * What there is to notify, by the pack's own AML (general-purpose event 7). Reading the port
 * takes them away. The bits of the NVDIMMs are by slot.
 */
#define MMRIG_NVD_EVENT_ERROR      (1u << 0) /* Notify(root, 0x81): uncorrectable error */
#define MMRIG_NVD_EVENT_HEALTH(n)  (1u << (16 + (n)))
#define MMRIG_NVD_EVENT_HEALTH_MAX 16 /* slots that have such a bit */
#define MMRIG_NVD_GPE              7

/* ---- The root device's functions -------------------------------------------------------- */

enum {
    MMRIG_NVD_ROOT_FUNCTIONS = 0,   /* out: mask */
    MMRIG_NVD_ARS_CAPABILITIES = 1, /* 9.20.7.4 */
    MMRIG_NVD_ARS_START = 2,        /* 9.20.7.5 */
    MMRIG_NVD_ARS_STATUS = 3,       /* 9.20.7.6 */
    MMRIG_NVD_CLEAR_ERROR = 4,      /* 9.20.7.7 */
    MMRIG_NVD_TRANSLATE_SPA = 5,    /* 9.20.7.8 */
    MMRIG_NVD_INJECT = 7,           /* 9.20.7.9 */
    MMRIG_NVD_INJECT_CLEAR = 8,     /* 9.20.7.10 */
    MMRIG_NVD_INJECT_STATUS = 9,    /* 9.20.7.11 */
};

#define MMRIG_NVD_ROOT_MASK 0x3bfu

/* Status, bits 15:0. */
enum {
    MMRIG_NVD_OK = 0,
    MMRIG_NVD_NOT_SUPPORTED = 1,
    MMRIG_NVD_INVALID = 2,
    MMRIG_NVD_ARS_BUSY = 6, /* Start ARS: one is in progress */
};

/* Extended status, bits 31:16, of Query ARS Capabilities: kinds of memory that it scrubs. */
#define MMRIG_NVD_ARS_VOLATILE   (1u << 0)
#define MMRIG_NVD_ARS_PERSISTENT (1u << 1)

/* Extended status of Query ARS Status. */
enum {
    MMRIG_NVD_SCRUB_DONE = 0,
    MMRIG_NVD_SCRUB_BUSY = 1,
    MMRIG_NVD_SCRUB_NONE = 2, /* since the machine was started */
    MMRIG_NVD_SCRUB_STOPPED = 3,
};

/* Flags of Start ARS and of Query ARS Status. */
#define MMRIG_NVD_START_PREVIOUS  (1u << 1) /* what is known already, without a new scrub */
#define MMRIG_NVD_STATUS_OVERFLOW (1u << 0) /* more errors than there is room for */

/* Options of ARS Error Inject. */
#define MMRIG_NVD_INJECT_NOTIFY (1u << 0)

/* Sizes of what goes in, and of what comes out before any records. */
#define MMRIG_NVD_ARS_START_IN         24
#define MMRIG_NVD_ARS_STATUS_HEADER    48
#define MMRIG_NVD_ARS_RECORD           24
#define MMRIG_NVD_INJECT_STATUS_HEADER 8
#define MMRIG_NVD_INJECT_STATUS_RECORD 16

/* ---- An NVDIMM's functions -------------------------------------------------------------- */

enum {
    MMRIG_NVD_SMART = 1,
    MMRIG_NVD_SMART_THRESHOLDS = 2,
    MMRIG_NVD_LATCH_SHUTDOWN = 10,
    MMRIG_NVD_SMART_SET_THRESHOLDS = 17,
    MMRIG_NVD_SMART_INJECT = 18,
};

/* What the device adds to QEMU's mask (labels: 4, 5, 6). */
#define MMRIG_NVD_DIMM_MASK                                                                    \
    (1u << MMRIG_NVD_SMART | 1u << MMRIG_NVD_SMART_THRESHOLDS |                                \
     1u << MMRIG_NVD_LATCH_SHUTDOWN | 1u << MMRIG_NVD_SMART_SET_THRESHOLDS |                   \
     1u << MMRIG_NVD_SMART_INJECT)

/* Fields of MMRIG_NVD_SMART that are valid. */
#define MMRIG_NVD_SMART_HEALTH         (1u << 0)
#define MMRIG_NVD_SMART_SPARES         (1u << 1)
#define MMRIG_NVD_SMART_USED           (1u << 2)
#define MMRIG_NVD_SMART_MEDIA_TEMP     (1u << 3)
#define MMRIG_NVD_SMART_CTRL_TEMP      (1u << 4)
#define MMRIG_NVD_SMART_SHUTDOWN_COUNT (1u << 5)
#define MMRIG_NVD_SMART_ALARMS         (1u << 9)
#define MMRIG_NVD_SMART_SHUTDOWN       (1u << 10)

#define MMRIG_NVD_HEALTH_NON_CRITICAL (1u << 0)
#define MMRIG_NVD_HEALTH_CRITICAL     (1u << 1)
#define MMRIG_NVD_HEALTH_FATAL        (1u << 2)

#define MMRIG_NVD_ALARM_SPARES     (1u << 0)
#define MMRIG_NVD_ALARM_MEDIA_TEMP (1u << 1)
#define MMRIG_NVD_ALARM_CTRL_TEMP  (1u << 2)
#define MMRIG_NVD_ALARM_ALL        0x7u

#define MMRIG_NVD_SMART_INJECT_TEMP     (1u << 0)
#define MMRIG_NVD_SMART_INJECT_SPARES   (1u << 1)
#define MMRIG_NVD_SMART_INJECT_FATAL    (1u << 2)
#define MMRIG_NVD_SMART_INJECT_SHUTDOWN (1u << 3)
#define MMRIG_NVD_SMART_INJECT_ALL      0xfu

/* Temperatures are in sixteenths of a degree Celsius. */
#define MMRIG_NVD_DEGREES(n) ((n)*16)

/* ---- The store -------------------------------------------------------------------------- */

/* A file with room for all errors that there can be. */
#define MMRIG_NVD_STORE_PLACE (2 * 1024 * 1024 + 4096)
#define MMRIG_NVD_STORE_SIZE  (2 * MMRIG_NVD_STORE_PLACE)

#endif
