/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk as firmware boots from one: a partition table, an EFI system partition in it, and on
 * that systemd-boot as it is, with one entry for the kernel. mtools make the file system, on
 * the open file that it lies in, so that nothing has to be mounted and nothing gets a name.
 */
#pragma once

#include "machine.h"

/* systemd-boot, where its own project and Debian's package systemd-boot-efi put it. */
#define MMRIG_ESP_LOADER         "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
#define MMRIG_ESP_LOADER_PACKAGE "systemd-boot-efi"
#define MMRIG_ESP_TOOLS_PACKAGE  "mtools"

/* Why no such disk can be made on this host ("... is missing"), or NULL. Free with g_free(). */
char *mmrig_esp_unmet(const char *loader);

/*
 * Makes the file, whatever it was, to a disk that holds what esp says. UNMET error for what
 * mmrig_esp_unmet() finds, INPUT error if the kernel or the initramfs cannot be read, RIG error
 * if there is no room.
 */
gboolean mmrig_esp_fill(const MmrigEsp *esp, int fd, GError **error);

/* What is on the disk, for people: a line each, with indent before it. Free with g_free(). */
char *mmrig_esp_describe(const MmrigEsp *esp, const char *indent);
