/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is tried on the host, and not only looked at: doctor says ok of what was done. */
#pragma once

#include <glib.h>

/*
 * Gets a userfaultfd from the device at that path, or by the system call if it is NULL, and
 * greets it as QEMU does. 0, or the errno of what failed.
 */
int mmrig_doctor_userfaultfd(const char *device);

/*
 * Maps a file without a name in the folder and writes some MiB to it, as a guest's memory is.
 * 0, or the errno of what failed.
 */
int mmrig_doctor_memory_folder(const char *folder);
