/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before QEMU 10.1. */
#ifndef MMRIG_MOVED_ACCEL_ACCEL_OPS_H
#define MMRIG_MOVED_ACCEL_ACCEL_OPS_H

#include "qemu/accel.h"

#endif
