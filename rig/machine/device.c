/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "device.h"

#include <string.h>

const MmrigDeviceClass *const mmrig_device_classes[] = {
#define MMRIG_DEVICE_KIND(kind) &mmrig_device_##kind,
#include "device-kinds.h"
#undef MMRIG_DEVICE_KIND
    NULL,
};

MmrigDevice *mmrig_device_new(const MmrigDeviceClass *class, const char *id)
{
    MmrigDevice *device = g_malloc0(class->size);

    device->class = class;
    device->id = g_strdup(id);
    return device;
}

void mmrig_device_free(MmrigDevice *device)
{
    if (!device)
        return;
    mmrig_ini_clear(&device->class->section, device);
    g_free(device->id);
    g_free(device);
}

guint64 mmrig_device_memory(const MmrigDevice *device)
{
    return device->class->memory ? device->class->memory(device) : 0;
}

gboolean mmrig_device_keeps(const MmrigDevice *device)
{
    return device->class->keeps && device->class->keeps(device);
}

void mmrig_spec_problem_clear(MmrigSpecProblem *problem)
{
    g_free(problem->section);
    g_free(problem->text);
    memset(problem, 0, sizeof(*problem));
}

gboolean mmrig_device_problem(MmrigSpecProblem *problem, const MmrigDevice *device,
                              const char *key, const char *format, ...)
{
    va_list values;

    mmrig_spec_problem_clear(problem);
    problem->section = g_strdup_printf("%s %s", device->class->section.name, device->id);
    problem->key = key;
    va_start(values, format);
    problem->text = g_strdup_vprintf(format, values);
    va_end(values);
    return FALSE;
}
