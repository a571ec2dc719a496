/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks a QEMU binary what it can do, by starting it without a machine. */
#pragma once

#include <json-glib/json-glib.h>

/*
 * The answer: version ("10.0.2 (PACKAGE)"), major, minor, micro, kvm (boolean), and the
 * arrays types, commands and machines. Free with json_node_unref(). INPUT error if the
 * program is not a QEMU for the default architecture, of version 10.0 or newer.
 */
JsonNode *mmrig_qemu_probe(const char *path, GError **error);
