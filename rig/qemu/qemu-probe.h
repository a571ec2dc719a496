/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks a QEMU binary what it can do, by starting it without a machine. */
#pragma once

#include <json-glib/json-glib.h>

/* How to get a QEMU that will do; for error messages. */
#define MMRIG_QEMU_MEND                                                                        \
    "install qemu-system-x86 10.0 or newer (Debian 12 has it in bookworm-backports: "          \
    "apt-get install -t bookworm-backports qemu-system-x86), or name another QEMU in "         \
    "MMRIG_QEMU"

/*
 * The answer: version ("10.0.2 (PACKAGE)"), major, minor, micro, kvm (boolean), and the
 * arrays types, commands and machines. Free with json_node_unref(). INPUT error if the
 * program is not a QEMU for x86-64 of version 10.0 or newer.
 */
JsonNode *mmrig_qemu_probe(const char *path, GError **error);
