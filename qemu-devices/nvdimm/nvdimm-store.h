/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file beside the backing file in which the errors of NVDIMMs outlive the
 * machine. Apart from QEMU.
 *
 * The file has two places. Each is written in turn, with a number that counts
 * up and a checksum, so that whoever is killed while writing leaves the other
 * one. This works on a file without a name (/proc/self/fd/N) as well, where
 * nothing can be renamed.
 */
#ifndef MMRIG_NVDIMM_STORE_H
#define MMRIG_NVDIMM_STORE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NVDIMM_STORE_HEADER 32

typedef struct NvdimmStore {
    int fd; /* -1: there is none */
    uint64_t number;
    unsigned next; /* the place that is written next */
} NvdimmStore;

/*
 * Opens the file, or makes it; exclusive refuses one that another QEMU has.
 * -1 with *why, which is to be freed.
 */
int mmrig_nvdimm_store_open(NvdimmStore *store, const char *path,
                            bool exclusive, char **why);
void mmrig_nvdimm_store_close(NvdimmStore *store);

/*
 * What was written last. NULL without *why if nothing was ever written, NULL
 * with *why if the file is something else or damaged.
 */
GByteArray *mmrig_nvdimm_store_read(NvdimmStore *store, uint32_t *flags,
                                    char **why);

/* False with errno set. */
bool mmrig_nvdimm_store_write(NvdimmStore *store, uint32_t flags,
                              const GByteArray *bytes);

#endif
