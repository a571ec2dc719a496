/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host has and lacks: facts are gathered first (doctor-host.c), then judged by a
 * table of checks (doctor.c) that look at nothing but the facts and files below a root folder,
 * so that a test can make up a host.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "base/host-limits.h"
#include "qemu/firmware.h"
#include "qemu/qemu.h"
#include "vm/kvm.h"

typedef enum {
    MMRIG_CHECK_OK,
    MMRIG_CHECK_INFO, /* neither good nor bad */
    MMRIG_CHECK_WARN, /* something that not all runs need is missing */
    MMRIG_CHECK_FAIL, /* nothing runs without it */
} MmrigCheckState;

const char *mmrig_check_state_name(MmrigCheckState state); /* "ok", ... */

typedef struct {
    const char *name;
    MmrigCheckState state;
    char *text; /* one line */
    char *mend; /* how to mend it, or NULL */
} MmrigFinding;

/* An amount that may not be known. */
typedef struct {
    gboolean known;
    guint64 bytes; /* G_MAXUINT64: no limit */
} MmrigAmount;

typedef struct {
    char *root; /* before the path of every file that a check looks at; "" for the real ones */

    MmrigQemu *qemu; /* or NULL with qemu_problem */
    char *qemu_problem;

    char *pack;      /* its devices, or NULL with pack_problem (or without QEMU) */
    char *pack_qemu; /* the version of QEMU that it was built for */
    char *pack_problem;

    gboolean kvm_tried; /* else only whether it is there was looked at */
    MmrigKvmState kvm;
    char *kvm_reason;

    char *kernels; /* names of the kernels in the cache, or NULL for none */

    char *cache; /* its folder, or NULL with cache_problem */
    char *cache_problem;
    MmrigAmount cache_free, shm_free;

    int shm_errno;     /* of trying to use /dev/shm as a guest's memory; 0 if it works */
    char *shm_problem; /* why templates are not kept there all the same, or NULL */

    MmrigFirmwareSearch *firmware; /* the search that a run makes */
    MmrigHostLimits *limits;

    gboolean is_root;
    int userfaultfd_errno;        /* of using the system call; 0 if it works */
    int userfaultfd_device_errno; /* of using /dev/userfaultfd */
} MmrigHost;

/*
 * Gathers the facts. boot: prove KVM by booting a guest, if there is a kernel in the cache;
 * may take MMRIG_KVM_SECONDS if KVM is broken. Never fails: what is not known is a finding.
 */
MmrigHost *mmrig_host_gather(gboolean boot);
void mmrig_host_free(MmrigHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigHost, mmrig_host_free)

/* All checks in the order of their table (of MmrigFinding). */
GPtrArray *mmrig_doctor_examine(const MmrigHost *host);

/* The worst state among the findings. */
MmrigCheckState mmrig_doctor_worst(const GPtrArray *findings);

/* For people: aligned; wrapped at width columns if width is not 0. Free with g_free(). */
char *mmrig_doctor_text(const GPtrArray *findings, gboolean colours, guint width);
/* For machines ("schema": 1). Free with json_node_unref(). */
JsonNode *mmrig_doctor_json(const GPtrArray *findings);
