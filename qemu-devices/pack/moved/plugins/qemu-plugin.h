/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before QEMU 11.0. */
#ifndef MMRIG_MOVED_PLUGINS_QEMU_PLUGIN_H
#define MMRIG_MOVED_PLUGINS_QEMU_PLUGIN_H

#include "qemu/qemu-plugin.h"

#endif
