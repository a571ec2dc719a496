/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk as firmware boots from one: a partition table, an EFI system partition in it, and on
 * that systemd-boot as it is, with one entry for the kernel. sfdisk makes the table and mtools
 * the file system, on the open file that they lie in, so that nothing has to be mounted and
 * nothing gets a name.
 */
#pragma once

#include "arch/arch.h"
#include "machine/plan.h"

/* What the partition is called in /dev/disk/by-partuuid, and what a boot loader reports. */
#define MMRIG_ESP_PARTITION "4d4d5249-4700-4553-8001-000000000001"

/* Why no such disk can be made on this host ("... is missing"), or NULL. Free with g_free(). */
char *mmrig_esp_unmet(const MmrigArch *arch, const char *loader);

/*
 * Makes the file, whatever it was, to a disk that holds what esp says. UNMET error for what
 * mmrig_esp_unmet() finds, INPUT error if the kernel or the initramfs cannot be read, RIG error
 * if there is no room.
 */
gboolean mmrig_esp_fill(const MmrigEsp *esp, int fd, GError **error);

/* What is on the disk, for people: a line each, with indent before it. Free with g_free(). */
char *mmrig_esp_describe(const MmrigEsp *esp, const char *indent);
