/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "device.h"

/* [pack ID]: a device that the device pack adds to QEMU. */
typedef struct {
    MmrigDevice device;
    char *type;       /* its name in QEMU */
    GStrv properties; /* KEY=VALUE, or NULL */
} MmrigPackDevice;
