/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The partition table of a disk that firmware boots from (UEFI 2.10, 5.3). */
#pragma once

#include <glib.h>

/* What a partition is called in /dev/disk/by-partuuid, and what a boot loader reports. */
#define MMRIG_GPT_PARTITION_ID "4d4d5249-4700-4553-8001-000000000001"

/*
 * Where the one partition starts. Both tables lie outside of it; what is left free before and
 * behind it is the alignment that partitioning tools keep.
 */
#define MMRIG_GPT_MARGIN (G_GUINT64_CONSTANT(1) << 20)

/*
 * Writes a table with one partition, an EFI system partition, which has all of the disk but the
 * margin at each end. size is the disk's and a multiple of the margin. RIG error.
 */
gboolean mmrig_gpt_write(int fd, guint64 size, GError **error);

/* The checksum that the table is protected by (that of Ethernet and zlib). */
guint32 mmrig_gpt_crc(const guint8 *bytes, gsize size);
