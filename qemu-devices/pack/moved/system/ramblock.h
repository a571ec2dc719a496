/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before QEMU 10.1. */
#ifndef MMRIG_MOVED_SYSTEM_RAMBLOCK_H
#define MMRIG_MOVED_SYSTEM_RAMBLOCK_H

#include "exec/ramblock.h"

#endif
