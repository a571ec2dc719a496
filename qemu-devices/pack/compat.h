/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the QEMU versions that the pack builds for (10.0 to
 * 11.1). The MMRIG_QEMU_HAS_ names are what CMakeLists.txt has read in the
 * headers; moved/ has the headers that older versions have elsewhere.
 */
#ifndef MMRIG_COMPAT_H
#define MMRIG_COMPAT_H

#include "qemu/osdep.h"

/* The last resort: what can be read in the headers is better than a number. */
#define MMRIG_QEMU_AT_LEAST(major, minor)                                      \
    (MMRIG_QEMU_MAJOR > (major) ||                                             \
     (MMRIG_QEMU_MAJOR == (major) && MMRIG_QEMU_MINOR >= (minor)))

/* From 10.1, class_init's argument and the list of interfaces are constant. */
#ifdef MMRIG_QEMU_HAS_CONST_CLASS_DATA
#define MMRIG_CLASS_DATA const void
#define MMRIG_INTERFACE_INFO const InterfaceInfo
#else
#define MMRIG_CLASS_DATA void
#define MMRIG_INTERFACE_INFO InterfaceInfo
#endif

/*
 * What a post_save callback gives back, "return MMRIG_POST_SAVED;": nothing
 * from 11.1 on.
 */
#ifdef MMRIG_QEMU_HAS_VOID_POST_SAVE
#define MMRIG_POST_SAVE_RESULT void
#define MMRIG_POST_SAVED
#else
#define MMRIG_POST_SAVE_RESULT int
#define MMRIG_POST_SAVED 0
#endif

/* A field that has to be the same on both sides; 11.1's macro has no hint. */
#define MMRIG_VMSTATE_EQUAL(field, state, type)                                \
    VMSTATE_SINGLE(field, state, 0, vmstate_info_##type##_equal, type##_t)

/*
 * MMRIG_DEVICE(name, info) makes a device known; pack.c registers it once the
 * guard has let it.
 */
#define MMRIG_DEVICE(name, info)                                               \
    const TypeInfo *const mmrig_device_##name = &(info)

#endif
