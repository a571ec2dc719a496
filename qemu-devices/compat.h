/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the QEMU versions that the pack builds for (10.0 and
 * 10.2), and between the pack and a QEMU tree that has the same sources
 * (scripts/qemu-overlay). The pack's build has MMRIG_QEMU_MAJOR and _MINOR from
 * the VERSION file of the headers; in a tree QEMU's own configuration has them.
 */
#ifndef MMRIG_COMPAT_H
#define MMRIG_COMPAT_H

#include "qemu/osdep.h"

#ifndef MMRIG_PACK
#define MMRIG_QEMU_MAJOR QEMU_VERSION_MAJOR
#define MMRIG_QEMU_MINOR QEMU_VERSION_MINOR
#endif

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
 * MMRIG_DEVICE(name, info) makes a device known. In the pack, pack.c registers
 * it once the guard has let it; in a tree, type_init() does as for any device.
 */
#ifdef MMRIG_PACK
#define MMRIG_DEVICE(name, info)                                               \
    const TypeInfo *const mmrig_device_##name = &(info)
#else
#define MMRIG_DEVICE(name, info)                                               \
    static void mmrig_register_##name(void)                                    \
    {                                                                          \
        type_register_static(&(info));                                         \
    }                                                                          \
    type_init(mmrig_register_##name)
#endif

#endif
