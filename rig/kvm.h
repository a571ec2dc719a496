/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What mmrig_kvm_state() (qemu.h) does, with what it takes for granted as arguments. */
#pragma once

#include "qemu.h"

#define MMRIG_KVM_DEVICE "/dev/kvm"
/* A guest on KVM is ready in about a second. */
#define MMRIG_KVM_SECONDS 20

/* device is the path that must be accessible; seconds is the guest's time to get ready. */
MmrigKvmState mmrig_kvm_prove(const MmrigQemu *qemu, const char *device, const char *kernel,
                              const char *initrd, guint seconds, char **reason);
