/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the devices of the pack have in common. */
#ifndef MMRIG_DEVICE_H
#define MMRIG_DEVICE_H

#include "compat.h"

#include "hw/core/qdev.h"

/*
 * A line in QEMU's log that names the device: for the property "debug", which
 * every device has. The text goes without a newline.
 */
void mmrig_device_log(const DeviceState *device, const char *format,
                      va_list values) G_GNUC_PRINTF(2, 0);

/*
 * Whether the property's value is from least to most, both included; false
 * with an error that says so.
 */
bool mmrig_device_in_range(const char *property, uint64_t value, uint64_t least,
                           uint64_t most, Error **errp);

#endif
