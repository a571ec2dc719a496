/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-mirror: a PCI device that says which memory the firmware is to call mirrored or set
 * aside for a specific purpose. What its model, its UEFI driver (firmware/) and its tests
 * share; docs/devices/mirror.md is the specification in words.
 *
 * BAR 0 holds the registers. A register is 32 bits wide and takes only aligned 32-bit accesses;
 * addresses and sizes are two of them, the lower half first. Everything is little endian.
 * Reading has no side effect. Only numbers stand here, so anything can include this, firmware
 * as well.
 */
#ifndef MMRIG_MIRROR_REGS_H
#define MMRIG_MIRROR_REGS_H

/* ---- PCI ------------------------------------------------------------------------------- */

/* Class: other system peripheral, 0x0880. */
#define MMRIG_MIRROR_PCI_VENDOR   0x1234
#define MMRIG_MIRROR_PCI_DEVICE   0x6d72
#define MMRIG_MIRROR_PCI_REVISION 1
#define MMRIG_MIRROR_PCI_CLASS    0x0880

#define MMRIG_MIRROR_BAR_REGS  0
#define MMRIG_MIRROR_REGS_SIZE 0x1000

/* ---- Registers --------------------------------------------------------------------------- */

/* What the device is. Read only. */
#define MMRIG_MIRROR_ID       0x000 /* MMRIG_MIRROR_ID_VALUE */
#define MMRIG_MIRROR_VERSION  0x004 /* major in the upper half, minor in the lower */
#define MMRIG_MIRROR_FEATURES 0x008 /* MMRIG_MIRROR_FEATURE_* */

#define MMRIG_MIRROR_ID_VALUE      0x726d726d /* "mrmr" in memory */
#define MMRIG_MIRROR_VERSION_MAJOR 1
#define MMRIG_MIRROR_VERSION_MINOR 0

#define MMRIG_MIRROR_FEATURE_VARIABLES (1u << 0) /* the MirrorRequest variable is heeded */
#define MMRIG_MIRROR_FEATURE_COPIES    (1u << 1) /* memory errors are corrected */

/* What is asked for. Read only. */
#define MMRIG_MIRROR_PERCENT     0x010 /* of memory from 4 GiB on, in hundredths of a percent */
#define MMRIG_MIRROR_BELOW_4G    0x014 /* 1: all memory below 4 GiB as well */
#define MMRIG_MIRROR_RANGE_COUNT 0x018 /* entries in RANGE_TABLE */
#define MMRIG_MIRROR_NODE_COUNT  0x01c /* entries in NODE_TABLE */

#define MMRIG_MIRROR_PERCENT_MAX 10000

/*
 * What the firmware made of it. It writes a range for each change that it made to the memory
 * map: the four halves and the attributes, then any value to APPLY, which adds them to
 * APPLIED_TABLE. Last it writes STATUS and STATUS_DETAIL. A reset clears all of it.
 */
#define MMRIG_MIRROR_APPLY_BASE_LO    0x040
#define MMRIG_MIRROR_APPLY_BASE_HI    0x044
#define MMRIG_MIRROR_APPLY_SIZE_LO    0x048
#define MMRIG_MIRROR_APPLY_SIZE_HI    0x04c
#define MMRIG_MIRROR_APPLY_ATTRIBUTES 0x050
#define MMRIG_MIRROR_APPLY            0x054 /* reads as 0 */
#define MMRIG_MIRROR_APPLIED_COUNT    0x058 /* read only: entries in APPLIED_TABLE */
#define MMRIG_MIRROR_STATUS           0x060 /* MMRIG_MIRROR_STATUS_* */
#define MMRIG_MIRROR_STATUS_DETAIL_LO 0x064
#define MMRIG_MIRROR_STATUS_DETAIL_HI 0x068
#define MMRIG_MIRROR_SOURCE           0x06c /* MMRIG_MIRROR_SOURCE_*: whose request it was */

/* Any error goes here, and stays until it is written to (any value clears it). */
#define MMRIG_MIRROR_ERROR        0x070 /* MMRIG_MIRROR_OK or MMRIG_MIRROR_ERR_* */
#define MMRIG_MIRROR_ERROR_DETAIL 0x074 /* read only */

/* Memory errors in what was applied. Read only; a reset clears them. */
#define MMRIG_MIRROR_CORRECTED 0x080 /* reads that the other copy answered */
#define MMRIG_MIRROR_FAILOVERS                                                                 \
    0x084                          /* reads that found both copies bad: the mirror has failed */
