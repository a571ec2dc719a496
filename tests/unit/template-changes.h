/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scenarios that differ in one input of their template; BASE is the one that they differ from.
 */
#pragma once

#include "machine/plan.h"

#define SIZES "[machine]\ncpus = 2\nmemory = 512M\n"
#define OTHER(machine)                                                                         \
    "[scenario]\nsummary = s\narea = a\n[test]\ntest = t\nargs = one\n[machine]\n" machine

/*
 * Every input of a template, and a change of it. What becomes an input later belongs in
 * here: as an argument it is a row, as a file it is one for assert_file_counts()
 * below.
 */
static const struct {
    const char *input;
    const char *text;  /* NULL: BASE */
    const char *image; /* NULL: the plain one */
    MmrigAccel accel;
} changes[] = {
    {"memory", OTHER("cpus = 2\nmemory = 514M\n"), NULL, MMRIG_ACCEL_TCG},
    {"cpus", OTHER("cpus = 3\nmemory = 512M\n"), NULL, MMRIG_ACCEL_TCG},
    {"cpu model", BASE "cpu = max,family=6\n", NULL, MMRIG_ACCEL_TCG},
    {"vmgenid", BASE "vmgenid = yes\n", NULL, MMRIG_ACCEL_TCG},
    {"nodes", BASE "nodes = 2\n", NULL, MMRIG_ACCEL_TCG},
    {"command line", BASE "[kernel]\ncmdline = quiet\n", NULL, MMRIG_ACCEL_TCG},
    {"one more character", BASE "[kernel]\ncmdline = quiet2\n", NULL, MMRIG_ACCEL_TCG},
    {"modules", BASE "[kernel]\nmodules = nfit\n", NULL, MMRIG_ACCEL_TCG},
    {"nvdimm", BASE "[nvdimm pmem0]\nsize = 64M\n", NULL, MMRIG_ACCEL_TCG},
    {"nvdimm's size", BASE "[nvdimm pmem0]\nsize = 66M\n", NULL, MMRIG_ACCEL_TCG},
    {"nvdimm's labels", BASE "[nvdimm pmem0]\nsize = 64M\nlabel-size = 0\n", NULL,
     MMRIG_ACCEL_TCG},
    {"nvdimm's id", BASE "[nvdimm pmem1]\nsize = 64M\n", NULL, MMRIG_ACCEL_TCG},
    {"two nvdimms", BASE "[nvdimm pmem0]\nsize = 64M\n[nvdimm pmem1]\nsize = 64M\n", NULL,
     MMRIG_ACCEL_TCG},
    {"virtio-mem", BASE "[virtio-mem vm0]\nsize = 512M\n", NULL, MMRIG_ACCEL_TCG},
    {"virtio-mem's blocks", BASE "[virtio-mem vm0]\nsize = 512M\nblock-size = 4M\n", NULL,
     MMRIG_ACCEL_TCG},
    {"disk", BASE "[disk d]\nsize = 64M\n", NULL, MMRIG_ACCEL_TCG},
    {"cxl", BASE "[cxl c]\nvolatile = 256M\n", NULL, MMRIG_ACCEL_TCG},
    {"cxl's size", BASE "[cxl c]\nvolatile = 512M\n", NULL, MMRIG_ACCEL_TCG},
    {"cxl's kind", BASE "[cxl c]\npersistent = 256M\n", NULL, MMRIG_ACCEL_TCG},
    {"cxl's switch", BASE "[cxl c]\nvolatile = 256M\nswitch = yes\n", NULL, MMRIG_ACCEL_TCG},
    {"device of the pack", BASE "[pack cam0]\ntype = mmrig-camera\n", NULL, MMRIG_ACCEL_TCG},
    {"device's properties", BASE "[pack cam0]\ntype = mmrig-camera\nproperties = a=1\n", NULL,
     MMRIG_ACCEL_TCG},
    {"firmware", BASE "[firmware]\ntype = ovmf\n", NULL, MMRIG_ACCEL_TCG},
    {"test", "[scenario]\nsummary = s\narea = a\n[test]\ntest = u\nargs = one\n" SIZES, NULL,
     MMRIG_ACCEL_TCG},
    {"test's arguments", "[scenario]\nsummary = s\narea = a\n[test]\ntest = t\n" SIZES, NULL,
     MMRIG_ACCEL_TCG},
    {"image", NULL, "/cache/2.cpio", MMRIG_ACCEL_TCG},
    {"accelerator", NULL, NULL, MMRIG_ACCEL_KVM},
};
