/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before QEMU 10.1. */
#ifndef MMRIG_MOVED_SYSTEM_ADDRESS_SPACES_H
#define MMRIG_MOVED_SYSTEM_ADDRESS_SPACES_H

#include "exec/address-spaces.h"

#endif