#define MMRIG_MIRROR_LAST_LO 0x088 /* address of the latest of either */
#define MMRIG_MIRROR_LAST_HI 0x08c

/* Tables of ranges, of 32 bytes an entry. Read only; from the count on they read as 0. */
#define MMRIG_MIRROR_RANGE_TABLE(i)   (0x200 + 32 * (i))
#define MMRIG_MIRROR_NODE_TABLE(i)    (0x400 + 32 * (i))
#define MMRIG_MIRROR_APPLIED_TABLE(i) (0x800 + 32 * (i))
#define MMRIG_MIRROR_RANGES_MAX       16
#define MMRIG_MIRROR_NODES_MAX        32
#define MMRIG_MIRROR_APPLIED_MAX      64

/* In an entry. */
#define MMRIG_MIRROR_ENTRY_BASE_LO    0x00
#define MMRIG_MIRROR_ENTRY_BASE_HI    0x04
#define MMRIG_MIRROR_ENTRY_SIZE_LO    0x08
#define MMRIG_MIRROR_ENTRY_SIZE_HI    0x0c
#define MMRIG_MIRROR_ENTRY_ATTRIBUTES 0x10 /* of a range asked for or applied */
#define MMRIG_MIRROR_ENTRY_NODE       0x10 /* of a piece of memory: its NUMA node */

#define MMRIG_MIRROR_ATTRIBUTE_MIRROR   (1u << 0) /* EFI_MEMORY_MORE_RELIABLE */
#define MMRIG_MIRROR_ATTRIBUTE_SPECIFIC (1u << 1) /* EFI_MEMORY_SP */

/* ---- Statuses and errors ----------------------------------------------------------------- */

/* STATUS; in brackets what STATUS_DETAIL holds. */
#define MMRIG_MIRROR_STATUS_NONE      0 /* no firmware has looked at the device */
#define MMRIG_MIRROR_STATUS_DONE      1 /* as asked [bytes mirrored] */
#define MMRIG_MIRROR_STATUS_UNALIGNED 2 /* a range is no multiple of a page [its base] */
#define MMRIG_MIRROR_STATUS_EMPTY     3 /* a range has no bytes [its base] */
#define MMRIG_MIRROR_STATUS_WRAPS     4 /* a range goes past the end of 64 bits [its base] */
#define MMRIG_MIRROR_STATUS_ATTRIBUTES                                                         \
    5 /* a range asks for nothing, or what is unknown [base] */
#define MMRIG_MIRROR_STATUS_OVERLAP    6  /* two ranges overlap [the base of the upper] */
#define MMRIG_MIRROR_STATUS_NOT_MEMORY 7  /* there is no memory [the first such address] */
#define MMRIG_MIRROR_STATUS_CONFLICT   8  /* ranges to mirror and a percentage as well [0] */
#define MMRIG_MIRROR_STATUS_PERCENT    9  /* more than PERCENT_MAX [the value] */
#define MMRIG_MIRROR_STATUS_NODES      10 /* the node table makes no sense [which entry] */
#define MMRIG_MIRROR_STATUS_MAP        11 /* the firmware's memory map makes no sense [address] */
#define MMRIG_MIRROR_STATUS_TOO_MANY   12 /* it would take too many changes [how many fit] */
#define MMRIG_MIRROR_STATUS_FIRMWARE   13 /* the firmware refused a change [its EFI_STATUS] */
#define MMRIG_MIRROR_STATUS_DEVICE     14 /* the device's tables cannot be read [0] */

/* SOURCE. */
#define MMRIG_MIRROR_SOURCE_DEVICE   0 /* the registers above */
#define MMRIG_MIRROR_SOURCE_VARIABLE 1 /* the variable MirrorRequest, for the percentage */

/* ERROR; in brackets what ERROR_DETAIL holds. */
#define MMRIG_MIRROR_OK             0x00
#define MMRIG_MIRROR_ERR_ACCESS     0x01 /* not an aligned 32-bit access [offset] */
#define MMRIG_MIRROR_ERR_REGISTER   0x02 /* write to a place without a register [offset] */
#define MMRIG_MIRROR_ERR_READ_ONLY  0x03 /* write to a read-only register [offset] */
#define MMRIG_MIRROR_ERR_VALUE      0x04 /* no such status, source or attribute [value] */
#define MMRIG_MIRROR_ERR_APPLY      0x05 /* the range is empty, unaligned or wraps [entry] */
#define MMRIG_MIRROR_ERR_APPLY_FULL 0x06 /* APPLIED_MAX are there [APPLIED_MAX] */

#endif
