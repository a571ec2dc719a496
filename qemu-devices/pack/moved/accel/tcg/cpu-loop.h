/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before QEMU 11.1. */
#ifndef MMRIG_MOVED_ACCEL_TCG_CPU_LOOP_H
#define MMRIG_MOVED_ACCEL_TCG_CPU_LOOP_H

#include "exec/cpu-common.h"

#endif
