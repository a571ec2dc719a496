/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before QEMU 11.0. */
#ifndef MMRIG_MOVED_QEMU_AIO_H
#define MMRIG_MOVED_QEMU_AIO_H

#include "block/aio.h"

#endif
