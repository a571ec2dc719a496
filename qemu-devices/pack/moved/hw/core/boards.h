/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before QEMU 11.0. */
#ifndef MMRIG_MOVED_HW_CORE_BOARDS_H
#define MMRIG_MOVED_HW_CORE_BOARDS_H

#include "hw/boards.h"

#endif
