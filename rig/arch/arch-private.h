/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables, and what they share. */
#pragma once

#include "arch.h"

/* How to get a QEMU that will do, from the Debian package that has it. */
#define ARCH_QEMU_MEND(package)                                                                \
    "install " package " 10.0 or newer (Debian 12 has it in bookworm-backports: "              \
    "apt-get install -t bookworm-backports " package "), or name another QEMU in MMRIG_QEMU"

#define MMRIG_ARCH(name) extern const MmrigArch mmrig_arch_##name;
#include "arch-tables-private.h"
#undef MMRIG_ARCH

/* For image_read (arch.h). Whether the text stands at offset. */
gboolean mmrig_arch_image_has(const char *bytes, gsize size, gsize offset, const char *text);
/* The number of size bytes, at most 8, at offset, of which there must be as many. */
guint64 mmrig_arch_image_field(const char *bytes, gsize offset, gsize size);
