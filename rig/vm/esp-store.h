/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks to boot from, made once and kept beside the images: what is on one follows from the
 * boot loader, the kernel, the initramfs and the options, and it takes nine programs to make
 * it.
 */
#pragma once

#include "machine/plan.h"

/*
 * The file with the disk, made if it is not there, which takes a while and is therefore best
 * done before machines run. Free with g_free(). Errors as mmrig_esp_fill()'s.
 */
char *mmrig_esp_ensure(const MmrigEsp *esp, GError **error);

/* Makes the file, whatever it was, to a copy of that disk. */
gboolean mmrig_esp_copy(const MmrigEsp *esp, int fd, GError **error);
