/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that a QEMU is made of, besides the one that its command names: what a wrapper
 * starts in the end, the libraries and modules that are loaded, and the firmware and option
 * ROMs in QEMU's own folders, which come in packages of their own.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * Their paths, of the QEMU that runs as pid and that path starts. Free with g_strfreev(). RIG
 * error if the process is gone.
 */
GStrv mmrig_qemu_files(pid_t pid, const char *path, GError **error);

/*
 * The paths in the text of /proc/PID/maps that hold a program's code, each once. For
 * mmrig_qemu_files() and its test. Free with g_strfreev().
 */
GStrv mmrig_qemu_mapped(const char *maps);

/*
 * A digest of what stat says of the files, and of the environment by which QEMU and the dynamic
 * linker choose among them. A file that is gone counts as such. Free with g_free().
 */
char *mmrig_qemu_files_digest(const char *const *files);
