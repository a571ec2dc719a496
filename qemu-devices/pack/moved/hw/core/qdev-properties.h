/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before QEMU 11.0. */
#ifndef MMRIG_MOVED_HW_CORE_QDEV_PROPERTIES_H
#define MMRIG_MOVED_HW_CORE_QDEV_PROPERTIES_H

#include "hw/qdev-properties.h"

#endif
