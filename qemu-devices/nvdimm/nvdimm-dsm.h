/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What mmrig-nvdimm answers to a _DSM: address range scrubs, injection and
 * clearing for the root device (nvdimm-dsm.c), health for a module
 * (nvdimm-health.c). Apart from QEMU: a page goes in and a page comes out.
 */
#ifndef MMRIG_NVDIMM_DSM_H
#define MMRIG_NVDIMM_DSM_H

#include "nvdimm-media.h"

#define NVDIMM_RECORDS_MAX                                                     \
    ((MMRIG_NVD_OUT_MAX - MMRIG_NVD_ARS_STATUS_HEADER) / MMRIG_NVD_ARS_RECORD)

typedef enum NvdimmScrubState {
    NVDIMM_SCRUB_NONE,
    NVDIMM_SCRUB_RUNNING,
    NVDIMM_SCRUB_ENDED,
} NvdimmScrubState;

/* The one scrub that there is, and its results. */
typedef struct NvdimmScrub {
    uint32_t state;
    uint32_t type;
    uint32_t overflow;
    uint32_t records;
    uint64_t start;
    uint64_t length; /* asked for; once it has ended, done */
    uint64_t restart;
    uint64_t restart_length;
    int64_t end_ns; /* while it runs: when it ends */
    uint64_t record_start[NVDIMM_RECORDS_MAX];
    uint64_t record_length[NVDIMM_RECORDS_MAX];
    uint32_t record_handle[NVDIMM_RECORDS_MAX];
} NvdimmScrub;

typedef struct NvdimmDsm {
    NvdimmMedia media;
    NvdimmScrub scrub;
    uint32_t buffer; /* the most that Query ARS Status answers with */
    uint64_t rate;   /* bytes that a scrub looks at in a second; 0: no limit */
    uint64_t least_ns; /* what a scrub takes at least */

    /* What the functions want done. Never NULL. */
    void (*changed)(void *opaque); /* the media must be saved */
    void (*event)(void *opaque, uint32_t event);
    /* Its contents are lost: fills it with zeroes. */
    void (*wipe)(void *opaque, NvdimmModule *module, uint64_t offset,
                 uint64_t length);
    void *opaque;

    uint64_t calls;
    uint64_t refused;
    uint64_t scrubs;
    uint64_t overflows;
    uint64_t injected; /* units */
    uint64_t cleared;
} NvdimmDsm;

/* A scrub that is due by now ends. Before anything that changes the media. */
void mmrig_nvdimm_dsm_poll(NvdimmDsm *dsm, int64_t now);

/* As after power-on: no scrub yet, and the media as they are. */
void mmrig_nvdimm_dsm_reset(NvdimmDsm *dsm);

/* Whether the scrub that a stream told of can be, on these media. */
bool mmrig_nvdimm_scrub_valid(NvdimmDsm *dsm);

/*
 * Answers the root device's function: in and out are pages and may not be the
 * same; out is all zeroes.
 */
void mmrig_nvdimm_dsm_root(NvdimmDsm *dsm, int64_t now, const uint8_t *in,
                           uint8_t *out);

/*
 * The same for a module. False if it is a function that the device leaves to
 * QEMU; of function 0, which both have, *mask is what to add.
 */
bool mmrig_nvdimm_dsm_module(NvdimmDsm *dsm, NvdimmModule *module,
                             const uint8_t *in, uint8_t *out, uint32_t *mask);

/* Bad from now on; notify tells the guest. False if there are too many. */
bool mmrig_nvdimm_dsm_inject(NvdimmDsm *dsm, NvdimmModule *module,
                             uint64_t offset, uint64_t length, bool notify);

#endif
