/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MMRIG_GUARD_H
#define MMRIG_GUARD_H

/*
 * QEMU promises no binary interface. Compares what the pack was compiled with
 * against the running QEMU: its version, and the sizes of the structures that
 * devices embed or hand over. Returns NULL, or in one line what differs (free
 * with g_free()).
 */
char *mmrig_guard_check(void);

/* The version alone, which can be had as soon as the pack is in memory. */
char *mmrig_guard_check_version(void);

#endif
