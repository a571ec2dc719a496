/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "device.h"

/* [virtio-mem ID]; sizes in bytes. */
typedef struct {
    MmrigDevice device;
    guint64 size;       /* the most that it can give */
    guint64 block_size; /* the unit that it plugs and unplugs */
    guint64 requested;  /* plugged at start */
    guint node;         /* NUMA node */
} MmrigVirtioMem;
