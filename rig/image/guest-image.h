/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The image that a machine boots: the agent, guest tests, tools and kernel modules. */
#pragma once

#include "kernel/kernel.h"

/* Where the programs that go into images are looked for (NULL-terminated). */
extern const char *const mmrig_image_program_folders[];

/* Whether the file is a program for the guest that needs no dynamic loader. */
gboolean mmrig_image_is_static(const char *program);

/*
 * Returns the path of the initrd in the cache, made if it is not there: images/base.manifest,
 * the agent as /init, each of tests under MMRIG_GUEST_TESTS, each of manifests (names of
 * images/NAME.manifest, or paths with a '/'), the modules that the agent needs for its
 * ports, and modules (by name; with a '?' behind it where the kernel may lack it). The lists
 * end with NULL, or are NULL. kernel may be NULL: no modules, for a kernel that has all it
 * needs built in. Free with g_free().
 *
 * UNMET error if the kernel lacks what the ports need, or a module; INPUT error for a test,
 * manifest or program that is not there.
 */
char *mmrig_guest_image_ensure(const MmrigKernel *kernel, const char *const *tests,
                               const char *const *manifests, const char *const *modules,
                               GError **error);
