/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether KVM works here, which only a guest that has booted on it proves. */
#pragma once

#include "qemu/qemu.h"

typedef enum {
    MMRIG_KVM_WORKS,
    MMRIG_KVM_ABSENT,   /* no /dev/kvm, no permission, or QEMU built without */
    MMRIG_KVM_BROKEN,   /* it is there, but a guest did not boot on it */
    MMRIG_KVM_UNPROVEN, /* it is there; no guest kernel to prove it with, or no guest in time */
} MmrigKvmState;

/*
 * Boots kernel (may be NULL) with initrd on KVM and waits for the agent; the answer is kept
 * in the cache, keyed by QEMU, the device's node, the host's kernel and boot, and the guest
 * kernel, not its image: that it works for good, anything else for MMRIG_KVM_DOUBT_SECONDS, and
 * twice as long each time that it is said again. *reason (free with g_free(), may be NULL) says
 * why it is not MMRIG_KVM_WORKS.
 */
MmrigKvmState mmrig_kvm_state(const MmrigQemu *qemu, const char *kernel, const char *initrd,
                              char **reason);

#define MMRIG_KVM_DEVICE "/dev/kvm"
/* A guest on KVM is ready in about a second. */
#define MMRIG_KVM_SECONDS 20
/* For so long one bad moment counts, and nobody waits for a guest again. */
#define MMRIG_KVM_DOUBT_SECONDS 300
/*
 * How many times it is doubled at most, up to most of a day, so that a host whose KVM hangs is
 * not asked all the time.
 */
#define MMRIG_KVM_DOUBT_DOUBLINGS 8

/* The same, with what it takes for granted as arguments: device is the path that must be
 * accessible; seconds is the guest's time to get ready. */
MmrigKvmState mmrig_kvm_prove(const MmrigQemu *qemu, const char *device, const char *kernel,
                              const char *initrd, guint seconds, char **reason);
