/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of media errors in persistent memory share. The NVDIMM is pmem0 by its id. */
#ifndef MMRIG_TEST_PMEM_H
#define MMRIG_TEST_PMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nvdimm.h"

#define PMEM_BLOCK  ((size_t)512)
#define PMEM_DEVICE "/dev/pmem0"
#define PMEM_REGION "/sys/bus/nd/devices/region0"

/* Scrubs take a second or more, as Linux looks for their end in ever longer intervals. */
#define PMEM_SCRUB_SECONDS 30

/*
 * Makes the namespace, unless it is there already; in fsdax mode /dev/pmem0 is up then, in
 * devdax mode /dev/dax0.0. Ends the case if that fails. (align: bytes, as text, or NULL.)
 */
void pmem_make(const char *mode, const char *align);

/* Physical addresses: where the block device's first block is, and where the module begins. */
uint64_t pmem_data(void);
uint64_t pmem_module(void);

/* Makes bytes at a physical address bad, or good again; aborts if the rig does not. */
void pmem_lay(uint64_t address, size_t length);
void pmem_lay_and_notify(uint64_t address, size_t length);
void pmem_heal(uint64_t address, size_t length);
/* A counter of the device's. */
uint64_t pmem_count(const char *of);

/* The same by blocks of the block device. */
void pmem_lay_blocks(uint64_t block, uint64_t count);

/* ndctl's start-scrub, and wait-scrub: their exit statuses must be 0. */
void pmem_scrub(void);
/* Waits for the scrub that the kernel does by itself when it starts. */
void pmem_wait_scrub(void);

/* The kernel's list of bad blocks: "FIRST COUNT" in lines, joined by "; ". */
const char *pmem_badblocks(void);
/* Waits until it is that. */
bool pmem_wait_badblocks(const char *wanted);
/* Whether the region's list has the same blocks, moved by where the namespace's data begin. */
bool pmem_region_agrees(void);

/* ndctl list -M of the namespace: with blanks taken out. False if ndctl failed. */
bool pmem_list_media(char *list, size_t size);

/* One block, past the page cache: 0, or the error. */
int pmem_read(uint64_t block, void *bytes);
int pmem_write(uint64_t block, const void *bytes);

/* Each block of the range can be read, but for count of them from first on, which give EIO. */
bool pmem_only_bad(uint64_t from, uint64_t to, uint64_t first, uint64_t count);

/* A block's content that is its own; and whether it is there. */
void pmem_pattern(uint64_t block, void *bytes);
bool pmem_is_pattern(uint64_t block, const void *bytes);

/* Makes ext4 on /dev/pmem0 and mounts it with DAX on every file at /mnt/pmem. */
#define PMEM_MOUNT "/mnt/pmem"
void pmem_mount(bool make);

#endif
