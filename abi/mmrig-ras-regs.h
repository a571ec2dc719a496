/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-ras has no registers: the guest meets it only as errors. These are the
 * bounds of what is asked of it from outside, by QOM properties
 * (docs/devices/ras.md), shared by the device, the rig and the tests.
 */
#ifndef MMRIG_RAS_REGS_H
#define MMRIG_RAS_REGS_H

/* Bytes in one request, with its NUL. */
#define MMRIG_RAS_REQUEST_MAX 512
/* Errors that one request can report at once (kind=ce, count=). */
#define MMRIG_RAS_COUNT_MAX 32767
/* Poison's unit, in bytes. */
#define MMRIG_RAS_GRANULE 64
/* Pages of 4 KiB that can hold poison at a time. */
#define MMRIG_RAS_PAGES_MAX 1536

#endif
