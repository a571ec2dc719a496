/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program on a bare processor: what a machine check does to it can be seen to the register,
 * and it starts at once. It says what it sees on the debug console, a line of KEY=VALUE each,
 * and ends QEMU.
 */
#ifndef MMRIG_BARE_H
#define MMRIG_BARE_H

#include <stdint.h>

/* The pages that the test makes bad before the processor runs. Nothing else is there. */
#define BARE_TABLE 0x300000u /* of descriptors */
#define BARE_DATA  0x301000u
#define BARE_CODE  0x302000u
#define BARE_VMCB  0x303000u
#define BARE_TASK  0x304000u
#define BARE_STACK 0x305000u

/* Devices of QEMU's: isa-debugcon, and isa-debug-exit, which ends with 2 * STATUS + 1. */
#define BARE_CONSOLE 0xe9
#define BARE_EXIT    0xf4

#endif
