/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "device.h"

#include "qapi/error.h"
#include "qemu/log.h"

void mmrig_device_log(const DeviceState *device, const char *format,
                      va_list values)
{
    g_autofree char *text = g_strdup_vprintf(format, values);

    qemu_log("%s %s: %s\n", object_get_typename(OBJECT(device)),
             device->id ? device->id : "-", text);
}

bool mmrig_device_in_range(const char *property, uint64_t value, uint64_t least,
                           uint64_t most, Error **errp)
{
    if (value < least || value > most) {
        error_setg(errp, "%s: %" PRIu64 " is not from %" PRIu64 " to %" PRIu64,
                   property, value, least, most);
        return false;
    }
    return true;
}
