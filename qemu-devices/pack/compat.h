/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the QEMU versions that the pack builds for (10.0 and
 * 10.2). MMRIG_QEMU_MAJOR and _MINOR are from the VERSION file of the headers.
 */
#ifndef MMRIG_COMPAT_H
#define MMRIG_COMPAT_H

#include "qemu/osdep.h"

#define MMRIG_QEMU_AT_LEAST(major, minor)                                      \
    (MMRIG_QEMU_MAJOR > (major) ||                                             \
     (MMRIG_QEMU_MAJOR == (major) && MMRIG_QEMU_MINOR >= (minor)))

/* 10.1 made class_init's argument and the list of interfaces constant. */
#if MMRIG_QEMU_AT_LEAST(10, 1)
#define MMRIG_CLASS_DATA const void
#define MMRIG_INTERFACE_INFO const InterfaceInfo
#else
#define MMRIG_CLASS_DATA void
#define MMRIG_INTERFACE_INFO InterfaceInfo
#endif

/*
 * MMRIG_DEVICE(name, info) makes a device known; pack.c registers it once the
 * guard has let it.
 */
#define MMRIG_DEVICE(name, info)                                               \
    const TypeInfo *const mmrig_device_##name = &(info)

#endif
